"""Two revisions compared fold by fold: whether they can be, each difference, and its verdict."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from stages.core.judge.metrics import Metric
from tools.review import comparison
from tools.review.revisions import Description, Results, Revision, Unreadable

FAILING = {  # of --fail-on: verdicts on the main metric; "worse, but negligible" stops nobody
    "worse": ("worse", "worse in the typical fold"),
    "not-comparable": ("not comparable",),
}


@dataclass(frozen=True)
class Reviewed:
    """A data set in both revisions.

    metrics: those of a fold that mean the same in both. comparisons: {name of a metric:
    Comparison}, empty where `obstacle` says why. p: {name of a metric: p of its mean and of its
    typical fold after Holm}.
    """

    name: str
    about: Description
    base: Results
    head: Results
    metrics: list[Metric]
    obstacle: str
    comparisons: dict[str, comparison.Comparison]
    p: dict[str, list[float]]

    @property
    def sides(self) -> tuple[Results, Results]:
        """Base and head."""
        return self.base, self.head

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The main metric of each test row, (seeds, rows), in both; None where one lacks it."""
        base, head = self.base.rows, self.head.rows
        if base is None or head is None or base.shape[1] != head.shape[1] or not base.size:
            return None
        splits = [side.metrics.get("split") for side in self.sides]
        return (base, head) if splits[0] == splits[1] else None

    @property
    def unchanged(self) -> bool:
        """Whether nothing at all differs."""
        differs = any(found.differs for found in self.comparisons.values())
        return not self.obstacle and self.base.metrics == self.head.metrics and not differs

    def means(self, metric: Metric) -> list[float | None]:
        """The K-fold means of base and head; None where there is none."""
        kfold = [side.metrics.get("kfold", {}) for side in self.sides]
        return [values.get(metric.name, {}).get("mean") for values in kfold]

    def differences(self, metric: Metric) -> pd.Series:
        """head - base of each fold."""
        return self.head.folds[metric.name] - self.base.folds[metric.name]

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
        found.append(_compared(name, *sides))
    for side in (base, head):
        results = [half for both in found for half in both.sides if half.revision is side]
        if not any(half.metrics for half in results):
            raise Unreadable(f"{side.name} has no metrics/<dataset>.json; `dvc repro` makes them")
    return corrected(found)


def _compared(name, base, head):
    """A data set with its comparisons; the band of equivalence is that of the main metric."""
    about = head.about or base.about
    reason = obstacle(base, head, about.metric.name)
    metrics = [about.metric]
    if not (base.measured and head.measured) or base.measured == head.measured:
        says = head if head.measured else base
        metrics.append((says.about or about).loss)
    found = {}
    for metric in [] if reason else metrics:
        within = head.equivalent_within if metric is about.metric else None
        values = base.folds[metric.name], head.folds[metric.name]
        direction, k = metric.higher_is_better, int(head.folds.fold.max())
        found[metric.name] = comparison.compare(*values, k, direction, within, metric.bounds)
    return Reviewed(name, about, base, head, metrics, reason, found, {})


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
            lacks = f"the folds of {name} have no numbers under {mains[-1]}, the metric of its task"
            return f"{lacks}; run `dvc repro` there, or put `data.task` back"
    if mains[0] != mains[1]:
        differ = f"the main metric is {mains[0]} in {names[0]} and {mains[1]} in {names[1]}"
        return f"{differ}; name a BASE with the same `data.task`"
    in_head = _conditions(head)
    for what, value in _conditions(base).items():
        if value != in_head[what]:
            return f"{what} is {value} in {names[0]} and {in_head[what]} in {names[1]}"
    if base.data != head.data or not base.data:
        return "the data files differ, as far as dvc.lock tells"
    for side in (base, head):
        if not np.isfinite(side.folds.select_dtypes("number")).all(axis=None):
            return f"{side.revision.name} has folds whose metrics are no numbers"
        if "held_out" not in side.folds:
            missing = "does not say which rows its folds hold out; run `dvc repro` there"
            return f"{side.revision.name} {missing}"
    held_out = [side.folds[["repeat", "fold", "held_out"]] for side in (base, head)]
    return "" if held_out[0].equals(held_out[1]) else "the folds hold out different rows"


def _conditions(side):
    """What must be equal in both."""
    kfold = side.section.get("kfold") or {}
    return {
        "source": side.metrics.get("source"),
        "split_seed": side.split_seed,
        "the split of rows": side.metrics.get("split", "random"),
        "kfold.k": kfold.get("k"),
        "kfold.repeats": kfold.get("repeats"),
    }


def corrected(reviewed: list[Reviewed]) -> list[Reviewed]:
    """The same with p after Holm, over all metrics of these data sets with any difference."""
    found = {
        (dataset.name, metric): compared
        for dataset in reviewed
        for metric, compared in dataset.comparisons.items()
        if compared.differs
    }
    means = comparison.holm([compared.p for compared in found.values()])
    typical = comparison.holm([compared.typical.p for compared in found.values()])
    p = dict(zip(found, np.transpose([means, typical]).tolist(), strict=True))
    same = [1.0, 1.0]  # p of what does not differ
    return [
        replace(each, p={name: p.get((each.name, name), same) for name in each.comparisons})
        for each in reviewed
    ]


def failing(reviewed: list[Reviewed], fail_on: list[str]) -> list[str]:
    """A line for each data set whose verdict is among those that these keys of FAILING name."""
    words = {word for key in fail_on for word in FAILING[key]}
    return [f"{each.name} is {each.verdict()}" for each in reviewed if each.verdict() in words]
