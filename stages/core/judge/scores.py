"""What is reached in each metric: by seeds on the test rows, by fits in their folds, and by answers
that look at no feature.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pandas as pd

from stages.core.judge.metrics import LOSSES, METRICS, Metric, main_metric
from stages.core.judge.variance import SINGLE, by_folds, by_parts

FEW, MORE = 5, "more folds"  # in which a metric is undefined: told one by one, and how many others


class Undefined(ValueError):
    """The main metric is not defined for all rows that it must judge."""


def metrics_of(task, quantity) -> list[Metric]:
    """What is told of a model. quantity: what its loss measures."""
    return [LOSSES[quantity], *(METRICS[name] for name in task.metrics)]


def scores(metrics, targets, predictions) -> dict[str, float]:
    """The metrics of a model, as far as they are defined.

    targets: (rows,) classes or numbers. predictions: (rows, outputs) probabilities or numbers.
    """
    found = {metric.name: metric.of(targets, predictions) for metric in metrics}
    return {name: value for name, value in found.items() if value is not None}


def over_seeds(metrics, targets, predictions) -> dict[str, dict]:
    """Each metric as mean and standard deviation over the seeds, and of their ensemble; or why it
    is undefined.

    predictions: (seeds, rows, outputs). A single seed has no standard deviation.
    """
    table = pd.DataFrame([scores(metrics, targets, of_seed) for of_seed in predictions])
    ensemble = scores(metrics, targets, predictions.mean(axis=0))
    found = {name: {"ensemble": ensemble[name], "mean": table[name].mean()} for name in table}
    if len(table) > 1:
        for name in table:
            found[name]["std"] = table[name].std()
    gaps = {metric.name: metric.undefined(targets, predictions[0]) for metric in metrics}
    return found | {name: {"undefined": gap} for name, gap in gaps.items() if gap}


def held_out(folds) -> Iterator[tuple[int, int, np.ndarray]]:
    """Repeat and fold, from 0, and the rows that it holds out as (rows,) bool, of each fold."""
    for repeat, dealt in enumerate(folds):
        for fold in range(int(folds.max()) + 1):
            yield repeat, fold, dealt == fold


def of_fits(metrics, targets, folds, predictions) -> dict[str, np.ndarray]:
    """Each metric of each fit, for the rows that it holds out: (repeats, seeds, k), NaN where it is
    undefined.

    targets: (rows,). folds: (repeats, rows). predictions: (repeats, seeds, rows, outputs).
    """
    shape = (*predictions.shape[:2], int(folds.max()) + 1)  # wider than int16
    found = {metric.name: np.full(shape, np.nan) for metric in metrics}
    for repeat, fold, rows in held_out(folds):
        for seed, of_seed in enumerate(predictions[repeat]):
            for name, value in scores(metrics, targets[rows], of_seed[rows]).items():
                found[name][repeat, seed, fold] = value
    return found


def undefined(metric, targets, folds, predictions) -> dict[str, str]:
    """Why a metric is undefined in a fold: {"repeat 1, fold 3": "no rows of class 2", ...}.

    Arguments as of `of_fits`; seeds and what they predict do not matter.
    """
    gaps = {
        f"repeat {repeat + 1}, fold {fold + 1}": metric.undefined(targets[rows], predictions[0, 0])
        for repeat, fold, rows in held_out(folds)
    }
    return {place: gap for place, gap in gaps.items() if gap}


def over_folds(metric, values, gaps, rows=None, alike=False) -> dict:
    """Mean over all fits, its 95 % interval, and the standard deviation of folds: of a metric.

    values: (repeats, seeds, k). gaps: of `undefined`; where there are some, {"undefined": some of
    them and how many more} is all. rows: the metric by row, folds and groups, as `by_parts` takes
    them; without it the interval is that of `by_folds`. alike: whether all repeats hold out the
    same rows, as in time: they are further seeds.
    """
    if gaps:
        if len(gaps) == values[:, 0].size and len(set(gaps.values())) == 1:
            return {"undefined": {"every fold": next(iter(gaps.values()))}}
        more = {MORE: len(gaps) - FEW} if len(gaps) > FEW else {}
        return {"undefined": dict(islice(gaps.items(), FEW)) | more}
    mean, std = values.mean(), np.std(values.mean(axis=1), ddof=1)
    values = values.reshape(1, -1, values.shape[2]) if alike else values
    bounds = {"bounds": metric.bounds}
    found = by_parts(*rows, kappa=SINGLE, **bounds) if rows else by_folds(values, **bounds)
    return {"high": found.high, "low": found.low, "mean": mean, "std": std}


def at(curves, epochs) -> np.ndarray:
    """Curves (repeats, seeds, k, epochs) at an epoch from 0 that is given for each fold, in a shape
    that goes with (repeats, seeds, k): (repeats, seeds, k) float64.
    """
    kept = np.broadcast_to(epochs, curves.shape[:3])[..., None]
    return np.take_along_axis(curves, kept, axis=3)[..., 0].astype("float64")


def chosen_epochs(task, kfold) -> dict:
    """The epochs that folds got from the others by loss, how many folds got the last there was, and
    how much better the loss and the metric of training would look had the same rows chosen and
    judged; empty where the epochs were given.
    """
    if "naive" not in kfold:
        return {}
    epochs, naive = kfold["epochs"], kfold["naive"][:, None, None] - 1
    found = {"least": int(epochs.min()), "mean": epochs.mean(), "most": int(epochs.max())}
    found["limit"] = limit = kfold["val_loss"].shape[-1]
    found |= {"folds": epochs.size, "folds_at_limit": int((epochs == limit).sum())}
    for name, key in (("loss", "val_loss"), (task.trained, "val_metric")):
        gain = (at(kfold[key], naive) - at(kfold[key], epochs[:, None] - 1)).mean()
        better = name != "loss" and METRICS[name].higher_is_better
        found[f"optimism_{name}"] = gain if better else -gain
    return {"chosen_epochs": found}


def cut_short(chosen: dict) -> str:
    """For people: that folds might do better with more epochs than there were, or "".

    chosen: the `chosen_epochs` of a metrics file; may be of older code, or empty.
    """
    folds, limit = chosen.get("folds"), chosen.get("limit")
    if not (at_limit := chosen.get("folds_at_limit")):
        return ""
    return (
        f"{at_limit} of {folds} folds are judged after the last of {limit} epochs, where the loss "
        "of the others was lowest; more might be better: raise final.exploring_epochs"
    )


def gaps(told: dict) -> str:
    """For people: why a metric is undefined, as `over_folds` or `over_seeds` tells it, or ""."""
    why = told.get("undefined", "")
    if isinstance(why, str):
        return why
    last = sorted(why.items(), key=lambda gap: gap[0] == MORE)  # names are sorted in the file
    return "; ".join(f"{at}: {gap}" for at, gap in last)


def check(metric, told, rows):
    """Raise Undefined where the main metric is undefined.

    told: as of `gaps`. rows: those that it must judge, for people.
    """
    if why := gaps(told):
        raise Undefined(
            f"expected first the name of a metric that is defined for {rows}, got {metric.name!r}, "
            f"which is not ({why}). Name another first, or divide the rows otherwise"
        )


def of_rows(metric, targets, predictions) -> np.ndarray | None:
    """A metric of each row: (fits, rows) float64; None where it is no mean over rows.

    targets: (rows,). predictions: (fits, rows, outputs).
    """
    if not metric.by_row:
        return None
    return np.array([metric.rows(targets, of_fit) for of_fit in predictions], "float64")


def of_held_out_rows(metric, targets, folds, predictions) -> np.ndarray | None:
    """As `of_rows`, (repeats, seeds, rows), with 0 where no fold holds a row out; see `of_fits`."""
    if not metric.by_row:
        return None
    found = np.zeros(predictions.shape[:3])
    for repeat, dealt in enumerate(folds):
        held = dealt >= 0
        found[repeat][:, held] = of_rows(metric, targets[held], predictions[repeat][:, held])
    return found


def baseline(schema, y_train, y) -> dict[str, float]:
    """The main metric where each answer is the shares of the classes, or the mean, of the training
    rows; so the class that is predicted is the most frequent one.

    y_train: of the training rows. y: of those that judge, for which the metric must be defined.
    """
    metric, answer = main_metric(schema.task), np.array([y_train.mean()])
    if schema.task.classifies:
        shares = np.bincount(y_train, minlength=len(schema.classes)) / len(y_train)
        answer = shares[-schema.outputs :]
    return {metric.name: float(metric.of(y, np.tile(answer, (len(y), 1))))}


def constant(schema, y, folds) -> float:
    """What the baseline reaches in the folds of a repeat: the mean of the main metric.

    folds: (rows,); where some are below 0, folds follow each other in time.
    """
    k, values = int(folds.max()) + 1, []
    for fold in range(k):
        earlier = (fold - k <= folds) & (folds < fold)
        train = earlier if folds.min() < 0 else folds != fold
        values += baseline(schema, y[train], y[folds == fold]).values()
    return float(np.mean(values))


def reference(metric, targets, predictions, folds) -> dict[str, float]:
    """What other learners than networks reach: the mean of a metric over the folds of a repeat.

    targets: (rows,). predictions: (rows, outputs). folds: (rows,), below 0 where none holds out.
    """
    values = [
        metric.of(targets[rows], predictions[rows]) for _, _, rows in held_out(folds[np.newaxis])
    ]
    return {metric.name: float(np.mean(values))}
