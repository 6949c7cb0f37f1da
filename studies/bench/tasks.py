"""What is trained: folds of the tutorial's data sets, the same for all contenders."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from studies.common import load

FOLDS = 4


class Task(NamedTuple):
    """Folds to train: `repeats` times `FOLDS`, on the training rows drawn `rows` times over."""

    title: str
    dataset: str
    units: int
    batch_size: int
    epochs: int
    repeats: int = 1
    rows: int = 1


BOSTON, IMDB = ("boston_housing", 64, 16, 80), ("imdb", 16, 512)
WATCHED = "4 folds x 20 epochs, held-out metrics every epoch"
TASKS = {
    "boston 4": Task("Boston Housing, 4 folds x 80 epochs", *BOSTON),
    "boston 40": Task("Boston Housing, 10 repeats x 4 folds x 80 epochs", *BOSTON, 10),
    "imdb": Task(f"IMDB, {WATCHED}", *IMDB, 20),
    "reuters": Task(f"Reuters, {WATCHED}", "reuters", 64, 512, 20),
}
GROWTH = {
    f"{title} {way} x {times}": Task(title, *settings, **{way: times})
    for title, settings in {"IMDB": (*IMDB, 4), "Boston Housing": BOSTON}.items()
    for way in ("rows", "repeats")
    for times in (1, 4, 16)
}


def problem(task: Task) -> tuple:
    """The rows, targets and folds of a task: x, y, folds (repeats, n), classes.

    x: (n, features) array, or CSR matrix of 0 and 1. classes: 0 for a regression.
    """
    x, y = load(task.dataset, "train")
    if sp.issparse(x):
        x = x.sign().astype("float32")
    if task.rows > 1:  # made-up data of the same kind: rows drawn with replacement
        drawn = np.random.default_rng(0).integers(len(y), size=task.rows * len(y))
        x, y = x[drawn], y[drawn]
    orders = [np.random.default_rng(repeat).permutation(len(y)) for repeat in range(task.repeats)]
    return x, y, np.stack(orders) % FOLDS, 0 if y.dtype.kind == "f" else int(y.max()) + 1


def splits(x, y, folds) -> Iterator[tuple]:
    """Rows and targets of each fold of each repeat: trained on, and held out.

    Features are standardised by the rows that are trained on; text is as it is.
    """
    for dealt in folds:
        for fold in range(FOLDS):
            inside, outside = x[dealt != fold], x[dealt == fold]
            if y.dtype.kind == "f":
                mean, scale = inside.mean(axis=0), inside.std(axis=0)
                inside, outside = (inside - mean) / scale, (outside - mean) / scale
            yield inside, y[dealt != fold], outside, y[dealt == fold]
