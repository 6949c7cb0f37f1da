"""Is the difference between two experiments more than noise? Judged on folds that both share.

The noise of a mean is that of `stages.core.judge.variance`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from stages.core.judge.t_test import ANY, LEVEL, Mean, standard_error, t_test
from stages.core.judge.variance import Estimate, by_folds, by_parts

POWER = 0.8  # with which the smallest detectable difference would be found
TRIM = 0.2  # of the folds that a trimmed mean leaves out, at either end


class Rows(NamedTuple):
    """A metric by row in two experiments.

    base, head: (repeats, seeds, rows). folds: (repeats, rows), groups: (rows,) or None, as of
    `variance.by_parts`.
    """

    base: np.ndarray
    head: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None = None


def typical(differences, k, bounds=ANY) -> Mean:
    """Yuen's test of a trimmed mean (1974), corrected for the training rows that folds share.

    A fold in which a fit failed adds so much to the variance that differences in all others go
    unseen: the mean of the middle three fifths does without it. Its variance is that of all
    differences, with the fifths at either end drawn in to where the middle ends (Winsorized).
    bounds: as of `t_test`.
    """
    ordered, cut = np.sort(differences), int(TRIM * len(differences))
    middle = ordered[cut : len(ordered) - cut]
    error = standard_error(differences, k)
    if cut:
        drawn_in = np.clip(ordered, middle[0], middle[-1])
        error = standard_error(drawn_in, k) / (1 - 2 * TRIM)
    return t_test(middle.mean(), error, len(middle) - 1, bounds)


@dataclass(frozen=True, kw_only=True)
class Comparison(Estimate):
    """What two experiments say about the difference head - base of a metric.

    wins, losses: folds in which head is better, and worse, over all seeds. folds: all of them.
    fits: of each fold, with other seeds. typical: the same without the folds that stand out, where
    a fold has a single fit; with several, one that failed hides less.
    differing: rows (or groups) on which the two differ at all, where that is known; p is at least
    that of a sign test of so many that all agree.
    """

    wins: int
    losses: int
    folds: int
    fits: int
    typical: Mean | None = None
    differing: int | None = None

    @property
    def differs(self) -> bool:
        """Whether any fold does."""
        return bool(self.low or self.high)

    @property
    def detectable(self) -> float:
        """The smallest difference that fits like these find with a power of 80 %."""
        student = stats.t(self.freedom)
        return float((student.ppf(1 - LEVEL / 2) + student.ppf(POWER)) * self.error)

    @property
    def floor(self) -> float | None:
        """The smallest that any number of repeats and seeds could find with a power of 80 %."""
        if self.limit is None:
            return None
        return float((stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)) * self.limit)

    @property
    def more_could_tell(self) -> bool:
        """Whether the difference, if it stayed, would leave the noise after enough fits."""
        return self.limit is None or bool(
            abs(self.mean) > stats.norm.ppf(1 - LEVEL / 2) * self.limit
        )


def compare(base, head, higher_is_better, within=None, bounds=ANY, rows=None) -> Comparison:
    """Compare a metric of two experiments on the same folds.

    base, head: (repeats, seeds, k) the metric of each fit; where the numbers of seeds differ, their
    means are compared. within: the width on either side of 0 in which a difference counts as none.
    bounds: the least and the most that the metric can be. rows: a Rows of the same metric, which
    tells the parts of the noise apart; without it the folds alone are judged. Raises ValueError for
    other shapes, and where these rows cannot tell the parts apart.
    """
    base, head = np.asarray(base, "float64"), np.asarray(head, "float64")
    if base.ndim != 3 or base.shape[::2] != head.shape[::2] or base.shape[2] < 2:
        shapes = f"{base.shape}, {head.shape}"
        raise ValueError(f"expected a metric of (repeats, seeds, 2 folds or more), got {shapes}")
    fits = max(base.shape[1], head.shape[1])
    if base.shape != head.shape:
        base, head = base.mean(axis=1, keepdims=True), head.mean(axis=1, keepdims=True)
    differences, most = head - base, bounds[1] - bounds[0]
    folds, span = differences.mean(axis=1).ravel(), (-most, most)
    settings, more = {"within": within, "bounds": span}, {}
    if rows is None:
        found = by_folds(differences, higher_is_better, **settings)
        if fits == 1:
            more["typical"] = typical(folds, differences.shape[2], span)
    else:
        by_row = rows.head - rows.base
        found = by_parts(by_row, rows.folds, rows.groups, higher_is_better, **settings)
        more["differing"] = differing = _differing(by_row, rows)
        found = replace(found, p=max(found.p, 2.0 ** (1 - differing)) if differing else found.p)
    better = folds if higher_is_better else -folds
    wins, losses = int((better > 0).sum()), int((better < 0).sum())
    counts = {"wins": wins, "losses": losses, "folds": len(folds), "fits": fits}
    return Comparison(**vars(found), **counts, **more)


def _differing(by_row, rows):
    """How many rows (or groups) that a fold holds out have any difference."""
    differ = (by_row != 0).any(axis=(0, 1)) & (rows.folds >= 0).all(axis=0)
    return int(differ.sum()) if rows.groups is None else len(np.unique(rows.groups[differ]))


def bonferroni(found: Comparison, number: int, bounds=ANY) -> Comparison:
    """The same, corrected for this number of tests: its interval, p, and p of its typical fold, and
    the probability of equivalence. With 95 % all intervals of so many comparisons hold the truth.

    bounds: as of `t_test`.
    """
    half = stats.t.ppf(1 - LEVEL / number / 2, found.freedom) * found.error
    low, high = np.clip([found.mean - half, found.mean + half], *bounds)
    typical, equivalent = found.typical, found.equivalent
    return replace(
        found,
        low=float(low),
        high=float(high),
        p=min(1.0, number * found.p),
        typical=typical and replace(typical, p=min(1.0, number * typical.p)),
        equivalent=None if equivalent is None else max(0.0, 1 - number * (1 - equivalent)),
    )


def verdict(comparison: Comparison, p: float, typical_p: float | None, higher_is_better) -> str:
    """the same, better, worse, equivalent, better (worse) but negligible or in the typical fold, or
    no evidence.

    p, typical_p: of the comparison, corrected for all that is decided.
    """
    if not comparison.differs:
        return "the same"
    negligible = comparison.equivalent is not None and comparison.equivalent >= 1 - LEVEL
    if p < LEVEL:
        word = _direction(comparison.mean, higher_is_better)
        return f"{word}, but negligible" if negligible else word
    if negligible:
        return "equivalent"
    if typical_p is not None and typical_p < LEVEL:
        return f"{_direction(comparison.typical.mean, higher_is_better)} in the typical fold"
    return "no evidence"


def _direction(mean, higher_is_better):
    return "better" if (mean > 0) == higher_is_better else "worse"


def holm(p_values) -> np.ndarray:
    """p-values corrected for their number (Holm 1979): all below the level hold together at 5 %."""
    p_values = np.asarray(p_values, "float64")
    order = np.argsort(p_values)
    stepped = p_values[order] * np.arange(len(order), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(1, np.maximum.accumulate(stepped))
    return corrected


def bootstrap(base, head, draws=2000, seed=0) -> tuple[float, float, float]:
    """Difference head - base of the mean over seeds and test rows, and its 95 % interval.

    base, head: (seeds, rows) the metric of each row; numbers of seeds may differ. Rows are drawn
    anew for both together, seeds for each alone; it says nothing of other training rows.
    """
    random, rows = np.random.default_rng(seed), base.shape[1]
    base, head = np.asarray(base, "float64"), np.asarray(head, "float64")

    def mean(values, counts):
        of_seeds = values @ counts / rows
        return of_seeds[random.integers(len(values), size=len(values))].mean()

    differences = np.empty(draws)
    for draw in range(draws):
        counts = np.bincount(random.integers(rows, size=rows), minlength=rows).astype("float64")
        before, after = mean(base, counts), mean(head, counts)
        differences[draw] = after - before
    low, high = np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2])
    return float(head.mean() - base.mean()), float(low), float(high)


def flips(base, head, share=0.8) -> tuple[np.ndarray, np.ndarray]:
    """Test rows that went from right to wrong, and from wrong to right, in most of the seeds.

    base, head: (seeds, rows) 1 where the seed's model is right, otherwise 0. share: the least share
    of the seeds. Returns two arrays of row numbers.
    """
    # Shares of right and of wrong are counted apart: 1 - 0.8 is a little less than 1 / 5.
    right, wrong = (
        [side.mean(axis=0) >= share for side in sides]
        for sides in ((base, head), (1 - base, 1 - head))
    )
    return np.flatnonzero(right[0] & wrong[1]), np.flatnonzero(wrong[0] & right[1])
