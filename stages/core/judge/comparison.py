"""Is the difference between two experiments more than noise? Judged on folds that both share.

The folds of a K-fold evaluation share training rows, so their metrics move together, and a paired
t-test over them finds differences where there are none. Nadeau and Bengio (2003) widen the variance
of the mean from variance / J to variance x (1 / J + test rows / training rows); Bouckaert and Frank
(2004) use it for repeated K-fold, where J is k x repeats and the second term 1 / (k - 1). More
repeats shrink the first term and leave the second.
"""

from dataclasses import dataclass

import baycomp
import numpy as np
from scipy import stats

LEVEL = 0.05  # of tests, and the complement of what intervals and "equivalent" ask for
POWER = 0.8  # with which the smallest detectable difference would be found
TRIM = 0.2  # of the folds that a trimmed mean leaves out, at either end
ANY = (-np.inf, np.inf)  # bounds of a metric of which nothing is known


def standard_error(values, k) -> float:
    """Of the mean over all folds, corrected for the training rows that folds share.

    values: (k x repeats,) a metric, or a difference, of each fold.
    """
    return float(np.std(values, ddof=1) * np.sqrt(1 / len(values) + 1 / (k - 1)))


def interval(values, k, bounds=ANY) -> tuple[float, float]:
    """The 95 % interval of the mean: Student's t with k x repeats - 1 degrees of freedom.

    bounds: the least and the most that the mean can be; the interval is clipped there and holds the
    truth, which is between them, exactly as often. (A logit scale would keep to them too, but is
    not defined for a fold at a bound, and moves every other interval.)
    """
    return _tested(np.mean(values), standard_error(values, k), len(values) - 1, bounds)[1:3]


def _tested(mean, error, freedom, bounds):
    """Mean, low and high end of its 95 % interval, and p of the two-sided test that it is 0."""
    half = stats.t.ppf(1 - LEVEL / 2, freedom) * error
    low, high = np.clip([mean - half, mean + half], *bounds)
    p = 2 * stats.t.sf(abs(mean) / error, freedom) if error else mean == 0
    return float(mean), float(low), float(high), float(p)


@dataclass(frozen=True)
class Difference:
    """The mean of head - base, its 95 % interval, and p of the two-sided test that it is 0."""

    mean: float
    low: float
    high: float
    p: float


def typical(differences, k, bounds=ANY) -> Difference:
    """Yuen's test of a trimmed mean (1974), corrected for the training rows that folds share.

    A fold in which a fit failed adds so much to the variance that differences in all others go
    unseen: the mean of the middle three fifths does without it. Its variance is that of all
    differences, with the fifths at either end drawn in to where the middle ends (Winsorized).
    bounds: as of `interval`.
    """
    ordered, cut = np.sort(differences), int(TRIM * len(differences))
    middle = ordered[cut : len(ordered) - cut]
    error = standard_error(differences, k)
    if cut:
        drawn_in = np.clip(ordered, middle[0], middle[-1])
        error = standard_error(drawn_in, k) / (1 - 2 * TRIM)
    return Difference(*_tested(middle.mean(), error, len(middle) - 1, bounds))


@dataclass(frozen=True)
class Comparison(Difference):
    """What the folds say about head - base of a metric; p is of the corrected t-test.

    error: standard error of the mean. limit: what it would shrink to with any number of repeats.
    wins: folds in which head is better. folds: all of them; equal metrics are no win of either.
    typical: the same without the folds that stand out.
    worse, equivalent, better: probabilities that head is, from the Bayesian twin of the test
        (Benavoli et al. 2017); None where nobody said which difference is too small to matter.
    """

    error: float
    limit: float
    wins: int
    folds: int
    typical: Difference
    worse: float | None = None
    equivalent: float | None = None
    better: float | None = None

    @property
    def detectable(self) -> float:
        """The smallest difference that as many folds as these find with a power of 80 %."""
        student = stats.t(self.folds - 1)
        return float((student.ppf(1 - LEVEL / 2) + student.ppf(POWER)) * self.error)

    @property
    def floor(self) -> float:
        """The smallest difference that any number of repeats could find with a power of 80 %."""
        return float((stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)) * self.limit)

    @property
    def repeats_could_tell(self) -> bool:
        """Whether the difference, if it stayed, would leave the noise after enough repeats."""
        return bool(abs(self.mean) > stats.norm.ppf(1 - LEVEL / 2) * self.limit)


def compare(base, head, k, higher_is_better, within=None, bounds=ANY) -> Comparison:
    """Compare a metric of two experiments on the same folds.

    base, head: (k x repeats,) the metric of each fold, in the same order. within: the width on
    either side of 0 in which a difference counts as none. bounds: the least and the most that the
    metric can be. Raises ValueError for other shapes.
    """
    base, head = np.asarray(base, "float64"), np.asarray(head, "float64")
    if base.shape != head.shape or base.ndim != 1 or len(base) % k or len(base) < 2:
        shapes = f"{base.shape}, {head.shape}, k = {k}"
        raise ValueError(f"expected a metric for each of k x repeats folds, got {shapes}")
    differences, folds = head - base, len(base)
    better = differences if higher_is_better else -differences
    error, most = standard_error(differences, k), bounds[1] - bounds[0]
    chances = {}
    if within:  # baycomp takes the metrics of two models, and subtracts the first from the second
        chances = baycomp.CorrelatedTTest.probs(np.zeros(folds), better, within, folds // k)
        names = "worse", "equivalent", "better"
        chances = {name: float(p) for name, p in zip(names, chances, strict=True)}
    return Comparison(
        *_tested(differences.mean(), error, folds - 1, (-most, most)),
        error=error,
        limit=float(np.std(differences, ddof=1) * np.sqrt(1 / (k - 1))),
        wins=int((better > 0).sum()),
        folds=folds,
        typical=typical(differences, k, (-most, most)),
        **chances,
    )


def verdict(comparison: Comparison, p: float, typical_p: float, higher_is_better) -> str:
    """the same, better, worse, equivalent, better (worse) but negligible or in the typical fold, or
    no evidence.

    p, typical_p: of the comparison after `holm`, over all metrics that the review looks at.
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

    def mean(values, counts):
        drawn = random.integers(len(values), size=len(values))
        return values[drawn].mean(axis=0) @ counts / rows

    differences = np.empty(draws)
    for draw in range(draws):
        counts = np.bincount(random.integers(rows, size=rows), minlength=rows)
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


def seed_share(fold_values, seed_values) -> tuple[float, float, float] | None:
    """The share of the variance of the folds that seeds alone bring, with its 95 % interval.

    fold_values: (folds,) each of other rows and another seed. seed_values: (seeds,) of the same
    rows; None comes back for a single seed. Shares are at most 1. The interval is that of the
    variance of the seeds (chi-squared), by far the less certain.
    """
    freedom, total = len(seed_values) - 1, np.var(fold_values, ddof=1)
    if not freedom or not total:
        return None
    share = np.var(seed_values, ddof=1) / total
    low, high = freedom / stats.chi2.ppf([1 - LEVEL / 2, LEVEL / 2], freedom)
    return tuple(float(min(1, share * factor)) for factor in (1, low, high))
