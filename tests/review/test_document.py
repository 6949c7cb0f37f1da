"""The review for programs, and its exit status."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from made_up import (
    NAMES,
    VERDICTS,
    compared,
    top,
)

from stages.core.judge import comparison


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def test_programs_get_the_review_as_json(project, run, tmp_path):
    project.results("imdb", main=(0.03, 0.002), loss=(-0.1, 0.01))
    project.results("reuters", held_out="ff00")
    project.params["datasets"]["imdb"]["model"].update(units=[4], dropout=0.5)
    project.save(lock=False)
    path = tmp_path / "review.html"
    found = json.loads(run("main", "--json", "--html", str(path)), parse_constant=no_constant)
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
    main = project.git("rev-parse", "main")
    assert found["base"] == {"name": "main", "commit": main, "stale": []}
    assert found["head"] == {"name": "workspace", "commit": None, "stale": ["kfold@imdb"]}
    assert found["params"] == {
        "datasets.imdb.model.units": {"base": [16, 16], "head": [4]},
        "datasets.imdb.model.dropout": {"head": 0.5},
    }
    assert list(found["datasets"]) == NAMES
    imdb, reuters = found["datasets"]["imdb"], found["datasets"]["reuters"]
    assert (imdb["verdict"], imdb["metric"], imdb["obstacle"]) == ("better", "accuracy", None)
    directions = {name: found["higher_is_better"] for name, found in imdb["metrics"].items()}
    assert directions == {"accuracy": True, "loss": False}
    accuracy = imdb["metrics"]["accuracy"]
    assert (accuracy["verdict"], accuracy["base"], accuracy["head"]) == ("better", 0.85, 0.88)
    raw, *_ = compared()
    expected = dataclasses.asdict(raw.comparisons["accuracy"])
    difference = accuracy["difference"]
    found = difference.pop("p_holm"), difference["typical"].pop("p_holm")
    assert found == tuple(comparison.holm([expected["p"], expected["typical"]["p"]]))
    assert difference == expected
    assert (reuters["verdict"], reuters["obstacle"]) == (
        "not comparable",
        "the folds hold out different rows",
    )
    assert (reuters["folds_alone"], imdb["folds_alone"]) == (None, raw.folds_alone)
    assert raw.folds_alone
    assert [found["difference"] for found in reuters["metrics"].values()] == [None, None]


def test_json_has_null_where_a_metric_is_no_number(project, run):
    path = project.folder / "metrics/imdb.json"
    project.results("imdb", main=(0.03, 0.002), loss=(np.nan, 0))
    path.write_text(path.read_text().replace("0.88", "NaN"))
    project.params["datasets"]["imdb"]["model"]["dropout"] = [np.inf]
    project.save()
    found = json.loads(run("main", "--json"), parse_constant=no_constant)
    assert found["params"]["datasets.imdb.model.dropout"] == {"head": [None]}
    assert found["datasets"]["imdb"]["metrics"]["accuracy"]["head"] is None
    assert found["datasets"]["imdb"]["metrics"]["loss"]["difference"] is None


@pytest.mark.parametrize(
    ("change", "fail_on", "fails"),
    [
        ("worse", [], False),
        ("worse", ["worse"], True),
        ("worse", ["not-comparable"], False),
        ("worse", ["not-comparable", "worse"], True),
        ("worse, but negligible", ["worse"], False),
        ("no evidence", ["worse", "not-comparable"], False),
        ("better", ["worse", "not-comparable"], False),
        ("not comparable", ["worse"], False),
        ("not comparable", ["not-comparable"], True),
        ("worse in the typical fold", ["worse"], True),
    ],
)
def test_the_exit_status_is_3_for_verdicts_that_somebody_named(
    project, run, capsys, change, fail_on, fails
):
    project.results(
        "imdb", *([VERDICTS["worse"]] if "typical" in change else [VERDICTS.get(change, (0, 0))])
    )
    folds = project.folder / "metrics/imdb/folds.csv"
    if change == "not comparable":
        folds.write_text(folds.read_text().replace("00ff", "ff00"))
    if "typical" in change:
        table = pd.read_csv(folds, dtype={"held_out": str})
        table.loc[2, "accuracy"] += 5
        folds.write_text(table.to_csv(index=False))
    arguments = ["main", *(argument for verdict in fail_on for argument in ("--fail-on", verdict))]
    if not fails:
        assert top(run(*arguments))["imdb"][0] == change
        return
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 3
    printed = capsys.readouterr()
    assert top(printed.out)["imdb"][0] == change
    assert f"imdb is {change}" in printed.err
