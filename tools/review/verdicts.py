"""Two revisions compared fold by fold: whether they can be, each difference, and its verdict."""

from dataclasses import dataclass, replace

import numpy as np

from stages.core.judge import comparison
from stages.core.judge.metrics import METRICS, Metric
from stages.core.judge.variance import inseparable
from tools.review.results import Description, Results
from tools.review.revisions import Revision, Unreadable

FAILING = {  # of --fail-on: verdicts on the main metric; "worse, but negligible" stops nobody
    "worse": ("worse", "worse in the typical fold"),
    "not-comparable": ("not comparable",),
}


@dataclass(frozen=True)
class Reviewed:
    """A data set in both revisions.

    metrics: those of a fold that mean the same in both, the main one first. comparisons: {name of a
    metric: Comparison}, empty where `obstacle` says why. folds_alone: why the folds alone decide,
    or "". p: {name of a metric: p of its mean and, if any, of its typical fold}, corrected.
    """

    name: str
    about: Description
    base: Results
    head: Results
    metrics: list[Metric]
    obstacle: str
    comparisons: dict[str, comparison.Comparison]
    folds_alone: str
    p: dict[str, tuple[float, float | None]]

    @property
    def sides(self) -> tuple[Results, Results]:
        """Base and head."""
        return self.base, self.head

    @property
    def test_rows(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The main metric of each test row, (seeds, rows), in both; None where one lacks it."""
        base, head = self.base.test_rows, self.head.test_rows
        if base is None or head is None or base.shape[1] != head.shape[1] or not base.size:
            return None
        splits = [side.metrics.get("split") for side in self.sides]
        return (base, head) if splits[0] == splits[1] else None

    @property
    def tested(self) -> bool:
        """Whether a side has test rows, and the main metric is a mean over rows."""
        return bool(self.about.metric.by_row) and any("test" in side.metrics for side in self.sides)

    @property
    def unchanged(self) -> bool:
        """Whether nothing at all differs."""
        differs = any(found.differs for found in self.comparisons.values())
        return not self.obstacle and self.base.metrics == self.head.metrics and not differs

    def means(self, metric: Metric) -> list[float | None]:
        """The K-fold means of base and head; None where there is none."""
        return [side.mean(metric) for side in self.sides]

    def differences(self, metric: Metric) -> np.ndarray:
        """head - base of each fold, over all seeds: (repeats, k)."""
        base, head = (side.of_fits(metric.name).mean(axis=1) for side in self.sides)
        return head - base

    def verdict(self, metric: Metric | None = None) -> str:
        """In words; on the main metric where none is named."""
        metric = metric or self.about.metric
        if self.obstacle:
            return "not comparable"
        found, p = self.comparisons[metric.name], self.p[metric.name]
        return comparison.verdict(found, *p, metric.higher_is_better)


def review(base: Revision, head: Revision) -> list[Reviewed]:
    """All data sets that either revision runs on.

    Raises Unreadable where a revision has no metrics, or none of the two says what a data set is.
    """
    found = []
    for name in dict.fromkeys([*base.sections, *head.sections]):
        sides = Results(base, name), Results(head, name)
        if not any(side.about for side in sides):
            where = f"data/sources/{name}.yaml and datasets.{name}.data.task"
            raise Unreadable(f"{where} cannot be read in {base.name} nor in {head.name}")
        found.append(compared(name, *sides))
    for side in (base, head):
        results = [half for both in found for half in both.sides if half.revision is side]
        if not any(half.metrics for half in results):
            raise Unreadable(f"{side.name} has no metrics/<dataset>.json; `dvc repro` makes them")
    return corrected(found)


def compared(name: str, base: Results, head: Results) -> Reviewed:
    """A data set with its comparisons, of which at least one revision says what it is.

    The band of equivalence is that of the main metric.
    """
    about = head.about or base.about
    main, reason = about.metric, obstacle(base, head, about.metric.name)
    metrics = [main, *_others(base, head, about)]
    if reason:
        return Reviewed(name, about, base, head, metrics, reason, {}, "", {})
    rows, folds_alone = rows_of_both(base, head)
    found = {}
    for metric in metrics:
        judged = {"within": head.equivalent_within, "rows": rows} if metric is main else {}
        values = [side.of_fits(metric.name) for side in (base, head)]
        settings = {"bounds": metric.bounds} | judged
        found[metric.name] = comparison.compare(*values, metric.higher_is_better, **settings)
    return Reviewed(name, about, base, head, metrics, "", found, folds_alone, {})


def same_loss(base: Results, head: Results) -> bool:
    """Whether the losses measure the same in both, as far as they say."""
    return not (base.measured and head.measured) or base.measured == head.measured


def _others(base, head, about):
    """The loss, where it measures the same in both and is not the main metric by another name, and
    the metrics that are told in both.
    """
    shared = [name for name in METRICS if name != about.metric.name]
    if same_loss(base, head):
        says = head if head.measured else base
        measured = (says.about or about).loss
        if measured.by_row is not about.metric.by_row:
            yield measured
    for name in shared:
        if all(side.has(name) for side in (base, head)):
            yield METRICS[name]


def rows_of_both(base: Results, head: Results) -> tuple[comparison.Rows | None, str]:
    """The main metric of each row in both, or None and why the folds alone decide."""
    found = [side.by_row for side in (base, head)]
    for side, rows in zip((base, head), found, strict=True):
        if rows.absent:
            return None, f"{side.revision.name} {rows.absent}"
    before, after = (rows.values for rows in found)
    if before.shape[1] != after.shape[1]:
        seeds = f"a fold has {before.shape[1]} and {after.shape[1]} fits"
        return None, f"{seeds}; the same `kfold.seeds` in both would be sharper"
    for side, rows in zip((base, head), found, strict=True):
        if not side.agrees(rows):
            what = "metrics by row are not those of its folds.csv; `dvc repro` makes them anew"
            return None, f"{side.revision.name}'s {what}"
    rows = comparison.Rows(before, after, found[1].folds, found[1].groups)
    why = inseparable(rows.folds, after.shape[1], rows.groups)
    return (None, why) if why else (rows, "")


def obstacle(base: Results, head: Results, metric: str) -> str:
    """Why the two cannot be compared fold by fold, by this main metric, or nothing."""
    names, mains = (base.revision.name, head.revision.name), []
    for side, name in zip((base, head), names, strict=True):
        mains.append(side.about.metric.name if side.about else metric)
        if not side.metrics or side.folds is None:
            return f"{name} has no metrics for it"
        if not side.section:
            return f"params.yaml of {name} has no section for it, or is of an older layout"
        if mains[-1] not in side.folds.select_dtypes("number"):
            lacks = f"the folds of {name} have no numbers under {mains[-1]}, its main metric"
            return f"{lacks}; run `dvc repro` there, or put `data.task` and `data.metrics` back"
    if mains[0] != mains[1]:
        differ = f"the main metric is {mains[0]} in {names[0]} and {mains[1]} in {names[1]}"
        todo = "change them alone, `dvc repro`, commit, and name that commit as BASE"
        return f"{differ}; {todo}; an older experiment is run again on it, which trains nothing"
    for side, name in zip((base, head), names, strict=True):
        if side.judged != metric:
            other = f"the results of {name} are judged by {side.judged}, its params by {metric}"
            return f"{other}; run `dvc repro` there"
    in_head = _conditions(head)
    for what, value in _conditions(base).items():
        if value != in_head[what]:
            return f"{what} is {value} in {names[0]} and {in_head[what]} in {names[1]}"
    if base.data != head.data or not base.data:
        return "the data files differ, as far as dvc.lock tells"
    for side in (base, head):
        if not side.complete:
            return f"{side.revision.name} does not have each fold of each repeat and seed once"
        for column in (mains[0], "loss"):
            if not side.has(column):
                return f"{side.revision.name} has folds whose {column} is no number"
        if "held_out" not in side.folds:
            missing = "does not say which rows its folds hold out; run `dvc repro` there"
            return f"{side.revision.name} {missing}"
    held_out = [side.held_out for side in (base, head)]
    return "" if held_out[0].equals(held_out[1]) else "the folds hold out different rows"


def _conditions(side):
    """What must be equal in both."""
    kfold = side.section.get("kfold", {})
    return {
        "source": side.metrics.get("source"),
        "split_seed": side.split_seed,
        "the split of rows": side.metrics.get("split", "random"),
        "kfold.k": kfold.get("k"),
        "kfold.repeats": kfold.get("repeats"),
    }


def corrected(reviewed: list[Reviewed]) -> list[Reviewed]:
    """The same with p after Holm, over all of these data sets with any difference.

    The main metrics decide: they are corrected for their own number, all others for theirs.
    """
    decide, others = {}, {}
    for number, dataset in enumerate(reviewed):
        for name, found in dataset.comparisons.items():
            tests = {"mean": found, "typical": found.typical}
            group = decide if name == dataset.about.metric.name else others
            if found.differs:
                group |= {(number, name, kind): test.p for kind, test in tests.items() if test}
    p = {}
    for group in (decide, others):
        p |= dict(zip(group, comparison.holm([*group.values()]).tolist(), strict=True))
    return [
        replace(
            each,
            p={
                name: (p.get((number, name, "mean"), 1.0), p.get((number, name, "typical")))
                for name in each.comparisons
            },
        )
        for number, each in enumerate(reviewed)
    ]


def together(pairs: list[Reviewed]) -> list[Reviewed]:
    """The same with the main metric corrected for all of these pairs (Bonferroni).

    Holm's p is a little sharper, but no intervals of use belong to it.
    """
    differ = [pair.comparisons[pair.about.metric.name] for pair in pairs if not pair.obstacle]
    number = sum(1 + (found.typical is not None) for found in differ if found.differs)
    return [pair if pair.obstacle else _corrected_for(max(number, 1), pair) for pair in pairs]


def _corrected_for(number, pair):
    name, bounds = pair.about.metric.name, pair.about.metric.bounds
    most = bounds[1] - bounds[0]
    found = comparison.bonferroni(pair.comparisons[name], number, (-most, most))
    p = found.p, found.typical and found.typical.p
    return replace(pair, comparisons=pair.comparisons | {name: found}, p=pair.p | {name: p})


def failing(reviewed: list[Reviewed], fail_on: list[str]) -> list[str]:
    """A line for each data set whose verdict is among those that these keys of FAILING name."""
    words = {word for key in fail_on for word in FAILING[key]}
    return [f"{each.name} is {each.verdict()}" for each in reviewed if each.verdict() in words]
