"""A run that is killed at any moment leaves nothing behind that the next one stumbles over."""

import contextlib
import importlib.util
import os
import random
import re
import runpy
import shutil
import signal
import sys
import sysconfig
import time
import venv

import psutil
import pytest
import yaml
from dvc.lock import make_lock
from small import FEW, ROOT, command

from tools import repair

STAGES = ["download", "preprocess", "train", "kfold", "evaluate"]
TARGETS = [f"{stage}@{name}" for name in FEW for stage in STAGES]
LONGEST = {"train": 3.4, "kfold": 3.5, "evaluate": 2.2}  # seconds of a stage; 0.5 for others
WHOLE = "each output file is there whole, byte for byte, or not at all"
SAME = "outputs, metrics and dvc.lock byte for byte as of a run left alone"
OUTCOME = f"the next `dvc repro` ends well; {SAME}"
REPAIRED = f"`dvc repro` refuses half a dvc.lock or rwlock, which DVC was writing; `make repro` ends well; {SAME}"


def everyone(leader):
    """The process and all that it started, whoever is their parent by now."""
    try:
        process = psutil.Process(leader.pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(leader, how):
    """Bring about one of the ways in which a run ends before its time."""
    members = everyone(leader)
    if how == "Ctrl-C":
        os.killpg(leader.pid, signal.SIGINT)
    elif how == "SIGTERM to DVC":
        leader.terminate()
    elif how == "SIGKILL of DVC":
        leader.kill()
    else:  # of the stage
        for member in members[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(
                    signal.SIGTERM if how == "SIGTERM to the stage" else signal.SIGKILL
                )
    leader.wait(60)
    return members


def gone(members, seconds=10):
    """Whether none of the processes runs any more, after so many seconds at most; a zombie runs
    no more.
    """
    _, alive = psutil.wait_procs(members, timeout=seconds)
    return all(
        process.status() == psutil.STATUS_ZOMBIE for process in alive if process.is_running()
    )


WAYS = [
    "SIGKILL of DVC",
    "SIGTERM to DVC",
    "Ctrl-C",
    "SIGKILL of the stage",
    "SIGTERM to the stage",
]


def plan(number):
    """(stage, way to kill it): the first fifty numbers, and the next, have each pair once."""
    return TARGETS[number % len(TARGETS)], WAYS[number // len(TARGETS) % len(WAYS)]


def strike(clone, number):
    """Kill one forced run of one stage at a random moment of the stage; a run that was faster
    than that is repeated.
    """
    target, how = plan(number)
    for attempt in range(20):
        chance = random.Random(f"{number} {attempt}")
        if number % 3 < 2:  # with the output gone, so that half a one would be taken for it
            forget(clone, target, everywhere=number % 3 == 1)
        leader = clone.start("dvc", "repro", "--force", "--single-item", target)
        stage = wait_for_stage(leader)
        time.sleep(chance.uniform(0, LONGEST.get(target.split("@")[0], 0.5)))
        if at_work(stage):
            assert gone([*kill(leader, how), stage]), (
                f"{target}, {how}: a stage goes on without DVC"
            )
            return target
        assert leader.wait(60) == 0
    raise AssertionError(f"{target} was over before each of 20 strikes")


def at_work(process):
    """Whether the process runs; a zombie has ended."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def forget(clone, target, everywhere):
    """Remove the outputs of a stage; everywhere: from the cache too, so that DVC must run it to
    have them again.
    """
    stage = yaml.safe_load((clone.folder / "dvc.lock").read_text())["stages"][target]
    cache = clone.folder / ".dvc/cache"
    for out in stage["outs"]:
        clone.run(
            "rm",
            "-rf",
            out["path"],
            *([cache / "files/md5" / out["md5"][:2]] if everywhere else []),
        )
    for note in cache.glob("runs/*/*/*") if everywhere else ():
        if f"cmd: {stage['cmd']}\n" in note.read_text():
            note.unlink()


def left(clone):
    """Files with names that nobody reads, which a killed run leaves."""
    return [
        path for folder in ("data", "metrics") for path in (clone.folder / folder).rglob("*.part")
    ]


def half_written(clone, before):
    """Output files that are neither what they were nor absent; DVC writes its own files, of
    which one can be so.
    """
    return [
        path
        for path, content in clone.state().items()
        if before.get(path) != content and path != "dvc.lock" and not path.endswith(".gitignore")
    ]


def finish(clone):
    """What `make repro` does after a killed run; returns what came of it, and which stages ran."""
    first = clone.run("dvc", "repro")
    if first.returncode == 0:
        return OUTCOME, re.findall(r"Running stage '(\S+)'", first.stdout)
    repaired = clone.run(sys.executable, "-m", "tools.repair").stdout
    assert "lock was cut off" in repaired, (
        f"nothing but what DVC was writing may stop it: {first.stderr}"
    )
    return REPAIRED, clone.repro()


def kill_and_finish(clone, number, tried):
    """Strike, look at what is left, finish; returns whether the stage ran anew for that. Numbers
    cover all evenly.
    """
    before = clone.state()
    target = strike(clone, number)
    assert not half_written(clone, before), plan(number)
    outcome, ran = finish(clone)
    assert clone.state() == before, plan(number)
    tried("a stage is killed, before anything else runs", WHOLE)
    tried(f"{plan(number)[1]} at a random moment of a stage", outcome)
    if target in ran:
        tried(
            "a stage is killed, and no earlier result of it is kept anywhere",
            f"`dvc repro` runs it anew; {SAME}",
        )
    return target in ran


@pytest.mark.parametrize("number", [31, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_is_finished_by_the_next(clone, number, tried):
    kill_and_finish(clone, number, tried)
    clone.repro("--force", "--single-item", plan(number)[0])
    assert not left(clone), "what the killed run left is removed by the next run of the stage"


@pytest.mark.parametrize(
    ("how", "seconds"),
    [("SIGKILL of the stage", 4), *(pytest.param(how, 2, marks=pytest.mark.slow) for how in WAYS)],
)
def test_a_killed_sweep_starts_anew_with_the_same_bytes(clone, how, seconds, tried):
    target = "sweep@boston_housing"
    clone.edit(lambda params: params.update(sweeps={"boston_housing": {"model": {"l2": [0.1]}}}))
    clone.repro(target)
    before = clone.state()
    leader = clone.start("dvc", "repro", "--force", "--single-item", target)
    stage = wait_for_stage(leader)
    time.sleep(seconds)
    assert at_work(stage)
    assert gone([*kill(leader, how), stage], seconds=60)
    assert not half_written(clone, before)
    clone.repro("--force", "--single-item", target)
    assert clone.state() == before
    clone.git("checkout", "-q", ".")
    clone.git("clean", "-fdq", "metrics")
    tried(f"{how} while a sweep is at work", "it starts anew, with the same bytes")


@pytest.mark.slow
def test_a_hundred_killed_runs_are_each_finished_by_the_next(clone, tried):
    anew = [kill_and_finish(clone, number, tried) for number in range(100)]
    assert any(anew)


@pytest.mark.slow
def test_runs_that_are_killed_while_dvc_starts_or_ends_are_finished_by_the_next(clone, tried):
    before = clone.state()
    for number in range(20):
        chance = random.Random(number)
        leader = clone.start(
            "dvc", "repro", "--force", "--single-item", "preprocess@boston_housing"
        )
        time.sleep(chance.uniform(0, 0.8))
        if number % 2:  # in the quarter of a second after the stage, in which DVC writes dvc.lock
            psutil.wait_procs([wait_for_stage(leader)], timeout=60)
            time.sleep(chance.uniform(0, 0.25))
        assert gone(kill(leader, WAYS[number % 3]))
        outcome, _ = finish(clone)
        assert clone.state() == before, number
        tried("DVC is killed while it starts, or when a stage has ended", outcome)


@pytest.mark.parametrize(
    "share",
    [0.5, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.0, 0.1, 0.93, 0.999))],
)
def test_a_lock_file_that_was_cut_off_is_that_of_the_last_commit_again(clone, share, tried):
    path, before = clone.folder / "dvc.lock", clone.state()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    clone.run(sys.executable, "-m", "tools.repair")
    clone.repro()
    assert clone.state() == before
    assert clone.run(sys.executable, "-m", "tools.repair").stdout == ""
    tried(
        "dvc.lock is cut off anywhere",
        "`make repro` ends well; outputs, metrics and dvc.lock byte for byte as before",
    )


def test_half_a_rwlock_is_removed(clone, tried):
    (clone.folder / ".dvc/tmp/rwlock").write_text('{"write": {')
    assert "RWLock-file" in clone.run("dvc", "repro", "preprocess@digits").stderr
    assert "rwlock was cut off" in clone.run(sys.executable, "-m", "tools.repair").stdout
    clone.repro("preprocess@digits")
    tried(
        "rwlock is cut off, in which DVC notes who is at work",
        "`make repro` removes it and ends well",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[1]",
        b"a: 2024-13-45",
        b"a: 2024-01-01",
        b"{1: 2, null: 3, b: 4}",
        b"a: [",
        b"!!x y",
    ],
)
def test_any_bytes_are_no_dvc_lock_and_no_note_on_a_run(content):
    assert not repair.is_whole(content)
    assert len(repair.name_of_run(content)) in (0, 64)


def test_nothing_is_mended_while_dvc_is_at_work(clone):
    path = clone.folder / ".dvc/tmp/rwlock"
    path.write_text('{"write": {')
    with make_lock(str(path.with_name("lock")), tmp_dir=str(path.parent)):
        done = clone.run(sys.executable, "-m", "tools.repair")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Nothing was run: Unable to acquire lock." in done.stderr
    assert path.read_text() == '{"write": {'
    path.unlink()


def test_a_dvc_lock_in_a_merge_is_left_alone(tmp_path, monkeypatch, tried):
    monkeypatch.chdir(tmp_path)

    def commit(text, *command):
        assert repair.git(*command).returncode == 0
        repair.LOCK.write_text(text)
        assert repair.git("add", "-A").returncode == 0
        assert (
            repair.git(
                "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", text
            ).returncode
            == 0
        )

    commit("first", "init", "-q", "-b", "ours")
    commit("theirs", "checkout", "-q", "-b", "theirs")
    commit("ours", "checkout", "-q", "ours")
    assert repair.git("merge", "theirs").returncode == 1
    before = repair.LOCK.read_text()
    assert "<<<<<<<" in before
    with pytest.raises(SystemExit, match=r"dvc\.lock is in a merge: choose a side"):
        repair.repair_lock()
    assert repair.LOCK.read_text() == before
    tried("dvc.lock in the middle of a merge", "`make repro` says so and leaves it as it is")


@pytest.mark.parametrize(
    "how", ["SIGKILL of DVC", pytest.param("SIGTERM to DVC", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(0, id="while it imports"),
        pytest.param(6, id="while it trains", marks=pytest.mark.slow),
    ],
)
def test_a_stage_stops_when_whoever_started_it_dies(clone, how, seconds, tried):
    params = (clone.folder / "params.yaml").read_text()
    clone.edit(lambda tree: tree["datasets"]["boston_housing"]["final"].update(epochs=10**6))
    leader = clone.start("dvc", "repro", "--force", "--single-item", "train@boston_housing")
    stage = wait_for_stage(leader)
    time.sleep(seconds)
    assert at_work(stage)
    assert gone([*kill(leader, how), stage], seconds=15)
    (clone.folder / "params.yaml").write_text(params)
    finish(clone)
    tried(
        f"DVC dies, the stage is at work ({how})",
        "the stage stops by itself, once its imports are done",
    )


def test_a_stage_that_starts_when_dvc_is_gone_does_nothing(clone):
    # Its parent is in another group of processes, as who adopts an orphan is.
    orphan = clone.start(
        sys.executable, "-m", "stages.preprocess", "digits", DVC_STAGE="preprocess@digits"
    )
    assert orphan.wait(60) == 1


def test_dvc_as_a_library_in_a_shell_that_is_not_activated_uses_the_packages_of_its_environment(
    clone, tmp_path
):
    folder = clone.folder / ".venv"
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "here.pth").write_text(sysconfig.get_path("purelib"))  # in place of pip
    setup = clone.run("make", "-n", "-B", ".venv/ready").stdout.splitlines()
    (put,) = (line for line in setup if line.startswith("cp tools/path.pth"))
    assert clone.run("bash", "-c", put).returncode == 0
    script = tmp_path / "script.py"
    script.write_text(
        "from dvc.repo import Repo; Repo().reproduce('preprocess@digits', force=True, single_item=True)"
    )
    done = clone.run(folder / "bin/python", script, PATH="/usr/bin:/bin")
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    assert "preprocess digits: " in done.stdout


def test_a_python_without_the_packages_says_what_to_do(monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "preprocess@digits")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"(?s)first python in PATH.*activate.*dvc checkout"):
        runpy.run_path(ROOT / "stages/__init__.py")


def wait_for_stage(leader):
    """The process of the stage that DVC starts."""
    for _ in range(500):
        for member in everyone(leader):
            program, _, rest = command(member).partition(" ")
            if "python" in program and "stages." in rest:
                return member
        time.sleep(0.02)
    raise AssertionError("the stage never began")
