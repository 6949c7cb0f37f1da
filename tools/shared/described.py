"""What a data set is, as some revision says: the only place in which tools ask for it."""

from dataclasses import dataclass

from stages.core.declared import sources
from stages.core.declared.strict_yaml import Wrong
from stages.core.declared.task import TASKS, Task
from stages.core.judge import metrics


@dataclass(frozen=True)
class Description:
    """source: title, unit, names, and rows as a person gives them. metric: the main one."""

    source: sources.Source
    task: Task
    metric: metrics.Metric
    loss: metrics.Metric

    @property
    def title(self) -> str:
        """For people."""
        return self.source.title

    @property
    def unit(self) -> str:
        """Of a target that is a number."""
        return self.source.unit


def described(document: bytes | None, task: object, measured: str = "") -> Description | None:
    """What a data set is, or None where that cannot be told.

    document: its source file. task: `data.task` of its section. measured: what the loss measures.
    """
    try:
        source = sources.parse(document or b"")
        found = TASKS[task]
    except (Wrong, KeyError, TypeError):
        return None
    return Description(source, found, metrics.main_metric(found), metrics.loss(measured))
