"""Chains side by side, in a small project of DVC without any training."""

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from tools import repro

# By what DVC imports, where tests take warnings for errors.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
DVC = sys.executable, "-m", "dvc"
COMMANDS = {
    "first": "python -c \"import time; time.sleep(1.5); print('late'); open('${key}.txt', 'w')\"",
    "evaluate": "python -c \"open('${key}.csv', 'w').write('${item.text}'); exit(${item.status})\"",
}
MAIN = """
from types import SimpleNamespace
from stages.core.run.stage import one_message
from tools import repro
repro.params.load = lambda: SimpleNamespace(datasets={"a": None, "b": None})
repro.size = lambda *_: 0
with one_message("repro"):
    repro.main()
"""


def project(folder, **texts):
    """A project with two stages for each name; the first of "a" is slow."""
    folder.mkdir()
    quick = COMMANDS["first"].replace("1.5", "${item.wait}")
    stages = {
        "first": {"cmd": quick, "outs": ["${key}.txt"]},
        "evaluate": {"cmd": COMMANDS["evaluate"], "deps": ["${key}.txt"], "outs": ["${key}.csv"]},
    }
    stages = {name: {"foreach": "${datasets}", "do": do} for name, do in stages.items()}
    stages["after"] = {"cmd": "python -c \"open('all.txt', 'w')\"", "outs": ["all.txt"]}
    waits = {"a": 1.5}
    items = {
        name: {"text": text, "wait": waits.get(name, 0), "status": 3 * (text == "broken")}
        for name, text in texts.items()
    }
    (folder / "params.yaml").write_text(yaml.safe_dump({"datasets": items}))
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    for command in (["git", "init", "-q"], [*DVC, "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture
def at(tmp_path, monkeypatch):
    """Makes a project of these texts and works in it."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", str(Path(repro.__file__).parents[1]))

    def made(**texts):
        monkeypatch.chdir(project(tmp_path / "project", **texts))

    return made


def test_the_lock_is_that_of_one_chain_after_the_other(at, tmp_path, capsys):
    at(a="1", b="2")
    shutil.copytree(".", tmp_path / "serial")
    assert repro.run(["a", "b"], []) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if " | " in line]
    assert said.index("b | Running stage 'evaluate@b':") < said.index("a | late")
    subprocess.run([*DVC, "repro"], cwd=tmp_path / "serial", check=True)
    for file in ("dvc.lock", "a.csv", "b.csv", "all.txt"):
        assert Path(file).read_bytes() == (tmp_path / "serial" / file).read_bytes(), file


def test_a_new_chain_comes_last_in_the_lock(at, tmp_path):
    at(a="1", b="2", c="3")
    subprocess.run([*DVC, "repro", "evaluate@b", "after"], check=True)
    shutil.copytree(".", tmp_path / "serial")
    assert repro.run(["a", "c"], []) == 0
    subprocess.run([*DVC, "repro"], cwd=tmp_path / "serial", check=True)
    assert Path("dvc.lock").read_bytes() == (tmp_path / "serial/dvc.lock").read_bytes()


def test_a_chain_that_fails_is_named_and_ends_no_other(at):
    at(a="1", b="broken")
    with pytest.raises(SystemExit) as stopped:
        repro.run(["a", "b"], [])
    assert "b | ERROR: failed to reproduce 'evaluate@b'" in str(stopped.value)
    assert str(stopped.value).endswith("Failed: b. All others are done.")
    assert Path("a.csv").read_text() == "1"
    assert not Path("all.txt").exists(), "nothing else is begun"


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_chains(at, tmp_path, sent, status):
    at(a="1", b="2")
    texts = Path("params.yaml").read_text().replace("wait: 0\n", "wait: 60\n").replace("1.5", "60")
    Path("params.yaml").write_text(texts)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heard = partial(signal.signal, sent, signal.SIG_DFL)  # whatever the tests were started with
    process = subprocess.Popen([sys.executable, "-c", MAIN], preexec_fn=heard, **pipes)
    begun = set()
    while begun != {"a", "b"}:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        begun |= {line[0]} if "Running stage" in line else set()
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sent)
    assert "Traceback" not in process.communicate()[1]
    assert process.returncode == status
    assert psutil.wait_procs(children, timeout=30)[1] == []


def test_with_nothing_to_do_nothing_is_run(at):
    at(a="1", b="2")
    assert repro.run(["a", "b"], []) == 0
    done = subprocess.run([sys.executable, "-c", MAIN], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "All results are up to date.\n")


@pytest.mark.parametrize("asked", ["0", "two", "-1"])
def test_a_number_of_jobs_that_is_none_is_refused(monkeypatch, asked):
    monkeypatch.setenv("JOBS", asked)
    with pytest.raises(SystemExit, match=f"JOBS: .*, got '{asked}'"):
        repro.jobs(4)


def test_as_many_chains_as_cores_and_data_sets(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("JOBS", raising=False)
    assert (repro.jobs(4), repro.jobs(20)) == (4, 8)
    monkeypatch.setenv("JOBS", "2")
    assert repro.jobs(4) == 2
    monkeypatch.setenv(repro.cluster.ADDRESS, "tcp://scheduler:8786")
    assert repro.jobs(4) == 1
