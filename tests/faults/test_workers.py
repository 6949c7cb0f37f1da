"""The pipeline on a cluster of this machine: the same bytes, also when a worker is killed while
a stage trains.
"""

import subprocess
import sys
import time

import psutil
import pytest
from small import Clone, command

FORCED = "dvc", "repro", "--force", "--single-item", "train@digits", "kfold@digits"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A small clone in which everything ran in the process of each stage."""
    clone = Clone(tmp_path_factory.mktemp("workers"), ["digits"])
    clone.edit(
        lambda params: params["datasets"]["digits"]["kfold"].update(repeats=70)
    )  # 140 replicas: three slices
    clone.repro()
    return clone


def on_a_cluster(clone):
    """Start the stages that train beside a cluster with two workers."""
    command = sys.executable, "-m", "tools.cluster", "2", *FORCED
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=clone.folder, env=clone.environment(), **pipes)


def workers(running):
    """The processes of the cluster's workers."""
    started = psutil.Process(running.pid).children(recursive=True)
    return [process for process in started if "multiprocessing.spawn" in command(process)]


@pytest.mark.slow
def test_a_run_on_a_cluster_gives_the_bytes_of_one_without(alone, tried):
    before = alone.state()
    output, _ = on_a_cluster(alone).communicate(timeout=300)
    assert "Traceback" not in output
    assert "kfold digits: 2 folds x 70 repeats = 140 replicas" in output
    assert alone.state() == before
    tried(
        "the stages train on a cluster of two workers",
        "outputs, metrics and dvc.lock byte for byte as without one",
    )


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [4, 6, 8, 10, 12])
def test_a_worker_that_is_killed_costs_nothing(alone, seconds, tried):
    before = alone.state()
    running = on_a_cluster(alone)
    time.sleep(seconds)
    workers(running)[0].kill()
    output, _ = running.communicate(timeout=300)
    assert running.returncode == 0, output
    assert alone.state() == before
    tried(
        "a worker of the cluster is killed",
        "another takes its slices; outputs byte for byte as without a cluster",
    )
