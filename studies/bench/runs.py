"""What is measured: contenders side by side, whole runs, and growth with more data sets."""

import copy
import importlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from stages.core.declared import strict_yaml
from studies.bench import packages
from studies.bench.contenders import CONTENDERS
from studies.bench.tasks import GROWTH, TASKS, problem
from studies.common import ROOT

RUNS = 3
BENCH = sys.executable, "-m", "studies.bench"
REPRO = sys.executable, "-m", "dvc", "repro", "--quiet"
CHAINS = sys.executable, "-m", "tools.repro"
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""  # MiB of the largest process that a command starts


def measure(label: str, name: str):
    """Run a contender in this process and print what it took as JSON: seconds, MiB, metric."""
    train, module, _ = CONTENDERS[label]
    start = time.perf_counter()
    importlib.import_module(module)
    imported = time.perf_counter()
    task = (TASKS | GROWTH)[name]
    metrics, cache = train(task)
    taken = {"metric": float(np.mean(metrics)), "cache": cache, "import": imported - start}
    taken["compute"] = time.perf_counter() - imported
    taken["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taken["rows"] = len(problem(task)[1]) // task.rows
    print(json.dumps(taken))


def run(*command, folder=ROOT, **environment) -> tuple[str, float]:
    """Run a command; returns its output and its seconds."""
    settings = {"cwd": folder, "env": os.environ | environment, "encoding": "utf-8"}
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, **settings)
    return done.stdout, time.perf_counter() - start


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each thing that was measured."""
    return {key: statistics.median(each[key] for each in runs) for key in runs[0]}


def side_by_side() -> dict[str, dict[str, dict[str, float]]]:
    """{task: {label: medians of RUNS}}: contenders take turns, so that noise hits all alike."""
    runs: dict = {
        (task, label): []
        for task in TASKS | GROWTH
        for label, (*_, tasks) in CONTENDERS.items()
        if task in tasks
    }
    for _ in range(RUNS):
        for (task, label), taken in runs.items():
            where = packages.environment(CONTENDERS[label][1])
            output, _ = run(*BENCH, label, task, **where)
            taken.append(json.loads(output.splitlines()[-1]))
            print(f"{task}: {label}: {taken[-1]['compute']:.2f} s", file=sys.stderr)
    found: dict = {}
    for (task, label), taken in runs.items():
        found.setdefault(task, {})[label] = medians(taken)
    return found


@contextmanager
def cloned() -> Iterator[tuple[Path, dict]]:
    """A clone of the last commit, removed afterwards, and the tree of its params.yaml."""
    # What DVC left running may write there for some seconds.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        clone = Path(scratch) / "clone"
        run("git", "clone", "--quiet", ROOT, clone)
        yield clone, strict_yaml.read((clone / "params.yaml").read_bytes())


def at_hand(clone: Path) -> dict[str, str]:
    """Put the official files beside a clone; returns the environment in which it finds them."""
    official = clone.parent / "datasets"
    official.mkdir()
    for file in (ROOT / "data/raw").glob("*/*"):
        shutil.copy(file, official)
    return {"DATASETS_MIRROR": str(official)}


def write_params(clone: Path, tree: dict):
    """Replace the params.yaml of a clone."""
    (clone / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), "utf-8")


def anew(clone: Path, *command, **environment) -> float:
    """Seconds of a command in a clone that keeps nothing of earlier runs."""
    run("git", "clean", "-fdxq", folder=clone)
    return run(*command, folder=clone, **environment)[1]


def whole_runs() -> dict[str, float]:
    """Seconds from start to finish, medians over RUNS, one process after the other.

    tutorial: its three scripts. default: `dvc repro` of everything. chains: the same as `make
    repro` runs it, data sets side by side. seed, seed_chains: both with one seed of each fold.
    same: the scripts' work alone, one seed, K-fold for Boston once. nothing: `dvc repro` with
    nothing to do.
    """
    rounds = []
    with cloned() as (clone, tree):
        seed = copy.deepcopy(tree)
        for section in seed["datasets"].values():
            section["kfold"]["seeds"] = 1
        where = at_hand(clone)
        del tree["datasets"]["digits"]
        for section in tree["datasets"].values():
            for group, keys in {"kfold": ("repeats", "seeds"), "final": ("seeds",)}.items():
                section[group] |= dict.fromkeys(keys, 1)
        stages = "train@imdb", "train@reuters", "kfold@boston_housing"
        home = {"KERAS_HOME": str(clone.parent)}
        for _ in range(RUNS):
            scripts = [run(*BENCH, "script", name, **home)[1] for name in tree["datasets"]]
            taken = {"tutorial": sum(scripts), "default": anew(clone, *REPRO, **where)}
            taken["chains"] = anew(clone, *CHAINS, **where)
            taken["nothing"] = run(*REPRO, folder=clone, **where)[1]
            write_params(clone, seed)
            taken["seed"] = anew(clone, *REPRO, **where)
            taken["seed_chains"] = anew(clone, *CHAINS, **where)
            write_params(clone, tree)
            taken["same"] = run(*REPRO, "--force", *stages, folder=clone, **where)[1]
            run("git", "checkout", "--quiet", "params.yaml", folder=clone)
            rounds.append(taken)
            print(taken, file=sys.stderr)
    return medians(rounds)


def data_sets() -> dict[int, dict[str, float]]:
    """{number of data sets: what `dvc repro` takes}: s, s with nothing to do, MiB, MiB of cache."""
    found = {}
    for count in (1, 2, 4, 8):
        with cloned() as (clone, tree):
            names = ["digits", *(f"digits_{number}" for number in range(2, count + 1))]
            for name in names[1:]:  # data sets as a person adds them: copies of one
                folder = clone / "data/sources"
                shutil.copy(folder / "digits.yaml", folder / f"{name}.yaml")
            tree["datasets"] = dict.fromkeys(names, tree["datasets"]["digits"])
            write_params(clone, tree)
            output, seconds = run(sys.executable, "-c", PEAK, *REPRO, "--force", folder=clone)
            # Not the size of .dvc/cache, which keeps what these copies have in common once.
            sizes = [path.stat().st_size for path in (clone / "data").rglob("*") if path.is_file()]
            found[count] = {"seconds": seconds, "nothing": run(*REPRO, folder=clone)[1]}
            found[count] |= {"peak": float(output.split()[-1]), "cache": sum(sizes) / 2**20}
            print(f"{count} data sets: {seconds:.1f} s", file=sys.stderr)
    return found
