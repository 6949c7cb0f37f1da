import io
import json
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.image import imread
from samples import SCHEMAS, SOURCES, TASK_OF
from scipy import stats

from stages import evaluate
from stages.core.declared.task import TASKS
from stages.core.fit import networks
from stages.core.judge import pictures
from stages.core.run.lean_keras import keras
from tools.review import drawings


def scores(task, targets, predictions, quantity):
    return evaluate.scores(evaluate.metrics_of(TASKS[task], quantity), targets, predictions)


def test_binary_scores_are_those_worked_by_hand():
    probabilities = np.array([[0.1], [0.6], [0.8], [0.9]], "float32")
    found = scores("binary", np.array([0, 0, 1, 1]), probabilities, "cross-entropy")
    assert found["accuracy"] == 0.75
    assert found["roc_auc"] == 1.0
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.9]).mean(), rel=1e-6)


def test_multiclass_scores_are_those_worked_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], "float32")
    found = scores("multiclass", np.array([0, 1]), probabilities, "cross-entropy")
    assert found["accuracy"] == 0.5
    assert found["loss"] == pytest.approx(-np.log([0.7, 0.3]).mean(), rel=1e-6)
    assert found["macro_f1"] == pytest.approx(1 / 3)
    assert "roc_auc" not in found


def test_regression_scores_are_those_worked_by_hand():
    found = scores(
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
    found = scores("regression", actual, predictions, head.quantity)
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
    assert scores(task, actual, predictions, head.quantity)["loss"] == pytest.approx(
        expected, rel=1e-5
    )


def test_test_figures_have_mean_and_deviation_over_seeds_and_the_ensemble():
    predictions = np.array([[[1.0], [1.0]], [[5.0], [5.0]]])  # (seeds, rows, outputs)
    metrics = evaluate.metrics_of(TASKS["regression"], "mean absolute error")
    figures = evaluate.over_seeds(metrics, np.array([3.0, 3.0]), predictions)
    assert figures["mae"] == figures["loss"] == {"ensemble": 0.0, "mean": 2.0, "std": 0.0}


def test_one_seed_has_no_deviation():
    metrics = evaluate.metrics_of(TASKS["regression"], "mean squared error")
    figures = evaluate.over_seeds(metrics, np.array([3.0]), np.array([[[1.0]]]))
    assert figures["mae"] == {"ensemble": 2.0, "mean": 2.0}
    assert figures["loss"] == {"ensemble": 4.0, "mean": 4.0}


def test_the_interval_of_the_k_fold_mean_is_corrected_for_shared_training_rows():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    figures = evaluate.over_folds(values, k=2, bounds=(-np.inf, np.inf))
    half = stats.t.ppf(0.975, 3) * np.sqrt(values.var(ddof=1) * (1 / 4 + 1 / 1))
    assert figures["mean"] == 2.5
    assert figures["high"] - figures["mean"] == pytest.approx(half)
    assert figures["mean"] - figures["low"] == pytest.approx(half)
    naive = stats.t.interval(0.95, 3, 2.5, stats.sem(values))
    assert figures["high"] > naive[1]


@pytest.mark.parametrize("name", ["imdb", "boston_housing"])
def test_no_interval_of_a_metrics_file_goes_beyond_what_the_metric_can_be(name):
    # Half of the folds at the bound, the others far from it: unclipped, every interval would
    # leave the bounds.
    arguments = made(name)
    at_the_bound, far = (1.0, 0.2) if name == "imdb" else (0.0, 30.0)
    arguments["kfold"]["val_metric"][:, -1] = [at_the_bound, far] * 4
    arguments["kfold"]["val_loss"][:, -1] = [0.0, 5.0] * 4
    figures, _ = evaluate.evaluate(**arguments)
    found = figures["kfold"]
    assert found["loss"]["low"] == 0
    if name == "imdb":
        assert (found["accuracy"]["low"] >= 0, found["accuracy"]["high"]) == (True, 1)
    else:
        assert found["mae"]["low"] == 0


def test_the_baseline_looks_at_no_feature():
    assert evaluate.baseline(TASKS["binary"], np.array([0, 1, 1]), np.array([0, 1, 0, 0])) == {
        "accuracy": 0.25
    }
    assert evaluate.baseline(TASKS["regression"], np.array([1.0, 3.0]), np.array([2.0, 5.0])) == {
        "mae": 1.5
    }


def test_pairs_of_classes_are_counted_and_named_also_where_a_class_has_no_rows():
    pairs = evaluate.outcome(
        SCHEMAS["imdb"], np.array([1, 1, 1]), np.array([[[0.2], [0.9], [0.3]]])
    )
    assert pairs.to_dict("list") == {
        "actual": [0, 1, 1],
        "predicted": [0, 0, 1],
        "rows": [0, 2, 1],
        "actual_name": ["bad", "good", "good"],
        "predicted_name": ["bad", "bad", "good"],
    }
    digits = evaluate.outcome(SCHEMAS["digits"], np.array([3]), np.eye(10)[None, [3]])
    assert digits.actual_name.tolist() == [str(digit) for digit in range(10)]


def made(name):
    """What training leaves for the evaluation of a data set, with made predictions: arguments of
    `evaluate`.
    """
    schema, random = SCHEMAS[name], np.random.default_rng(0)
    y = random.normal(20, 5, 40).astype("float32")
    if schema.task.classifies:
        y = np.arange(40).astype("int32") % len(schema.classes)
    test = {"predictions": random.dirichlet(np.ones(schema.outputs + 1), (3, 40))}
    quantity = "cross-entropy" if schema.task.classifies else "Huber loss"
    test |= {"parameters": np.array(7), "epochs": np.array(5), "quantity": np.array(quantity)}
    test |= {"history.loss": np.array([2.0, 1.0]), "history.val_loss": np.array([1.0, 3.0])}
    test |= {"history.metric": np.array([0.0, 1.0]), "history.val_metric": np.array([0.25, 1.0])}
    test |= {"summary": np.array("layers\n")}
    test["predictions"] = test["predictions"][..., : schema.outputs].astype("float32")
    kfold = {"folds": np.stack([np.arange(40) % 4] * 2)}
    kfold |= {name: random.random((8, 3)) for name in ("loss", "metric", "val_loss", "val_metric")}
    return {
        "title": SOURCES[name].title,
        "unit": SOURCES[name].unit,
        "origin": "official",
        "schema": schema,
        "rows": np.arange(40),
        "targets": (y, y),
        "test": test,
        "kfold": kfold,
    }


@pytest.fixture(params=["imdb", "reuters", "boston_housing", "digits"])
def case(request):
    """A data set, and its figures and files after a whole evaluation."""
    return SCHEMAS[request.param].task, evaluate.evaluate(**made(request.param))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["boston_housing", "digits"])
def test_what_is_no_number_is_refused_wherever_it_is(name, value):
    for part in ("test", "kfold"):
        for key in (key for key, values in made(name)[part].items() if values.dtype.kind == "f"):
            for place in (0, -1):
                spoilt = made(name)
                spoilt[part][key].flat[place] = value
                with pytest.raises(FloatingPointError, match=f"a metric is no number but {value}"):
                    evaluate.evaluate(**spoilt)


def leaves(figures):
    for value in figures.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


def test_the_metrics_file_has_scalars_alone_sorted_and_rounded(case):
    _, (figures, _) = case
    assert all(isinstance(value, (int, float, str)) for value in leaves(figures))
    assert all(value == round(value, 4) for value in leaves(figures) if isinstance(value, float))
    assert json.dumps(figures) == json.dumps(figures, sort_keys=True)


def test_the_metrics_file_has_the_same_shape_for_every_data_set(case):
    task, (figures, _) = case
    quantity = "cross-entropy" if task.classifies else "Huber loss"
    metric = task.metrics[0]
    assert sorted(figures.keys() - {"traps"}) == [
        "baseline",
        "kfold",
        "network",
        "source",
        "test",
        "validation",
    ]
    assert sorted(figures["kfold"]) == sorted([metric, "loss", "replicas"])
    assert sorted(figures["kfold"][metric]) == ["high", "low", "mean", "std"]
    assert sorted(figures["test"][metric]) == ["ensemble", "mean", "std"]
    assert figures["kfold"]["replicas"] == 8
    assert figures["network"] == {"epochs": 5, "loss": quantity, "parameters": 7}
    assert figures["source"] == "official"
    assert figures["validation"] == {"best_epoch": 1, "loss": 1.0}
    assert list(figures["baseline"]) == [metric]


def test_the_files_have_a_line_for_each_epoch_and_fold(case):
    task, (_, files) = case
    metric = task.metrics[0]
    folds, curves = (files[name].decode().splitlines() for name in ("folds.csv", "fold_curves.csv"))
    assert folds[0] == f"repeat,fold,rows,held_out,loss,{metric}"
    assert [line.split(",")[:3] for line in folds[1:]] == [
        [str(r), str(f), "10"] for r in (1, 2) for f in (1, 2, 3, 4)
    ]
    assert curves[0] == f"repeat,fold,epoch,loss,val_loss,{metric},val_{metric}"
    assert len(curves) == 1 + 8 * 3
    history = f"epoch,loss,val_loss,{metric},val_{metric}\n1,2,1,0,0.25\n2,1,3,1,1\n"
    assert files["history.csv"].decode() == history
    assert files["network.txt"] == b"layers\n"


def test_folds_that_hold_out_the_same_rows_have_the_same_fingerprint(case):
    _, (_, files) = case
    prints = [line.split(",")[3] for line in files["folds.csv"].decode().splitlines()[1:]]
    assert prints[:4] == prints[4:]  # both repeats of the case deal the same folds
    assert len(set(prints)) == 4
    assert all(len(print) == 8 for print in prints)


def test_each_test_row_says_how_each_seed_fared():
    actual = np.array([0, 1, 1])
    classified = np.array([[[0.2], [0.9], [0.3]], [[0.7], [0.8], [0.9]]])
    assert evaluate.by_row(TASKS["binary"], actual, classified).to_numpy().T.tolist() == [
        [1, 1, 0],
        [0, 1, 1],
    ]
    numbers = np.array([[[1.5], [1.0], [3.25]]])
    frame = evaluate.by_row(TASK_OF["boston_housing"], np.array([1.0, 2.0, 3.0]), numbers)
    assert frame.to_dict("list") == {"seed_0": [0.5, 1.0, 0.25]}


def test_pictures_have_the_same_bytes_each_time(case):
    _, (_, files) = case
    assert sum(name.endswith(".png") for name in files) == 3
    for name, content in files.items():
        if name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
            assert b"matplotlib" not in content.lower()


def test_a_matrix_of_two_classes_fills_its_picture():
    picture = imread(
        io.BytesIO(pictures.confusion("title", np.array([[3, 1], [0, 4]]), ("bad", "good")))
    )
    inked = np.flatnonzero((picture[..., :3] < 0.9).any(axis=(0, 2)))
    assert inked[0] < 0.05 * picture.shape[1]
    assert inked[-1] > 0.95 * picture.shape[1]


@pytest.fixture
def figure(monkeypatch):
    """Draw as matplotlib's figure, laid out: figure(function of `pictures` or `drawings`, its arguments)."""
    monkeypatch.setattr(pictures, "png", lambda figure: figure)

    def draw(function, *arguments):
        module = drawings if hasattr(drawings, function) else pictures
        drawn = getattr(module, function)(*arguments)
        drawn.savefig(io.BytesIO(), dpi=100)
        return drawn

    return draw


@pytest.mark.parametrize("function", ["confusion", "confusion_difference"])
def test_the_names_of_46_topics_stand_on_both_axes_and_can_be_read(figure, function):
    names, counts = SOURCES["reuters"].classes, np.eye(46, dtype=int)
    drawn = figure(function, "title", *[counts] * (1 if function == "confusion" else 2), names)
    assert drawn.get_figwidth() * 100 < 950  # about the width at which GitHub shows it
    for direction in "xy":
        labels = getattr(drawn.axes[0], f"{direction}axis").get_ticklabels()
        assert [label.get_text() for label in labels] == list(names)
        ends = sorted(
            getattr(label.get_window_extent(), f"interval{direction}").tolist() for label in labels
        )
        assert min(end - start for start, end in ends) > 8  # pixels
        assert all(end < start + 2 for (_, end), (start, _) in pairwise(ends))


def test_half_a_percentage_point_is_pale_and_the_same_colour_in_every_review(figure):
    base, head = np.array([[1000, 0], [0, 1000]]), np.array([[995, 5], [0, 1000]])
    for worse in (0, 900):
        head[1] = worse, 1000 - worse
        image = figure("confusion_difference", "title", base, head).axes[0].images[0]
        colour = image.cmap(image.norm(0.5))
        assert min(colour[:3]) > 0.9
        assert colour == image.cmap(0.5 + 0.5 * 0.5 / drawings.POINTS)


FALLING = 500.0 / np.arange(1, 81) ** 1.2  # as the loss of Boston Housing: from 500 to 2.6
AXES = {
    "loss": pictures.Axis("loss: x (nats)", False),
    "accuracy": pictures.Axis("accuracy", True),
}


@pytest.mark.parametrize(
    ("function", "shape"), [("history", (80,)), ("folds", (4, 80)), ("compared_folds", (4, 80))]
)
def test_the_first_epochs_do_not_flatten_the_later_ones(figure, function, shape):
    columns = {
        f"{kind}{name}": np.broadcast_to(FALLING, shape) for kind in ("", "val_") for name in AXES
    }
    columns |= {name: 1 - columns[name] / 500 for name in ("accuracy", "val_accuracy")}
    sides = {"base": columns, "head": columns} if function == "compared_folds" else columns
    losses, accuracies = figure(function, "title", sides, AXES).axes
    low, high = losses.get_ylim()
    assert low < FALLING[-1] < FALLING[16] < high < 2 * FALLING[16]
    assert accuracies.get_ylim()[0] > 1 - 2 * FALLING[16] / 500
    assert "lower is better" in losses.get_title(loc="right")
    assert "higher is better" in accuracies.get_title(loc="right")


def test_a_figure_that_falls_by_less_is_drawn_whole(figure):
    columns = {name: np.linspace(2.0, 1.0, 20) for name in AXES}
    low, high = figure("history", "title", columns, AXES).axes[0].get_ylim()
    assert low < 1 < 2 < high


def test_which_direction_is_better_does_not_hang_on_the_name_of_a_metric(figure):
    columns = {name: np.linspace(2.0, 1.0, 20) for name in AXES}
    turned = {name: axis._replace(higher_is_better=name == "loss") for name, axis in AXES.items()}
    drawn = figure("history", "title", columns, turned)
    titles = [axis.get_title(loc="right") for axis in drawn.axes]
    assert titles == ["↑ higher is better", "↓ lower is better"]
