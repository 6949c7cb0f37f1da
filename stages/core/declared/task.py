"""What is predicted: a class of two, a class of several, or a number."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

TOP = (3, 5)  # k of each top-k accuracy: top_3_accuracy is the share of rows right in 3 guesses


@dataclass(frozen=True)
class Task:
    """metrics: names of those that are told, in `judge.metrics`; the first is the main one.
    choices: names of all that can be asked for.
    """

    name: str
    classifies: bool
    metrics: tuple[str, ...]
    choices: tuple[str, ...]

    @property
    def metric(self) -> str:
        """The name of the main metric."""
        return self.metrics[0]

    @property
    def trained(self) -> str:
        """The name of the metric that training records by epoch, whatever was chosen."""
        return TASKS[self.name].metrics[0]

    def outputs(self, classes: int) -> int:
        """Units of the output layer: one for a number and for two classes, else one each."""
        return classes if self.name == "multiclass" else 1


OF_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss", "brier")
OF_TWO = (*OF_CLASSES, "f1", "average_precision")
OF_SEVERAL = (*OF_CLASSES, *(f"top_{k}_accuracy" for k in TOP))
OF_NUMBERS = ("mae", "rmse", "median_absolute_error", "r2", "mape")
TASKS = {
    task.name: task
    for task in (
        Task("binary", True, ("accuracy", "macro_f1", "roc_auc"), OF_TWO),
        Task("multiclass", True, ("accuracy", "macro_f1"), OF_SEVERAL),
        Task("regression", False, ("mae", "rmse"), OF_NUMBERS),
    )
}


def chosen(name: str, metrics: Iterable[str] = ()) -> Task:
    """The task of this name with the metrics that a section names; its default ones for none.

    Raises KeyError for an unknown task.
    """
    task = TASKS[name]
    return replace(task, metrics=tuple(metrics)) if metrics else task
