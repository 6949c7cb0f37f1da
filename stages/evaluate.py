"""Predictions -> metrics and pictures, without TensorFlow -> metrics/<dataset>.json and a folder.

Metrics are rounded to four decimals: the last digits of a training differ between processors.
"""

import json
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from stages.core.data import arrays, traps
from stages.core.data.schema import Schema
from stages.core.data.splits import Keys
from stages.core.declared import params, sources
from stages.core.judge import comparison, pictures
from stages.core.judge.metrics import LOSSES, METRICS, Metric, main_metric
from stages.core.judge.predictions import classes, confusion_counts
from stages.core.run.files import whole
from stages.core.run.stage import run

DECIMALS = 4


def metrics_of(task, quantity) -> list[Metric]:
    """What is told of a model. quantity: what its loss measures."""
    return [LOSSES[quantity], *(METRICS[name] for name in task.metrics)]


def scores(metrics, targets, predictions) -> dict[str, float]:
    """The metrics of a model, as far as they are defined.

    targets: (rows,) classes or numbers. predictions: (rows, outputs) probabilities or numbers.
    """
    found = {metric.name: metric.of(targets, predictions) for metric in metrics}
    return {name: value for name, value in found.items() if value is not None}


def over_seeds(metrics, targets, predictions) -> dict[str, dict[str, float]]:
    """Each metric as mean and standard deviation over the seeds, and of their ensemble.

    predictions: (seeds, rows, outputs). A single seed has no standard deviation.
    """
    table = pd.DataFrame([scores(metrics, targets, of_seed) for of_seed in predictions])
    ensemble = scores(metrics, targets, predictions.mean(axis=0))
    found = {name: {"ensemble": ensemble[name], "mean": table[name].mean()} for name in table}
    if len(table) > 1:
        for name in table:
            found[name]["std"] = table[name].std()
    return found


def over_folds(values, k, bounds) -> dict[str, float]:
    """Mean, standard deviation and 95 % interval of the mean of a metric over all folds.

    values: (replicas,). bounds: the least and the most that the metric can be. The interval is
    corrected for the training rows that folds share, and clipped to the bounds.
    """
    low, high = comparison.interval(values, k, bounds)
    return {"high": high, "low": low, "mean": np.mean(values), "std": np.std(values, ddof=1)}


def of_folds(last, k, metrics) -> dict:
    """Each metric over all folds, and how many replicas these are. last: of `fold_tables`."""
    found = {m.name: over_folds(last[m.name].to_numpy("float64"), k, m.bounds) for m in metrics}
    return found | {"replicas": len(last)}


def baseline(task, y_train, y_test) -> dict[str, float]:
    """What the most frequent class, or the mean, of the training rows reaches as only answer.

    It is judged on the test rows or, where there are none, on the training rows.
    """
    metric, judged = main_metric(task), y_test if len(y_test) else y_train
    answer = np.bincount(y_train).argmax() if task.classifies else y_train.mean()
    return {metric.name: float(metric.by_row(judged, answer).mean())}


def constant(task, y, folds) -> float:
    """What the baseline reaches in the folds of a repeat: the mean of the main metric.

    folds: (rows,); where some are below 0, folds follow each other in time.
    """
    k, values = int(folds.max()) + 1, []
    for fold in range(k):
        earlier = (fold - k <= folds) & (folds < fold)
        train = earlier if folds.min() < 0 else folds != fold
        values += baseline(task, y[train], y[folds == fold]).values()
    return float(np.mean(values))


def reference(metric, targets, predictions, folds) -> dict[str, float]:
    """What other learners than networks reach: the mean of a metric over the folds of a repeat.

    targets: (rows,). predictions: (rows, outputs). folds: (rows,), below 0 where none holds out.
    """
    held_out = [folds == fold for fold in range(folds.max() + 1)]
    values = [metric.of(targets[rows], predictions[rows]) for rows in held_out]
    return {metric.name: float(np.mean(values))}


def outcome(schema, targets, predictions) -> pd.DataFrame:
    """What the ensemble predicted: a line for each row; of classes, for each pair that has rows.

    Each class is paired with itself also without rows: `dvc plots` takes the names of its axes from
    there.
    """
    predicted = predictions.mean(axis=0)
    if not schema.task.classifies:
        return pd.DataFrame({"actual": targets, "predicted": predicted[:, 0]}).round(2)
    names = np.array(schema.classes)
    counts = confusion_matrix(targets, classes(predicted), labels=np.arange(len(names)))
    pairs = np.argwhere((counts > 0) | np.eye(len(counts), dtype=bool))
    columns = {"actual": pairs[:, 0], "predicted": pairs[:, 1], "rows": counts[tuple(pairs.T)]}
    named = {"actual_name": names[pairs[:, 0]], "predicted_name": names[pairs[:, 1]]}
    return pd.DataFrame(columns | named)


def by_row(task, targets, predictions) -> pd.DataFrame:
    """The main metric of each test row for each seed: (rows, seeds)."""
    values = np.stack([main_metric(task).rows(targets, of_seed) for of_seed in predictions])
    return pd.DataFrame(values.T.round(DECIMALS), columns=[f"seed_{n}" for n in range(len(values))])


def curves_of(arrays, metric, prefix="") -> dict[str, np.ndarray]:
    """Curves that a training left, by epoch, as tables call them: loss, val_accuracy, ..."""
    keys = ("loss", "val_loss", "metric", "val_metric")
    found = {key: arrays[prefix + key] for key in keys if prefix + key in arrays}
    return {key.replace("metric", metric): values for key, values in found.items()}


def cautions(schema, metric, reached, base) -> dict:
    """What a reader of the metrics must know, where there is something to know.

    reached: by the K-fold. base: by the baseline in its folds.
    """
    useless = {} if metric.beats(reached, base) else {"baseline": base}
    known = {"split": schema.split, "traps": schema.traps | useless}
    return {key: value for key, value in known.items() if value not in ("random", {})}


def fold_tables(folds, rows, curves, metric):
    """The curves of all replicas as two frames: of each fold the last epoch, and all epochs.

    rows: (training rows,) their numbers in the file.
    """
    repeats, k = len(folds), int(folds.max()) + 1
    sizes = {"repeat": repeats, "fold": k, "epoch": curves["loss"].shape[1]}
    index = pd.MultiIndex.from_product([range(1, n + 1) for n in sizes.values()], names=sizes)
    frame = index.to_frame(index=False)
    frame = frame.assign(**{name: values.ravel() for name, values in curves.items()})
    last = frame[frame.epoch == sizes["epoch"]]
    held_out = [rows[of_repeat == fold] for of_repeat in folds for fold in range(k)]
    columns = {
        "rows": [len(each) for each in held_out],
        # A fingerprint of the row numbers: folds with the same one can be compared.
        "held_out": [f"{zlib.crc32(each.astype('<i8').tobytes()):08x}" for each in held_out],
        "loss": last.val_loss,
        metric: last[f"val_{metric}"],
    }
    return last[["repeat", "fold"]].assign(**columns), frame


def rounded(values):
    """Nested values, rounded, in the order of their names. Raises FloatingPointError for NaN."""
    if isinstance(values, dict):
        return {name: rounded(values[name]) for name in sorted(values)}
    if isinstance(values, (float, np.floating)):
        stop_if_not_finite(values)
        return round(float(values), DECIMALS)
    return values


def stop_if_not_finite(*values):
    """Raise FloatingPointError for the first number, or array, that is not finite."""
    for array in map(np.asarray, values):
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            raise FloatingPointError(
                f"a metric is no number but {array[~finite][0]}; `dvc repro --force` trains anew"
            )


def csv(frame) -> bytes:
    """The frame as CSV with numbers of six significant digits."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()


def evaluate(title, unit, origin, schema, rows, targets, test, kfold):
    """The content of the metrics file, and the files for the folder beside it: {name: bytes}.

    origin: `source` of params.yaml. rows: the numbers of the training rows. targets: of training
    and of test rows, of which there may be none. title, unit: of the data set. test: predictions
    (seeds, rows, outputs), parameters and epochs of the final fits, the quantity that the loss
    measures, a summary of the network and, by epoch, the history.loss, ... of the exploring fit.
    kfold: folds (repeats, rows), predictions (repeats, rows, outputs) and, as (replicas, epochs)
    arrays, loss, metric, val_loss and val_metric; of a table also `reference`, see that function.

    Raises FloatingPointError where something is no number.
    """
    stop_if_not_finite(*test.values(), *kfold.values())
    task, (y_train, y_test), quantity = schema.task, targets, str(test["quantity"])
    loss, main, predictions = LOSSES[quantity], main_metric(task), test["predictions"]
    history, curves = curves_of(test, main.name, "history."), curves_of(kfold, main.name)
    repeats, k = len(kfold["folds"]), int(kfold["folds"].max()) + 1
    sizes = {key: int(test[key]) for key in ("epochs", "parameters")}
    last, by_epoch = fold_tables(kfold["folds"], rows, curves, main.name)
    found = {
        "baseline": baseline(task, y_train, y_test),
        "kfold": of_folds(last, k, (main, loss)),
        "network": sizes | {"loss": quantity},
        "source": origin,
    }
    if len(y_test):
        found["test"] = over_seeds(metrics_of(task, quantity), y_test, predictions)
    if "reference" in kfold:
        found["reference"] = reference(main, y_train, kfold["reference"], kfold["folds"][0])
    reached, base = found["kfold"][main.name]["mean"], constant(task, y_train, kfold["folds"][0])
    found |= cautions(schema, main, reached, base)
    fit = "final fit"
    if "val_loss" in history:
        fit, best = "exploring fit", int(history["val_loss"].argmin())
        found["validation"] = {"best_epoch": best + 1, "loss": history["val_loss"][best]}
    title += "" if origin == "official" else " (SYNTHETIC stand-in)"
    axes = {m.name: pictures.Axis(m.axis(unit), m.higher_is_better) for m in (loss, main)}
    kind, of, *judged = judged_rows(targets, predictions, kfold)
    pairs, ensemble = outcome(schema, *judged), f"{len(judged[1])} {of}"
    return rounded(found), {
        "history.csv": csv(pd.DataFrame({"epoch": range(1, len(history["loss"]) + 1)} | history)),
        "folds.csv": csv(last),
        "fold_curves.csv": csv(by_epoch),
        "test.csv": csv(pairs),
        "test_rows.csv": csv(by_row(task, y_test, predictions)),
        "network.txt": str(test["summary"]).encode(),
        "history.png": pictures.history(f"{title}: {fit}", history, axes),
        "folds.png": pictures.folds(f"{title}: {k} folds x {repeats} repeats", curves, axes),
        "test.png": drawn_outcome(title, unit, schema, pairs, kind, ensemble),
    }


def judged_rows(targets, predictions, kfold):
    """Rows whose predictions are drawn: test or held-out ones, of seeds or of repeats; targets,
    (rows,); predictions, (seeds or repeats, rows, outputs).

    They are the test rows or, where there are none, those that folds hold out.
    """
    if len(targets[1]):
        return "test", "seeds", targets[1], predictions
    held_out = kfold["folds"][0] >= 0
    return "held-out", "repeats", targets[0][held_out], kfold["predictions"][:, held_out]


def drawn_outcome(title, unit, schema, pairs, kind, ensemble) -> bytes:
    """The picture of what an ensemble predicted, from the frame that `outcome` gives."""
    title = f"{title}: {kind} rows, ensemble of {ensemble}"
    if schema.task.classifies:
        counts = confusion_counts(pairs, len(schema.classes))
        return pictures.confusion(title, counts, schema.classes)
    predicted = {f"{kind} row": pairs.predicted.to_numpy()}
    return pictures.predicted_against_actual(title, pairs.actual.to_numpy(), predicted, unit)


def main(name):
    """Run the stage for one data set."""
    start, origin, source = time.time(), params.load().source, sources.read(name)
    paths = f"data/arrays/{name}.npz", f"data/models/{name}/test.npz", f"data/folds/{name}.npz"
    prepared, test, kfold = (arrays.stored(Path(path)) for path in paths)
    schema, targets = Schema.unpack(prepared), (prepared["y_train"], prepared["y_test"])
    rows = Keys.unpack(prepared).rows
    found, files = evaluate(source.title, source.unit, origin, schema, rows, targets, test, kfold)
    files[f"../{name}.json"] = (json.dumps(found, indent=2, allow_nan=False) + "\n").encode()
    with ExitStack() as stack:  # all take their places at its end, or none where the disk is full
        for file, content in files.items():
            path = Path("metrics", name, file).resolve()
            stack.enter_context(whole(path)).write_bytes(content)
    chosen = main_metric(schema.task)
    metric = chosen.name
    folds, tested = found["kfold"][metric], found.get("test")
    interval = f"{folds['mean']:.4f} ({folds['low']:.4f} to {folds['high']:.4f})"
    said = f"test {metric} {tested[metric]['mean']:.4f}" if tested else "no test rows"
    said += f", K-fold {metric} {interval}, {len(targets[1]):,} test rows"
    print(f"evaluate {name}: {said}, {origin} data, in {time.time() - start:.1f} s")
    for line in traps.sentences(found.get("traps", {})):
        print(f"evaluate {name}: TAKE CARE: {line}")


if __name__ == "__main__":
    run(main)
