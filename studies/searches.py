"""A sweep, and the same candidates as experiments in DVC's queue."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studies.bench.runs import REPRO, at_hand, cloned, run, write_params
from studies.common import table

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


@contextmanager
def ready(name: str) -> Iterator[tuple[Path, dict]]:
    """A clone that has this data set alone, all of it up to date, and its params.yaml."""
    with cloned() as (clone, tree):
        section = tree["datasets"][name]
        section["kfold"] |= SEARCHES[name][1]
        tree["datasets"] = {name: section}
        write_params(clone, tree)
        run(*REPRO, f"evaluate@{name}", folder=clone, **at_hand(clone))
        for key, value in AUTHOR.items():
            run("git", "config", key, value, folder=clone)
        run("git", "commit", "--quiet", "--all", "--message", name, folder=clone)
        yield clone, tree


def sweep(name: str) -> float:
    """Seconds of the sweep."""
    with ready(name) as (clone, tree):
        write_params(clone, tree | {"sweeps": {name: tree_of(SEARCHES[name][0])}})
        return run(*REPRO, f"sweep@{name}", folder=clone)[1]


def queue(name: str) -> float:
    """Seconds of the queue for the same candidates, one at a time."""
    with ready(name) as (clone, _):
        run(*QUEUE, *choices(name, SEARCHES[name][0]), f"evaluate@{name}", folder=clone)
        _, taken = run(*DVC, "exp", "run", "--run-all", folder=clone)
        done = run(*DVC, "exp", "list", "--name-only", folder=clone)[0].split()
    if len(done) != size(name):
        raise SystemExit(f"queue of {name}: expected {size(name)} experiments, got {len(done)}")
    return taken


def size(name: str) -> int:
    """How many candidates there are."""
    return math.prod(map(len, SEARCHES[name][0].values()))


def table_of(taken) -> str:
    """What both took, in Markdown. taken: as `searches` returns it."""
    rows = (
        f"{name} | {size(name)} | {of_sweep / of_queue:.2f} | {of_sweep:.0f} | {of_queue:.0f}"
        for name, (of_sweep, of_queue) in taken.items()
    )
    return table("data set | candidates | of the queue | sweep, s | queue, s", rows)


def searches() -> dict[str, tuple[float, float]]:
    """{data set: seconds of the sweep, and of the queue}, once each: they take minutes."""
    found = {}
    for name in SEARCHES:
        found[name] = sweep(name), queue(name)
        print(f"{name}: {found[name]}", file=sys.stderr)
    return found
