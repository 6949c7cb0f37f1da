"""Metrics: what axes say of them, and that each gives what it says that it gives."""

import numpy as np
import pytest

from stages.core.declared.task import TASKS
from stages.core.judge.metrics import LOSSES, METRICS


@pytest.mark.parametrize(
    ("metric", "unit", "label"),
    [
        (METRICS["accuracy"], "", "accuracy (share of rows)"),
        (METRICS["macro_f1"], "", "macro F1"),
        (METRICS["mae"], "thousand dollars", "mean absolute error (thousand dollars)"),
        (METRICS["mae"], "", "mean absolute error"),
        (LOSSES["cross-entropy"], "", "loss: cross-entropy (nats)"),
        (LOSSES["mean squared error"], "dollars", "loss: mean squared error (dollars squared)"),
        (LOSSES["mean squared error"], "", "loss: mean squared error"),
        (LOSSES["mean absolute error"], "dollars", "loss: mean absolute error (dollars)"),
        # squares of small errors, and large ones as they are: there is no unit of both
        (LOSSES["Huber loss"], "dollars", "loss: Huber loss"),
    ],
)
def test_axes_have_units_where_there_are_some(metric, unit, label):
    assert metric.axis(unit) == label


@pytest.mark.parametrize("metric", [*METRICS.values(), *LOSSES.values()], ids=lambda m: m.label)
def test_a_metric_is_better_in_its_direction_and_keeps_to_its_bounds(metric):
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 60)
    right, wrong = ((side + 0.2 * random.random(60) - 0.1) for side in (targets, 1 - targets))
    right, wrong = (np.clip(side, 0.01, 0.99)[:, None] for side in (right, wrong))
    better, worse = (metric.of(targets, side) for side in (right, wrong))
    assert (better > worse) == metric.higher_is_better
    low, high = metric.bounds
    assert low <= min(better, worse) <= max(better, worse) <= high


@pytest.mark.parametrize("metric", [*METRICS.values(), *LOSSES.values()], ids=lambda m: m.label)
def test_a_metric_by_row_is_the_mean_of_its_rows_and_any_other_has_none(metric):
    targets, predictions = np.array([0, 1, 1]), np.array([[0.2], [0.9], [0.3]])
    assert (metric.by_row is None) != (metric.of_all is None)
    if metric.by_row:
        assert metric.rows(targets, predictions).mean() == metric.of(targets, predictions)


def test_a_metric_that_is_not_defined_is_none():
    assert METRICS["roc_auc"].of(np.array([1, 1]), np.array([[0.2], [0.9]])) is None


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_names_metrics_that_there_are_and_by_rows_the_main_one(task):
    assert set(task.metrics) <= set(METRICS)
    assert METRICS[task.metrics[0]].by_row
    assert task.outputs(5) == (5 if task.name == "multiclass" else 1)
