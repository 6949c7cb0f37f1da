"""The studies change what they say, and what they draw and write is what the variants gave."""

import json

import numpy as np
import pandas as pd
import pytest
from test_params_file import NAMED, PLAIN, with_settings

from stages.core.judge import sweep_page

pytest.importorskip("studies", reason="studies/ was deleted")
from studies import demo, knobs, study


def test_the_study_has_the_changes_of_the_tutorials_chapter():
    trees = {name: with_settings(NAMED[name])["datasets"] for name in study.VARIANTS}
    for dataset in study.DATASETS:
        models = {name: tree[dataset]["model"] for name, tree in trees.items()}
        assert models["original"] == PLAIN["datasets"][dataset]["model"]
        assert models["smaller"]["units"] == [4, 4]
        assert models["larger"]["units"] == [512, 512]
        penalties = {name: (model["l1"] > 0, model["l2"] > 0) for name, model in models.items()}
        assert [penalties[name] for name in ("l1", "l2", "l1_l2")] == [
            (True, False),
            (False, True),
            (True, True),
        ]
        assert models["dropout"]["dropout"] == 0.5


@pytest.mark.parametrize("name", [*demo.PROPOSED, *demo.NARROW, *demo.BETTER])
def test_what_the_demo_shows_changes_one_data_set(name):
    assert demo.dataset_of(NAMED[name]) in PLAIN["datasets"]


class Revision:
    """Stands for a revision that has these tables."""

    def __init__(self, **tables):
        self.tables = tables

    def table(self, path):
        return self.tables[path.rpartition("/")[2].removesuffix(".csv")]


def test_the_losses_drawn_are_those_of_all_folds():
    history = pd.DataFrame({"epoch": [1, 2], "val_loss": [0.5, 0.4]})  # of a single fit
    folds = pd.DataFrame({"epoch": [1, 2] * 3, "val_loss": [9, 8, 7, 6, 100, 99]})
    revision = Revision(history=history, fold_curves=folds)
    np.testing.assert_array_equal(study.losses(revision, "imdb"), [[9, 8], [7, 6], [100, 99]])


def test_the_picture_has_the_same_bytes_each_time_and_shows_each_variant():
    folds = np.array([[3.0, 1.0], [3.5, 1.5]])
    curves = {"one": {"original": folds, "a": folds + 1, "b": folds + 6}}
    first, again = (study.against_the_first(curves) for _ in range(2))
    assert first == again
    curves["one"]["a"] = folds + np.array([[0], [2]])  # the same mean, another band
    assert study.against_the_first(curves) != first


def test_a_row_of_the_demo_says_what_dvc_and_the_review_say(monkeypatch):
    shown = {"metrics/reuters.json": {"kfold.accuracy.mean": {"old": 0.5, "new": 0.75}}}
    monkeypatch.setattr(demo.variants, "output", lambda *command: json.dumps(shown))
    same = demo.revisions.Revision("HEAD", demo.revisions.resolve("HEAD").commit)
    monkeypatch.setattr(demo.revisions, "resolve", lambda name: same)
    row = demo.reviewed("balanced", "reuters")
    assert row.startswith(
        "balanced | reuters kfold.accuracy.mean 0.5 → 0.75 | **reuters: the same** "
    )


def test_the_sweeps_of_the_tutorials_knobs_hold_its_own_network():
    for name in knobs.DATASETS:
        tree = with_settings(NAMED[f"knobs_{name}"])
        tried, section = tree["sweeps"][name], tree["datasets"][name]
        assert [*tree["sweeps"]] == [name]
        assert {*tried} == {"model", "kfold"}
        assert {*tried["model"]} == {"units", "l1", "l2", "dropout"}
        for group, keys in tried.items():
            assert all(section[group][key] in values for key, values in keys.items())


SWEPT = {
    "candidates": 96,
    "mae": {"base": 2.34, "best": 2.3},
    "on_other_rows": {"mean": 2.32},
    "best": "datasets.boston_housing.model.l2=0.1 datasets.boston_housing.final.epochs=9",
    "simplest": "params.yaml as it is",
}


def test_the_page_of_the_knobs_says_what_the_sweeps_found():
    again = {"difference": -0.01, "low": -0.02, "high": 0.0, "verdict": "equivalent"}
    row = knobs.row("boston_housing", SWEPT | {"trained_again": again})
    assert row == (
        "Boston Housing | 96 | mae 2.3400 → 2.3000 | 2.3200 | -0.0100 (-0.0200 to +0.0000) | "
        "**equivalent**"
    )
    assert knobs.row("boston_housing", SWEPT).endswith("| - | diverged")
    base = SWEPT | {"best": SWEPT["simplest"]}
    assert knobs.row("boston_housing", base).endswith("| - | `params.yaml` is the best")
    said = knobs.chosen("boston_housing", SWEPT)
    assert said == "- **Boston Housing**: best `model.l2=0.1`; simplest params.yaml as it is"


def test_the_page_of_a_sweep_is_told_below_another_heading_and_without_commands():
    class Swept:
        def read(self, path):
            assert path == "metrics/imdb/sweep.md"
            commands = f"{sweep_page.COMMANDS}\n\n```sh\ndvc exp run\n```\n"
            return f"# Sweep\n\n![a](sweep.png)\n\n| a |\n\n{commands}".encode()

    assert knobs.told("imdb", Swept()) == "## Sweep\n\n![a](pictures/knobs_imdb.png)\n\n| a |"
