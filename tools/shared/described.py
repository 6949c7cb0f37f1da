"""What a data set is, for the tools: the only place in which they ask for it."""

from dataclasses import dataclass

from stages.core.data.datasets import TABLE, Dataset


@dataclass(frozen=True)
class Metric:
    """A metric of a fold. bounds: the least and the most that it can be. label: of axes."""

    name: str
    higher_is_better: bool
    bounds: tuple[float, float]
    label: str


@dataclass(frozen=True)
class Description:
    """kind: "text", "features" or "images". metric: the main one.

    unit: of a target that is a number. classes: their names, where they have some. inputs: columns,
    shape, scaled and impossible of rows that are no text.
    """

    title: str
    kind: str
    classifies: bool
    unit: str
    classes: tuple[str, ...]
    inputs: Dataset
    metric: Metric
    loss: Metric


def described(name: str, measured: str = "") -> Description | None:
    """What the data set of this name is, or None. measured: what the loss measures."""
    if not (found := TABLE.get(name)):
        return None
    task, labels = found.task, found.labels(measured)
    return Description(
        found.title,
        found.kind,
        task.classifies,
        found.unit,
        found.classes,
        found,
        *(
            Metric(key, task.higher_is_better(key), task.bounds_of(key), labels[key])
            for key in (task.metric, "loss")
        ),
    )
