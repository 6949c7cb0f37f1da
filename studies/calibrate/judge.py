"""Which intervals hold the truth, and how wide they are. Pure: no training, no files."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from stages.core.judge.t_test import LEVEL
from stages.core.judge.variance import KAPPA, by_folds, by_parts

KAPPAS = tuple(sorted({0.0, 0.25, 0.5, 1.0, 3.0, KAPPA}))  # the last is K - 1
PARTS = tuple(f"kappa {kappa:g}" for kappa in KAPPAS)
METHODS = (*PARTS, "folds", "folds of a seed", "paired t-test")
AVERAGED, SINGLE, NAIVE = range(len(PARTS), len(METHODS))
FEWEST = 40  # pairs of a scenario that is held to a bound by itself
EQUAL = 0.25  # standard deviations of the estimate: a true difference below is called none


@dataclass(frozen=True)
class Judged:
    """Estimates and half widths of their 95 % intervals: (samples, METHODS) each.

    rows, seeds: (samples,), what `by_parts` says they add to the variance of the mean. training:
    (samples,), the variance between training sets that it finds. sets: how many there are of them.
    noise: (samples,), the variance of the mean over other seeds on the same rows.
    """

    estimates: np.ndarray
    halves: np.ndarray
    rows: np.ndarray
    seeds: np.ndarray
    sets: np.ndarray
    training: np.ndarray
    noise: np.ndarray


def fold_means(values, folds) -> np.ndarray:
    """The mean of each fold: (repeats, seeds, rows), (repeats, rows) -> (repeats, seeds, folds)."""
    member = (folds[..., None] == np.arange(folds.max() + 1)).astype("float64")
    return values @ member / member.sum(axis=1, keepdims=True)


def judged(each) -> Judged:
    """Each (values or their differences, folds[, groups]) by all methods, as of `by_parts`.

    "folds" is Nadeau and Bengio's test on folds averaged over seeds, "folds of a seed" on those of
    the first seed, and "paired t-test" takes those for independent.
    """
    rows = [_judged(np.asarray(values, "float64"), *how) for values, *how in each]
    return Judged(*map(np.array, zip(*rows, strict=True)))


def _judged(values, folds, groups=None):
    parts = [by_parts(values, folds, groups, kappa=kappa) for kappa in KAPPAS]
    means = fold_means(values, folds)
    single = means[:, :1]
    found = [*parts, by_folds(means), by_folds(single)]
    naive = stats.t.ppf(1 - LEVEL / 2, single.size - 1) * stats.sem(single.ravel())
    estimates = [*(each.mean for each in found), single.mean()]
    halves = [*(each.high - each.mean for each in found), naive]
    sets = means[:, 0].size
    between = parts[-1].training / (KAPPAS[-1] + 1 / sets)
    by_seed = means.mean(axis=2)
    noise = by_seed.var(axis=1, ddof=1).mean() / by_seed.size
    return estimates, halves, parts[0].rows, parts[0].seeds, sets, between, noise


@dataclass(frozen=True)
class Score:
    """How a method did with the pairs of a scenario; arrays are (METHODS,).

    missed: intervals without the truth. found: verdicts in the direction of the truth, or any
    where it is 0. false: verdicts where the truth is nearly 0, else None. width: mean half width.
    variance: of the estimate over samples.
    """

    count: int
    truth: float
    error: float
    missed: np.ndarray
    found: np.ndarray
    false: np.ndarray | None
    width: np.ndarray
    variance: float

    @property
    def best(self) -> float:
        """Half width of the interval from the variance over samples."""
        return float(stats.norm.ppf(1 - LEVEL / 2) * np.sqrt(self.variance))


def stretch(estimates, noise, share) -> float:
    """By how much more the estimate would vary on samples of a population without an end.

    share: of all rows that are in each sample. What rows bring is that much less variable; what
    seeds bring on the same rows (noise: that variance) is not.
    """
    variance = estimates.var(ddof=1)
    if not variance:
        return 1.0
    noise = min(noise, variance)
    return float(np.sqrt((noise + (variance - noise) / (1 - share)) / variance))


def score(found: Judged, truth, error=0.0, share=0.0) -> Score:
    """Count. truth: of the mean. error: its standard error. share: as of `stretch`."""
    wider = stretch(found.estimates[:, 0], found.noise.mean(), share)
    off = abs(found.estimates - truth) * wider
    called = abs(found.estimates) > found.halves
    deviation = found.estimates[:, 0].std(ddof=1) * wider
    equal = abs(truth) < EQUAL * deviation
    right = called & (np.sign(found.estimates) == np.sign(truth)) if truth else called
    return Score(
        len(off),
        float(truth),
        float(error),
        (off > found.halves).sum(axis=0),
        right.sum(axis=0),
        called.sum(axis=0) if equal else None,
        found.halves.mean(axis=0),
        float(deviation**2),
    )


def shares(found: Judged, done: Score) -> np.ndarray:
    """Parts of the variance of the estimate: rows, seeds, training sets drawn, the rest; (5,).

    The last is the variance between training sets itself: kappa is what makes the rest of it.
    """
    rows, seeds, between = (each.mean() for each in (found.rows, found.seeds, found.training))
    drawn = (found.training / found.sets).mean()
    rest = done.variance - rows - seeds - drawn
    return np.array([rows, seeds, drawn, rest, between]) / done.variance


@dataclass(frozen=True)
class Kept:
    """How a method did with all scenarios together.

    missed, of intervals; worst: the largest share missed in a scenario of FEWEST pairs or more.
    false verdicts, of equal pairs; alone, of pairs whose true difference is 0 exactly (seeds).
    best, single: its mean width, as a multiple of the best possible width, and of that from the
    folds of a seed.
    """

    missed: int
    intervals: int
    worst: float
    false: int
    equal: int
    alone: int
    seeds: int
    best: float
    single: float

    @property
    def holds(self) -> bool:
        """Whether it keeps the bounds that the page names."""
        few = self.false <= 0.07 * self.equal and self.alone <= 0.05 * self.seeds
        return self.missed <= 0.07 * self.intervals and self.worst <= 0.1 and few


def kept(scores, outside, place) -> Kept:
    """All scores together, by the method at this place; outside: whether each knows the truth."""
    known = [each for each, knows in zip(scores, outside, strict=True) if knows]
    equal = [each for each in scores if each.false is not None]
    seeds = [each for each in equal if each.truth == 0]
    large = [each for each in known if each.count >= FEWEST]
    return Kept(
        sum(each.missed[place] for each in known),
        sum(each.count for each in known),
        max((each.missed[place] / each.count for each in large), default=0.0),
        sum(each.false[place] for each in equal),
        sum(each.count for each in equal),
        sum(each.false[place] for each in seeds),
        sum(each.count for each in seeds),
        float(np.mean([each.width[place] / each.best for each in known])),
        float(np.mean([each.width[place] / each.width[SINGLE] for each in known])),
    )


def shared_noise(means) -> tuple[float, float]:
    """Correlation, over seeds, of folds of a repeat that share the seed's order; its error.

    means: (repeats, seeds, folds) arrays of a metric. The error is that of so many pairs without.
    """
    between = within = pairs = 0
    for each in means:
        apart = each - each.mean(axis=1, keepdims=True)
        repeats, seeds, k = apart.shape
        products = np.einsum("rsk,rsl->kl", apart, apart)
        between += (products.sum() - np.trace(products)) / (k - 1)
        within += np.trace(products)
        pairs += repeats * (seeds - 1) * k * (k - 1) / 2
    return float(between / within), float(1 / np.sqrt(pairs))
