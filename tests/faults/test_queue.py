"""DVC's queue: variants side by side, and what becomes of a task whose worker is killed."""

import subprocess
import sys
import time

import psutil
import pytest
from small import Clone, command

SETTINGS = {
    "smaller": "datasets.digits.model.units=[4]",
    "softer": "datasets.digits.model.activation=softplus",
    "wider": "datasets.digits.model.units=[48]",
    "rounder": "datasets.digits.model.activation=elu",
}
RUN = """
from tools import variants
variants.POLL = 2
variants.run({settings})
"""


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    """A small clone of its own, in which long variants can be run; nothing of it runs on
    afterwards.
    """
    clone = Clone(tmp_path_factory.mktemp("queue"), ["digits"])
    clone.edit(lambda params: params["datasets"]["digits"]["kfold"].update(repeats=40))
    clone.repro()
    clone.commit()
    yield clone
    for process in processes(clone):
        process.kill()


def start(clone, names, **environment):
    """Run variants as `tools.variants` does, in the background."""
    script = RUN.format(settings={name: [SETTINGS[name]] for name in names})
    clone_environment = clone.environment(PYTHONPATH=".", **environment)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(
        [sys.executable, "-c", script], cwd=clone.folder, env=clone_environment, **quiet
    )


def processes(clone):
    """All that run in the clone's folder."""
    return [
        process
        for process in psutil.process_iter(["cwd"])
        if (process.info["cwd"] or "").startswith(str(clone.folder))
    ]


def training(clone):
    """The stages at work in the queue."""
    return [process for process in processes(clone) if "stages.kfold" in command(process)]


def until(seen, seconds=120):
    """Wait until there is something to see."""
    for _ in range(seconds * 10):
        if found := seen():
            return found
        time.sleep(0.1)
    raise AssertionError("it was never seen")


def status(clone):
    return clone.run("dvc", "queue", "status").stdout


def results(clone):
    return set(clone.run("dvc", "exp", "list", "--name-only").stdout.split())


@pytest.mark.slow
def test_variants_run_side_by_side_and_share_the_cores(queue, tried):
    running = start(queue, ["smaller", "softer"], JOBS="2")
    both = until(lambda: len(found := training(queue)) == 2 and found)
    caps = {process.environ()["TF_NUM_INTEROP_THREADS"] for process in both}
    assert caps == {str(max(1, psutil.cpu_count() // 2))}
    assert running.wait(300) == 0
    assert {"smaller", "softer"} <= results(queue)
    tried(
        "two variants in the queue at the same time",
        "both have results; each has its share of the cores",
    )


@pytest.mark.slow
def test_a_task_whose_worker_was_killed_runs_again(queue, tried):
    running = start(queue, ["wider"])
    until(lambda: training(queue))
    running.kill()
    running.wait()
    for process in processes(queue):
        process.kill()
    assert "Running" in status(queue), "DVC takes the task for running"
    assert start(queue, ["wider"]).wait(300) == 0
    assert "wider" in results(queue)
    tried(
        "the worker of a task in the queue is killed",
        "`tools.variants`, run again, runs the task again",
    )


@pytest.mark.slow
def test_a_variant_that_failed_runs_again_and_then_no_more(queue):
    queue.run(
        "dvc",
        "exp",
        "run",
        "--queue",
        "--name",
        "rounder",
        "-S",
        "datasets.digits.fit.learning_rate=1e30",
    )
    queue.run("dvc", "queue", "start")
    until(lambda: "Failed" in status(queue))
    assert start(queue, ["rounder"]).wait(300) == 0
    assert "rounder" in results(queue)
    tasks = status(queue)
    assert start(queue, ["rounder"]).wait(300) == 0
    assert status(queue) == tasks
