"""From a file of a person to metrics, stage by stage, in this process: each way to split rows."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from stages import download, evaluate, kfold, preprocess, train
from stages.core.declared import params, sources
from tools.add import __main__ as add
from tools.predict import __main__ as predict

STAGES = download, preprocess, train, kfold, evaluate
ROWS = 120
EMPTY = "source: official\nseed: 0\nsplit_seed: 0\ndatasets:\n"


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


def run(monkeypatch, name, *arguments):
    """Add a data set with few epochs, run its stages, and give its metrics and arrays."""
    monkeypatch.setattr(sys, "argv", ["add", *map(str, arguments), "--name", name])
    add.main()
    tree = yaml.safe_load(params.PATH.read_text("utf-8"))
    section = tree["datasets"][name]
    section["model"]["units"] = [4]
    section["final"] |= {"exploring_epochs": 1, "epochs": 2, "seeds": 2}
    section["kfold"] |= {"k": 3, "repeats": 2, "epochs": 2}
    params.PATH.write_text(yaml.safe_dump(tree), "utf-8")
    for stage in STAGES:
        stage.main(name)
    with open(f"metrics/{name}.json", encoding="utf-8") as file:
        found = json.load(file)
    arrays, folds = (np.load(f"data/{kind}/{name}.npz") for kind in ("arrays", "folds"))
    return found, arrays, folds


def test_groups_stay_on_one_side(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    found, arrays, folds = run(
        monkeypatch, "people", "people.csv", "--target", "ill", "--group", "patient"
    )
    assert found["split"] == "group patient"
    assert 0 < found["reference"]["accuracy"] <= 1
    group = arrays["keys.group"]
    for dealt in folds["folds"]:
        assert (pd.Series(dealt).groupby(group).nunique() == 1).all()
    tested = people().drop(index=arrays["keys.rows"] - 2)  # line 2 is the first row
    trained = people().patient[arrays["keys.rows"] - 2]
    assert not {*tested.patient} & {*trained}
    assert len(tested) == len(arrays["y_test"])


def test_the_past_predicts_the_future(project, monkeypatch):
    people().sample(frac=1, random_state=0).to_csv("people.csv", index=False)
    found, arrays, folds = run(
        monkeypatch, "people", "people.csv", "--target", "ill", "--time", "day"
    )
    assert found["split"] == "time day"
    time = arrays["keys.time"]
    first, second = folds["folds"]
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
    found, arrays, _ = run(
        monkeypatch, "people", "people.csv", "--target", "ill", "--test", "later.csv"
    )
    assert len(arrays["y_test"]) == ROWS - 90
    classes = arrays["schema.classes"][arrays["y_test"]]
    np.testing.assert_array_equal(classes, people()[90:].ill)
    assert "test" in found


def test_a_change_of_what_is_dropped_keeps_the_folds(project, monkeypatch):
    people().to_csv("people.csv", index=False)
    run(monkeypatch, "all", "people.csv", "--target", "ill", "--group", "patient")
    run(monkeypatch, "few", "people.csv", "--target", "ill", "--group", "patient", "--drop", "town")
    held_out = [pd.read_csv(f"metrics/{name}/folds.csv").held_out for name in ("all", "few")]
    assert held_out[0].equals(held_out[1])


def test_text_alone_and_beside_numbers(project, monkeypatch, capsys):
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
    _, arrays, _ = run(monkeypatch, "mixed", "people.csv", "--target", "ill")
    assert {"note: fever", "age", "town=Ulm"} <= {*arrays["schema.columns"]}
    _, arrays, _ = run(monkeypatch, "notes", "notes.jsonl", "--target", "ill")
    assert "x_train.counts" in arrays
    with open("new.jsonl", "w", encoding="utf-8") as file:
        file.write('{"note": "fever cough"}\n{"note": null}\n')
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["predict", "notes", "new.jsonl"])
    predict.main()
    assert len(capsys.readouterr().out.splitlines()) == 2


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
