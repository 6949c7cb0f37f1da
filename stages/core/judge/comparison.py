"""Is the difference between two experiments more than noise? Judged fold by fold, on folds that both share.

The folds of a K-fold evaluation share training rows, so their figures move together, and a paired t-test over them
finds differences where there are none. Nadeau and Bengio (2003) widen the variance of the mean from variance / J to
variance x (1 / J + test rows / training rows); Bouckaert and Frank (2004) use it for repeated K-fold, where J is
k x repeats and the second term 1 / (k - 1). More repeats shrink the first term and leave the second.
"""

from dataclasses import dataclass

import baycomp
import numpy as np
from scipy import stats

LEVEL = 0.05  # of tests, and the complement of what intervals and "equivalent" ask for
POWER = 0.8  # with which the smallest detectable difference would be found
TRIM = 0.2  # of the folds that a trimmed mean leaves out, at either end
ANY = (-np.inf, np.inf)  # what a figure can be, where nothing is known of it


def standard_error(values, k) -> float:
    """Of the mean of a figure over all folds, corrected for the training rows that folds share.

    values: (k x repeats,) one figure, or one difference, a fold.
    """
    return float(np.std(values, ddof=1) * np.sqrt(1 / len(values) + 1 / (k - 1)))


def interval(values, k, bounds=ANY) -> tuple[float, float]:
    """The 95 % interval of the mean: Student's t with k x repeats - 1 degrees of freedom.

    bounds: the least and the most that the mean can be; the interval is clipped there. The truth lies between them,
    so the clipped interval holds it exactly as often. (A scale such as the logit would keep to them too, but it is
    not defined for a fold whose figure is at a bound, and moves every other interval.)
    """
    half = stats.t.ppf(1 - LEVEL / 2, len(values) - 1) * standard_error(values, k)
    return _around(np.mean(values), half, bounds)


def _around(mean, half, bounds):
    low, high = np.clip([mean - half, mean + half], *bounds)
    return float(low), float(high)


@dataclass(frozen=True)
class Typical:
    """The difference of the folds without those that stand out: a trimmed mean, its 95 % interval and its p."""

    mean: float
    low: float
    high: float
    p: float


def typical(differences, k, bounds=ANY) -> Typical:
    """Yuen's test of a trimmed mean (1974) with the correction for the training rows that folds share.

    A fold in which a fit failed adds so much to the variance that differences in all others go unseen: the mean of
    the middle three fifths does without it. Its variance is that of all differences, with the fifths at either end
    drawn in to where the middle ends (Winsorized). bounds: as of `interval`.
    """
    ordered, cut = np.sort(differences), int(TRIM * len(differences))
    middle = ordered[cut : len(ordered) - cut]
    drawn_in = np.clip(ordered, middle[0], middle[-1])
    mean, error, freedom = (
        float(middle.mean()),
        standard_error(drawn_in, k) / (1 - 2 * TRIM),
        len(middle) - 1,
    )
    if cut == 0:
        error = standard_error(differences, k)
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom) * error)
    p = float(2 * stats.t.sf(abs(mean) / error, freedom)) if error else float(mean == 0)
    return Typical(mean, *_around(mean, half, bounds), p)


@dataclass(frozen=True)
class Comparison:
    """What the folds say about the difference head - base of one figure.

    mean: of the difference. low, high: its 95 % interval. p: of the two-sided corrected t-test that it is 0.
    wins: folds in which head is better. folds: all of them; folds with equal figures are nobody's.
    worse, equivalent, better: probabilities that head is, from the Bayesian twin of the test (Benavoli et al. 2017);
        None where nobody said how small a difference is too small to matter.
    error: standard error of the mean. limit: what it would shrink to with any number of repeats.
    typical: the same without the folds that stand out.
    """

    mean: float
    low: float
    high: float
    p: float
    wins: int
    folds: int
    worse: float | None
    equivalent: float | None
    better: float | None
    error: float
    limit: float
    typical: Typical

    @property
    def detectable(self) -> float:
        """The smallest difference that as many folds as these find with a power of 80 %."""
        freedom = self.folds - 1
        return float(
            (stats.t.ppf(1 - LEVEL / 2, freedom) + stats.t.ppf(POWER, freedom)) * self.error
        )

    @property
    def floor(self) -> float:
        """The smallest difference that any number of repeats could find with a power of 80 %."""
        return float((stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)) * self.limit)

    @property
    def repeats_could_tell(self) -> bool:
        """Whether the difference, if it stayed as it is, would leave the noise after enough repeats."""
        return bool(abs(self.mean) > stats.norm.ppf(1 - LEVEL / 2) * self.limit)


def compare(base, head, k, higher_is_better, within=None, bounds=ANY) -> Comparison:
    """Compare the figures of two experiments on the same folds.

    base, head: (k x repeats,) one figure a fold, in the same order. within: the width on either side of 0 in which a
    difference counts as none. bounds: the least and the most that the figure can be.
    """
    base, head = np.asarray(base, "float64"), np.asarray(head, "float64")
    if base.shape != head.shape or base.ndim != 1 or len(base) % k or len(base) < 2:
        raise ValueError(
            f"expected one figure for each of k x repeats folds, got {base.shape}, {head.shape}, k = {k}"
        )
    differences = head - base
    better = differences if higher_is_better else -differences
    mean, error, freedom = differences.mean(), standard_error(differences, k), len(differences) - 1
    most = bounds[1] - bounds[0]  # that a difference can be
    low, high = interval(differences, k, (-most, most))
    return Comparison(
        mean=float(mean),
        low=low,
        high=high,
        p=float(2 * stats.t.sf(abs(mean) / error, freedom)) if error else float(mean == 0),
        wins=int((better > 0).sum()),
        folds=len(differences),
        **_probabilities(better, k, within),
        error=error,
        limit=float(np.std(differences, ddof=1) * np.sqrt(1 / (k - 1))),
        typical=typical(differences, k, (-most, most)),
    )


def _probabilities(better, k, within):
    """worse, equivalent and better. baycomp wants the figures of two models; its differences are second - first."""
    if not within:
        return {"worse": None, "equivalent": None, "better": None}
    probabilities = baycomp.CorrelatedTTest.probs(
        np.zeros(len(better)), better, rope=within, runs=len(better) // k
    )
    return {
        name: float(p)
        for name, p in zip(("worse", "equivalent", "better"), probabilities, strict=True)
    }


def verdict(comparison: Comparison, p: float, typical_p: float, higher_is_better) -> str:
    """One of: the same, better, worse, equivalent, better (worse) but negligible, ... in the typical fold, no evidence.

    p, typical_p: of the comparison after `holm`, over all figures that the review looks at.
    """
    if comparison.low == comparison.high == 0:
        return "the same"
    negligible = comparison.equivalent is not None and comparison.equivalent >= 1 - LEVEL
    if p < LEVEL:
        word = _direction(comparison.mean, higher_is_better)
        return f"{word}, but negligible" if negligible else word
    if negligible:
        return "equivalent"
    if typical_p < LEVEL:
        return f"{_direction(comparison.typical.mean, higher_is_better)} in the typical fold"
    return "no evidence"


def _direction(mean, higher_is_better):
    return "better" if (mean > 0) == higher_is_better else "worse"


def holm(p_values) -> np.ndarray:
    """p-values corrected for their number (Holm 1979): each below the level holds with the others at 5 % in all."""
    p_values = np.asarray(p_values, "float64")
    order = np.argsort(p_values)
    stepped = p_values[order] * np.arange(len(order), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(1, np.maximum.accumulate(stepped))
    return corrected


def bootstrap(base, head, draws=2000, seed=0) -> tuple[float, float, float]:
    """Difference head - base of the mean over seeds and test rows, and its 95 % interval.

    base, head: (seeds, rows) the figure of each row, for the same rows; the numbers of seeds may differ. Rows are
    drawn anew for both together, seeds for each alone. It holds for other rows and seeds, not for other training rows.
    """
    random, rows = np.random.default_rng(seed), base.shape[1]
    differences = np.empty(draws)
    for draw in range(draws):
        counts = np.bincount(random.integers(rows, size=rows), minlength=rows)
        means = [
            own[random.integers(len(own), size=len(own))].mean(axis=0) @ counts / rows
            for own in (base, head)
        ]
        differences[draw] = means[1] - means[0]
    low, high = np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2])
    return float(head.mean() - base.mean()), float(low), float(high)


def flips(base, head, share=0.8) -> tuple[np.ndarray, np.ndarray]:
    """Test rows that went from right to wrong, and from wrong to right, in at least this share of the seeds.

    base, head: (seeds, rows) 1 where the seed's model is right, otherwise 0. Returns two arrays of row numbers.
    """
    # Shares of right and of wrong are counted apart: 1 - 0.8 is a little less than 1 / 5.
    right, wrong = (
        [own.mean(axis=0) >= share for own in sides]
        for sides in ((base, head), (1 - base, 1 - head))
    )
    return np.flatnonzero(right[0] & wrong[1]), np.flatnonzero(wrong[0] & right[1])


def seed_share(fold_values, seed_values) -> tuple[float, float, float] | None:
    """The share of the variance of a fold's figure that seeds alone bring, with its 95 % interval; at most 1 each.

    fold_values: (folds,) each with rows and a seed of its own. seed_values: (seeds,) all on the same rows; None comes
    back for a single one. The interval is that of the variance of the seeds (chi-squared), by far the less certain.
    """
    freedom, total = len(seed_values) - 1, np.var(fold_values, ddof=1)
    if not freedom or not total:
        return None
    share = np.var(seed_values, ddof=1) / total
    low, high = freedom / stats.chi2.ppf([1 - LEVEL / 2, LEVEL / 2], freedom)
    return tuple(float(min(1, share * factor)) for factor in (1, low, high))
