"""Metrics as objects: what each needs, its direction, bounds and unit. No paths."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import huber
from sklearn import metrics

from stages.core.declared.task import TOP, Task
from stages.core.judge.predictions import classes, probabilities


@dataclass(frozen=True)
class Metric:
    """How good predictions are.

    name: in metrics files. label: on axes. units: "{unit}" stands for the unit of the target.
    higher_is_better: its direction. bounds: the least and the most that it can be. needs: the form
    of the predictions that it takes, a key of FORMS.
    by_row: (targets, predictions) -> (rows,), where it is a mean over rows. of_all: (targets,
    predictions) -> a number, where it is no such mean. gap: (targets, number of classes) -> what
    the rows lack for it to be defined, or "".
    """

    name: str
    label: str
    units: str
    higher_is_better: bool
    bounds: tuple[float, float]
    needs: str
    by_row: Callable | None = None
    of_all: Callable | None = None
    gap: Callable | None = None

    def undefined(self, targets, predictions) -> str:
        """Why it is not defined for these rows, such as "no rows of class 1"; "" where it is."""
        if not len(targets):
            return "no rows"
        return self.gap(targets, max(2, predictions.shape[1])) if self.gap else ""

    def of(self, targets, predictions) -> float | None:
        """The metric of predictions (rows, outputs), as a network gives them; None where undefined.

        targets: (rows,) classes or numbers.
        """
        if self.undefined(targets, predictions):
            return None
        if self.by_row:
            return np.mean(self.rows(targets, predictions))
        return self.of_all(targets, FORMS[self.needs](predictions))

    def rows(self, targets, predictions) -> np.ndarray:
        """The metric of each row: (rows,); of `mape`, NaN where the target is 0."""
        return self.by_row(targets, FORMS[self.needs](predictions))

    def beats(self, value: float, other: float) -> bool:
        """Whether a value is better than another."""
        return value > other if self.higher_is_better else value < other

    def named(self, unit: str = "") -> str:
        """Its name and, where it is in the unit of the target, which may be "", that unit."""
        in_unit = unit and "{unit}" in self.units
        return f"{self.name} ({self.units.format(unit=unit)})" if in_unit else self.name

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


def _classes_without_rows(targets, classes):
    """scikit-learn leaves such classes out, so folds would be judged on different classes."""
    missing = np.setdiff1d(np.arange(classes), targets)
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"no rows of class {missing[0]}{more}" if len(missing) else ""


def _no_positives(targets, _):
    """scikit-learn says 0, whatever is predicted."""
    return "" if (targets == 1).any() else "no rows of class 1"


def _constant(targets, _):
    """scikit-learn says 1 or 0, or NaN of a single row."""
    return "" if np.ptp(targets) else "all rows have the same target"


def _zeros(targets, _):
    """scikit-learn divides by 2e-16 instead."""
    zeros = np.count_nonzero(targets == 0)
    return f"{zeros:,} of {len(targets):,} rows have a target of 0" if zeros else ""


def _too_few_for(k):
    """Among k classes or fewer, one of k guesses is always right."""
    return lambda _, classes: f"only {classes} classes" if classes <= k else ""


# scikit-learn has these as means alone, which equal the means of these rows.


def _cross_entropy(targets, predicted):
    smallest = np.finfo(predicted.dtype).eps
    return -np.log(np.clip(predicted[np.arange(len(targets)), targets], smallest, 1 - smallest))


def _brier(targets, predicted):
    # Half of the squares' sum, from 0 to 1, of several classes too: of two, (p - y) squared.
    return np.square(np.eye(predicted.shape[1])[targets] - predicted).sum(axis=1) / 2


def _percentage(targets, predicted):
    return 100 * np.abs(predicted - targets) / np.where(targets == 0, np.nan, np.abs(targets))


def _among_first(k):
    def right(targets, predicted):
        first = np.argsort(predicted, axis=1, kind="stable")[:, ::-1][:, :k]
        return (first == targets[:, None]).any(axis=1).astype(int)

    return right


def _f1(targets, predicted):
    return metrics.f1_score(targets, predicted, zero_division=0)


def _macro_f1(targets, predicted):
    # Of the classes that are actual or predicted; 0 of each that is only one of the two.
    return metrics.f1_score(targets, predicted, average="macro", zero_division=0)


def _roc_auc(targets, predicted):
    classes = np.arange(predicted.shape[1])
    scores = predicted[:, 1] if len(classes) == 2 else predicted
    return metrics.roc_auc_score(targets, scores, multi_class="ovr", labels=classes)


def _average_precision(targets, predicted):
    return metrics.average_precision_score(targets, predicted[:, 1])


# What each makes of targets (y) and of predictions as it needs them (p).
RIGHT = {"by_row": lambda y, p: (p == y).astype(int)}
ABSOLUTE = {"by_row": lambda y, p: np.abs(p - y)}
SQUARED = {"by_row": lambda y, p: np.square(p - y)}
HUBER = {"by_row": lambda y, p: huber(1, p - y)}
ROOT = {"of_all": lambda y, p: np.sqrt(np.mean(np.square(p - y)))}
CROSS_ENTROPY = {"needs": "probability", "by_row": _cross_entropy}
BALANCED = {"of_all": metrics.balanced_accuracy_score, "gap": _classes_without_rows}
RANKED = {"of_all": _roc_auc, "gap": _classes_without_rows}
PRECISION = {"of_all": _average_precision, "gap": _classes_without_rows}
MEDIAN = {"of_all": metrics.median_absolute_error}
EXPLAINED = {"of_all": metrics.r2_score, "gap": _constant}
PERCENTAGE = {"by_row": _percentage, "gap": _zeros}


def _top(k):
    how = {"by_row": _among_first(k), "gap": _too_few_for(k)}
    return _share(f"top_{k}_accuracy", f"top-{k} accuracy", "share of rows", "probability", **how)


METRICS = {
    metric.name: metric
    for metric in (
        _share("accuracy", "accuracy", "share of rows", "class", **RIGHT),
        _share("balanced_accuracy", "balanced accuracy", "", "class", **BALANCED),
        _share("f1", "F1 of class 1", "", "class", of_all=_f1, gap=_no_positives),
        _share("macro_f1", "macro F1", "", "class", of_all=_macro_f1),
        _share("roc_auc", "area under the ROC curve", "", "probability", **RANKED),
        _share("average_precision", "average precision", "", "probability", **PRECISION),
        _error("log_loss", "log loss", "nats", **CROSS_ENTROPY),
        Metric("brier", "Brier score", "", False, (0.0, 1.0), "probability", _brier),
        *map(_top, TOP),
        _error("mae", "mean absolute error", "{unit}", **ABSOLUTE),
        _error("rmse", "root of the mean squared error", "{unit}", **ROOT),
        _error("median_absolute_error", "median absolute error", "{unit}", **MEDIAN),
        Metric("r2", "R²", "", True, (-math.inf, 1.0), "number", **EXPLAINED),
        _error("mape", "mean absolute percentage error", "percent", **PERCENTAGE),
    )
}
LOSSES = {  # by what a loss measures, as metrics files name it
    quantity: _error("loss", f"loss: {quantity}", units, **how)
    for quantity, units, how in (
        ("cross-entropy", "nats", CROSS_ENTROPY),  # as a metric: log_loss
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
