"""Iterated K-fold evaluation: k folds x repeats, trained at once -> data/folds/<dataset>.npz."""

import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from stages.core.data import arrays, splits
from stages.core.data.schema import Schema
from stages.core.data.splits import Keys
from stages.core.declared import params
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Replica, seed_of
from stages.core.run.files import whole
from stages.core.run.stage import run


def deal(labels, k, repeats, split_seed, classifies, keys=None) -> np.ndarray:
    """The fold of each row in each repeat: (repeats, rows) int16; see `splits.deal`.

    keys: what decides how rows are split; at random where there are none.
    """
    seeds = [seed_of(split_seed, "split", repeat) for repeat in range(repeats)]
    return splits.deal(labels, keys or Keys(np.arange(len(labels))), k, seeds, classifies)


def members(folds, seed, window=0) -> list[Replica]:
    """A replica for each fold of each repeat; the folds of a repeat share their shuffles.

    window: how many folds before its own a replica trains on, where folds follow each other in
    time; 0 for all others.
    """
    return [
        Replica(seed_of(seed, "kfold", repeat, fold), order, blocks, fold + window, window)
        for repeat, dealt in enumerate(folds)
        for order, blocks in [(seed_of(seed, "order", "kfold", repeat), dealt + window)]
        for fold in range(dealt.max() + 1)
    ]


def reference(planned, x, y, schema) -> np.ndarray:
    """What scikit-learn's boosted trees predict for the rows that folds hold out, untuned.

    They do not stop early, for which each class would need two rows. planned: a Replica for each
    fold. x: (rows, features), y: (rows,). Returns (rows, outputs) float32, as a network would.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    loss = {"mae": "absolute_error"}.get(schema.task.metric, "squared_error")
    settings = {"early_stopping": False, "random_state": 0}
    found = np.zeros((len(y), schema.outputs), "float32")
    for member in planned:
        train, held_out = member.training_rows, member.held_out_rows
        seen = np.where(np.isnan(x[train]).all(axis=0), 0, x)  # trees take no empty column
        if not schema.task.classifies:
            trees = HistGradientBoostingRegressor(loss=loss, **settings).fit(seen[train], y[train])
            found[held_out, 0] = trees.predict(seen[held_out])
            continue
        probabilities = np.zeros((len(held_out), len(schema.classes)))
        present = np.unique(y[train])
        probabilities[:, present] = 1 / len(present)
        if len(present) > 1:
            trees = HistGradientBoostingClassifier(**settings).fit(seen[train], y[train])
            probabilities[:, present] = trees.predict_proba(seen[held_out])
        found[held_out] = probabilities[:, -schema.outputs :]
    return found


def dealt(name, section, y, classifies, keys, split_seed) -> np.ndarray:
    """The folds that a section of params.yaml asks for; exits where there cannot be so many."""
    k, fewest = section.kfold.k, np.bincount(y).min() if classifies else len(y)
    try:
        if keys.by == "random" and k > fewest:
            of = "training rows of the rarest class" if classifies else "training rows"
            raise ValueError(f"expected at most the {fewest:,} {of}")
        return deal(y, k, section.kfold.repeats, split_seed, classifies, keys)
    except ValueError as error:
        raise SystemExit(f"params.yaml: datasets.{name}.kfold.k: {error}, got {k}") from None


def main(name):
    """Run the stage for one data set."""
    start, chosen = time.time(), params.load()
    section, settings = chosen.datasets[name], chosen.datasets[name].kfold
    file = arrays.stored(Path("data/arrays") / f"{name}.npz")
    x, y, schema = arrays.unpack("x_train", file), file["y_train"], Schema.unpack(file)
    keys, classifies = Keys.unpack(file), schema.task.classifies
    folds = dealt(name, section, y, classifies, keys, chosen.split_seed)
    problem = Problem.of(section, x, y, schema.outputs)
    planned = members(folds, chosen.seed, settings.k if keys.by == "time" else 0)

    predictions = np.zeros((*folds.shape, schema.outputs), "float32")
    histories = []
    fits = problem.fit(planned, settings.epochs, f"{name} K-fold")
    for number, (member, fitted) in enumerate(zip(planned, fits, strict=True)):
        predictions[number // settings.k, member.held_out_rows] = fitted.held_out
        histories.append(fitted.history)
    found = {key: np.stack([history[key] for history in histories]) for key in histories[0]}
    if section.preprocess.encoding == "table":
        with threadpool_limits(1):  # threads that wait for a busy core take minutes
            found["reference"] = reference(planned[: settings.k], x, y, schema)
    with whole(Path("data/folds") / f"{name}.npz") as path, path.open("wb") as file:
        np.savez(file, folds=folds, predictions=predictions, **found)
    print(
        f"kfold {name}: {settings.k} folds x {settings.repeats} repeats = {len(planned)} replicas, "
        f"{settings.epochs} epochs on {len(y):,} rows, in {time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
