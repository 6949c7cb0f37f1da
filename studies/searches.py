"""A sweep, and the same candidates as experiments in DVC's queue."""

import json
import math
import sys
from pathlib import Path

from studies.bench.runs import REPRO, at_hand, cloned, run, write_params
from studies.common import table
from tools.cluster import threads

# What varies, of each data set, and what else is set, for both ways.
SEARCHES = {
    "boston_housing": (
        {
            "fit.learning_rate": [0.0003, 0.001, 0.003],
            "model.l2": [0.0, 0.001, 0.01],
            "model.units": [[16], [64], [64, 64]],
        },
        {"repeats": 5, "seeds": 1},
    ),
    "imdb": (
        {
            "fit.learning_rate": [0.0005, 0.001, 0.002],
            "model.l2": [0.0, 0.001],
            "model.units": [[16], [16, 16]],
        },
        {},
    ),
}
DVC = sys.executable, "-m", "dvc"
QUEUE = *DVC, "exp", "run", "--quiet", "--queue"
JOBS = 2  # experiments of the queue side by side, each with its share of the cores
AUTHOR = {"user.name": "bench", "user.email": "bench@example.com"}  # of commits and experiments


def tree_of(varied: dict[str, list]) -> dict:
    """What `sweeps` of params.yaml says of a data set."""
    tree: dict = {}
    for path, values in varied.items():
        group, key = path.split(".")
        tree.setdefault(group, {})[key] = values
    return tree


def choices(name: str, varied: dict[str, list]) -> list[str]:
    """The same as `dvc exp run --queue` takes it: it queues all combinations."""
    return [
        f"--set-param=datasets.{name}.{path}=choice({','.join(map(json.dumps, values))})"
        for path, values in varied.items()
    ]


def search(clone: Path, tree: dict, name: str) -> dict[str, float]:
    """Seconds of the sweep and of the queue, each with the arrays that both need at hand."""
    varied, kfold = SEARCHES[name]
    section, target = tree["datasets"][name], f"evaluate@{name}"
    section["kfold"] |= kfold
    tree["datasets"] = {name: section}
    write_params(clone, tree)
    run(*REPRO, target, folder=clone, **at_hand(clone))
    for key, value in AUTHOR.items():
        run("git", "config", key, value, folder=clone)
    run("git", "commit", "--quiet", "--all", "--message", name, folder=clone)
    write_params(clone, tree | {"sweeps": {name: tree_of(varied)}})
    _, sweep = run(*REPRO, f"sweep@{name}", folder=clone)
    run("git", "checkout", "--quiet", "params.yaml", folder=clone)
    run(*QUEUE, *choices(name, varied), target, folder=clone)
    everyone = "exp", "run", "--run-all", "--jobs", str(JOBS)
    _, queue = run(*DVC, *everyone, folder=clone, **threads(JOBS))
    candidates = math.prod(map(len, varied.values()))
    done = run(*DVC, "exp", "list", "--name-only", folder=clone)[0].split()
    if len(done) != candidates:
        raise SystemExit(f"queue of {name}: expected {candidates} experiments, got {len(done)}")
    return {"candidates": candidates, "sweep": sweep, "queue": queue}


def table_of(taken) -> str:
    """What both took, in Markdown. taken: as `searches` returns it."""
    row = "{0} | {candidates} | {1:.2f} | {sweep:.0f} | {queue:.0f}"
    rows = (row.format(name, run["sweep"] / run["queue"], **run) for name, run in taken.items())
    return table("data set | candidates | of the queue | sweep, s | queue, s", rows)


def searches() -> dict[str, dict[str, float]]:
    """{data set: what both took}, once each: the queue takes minutes."""
    found = {}
    for name in SEARCHES:
        with cloned() as (clone, tree):
            found[name] = search(clone, tree, name)
            print(f"{name}: {found[name]}", file=sys.stderr)
    return found
