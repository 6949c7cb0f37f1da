"""What the workflow for pull requests calls runs the same here, in a clone without data."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/pull-request.yml").read_text())
COMMANDS = [
    step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step
]


@pytest.fixture
def clone(tmp_path):
    """What Git would hold of the present files, as a repository with a main branch and a branch
    of a change.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(
                ROOT / name, tmp_path / name
            )  # with its time, or make would set up .venv anew
    (tmp_path / ".venv").symlink_to(sys.prefix)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "main")
    git(tmp_path, "checkout", "-qb", "change")
    return tmp_path


def git(folder, *command):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *command], cwd=folder, check=True, env=environment())


def environment():
    own = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GIT_", "MAKE", "MFLAGS"))
    }
    return own | {"PYTHONDONTWRITEBYTECODE": "1"}


def make(folder, *arguments):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


def test_every_command_that_decides_anything_is_a_make_target():
    assert [
        command
        for command in COMMANDS
        if not command.startswith(("make ", "cat review.md", "gh pr comment"))
    ] == []
    for target in ("up-to-date", "check", "review"):
        assert any(re.match(rf"make .*\b{target}\b", command) for command in COMMANDS)
        assert make(ROOT, "-n", target).returncode == 0


@pytest.fixture
def stub(tmp_path):
    """The Makefile beside a Python that prints its arguments and its environment."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    answer = 'case "$2" in *sysconfig*) echo .venv; exit;; esac'  # where packages are
    python.write_text(f'#!/bin/sh\n{answer}\nprintf "<%s>" "$@"\necho\nenv\n')
    python.chmod(0o755)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/path.pth").touch()
    return tmp_path


def made(folder, *arguments, **variables):
    command = ["make", "--no-print-directory", "PYTHON=.venv/bin/python", *arguments]
    plain = {
        name: value for name, value in environment().items() if name not in ("HOME", "LOGNAME")
    }
    done = subprocess.run(
        command, cwd=folder, env=plain | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_setup_installs_into_its_venv_from_the_index_of_the_user(stub):
    elsewhere = ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PYTHONHOME", "PYTHONPATH"]
    index = {"PIP_INDEX_URL": "https://example.org/simple", "PIP_CONFIG_FILE": "/etc/pip.conf"}
    lines = made(stub, "setup", **dict.fromkeys(elsewhere, "/x"), PIP_USER="1", **index)
    installed = lines[
        next(n for n, line in enumerate(lines) if line.startswith("<-m><pip><install>")) :
    ]
    assert {"PIP_USER=0", *(f"{name}={value}" for name, value in index.items())} <= set(installed)
    assert not [line for line in installed if line.partition("=")[0] in elsewhere]


def test_a_home_and_a_name_are_there_even_where_the_user_has_none(stub):
    (stub / ".venv/ready").touch()
    found = dict(line.split("=", 1) for line in made(stub, "review") if "=" in line)
    assert found["HOME"].startswith("/")
    assert found["LOGNAME"]
    assert {"HOME=/h", "LOGNAME=me"} <= set(made(stub, "review", HOME="/h", LOGNAME="me"))


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ([], "<main>"),
        (
            ["BASE=a b", "HEAD=it's", 'PAGE=my "first" review.html'],
            '<a b><it\'s><--html><my "first" review.html>',
        ),
    ],
)
def test_odd_names_reach_the_review_as_they_are(stub, variables, arguments):
    (stub / ".venv/ready").touch()
    assert made(stub, "review", *variables)[0] == f"<-m><tools.review>{arguments}"


def test_git_changes_no_byte_of_what_dvc_hashes(tmp_path):
    source, clone = tmp_path / "source", tmp_path / "clone"
    source.mkdir()
    files = {
        ".gitattributes": (ROOT / ".gitattributes").read_bytes(),
        "unix.py": b"a\nb\n",
        "dos.csv": b"a\r\nb\r\n",
    }
    for name, content in files.items():
        (source / name).write_bytes(content)
    git(source, "init", "-q")
    git(source, "-c", "core.autocrlf=true", "add", "-A")
    git(source, "commit", "-qm", "files")
    git(tmp_path, "-c", "core.autocrlf=true", "clone", "-q", str(source), str(clone))
    assert {name: (clone / name).read_bytes() for name in files} == files


def test_later_pushes_update_the_one_comment():
    (comment,) = [command for command in COMMANDS if command.startswith("gh ")]
    assert "--edit-last --create-if-none" in comment


def test_the_lock_is_that_of_the_code_and_params_whatever_lies_in_data(clone):
    (clone / "data/folds").mkdir(parents=True)
    (clone / "data/folds/imdb.npz").write_bytes(b"what an experiment left here before git checkout")
    done = make(clone, "up-to-date")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_param_without_its_results_is_out_of_date(clone):
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("    k: 4  ", "    k: 5  ", 1))
    done = make(clone, "up-to-date")
    assert done.returncode != 0
    assert "kfold" in done.stdout
    assert "run dvc repro" in done.stdout


def test_the_review_of_a_branch_names_what_changed(clone):
    folds = clone / "metrics/boston_housing/folds.csv"
    table = pd.read_csv(folds, dtype={"held_out": str})
    table.assign(mae=table.mae - 1).to_csv(folds, index=False)
    git(clone, "commit", "-qam", "every fold of Boston Housing is better by one")
    done = make(clone, "review", "BASE=main", "HEAD=change", "PAGE=review.html")
    assert done.returncode == 0, done.stderr
    said = done.stdout, re.MULTILINE
    assert done.stdout.startswith("# Review: main → change\n")
    assert re.search(
        r"^- \*\*boston_housing: better by 1.0000\*\* .*, in all 40 folds; sure$", *said
    )
    assert re.search(r"^- \*\*the same\*\*: imdb, reuters, digits$", *said)
    assert "<img" in (clone / "review.html").read_text()
    done = make(
        clone, "review", "BASE=change", "HEAD=main", "JSON=1", "FAIL_ON=worse not-comparable"
    )
    assert (done.returncode != 0, "boston_housing is worse" in done.stderr) == (True, True)
    assert json.loads(done.stdout)["datasets"]["boston_housing"]["verdict"] == "worse"


def test_the_job_fails_on_verdicts_after_its_comment_and_only_where_somebody_says_so():
    runs = [step.get("run", "") for step in WORKFLOW["jobs"]["review"]["steps"]]
    (fails,) = [step for step in WORKFLOW["jobs"]["review"]["steps"] if "FAIL_ON" in str(step)]
    assert fails["env"] == {
        "FAIL_ON": "${{ vars.REVIEW_FAIL_ON }}"
    }  # empty where there is no such variable
    assert runs.index(fails["run"]) > [run.startswith("gh pr comment") for run in runs].index(True)


def test_a_base_that_is_not_there_is_one_clear_line(clone):
    done = make(clone, "review", "BASE=nowhere")
    assert done.returncode != 0
    assert "nowhere is neither a Git revision nor a DVC experiment" in done.stderr
    assert "Traceback" not in done.stderr
