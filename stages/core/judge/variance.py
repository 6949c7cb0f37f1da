"""How sure the mean of a metric is, from rows, seeds and training sets measured apart.

Each of K folds x M repeats is trained with S seeds, and the metric of each row that a fit holds out
is known. The mean varies for three reasons: other rows to be judged on, other seeds, and other rows
to be trained on. Seeds are independent, so what they bring shrinks with repeats and seeds; folds
share training rows, so what training sets bring shrinks no further than KAPPA says. `by_parts`
measures each by itself. Where the metric is no mean over rows, `by_folds` bounds all of them
together.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from stages.core.judge.t_test import ANY, Mean, standard_error, t_test

# The variance of what all training sets drawn from a data set have in common, as a multiple of the
# variance between them. A data set cannot show it, since all of them are drawn from its rows. Where
# training rows act one by one it is K - 1; where they act in pairs, as near an optimum of
# the loss, rho^2 / (1 - rho^2) with rho = (K - 1) / K, so 1.3 for K = 4; where fits fail by chance,
# 0. It stands, too, for a row being judged and trained on at once: estimated by itself, that
# covariance is all noise. So it is chosen by what came true: the smallest with which at most 7 % of
# all intervals of docs/calibration.md miss the truth, at most 10 % in any pair of networks on real
# data, and at most 7 % in any pair of learners on simulated rows.
KAPPA = 0.25
SINGLE = 1.0  # the same for the metric of one experiment: of a difference, most of it cancels
REPEATS, SEEDS = 2, 3  # fewest that tell parts apart; with 2 seeds fits that fail go unseen
MANY = 100  # fits, among which failures of single ones are seen


@dataclass(frozen=True)
class Estimate(Mean):
    """A mean, its 95 % interval, p of the two-sided test that it is 0, and what they rest on.

    error: standard error of the mean. freedom: degrees of freedom of Student's t. test: "parts" or
    "folds", after the function. rows, seeds, training: the parts of error^2, and limit: what the
    error shrinks to with any number of repeats and seeds; None from folds alone, which cannot tell.
    worse, equivalent, better: probabilities that a difference head - base is of that kind, in the
    direction of the metric; None where nobody said which difference is too small to matter.
    """

    error: float
    freedom: float
    test: str
    rows: float | None = None
    seeds: float | None = None
    training: float | None = None
    limit: float | None = None
    worse: float | None = None
    equivalent: float | None = None
    better: float | None = None


def by_parts(
    values, folds, groups=None, higher_is_better=True, within=None, bounds=ANY, kappa=KAPPA
) -> Estimate:
    """The mean over folds and seeds of a metric by row, or of its differences, from its parts.

    values: (repeats, seeds, rows) float64, of each row where it is held out; fits of different
    repeats or seeds share neither weights nor orders of batches. folds: (repeats, rows) ints from
    0, the fold that holds a row out; below 0 in all repeats: none does. groups: (rows,), alike for
    rows that are drawn together and share a fold; without it each row is drawn by itself. within,
    bounds: as of `by_folds`. kappa: as KAPPA.
    Raises ValueError where the parts cannot be told apart: for fewer than 2 repeats or 2 seeds,
    repeats with the same folds, folds of a single row (or group).
    """
    totals, cut = _cut(np.asarray(values, "float64"), np.asarray(folds), groups)
    means = cut.means(totals)
    repeats, seeds, k = means.shape
    mean, sets = float(means.mean()), repeats * k
    between_seeds, between_sets = _between(totals, cut)
    parts = {
        "rows": _of_rows(totals, cut, mean),
        "seeds": between_seeds / (repeats * seeds),
        "training": max(0.0, between_sets) * (kappa + 1 / sets),
    }
    freedom = {"rows": totals.shape[2] - 1, "seeds": repeats * (seeds - 1), "training": sets - 1}
    variance, student = sum(parts.values()), freedom["rows"]
    if variance:  # Satterthwaite (1946), by shares, since the square of a tiny variance is 0
        student = 1 / sum((part / variance) ** 2 / freedom[name] for name, part in parts.items())
    parts["limit"] = (parts["rows"] + kappa * max(0.0, between_sets)) ** 0.5
    return _estimate(
        mean, variance**0.5, student, "parts", higher_is_better, within, bounds, **parts
    )


def inseparable(folds, seeds, groups=None) -> str:
    """Why rows, seeds and training sets cannot be told apart, for people; "" where they can.

    folds, groups: as of `by_parts`. seeds: of each fold.
    """
    if len(folds) > 1 and (folds == folds[0]).all():
        return "all repeats hold out the same rows"
    if len(folds) < REPEATS or seeds < SEEDS:
        needed = f"{REPEATS} repeats and {SEEDS} seeds (`kfold` of params.yaml) or more"
        return f"rows, seeds and training sets are told apart by {needed}"
    units = np.arange(folds.shape[1]) if groups is None else groups
    k = int(folds.max()) + 1  # groups are dealt in other numbers in each repeat
    counts = [len(np.unique(units[dealt == fold])) for dealt in folds for fold in range(k)]
    return "" if min(counts) > 1 else "a fold has a single row (or group)"


def by_folds(values, higher_is_better=True, within=None, bounds=ANY) -> Estimate:
    """The mean of a metric of folds, or of its differences: Nadeau-Bengio, averaged over seeds.

    values: (repeats, seeds, folds) float64. within: the width on either side of 0 in which a
    difference counts as none. bounds: the least and the most that the mean can be; the interval is
    clipped there. Raises ValueError for other shapes, and for a single fold.
    """
    values = np.asarray(values, "float64")
    if values.ndim != 3 or values.shape[2] < 2 or not values.size:
        raise ValueError(
            f"expected values of (repeats, seeds, 2 folds or more), got {values.shape}"
        )
    folds = values.mean(axis=1).ravel()
    error = standard_error(folds, values.shape[2])
    return _estimate(folds.mean(), error, len(folds) - 1, "folds", higher_is_better, within, bounds)


def _estimate(mean, error, freedom, test, higher_is_better, within, bounds, **parts):
    chances = {}
    if within is not None:
        better = mean if higher_is_better else -mean
        if error:
            chances["worse"] = stats.t.cdf((-within - better) / error, freedom)
            chances["better"] = stats.t.sf((within - better) / error, freedom)
        else:
            chances = {"worse": better < -within, "better": better > within}
        chances["equivalent"] = 1 - chances["worse"] - chances["better"]
    parts = {name: float(part) for name, part in (parts | chances).items()}
    found = t_test(mean, error, freedom, bounds)
    return Estimate(**vars(found), error=float(error), freedom=float(freedom), test=test, **parts)


@dataclass(frozen=True)
class _Cut:
    """Units (rows, or groups of them) cut into folds in each repeat.

    member: (repeats, units, folds) 0 or 1. rows: (units,) of each. sizes: (repeats, 1, folds) rows.
    """

    member: np.ndarray
    rows: np.ndarray
    sizes: np.ndarray

    def means(self, totals):
        """Of each fold, from totals of units: (repeats, ., units) -> (repeats, ., folds)."""
        return totals @ self.member / self.sizes

    def at_units(self, of_folds):
        """What holds for the fold of each unit: (repeats, ., folds) -> (repeats, ., units)."""
        return of_folds @ self.member.swapaxes(1, 2)

    def noise(self, squares):
        """The variance that single units bring into the means of folds: (repeats, ., folds).

        squares: (repeats, ., units), of their totals around rows x the mean of the fold.
        """
        units = self.member.sum(axis=1, keepdims=True)
        return squares @ self.member * units / (units - 1) / self.sizes**2


def _of_rows(totals, cut, mean):
    """The part of the variance of the mean that single units bring, by all that fits say of them.

    The mean over folds is a sum with a term for each unit, and units are drawn by themselves. This
    holds what differs by unit and seed, or by unit and training set, as well, and too much by about
    folds / units of the two other parts.
    """
    apart = totals.mean(axis=1, keepdims=True) - cut.rows * mean
    terms = (apart * cut.at_units(1 / cut.sizes)).sum(axis=(0, 1)) / cut.member[:, 0].size
    return float(len(terms) / (len(terms) - 1) * (terms**2).sum())


def _between(totals, cut):
    """Variance of the mean over the folds of a repeat between seeds, and of the mean of a fold
    between training sets, which can be < 0.

    What the other repeats say of the same rows is taken off first, so that a fold of hard rows is
    not taken for a bad training set. What is left of single rows in a fold's mean is estimated from
    the rows within the fold, and taken off the latter too: `_of_rows` holds it.
    """
    of_units = totals.mean(axis=1, keepdims=True)
    rest = totals - (of_units.sum(axis=0) - of_units) / (len(totals) - 1)
    means = cut.means(rest)
    apart = rest - cut.rows * cut.at_units(means)
    repeats, each, k = means.shape

    def net(squares):
        return float((squares(means) - cut.noise(squares(apart))).mean())

    def over_seeds(values):
        return values.var(axis=1, ddof=1, keepdims=True)

    # Folds of a repeat share the order of batches of a seed, and with it some noise. What single
    # rows bring here is counted, though `_of_rows` holds it as well: taken off, it leaves 0 in many
    # samples, and there intervals missed the truth up to 13 % of the time.
    seeds = float(over_seeds(means.mean(axis=2)).mean())
    # The square of a mean over seeds holds their variance: of this fold, and of all in the others.
    # The variance of training sets is not reduced likewise: those of other repeats have rows in
    # common with this fold's, and if they had none it would be too large by that share.
    squared = net(lambda values: values.mean(axis=1, keepdims=True) ** 2)
    return seeds, squared - net(over_seeds) / each * (1 + 1 / ((repeats - 1) * k))


def _cut(values, folds, groups):
    """Totals of units, (repeats, seeds, units), and how they are cut; raises ValueError."""
    if values.ndim != 3 or folds.shape != (values.shape[0], values.shape[2]):
        shapes = f"{values.shape} and {folds.shape}"
        raise ValueError(f"expected values of (repeats, seeds, rows) and their folds, got {shapes}")
    if min(values.shape[:2]) < 2:
        got = f"{values.shape[0]} and {values.shape[1]}"
        raise ValueError(f"expected 2 repeats and 2 seeds or more to tell parts apart, got {got}")
    if (folds[1:] == folds[0]).all():
        raise ValueError("expected repeats that deal rows into other folds, got the same in all")
    held = (folds >= 0).all(axis=0)
    if (folds[:, ~held] >= 0).any():
        raise ValueError("expected rows held out in every repeat or in none, got some in a few")
    values, folds = values[:, :, held], folds[:, held]
    if not np.isfinite(values).all():
        raise ValueError("expected a finite value for each row that is held out, got others")
    rows = np.ones(values.shape[2])
    if groups is not None:
        _, first, unit = np.unique(np.asarray(groups)[held], return_index=True, return_inverse=True)
        if (folds != folds[:, first][:, unit]).any():
            raise ValueError("expected each group whole in a fold, got groups cut apart")
        totals = np.zeros((*values.shape[:2], len(first)))
        np.add.at(totals, (slice(None), slice(None), unit), values)
        values, folds, rows = totals, folds[:, first], np.bincount(unit).astype("float64")
    member = (folds[..., None] == np.arange(folds.max() + 1)).astype("float64")
    if member.shape[2] < 2 or member.sum(axis=1).min() < 2:
        raise ValueError("expected 2 folds or more of 2 rows (groups) or more in each repeat")
    return values, _Cut(member, rows, (rows @ member)[:, None])
