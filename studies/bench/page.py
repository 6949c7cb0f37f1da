"""The page of the benchmark: medians as Markdown, ratios first."""

import os
import platform
from pathlib import Path

from studies.bench.contenders import CONTENDERS
from studies.bench.runs import RUNS
from studies.bench.tasks import FOLDS, GROWTH, TASKS
from studies.common import table, write

WHOLE = {
    "tutorial": "the tutorial's three scripts, one after the other",
    "default": "`dvc repro`: everything, with K-fold and several seeds on all data sets",
    "chains": "`make repro`: the same, with data sets side by side",
    "seed": "`dvc repro` of everything with one seed of each fold",
    "seed_chains": "`make repro` of everything with one seed of each fold",
    "same": "`dvc repro` of the work that the scripts do",
    "nothing": "`dvc repro` with nothing to do",
}


def contest(task, medians) -> str:
    """How much slower each contender is than this project. medians: {label: ...}."""
    ours = medians["this project"]["compute"]
    row = "{0} | {1:.2f} | {compute:.2f} | {import:.1f} | {peak:.0f} | {metric:.4f}"
    rows = (row.format(name, run["compute"] / ours, **run) for name, run in medians.items())
    metric = "held-out MAE" if task.dataset == "boston_housing" else "held-out accuracy"
    return table(f" | slower | compute, s | import, s | peak, MiB | {metric}", rows)


def growth(medians) -> str:
    """What more rows and more replicas take of this project."""
    row = "{0} | {1:,} | {2} | {compute:.2f} | {3:.2f} | {peak:.0f} | {4} | {cache:.1f} | {5}"
    rows, first = [], {}
    for name, task in GROWTH.items():
        run = medians[name]["this project"]
        size = int(run["rows"])
        count, replicas = task.rows * size, task.repeats * FOLDS
        each = run["compute"] * 1e6 / (count * replicas * task.epochs)
        more = ["-", "-"]
        if added := (count - size) or (replicas - FOLDS):
            more = [f"{(run[key] - first[key]) * 1024 / added:.1f}" for key in ("peak", "cache")]
        else:
            first = run
        rows.append(row.format(task.title, count, replicas, each, *more, **run))
    return table(" | rows | replicas | compute, s | ms | peak, MiB | KiB | cache, MiB | KiB", rows)


def data_sets(sets) -> str:
    """What more data sets take of `dvc repro`. sets: {number: ...}."""
    row = "{0} | {seconds:.1f} | {1} | {nothing:.1f} | {2} | {peak:.0f} | {cache:.1f} | {3}"
    rows = []
    for count, run in sets.items():
        more = ["-"] * 3
        if count > 1:
            keys = "seconds", "nothing", "cache"
            more = [f"{(run[key] - sets[1][key]) / (count - 1):.2f}" for key in keys]
        rows.append(row.format(count, *more, **run))
    what = "`dvc repro`, s | more | with nothing to do, s | more | peak, MiB | cache, MiB | more"
    return table(f"data sets | {what}", rows)


def machine() -> str:
    """The processor, its cores, and the graphics cards that TensorFlow would take."""
    from stages.core.run.lean_keras import tensorflow  # no contender is to find it imported

    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    cards = [card.name for card in tensorflow.config.list_physical_devices("GPU")]
    return f"{processor}, {os.cpu_count()} cores, {', '.join(cards) or 'no graphics card'}"


def page(medians, whole, sets):
    """Write the page. medians, whole, sets: as `runs` returns them."""
    shares = (
        f"{WHOLE[key]} | {whole[key] / whole['tutorial']:.2f} | {whole[key]:.1f}" for key in WHOLE
    )
    contests = (
        f"## {TASKS[name].title}\n\n{contest(TASKS[name], medians[name])}" for name in TASKS
    )
    notes = {label: each.__doc__.partition("\n")[0] for label, (each, *_) in CONTENDERS.items()}
    write(
        "benchmark",
        "# Benchmark",
        f"Written by `make bench`: medians of {RUNS} runs, side by side in one go, each in a "
        f"process of its own on {machine()}; Python {platform.python_version()}. "
        "Compute includes compilation; imports stand apart. *Slower* is a contender's compute "
        "over that of this project: above 1, this project is faster.",
        "## From start to finish",
        "Wall time with imports, official files at hand. *Of the tutorial* is the share of its "
        "three scripts' time.",
        table(" | of the tutorial | s", shares),
        *contests,
        "## Growth",
        "This project alone. Rows are drawn with replacement from the data set's. Milliseconds "
        "are compute over epochs, for each 1,000 rows of each replica; KiB are the memory, and "
        "the cache, that each row or replica takes that is more than in the first line of its "
        "kind.",
        growth(medians),
        "Data sets: copies of digits, run once from start to finish. *More* is by each further "
        "one.",
        data_sets(sets),
        "## Contenders",
        "\n".join(f"- **{label}**: {note}" for label, note in notes.items()),
    )
