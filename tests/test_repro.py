"""Chains of stages side by side: what a plain `dvc repro` makes, and nothing of it left running."""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest
import yaml
from samples import PROJECT
from small import command, ran

from stages.core.declared import params
from tools import repro

ROOT = Path(__file__).parent.parent
NAMES = "imdb", "digits"
# A chain of two stages for each data set. That which starts first, imdb, is ready last. What
# evaluate.sh has is no dependency: dvc.lock is the same whatever a test makes of it.
PIPELINE = """
stages:
  first:
    foreach: ${datasets}
    do:
      cmd: test ${key} != imdb || sleep 1; mkdir -p data/first; echo ${key} > data/first/${key}
      deps: ["data/sources/${key}.yaml"]
      outs: ["data/first/${key}"]
  evaluate:
    foreach: ${datasets}
    do:
      cmd: "echo begun; sh evaluate.sh ${key} && mkdir -p made && cp data/first/${key} made"
      deps: ["data/first/${key}"]
      outs: ["made/${key}": {cache: false}]
"""
# What all chains need, and what needs all chains; both note that they ran.
AROUND = """
  before:
    cmd: echo before >> ran.txt; echo before > data/before
    outs: [data/before]
  after:
    cmd: echo after >> ran.txt; cat made/imdb made/digits > data/after
    deps: [made/imdb, made/digits]
    outs: [data/after]
"""


class Tiny:
    """A project with the params and the sources of the tests, whose stages are shell commands."""

    def __init__(self, folder: Path, pipeline=PIPELINE, evaluate=""):
        self.folder = folder
        shutil.copytree(PROJECT, folder)
        chosen = yaml.safe_load((folder / "params.yaml").read_text())
        chosen["datasets"] = {name: chosen["datasets"][name] for name in NAMES}
        (folder / "params.yaml").write_text(yaml.safe_dump(chosen, sort_keys=False))
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_text("[core]\n    analytics = false\n")
        (folder / "data/.gitignore").write_text("/*\n!/sources/\n")
        (folder / "dvc.yaml").write_text(pipeline)
        (folder / "evaluate.sh").write_text(evaluate)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)

    def start(self, *arguments, **options):
        """Start a command with its output as text; options as Popen takes them."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        plain = {name: os.environ[name] for name in os.environ if name != "DASK_SCHEDULER_ADDRESS"}
        here = {"PYTHONPATH": str(ROOT), "JOBS": "2"} | pipes.pop("env", {})
        return subprocess.Popen(arguments, cwd=self.folder, env=plain | here, **pipes)

    def run(self, *arguments, **options):
        """Run a Python module to its end: its exit status, output and messages."""
        process = self.start(sys.executable, "-m", *arguments, **options)
        output, messages = process.communicate(timeout=120)
        assert "Traceback" not in messages
        return process.returncode, output, messages

    def repro(self, **environment):
        return self.run("tools.repro", env=environment)

    def state(self):
        """The content of dvc.lock and of all that stages write."""
        paths = [self.folder / "dvc.lock", self.folder / "ran.txt"]
        for folder in ("data", "made", ".dvc/cache"):
            paths += (self.folder / folder).rglob("*")
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in paths
            if path.is_file()
        }

    def forget(self):
        """Remove all that a run has made."""
        for name in ("data/first", "made", ".dvc/cache", ".dvc/tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("dvc.lock", "ran.txt", "data/before", "data/after"):
            (self.folder / name).unlink(missing_ok=True)

    def processes(self):
        """What runs in the folder."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(self.folder):
                    yield process


def prefixed(output):
    """The lines of each chain, all of which begin with its name."""
    lines = [re.fullmatch(r"(\w+) \|(?: (.*))?", line) for line in output.splitlines()]
    assert all(lines), output
    return {name: [line[2] for line in lines if line[1] == name] for name in {m[1] for m in lines}}


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """What a plain `dvc repro` makes: the state of the project, by path in it."""
    project = Tiny(tmp_path_factory.mktemp("serial") / "project")
    assert project.run("dvc", "repro")[0] == 0
    return project.state()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A project in which all chains have run side by side, and what was said."""
    project = Tiny(tmp_path_factory.mktemp("tiny") / "project", evaluate="echo half a; echo line")
    status, project.said, _ = project.repro()
    assert status == 0
    return project


@pytest.fixture
def fresh(tmp_path):
    """Makes a project that has not run."""
    return lambda *arguments, **more: Tiny(tmp_path / "project", *arguments, **more)


def test_each_line_is_whole_and_begins_with_its_data_set(tiny):
    said = prefixed(tiny.said)
    assert set(said) == set(NAMES)
    for name, lines in said.items():
        assert [line for line in lines if line in ("begun", "half a", "line")] == [
            "begun",
            "half a",
            "line",
        ]
        assert ran("\n".join(filter(None, lines))) == [f"first@{name}", f"evaluate@{name}"]


def test_lock_and_outputs_are_those_of_a_serial_run_whichever_is_ready_first(tiny, serial):
    assert re.findall(r"Running stage '(evaluate@\w+)'", tiny.said)[0] == "evaluate@digits"
    assert tiny.state() == serial


def test_with_nothing_to_do_nothing_is_started(tiny):
    before = tiny.state()
    assert tiny.repro() == (0, "Data and pipelines are up to date.\n", "")
    assert tiny.state() == before


def test_one_job_is_a_plain_run(tiny):
    (tiny.folder / "made/digits").unlink()
    status, output, _ = tiny.repro(JOBS="1")
    assert status == 0
    assert "Stage 'evaluate@imdb' didn't change, skipping" in output.splitlines()
    assert (tiny.folder / "made/digits").read_text() == "digits\n"


def test_only_chains_with_changes_run(tiny):
    (tiny.folder / "made/digits").unlink()
    status, output, _ = tiny.repro()
    assert status == 0
    assert set(prefixed(output)) == {"digits"}
    assert (tiny.folder / "made/digits").read_text() == "digits\n"


def test_stages_before_and_after_all_chains_run_as_in_a_serial_run(fresh):
    project = fresh(
        PIPELINE.replace(
            '["data/first/${key}"]\n      outs: ["made',
            '["data/first/${key}", data/before]\n      outs: ["made',
        )
        + AROUND,
        # Its stage still reads data/before when the other chain comes to what needs that.
        evaluate="test $1 != digits || timeout 60 sh -c 'until test -e made/imdb; do sleep 0.1; done'",
    )
    status, output, messages = project.repro()
    assert status == 0, messages
    assert set(prefixed(output)) == {"shared", *NAMES, "others"}
    side_by_side = project.state()
    assert (project.folder / "ran.txt").read_text() == "before\nafter\n"
    project.forget()
    assert project.run("dvc", "repro")[0] == 0
    assert project.state() == side_by_side


def test_a_failed_chain_is_named_with_what_it_said_and_the_others_run(fresh, serial):
    project = fresh(evaluate="test $1 != imdb || { echo Bad $1; exit 3; }")
    status, _, messages = project.repro()
    assert status == 1
    assert "imdb | Bad imdb" in messages.splitlines()
    assert "digits" not in messages
    assert [path.name for path in (project.folder / "made").iterdir()] == ["digits"]
    (project.folder / "evaluate.sh").write_text("")
    assert project.repro()[0] == 0
    assert project.state() == serial


# A stage that takes a minute and ends with DVC, as those of the project do.
LONG = f"exec {sys.executable} -c 'import time; from stages.core.run import stage; stage.stop_with_parent(); time.sleep(60)'"


def begun(project, *arguments, **environment):
    """A run of all chains, each in its second stage."""
    process = project.start(*arguments, env=environment)
    for _ in range(600):  # the time that it takes decides nothing
        if sum(command(member).endswith("sleep(60)") for member in project.processes()) >= 2:
            return process
        time.sleep(0.05)
    raise AssertionError(process.communicate(timeout=1))


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_a_signal_ends_all_chains_and_the_next_run_finishes_them(fresh, serial, number, status):
    project = fresh(evaluate=LONG)
    process = begun(project, sys.executable, "-m", "tools.repro")
    everyone = list(project.processes())
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == status
    assert messages == ""
    _, alive = psutil.wait_procs(everyone, timeout=10)
    assert alive == []
    (project.folder / "evaluate.sh").write_text("")
    assert project.repro()[0] == 0
    assert project.state() == serial


def test_where_make_is_ended_all_chains_end_with_the_shell_of_its_recipe(fresh):
    project = fresh(evaluate=LONG)
    recipe = "sh", "-c", f"{sys.executable} -m tools.repro; true"
    shell = begun(project, *recipe, MAKELEVEL="1")
    everyone = list(project.processes())
    shell.terminate()  # as make does with SIGTERM
    shell.communicate(timeout=60)
    _, alive = psutil.wait_procs(everyone, timeout=10)
    assert alive == []


def test_a_stage_that_ignores_ctrl_c_is_ended_by_force(monkeypatch, capfd):
    monkeypatch.setattr(repro, "CHAIN", ("sh", "-c", "trap '' INT; echo up; sleep 60; true"))
    monkeypatch.setattr(repro, "GRACE", 0.2)
    chain = repro.Chain("imdb", [], dict(os.environ))
    assert chain.read()
    repro.end([chain])
    assert chain.process.returncode == -signal.SIGKILL
    assert capfd.readouterr().out == "imdb | up\n"


def test_a_terminal_shows_which_stage_of_each_chain_runs(fresh):
    project = fresh(evaluate="sleep 1")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = project.start(sys.executable, "-m", "tools.repro", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # at its end
        while new := os.read(ours, 2**16):
            shown += new
    os.close(ours)
    assert process.wait(60) == 0
    for name in NAMES:
        assert re.search(rf"{name} \| evaluate@{name}, \d\d:\d\d", shown.decode())


def test_wrong_params_stop_before_anything_starts(fresh):
    project = fresh()
    path = project.folder / "params.yaml"
    path.write_text(path.read_text().replace("seed: 0", "sed: 0", 1))
    status, output, messages = project.repro()
    assert (status, output) == (1, "")
    assert "sed" in messages
    assert not (project.folder / "data/first").exists()


@pytest.mark.parametrize(
    ("environment", "jobs"),
    [
        ({"JOBS": "3"}, 3),
        ({"JOBS": "9"}, 4),
        ({"JOBS": ""}, 2),
        ({}, 2),
        ({"JOBS": "3", "DASK_SCHEDULER_ADDRESS": "tcp://x:1"}, 1),
    ],
    ids=["JOBS", "more than data sets", "empty", "cores", "cluster"],
)
def test_chains_at_the_same_time(monkeypatch, environment, jobs):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5}, raising=False)
    for name in ("JOBS", "DASK_SCHEDULER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert repro.jobs(4) == jobs


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_chains_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setenv("JOBS", text)
    with pytest.raises(SystemExit, match=rf"JOBS: .*'{re.escape(text)}'"):
        repro.jobs(4)


def test_the_chain_with_the_most_to_do_starts_first(monkeypatch):
    monkeypatch.chdir(PROJECT)
    sections = params.load().datasets
    sizes = {name: repro.size(name, section) for name, section in sections.items()}
    assert max(sizes, key=sizes.get) == "imdb"
    settings = sections["imdb"].kfold
    twice = settings.model_copy(update={"repeats": 2 * settings.repeats})
    more = sections["imdb"].model_copy(update={"kfold": twice})
    assert repro.size("imdb", more) == 2 * sizes["imdb"]
