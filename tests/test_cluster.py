"""Work on a Dask cluster gives what it gives in the process, whatever becomes of the workers."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import scipy.sparse as sp
from distributed import Client, LocalCluster

from stages.core.fit import cluster

ROOT = Path(__file__).parent.parent
LOCAL = {"threads_per_worker": 1, "dashboard_address": ":0"}


@pytest.fixture
def workers(monkeypatch):
    """workers(n): a cluster with so many, which the environment names from then on."""
    started = []

    def start(count, **options):
        started.append(LocalCluster(n_workers=count, **LOCAL | options))
        monkeypatch.setenv(cluster.ADDRESS, started[-1].scheduler_address)
        return started[-1]

    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")  # of the workers
    yield start
    for local in started:
        local.close()


class Shared:
    """Counts how often it arrives somewhere."""

    def __init__(self, folder):
        self.folder = folder

    def __setstate__(self, state):
        vars(self).update(state)
        (self.folder / f"{os.getpid()}.{time.monotonic_ns()}").touch()


def slowly(shared, part):
    time.sleep(0.1)
    (shared.folder / f"done.{part}.{os.getpid()}.{time.monotonic_ns()}").touch()
    return part * 10


def arrivals(folder):
    return [
        path.name.split(".")[0] for path in folder.iterdir() if not path.name.startswith("done")
    ]


def test_results_come_in_order_and_data_travel_once_to_each_worker(workers, tmp_path):
    workers(2)
    assert list(cluster.each(slowly, Shared(tmp_path), range(12))) == [
        part * 10 for part in range(12)
    ]
    came = arrivals(tmp_path)
    assert len(came) == len(set(came)) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_that_dies_is_survived_and_nothing_is_counted_twice(workers, tmp_path, count):
    local = workers(count)
    with Client(local) as client:
        victim = next(iter(client.run(os.getpid).values()))
    results = cluster.each(slowly, Shared(tmp_path), range(20))
    first = next(results)
    os.kill(victim, signal.SIGKILL)
    assert [first, *results] == [part * 10 for part in range(20)]
    assert not psutil.pid_exists(victim) or psutil.Process(victim).status() == psutil.STATUS_ZOMBIE


def dies(shared, part):
    os._exit(1)


def test_work_that_kills_every_worker_is_a_clear_error(workers, tmp_path):
    workers(1)
    with pytest.raises(
        cluster.Unusable, match=r"workers of the cluster die|were lost with their workers"
    ):
        list(cluster.each(dies, Shared(tmp_path), range(2)))


def fails(shared, part):
    raise FloatingPointError(f"part {part} diverged")


def test_what_the_work_raises_is_raised_here(workers, tmp_path):
    workers(1)
    with pytest.raises(FloatingPointError, match="part 0 diverged"):
        list(cluster.each(fails, Shared(tmp_path), [0]))


def test_a_cluster_without_workers_is_a_clear_error(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT", 1)
    workers(0)
    with pytest.raises(cluster.Unusable, match="has no workers after 1 s; start one"):
        list(cluster.each(slowly, Shared(tmp_path), [0]))


def test_workers_with_other_versions_are_refused_before_any_work(workers, tmp_path, monkeypatch):
    workers(1)
    here = cluster.versions()
    monkeypatch.setattr(cluster, "version", lambda name: "1.0")  # the worker has another
    with pytest.raises(
        cluster.Unusable, match=f"tensorflow: expected 1.0, got {here['tensorflow']}"
    ):
        list(cluster.each(slowly, Shared(tmp_path), [0]))
    assert not list(tmp_path.iterdir())


def test_workers_with_another_state_of_this_project_are_refused(workers, tmp_path):
    shutil.copytree(ROOT / "stages", tmp_path / "project/stages")
    with (tmp_path / "project/stages/networks/dense.py").open("a") as network:
        network.write("# changed\n")
    address = workers(0).scheduler_address
    command = (
        sys.executable,
        "-m",
        "dask",
        "worker",
        address,
        "--no-dashboard",
        "--nthreads",
        "1",
        "--no-nanny",
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "project")}
    worker = subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet)
    try:
        with pytest.raises(
            cluster.Unusable,
            match=r"this project: expected \w{12}, got \w{12}; restart it from this",
        ):
            list(cluster.each(slowly, Shared(tmp_path), [0]))
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://somewhere"])
def test_an_address_where_nothing_answers_is_a_clear_error(monkeypatch, address):
    monkeypatch.setattr(cluster, "WAIT", 1)
    monkeypatch.setenv(cluster.ADDRESS, address)
    with pytest.raises(cluster.Unusable, match=f"none answers at '{address}'"):
        list(cluster.each(slowly, None, [0]))


def members(folds, streams):
    from stages.core.fit import replicas

    return [
        replicas.Replica(10 * order + fold, order, folds, fold)
        for order in range(streams)
        for fold in range(3)
    ]


def problem(sparse, **changes):
    from samples import section

    from stages.core.fit.problem import Problem

    random = np.random.default_rng(0)
    rows = (random.random((60, 20)) < 0.3).astype("float32")
    settings = {"optimizer": "rmsprop", "learning_rate": 0.001, "batch_size": 8, "units": [4]}
    weighting = "tf_idf" if sparse else "standardize"
    chosen = section(dropout=0.2, weighting=weighting, **settings | changes)
    return Problem.of(chosen, sp.csr_matrix(rows) if sparse else rows, random.integers(0, 2, 60), 1)


def test_in_the_process_and_on_1_and_4_workers_the_bytes_are_the_same(workers, monkeypatch):
    from stages.core.fit import slices

    monkeypatch.setattr(slices, "SLICE", 3)

    def fitted():
        for sparse in (False, True):
            for replica in problem(sparse).fit(members(np.arange(60) % 3, streams=4), epochs=2):
                arrays = *replica.weights, replica.held_out, *replica.history.values()
                yield [array.tobytes() for array in arrays]

    here = list(fitted())
    assert len(here) == 24
    for count in (1, 4):
        workers(count)
        assert list(fitted()) == here


def test_candidates_have_the_same_bytes_on_a_cluster(workers):
    from stages.core.fit import candidates

    def made(plan, repeat, members, fits):
        return [each.held_out.tobytes() for each in fits]

    def found():
        first = problem(sparse=False)
        others = ({"learning_rate": 0.01}, {"units": [6]}, {"learning_rate": 1e30})
        tried = [first, *(replace(problem(False, **each), rows=first.rows) for each in others)]
        plans = candidates.plans((each, 3, place == 1) for place, each in enumerate(tried))
        assert len(candidates.programs(plans)) == 2
        repeats = [members(np.arange(60) % 3, streams=1)] * 2
        return candidates.fit(plans, repeats, made)

    here = found()
    assert here[3] is None  # it diverges
    workers(2)
    assert found() == here


def test_a_command_beside_a_local_cluster_has_its_address_and_hands_on_its_status():
    script = f"import os, sys; print(os.environ['{cluster.ADDRESS}']); sys.exit(7)"
    command = [sys.executable, "-m", "tools.cluster", "1", sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 7
    assert done.stdout.startswith("tcp://127.0.0.1:")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["0", "true"], ["many", "true"], ["2"]])
def test_a_number_of_workers_that_is_none_is_refused(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tools.cluster", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "expected a number of workers and a command" in done.stderr
