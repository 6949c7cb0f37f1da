"""The real dvc.yaml with the real params, shrunk, in a clone of the repository."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SHRUNK = {
    "imdb": {"epochs": 2, "final_epochs": 1, "seeds": 2, "k": 3, "repeats": 1},
    "reuters": {"epochs": 2, "final_epochs": "best", "seeds": 2, "k": 3, "repeats": 1},
    "boston_housing": {"epochs": 3, "final_epochs": 3, "seeds": 2, "k": 3, "repeats": 2},
    "digits": {"epochs": 2, "final_epochs": 1, "seeds": 1, "k": 2, "repeats": 1},
}


class Clone:
    """A copy of the files that Git tracks, as a repository of its own with shrunk params."""

    def __init__(self, folder, source):
        self.folder = folder
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        )
        for name in filter(None, tracked.stdout.split("\0")):
            if (ROOT / name).is_file() and not name.startswith("metrics/") and name != "dvc.lock":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        self.edit(lambda params: params.update(source=source))
        for name, small in SHRUNK.items():
            self.edit(
                lambda params, name=name, small=small: shrink(params["datasets"][name], small)
            )
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "shrunk"]):
            self.git(*command)

    def edit(self, change):
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        change(params)
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def run(self, *command, **environment):
        variables = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **environment,
        }
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            variables.pop(name, None)
        return subprocess.run(
            command, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=500
        )

    def git(self, *command):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        done = self.run("git", *identity, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dvc(self, *command):
        done = self.run("dvc", *command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ran(self, output):
        return re.findall(r"Running stage '(\S+)'", output)

    def hashes(self, *folders):
        paths = [
            path
            for folder in folders
            for path in (self.folder / folder).rglob("*")
            if path.is_file()
        ]
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
        }

    def figures(self, name):
        return json.loads((self.folder / "metrics" / f"{name}.json").read_text())


def shrink(section, small):
    final, kfold = section["final"], section["kfold"]
    final.update(
        exploring_epochs=small["epochs"], epochs=small["final_epochs"], seeds=small["seeds"]
    )
    kfold.update(k=small["k"], repeats=small["repeats"], epochs=1)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    clone = Clone(tmp_path_factory.mktemp("clone"), "synthetic")
    clone.first = clone.dvc("repro")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "ran")
    return clone


def test_one_run_makes_every_output_and_says_a_line_a_stage(clone):
    assert len(clone.ran(clone.first)) == 5 * len(SHRUNK)
    for name in SHRUNK:
        figures = clone.figures(name)
        assert figures["source"] == "synthetic"
        assert figures["kfold"]["replicas"] == SHRUNK[name]["k"] * SHRUNK[name]["repeats"]
        for stage in ("download", "preprocess", "train", "kfold", "evaluate"):
            assert (
                len(re.findall(rf"^{stage} {name}: .* in [0-9.]+ s$", clone.first, re.MULTILINE))
                == 1
            )
    assert "source: synthetic" in (clone.folder / "dvc.lock").read_text()
    assert "Traceback" not in clone.first
    assert clone.git("status", "--short") == ""


def test_a_second_run_does_nothing(clone):
    assert clone.ran(clone.dvc("repro")) == []


def test_forced_again_it_gives_the_same_bytes_and_lock(clone):
    before = clone.hashes("data", "metrics"), (clone.folder / "dvc.lock").read_text()
    again = [
        "train@reuters",
        "kfold@reuters",
        *(f"{stage}@boston_housing" for stage in ("train", "kfold", "evaluate")),
    ]
    assert clone.ran(clone.dvc("repro", "-f", "-s", *again)) == again
    assert (clone.hashes("data", "metrics"), (clone.folder / "dvc.lock").read_text()) == before


def test_data_sets_side_by_side_give_the_same_lock(clone):
    before = (clone.folder / "dvc.lock").read_bytes(), clone.hashes("metrics")
    with ThreadPoolExecutor() as pool:
        targets = [f"{stage}@{name}" for stage in ("kfold", "evaluate") for name in SHRUNK]
        each = len(SHRUNK)  # a run for each data set
        runs = [
            pool.submit(
                clone.dvc, "--wait-for-lock", "repro", "--force", "--single-item", *targets[n::each]
            )
            for n in range(each)
        ]
        assert sorted(stage for run in runs for stage in clone.ran(run.result())) == sorted(targets)
    assert ((clone.folder / "dvc.lock").read_bytes(), clone.hashes("metrics")) == before


def test_a_change_of_the_network_runs_only_what_depends_on_it(clone):
    clone.edit(lambda params: params["datasets"]["reuters"]["model"].update(units=[8]))
    ran = clone.ran(clone.dvc("repro"))
    clone.git("checkout", "-q", ".")
    clone.dvc("checkout")
    assert sorted(ran) == ["evaluate@reuters", "kfold@reuters", "train@reuters"]


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
    stale = clone.ran(clone.dvc("repro", "--dry"))
    clone.git("checkout", "-q", "params.yaml")
    assert {name.split("@")[0] for name in stale} == {stage}


def test_a_changed_picture_runs_only_evaluate(clone):
    path = clone.folder / "stages/core/judge/pictures.py"
    path.write_text(path.read_text() + "# changed\n")
    stale = clone.ran(clone.dvc("repro", "--dry"))
    clone.git("checkout", "-q", "stages")
    assert set(stale) == {f"evaluate@{name}" for name in SHRUNK}


def test_variants_do_not_carry_uncommitted_changes(clone):
    clone.edit(lambda params: params.update(seed=7))
    done = clone.run(sys.executable, "-m", "tools.variants", "l2")
    clone.git("checkout", "-q", "params.yaml")
    assert done.returncode != 0
    assert "params.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_set_of_ones_own_is_added_as_the_readme_says(tmp_path):
    clone = Clone(tmp_path, "official")
    section = re.search(
        r"\n## Add your own data set\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL
    )[1]
    script, entry, params = re.findall(r"```(?:python|yaml)\n(.*?)```", section, re.DOTALL)
    (tmp_path / "wine.py").write_text(script)
    made = clone.run(sys.executable, "wine.py")
    size, digest = made.stdout.split()
    assert f"{int(size):_}," in entry, made.stderr
    assert f'"{digest}"' in entry
    with (tmp_path / "stages/core/data/datasets.py").open("a") as table:
        table.write(f"\n\n{entry}")
    clone.edit(lambda present: present["datasets"].update(yaml.safe_load(params)))
    done = clone.run("dvc", "repro", "evaluate@wine", DATASETS_MIRROR="mirror")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = clone.figures("wine")
    assert figures["kfold"]["accuracy"]["mean"] > 0.9 > figures["baseline"]["accuracy"]


def test_a_network_of_ones_own_is_added_as_the_guide_says(clone):
    guide = (ROOT / "docs/your-own-network.md").read_text()
    code, params = re.findall(r"```(?:python|yaml)\n(.*?)```", guide, re.DOTALL)
    (clone.folder / "stages/networks/residual.py").write_text(code)
    clone.edit(lambda present: present["datasets"]["digits"].update(yaml.safe_load(params)))
    chain = clone.run("dvc", "repro", "kfold@digits")
    assert "functional" in chain.stdout + chain.stderr
    assert "Traceback" not in chain.stdout + chain.stderr
    clone.edit(lambda present: present["datasets"]["digits"]["fit"].update(api="functional"))
    stages = [f"{stage}@digits" for stage in ("train", "kfold", "evaluate")]
    assert sorted(clone.ran(clone.dvc("repro"))) == sorted(stages)
    assert "add" in (clone.folder / "metrics/digits/network.txt").read_text()
    clone.git("checkout", "-q", ".")
    (clone.folder / "stages/networks/residual.py").unlink()
    clone.dvc("checkout")


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
    before = clone.hashes("data", "metrics")
    clone.edit(change)
    done = clone.run("dvc", "repro")
    clone.git("checkout", "-q", "params.yaml")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert clone.hashes("data", "metrics") == before
