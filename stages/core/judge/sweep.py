"""Which of many candidates is best, and what it is worth in spite of having been chosen.

All candidates are trained on the same folds with the same seeds, so each pair is compared as a
review compares two experiments. Of many comparisons some look good by chance: intervals are wider
for their number. The best of many looks better than it is: what the rows add to that, a bootstrap
tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stages.core.judge import scores
from stages.core.judge.comparison import Comparison, Rows, bonferroni, compare, verdict
from stages.core.judge.metrics import Metric
from stages.core.judge.t_test import LEVEL
from stages.core.judge.variance import inseparable

FIRST = 2  # repeats of the first round: fewer do not tell rows, seeds and training sets apart
DRAWS = 2000
AT_ONCE = 50  # draws, which bounds the memory
SIMPLEST = "fewest parameters, then most L1, L2, dropout and weight decay, then fewest epochs"


@dataclass(frozen=True)
class Reached:
    """The main metric of a candidate. values: (repeats, seeds, k), of fits. rows: (repeats, seeds,
    rows) float32, or None where it is no mean over rows. at_limit: of epochs that were chosen for
    each fold of each repeat, how many are the last there was.
    """

    values: np.ndarray
    rows: np.ndarray | None
    at_limit: int = 0

    @property
    def mean(self) -> float:
        """Over all fits."""
        return float(self.values.mean())

    def and_then(self, more: "Reached") -> "Reached":
        """The same with further repeats."""
        rows = None if self.rows is None else np.concatenate([self.rows, more.rows])
        values = np.concatenate([self.values, more.values])
        return Reached(values, rows, self.at_limit + more.at_limit)


@dataclass(frozen=True)
class Judge:
    """What all candidates of a data set are judged by.

    folds: (repeats, rows) that hold a row out. groups: (rows,), or None. within: the width on
    either side of 0 in which a difference counts as none.
    """

    metric: Metric
    targets: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None
    within: float

    @property
    def rounds(self) -> list[int]:
        """Repeats after which candidates are compared; the last: all."""
        return rounds(len(self.folds)) if self.separable else [len(self.folds)]

    @property
    def separable(self) -> bool:
        """Whether repeats hold out other rows; in time they do not, and are further seeds."""
        return not (self.folds == self.folds[0]).all()

    def folds_alone(self, seeds: int) -> str:
        """Why the folds alone decide between candidates of so many seeds; "" where rows do."""
        if not self.metric.by_row:
            return f"{self.metric.name} is no mean over rows"
        return inseparable(self.folds, seeds, self.groups)

    def reached(self, predictions, start: int = 0) -> Reached:
        """By predictions (repeats, seeds, rows, outputs), the first of which is repeat `start`."""
        folds = self.folds[start : start + len(predictions)]
        given = self.targets, folds, predictions
        rows = scores.of_held_out_rows(self.metric, *given)
        values = scores.of_fits([self.metric], *given)[self.metric.name]
        return Reached(values, None if rows is None else rows.astype("float32"))

    def compared(self, base: Reached, head: Reached) -> Comparison:
        """The difference head - base, over the repeats that both have."""
        repeats = min(len(base.values), len(head.values))
        folds, seeds = self.folds[:repeats], base.values.shape[1]
        values, rows = [side.values[:repeats] for side in (base, head)], None
        if base.rows is not None and not inseparable(folds, seeds, self.groups):
            rows = Rows(base.rows[:repeats], head.rows[:repeats], folds, self.groups)
        elif not self.separable:
            values = [side.reshape(1, -1, side.shape[2]) for side in values]
        better = self.metric.higher_is_better
        return compare(*values, better, self.within, self.metric.bounds, rows)

    def against(self, base: int, reached: dict[int, Reached], pairs: int) -> dict[int, Comparison]:
        """Each other candidate against this one, corrected for so many pairs (Bonferroni)."""
        most = self.metric.bounds[1] - self.metric.bounds[0]
        found = {}
        for number, head in reached.items():
            if number != base:
                one = self.compared(reached[base], head)
                tests = pairs * (1 + (one.typical is not None))
                found[number] = bonferroni(one, tests, (-most, most))
        return found

    def verdict(self, found: Comparison) -> str:
        """In words."""
        typical = found.typical and found.typical.p
        return verdict(found, found.p, typical, self.metric.higher_is_better)

    def loses(self, found: Comparison) -> bool:
        """Whether the mean is worse by more than noise."""
        return self.verdict(found) in ("worse", "worse, but negligible")

    def best(self, reached: dict[int, Reached]) -> int:
        """The candidate with the best mean; the first of equal ones."""
        choose = max if self.metric.higher_is_better else min
        return choose(reached, key=lambda number: reached[number].mean)

    def beaten(self, reached: dict[int, Reached], pairs: int) -> list[int]:
        """Those that the best so far beats, corrected for so many pairs."""
        found = self.against(self.best(reached), reached, pairs)
        return [number for number, each in found.items() if self.loses(each)]


def all_pairs(candidates: int, rounds: int) -> int:
    """How many pairs there are in all rounds. The best was chosen by the same rows, so any pair of
    candidates may be the one that is compared with it.
    """
    return rounds * candidates * (candidates - 1) // 2


def rounds(repeats: int) -> list[int]:
    """Repeats after which candidates are compared, each about twice the one before; the last: all.

    Raises ValueError for fewer than 1.
    """
    if repeats < 1:
        raise ValueError(f"expected 1 repeat or more, got {repeats}")
    ends, end = [], FIRST
    while 1.5 * end < repeats:
        ends.append(end)
        end *= 2
    return [*ends, repeats]


@dataclass(frozen=True)
class Chosen:
    """What choosing the best is worth.

    mean, low, high: of the chosen candidate on rows that did not choose, and the middle 95 % of the
    draws. naive: of the best on all rows, which chose it. share: of the draws that chose the same.
    """

    mean: float
    low: float
    high: float
    naive: float
    share: float


def on_other_rows(
    judge: Judge, reached: dict[int, Reached], seed: int, draws: int = DRAWS
) -> Chosen | None:
    """The metric of the best of candidates, judged on other rows than those that choose it.

    Rows are drawn with replacement; the best on those that are drawn is judged on those that are
    not (Tsamardinos, Greasidou and Borboudakis, Machine Learning 2018, BBC-CV). It trains nothing.
    It takes the luck of the rows off the choice; that of the fits, which are the same in all draws,
    stays. A draw that leaves nothing out, as of few groups, does not count. None where the metric
    is no mean over rows.
    """
    if any(each.rows is None for each in reached.values()):
        return None
    shares, held = _shares(judge.folds), (judge.folds >= 0).all(axis=0)
    unit = np.arange(held.sum())
    if judge.groups is not None:  # rows of a group are drawn together
        _, unit = np.unique(judge.groups[held], return_inverse=True)

    def summed(each):
        """Its metric and its shares, by unit: (2, units)."""
        weights, rows = shares[: len(each.rows)], each.rows.mean(axis=1, dtype="float64")
        parts = [part.mean(axis=0) for part in (weights * rows[:, held], weights)]
        return np.stack([np.bincount(unit, weights=part) for part in parts])

    table, sizes = np.stack([summed(each) for each in reached.values()], axis=1)
    choose = np.argmax if judge.metric.higher_is_better else np.argmin
    means = table.sum(axis=1) / sizes.sum(axis=1)
    random, units, chosen, worth = np.random.default_rng(seed), sizes.shape[1], [], []
    for start in range(0, draws, AT_ONCE):
        count = min(AT_ONCE, draws - start)
        drawn = np.stack(
            [np.bincount(random.integers(units, size=units), minlength=units) for _ in range(count)]
        )
        inside = table @ drawn.T / (sizes @ drawn.T)  # (candidates, draws)
        best = choose(inside, axis=0)
        left_out = drawn == 0
        rest = (sizes[best] * left_out).sum(axis=1)
        judged = (table[best] * left_out).sum(axis=1) / np.where(rest, rest, np.nan)
        worth.append(judged)
        chosen.append(best)
    worth, best = np.concatenate(worth), choose(means)
    low, high = np.nanquantile(worth, [LEVEL / 2, 1 - LEVEL / 2])
    share = (np.concatenate(chosen) == best).mean()
    return Chosen(*map(float, (np.nanmean(worth), low, high, means[best], share)))


def _shares(folds):
    """Of each held-out row in the mean over the folds of a repeat: (repeats, held-out rows)."""
    sizes = np.stack([np.bincount(dealt[dealt >= 0]) for dealt in folds])
    held = folds[:, (folds >= 0).all(axis=0)]
    return 1 / sizes.shape[1] / np.take_along_axis(sizes, held, axis=1)


@dataclass(frozen=True)
class Found:
    """What a sweep found. Candidates have numbers; 0 is the section as it stands.

    reached: of all that did not diverge. stopped: those that were beaten before the last round.
    best: of the others. group: the best and those that it does not beat. to_base: of all others,
    corrected for their number and the rounds; to_best: for that of all pairs and the rounds, or the
    same where the first is the best.
    chosen: see `on_other_rows`.
    """

    reached: dict[int, Reached]
    stopped: list[int]
    best: int
    group: list[int]
    to_base: dict[int, Comparison]
    to_best: dict[int, Comparison]
    chosen: Chosen | None

    @classmethod
    def of(cls, judge: Judge, reached: dict[int, Reached], seed: int) -> "Found":
        """By what candidates reached; those with fewer repeats than the first had stopped."""
        whole, looks = len(reached[0].values), len(judge.rounds)
        going = {number: each for number, each in reached.items() if len(each.values) == whole}
        best = judge.best(going)
        to_base = judge.against(0, reached, looks * (len(reached) - 1))
        pairs = all_pairs(len(reached), looks)
        to_best = judge.against(best, reached, pairs) if best else to_base
        group = [number for number in going if number == best or not judge.loses(to_best[number])]
        stopped = [number for number in reached if number not in going]
        chosen = on_other_rows(judge, reached, seed)
        return cls(reached, stopped, best, group, to_base, to_best, chosen)


def simplest(sections: dict[int, object], parameters: dict[int, int], among: Iterable[int]) -> int:
    """Of these candidates the one with the fewest parameters; of equal ones that with the most L1,
    and so on: L2, dropout, weight decay, the fewest epochs; then the first of `among`.
    """

    def key(number):
        section = sections[number]
        held_back = [getattr(section.model, name, 0) for name in ("l1", "l2", "dropout")]
        held_back.append(section.fit.weight_decay)
        epochs = section.kfold.epochs
        most = section.final.exploring_epochs if epochs == "best" else epochs
        return parameters[number], *(-_strength(each) for each in held_back), most

    return min(among, key=key)


def _strength(value) -> float:
    """Of a penalty; of a network of one's own it may be anything, such as one for each layer."""
    values = value if isinstance(value, list) else [value]
    return sum(each for each in values if isinstance(each, (int, float)))
