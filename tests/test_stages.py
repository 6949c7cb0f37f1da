"""From a file of a person to metrics, stage by stage, in this process: each way to split rows."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from stages import download, evaluate, kfold, preprocess, sweep, train
from stages.core.data.splits import Keys
from stages.core.declared import params, sources
from stages.core.declared.strict_yaml import Wrong
from stages.core.fit.networks import Blueprint
from tools.add import __main__ as add
from tools.predict import __main__ as predict

ROWS = 120
EMPTY = "source: official\nseed: 0\nsplit_seed: 0\nsweeps: {}\ndatasets:\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, as the folder in which a person is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATASETS_MIRROR", "")
    (tmp_path / "data/sources").mkdir(parents=True)
    monkeypatch.setattr(sources, "FOLDER", Path("data/sources"))
    (tmp_path / "params.yaml").write_text(EMPTY, "utf-8")
    return tmp_path


def people():
    """Patients with several visits each; what is predicted follows from their age and town."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(ROWS // 4), 4)
    age = random.integers(20, 80, ROWS // 4)[patient]
    town = random.choice(["Ulm", "Bonn", "Rome"], ROWS)
    frame = pd.DataFrame({"patient": [f"p{n}" for n in patient], "age": age, "town": town})
    frame["day"] = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    frame["ill"] = np.where(age + 20 * (town == "Ulm") > 55, "yes", "no")
    frame.loc[::7, "age"] = np.nan
    return frame


def added(monkeypatch, name, *arguments):
    """Add a data set, with few epochs, and give its arrays and the folds of its rows."""
    monkeypatch.setattr(sys, "argv", ["add", *map(str, arguments), "--name", name])
    add.main()
    tree = yaml.safe_load(params.PATH.read_text("utf-8"))
    section = tree["datasets"][name]
    section["model"]["units"] = [4]
    section["final"] |= {"exploring_epochs": 1, "epochs": 2, "seeds": 2}
    section["kfold"] |= {"k": 3, "repeats": 2, "epochs": 2}
    params.PATH.write_text(yaml.safe_dump(tree), "utf-8")
    for stage in (download, preprocess):
        stage.main(name)
    arrays, chosen = np.load(f"data/arrays/{name}.npz"), params.load()
    keys, classifies = Keys.unpack(arrays), str(arrays["schema.task"]) != "regression"
    section = chosen.datasets[name]
    return arrays, kfold.dealt(name, section, arrays["y_train"], classifies, keys, 0)


def run(monkeypatch, name, *arguments):
    """The same with all stages; its metrics, arrays and folds."""
    arrays, folds = added(monkeypatch, name, *arguments)
    for stage in (train, kfold, evaluate):
        stage.main(name)
    with open(f"metrics/{name}.json", encoding="utf-8") as file:
        return json.load(file), arrays, folds


def test_groups_stay_on_one_side(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    found, arrays, folds = run(
        monkeypatch, "people", "people.csv", "--target", "ill", "--group", "patient"
    )
    assert found["split"] == "group patient"
    assert 0 < found["reference"]["accuracy"] <= 1
    group = arrays["keys.group"]
    assert (np.load("data/folds/people.npz")["folds"] == folds).all()
    for dealt in folds:
        assert (pd.Series(dealt).groupby(group).nunique() == 1).all()
    tested = people().drop(index=arrays["keys.rows"] - 2)  # line 2 is the first row
    trained = people().patient[arrays["keys.rows"] - 2]
    assert not {*tested.patient} & {*trained}
    assert len(tested) == len(arrays["y_test"])


def swept(name, tree, **settings):
    """Run a sweep with these settings of the K-fold: its table by candidate, and its numbers."""
    content = yaml.safe_load(params.PATH.read_text("utf-8"))
    content["sweeps"] = {name: tree}
    content["datasets"][name]["kfold"] |= settings
    params.PATH.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    sweep.main(name)
    folder = Path("metrics", name)
    table = pd.read_csv(folder / "sweep.csv").set_index("candidate").sort_index()
    return table, json.loads((folder / "sweep.json").read_text("utf-8"))


def test_a_candidate_of_a_sweep_is_what_it_is_as_an_experiment(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    asked = "people.csv", "--target", "ill", "--group", "patient"
    added(monkeypatch, "people", *asked)
    tree = {"fit": {"learning_rate": [0.01, 0.1]}, "preprocess": {"levels": [2]}}
    table, said = swept("people", tree | {"kfold": {"epochs": [1]}}, seeds=3, repeats=5)
    assert len(table) == said["candidates"] == 3
    assert table.repeats[[0, 2]].eq(5).all()  # of two rounds
    section = params.load().sweeps["people"][2].section.model_dump()
    content = yaml.safe_load(params.PATH.read_text("utf-8"))
    content["sweeps"] = {}
    for group in ("preprocess", "fit", "kfold"):
        content["datasets"]["people"][group] = section[group]
    params.PATH.write_text(yaml.safe_dump(content), "utf-8")
    for stage in (preprocess, train, kfold, evaluate):
        stage.main("people")
    with open("metrics/people.json", encoding="utf-8") as file:
        expected = json.load(file)["kfold"]["accuracy"]["mean"]
    assert table["mean"][2] == pytest.approx(expected, abs=1e-4)


def test_a_sweep_around_what_diverges_says_which_values_do_not(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    added(monkeypatch, "people", "people.csv", "--target", "ill")
    content = yaml.safe_load(params.PATH.read_text("utf-8"))
    content["datasets"]["people"]["fit"] |= {"optimizer": "sgd", "learning_rate": 1e30}
    params.PATH.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    with pytest.raises(SystemExit, match=r"as it is diverges; .* So do all others\."):
        swept("people", {"fit": {"learning_rate": [1e31]}})
    with pytest.raises(SystemExit, match=r"1 of 2 others do not\. The best .*_rate=0\.01: put"):
        swept("people", {"fit": {"learning_rate": [0.01, 1e31]}})
    assert not Path("metrics/people/sweep.csv").exists()


def test_fresh_folds_are_such_that_each_can_be_judged(project, monkeypatch):
    gaps = iter(["", "fold 2 has one class", "", "", *["fold 1 has one class"] * sweep.DEALS])
    monkeypatch.setattr(sweep, "gap", lambda *given: next(gaps))
    people().to_csv("people.csv", index=False)
    added(monkeypatch, "people", "people.csv", "--target", "ill")
    swept("people", {"model": {"l2": [0.1]}})
    with pytest.raises(SystemExit, match=r"data\.metrics: in each of 20 other deals of the rows, "):
        swept("people", {"model": {"l2": [0.1]}})


def test_a_network_that_keras_refuses_is_named_by_its_values(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    added(monkeypatch, "people", "people.csv", "--target", "ill")
    built = Blueprint._from

    def refuses(blueprint, inputs):
        if blueprint.body.keywords["units"] == [3]:
            raise Wrong("no such network")
        return built(blueprint, inputs)

    monkeypatch.setattr(Blueprint, "_from", refuses)
    with pytest.raises(
        Wrong, match=r"sweeps\.people, datasets\.people\.model\.units=\[3\]: no such"
    ):
        swept("people", {"model": {"units": [[2], [3]]}})


def test_a_sweep_in_time_has_one_round_and_further_seeds(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    added(monkeypatch, "people", "people.csv", "--target", "ill", "--time", "day")
    table, said = swept("people", {"model": {"l2": [0.1, 10.0]}}, repeats=4)
    assert table.repeats.eq(4).all()
    assert said["fits_saved"] == 0
    assert "all repeats hold out the same rows" in Path("metrics/people/sweep.md").read_text(
        "utf-8"
    )


def test_the_past_predicts_the_future(project, monkeypatch):
    people().sample(frac=1, random_state=0).to_csv("people.csv", index=False)
    arrays, (first, second) = added(
        monkeypatch, "people", "people.csv", "--target", "ill", "--time", "day"
    )
    assert arrays["schema.split"] == "time day"
    time = arrays["keys.time"]
    assert (first == second).all()
    for fold in range(3):
        window = (first < fold) & (first >= fold - 3)
        assert time[window].max() < time[first == fold].min()
        assert abs(int(window.sum()) - int((first == fold).sum()) * 3) <= 3
    assert arrays["keys.time"].max() < 19_843 - 20  # the latest fifth is the test
    assert (np.diff(time) <= 0).all()  # those first that an exploring fit is validated on


def test_without_test_rows_all_is_of_the_folds(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    found, arrays, _ = run(monkeypatch, "people", "people.csv", "--target", "ill", "--test", "0")
    assert "test" not in found
    assert len(arrays["y_train"]) == ROWS
    pairs = pd.read_csv("metrics/people/test.csv")
    assert pairs.rows.sum() == ROWS
    assert len(pd.read_csv("metrics/people/test_rows.csv")) == 0


def test_a_file_of_test_rows_is_the_test(project, monkeypatch):
    people()[:90].to_csv("people.csv", index=False)
    people()[90:].to_csv("later.csv", index=False)
    arrays, _ = added(monkeypatch, "people", "people.csv", "--target", "ill", "--test", "later.csv")
    assert len(arrays["y_test"]) == ROWS - 90
    classes = arrays["schema.classes"][arrays["y_test"]]
    np.testing.assert_array_equal(classes, people()[90:].ill)


def test_a_change_of_what_is_dropped_keeps_the_folds(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    asked = "people.csv", "--target", "ill", "--group", "patient"
    pairs = [
        added(monkeypatch, name, *asked, *more)
        for name, more in (("all", ()), ("few", ("--drop", "town")))
    ]
    (arrays, folds), (fewer, same) = pairs
    assert arrays["x_train"].shape[1] > fewer["x_train"].shape[1]
    assert (arrays["keys.rows"] == fewer["keys.rows"]).all()
    assert (folds == same).all()


def test_text_alone_and_beside_numbers(project, monkeypatch):
    random = np.random.default_rng(0)
    frame = people()
    frame["note"] = [
        " ".join(
            [
                ("fever cough" if ill == "yes" else "well again"),
                *random.permutation(list("abcdefgh")),
            ]
        )
        for ill in frame.ill
    ]
    frame.to_csv("people.csv", index=False)
    with open("notes.jsonl", "w", encoding="utf-8") as file:
        for note, ill in zip(frame.note, frame.ill, strict=True):
            file.write(json.dumps({"note": note, "ill": ill}) + "\n")
    arrays, _ = added(monkeypatch, "mixed", "people.csv", "--target", "ill")
    assert {"note: fever", "age", "town=Ulm"} <= {*arrays["schema.columns"]}
    arrays, _ = added(monkeypatch, "notes", "notes.jsonl", "--target", "ill")
    assert "x_train.counts" in arrays


def test_pictures_in_folders(project, monkeypatch, capsys):
    random = np.random.default_rng(0)
    for number in range(60):
        label = ("dark", "light", "grey")[number % 3]
        folder = project / "shades" / label
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 60, (9, 12, 3)) + {"dark": 0, "light": 190, "grey": 90}[label]
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")
    _, arrays, _ = run(monkeypatch, "shades", "shades")
    assert arrays["x_train"].shape == (48, 9, 12, 3)
    assert arrays["schema.classes"].tolist() == ["dark", "grey", "light"]
    means = arrays["x_train"].mean(axis=(1, 2, 3))
    order = [means[arrays["y_train"] == label].mean() for label in range(3)]
    assert order == sorted(order)
    capsys.readouterr()
    files = ["shades/dark/0.png", "shades/light/1.png"]
    monkeypatch.setattr(sys, "argv", ["predict", "shades", *files])
    predict.main()
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == files


def test_files_of_texts_are_predicted_a_file_each_or_a_line_each(project, monkeypatch, capsys):
    for number in range(40):
        label = ("glad", "sad")[number % 2]
        (project / "moods" / label).mkdir(parents=True, exist_ok=True)
        text = f"{'happy day' if label == 'glad' else 'gloomy night'}\n{number}\n"
        (project / f"moods/{label}/{number}.txt").write_text(text, "utf-8")
    run(monkeypatch, "moods", "moods")
    capsys.readouterr()
    files = ["moods/glad/0.txt", "moods/sad/1.txt"]
    for arguments, count in ((files, 2), (["--text", "happy day"], 1)):
        monkeypatch.setattr(sys, "argv", ["predict", "moods", *arguments])
        predict.main()
        told = capsys.readouterr().out.splitlines()
        assert len(told) == count
    monkeypatch.setattr(sys, "argv", ["predict", "moods", "moods"])
    with pytest.raises(SystemExit, match="moods cannot be read"):
        predict.main()
