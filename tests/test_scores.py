"""What seeds, folds and constant answers reach, worked by hand, by Keras and by loops."""

from dataclasses import replace

import numpy as np
import pytest
from samples import SCHEMAS
from scipy import stats
from sklearn import metrics as scikit

from stages.core.declared.task import TASKS, chosen
from stages.core.fit import networks
from stages.core.judge import scores
from stages.core.judge.metrics import METRICS
from stages.core.run.lean_keras import keras


def reached(task, targets, predictions, quantity):
    return scores.scores(scores.metrics_of(TASKS[task], quantity), targets, predictions)


def test_binary_scores_are_those_worked_by_hand():
    probabilities = np.array([[0.1], [0.6], [0.8], [0.9]], "float32")
    found = reached("binary", np.array([0, 0, 1, 1]), probabilities, "cross-entropy")
    assert found["accuracy"] == 0.75
    assert found["roc_auc"] == 1.0
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.9]).mean(), rel=1e-6)


def test_multiclass_scores_are_those_worked_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], "float32")
    found = reached("multiclass", np.array([0, 1]), probabilities, "cross-entropy")
    assert found["accuracy"] == 0.5
    assert found["loss"] == pytest.approx(-np.log([0.7, 0.3]).mean(), rel=1e-6)
    assert found["macro_f1"] == pytest.approx(1 / 3)
    assert "roc_auc" not in found


def test_regression_scores_are_those_worked_by_hand():
    found = reached(
        "regression", np.array([1.0, 3.0]), np.array([[2.0], [6.0]]), "mean squared error"
    )
    assert found == {"loss": 5.0, "mae": 2.0, "rmse": pytest.approx(np.sqrt(5))}


@pytest.mark.parametrize("head", networks.LOSSES.values(), ids=networks.LOSSES)
def test_the_loss_of_a_regression_is_that_of_keras(head):
    random = np.random.default_rng(0)
    actual, predictions = random.normal(20, 3, 200), random.normal(20, 3, (200, 1))
    assert (
        np.abs(predictions[:, 0] - actual).min() < 1 < np.abs(predictions[:, 0] - actual).max()
    )  # where Huber bends
    expected = keras.losses.get(head.loss)(actual[:, None], predictions).numpy().mean()
    found = reached("regression", actual, predictions, head.quantity)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["mae"] == pytest.approx(np.abs(predictions[:, 0] - actual).mean())


@pytest.mark.parametrize(
    "head", [networks.TWO_CLASSES, *networks.LABELS.values()], ids=["two classes", *networks.LABELS]
)
def test_the_loss_of_a_classifier_is_that_of_keras(head):
    random, outputs = np.random.default_rng(0), 1 if head is networks.TWO_CLASSES else 4
    predictions = random.dirichlet(np.ones(4), 50)[:, :outputs]
    actual = random.integers(0, max(2, outputs), 50)
    expected = (
        keras.losses.get(head.loss)(head.targets(actual, outputs), predictions).numpy().mean()
    )
    task = "binary" if outputs == 1 else "multiclass"
    assert reached(task, actual, predictions, head.quantity)["loss"] == pytest.approx(
        expected, rel=1e-5
    )


def test_the_test_has_mean_and_deviation_over_seeds_and_the_ensemble():
    predictions = np.array([[[1.0], [1.0]], [[5.0], [5.0]]])  # (seeds, rows, outputs)
    metrics = scores.metrics_of(TASKS["regression"], "mean absolute error")
    found = scores.over_seeds(metrics, np.array([3.0, 3.0]), predictions)
    assert found["mae"] == found["loss"] == {"ensemble": 0.0, "mean": 2.0, "std": 0.0}


def test_one_seed_has_no_deviation():
    metrics = scores.metrics_of(TASKS["regression"], "mean squared error")
    found = scores.over_seeds(metrics, np.array([3.0]), np.array([[[1.0]]]))
    assert found["mae"] == {"ensemble": 2.0, "mean": 2.0}
    assert found["loss"] == {"ensemble": 4.0, "mean": 4.0}


FOLDS = np.array([[0, 0, 1, 1, 0, 1], [0, 1, 0, 1, 1, 0]])


def guesses(repeats=2, seeds=3, rows=6, outputs=1):
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(max(2, outputs)), (repeats, seeds, rows))
    return shares[..., -outputs:].astype("float32")


def test_each_fit_is_judged_on_the_rows_that_it_holds_out():
    targets, predictions = np.array([0, 1, 1, 0, 1, 1]), guesses()
    asked = [METRICS[name] for name in ("accuracy", "roc_auc", "log_loss")]
    found = scores.of_fits(asked, targets, FOLDS, predictions)
    assert {name: values.shape for name, values in found.items()} == {
        metric.name: (2, 3, 2) for metric in asked
    }
    for repeat, seed, fold in np.ndindex(2, 3, 2):
        rows = np.flatnonzero(FOLDS[repeat] == fold)
        actual, shares = targets[rows], predictions[repeat, seed, rows, 0].astype("float64")
        values = {name: each[repeat, seed, fold] for name, each in found.items()}
        assert values["accuracy"] == pytest.approx(((shares > 0.5) == actual).mean())
        assert values["roc_auc"] == pytest.approx(scikit.roc_auc_score(actual, shares))
        assert values["log_loss"] == pytest.approx(scikit.log_loss(actual, shares))


def test_there_can_be_as_many_folds_as_params_allow():
    folds, predictions = np.array([[0, 2**15 - 1]], "int16"), np.zeros((1, 1, 2, 1))
    found = scores.of_fits([METRICS["mae"]], np.array([1.0, 3.0]), folds, predictions)["mae"]
    assert found.shape == (1, 1, 2**15)
    assert (found[0, 0, 0], found[0, 0, -1]) == (1, 3)


def test_blocks_of_time_before_the_first_fold_are_judged_by_none():
    folds, targets = np.array([[-2, -1, 0, 0, 1, 1]]), np.arange(6.0)
    predictions = np.where(folds[0] >= 0, targets + 0.5, 0)[None, None, :, None]
    found = scores.of_fits([METRICS["mae"]], targets, folds, predictions)
    assert found["mae"].tolist() == [[[0.5, 0.5]]]
    by_row = scores.of_held_out_rows(METRICS["mae"], targets, folds, predictions)
    assert by_row.tolist() == [[[0, 0, 0.5, 0.5, 0.5, 0.5]]]


def test_the_mean_of_each_fold_is_that_of_the_metric_of_its_rows():
    targets, predictions = np.array([0, 1, 1, 0, 1, 1]), guesses()
    for metric in (METRICS["accuracy"], METRICS["brier"]):
        by_row = scores.of_held_out_rows(metric, targets, FOLDS, predictions)
        of_fits = scores.of_fits([metric], targets, FOLDS, predictions)[metric.name]
        for repeat, seed, fold in np.ndindex(2, 3, 2):
            rows = FOLDS[repeat] == fold
            assert by_row[repeat, seed, rows].mean() == pytest.approx(of_fits[repeat, seed, fold])
    assert scores.of_held_out_rows(METRICS["macro_f1"], targets, FOLDS, predictions) is None


MAE = METRICS["mae"]


def test_the_interval_of_the_k_fold_mean_is_corrected_for_shared_training_rows():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    found = scores.over_folds(MAE, values.reshape(2, 1, 2), {})
    half = stats.t.ppf(0.975, 3) * np.sqrt(values.var(ddof=1) * (1 / 4 + 1 / 1))
    assert found["mean"] == 2.5
    assert found["high"] - found["mean"] == pytest.approx(half)
    assert found["low"] == max(0, found["mean"] - half)  # no error is below 0
    naive = stats.t.interval(0.95, 3, 2.5, stats.sem(values))
    assert found["high"] > naive[1]
    assert found["std"] == pytest.approx(values.std(ddof=1))


def test_seeds_are_averaged_before_folds_are_compared():
    of_folds = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    apart = np.array([-0.5, 0, 0.5])[None, :, None]
    assert scores.over_folds(MAE, of_folds + apart, {}) == scores.over_folds(MAE, of_folds, {})


def test_a_fold_without_a_class_is_named_and_the_metric_has_no_mean():
    targets = np.array([0, 0, 1, 1, 0, 1])  # fold 1 of repeat 1 has class 1 alone, 0 class 0
    auc, predictions = METRICS["roc_auc"], guesses()
    gaps = scores.undefined(auc, targets, FOLDS, predictions)
    assert gaps == {
        "repeat 1, fold 1": "no rows of class 1",
        "repeat 1, fold 2": "no rows of class 0",
    }
    values = scores.of_fits([auc], targets, FOLDS, predictions)["roc_auc"]
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1]).all()
    told = scores.over_folds(auc, values, gaps)
    assert told == {"undefined": gaps}
    assert "repeat 1, fold 2: no rows of class 0" in scores.gaps(told)
    with pytest.raises(scores.Undefined, match=r"'roc_auc'.*repeat 1, fold 1: no rows of class 1"):
        scores.check(auc, told, "each fold")
    scores.check(auc, scores.over_folds(auc, np.ones((2, 3, 2)), {}), "each fold")


def test_of_many_folds_a_few_are_named_and_the_others_counted():
    values = np.full((5, 1, 4), np.nan)
    gaps = {f"repeat 1, fold {fold}": f"no rows of class {fold}" for fold in range(1, 13)}
    (told,) = scores.over_folds(MAE, values, gaps).values()
    assert len(told) == 6
    assert told["more folds"] == 7
    assert scores.gaps({"undefined": dict(sorted(told.items()))}).endswith("; more folds: 7")
    everywhere = dict.fromkeys(map(str, range(20)), "only 3 classes")
    told = scores.over_folds(MAE, values, everywhere)
    assert told == {"undefined": {"every fold": "only 3 classes"}}


def test_what_the_test_rows_lack_is_said():
    asked = scores.metrics_of(TASKS["binary"], "cross-entropy")
    found = scores.over_seeds(asked, np.array([1, 1]), np.array([[[0.5], [0.75]]]))
    assert found["roc_auc"] == {"undefined": "no rows of class 0"}
    assert found["accuracy"] == {"ensemble": 0.5, "mean": 0.5}
    assert scores.gaps(found["roc_auc"]) == "no rows of class 0"
    assert scores.gaps(found["accuracy"]) == ""


def test_folds_that_would_have_taken_more_epochs_are_counted():
    losses = np.tile([0.9, 0.5, 0.4], (2, 1, 2, 1)).astype("float32")  # (repeats, seeds, k, epochs)
    metric = np.tile([0.1, 0.2, 0.3], (2, 1, 2, 1)).astype("float32")
    kfold = {"val_loss": losses, "val_metric": metric, "naive": np.array([3, 3])}
    kfold["epochs"] = np.array([[3, 2], [3, 3]])
    found = scores.chosen_epochs(TASKS["binary"], kfold)["chosen_epochs"]
    assert found["optimism_loss"] == pytest.approx(0.1 / 4)
    assert found["optimism_accuracy"] == pytest.approx(0.1 / 4)
    del found["optimism_loss"], found["optimism_accuracy"]
    counts = {"least": 2, "mean": 2.75, "most": 3, "limit": 3, "folds": 4, "folds_at_limit": 3}
    assert found == counts
    assert scores.cut_short(found).startswith("3 of 4 folds are judged after the last of 3 epochs")
    kfold["epochs"] = np.array([[1, 2], [2, 2]])
    assert not scores.cut_short(scores.chosen_epochs(TASKS["binary"], kfold)["chosen_epochs"])
    assert not scores.cut_short({})  # epochs that were given


def schema(name, metric):
    """That of a data set of the tests, judged by this metric."""
    task = SCHEMAS[name].task.name
    classes = SCHEMAS[name].classes[:3]
    return replace(SCHEMAS[name], task=chosen(task, [metric]), classes=classes)


def test_the_baseline_looks_at_no_feature():
    train, test = np.array([0, 1, 1]), np.array([0, 1, 0, 0])
    assert scores.baseline(schema("imdb", "accuracy"), train, test) == {"accuracy": 0.25}
    assert scores.baseline(schema("imdb", "accuracy"), train, train) == {"accuracy": 2 / 3}
    train, test = np.array([1.0, 3.0]), np.array([2.0, 5.0])
    assert scores.baseline(schema("boston_housing", "mae"), train, test) == {"mae": 1.5}


@pytest.mark.parametrize(
    ("name", "metric", "expected"),
    [
        ("imdb", "log_loss", -np.log([1 / 3, 2 / 3, 1 / 3, 1 / 3]).mean()),
        ("imdb", "brier", np.square([2 / 3, 1 / 3, 2 / 3, 2 / 3]).mean()),
        ("imdb", "roc_auc", 0.5),
        ("imdb", "average_precision", 0.25),
        ("imdb", "balanced_accuracy", 0.5),
        ("imdb", "f1", 2 / (2 + 3)),
        ("digits", "log_loss", -np.log([1 / 3, 2 / 3, 1 / 3, 1 / 3]).mean()),
        ("digits", "accuracy", 0.25),
        ("boston_housing", "rmse", np.sqrt(0.5)),
        ("boston_housing", "r2", 1 - 2 / 0.75),
    ],
)
def test_a_constant_answer_is_the_shares_of_the_classes_or_the_mean(name, metric, expected):
    train, test = np.array([0, 1, 1]), np.array([0, 1, 0, 0])
    if name == "boston_housing":
        train, test = np.array([0.0, 1.0, 1.25]), np.array([0.0, 1.0, 0.0, 0.0])
        expected = {"rmse": np.sqrt(0.4375), "r2": 1 - 0.4375 / 0.1875}[metric]
    assert scores.baseline(schema(name, metric), train, test) == {metric: pytest.approx(expected)}


def test_the_constant_answer_of_a_fold_is_learned_of_the_others_or_of_those_before():
    y = np.array([0, 0, 0, 1, 1, 0])
    of = schema("imdb", "accuracy")
    assert scores.constant(of, y, np.array([0, 0, 0, 1, 1, 1])) == (0 + 1 / 3) / 2
    # in time, fold 0 is judged by the blocks -2 and -1, fold 1 by -1 and 0
    assert scores.constant(of, y, np.array([-2, -2, -1, 0, 0, 1])) == (0 + 0) / 2


def test_a_reference_is_judged_in_the_folds():
    y, predictions = np.arange(6.0), np.arange(6.0)[:, None] + [[1], [1], [1], [3], [3], [9]]
    found = scores.reference(MAE, y, predictions, np.array([0, 0, -1, 1, 1, -1]))
    assert found == {"mae": 2.0}
