"""Figures of the evaluation. Pure: arrays in, PNG bytes out, the same bytes for the same arrays.

The templates of `dvc plots` (.dvc/plots) draw the same way: training rows dotted and rows held out
as a line, the mean and the middle 80 % of the folds, the y axis as `_limits` says; actual classes
downwards and predicted ones to the right.
"""

import io
import os

os.environ.pop(
    "MPLBACKEND", None
)  # what a notebook sets need not be installed here, and nothing is shown
import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

matplotlib.rcdefaults()  # the user's matplotlibrc would change every figure

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#595959"
SHARES = (
    "#ffffff",
    "#6baed6",
    "#08306b",
)  # of 0, 0.5 and 1: the darker the more, so colour-blind readers see it too
WIDTH = 8.0  # inches: the text of a figure stays readable when a page shows it 800 pixels wide
FEW = 12  # classes of a matrix whose cells have room for numbers
POINTS = 20  # percentage points, where the colours of a difference end: the same in all reviews, half a point is pale


def png(figure) -> bytes:
    """The figure as PNG, without the version of matplotlib in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def _panels(title, columns=2, height=3.9):
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _legend(figure, axis, ncols, note="", size=9):
    handles, kinds = axis.get_legend_handles_labels()
    where = {"loc": "outside lower center", "ncols": ncols, "frameon": False, "fontsize": size}
    figure.legend(handles, [kind + note for kind in kinds], **where)


def _epoch_axis(axis, name, label, curves):
    axis.set_xlabel("epoch")
    axis.set_ylabel(
        label.replace(" (", "\n(")
    )  # the unit below: one line of both can be longer than the axis
    better = "↑ higher is better" if name == "accuracy" else "↓ lower is better"
    axis.set_title(better, fontsize=9, color=GREY, loc="right")
    axis.set_ylim(*_limits(curves))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.25)


def _limits(curves):
    """Ends of a y axis that holds all that is drawn or, where the first fifth of the epochs would
    take more than two thirds of it, what is drawn after them.

    curves: arrays whose last axis is the epochs. The first loss can be a hundred times the last.
    """
    later = [curve[..., curve.shape[-1] // 5 :] for curve in curves]
    whole, later = ((min(map(np.min, part)), max(map(np.max, part))) for part in (curves, later))
    low, high = whole if np.ptp(whole) <= 3 * np.ptp(later) else later
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _mean_and_middle(axis, values, colour, style, label):
    """Draw the mean and the middle 80 % of `values`, (replicas, epochs), by epoch -> what is drawn, (3, epochs)."""
    epochs = np.arange(1, values.shape[1] + 1)
    mean, (low, high) = values.mean(axis=0), np.quantile(values, [0.1, 0.9], axis=0)
    axis.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)
    axis.plot(epochs, mean, style, color=colour, lw=2, label=label)
    return np.stack([low, mean, high])


def history(title: str, columns: dict[str, np.ndarray], labels: dict[str, str]) -> bytes:
    """Loss and metric by epoch: training rows as dots, validation rows as a line, as the tutorial draws them.

    labels: the two figures, "loss" and a metric, with the label of their axis.
    columns: (epochs,) arrays under the names of the figures and, where rows are held out, with "val_" before them.
    """
    figure, axes = _panels(title)
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        curves = [columns[key] for key in (name, f"val_{name}") if key in columns]
        epochs = np.arange(1, len(curves[0]) + 1)
        axis.plot(epochs, curves[0], "o", ms=4, color=GREY, label="training rows")
        for curve in curves[1:]:
            axis.plot(epochs, curve, color=BLUE, lw=2, label="validation rows")
        _epoch_axis(axis, name, label, curves)
    if "val_loss" in columns:
        best = int(np.argmin(columns["val_loss"]))
        marker = {"color": ORANGE, "ms": 9, "label": "lowest validation loss"}
        axes[0].plot(best + 1, columns["val_loss"][best], "v", **marker)
    _legend(figure, axes[0], 3, size=10)
    return png(figure)


def folds(title: str, columns: dict[str, np.ndarray], labels: dict[str, str]) -> bytes:
    """Loss and metric by epoch over all folds: mean and the band of the middle 80 % of them.

    labels: the two figures, "loss" and a metric, with the label of their axis.
    columns: (replicas, epochs) arrays under the names of the figures, alone and with "val_" before them.
    """
    training, held_out = (GREY, ":", "training rows"), (BLUE, "-", "held-out rows")
    return _folds(title, labels, [(columns, "", *training), (columns, "val_", *held_out)], 2)


def _folds(title, labels, lines, ncols):
    figure, axes = _panels(title, len(labels))
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        drawn = [
            _mean_and_middle(axis, columns[kind + name], *look) for columns, kind, *look in lines
        ]
        _epoch_axis(axis, name, label, drawn)
    count = len(next(iter(lines[0][0].values())))
    _legend(figure, axes[0], ncols, f": mean and middle 80 % of {count} folds")
    return png(figure)


def _matrix(title, values, words, names, bar, **colours):
    """Classes by classes: actual ones downwards, predicted ones to the right, so that what is right is the diagonal.

    values: masked (classes, classes), from -1 to 1 or from 0 to 1 once `colours` has scaled them. words: what a cell
    says and whether on a dark ground, (row, column) -> (str, bool). names: of the classes, or none. bar: its label.
    """
    classes = len(values)
    side = max(4.2 if classes <= 4 else 6.4, 2 + 0.155 * classes)
    figure = Figure(figsize=(max(WIDTH, side), side), layout="constrained")
    figure.suptitle(title)
    axis = figure.subplots()
    image = axis.imshow(values, interpolation="nearest", aspect="auto", zorder=1, **colours)
    for row, column in np.argwhere(~values.mask) if classes <= FEW else ():
        text, dark = words(row, column)
        colour, size = "white" if dark else "black", 10 if classes <= 4 else 8
        centred = {"ha": "center", "va": "center"}
        axis.text(column, row, text, color=colour, fontsize=size, **centred, zorder=2)
    names = names if len(names) == classes else [str(number) for number in range(classes)]
    ticks = np.arange(
        0, classes, -(-classes // 60)
    )  # of more than 60 classes, not each has room for its name
    upright = classes > FEW or classes * max(map(len, names)) > 60
    axis.set_xticks(ticks, [names[tick] for tick in ticks], rotation=90 if upright else 0)
    axis.set_yticks(ticks, [names[tick] for tick in ticks])
    axis.tick_params(labelsize=10 if classes <= FEW else 8)
    axis.set(xlabel="predicted class", ylabel="actual class (the diagonal is right)")
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)
    extend = "both" if np.abs(values).max() > image.norm.vmax else "neither"
    figure.colorbar(image, ax=axis, label=bar, extend=extend)
    return png(figure)


def _shares(counts):
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def confusion(title: str, counts: np.ndarray, names=()) -> bytes:
    """Share of each actual class (a row of `counts`, integers) that was predicted as each class.

    names: of the classes, or none.
    """
    shares = np.ma.masked_array(_shares(counts), counts == 0)

    def words(row, column):
        return f"{shares[row, column]:.3f}\n{counts[row, column]:,} rows", shares[
            row, column
        ] > 0.65

    colours = {"cmap": LinearSegmentedColormap.from_list("shares", SHARES), "vmin": 0, "vmax": 1}
    return _matrix(title, shares, words, names, "share of the actual class", **colours)


def compared_folds(
    title: str, sides: dict[str, dict[str, np.ndarray]], labels: dict[str, str]
) -> bytes:
    """Held-out loss and metric by epoch of two experiments: mean and the band of the middle 80 % of the folds.

    sides: {name of the experiment: {"val_loss": (replicas, epochs), "val_<metric>": (replicas, epochs)}}, base first.
    labels: "loss" and a metric, or the metric alone, with the label of their axis.
    """
    looks = (ORANGE, "--"), (BLUE, "-")
    pairs = zip(sides.items(), looks, strict=True)
    lines = [(columns, "val_", *look, side) for (side, columns), look in pairs]
    return _folds(title, labels, lines, 1)


def against_the_first(curves: dict[str, dict[str, np.ndarray]], labels: dict[str, str]) -> bytes:
    """A row of panels for each data set: in each the loss by epoch of one variant and, dashed, of the first.

    curves: {data set: {variant: (replicas, epochs)}}, drawn as their mean and middle 80 %. labels: {data set: label of
    the axis of its loss}.
    """
    variants = list(next(iter(curves.values())))
    size = 1.5 * WIDTH, 2.3 * len(curves) + 0.5
    figure = Figure(figsize=size, layout="constrained")
    grid = {"squeeze": False, "sharex": "row", "sharey": "row"}
    figure.suptitle("↓ lower is better", fontsize=9, color=GREY, x=1, ha="right")
    panels = figure.subplots(len(curves), len(variants) - 1, **grid)
    for row, (name, losses) in zip(panels, curves.items(), strict=True):
        drawn = []
        for axis, variant in zip(row, variants[1:], strict=True):
            drawn.append(_mean_and_middle(axis, losses[variant], BLUE, "-", "the variant"))
            first = _mean_and_middle(axis, losses[variants[0]], "black", "--", variants[0])
            axis.grid(alpha=0.25)
            axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        # What is far worse than the first leaves the panel: the others would be flat lines below it.
        _, high = _limits([first, *drawn])
        row[0].set_ylim(0.95 * min(first.min(), *map(np.min, drawn)), min(high, 3 * first[1].min()))
        row[0].set_ylabel(f"{name}\n{labels[name]}", fontsize=9)
    for top, bottom, variant in zip(panels[0], panels[-1], variants[1:], strict=True):
        top.set_title(variant)
        bottom.set_xlabel("epoch")
    _legend(figure, panels[0, 0], 2, ": mean and middle 80 % of all folds")
    return png(figure)


def fold_differences(title: str, differences, interval, within, label: str, better: str) -> bytes:
    """A dot for each fold's difference head - base, by repeat; below them their mean with its 95 % interval.

    differences: (repeats, k). interval: (low, high). within: half the width of the band of differences that are too
    small to matter, or None. label: of the axis, with the unit. better: "higher" or "lower".
    """
    repeats = len(differences)
    figure = Figure(figsize=(WIDTH, 2.8 + 0.18 * repeats), layout="constrained")
    figure.suptitle(title)
    axis = figure.subplots()
    if within:
        small = f"too small to matter (equivalent_within: {within:g})"
        axis.axvspan(-within, within, color=GREY, alpha=0.15, lw=0, label=small)
    axis.axvline(0, color=GREY, lw=1)
    for repeat, values in enumerate(differences, start=1):
        dots = {"color": BLUE, "ms": 6, "alpha": 0.7, "label": "a fold" * (repeat == 1)}
        axis.plot(values, np.full(len(values), repeat), "o", **dots)
    low, high = interval
    mean = differences.mean()
    bar = {"fmt": "D", "color": ORANGE, "capsize": 4, "lw": 2}
    bar["label"] = "mean of the folds, 95 % interval"
    axis.errorbar(mean, repeats + 1, xerr=[[mean - low], [high - mean]], **bar)
    side = "← head is better" if better == "lower" else "head is better →"
    axis.set_title(side, loc="left" if better == "lower" else "right", fontsize=9, color=GREY)
    axis.set(xlabel=f"{label}: head - base", ylabel="repeat", ylim=(repeats + 1.7, 0.3))
    shown = np.arange(1, repeats + 1, max(1, repeats // 10))
    axis.set_yticks([*shown, repeats + 1], [*map(str, shown), "mean"])
    axis.grid(alpha=0.25)
    _legend(figure, axis, 3)
    return png(figure)


def confusion_difference(title: str, base: np.ndarray, head: np.ndarray, names=()) -> bytes:
    """Change in the share of each actual class that is predicted as each class, from two matrices of counts.

    names: of the classes, or none.
    """
    points = np.ma.masked_array(100 * (_shares(head) - _shares(base)), base + head == 0)

    def words(row, column):
        rows = head[row, column] - base[row, column]
        return f"{points[row, column]:+.2f}\n{rows:+,} rows", abs(
            points[row, column]
        ) > 0.6 * POINTS

    cmap = LinearSegmentedColormap.from_list("change", (ORANGE, "#ffffff", BLUE))
    colours = {"cmap": cmap, "vmin": -POINTS, "vmax": POINTS}
    bar = "head - base, percentage points\n(better: + on the diagonal, - beside it)"
    return _matrix(title, points, words, names, bar, **colours)


def predicted_against_actual(
    title: str, actual, predicted: dict[str, np.ndarray], unit: str
) -> bytes:
    """A dot for each row, or two joined ones, for each of two experiments; on the line the prediction is right.

    actual: (rows,). predicted: {what the dots are: (rows,)}, of two experiments the base first.
    """
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    axis = figure.subplots()
    both = np.stack(list(predicted.values()))
    ends = [min(actual.min(), both.min()), max(actual.max(), both.max())]
    axis.plot(ends, ends, color=GREY, lw=1, ls="--", label="prediction = actual: right")
    axis.vlines(actual, both.min(axis=0), both.max(axis=0), color=GREY, alpha=0.4, lw=1)
    looks = [(ORANGE, "s"), (BLUE, "o")][-len(both) :]
    for (side, values), (colour, marker) in zip(predicted.items(), looks, strict=True):
        axis.plot(actual, values, marker, color=colour, alpha=0.7, ms=4, label=side)
    axis.set(title=title, xlabel=f"actual ({unit})", ylabel=f"predicted ({unit})", aspect="equal")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, loc="lower right")
    return png(figure)
