"""Metrics as objects: what each needs, its direction, bounds and unit. No paths."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import huber
from sklearn import metrics

from stages.core.declared.task import Task
from stages.core.judge.predictions import classes, probabilities


@dataclass(frozen=True)
class Metric:
    """How good predictions are.

    name: in metrics files. label: on axes. units: "{unit}" stands for the unit of the target.
    higher_is_better: its direction. bounds: the least and the most that it can be. needs: the form
    of the predictions that it takes, a key of FORMS.
    by_row: (targets, predictions) -> (rows,), where it is a mean over rows. of_all: (targets,
    predictions) -> a number, or None where it is not defined; where it is no such mean.
    """

    name: str
    label: str
    units: str
    higher_is_better: bool
    bounds: tuple[float, float]
    needs: str
    by_row: Callable | None = None
    of_all: Callable | None = None

    def of(self, targets, predictions) -> float | None:
        """The metric of predictions (rows, outputs), as a network gives them; None where undefined.

        targets: (rows,) classes or numbers.
        """
        if self.by_row:
            return np.mean(self.rows(targets, predictions))
        return self.of_all(targets, FORMS[self.needs](predictions))

    def rows(self, targets, predictions) -> np.ndarray:
        """The metric of each row: (rows,)."""
        return self.by_row(targets, FORMS[self.needs](predictions))

    def beats(self, value: float, other: float) -> bool:
        """Whether a value is better than another."""
        return value > other if self.higher_is_better else value < other

    def axis(self, unit: str = "") -> str:
        """What an axis says, with the unit. unit: of the target, if it has one."""
        known = self.units if unit or "{unit}" not in self.units else ""
        return self.label + (f" ({known.format(unit=unit)})" if known else "")


def _shares(predictions):
    """Probabilities (rows, classes) float64 that add up to 1."""
    wide = probabilities(predictions)
    return wide / wide.sum(axis=1, keepdims=True)


# Of predictions (rows, outputs).
FORMS = {"class": classes, "probability": _shares, "number": lambda predictions: predictions[:, 0]}


def _share(name, label, units, needs, **how):
    return Metric(name, label, units, True, (0.0, 1.0), needs, **how)


def _error(name, label, units, needs="number", **how):
    return Metric(name, label, units, False, (0.0, math.inf), needs, **how)


def _cross_entropy(targets, predicted):
    return metrics.log_loss(targets, predicted, labels=np.arange(predicted.shape[1]))


def _macro_f1(targets, predicted):
    return metrics.f1_score(targets, predicted, average="macro", zero_division=0)


def _roc_auc(targets, predicted):
    return metrics.roc_auc_score(targets, predicted[:, 1]) if len(np.unique(targets)) == 2 else None


# What each makes of targets (y) and of predictions as it needs them (p).
RIGHT = {"by_row": lambda y, p: (p == y).astype(int)}
ABSOLUTE = {"by_row": lambda y, p: np.abs(p - y)}
SQUARED = {"by_row": lambda y, p: np.square(p - y)}
HUBER = {"by_row": lambda y, p: huber(1, p - y)}
ROOT = {"of_all": lambda y, p: np.sqrt(np.mean(np.square(p - y)))}

METRICS = {
    metric.name: metric
    for metric in (
        _share("accuracy", "accuracy", "share of rows", "class", **RIGHT),
        _share("macro_f1", "macro F1", "", "class", of_all=_macro_f1),
        _share("roc_auc", "area under the ROC curve", "", "probability", of_all=_roc_auc),
        _error("mae", "mean absolute error", "{unit}", **ABSOLUTE),
        _error("rmse", "root of the mean squared error", "{unit}", **ROOT),
    )
}
LOSSES = {  # by what a loss measures, as metrics files name it
    quantity: _error("loss", f"loss: {quantity}", units, **how)
    for quantity, units, how in (
        ("cross-entropy", "nats", {"needs": "probability", "of_all": _cross_entropy}),
        ("mean squared error", "{unit} squared", SQUARED),
        ("mean absolute error", "{unit}", ABSOLUTE),
        ("Huber loss", "", HUBER),
    )
}


def loss(quantity: str) -> Metric:
    """The loss as a metric. quantity: what it measures; "" where that is not known."""
    return LOSSES.get(quantity) or _error("loss", "loss", "", **SQUARED)


def main_metric(task: Task) -> Metric:
    """The metric by which fits to this task are judged."""
    return METRICS[task.metric]
