"""A sweep: candidates side by side, the best of them, and what it is worth.

-> metrics/<dataset>/sweep.csv, sweep.json, sweep.md and sweep.png. All candidates have the folds
and seeds of `kfold`. They train in rounds of repeats; what is clearly beaten by then stops.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from stages import kfold, preprocess
from stages.core.data import arrays
from stages.core.data.schema import Schema
from stages.core.data.splits import Keys
from stages.core.declared import params, sources
from stages.core.declared.sweeps import AS_IT_IS
from stages.core.fit import candidates
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import REMEDY, Replica, seed_of
from stages.core.judge import scores, sweep
from stages.core.judge.metrics import main_metric
from stages.core.judge.sweep import Found, Judge, Reached
from stages.core.judge.sweep_drawn import drawn
from stages.core.judge.sweep_page import page
from stages.core.judge.sweep_told import Sweep, frame, numbers, summary
from stages.core.judge.tables import as_json, csv, rounded
from stages.core.run.files import write
from stages.core.run.stage import run

DEALS = 20  # of fresh folds, until one in which each fold can be judged


class Data(NamedTuple):
    """Training rows, (n, ...) array or CSR matrix, targets (n,), and what is known of them."""

    x: np.ndarray | sp.csr_matrix
    y: np.ndarray
    schema: Schema
    keys: Keys

    @classmethod
    def of(cls, file) -> "Data":
        """Of arrays as `preprocess` makes them."""
        rows = arrays.unpack("x_train", file), file["y_train"]
        return cls(*rows, Schema.unpack(file), Keys.unpack(file))


def problems(name, tried, data) -> Iterator[tuple[Problem, int, bool]]:
    """What each candidate trains, for how many epochs, and whether they are chosen among these.

    data: of the first. What another encoding makes of the files is kept for all that have it.
    """
    encoded, weighted = {tried[0].section.preprocess: data}, {}
    for section in (each.section for each in tried):
        encoding = section.preprocess
        if encoding not in encoded:
            encoded[encoding] = Data.of(preprocess.prepared(name, section)[1])
        x, y, schema, _ = encoded[encoding]
        problem = Problem.of(section, x, y, schema.outputs)
        rows = weighted.setdefault((encoding, section.fit.weighting), problem.rows)
        best = section.kfold.epochs == "best"
        epochs = section.final.exploring_epochs if best else section.kfold.epochs
        yield replace(problem, rows=rows), epochs, best


def dealt(name, section, data, seed, split_seed) -> tuple[Judge, list[list[Replica]]]:
    """What candidates are judged by, and the replicas of each repeat: those of `kfold`."""
    classifies, settings, keys = data.schema.task.classifies, section.kfold, data.keys
    folds = kfold.dealt(name, section, data.y, classifies, keys, split_seed)
    window = settings.k if keys.by == "time" else 0
    members = kfold.members(folds, seed, settings.seeds, window)
    within = section.review.equivalent_within
    judge = Judge(main_metric(section.task), data.y, folds, keys.group, within)
    return judge, [[*part] for part in np.reshape(members, (len(folds), -1))]


def gap(judge, outputs) -> str:
    """Why the metric cannot judge each fold, or ""."""
    gaps = scores.undefined(judge.metric, judge.targets, judge.folds, np.zeros((1, 1, 1, outputs)))
    try:
        scores.check(judge.metric, {"undefined": gaps}, "each fold")
    except scores.Undefined as error:
        return str(error)
    return ""


def check(name, why):
    """Exit where there is a reason why folds cannot be judged."""
    if why:
        raise SystemExit(f"params.yaml: datasets.{name}.data.metrics: {why}. Nothing was run.")


def fresh(name, section, data, seeds) -> tuple[Judge, list[list[Replica]]]:
    """The same as `dealt` for other folds and seeds, which have chosen nothing."""
    for deal in range(DEALS):
        others = (seed_of(seed, "sweep, again", deal) for seed in seeds)
        judge, repeats = dealt(name, section, data, *others)
        if not (why := gap(judge, data.schema.outputs)):
            break
    check(name, why and f"in each of {DEALS} other deals of the rows, {why}")
    return judge, repeats


def without_base(name, tried, judge, reached) -> str:
    """What is said where params.yaml as it is diverges, with which all would be compared."""
    said = f"sweep {name}: {AS_IT_IS} diverges; {REMEDY}."
    others = {number: each for number, each in reached.items() if each}
    if not others:
        return f"{said} So do all others."
    best = judge.best(others)
    mean = f"{judge.metric.name} {others[best].mean:.4f}"
    said += f" {len(others)} of {len(reached) - 1} others do not. The best so far, {mean}, has "
    return f"{said}{tried[best].said}: put that into params.yaml and sweep around it."


def train(plans, repeats, judge, start=0, title="") -> dict[int, Reached | None]:
    """What plans reach in these repeats, the first of which is `start`; None of what diverges."""

    def reached(plan, repeat, members, fits):
        seeds = len({member.order for member in members})
        made = kfold.of_repeat(members, fits, seeds, plan.chooses)
        at_limit = int((made["epochs"] == plan.epochs).sum()) if plan.chooses else 0
        of_one = judge.reached(made["predictions"][np.newaxis], start + repeat)
        return replace(of_one, at_limit=at_limit) if np.isfinite(of_one.values).all() else None

    found = candidates.fit(plans, repeats, reached, title)
    return {number: parts and reduce(Reached.and_then, parts) for number, parts in found.items()}


def in_rounds(plans, repeats, judge, title) -> tuple[dict[int, Reached | None], int]:
    """What each plan reaches until it stops, and how many fits were trained.

    The first, with which all are compared, never stops; where it diverges, nothing more is trained.
    """
    reached, going, start, fits, ends = {}, [*plans], 0, 0, judge.rounds
    for number_of_round, end in enumerate(ends, 1):
        said = f"{title}, round {number_of_round} of {len(ends)}, {len(going)} candidates"
        part, now = {number: plans[number] for number in going}, repeats[start:end]
        fits += candidates.fits(part, now)
        for number, more in train(part, now, judge, start, said).items():
            before = reached.get(number)
            reached[number] = before.and_then(more) if before and more else more
        alive = {number: reached[number] for number in going if reached[number]}
        if 0 not in alive:
            break
        pairs = sweep.all_pairs(len(plans), len(ends))
        beaten = judge.beaten(alive, pairs) if end < len(repeats) else []
        going, start = [number for number in alive if not number or number not in beaten], end
    return reached, fits


def again(plans, best, others, judge, repeats, title):
    """The difference of the best to the first, and the means of both, in these repeats; None where
    the first is the best, or one of them diverges.

    others: how many candidates it was the best of, beside the first. It was chosen by the same
    rows, so each of these may suit them by chance: the difference is corrected for their number.
    """
    if not best:
        return None
    found = train({n: plans[n] for n in (0, best)}, repeats, judge, title=title)
    if not all(found.values()):
        return None
    return judge.against(0, found, others)[best], found[0].mean, found[best].mean


def main(name):
    """Run the stage for one data set."""
    start, chosen = time.time(), params.load()
    if name not in chosen.sweeps:
        raise SystemExit(f"params.yaml: sweeps has no {name}. Nothing was run.")
    tried, section = chosen.sweeps[name], chosen.datasets[name]
    data = Data.of(arrays.stored(Path("data/arrays") / f"{name}.npz"))
    seeds = chosen.seed, chosen.split_seed
    judge, repeats = dealt(name, section, data, *seeds)
    check(name, gap(judge, data.schema.outputs))
    others = fresh(name, section, data, seeds)
    said = f"sweeps.{name}, "
    plans = candidates.plans(problems(name, tried, data), lambda n: said + tried[n].said)
    reached, trained = in_rounds(plans, repeats, judge, f"{name} sweep")
    if not reached[0]:
        raise SystemExit(without_base(name, tried, judge, reached))
    reached = {n: each for n, each in reached.items() if each}
    found = Found.of(judge, reached, chosen.seed)
    told = Sweep(
        name,
        sources.read(name),
        judge,
        tried,
        [each.problem.model.count_params() for each in plans.values()],
        found,
        trained,
        again(plans, found.best, len(reached) - 1, *others, f"{name} sweep, the best again"),
        not np.array_equal(judge.folds, others[0].folds),
    )
    print(f"sweep {name}: {summary(told)}, in {time.time() - start:.1f} s")
    files = {"sweep.csv": csv(frame(told)), "sweep.json": as_json(rounded(numbers(told)))}
    files |= {"sweep.md": page(told).encode(), "sweep.png": drawn(told)}
    write({Path("metrics", name, file): content for file, content in files.items()})


if __name__ == "__main__":
    run(main)
