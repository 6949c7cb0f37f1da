"""What is predicted: a class of two, a class of several, or a number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """metrics: names of those of a task, in `judge.metrics`; the first is the main one."""

    name: str
    classifies: bool
    metrics: tuple[str, ...]

    @property
    def metric(self) -> str:
        """The name of the main metric."""
        return self.metrics[0]

    def outputs(self, classes: int) -> int:
        """Units of the output layer: one for a number and for two classes, else one each."""
        return classes if self.name == "multiclass" else 1


TASKS = {
    task.name: task
    for task in (
        Task("binary", True, ("accuracy", "macro_f1", "roc_auc")),
        Task("multiclass", True, ("accuracy", "macro_f1")),
        Task("regression", False, ("mae", "rmse")),
    )
}
