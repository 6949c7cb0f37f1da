"""The pictures of a review's page, drawn with the parts of those of the evaluation."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from stages.core.judge import pictures
from stages.core.judge.metrics import METRICS
from stages.core.judge.pictures import BLUE, GREY, ORANGE, WIDTH, Arrays, Axis
from stages.core.judge.predictions import class_names, confusion_counts
from tools.review.verdicts import Reviewed

POINTS = 20  # percentage points where the colours of a difference end, the same in all reviews


def differences(dataset: Reviewed) -> dict[str, bytes]:
    """{what it shows: PNG} of the difference of each fold; empty where nothing is compared."""
    if dataset.obstacle or dataset.unchanged:
        return {}
    metric, title = dataset.about.metric, dataset.about.source.title
    found = dataset.comparisons[metric.name]
    drawing = fold_differences(
        f"{title}: difference in {metric.name} of each fold, head - base",
        dataset.differences(metric),
        (found.low, found.high),
        dataset.head.equivalent_within,
        Axis(metric.axis(dataset.about.source.unit), metric.higher_is_better),
    )
    return {"Each fold's difference": drawing}


def others(dataset: Reviewed) -> dict[str, bytes]:
    """{what it shows: PNG} of the curves and the predictions; empty where nothing is compared."""
    if dataset.obstacle or dataset.unchanged:
        return {}
    base, head, title = *dataset.sides, dataset.about.source.title
    sides = {f"base: {base.revision.name}": base, f"head: {head.revision.name}": head}
    unit = dataset.about.source.unit
    losses = [each for each in dataset.metrics if each.name == "loss"]
    recorded = [*losses, METRICS[dataset.about.task.trained]]  # by epoch, in training
    axes = {m.name: Axis(m.axis(unit), m.higher_is_better) for m in recorded}
    result = {}
    if shown := {name: axis for name, axis in axes.items() if _has_curves(dataset, name)}:
        columns = [f"val_{name}" for name in shown]
        curves = {name: _curves(side.curves, columns) for name, side in sides.items()}
        result["K-fold curves"] = compared_folds(f"{title}: held-out rows by epoch", curves, shown)
    if base.outcome is None or head.outcome is None:
        return result
    if dataset.about.task.classifies:
        names = class_names([base.outcome, head.outcome])
        counts = [confusion_counts(side.outcome, len(names)) for side in sides.values()]
        title += ": predictions of the ensemble for the test rows, head - base"
        result["Confusion, head - base"] = confusion_difference(title, *counts, names)
    elif base.outcome.actual.equals(head.outcome.actual):
        actual = base.outcome.actual.to_numpy()
        predicted = {name: side.outcome.predicted.to_numpy() for name, side in sides.items()}
        drawing = pictures.predicted_against_actual(
            f"{title}: test rows, ensemble", actual, predicted, unit
        )
        result["Predicted against actual"] = drawing
    return result


def _has_curves(dataset, metric):
    tables = [side.curves for side in dataset.sides]
    return all(table is not None and f"val_{metric}" in table for table in tables)


def _curves(frame, columns):
    """{column: (replicas, epochs)} from fold_curves.csv."""
    return {name: frame[name].to_numpy().reshape(-1, int(frame.epoch.max())) for name in columns}


def compared_folds(title: str, sides: dict[str, Arrays], axes: dict[str, Axis]) -> bytes:
    """Held-out loss and metric by epoch of two experiments: mean and middle 80 % of the folds.

    sides: {experiment: (replicas, epochs) arrays under "val_" and the names of `axes`}, base first.
    axes: of "loss" and of a metric, or of the metric alone, by name.
    """
    looks = (ORANGE, "--"), (BLUE, "-")
    pairs = zip(sides.items(), looks, strict=True)
    lines = [(arrays, "val_", *look, side) for (side, arrays), look in pairs]
    return pictures.lines_by_epoch(title, axes, lines, 1)


def confusion_difference(title: str, base: np.ndarray, head: np.ndarray, names=()) -> bytes:
    """Change in the share of each actual class that is predicted as each class.

    base, head: (classes, classes) counts. names: of the classes, or none.
    """
    points = np.ma.masked_array(
        100 * (pictures.shares(head) - pictures.shares(base)), base + head == 0
    )
    cell = "{:+.2f}\n{:+,} rows"
    bar = "head - base, percentage points\n(better: + on the diagonal, - beside it)"
    cmap = LinearSegmentedColormap.from_list("change", (ORANGE, "#ffffff", BLUE))
    colours = {"cmap": cmap, "vmin": -POINTS, "vmax": POINTS}
    return pictures.matrix(title, points, head - base, cell, 0.6 * POINTS, names, bar, **colours)


def fold_differences(title: str, differences, interval, within, says: Axis) -> bytes:
    """A dot for each fold's difference head - base, by repeat; below, the mean and its interval.

    differences: (repeats, k). interval: (low, high), 95 %. within: half the width of the band of
    differences that are too small to matter, or None. says: what the axis says.
    """
    repeats = len(differences)
    figure = Figure(figsize=(WIDTH, 2.8 + 0.18 * repeats))
    figure.suptitle(title)
    axis = figure.subplots()
    if within:
        small = f"too small to matter (equivalent_within: {within:g})"
        axis.axvspan(-within, within, color=GREY, alpha=0.15, lw=0, label=small)
    axis.axvline(0, color=GREY, lw=1)
    rows = np.repeat(np.arange(1, repeats + 1), differences.shape[1])
    axis.plot(differences.ravel(), rows, "o", color=BLUE, ms=6, alpha=0.7, label="a fold")
    mean, (low, high), label = differences.mean(), interval, "mean of the folds, 95 % interval"
    bar = {"fmt": "D", "color": ORANGE, "capsize": 4, "lw": 2, "label": label}
    axis.errorbar(mean, repeats + 1, xerr=[[mean - low], [high - mean]], **bar)
    better, side = "← head is better", "left"
    if says.higher_is_better:
        better, side = "head is better →", "right"
    axis.set_title(better, loc=side, fontsize=9, color=GREY)
    axis.set(xlabel=f"{says.label}: head - base", ylabel="repeat", ylim=(repeats + 1.7, 0.3))
    shown = range(1, repeats + 1, max(1, repeats // 10))
    axis.set_yticks([*shown, repeats + 1], [*map(str, shown), "mean"])
    pictures.legend(figure, axis, 3)
    return pictures.png(figure)
