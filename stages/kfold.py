"""Iterated K-fold evaluation: k folds x repeats, trained at once -> data/folds/<dataset>.npz."""

import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from stages.core.data import arrays
from stages.core.data.schema import Schema
from stages.core.declared import params
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Replica, seed_of
from stages.core.run.files import whole
from stages.core.run.stage import run


def deal(labels, k, repeats, split_seed, classifies) -> np.ndarray:
    """The fold of each row in each repeat: (repeats, rows) int16, with equal shares of each class.

    It depends on these arguments alone, so experiments that share them share their folds.
    """
    splitter = StratifiedKFold if classifies else KFold
    folds = np.empty((repeats, len(labels)), "int16")
    for repeat in range(repeats):
        splits = splitter(k, shuffle=True, random_state=seed_of(split_seed, "split", repeat))
        for fold, (_, held_out) in enumerate(splits.split(labels, labels)):
            folds[repeat, held_out] = fold
    return folds


def members(folds, seed) -> list[Replica]:
    """A replica for each fold of each repeat; the folds of a repeat share their shuffles."""
    return [
        Replica(seed_of(seed, "kfold", repeat, fold), order, dealt, fold)
        for repeat, dealt in enumerate(folds)
        for order in [seed_of(seed, "order", "kfold", repeat)]
        for fold in range(dealt.max() + 1)
    ]


def main(name):
    """Run the stage for one data set."""
    start, chosen = time.time(), params.load()
    section, settings = chosen.datasets[name], chosen.datasets[name].kfold
    file = arrays.stored(Path("data/arrays") / f"{name}.npz")
    x, y, schema = arrays.unpack("x_train", file), file["y_train"], Schema.unpack(file)
    classifies = schema.task.classifies
    most = np.bincount(y).max() if classifies else len(y)
    if settings.k > most:
        expected = (
            f"{most:,} rows of the largest class" if classifies else f"{most:,} training rows"
        )
        path = f"params.yaml: datasets.{name}.kfold.k"
        raise SystemExit(f"{path}: expected at most the {expected}, got {settings.k}")
    problem = Problem.of(section, x, y, schema.outputs)
    folds = deal(y, settings.k, settings.repeats, chosen.split_seed, classifies)
    planned = members(folds, chosen.seed)

    predictions = np.empty((*folds.shape, schema.outputs), "float32")
    histories = []
    fits = problem.fit(planned, settings.epochs, f"{name} K-fold")
    for number, (member, fitted) in enumerate(zip(planned, fits, strict=True)):
        predictions[number // settings.k, member.held_out_rows] = fitted.held_out
        histories.append(fitted.history)
    curves = {key: np.stack([history[key] for history in histories]) for key in histories[0]}
    with whole(Path("data/folds") / f"{name}.npz") as path, path.open("wb") as file:
        np.savez(file, folds=folds, predictions=predictions, **curves)
    print(
        f"kfold {name}: {settings.k} folds x {settings.repeats} repeats = {len(planned)} replicas, "
        f"{settings.epochs} epochs on {len(y):,} rows, in {time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
