"""What a data set is, for the tools: the only place in which they ask for it."""

from dataclasses import dataclass

from stages.core.data.datasets import TABLE


@dataclass(frozen=True)
class Metric:
    """A metric of a fold. bounds: the least and the most that it can be. label: of axes."""

    name: str
    higher_is_better: bool
    bounds: tuple[float, float]
    label: str


@dataclass(frozen=True)
class Description:
    """kind: "text", "features" or "images". unit: of a target that is a number.

    metric: the main one.
    """

    title: str
    kind: str
    unit: str
    classifies: bool
    metric: Metric
    loss: Metric


def described(name: str, measured: str = "") -> Description | None:
    """What the data set of this name is, or None. measured: what the loss measures."""
    if not (found := TABLE.get(name)):
        return None
    task, labels = found.task, found.labels(measured)
    metric, loss = (
        Metric(key, task.higher_is_better(key), task.bounds_of(key), labels[key])
        for key in (task.metric, "loss")
    )
    return Description(found.title, found.kind, found.unit, task.classifies, metric, loss)
