"""Predictions -> metrics and pictures, without TensorFlow -> metrics/<dataset>.json and a folder.

Metrics are rounded to four decimals: the last digits of a training differ between processors.
"""

import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from stages.core.data import arrays, traps
from stages.core.data.schema import Schema
from stages.core.data.splits import Keys
from stages.core.declared import params, sources
from stages.core.judge import pictures, row_metrics, scores
from stages.core.judge.metrics import METRICS, main_metric
from stages.core.judge.predictions import classes, confusion_counts, judged_rows
from stages.core.judge.tables import DECIMALS, as_json, csv, rounded, stop_if_not_finite
from stages.core.judge.variance import inseparable
from stages.core.run.files import write
from stages.core.run.stage import run


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


def test_rows(metric, targets, predictions) -> pd.DataFrame:
    """A metric of each test row for each seed: (rows, seeds); no rows where it is no such mean."""
    values = scores.of_rows(metric, targets, predictions)
    names = [f"seed_{seed}" for seed in range(len(predictions))]
    return pd.DataFrame(() if values is None else values.T.round(DECIMALS), columns=names)


def curves_of(arrays, metric, prefix="") -> dict[str, np.ndarray]:
    """Curves that a training left, by epoch, as tables call them: loss, val_accuracy, ..."""
    keys = ("loss", "val_loss", "metric", "val_metric")
    found = {key: arrays[prefix + key] for key in keys if prefix + key in arrays}
    return {key.replace("metric", metric): values for key, values in found.items()}


def validation(history) -> dict:
    """The best epoch of the exploring fit, from 1, and its loss; empty where there was none."""
    if "val_loss" not in history:
        return {}
    best = int(history["val_loss"].argmin())
    return {"validation": {"best_epoch": best + 1, "loss": history["val_loss"][best]}}


def cautions(schema, metric, reached, base) -> dict:
    """What a reader of the metrics must know, where there is something to know.

    reached: by the K-fold. base: by the baseline in its folds.
    """
    useless = {} if metric.beats(reached, base) else {"baseline": base}
    known = {"split": schema.split, "traps": schema.traps | useless}
    return {key: value for key, value in known.items() if value not in ("random", {})}


def fold_table(folds, rows, epochs, values) -> pd.DataFrame:
    """A line for each fit: repeat, seed and fold from 1, the epoch and the rows that it is judged
    on, and the metrics.

    folds: (repeats, training rows). rows: (training rows,) their numbers in the file. epochs:
    (repeats, k). values: by name, (repeats, seeds, k).
    """
    shape = next(iter(values.values())).shape
    frame = numbered(repeat=shape[0], seed=shape[1], fold=shape[2])
    judged = [rows[held] for _, _, held in scores.held_out(folds)]
    of_folds = {
        "epoch": epochs,
        "rows": [len(each) for each in judged],
        # A fingerprint of the row numbers: folds with the same one can be compared.
        "held_out": [f"{zlib.crc32(each.astype('<i8').tobytes()):08x}" for each in judged],
    }
    for name, column in of_folds.items():
        by_fold = np.reshape(column, (shape[0], 1, shape[2]))
        frame[name] = np.broadcast_to(by_fold, shape).ravel()
    return frame.assign(**{name: of_fits.ravel() for name, of_fits in values.items()})


def curve_table(curves) -> pd.DataFrame:
    """A line for each epoch of each fold of each repeat. curves: by name, (repeats, k, epochs)."""
    repeats, k, epochs = curves["loss"].shape
    frame = numbered(repeat=repeats, fold=k, epoch=epochs)
    return frame.assign(**{name: values.ravel() for name, values in curves.items()})


def numbered(**sizes) -> pd.DataFrame:
    """A line for each combination of numbers from 1 to these sizes, the last changing fastest."""
    index = pd.MultiIndex.from_product([range(1, n + 1) for n in sizes.values()], names=sizes)
    return index.to_frame(index=False)


def evaluate(title, unit, origin, schema, keys, targets, test, kfold):
    """The content of the metrics file, and the files for the folder beside it: {name: bytes}.

    origin: `source` of params.yaml. schema: with the metrics that were chosen. keys: of the
    training rows. targets: of training and of test rows, of which there may be none. title, unit:
    of the data set. test: predictions (seeds, rows, outputs), parameters and epochs of the final
    fits, the quantity that the loss measures, a summary of the network and, by epoch, the
    history.loss, ... of the exploring fit. kfold: as data/folds/<dataset>.npz has it.

    Raises FloatingPointError where something is no number, and Undefined where the main metric is.
    """
    stop_if_not_finite(*test.values(), *kfold.values())
    task, (y_train, y_test), quantity = schema.task, targets, str(test["quantity"])
    metrics, main, folds = scores.metrics_of(task, quantity), main_metric(task), kfold["folds"]
    history, predictions = curves_of(test, task.trained, "history."), test["predictions"]
    curves = {name: each.mean(axis=1) for name, each in curves_of(kfold, task.trained).items()}
    values, of_folds = folds_judged(metrics, y_train, keys.group, kfold)
    kind, of, *judged = judged_rows(targets, predictions, kfold)
    scores.check(main, {"undefined": main.undefined(judged[0], predictions[0])}, f"the {kind} rows")
    sizes = {key: int(test[key]) for key in ("epochs", "parameters")}
    found = {
        "baseline": scores.baseline(schema, y_train, judged[0]),
        "kfold": of_folds | {"replicas": values["loss"].size},
        "network": sizes | {"loss": quantity},
        "source": origin,
    }
    if len(y_test):
        found["test"] = scores.over_seeds(metrics, y_test, predictions)
    if "reference" in kfold:
        found["reference"] = scores.reference(main, y_train, kfold["reference"], folds[0])
    base = scores.constant(schema, y_train, folds[0])
    found |= cautions(schema, main, of_folds[main.name]["mean"], base)
    found |= validation(history) | scores.chosen_epochs(task, kfold)
    by_row = scores.of_held_out_rows(main, y_train, folds, kfold["predictions"])
    title += "" if origin == "official" else " (SYNTHETIC stand-in)"
    recorded = metrics[0], METRICS[task.trained]  # by epoch in training, whatever was chosen
    axes = {m.name: pictures.Axis(m.axis(unit), m.higher_is_better) for m in recorded}
    pairs, ensemble = outcome(schema, *judged), f"{len(judged[1])} {of}"
    return rounded(found), {
        "history.csv": csv(pd.DataFrame({"epoch": range(1, len(history["loss"]) + 1)} | history)),
        "folds.csv": csv(fold_table(folds, keys.rows, kfold["epochs"], values)),
        "fold_curves.csv": csv(curve_table(curves)),
        **row_metrics.pack(by_row, folds, keys.group),
        "test.csv": csv(pairs),
        "test_rows.csv": csv(test_rows(main, y_test, predictions)),
        "network.txt": str(test["summary"]).encode(),
        "history.png": drawn_history(title, history, axes),
        "folds.png": drawn_folds(title, curves, values["loss"].shape[1], axes),
        "test.png": drawn_outcome(title, unit, schema, pairs, kind, ensemble),
    }


def folds_judged(metrics, targets, groups, kfold) -> tuple[dict, dict]:
    """Each metric of each fit, {name: (repeats, seeds, k)}, and over all folds; the loss by the
    curve, at the epoch that a fold's predictions are of.

    groups: (rows,), or None. Raises Undefined where that is the main metric, which follows the
    loss.
    """
    folds, predictions, kept = kfold["folds"], kfold["predictions"], kfold["epochs"][:, None] - 1
    loss, main, *_ = metrics
    values = {loss.name: scores.at(kfold["val_loss"], kept)}
    values |= scores.of_fits(metrics[1:], targets, folds, predictions)
    apart = not inseparable(folds, predictions.shape[1], groups)
    alike = bool((folds == folds[0]).all())
    over = {}
    for metric in metrics:
        gaps, found = scores.undefined(metric, targets, folds, predictions), values[metric.name]
        rows = None
        if apart and metric.by_row and not gaps:
            rows = scores.of_held_out_rows(metric, targets, folds, predictions), folds, groups
        over[metric.name] = scores.over_folds(metric, found, gaps, rows, alike)
    scores.check(main, over[main.name], "each fold")
    return values, over


def drawn_history(title, history, axes) -> bytes:
    """The picture of the exploring fit or, where there was none, of a final one."""
    fit = "exploring fit" if "val_loss" in history else "final fit"
    return pictures.history(f"{title}: {fit}", history, axes)


def drawn_folds(title, curves, seeds, axes) -> bytes:
    """The picture of the curves, (repeats, k, epochs), of which each is a mean over so many."""
    repeats, k, epochs = curves["loss"].shape
    title = f"{title}: {k} folds x {repeats} repeats"
    title += f" x {seeds} seeds" if seeds > 1 else ""
    by_fold = {name: values.reshape(-1, epochs) for name, values in curves.items()}
    return pictures.folds(title, by_fold, axes)


def drawn_outcome(title, unit, schema, pairs, kind, ensemble) -> bytes:
    """The picture of what an ensemble predicted, from the frame that `outcome` gives."""
    title = f"{title}: {kind} rows, ensemble of {ensemble}"
    if schema.task.classifies:
        counts = confusion_counts(pairs, len(schema.classes))
        return pictures.confusion(title, counts, schema.classes)
    predicted = {f"{kind} row": pairs.predicted.to_numpy()}
    return pictures.predicted_against_actual(title, pairs.actual.to_numpy(), predicted, unit)


def told(found, task, tests) -> Iterator[str]:
    """What is said of the content of a metrics file: a line, and others where something is odd.

    tests: rows of the test.
    """
    main, folds, tested = task.metric, found["kfold"][task.metric], found.get("test")
    interval = f"{folds['mean']:.4f} ({folds['low']:.4f} to {folds['high']:.4f})"
    said = f"test {main} {tested[main]['mean']:.4f}" if tested else "no test rows"
    yield f"{said}, K-fold {main} {interval}, {tests:,} test rows, {found['source']} data"
    for place in ("kfold", "test"):
        for name in task.metrics:
            if why := scores.gaps(found.get(place, {}).get(name, {})):
                yield f"{name} is undefined ({place}): {why}"
    if chosen := found.get("chosen_epochs"):
        epochs = f"{chosen['least']} to {chosen['most']} epochs, chosen on the other folds by loss"
        more = f"{chosen['optimism_loss']:.4f} in loss"
        more += f", {chosen[f'optimism_{task.trained}']:.4f} in {task.trained}"
        yield f"judged after {epochs}; choosing on its own rows would look better by {more}"
        final = found["network"]["epochs"]
        yield f"the final networks train {final} epochs (final.epochs), whatever the folds chose"
        if why := scores.cut_short(chosen):
            yield f"TAKE CARE: {why}"
    for line in traps.sentences(found.get("traps", {})):
        yield f"TAKE CARE: {line}"


def main(name):
    """Run the stage for one data set."""
    start, chosen, source = time.time(), params.load(), sources.read(name)
    paths = f"data/arrays/{name}.npz", f"data/models/{name}/test.npz", f"data/folds/{name}.npz"
    prepared, test, kfold = (arrays.stored(Path(path)) for path in paths)
    task, targets = chosen.datasets[name].task, (prepared["y_train"], prepared["y_test"])
    schema, keys = replace(Schema.unpack(prepared), task=task), Keys.unpack(prepared)
    about = source.title, source.unit, chosen.source
    try:
        found, files = evaluate(*about, schema, keys, targets, test, kfold)
    except scores.Undefined as error:
        at = f"params.yaml: datasets.{name}.data.metrics"
        raise SystemExit(f"{at}: {error}. Nothing was written.") from None
    contents = {Path("data/rows") / f"{name}.npz": files.pop("rows.npz")}
    contents |= {Path("metrics", name, file): content for file, content in files.items()}
    contents[Path("metrics") / f"{name}.json"] = as_json(found)
    write(contents)
    first, *others = told(found, task, len(targets[1]))
    for line in (f"{first}, in {time.time() - start:.1f} s", *others):
        print(f"evaluate {name}: {line}")


if __name__ == "__main__":
    run(main)
