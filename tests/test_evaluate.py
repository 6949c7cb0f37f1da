import io
import json
import shutil
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from samples import PROJECT, SCHEMAS, SOURCES, TASK_OF, npz

from stages import evaluate
from stages.core.data.splits import Keys
from stages.core.declared import strict_yaml
from stages.core.declared.task import TASKS, chosen
from stages.core.judge import pictures, row_metrics, scores
from stages.core.judge.metrics import METRICS
from tools.review import drawings

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["imdb", "boston_housing"])
def test_no_interval_of_a_metrics_file_goes_beyond_what_the_metric_can_be(name):
    # Half of the folds at the bound, the others far from it: unclipped, every interval would
    # leave the bounds.
    arguments = made(name)
    (targets, _), kfold = arguments["targets"], arguments["kfold"]
    if name == "imdb":
        right = np.where(np.arange(40) % 5, kfold["folds"] % 2, 1) == 1
        answers = np.where(right, targets, 1 - targets)
    else:
        answers = targets + 30 * (kfold["folds"] % 2)
    kfold["predictions"][..., 0] = answers[:, np.newaxis]
    kfold["val_loss"][..., -1] = [0.0, 5.0] * 2
    figures, _ = evaluate.evaluate(**arguments)
    found = figures["kfold"]
    assert found["loss"]["low"] == 0
    if name == "imdb":
        assert (found["accuracy"]["low"] >= 0, found["accuracy"]["high"]) == (True, 1)
    else:
        assert found["mae"]["low"] == 0


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
    kfold = {"folds": np.stack([np.arange(40) // 10] * 2).astype("int16")}
    kinds = "loss", "metric", "val_loss", "val_metric"
    kfold |= {kind: random.random((2, 3, 4, 3)).astype("float32") for kind in kinds}
    kfold["epochs"] = np.full((2, 4), 3)
    shares = random.dirichlet(np.ones(schema.outputs + 1), (2, 3, 40))[..., : schema.outputs]
    kfold["predictions"] = shares.astype("float32")
    return {
        "title": SOURCES[name].title,
        "unit": SOURCES[name].unit,
        "origin": "official",
        "schema": schema,
        "keys": Keys(np.arange(40)),
        "targets": (y, y.copy()),
        "test": test,
        "kfold": kfold,
    }


@cache
def evaluated(name):
    """Figures and files of a data set after a whole evaluation."""
    return evaluate.evaluate(**made(name))


@pytest.fixture(params=["imdb", "reuters", "boston_housing", "digits"])
def case(request):
    """A data set, and its figures and files after a whole evaluation."""
    return SCHEMAS[request.param].task, evaluated(request.param)


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


def test_no_metric_is_minus_zero():
    assert str(evaluate.rounded({"loss": -1e-9})) == "{'loss': 0.0}"


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
    assert sorted(figures["kfold"]) == sorted([*task.metrics, "loss", "replicas"])
    for name in ("loss", *task.metrics):
        assert sorted(figures["kfold"][name]) == ["high", "low", "mean", "std"]
    assert sorted(figures["test"][metric]) == ["ensemble", "mean", "std"]
    assert figures["kfold"]["replicas"] == 24
    assert figures["network"] == {"epochs": 5, "loss": quantity, "parameters": 7}
    assert figures["source"] == "official"
    assert figures["validation"] == {"best_epoch": 1, "loss": 1.0}
    assert list(figures["baseline"]) == [metric]


def lines(content):
    """The cells of a file of comma-separated values, its header first."""
    return [line.split(",") for line in content.decode().splitlines()]


def test_the_files_have_a_line_for_each_epoch_and_fit(case):
    task, (_, files) = case
    metric = task.trained
    folds, curves = lines(files["folds.csv"]), lines(files["fold_curves.csv"])
    parts = ["repeat", "seed", "fold", "epoch", "rows", "held_out", "loss"]
    assert folds[0] == [*parts, *task.metrics]
    assert [line[:5] for line in folds[1:]] == [
        [str(r), str(s), str(f), "3", "10"] for r in (1, 2) for s in (1, 2, 3) for f in (1, 2, 3, 4)
    ]
    assert curves[0] == ["repeat", "fold", "epoch", "loss", "val_loss", metric, f"val_{metric}"]
    assert len(curves) == 1 + 8 * 3
    history = f"epoch,loss,val_loss,{metric},val_{metric}\n1,2,1,0,0.25\n2,1,3,1,1\n"
    assert files["history.csv"].decode() == history
    assert files["network.txt"] == b"layers\n"


def test_folds_that_hold_out_the_same_rows_have_the_same_fingerprint(case):
    _, (_, files) = case
    prints = [line[5] for line in lines(files["folds.csv"])[1:]]
    assert prints == prints[:4] * 6  # both repeats of the case deal the same folds
    assert len(set(prints)) == 4
    assert all(len(print) == 8 for print in prints)


def test_a_fit_is_judged_by_its_predictions_and_its_loss_at_the_epoch_that_they_are_of():
    arguments = made("boston_housing")
    kfold, (y, _) = arguments["kfold"], arguments["targets"]
    kfold["epochs"] = np.array([[1, 2, 3, 1], [3, 3, 2, 1]])
    figures, files = evaluate.evaluate(**arguments)
    table = pd.read_csv(io.BytesIO(files["folds.csv"]))
    for line in table.itertuples():
        at = line.repeat - 1, line.seed - 1
        rows = kfold["folds"][at[0]] == line.fold - 1
        errors = np.abs(kfold["predictions"][at][rows, 0] - y[rows])
        assert line.mae == pytest.approx(errors.mean(), rel=1e-5)
        assert line.epoch == kfold["epochs"][at[0], line.fold - 1]
        losses = kfold["val_loss"][(*at, line.fold - 1)]
        assert line.loss == pytest.approx(losses[line.epoch - 1], rel=1e-5)
    for name in ("mae", "loss"):
        assert figures["kfold"][name]["mean"] == pytest.approx(table[name].mean(), abs=1e-4)
        of_folds = table.groupby(["repeat", "fold"])[name].mean()
        assert figures["kfold"][name]["std"] == pytest.approx(of_folds.std(), abs=1e-4)


def test_curves_are_means_over_the_seeds():
    arguments = made("imdb")
    _, files = evaluate.evaluate(**arguments)
    curves = pd.read_csv(io.BytesIO(files["fold_curves.csv"]))
    expected = arguments["kfold"]["val_metric"].mean(axis=1).ravel()
    np.testing.assert_allclose(curves.val_accuracy, expected, rtol=1e-5)


def judged_by(name, *metrics):
    """Arguments as `made` makes them, with these metrics."""
    arguments = made(name)
    schema = arguments["schema"]
    arguments["schema"] = replace(schema, task=chosen(schema.task.name, metrics))
    return arguments


ASKED = [
    pytest.param(name, metric, id=f"{name}-{metric}")
    for name in ("imdb", "digits", "boston_housing")
    for metric in TASK_OF[name].choices
]


@pytest.mark.parametrize(("name", "metric"), ASKED)
def test_any_metric_of_the_task_can_be_the_main_one(name, metric):
    arguments = judged_by(name, metric)
    figures, files = evaluate.evaluate(**arguments)
    assert sorted(figures["kfold"]) == sorted([metric, "loss", "replicas"])
    assert {*figures["baseline"]} == {metric}
    spread, (low, high) = figures["kfold"][metric], METRICS[metric].bounds
    assert low <= spread["low"] <= spread["mean"] <= spread["high"] <= high
    assert lines(files["folds.csv"])[0][7:] == [metric]
    usual, usual_files = evaluated(name)
    assert usual["kfold"]["loss"] == figures["kfold"]["loss"]
    for file in ("history.csv", "fold_curves.csv", "history.png", "folds.png", "row_folds.npz"):
        assert files[file] == usual_files[file], file
    by_row = row_metrics.unpack(files["fold_rows.npz"])
    tested = lines(files["test_rows.csv"])
    assert tested[0] == ["seed_0", "seed_1", "seed_2"]
    if METRICS[metric].by_row:
        assert by_row.mean() == pytest.approx(spread["mean"], rel=1e-3, abs=1e-4)
        assert len(tested) == 41
        mean = np.mean(np.array(tested[1:], float))
        assert mean == pytest.approx(figures["test"][metric]["mean"], rel=1e-3, abs=1e-4)
    else:
        assert by_row is None
        assert row_metrics.absent(files["fold_rows.npz"]) == row_metrics.NOT_BY_ROW
        assert len(tested) == 1


def test_rows_and_folds_can_be_read_again():
    arguments = made("digits")
    arguments["keys"] = Keys(np.arange(40), np.arange(40) // 2)
    _, files = evaluate.evaluate(**arguments)
    folds, groups = row_metrics.unpack_folds(files["row_folds.npz"])
    np.testing.assert_array_equal(folds, arguments["kfold"]["folds"])
    np.testing.assert_array_equal(groups, np.arange(40) // 2)
    right = arguments["kfold"]["predictions"].argmax(axis=-1) == arguments["targets"][0]
    for file in ("fold_rows.npz", "rows.npz"):
        np.testing.assert_array_equal(row_metrics.unpack(files[file]), right)


def test_a_metric_that_is_undefined_in_a_fold_has_an_empty_cell_and_no_mean():
    arguments = judged_by("imdb", "accuracy", "roc_auc")
    arguments["targets"][0][:10] = 1  # fold 1 in both repeats
    figures, files = evaluate.evaluate(**arguments)
    gap = "no rows of class 0"
    gaps = {"repeat 1, fold 1": gap, "repeat 2, fold 1": gap}
    assert figures["kfold"]["roc_auc"] == {"undefined": gaps}
    cells = [line[-1] for line in lines(files["folds.csv"])[1:]]
    assert [cell == "" for cell in cells] == [True, False, False, False] * 6
    assert sorted(figures["kfold"]["accuracy"]) == ["high", "low", "mean", "std"]
    told = [*evaluate.told(figures, arguments["schema"].task, 40)]
    assert [line for line in told if "roc_auc is undefined" in line and gap in line] == told[1:2]


@pytest.mark.parametrize("part", [0, 1], ids=["folds", "test"])
def test_a_main_metric_that_is_undefined_stops_the_stage(part):
    arguments = judged_by("imdb", "roc_auc", "accuracy")
    arguments["targets"][part][:] = 1
    with pytest.raises(scores.Undefined, match=r"'roc_auc'.*no rows of class 0"):
        evaluate.evaluate(**arguments)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in which imdb was trained; project(metrics): runs the stage for these metrics."""
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def run(metrics, **changes):
        content = strict_yaml.read(Path("params.yaml").read_bytes())
        content["datasets"]["imdb"]["data"]["metrics"] = metrics
        Path("params.yaml").write_text(strict_yaml.write(content))
        arguments = made("imdb")
        y_train, y_test = arguments["targets"]
        prepared = arguments["schema"].pack() | arguments["keys"].pack()
        prepared |= {"y_train": y_train, "y_test": y_test} | changes
        files = {"arrays/imdb": prepared, "models/imdb/test": arguments["test"]}
        files["folds/imdb"] = arguments["kfold"]
        for name, columns in files.items():
            path = Path(f"data/{name}.npz")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(npz(**columns))
        evaluate.main("imdb")

    return run


def test_the_stage_writes_what_its_section_asks_for(project, capsys):
    project(["brier", "accuracy"])
    written = json.loads(Path("metrics/imdb.json").read_text())
    assert sorted(written["kfold"]) == ["accuracy", "brier", "loss", "replicas"]
    line, *_ = capsys.readouterr().out.splitlines()
    assert "K-fold brier" in line
    declared = (ROOT / "dvc.yaml").read_text().replace("${key}", "imdb")
    paths = [*Path("metrics/imdb").iterdir(), Path("metrics/imdb.json"), Path("data/rows/imdb.npz")]
    assert len(paths) == 13
    for path in paths:
        assert f"- {path}" in declared


def test_a_stage_that_cannot_judge_writes_nothing(project):
    at = r"datasets\.imdb\.data\.metrics: .*'roc_auc'"
    with pytest.raises(SystemExit, match=at + ".*repeat 1, fold 2: no rows of class 1"):
        project(["roc_auc"], y_train=np.repeat([0, 1, 0, 0, 0, 1], [9, 1, 10, 10, 5, 5]))
    with pytest.raises(SystemExit, match=r"the test rows.*no rows of class 0"):
        project(["roc_auc"], y_test=np.ones(40, int))
    assert not Path("metrics").exists()
    assert not Path("data/rows").exists()


def test_without_test_rows_those_that_folds_hold_out_are_drawn():
    arguments = made("imdb")
    arguments["targets"] = arguments["targets"][0], arguments["targets"][1][:0]
    arguments["test"]["predictions"] = arguments["test"]["predictions"][:, :0]
    arguments["kfold"]["folds"][:] = np.arange(40) // 5 - 4  # in time
    figures, files = evaluate.evaluate(**arguments)
    assert "test" not in figures
    assert sum(int(line[2]) for line in lines(files["test.csv"])[1:]) == 20
    assert (row_metrics.unpack(files["fold_rows.npz"])[:, :, :20] == 0).all()


def test_each_test_row_says_how_each_seed_fared():
    actual = np.array([0, 1, 1])
    classified = np.array([[[0.2], [0.9], [0.3]], [[0.7], [0.8], [0.9]]])
    table = evaluate.test_rows(METRICS["accuracy"], actual, classified)
    assert table.to_numpy().T.tolist() == [[1, 1, 0], [0, 1, 1]]
    numbers = np.array([[[1.5], [1.0], [3.25]]])
    frame = evaluate.test_rows(METRICS["mae"], np.array([1.0, 2.0, 3.0]), numbers)
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


@pytest.mark.parametrize(
    ("folds", "cut_short"), [([2, 3], ["2 of 4 folds"]), ([1, 2], [])], ids=["last", "before"]
)
def test_the_epochs_that_folds_chose_and_those_of_the_final_networks_are_told(folds, cut_short):
    losses = np.zeros((2, 1, 2, 3), "float32")
    kfold = {"val_loss": losses, "val_metric": losses, "naive": np.array([1, 1])}
    task = TASKS["binary"]
    found = scores.chosen_epochs(task, kfold | {"epochs": np.array([folds, folds])})
    found |= {"source": "official", "network": {"epochs": 7}}
    found["kfold"] = {"accuracy": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    lines = [*evaluate.told(found, task, 0)]
    assert f"judged after {folds[0]} to {folds[1]} epochs" in lines[1]
    assert lines[2].startswith("the final networks train 7 epochs")
    cautions = [line.removeprefix("TAKE CARE: ") for line in lines if "TAKE CARE" in line]
    assert [line[:12] for line in cautions] == cut_short
