"""Predictions -> numbers and pictures, without TensorFlow -> metrics/<dataset>.json and metrics/<dataset>/.

Figures are rounded to four decimals: across types of processor the last digits of a training differ.
"""

import json
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import huber
from sklearn import metrics

from stages.core import params
from stages.core.data import arrays
from stages.core.data.datasets import TABLE
from stages.core.judge import comparison, pictures
from stages.core.run.files import whole
from stages.core.run.stage import run

DECIMALS = 4


def scores(task, actual, predictions, quantity) -> dict[str, float]:
    """Test figures of one model.

    actual: (rows,) classes or numbers. predictions: (rows, outputs) probabilities or numbers. quantity: what the loss
    measures.
    """
    if task.name == "regression":
        error = predictions[:, 0] - actual
        squared, absolute = np.mean(np.square(error)), np.mean(np.abs(error))
        losses = {
            "mean squared error": squared,
            "mean absolute error": absolute,
            "Huber loss": huber(1, error).mean(),
        }
        return {"loss": losses[quantity], "mae": absolute, "rmse": np.sqrt(squared)}
    probabilities, predicted = as_probabilities(predictions), classes(predictions)
    figures = {
        "accuracy": metrics.accuracy_score(actual, predicted),
        "loss": metrics.log_loss(actual, probabilities, labels=np.arange(probabilities.shape[1])),
        "macro_f1": metrics.f1_score(actual, predicted, average="macro", zero_division=0),
    }
    if task.name == "binary" and len(np.unique(actual)) == 2:
        figures["roc_auc"] = metrics.roc_auc_score(actual, predictions[:, 0])
    return figures


def as_probabilities(predictions) -> np.ndarray:
    """(rows, classes) float64 that add up to 1, from sigmoid (rows, 1) or softmax (rows, classes) outputs."""
    wide = predictions.astype("float64")
    wide = np.hstack([1 - wide, wide]) if wide.shape[1] == 1 else wide
    return wide / wide.sum(axis=1, keepdims=True)


def classes(predictions) -> np.ndarray:
    """The predicted class of each row: (rows,) integers. Half is class 0, as in Keras."""
    return (
        (predictions[:, 0] > 0.5).astype(int)
        if predictions.shape[1] == 1
        else predictions.argmax(axis=1)
    )


def test_figures(task, actual, predictions, quantity) -> dict[str, dict[str, float]]:
    """Each score as mean and standard deviation over the seeds, and of the ensemble that averages them.

    predictions: (seeds, rows, outputs). One seed has no standard deviation.
    """
    table = pd.DataFrame([scores(task, actual, own, quantity) for own in predictions])
    ensemble = scores(task, actual, predictions.mean(axis=0), quantity)
    figures = {name: {"ensemble": ensemble[name], "mean": table[name].mean()} for name in table}
    if len(table) > 1:
        for name in table:
            figures[name]["std"] = table[name].std()
    return figures


def fold_figures(values, k, bounds) -> dict[str, float]:
    """Mean, standard deviation and 95 % interval of the mean of a figure over the replicas of an iterated K-fold.

    values: (replicas,). bounds: the least and the most that the figure can be. The interval is corrected for the
    training rows that folds share, and clipped to the bounds.
    """
    low, high = comparison.interval(values, k, bounds)
    return {"high": high, "low": low, "mean": np.mean(values), "std": np.std(values, ddof=1)}


def baseline(task, y_train, y_test) -> dict[str, float]:
    """What a model that looks at no feature reaches: the most frequent class, or the mean, of the training rows."""
    if task.name == "regression":
        return {"mae": float(np.abs(y_test - y_train.mean()).mean())}
    return {"accuracy": float((y_test == np.bincount(y_train).argmax()).mean())}


def outcome(dataset, actual, predictions) -> pd.DataFrame:
    """What the ensemble predicted: a row for each number, or for each pair of classes with its number of rows.

    Each class is paired with itself, also where that has no rows: `dvc plots` takes the names of its axes from there.
    """
    if dataset.task.name == "regression":
        predicted = predictions.mean(axis=0)[:, 0]
        return pd.DataFrame({"actual": actual, "predicted": predicted}).round(2)
    counts = metrics.confusion_matrix(
        actual, classes(predictions.mean(axis=0)), labels=np.arange(max(2, dataset.outputs))
    )
    pairs = np.argwhere((counts > 0) | np.eye(len(counts), dtype=bool))
    names = np.array(dataset.classes or range(len(counts))).astype(str)
    columns = {"actual": pairs[:, 0], "predicted": pairs[:, 1], "rows": counts[tuple(pairs.T)]}
    return pd.DataFrame(
        columns | {"actual_name": names[pairs[:, 0]], "predicted_name": names[pairs[:, 1]]}
    )


def row_figures(task, actual, predictions) -> pd.DataFrame:
    """The main metric of each test row for each seed, (rows, seeds): 1 where it is right, or the absolute error."""
    if task.name == "regression":
        figures = np.abs(predictions[:, :, 0] - actual).round(DECIMALS)
    else:
        figures = np.stack([classes(own) == actual for own in predictions]).astype(int)
    return pd.DataFrame(figures.T, columns=[f"seed_{number}" for number in range(len(figures))])


def confusion_counts(pairs, size) -> np.ndarray:
    """The frame that `outcome` gives for classes as a (classes, classes) matrix: actual by predicted."""
    counts = np.zeros((size, size), int)
    counts[pairs.actual, pairs.predicted] = pairs.rows
    return counts


def named(metric) -> dict[str, str]:
    """The figures of a history and what tables call them."""
    return {"loss": "loss", "val_loss": "val_loss", "metric": metric, "val_metric": f"val_{metric}"}


def explored(test, metric) -> pd.DataFrame:
    """The history that the training left: epoch from 1 and, as far as they are there, what `named` names."""
    columns = {
        name: test[f"history.{key}"]
        for key, name in named(metric).items()
        if f"history.{key}" in test
    }
    return pd.DataFrame({"epoch": range(1, len(columns["loss"]) + 1), **columns})


def fold_tables(folds, curves, metric):
    """The histories of all replicas as two frames: the last epoch of each fold, and each epoch of each fold."""
    repeats, k = len(folds), int(folds.max()) + 1
    _, epochs = curves["loss"].shape
    index = [range(1, repeats + 1), range(1, k + 1), range(1, epochs + 1)]
    index = pd.MultiIndex.from_product(index, names=["repeat", "fold", "epoch"])
    frame = pd.DataFrame(
        {name: curves[key].ravel() for key, name in named(metric).items()}, index
    ).reset_index()
    last = frame[frame.epoch == epochs][["repeat", "fold", "val_loss", f"val_{metric}"]]
    held_out = [np.flatnonzero(own == fold) for own in folds for fold in range(k)]
    last.insert(2, "rows", [len(rows) for rows in held_out])
    # A fingerprint of the row numbers: where it is the same in two experiments, their folds can be compared.
    last.insert(
        3, "held_out", [f"{zlib.crc32(rows.astype('<i8').tobytes()):08x}" for rows in held_out]
    )
    return last.rename(columns={"val_loss": "loss", f"val_{metric}": metric}), frame


def rounded(figures):
    """Nested figures with every float rounded, in the order of their names. Raises FloatingPointError for NaN."""
    if isinstance(figures, dict):
        return {name: rounded(figures[name]) for name in sorted(figures)}
    if isinstance(figures, (float, np.floating)):
        stop_if_not_finite(figures)
        return round(float(figures), DECIMALS)
    return figures


def stop_if_not_finite(*values):
    """Raise FloatingPointError for the first array of fractions, or number, that holds NaN or is infinite."""
    for own in map(np.asarray, values):
        if own.dtype.kind == "f" and not (fine := np.isfinite(own)).all():
            raise FloatingPointError(
                f"a figure is no number but {own[~fine][0]}; `dvc repro --force` trains anew"
            )


def csv(frame) -> bytes:
    """The frame as CSV with numbers of six significant digits."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()


def evaluate(dataset, source, y_train, y_test, test, kfold) -> tuple[dict, dict[str, bytes]]:
    """The figures for the metrics file, and the files for the folder beside it.

    test: predictions (seeds, rows, outputs), parameters and epochs of the final fits, the quantity that the loss
    measures, a summary of the network and, by epoch, history.loss and its like of the exploring fit. kfold: folds
    (repeats, rows) and, as (replicas, epochs) arrays, loss, metric, val_loss and val_metric.

    Raises FloatingPointError where something is no number.
    """
    stop_if_not_finite(*test.values(), *kfold.values())
    task, metric, k = dataset.task, dataset.task.metric, int(kfold["folds"].max()) + 1
    quantity, history = str(test["quantity"]), explored(test, metric)
    last, curves = fold_tables(kfold["folds"], kfold, metric)
    pairs = outcome(dataset, y_test, test["predictions"])
    figures = {
        "baseline": baseline(task, y_train, y_test),
        "kfold": {
            name: fold_figures(last[name].to_numpy("float64"), k, task.bounds_of(name))
            for name in (metric, "loss")
        },
        "network": {
            "epochs": int(test["epochs"]),
            "loss": quantity,
            "parameters": int(test["parameters"]),
        },
        "source": source,
        "test": test_figures(task, y_test, test["predictions"], quantity),
    }
    figures["kfold"]["replicas"] = len(last)
    if "val_loss" in history:
        best = int(history.val_loss.idxmin())
        figures["validation"] = {
            "best_epoch": int(history.epoch[best]),
            "loss": history.val_loss[best],
        }
    title = dataset.title if source == "official" else f"{dataset.title} (SYNTHETIC stand-in)"
    of_the_fit = {name: history[name].to_numpy() for name in history if name != "epoch"}
    by_epoch = {name: kfold[key] for key, name in named(metric).items()}
    axes = {
        name: pictures.Axis(label, task.higher_is_better(name))
        for name, label in dataset.labels(quantity).items()
    }
    ensemble = f"ensemble of {len(test['predictions'])} seeds"
    fit = "exploring fit" if "val_loss" in history else "final fit"
    if task.classifies:
        counts = confusion_counts(pairs, max(2, dataset.outputs))
        picture = pictures.confusion(f"{title}: test rows, {ensemble}", counts, dataset.classes)
    else:
        actual, predicted = pairs.actual.to_numpy(), {"test row": pairs.predicted.to_numpy()}
        picture = pictures.predicted_against_actual(
            f"{title}: test rows, {ensemble}", actual, predicted, dataset.unit
        )
    return rounded(figures), {
        "history.csv": csv(history),
        "folds.csv": csv(last),
        "fold_curves.csv": csv(curves),
        "test.csv": csv(pairs),
        "test_rows.csv": csv(row_figures(task, y_test, test["predictions"])),
        "network.txt": str(test["summary"]).encode(),
        "history.png": pictures.history(f"{title}: {fit}", of_the_fit, axes),
        "folds.png": pictures.folds(
            f"{title}: {k} folds x {len(kfold['folds'])} repeats", by_epoch, axes
        ),
        "test.png": picture,
    }


def main(name):
    """Run the stage for one data set."""
    start, source = time.time(), params.load().source
    paths = f"data/arrays/{name}.npz", f"data/models/{name}/test.npz", f"data/folds/{name}.npz"
    labels, test, kfold = (arrays.stored(Path(path)) for path in paths)
    y_test = labels["y_test"]
    figures, files = evaluate(TABLE[name], source, labels["y_train"], y_test, test, kfold)
    files[f"../{name}.json"] = (json.dumps(figures, indent=2, allow_nan=False) + "\n").encode()
    with (
        ExitStack() as stack
    ):  # all of them take their places at its end, or none where the disk is full
        for file, content in files.items():
            stack.enter_context(whole((Path("metrics") / name / file).resolve())).write_bytes(
                content
            )
    metric = TABLE[name].task.metric
    folds, tested = figures["kfold"][metric], figures["test"][metric]["mean"]
    print(
        f"evaluate {name}: test {metric} {tested:.4f}, K-fold {folds['mean']:.4f} "
        f"({folds['low']:.4f} to {folds['high']:.4f}), {len(y_test):,} test rows, {source} data, "
        f"in {time.time() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
