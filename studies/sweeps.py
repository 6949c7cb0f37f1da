"""How often a sweep is wrong -> docs/sweeps.md.

`make sweeps`: sweeps of candidates that are all equal, since they differ in their seeds alone.
Their best is best by luck: how much better it looks, and how often it is confirmed as better. What
is done is kept in data/sweeps/, so a run that was stopped goes on; about 20 minutes on two cores.
Then a sweep and the same candidates in the queue, which takes about as long again.
"""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages import kfold
from stages.core.declared import params, sources
from stages.core.fit import candidates
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import seed_of
from stages.core.judge import sweep
from stages.core.judge.markdown import number
from stages.core.judge.metrics import main_metric
from stages.core.judge.sweep import Found, Judge, Reached
from stages.core.run.files import write as write_files
from stages.core.run.stage import parser_of, tool
from studies import searches
from studies.bench.page import machine
from studies.common import ROOT, changed, load, table, write

DATASET, ROWS, EPOCHS = "boston_housing", 300, 10  # rows drawn anew for each sweep
CANDIDATES, SWEEPS = 20, 100
K, REPEATS, SEEDS = 4, 4, 3
KEPT = ROOT / "data/sweeps"
AT_A_TIME = 10  # sweeps that a process makes: TensorFlow frees little


def reached(problem, labels, within, seed, count) -> tuple[Judge, dict[int, Reached]]:
    """What so many candidates reach that differ in their seeds alone."""
    folds = kfold.deal(labels, K, REPEATS, seed, classifies=False)
    members = kfold.members(folds, seed, SEEDS * count)
    repeats = [[*part] for part in np.reshape(members, (REPEATS, -1))]
    plans = candidates.plans([(problem, EPOCHS, False)])

    def made(plan, repeat, members, fits):
        return kfold.of_repeat(members, fits, SEEDS * count, False)["predictions"]

    predictions = np.stack(candidates.fit(plans, repeats, made)[0])
    metric = main_metric(params.load().datasets[DATASET].task)
    judge = Judge(metric, labels, folds, None, within)
    each = enumerate(np.split(predictions, count, axis=1))
    return judge, {place: judge.reached(of_one) for place, of_one in each}


def one(seed: int) -> dict[str, float]:
    """A sweep, and what it says of its best.

    better: whether some candidate is called better than the first. confirmed: whether the best is,
    trained again. naive, apart: how much better than the mean of all it looks, as the sweep sees it
    and chosen on other rows than it is judged on.
    """
    x, y = load(DATASET, "train", "test")
    rows = np.random.default_rng(seed).choice(len(y), ROWS, replace=False)
    section = changed(params.load().datasets[DATASET], "kfold", epochs=EPOCHS)
    problem, within = Problem.of(section, x[rows], y[rows], 1), section.review.equivalent_within
    judge, each = reached(problem, y[rows], within, seed_of(seed, "sweep"), CANDIDATES)
    first, *later = judge.rounds
    so_far = {place: Reached(it.values[:first], it.rows[:first]) for place, it in each.items()}
    beaten = judge.beaten(so_far, sweep.all_pairs(CANDIDATES, 1 + len(later)))
    found = Found.of(judge, each | {place: so_far[place] for place in beaten if place}, seed)
    verdicts = map(judge.verdict, found.to_base.values())
    again, confirmed = reached(problem, y[rows], within, seed_of(seed, "again"), 2), False
    if found.best:
        difference = again[0].against(0, again[1], CANDIDATES - 1)[1]
        confirmed = again[0].verdict(difference).startswith("better")
    truth = np.mean([it.mean for it in each.values()])
    return {
        "better": float(any(verdict.startswith("better") for verdict in verdicts)),
        "confirmed": float(confirmed),
        "naive": float(truth - found.chosen.naive),
        "apart": float(truth - found.chosen.mean),
    }


def some(seeds) -> None:
    """Make sweeps that have no result yet, each kept in a file of its own."""
    for seed in seeds:
        path = KEPT / f"{seed}.json"
        if not path.exists():
            write_files({path: json.dumps(one(seed)).encode()})


def make_all():
    """Make all sweeps, a few at a time in two processes."""
    KEPT.mkdir(parents=True, exist_ok=True)
    parts = np.array_split(np.arange(SWEEPS), SWEEPS // AT_A_TIME)
    parts = [part.tolist() for part in parts]
    for start in tqdm(range(0, len(parts), 2), disable=None):
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            list(pool.map(some, parts[start : start + 2]))


def rows_of(files: list[Path]) -> list[str]:
    """The table: shares of sweeps, and means over them."""
    done = [json.loads(file.read_text("utf-8")) for file in files]
    each = {key: np.array([result[key] for result in done]) for key in done[0]}
    unit = sources.read(DATASET).unit
    gains = [f"{number(each[key].mean())} {unit}" for key in ("naive", "apart")]
    confirmed, better = (f"{each[key].sum():.0f} of {len(done)}" for key in ("confirmed", "better"))
    return [
        f"the best, trained again on fresh folds and seeds, is called better than the first | "
        f"{confirmed}",
        f"some candidate is called better than the first | {better}",
        f"the best looks better than the mean of all by | {gains[0]}",
        f"the same, chosen on drawn rows and judged on the others | {gains[1]}",
    ]


def main():
    """Make the sweeps that have no result yet and write the page."""
    parser_of(main).parse_args()
    make_all()
    beside = searches.table_of(searches.searches())
    write(
        "sweeps",
        "# How often a sweep is wrong, and what it takes",
        "Written by `make sweeps`. "
        f"{SWEEPS} sweeps of {CANDIDATES} candidates that are all equal: they differ in their "
        f"seeds alone. {sources.read(DATASET).title}, {ROWS} of its rows drawn for each sweep, {K} "
        f"folds x {REPEATS} repeats x {SEEDS} seeds, {EPOCHS} epochs. At most 5 % may be called "
        "better.",
        table("what | found", rows_of([KEPT / f"{seed}.json" for seed in range(SWEEPS)])),
        "The luck of the best is here that of its seeds. The bootstrap draws rows and takes off "
        "the luck of rows alone; training again takes off that of seeds.",
        "## A sweep, or the queue",
        "`dvc repro sweep@NAME`, and the same candidates in DVC's queue, one at a time, as `dvc "
        f"queue start` has it; once, on {machine()}. *Of the queue* is the sweep's share of its "
        "time. The sweep stops what is clearly beaten, and trains its best once more; the queue "
        "also trains the final networks and draws the pictures.",
        beside,
    )


if __name__ == "__main__":
    tool(main)
