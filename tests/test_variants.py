"""Named variants are settings that params.yaml takes, and what is drawn and written of them is what they gave."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml

from stages.core.declared import params
from stages.core.judge import pictures
from studies import demo, study
from tools import cluster, variants

PLAIN = yaml.safe_load(params.PATH.read_text())


def changed(name):
    """params.yaml with the settings of a variant."""
    tree = copy.deepcopy(PLAIN)
    for setting in variants.VARIANTS[name]:
        path, value = setting.split("=")
        *parents, key = path.split(".")
        section = tree
        for parent in parents:
            section = section[parent]
        assert key in section, f"-S {setting} would be refused: there is no such key"
        section[key] = yaml.safe_load(value)
    return tree


@pytest.mark.parametrize("name", variants.VARIANTS)
def test_each_variant_is_a_change_that_the_pipeline_takes(name):
    tree = changed(name)
    params.parse(yaml.safe_dump(tree))
    assert (tree == PLAIN) == (name == "original")


def test_the_study_has_the_changes_of_the_tutorials_chapter():
    for dataset in study.DATASETS:
        models = {name: changed(name)["datasets"][dataset]["model"] for name in variants.STUDY}
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


@pytest.mark.parametrize("name", [*variants.DEMO, *variants.BETTER])
def test_what_the_demo_shows_changes_one_data_set(name):
    assert demo.changed(name) in PLAIN["datasets"]


def test_the_states_of_the_queue_are_read_from_its_table(monkeypatch):
    status = (
        "Task     Name    Created    Status\n"
        "e804348  l1      04:14 AM   Running\n"
        "aee5f3c  l1_l2   Nov 24, 2026   Queued\n"
        "1d0758a  smaller 04:14 AM   Failed\n"
        "\nWorker status: 1 active, 0 idle\n"
    )
    monkeypatch.setattr(variants, "output", lambda *command: status)
    assert variants.queued() == ({"l1": "Running", "l1_l2": "Queued", "smaller": "Failed"}, True)
    status = status.replace("1 active, 0 idle", "0 active, 1 idle")
    assert not variants.queued()[1]


@pytest.mark.parametrize("jobs", ["0", "two", "-1"])
def test_a_number_of_jobs_that_is_none_is_refused(monkeypatch, jobs):
    monkeypatch.setenv("JOBS", jobs)
    with pytest.raises(SystemExit, match=f"JOBS: expected a number of workers, got '{jobs}'"):
        variants.start()


def test_workers_share_out_the_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert set(cluster.threads(2).values()) == {"4"}
    assert set(cluster.threads(3).values()) == {"2"}
    assert set(cluster.threads(16).values()) == {"1"}


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
    first, again = (pictures.against_the_first(curves, {"one": "loss"}) for _ in range(2))
    assert first == again
    curves["one"]["a"] = folds + np.array([[0], [2]])  # the same mean, another band
    assert pictures.against_the_first(curves, {"one": "loss"}) != first


def test_the_state_of_the_project_that_variants_start_from_is_that_of_the_last_commit(monkeypatch):
    monkeypatch.setattr(
        variants, "output", lambda *command: " M params.yaml\n" if "status" in command else ""
    )
    with pytest.raises(SystemExit, match=r"Commit or put back first:\n M params.yaml"):
        variants.run(["l2"])


def test_a_cache_that_dvc_cannot_name_in_ascii_is_said_before_anything_is_queued(monkeypatch):
    folders = iter(["/tmp/é/.dvc/cache\n", "/srv/cache\n"])
    monkeypatch.setattr(
        variants,
        "output",
        lambda *command: next(folders) if command[:2] == ("dvc", "cache") else "",
    )
    with pytest.raises(SystemExit, match=r"/tmp/é.*\n.*dvc cache dir --local"):
        variants.run(["l2"])
    variants.cache_must_have_an_ascii_path()


def test_experiments_of_other_commits_are_not_taken_for_results(monkeypatch):
    refs = "refs/exps/ab/cdef/l1\nrefs/exps/ab/cdef/l2\n"
    asked = []

    def output(*command):
        asked.append(command)
        return "abcdef\n" if "rev-parse" in command else refs

    monkeypatch.setattr(variants, "output", output)
    assert variants.finished() == {"l1", "l2"}
    assert asked[-1][-1] == "refs/exps/ab/cdef"
