"""Metrics: what axes say of them, and that each gives what it says that it gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn import metrics as scikit

from stages.core.declared.task import TASKS
from stages.core.judge.metrics import LOSSES, METRICS


@pytest.mark.parametrize(
    ("metric", "unit", "label"),
    [
        (METRICS["accuracy"], "", "accuracy (share of rows)"),
        (METRICS["macro_f1"], "", "macro F1"),
        (METRICS["mae"], "thousand dollars", "mean absolute error (thousand dollars)"),
        (METRICS["mae"], "", "mean absolute error"),
        (METRICS["mape"], "dollars", "mean absolute percentage error (percent)"),
        (METRICS["r2"], "dollars", "R²"),
        (METRICS["log_loss"], "", "log loss (nats)"),
        (METRICS["brier"], "", "Brier score"),
        (METRICS["top_3_accuracy"], "", "top-3 accuracy (share of rows)"),
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


OUTPUTS = {"binary": 1, "multiclass": 7, "regression": 1}
LOSSES_OF = {"binary": ["cross-entropy"], "multiclass": ["cross-entropy"]}
LOSSES_OF["regression"] = [quantity for quantity in LOSSES if quantity != "cross-entropy"]
ASKED = [
    pytest.param(metric, task.name, id=f"{task.name}-{metric.label}")
    for task in TASKS.values()
    for metric in [
        *(METRICS[name] for name in task.choices),
        *(LOSSES[quantity] for quantity in LOSSES_OF[task.name]),
    ]
]


def made_up(task, rows=60, seed=0):
    """Targets, each class among them, and predictions that know nothing of them, as float32."""
    random = np.random.default_rng(seed)
    if task == "regression":
        return 1 + random.random(rows), random.random((rows, 1)).astype("float32")
    targets = np.arange(rows) % max(2, OUTPUTS[task])
    random.shuffle(targets)
    return targets, given_by_a_network(random.normal(size=(rows, OUTPUTS[task])))


def given_by_a_network(scores):
    """Of a single column the sigmoid, else the softmax; float32."""
    scores = np.asarray(scores, "float32")
    return expit(scores) if scores.shape[1] == 1 else softmax(scores, axis=1)


def nearer(targets, predictions, task):
    """Predictions halfway to the targets."""
    goal = np.eye(OUTPUTS[task])[targets] if task == "multiclass" else targets[:, None]
    return ((predictions + 2 * goal) / 3).astype("float32")


@pytest.mark.parametrize(("metric", "task"), ASKED)
def test_a_metric_is_better_in_its_direction(metric, task):
    targets, predictions = made_up(task)
    better = metric.of(targets, nearer(targets, predictions, task))
    worse = metric.of(targets, predictions)
    assert metric.beats(better, worse)
    assert not metric.beats(worse, better)
    assert (better > worse) == metric.higher_is_better


@st.composite
def rows_of(draw, task):
    """Targets and predictions as float32, as few as one row."""
    rows, outputs = draw(st.integers(1, 12)), OUTPUTS[task]
    number = st.integers(-9000, 9000).map(lambda whole: whole / 100)
    of_row = st.lists(number, min_size=outputs, max_size=outputs)
    predictions = np.array(draw(st.lists(of_row, min_size=rows, max_size=rows)), "float32")
    if task == "regression":
        targets = draw(st.lists(number, min_size=rows, max_size=rows))
        return np.array(targets), predictions
    target = st.integers(0, max(2, outputs) - 1)
    targets = draw(st.lists(target, min_size=rows, max_size=rows))
    return np.array(targets), given_by_a_network(predictions)


@pytest.mark.parametrize(("metric", "task"), ASKED)
@given(data=st.data())
def test_a_metric_keeps_to_its_bounds_or_says_why_it_is_not_defined(metric, task, data):
    targets, predictions = data.draw(rows_of(task))
    value = metric.of(targets, predictions)
    assert (value is None) == bool(metric.undefined(targets, predictions))
    if value is not None:
        low, high = metric.bounds
        assert np.isfinite(value)
        assert low - 1e-12 <= value <= high + 1e-12


@pytest.mark.parametrize(("metric", "task"), ASKED)
def test_a_metric_by_row_is_the_mean_of_its_rows_and_any_other_has_none(metric, task):
    targets, predictions = made_up(task)
    assert (metric.by_row is None) != (metric.of_all is None)
    if metric.by_row:
        assert metric.rows(targets, predictions).shape == targets.shape
        assert metric.rows(targets, predictions).mean() == metric.of(targets, predictions)


def test_these_are_means_over_rows():
    by_row = {name for name, metric in METRICS.items() if metric.by_row}
    tops = {"top_3_accuracy", "top_5_accuracy"}
    assert by_row == {"accuracy", "log_loss", "brier", "mae", "mape"} | tops


def of_classes(function, **how):
    return lambda y, p: function(y, p.argmax(axis=1), **how)


def of_shares(function, **how):
    return lambda y, p: function(y, p, labels=np.arange(p.shape[1]), **how)


def of_class_1(function):
    return lambda y, p: function(y, p[:, 1])


SCIKIT = {  # of (rows, classes) or (rows,)
    "accuracy": of_classes(scikit.accuracy_score),
    "balanced_accuracy": of_classes(scikit.balanced_accuracy_score),
    "f1": of_classes(scikit.f1_score),
    "macro_f1": of_classes(scikit.f1_score, average="macro"),
    "average_precision": of_class_1(scikit.average_precision_score),
    "log_loss": of_shares(scikit.log_loss),
    "brier": of_shares(scikit.brier_score_loss, scale_by_half=True),
    "top_3_accuracy": of_shares(scikit.top_k_accuracy_score, k=3),
    "top_5_accuracy": of_shares(scikit.top_k_accuracy_score, k=5),
    "mae": scikit.mean_absolute_error,
    "rmse": scikit.root_mean_squared_error,
    "median_absolute_error": scikit.median_absolute_error,
    "r2": scikit.r2_score,
    "mape": lambda y, p: 100 * scikit.mean_absolute_percentage_error(y, p),
}
ROC_AUC = {
    "binary": of_class_1(scikit.roc_auc_score),
    "multiclass": of_shares(scikit.roc_auc_score, multi_class="ovr", average="macro"),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "task"), [(name, task.name) for task in TASKS.values() for name in task.choices]
)
def test_a_metric_is_what_scikit_learn_makes_of_the_predictions(name, task, seed):
    targets, predictions = made_up(task, seed=seed)
    wide = predictions.astype("float64")
    if task == "binary":
        wide = np.hstack([1 - wide, wide])
    elif task == "multiclass":
        assert (wide.sum(axis=1) != 1).any()
        wide /= wide.sum(axis=1, keepdims=True)
    expected = ROC_AUC[task] if name == "roc_auc" else SCIKIT[name]
    value = expected(targets, wide[:, 0] if task == "regression" else wide)
    assert METRICS[name].of(targets, predictions) == pytest.approx(value, rel=1e-14)


FAR = np.array([[0.25], [0.5], [0.75]])


@pytest.mark.parametrize(
    ("name", "targets", "predictions", "expected"),
    [
        # half is class 0: right, wrong, right
        ("balanced_accuracy", [0, 1, 1], FAR, (1 + 1 / 2) / 2),
        ("f1", [0, 1, 1], FAR, 2 / 3),
        ("f1", [0, 1, 1], 0 * FAR, 0),
        ("average_precision", [1, 0, 1], FAR, (1 + 2 / 3) / 2),
        ("log_loss", [0, 1, 1], FAR, -np.log(0.75 * 0.5 * 0.75) / 3),
        ("brier", [0, 1, 1], FAR, (1 / 16 + 1 / 4 + 1 / 16) / 3),
        ("brier", [0, 1], np.array([[0.5, 0.25, 0.25], [1, 0, 0]]), (0.375 / 2 + 1) / 2),
        ("roc_auc", [0, 1, 2], np.eye(3), 1),
        ("top_3_accuracy", [0, 3], np.array([[0.4, 0.3, 0.2, 0.1]] * 2), 1 / 2),
        ("mape", [0.5, -1, 0.25], FAR, (50 + 150 + 200) / 3),
        ("median_absolute_error", [0.25, 0.25, 0.25], FAR, 0.25),
        ("r2", [0.0, 1, 0.5], FAR, 1 - (1 / 16 + 1 / 4 + 1 / 16) / 0.5),
    ],
)
def test_metrics_worked_by_hand(name, targets, predictions, expected):
    assert METRICS[name].of(np.array(targets), predictions) == pytest.approx(expected, rel=1e-12)


def test_log_loss_of_a_class_that_was_certain_or_ruled_out_is_finite():
    found = METRICS["log_loss"].rows(np.array([1, 0]), np.array([[0.0], [0.0]], "float32"))
    smallest = np.finfo("float64").eps
    assert found.tolist() == [-np.log(smallest), -np.log(1 - smallest)]


def test_of_equal_probabilities_top_k_takes_those_that_scikit_learn_takes():
    targets, equal = np.arange(46), np.full((46, 46), 1 / 46)
    expected = scikit.top_k_accuracy_score(targets, equal, k=3, labels=targets)
    assert METRICS["top_3_accuracy"].of(targets, equal) == expected == 3 / 46
    assert METRICS["top_3_accuracy"].rows(targets, equal).tolist() == [0] * 43 + [1] * 3


SEVEN = np.full((3, 7), 1 / 7)
THREE = np.full((3, 3), 1 / 3)


@pytest.mark.parametrize(
    ("name", "targets", "predictions", "reason"),
    [
        ("roc_auc", [1, 1, 1], FAR, "no rows of class 0"),
        ("roc_auc", [0, 1, 1], THREE, "no rows of class 2"),
        ("roc_auc", [0, 1, 1], SEVEN, "no rows of class 2 and 4 more"),
        ("balanced_accuracy", [0, 0, 0], FAR, "no rows of class 1"),
        ("balanced_accuracy", [0, 2, 2], THREE, "no rows of class 1"),
        ("average_precision", [0, 0, 0], FAR, "no rows of class 1"),
        ("average_precision", [1, 1, 1], FAR, "no rows of class 0"),
        ("f1", [0, 0, 0], FAR, "no rows of class 1"),
        ("top_3_accuracy", [0, 1, 2], THREE, "only 3 classes"),
        ("r2", [2.5, 2.5, 2.5], FAR, "all rows have the same target"),
        ("r2", [0.1], FAR[:1], "all rows have the same target"),
        ("mape", [0.0, 1, 2], FAR, "1 of 3 rows have a target of 0"),
        ("mae", [], FAR[:0], "no rows"),
    ],
)
def test_a_metric_that_is_not_defined_is_none_and_says_why(name, targets, predictions, reason):
    metric, targets = METRICS[name], np.array(targets)
    assert metric.undefined(targets, predictions) == reason
    assert metric.of(targets, predictions) is None


def test_a_percentage_of_a_target_of_0_is_no_number():
    rows = METRICS["mape"].rows(np.array([0.0, 1, 0.5]), FAR)
    assert np.isnan(rows).tolist() == [True, False, False]


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "f1", "log_loss", "brier"])
def test_a_single_row_of_class_1_has_metrics_of_classes(name):
    targets, right = np.array([1]), np.array([[1.0]], "float32")
    best = METRICS[name].bounds[METRICS[name].higher_is_better]
    assert METRICS[name].of(targets, right) == pytest.approx(best, abs=1e-12)


def test_log_loss_is_the_loss_of_classes_under_another_name():
    for task in ("binary", "multiclass"):
        targets, predictions = made_up(task)
        values = [
            each.rows(targets, predictions)
            for each in (METRICS["log_loss"], LOSSES["cross-entropy"])
        ]
        assert values[0].tolist() == values[1].tolist()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_names_metrics_that_there_are_and_by_rows_the_main_one(task):
    assert set(task.metrics) <= set(task.choices) <= set(METRICS)
    assert len(set(task.choices)) == len(task.choices)
    assert METRICS[task.metrics[0]].by_row
    assert task.outputs(5) == (5 if task.name == "multiclass" else 1)
