"""Metrics as objects: what each needs, its direction, bounds and unit. No paths."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import huber
from sklearn import metrics

from stages.core.declared.task import Task
from stages.core.judge.predictions import classes, probabilities

SHARE, ERROR = (0.0, 1.0), (0.0, math.inf)


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
        formed = FORMS[self.needs](predictions)
        return (
            np.mean(self.by_row(targets, formed)) if self.by_row else self.of_all(targets, formed)
        )

    def rows(self, targets, predictions) -> np.ndarray:
        """The metric of each row: (rows,)."""
        return self.by_row(targets, FORMS[self.needs](predictions))

    def axis(self, unit: str = "") -> str:
        """What an axis says, with the unit. unit: of the target, if it has one."""
        known = self.units if unit or "{unit}" not in self.units else ""
        return self.label + (f" ({known.format(unit=unit)})" if known else "")


def shares(predictions) -> np.ndarray:
    """Probabilities (rows, classes) float64 that add up to 1."""
    wide = probabilities(predictions)
    return wide / wide.sum(axis=1, keepdims=True)


def numbers(predictions) -> np.ndarray:
    """The first output: (rows,)."""
    return predictions[:, 0]


FORMS = {"class": classes, "probability": shares, "number": numbers}


def _right(targets, predicted):
    return (predicted == targets).astype(int)


def _absolute(targets, predicted):
    return np.abs(predicted - targets)


def _squared(targets, predicted):
    return np.square(predicted - targets)


def _huber(targets, predicted):
    return huber(1, predicted - targets)


def _cross_entropy(targets, predicted):
    return metrics.log_loss(targets, predicted, labels=np.arange(predicted.shape[1]))


def _macro_f1(targets, predicted):
    return metrics.f1_score(targets, predicted, average="macro", zero_division=0)


def _roc_auc(targets, predicted):
    return metrics.roc_auc_score(targets, predicted[:, 1]) if len(np.unique(targets)) == 2 else None


def _root(targets, predicted):
    return np.sqrt(np.mean(_squared(targets, predicted)))


def _error(name, label, units, **how):
    return Metric(name, label, units, False, ERROR, "number", **how)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", "share of rows", True, SHARE, "class", by_row=_right),
        Metric("macro_f1", "macro F1", "", True, SHARE, "class", of_all=_macro_f1),
        Metric(
            "roc_auc", "area under the ROC curve", "", True, SHARE, "probability", of_all=_roc_auc
        ),
        _error("mae", "mean absolute error", "{unit}", by_row=_absolute),
        _error("rmse", "root of the mean squared error", "{unit}", of_all=_root),
    )
}


LOSSES = {  # what a loss measures, as metrics files name it
    "cross-entropy": Metric(
        "loss", "loss: cross-entropy", "nats", False, ERROR, "probability", of_all=_cross_entropy
    ),
    "mean squared error": _error(
        "loss", "loss: mean squared error", "{unit} squared", by_row=_squared
    ),
    "mean absolute error": _error("loss", "loss: mean absolute error", "{unit}", by_row=_absolute),
    "Huber loss": _error("loss", "loss: Huber loss", "", by_row=_huber),
}


def loss(quantity: str) -> Metric:
    """The loss as a metric. quantity: what it measures; "" where that is not known."""
    return LOSSES.get(quantity) or _error("loss", "loss", "", by_row=_squared)


def main_metric(task: Task) -> Metric:
    """The metric by which fits to this task are judged."""
    return METRICS[task.metric]
