"""The real dvc.yaml with small params, in a clone of the repository."""

import copy
import hashlib
import re
import sys

import numpy as np
import pytest
import yaml
from samples import npz
from small import SHARED, SMALL, ran, shared


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return shared(tmp_path_factory, tmp_path_factory.mktemp("pipeline") / "clone")


def test_one_run_makes_every_output_and_says_a_line_a_stage(clone):
    assert len(ran(clone.said)) == 5 * len(SHARED)
    for name in SHARED:
        figures = clone.figures(name)
        assert figures["source"] == "synthetic"
        kfold = SMALL[name]["kfold"]
        fits = kfold["k"] * kfold["repeats"] * kfold["seeds"]
        assert figures["kfold"]["replicas"] == fits
        for stage in ("download", "preprocess", "train", "kfold", "evaluate"):
            assert (
                len(re.findall(rf"^{stage} {name}: .* in [0-9.]+ s$", clone.said, re.MULTILINE))
                == 1
            )
    assert "source: synthetic" in (clone.folder / "dvc.lock").read_text()
    assert "Traceback" not in clone.said
    assert clone.git("status", "--short") == ""


def test_a_second_run_does_nothing(clone):
    assert ran(clone.dvc("repro")) == []


def test_forced_again_it_gives_the_same_bytes_and_lock(clone):
    before = clone.state()
    again = ["train@reuters", "kfold@boston_housing", "evaluate@boston_housing"]
    assert ran(clone.dvc("repro", "-f", "-s", *again)) == again
    assert clone.state() == before


def test_chains_side_by_side_give_the_same_bytes_and_lock(clone):
    before, lock = clone.state(), clone.folder / "dvc.lock"
    lock.unlink()
    done = clone.run(sys.executable, "-m", "tools.repro", JOBS="2")
    assert not done.returncode, done.stderr
    assert clone.state() == before
    assert clone.git("status", "--short") == ""


def test_a_change_of_the_network_runs_only_what_depends_on_it(clone):
    clone.edit(lambda params: params["datasets"]["reuters"]["model"].update(units=[8]))
    stages = ran(clone.dvc("repro"))
    clone.git("checkout", "-q", ".")
    clone.dvc("checkout")
    assert sorted(stages) == ["evaluate@reuters", "kfold@reuters", "train@reuters"]


def test_a_sweep_is_a_stage_while_params_ask_for_it(clone):
    clone.edit(lambda params: params.update(sweeps={"boston_housing": {"model": {"l2": [0.1]}}}))
    done = clone.dvc("repro")
    assert ran(done) == ["sweep@boston_housing"]
    assert re.search(r"^sweep boston_housing: best of 2: .* in [0-9.]+ s$", done, re.MULTILINE)
    found = sorted(path.name for path in clone.folder.glob("metrics/boston_housing/sweep.*"))
    assert found == ["sweep.csv", "sweep.json", "sweep.md", "sweep.png"]
    assert "on_other_rows" in clone.dvc("metrics", "show", "--json")
    before = clone.state()
    assert ran(clone.dvc("repro", "-f", "-s", "sweep@boston_housing")) == ["sweep@boston_housing"]
    assert clone.state() == before
    clone.git("checkout", "-q", ".")
    clone.git("clean", "-fdq", "metrics")
    assert ran(clone.dvc("repro")) == []


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        (
            lambda params: params["datasets"]["reuters"]["preprocess"].update(num_words=500),
            "preprocess",
        ),
        (lambda params: params["datasets"]["reuters"]["kfold"].update(repeats=2), "kfold"),
        (lambda params: params["datasets"]["reuters"]["final"].update(seeds=1), "train"),
        (lambda params: params.update(split_seed=1), "kfold"),
    ],
    ids=["num_words", "repeats", "seeds", "split_seed"],
)
def test_a_change_makes_only_the_stages_stale_that_read_it(clone, change, stage):
    clone.edit(change)
    stale = ran(clone.dvc("repro", "--dry"))
    clone.git("checkout", "-q", "params.yaml")
    assert {name.split("@")[0] for name in stale} == {stage}


def test_a_changed_picture_runs_only_evaluate(clone):
    path = clone.folder / "stages/core/judge/pictures.py"
    path.write_text(path.read_text() + "# changed\n")
    stale = ran(clone.dvc("repro", "--dry"))
    clone.git("checkout", "-q", "stages")
    assert set(stale) == {f"evaluate@{name}" for name in SHARED}


def test_variants_do_not_carry_uncommitted_changes(clone):
    clone.edit(lambda params: params.update(seed=7))
    done = clone.run(sys.executable, "-m", "tools.variants", "bigrams")
    clone.git("checkout", "-q", "params.yaml")
    assert done.returncode != 0
    assert "params.yaml" in done.stderr
    assert "Traceback" not in done.stderr


STAGES = "download", "preprocess", "train", "kfold", "evaluate"


@pytest.fixture
def fifth(clone):
    """The name of a data set of numbers in a file that lies beside its source, added to the
    clone.
    """
    name, random = "my-own_2", np.random.default_rng(0)
    content = npz(x=random.normal(size=(60, 3)), y=random.integers(0, 2, 60))
    source = {
        "title": "Mine",
        "reader": {"format": "arrays", "file": "mine.npz"},
        "classes": ["no", "yes"],
        "files": [
            {
                "name": "mine.npz",
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
    }
    folder = clone.folder / "data/sources"
    (folder / "mine.npz").write_bytes(content)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(source))

    def add(params):
        section = copy.deepcopy(params["datasets"]["digits"])
        section["data"]["task"] = "binary"
        del section["fit"]["labels"]
        section["final"]["validation"] = 10
        params["datasets"][name] = section

    clone.edit(add)
    yield name
    clone.git("checkout", "-q", ".")
    for path in (folder / "mine.npz", folder / f"{name}.yaml"):
        path.unlink(missing_ok=True)


def stale(clone):
    """Stages that would run. DVC's dry run fails, and goes on, where a file is yet to be made."""
    return ran(clone.run("dvc", "repro", "--dry", "--keep-going").stdout)


def test_what_changes_in_a_data_set_runs_its_stages_and_no_others(clone, fifth):
    assert stale(clone) == [f"download@{fifth}"]
    clone.edit(lambda params: params.update(source="official"))
    for stage in STAGES:
        assert clone.run(sys.executable, "-m", f"stages.{stage}", fifth).returncode == 0
    assert clone.figures(fifth)["kfold"]["accuracy"]["mean"] >= 0
    assert '"actual_name"' not in (clone.folder / f"metrics/{fifth}/test.csv").read_text()
    clone.edit(lambda params: params.update(source="synthetic"))
    source = clone.folder / "data/sources/digits.yaml"
    source.write_text(source.read_text().replace("title: Digits", "title: Numerals"))
    assert {stage.partition("@")[2] for stage in stale(clone)} == {"digits", fifth}
    clone.edit(lambda params: params["datasets"].pop("digits"))
    source.unlink()
    clone.edit(lambda params: params["datasets"].pop(fifth))
    assert stale(clone) == []


def test_a_data_set_without_a_stand_in_says_so(clone, fifth):
    done = clone.run("dvc", "repro", f"download@{fifth}")
    assert done.returncode != 0
    assert f"{fifth} has no generated stand-in" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda params: params["datasets"]["reuters"]["kfold"].update(k=1),
            "datasets.reuters.kfold.k: expected",
        ),
        (
            lambda params: params["datasets"]["reuters"]["model"].update(dropot=0.5),
            "datasets.reuters.model.dropot: there is no such key",
        ),
    ],
    ids=["k", "misspelt"],
)
def test_a_wrong_param_stops_before_any_work_and_leaves_earlier_outputs(clone, change, message):
    before = clone.state()
    clone.edit(change)
    done = clone.run("dvc", "repro")
    clone.git("checkout", "-q", "params.yaml")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert clone.state() == before
