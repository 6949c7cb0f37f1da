"""A run that is killed at any moment leaves nothing behind that the next one stumbles over."""

import os
import random
import signal
import sys
import time

import psutil
import pytest
from small import SMALL

STAGES = ["download", "preprocess", "train", "kfold", "evaluate"]
TARGETS = [f"{stage}@{name}" for name in SMALL for stage in STAGES]
LONGEST = {"train": 6.0, "kfold": 5.5, "evaluate": 3.0}  # seconds of a stage with the start of DVC; 2 for others
WHOLE = "each output file is there whole, byte for byte, or not at all"
OUTCOME = "the next `dvc repro` ends well; outputs, metrics and dvc.lock byte for byte as of a run left alone"
MENDED = (
    "`dvc repro` refuses half a dvc.lock, which DVC was writing; `make repro` ends well, byte for byte as left alone"
)


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
    else:  # SIGKILL of the stage
        for member in members[1:]:
            member.kill()
    leader.wait(60)
    return members


def gone(members, seconds=10):
    """Whether none of the processes runs any more, after so many seconds at most; a zombie runs no more."""
    _, alive = psutil.wait_procs(members, timeout=seconds)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive if process.is_running())


WAYS = ["SIGKILL of DVC", "SIGTERM to DVC", "Ctrl-C", "SIGKILL of the stage"]


def strike(clone, number):
    """Kill one forced run of one stage; returns what was done. Numbers cover stages, ways and lost outputs evenly."""
    chance = random.Random(number)
    target, how = TARGETS[number % len(TARGETS)], WAYS[number // len(TARGETS) % len(WAYS)]
    if number % 3 == 0:  # with the output gone, so that half a one would be taken for it
        clone.run("sh", "-c", f"rm -rf {outputs(target)}")
    leader = clone.start("dvc", "repro", "--force", "--single-item", target)
    time.sleep(chance.uniform(0.5, LONGEST.get(target.split("@")[0], 2.0)))
    members = kill(leader, how)
    assert gone(members), f"{target}, {how}: a stage goes on without DVC"
    return target, how


def outputs(target):
    stage, name = target.split("@")
    return {
        "download": f"data/raw/{name}",
        "preprocess": f"data/arrays/{name}.npz",
        "train": f"data/models/{name}",
        "kfold": f"data/folds/{name}.npz",
        "evaluate": f"metrics/{name}.json",
    }[stage]


def left(clone):
    """Files with names that nobody reads, which a killed run leaves."""
    return [path for folder in ("data", "metrics") for path in (clone.folder / folder).rglob("*.part")]


def half_written(clone, before):
    """Output files that are neither what they were nor absent; DVC writes its own files, of which one can be so."""
    return [
        path
        for path, content in clone.state().items()
        if before.get(path) != content and path != "dvc.lock" and not path.endswith(".gitignore")
    ]


def finish(clone):
    """What `make repro` does after a killed run; returns what came of it."""
    first = clone.run("dvc", "repro")
    if first.returncode == 0:
        return OUTCOME
    assert "'./dvc.lock'" in first.stderr, "only a dvc.lock that was cut off may stop it"
    assert "dvc.lock was cut off" in clone.run(sys.executable, "-m", "tools.mend").stdout
    clone.repro()
    return MENDED


@pytest.mark.parametrize("number", [2, 13])
def test_a_killed_run_is_finished_by_the_next(clone, number, tried):
    before = clone.state()
    target, how = strike(clone, number)
    assert not half_written(clone, before), (target, how)
    outcome = finish(clone)
    assert clone.state() == before, (target, how)
    clone.repro("--force", "--single-item", target)
    assert not left(clone), "what the killed run left is removed by the next run of the stage"
    tried("a stage is killed, before anything else runs", WHOLE)
    tried(f"{how} at a random moment of a stage", outcome)


@pytest.mark.slow
def test_a_hundred_killed_runs_are_each_finished_by_the_next(clone, tried):
    before = clone.state()
    for number in range(100):
        target, how = strike(clone, number)
        assert not half_written(clone, before), (number, target, how)
        outcome = finish(clone)
        assert clone.state() == before, (number, target, how)
        tried("a stage is killed, before anything else runs", WHOLE)
        tried(f"{how} at a random moment of a stage", outcome)


@pytest.mark.parametrize(
    "share", [0.5, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.0, 0.1, 0.93, 0.999))]
)
def test_a_lock_file_that_was_cut_off_is_that_of_the_last_commit_again(clone, share, tried):
    path, before = clone.folder / "dvc.lock", clone.state()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    clone.run(sys.executable, "-m", "tools.mend")
    clone.repro()
    assert clone.state() == before
    assert clone.run(sys.executable, "-m", "tools.mend").stdout == ""
    tried(
        "dvc.lock is cut off anywhere", "`make repro` ends well; outputs, metrics and dvc.lock byte for byte as before"
    )


@pytest.mark.parametrize("how", ["SIGKILL of DVC", pytest.param("SIGTERM to DVC", marks=pytest.mark.slow)])
@pytest.mark.parametrize("seconds", [0, 3], ids=["while it imports", "while it trains"])
def test_a_stage_stops_when_whoever_started_it_dies(clone, how, seconds, tried):
    leader = clone.start("dvc", "repro", "--force", "--single-item", "train@boston_housing")
    stage = wait_for_stage(leader)
    time.sleep(seconds)
    assert gone([*kill(leader, how), stage], seconds=15)
    finish(clone)
    tried(f"DVC dies, the stage is at work ({how})", "the stage stops by itself, once its imports are done")


def test_a_stage_that_starts_when_dvc_is_gone_does_nothing(clone):
    done = clone.run(sys.executable, "-m", "stages.preprocess", "digits", DVC_STAGE="preprocess@digits")
    assert (done.returncode, done.stdout) == (1, "")


def wait_for_stage(leader):
    for _ in range(200):
        for member in everyone(leader):
            if member.name().startswith("python") and "stages.train" in " ".join(member.cmdline()):
                return member
        time.sleep(0.05)
    raise AssertionError("the stage never began")
