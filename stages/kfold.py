"""Iterated K-fold evaluation: folds x repeats x seeds at once -> data/folds/<dataset>.npz."""

import time
from itertools import islice
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


def members(folds, seed, seeds=1, window=0) -> list[Replica]:
    """Replicas by repeat, seed and fold. The folds of a repeat and a seed share their shuffles.

    seeds: fits of each fold. window: how many folds before its own a replica trains on, where folds
    follow each other in time; 0 for all others.
    """
    return [
        Replica(seed_of(seed, "kfold", *place, fold), order, blocks, fold + window, window)
        for place, blocks in _places(folds + window, seeds)
        for order in [seed_of(seed, "order", "kfold", *place)]
        for fold in range(blocks.max() + 1 - window)
    ]


def _places(folds, seeds):
    """Each repeat and seed with the folds of the repeat."""
    return [((r, number), blocks) for r, blocks in enumerate(folds) for number in range(seeds)]


def best_epochs(losses, rows) -> tuple[np.ndarray, int]:
    """For each fold the epoch that is best for all others, and the one that is best for all: (k,).

    A fold has no say in its own epoch, so what it then reaches is not too good to be true. losses:
    (seeds, k, epochs) of the held-out rows of a repeat. rows: (k,) that each fold holds out. Epochs
    count from 0.
    """
    total = losses.astype("float64").mean(axis=0) * rows[:, None]
    return (total.sum(axis=0) - total).argmin(axis=1), int(total.sum(axis=0).argmin())


def reference(planned, x, y, schema) -> np.ndarray:
    """What scikit-learn's boosted trees predict for the rows that folds hold out, untuned.

    They do not stop early, for which each class would need two rows. planned: a Replica for each
    fold. x: (rows, features), y: (rows,). Returns (rows, outputs) float32, as a network would.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings = {"early_stopping": False, "random_state": 0}
    found = np.zeros((len(y), schema.outputs), "float32")
    for member in planned:
        train, held_out = member.training_rows, member.held_out_rows
        seen = np.where(np.isnan(x[train]).all(axis=0), 0, x)  # trees take no empty column
        if not schema.task.classifies:
            trees = HistGradientBoostingRegressor(loss="absolute_error", **settings)
            found[held_out, 0] = trees.fit(seen[train], y[train]).predict(seen[held_out])
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


def of_repeat(planned, fits, seeds, best) -> dict[str, np.ndarray]:
    """What the fits of a repeat left, as arrays.

    planned: a Replica for each fit, by seed and fold. best: whether each fold gets its epoch from
    the others; the fits have told their predictions after each. Returns predictions (seeds, rows,
    outputs) float32, 0 where no fold holds a row out; epochs (k,), after which they are, from 1;
    where they were chosen, naive, the epoch that is best for all folds; and loss, metric, val_loss
    and val_metric (seeds, k, epochs) float32, the last two of the epochs that were judged.
    """
    curves = {
        key: np.stack(np.split(np.stack([fitted.history[key] for fitted in fits]), seeds))
        for key in fits[0].history
    }
    k, last = curves["loss"].shape[1:]
    found, chosen = {}, np.full(k, last - 1)
    if best:
        rows = np.array([len(member.held_out_rows) for member in planned[:k]])
        chosen, naive = best_epochs(curves["val_loss"], rows)
        found["naive"] = naive + 1
    shape = seeds, len(planned[0].folds), fits[0].held_out.shape[-1]
    predictions = np.zeros(shape, "float32")
    for number, (member, fitted) in enumerate(zip(planned, fits, strict=True)):
        held_out = fitted.held_out[chosen[number % k]] if best else fitted.held_out
        predictions[number // k, member.held_out_rows] = held_out
    return found | curves | {"predictions": predictions, "epochs": chosen + 1}


def main(name):
    """Run the stage for one data set."""
    start, chosen = time.time(), params.load()
    section, settings = chosen.datasets[name], chosen.datasets[name].kfold
    file = arrays.stored(Path("data/arrays") / f"{name}.npz")
    x, y, schema = arrays.unpack("x_train", file), file["y_train"], Schema.unpack(file)
    keys, classifies = Keys.unpack(file), schema.task.classifies
    folds = dealt(name, section, y, classifies, keys, chosen.split_seed)
    problem = Problem.of(section, x, y, schema.outputs)
    window = settings.k if keys.by == "time" else 0
    planned = members(folds, chosen.seed, settings.seeds, window)
    best = settings.epochs == "best"
    epochs = section.final.exploring_epochs if best else settings.epochs
    told = range(1, epochs + 1) if best else ()
    fits = problem.fit(planned, epochs, f"{name} K-fold", told=told)
    parts = [
        of_repeat(part, [*islice(fits, len(part))], settings.seeds, best)
        for part in np.reshape(planned, (len(folds), -1))
    ]
    found = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    if section.preprocess.encoding == "table":
        with threadpool_limits(1):  # threads that wait for a busy core take minutes
            found["reference"] = reference(planned[: settings.k], x, y, schema)
    with whole(Path("data/folds") / f"{name}.npz") as path, path.open("wb") as file:
        np.savez(file, folds=folds, **found)
    said = f"{settings.k} folds x {settings.repeats} repeats"
    said += f" x {settings.seeds} seeds" if settings.seeds > 1 else ""
    print(
        f"kfold {name}: {said} = {len(planned)} replicas, {epochs} epochs on {len(y):,} rows, in "
        f"{time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
