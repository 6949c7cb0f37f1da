"""Pictures of the evaluation. Pure: arrays in, PNG bytes out, the same bytes for the same arrays.

The templates of `dvc plots` (.dvc/plots) draw the same way: training rows dotted and held-out rows
as a line, the mean and the middle 80 % of the folds, the y axis as `limits` says; actual classes
downwards and predicted classes to the right.
"""

import io
import os
from typing import NamedTuple

# The backend that a notebook sets need not be installed here, and nothing is shown.
os.environ.pop("MPLBACKEND", None)
import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

matplotlib.rcdefaults()  # the user's matplotlibrc would change every picture
matplotlib.rc("text", parse_math=False)  # names of classes and units may have $
matplotlib.rc("axes", grid=True)
matplotlib.rc("grid", alpha=0.25)
matplotlib.rc("legend", frameon=False)
matplotlib.rc("figure.constrained_layout", use=True)

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#595959"
# Of the shares 0, 0.5 and 1: the darker the more, so colour-blind readers see it too.
SHARES = ("#ffffff", "#6baed6", "#08306b")
WIDTH = 8.0  # inches: the text can be read when a page shows the picture 800 pixels wide
FEW = 12  # classes of a matrix whose cells have room for numbers
Arrays = dict[str, np.ndarray]  # by name


class Axis(NamedTuple):
    """What an axis says of a metric: its label with the unit, and which direction is better."""

    label: str
    higher_is_better: bool


def png(figure) -> bytes:
    """The figure as PNG, without the version of matplotlib in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def legend(figure, axis, ncols, note="", size=9):
    """Draw the legend of an axis below the figure, with a note behind each label."""
    handles, kinds = axis.get_legend_handles_labels()
    labels = [kind + note for kind in kinds]
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols, fontsize=size)


def limits(curves):
    """Ends of a y axis that holds all that is drawn or, where the first fifth of the epochs would
    take more than two thirds of it, what is drawn after them.

    curves: arrays whose last axis is the epochs. The first loss can be a hundred times the last.
    """
    later = [curve[..., curve.shape[-1] // 5 :] for curve in curves]
    whole, later = ((min(map(np.min, part)), max(map(np.max, part))) for part in (curves, later))
    low, high = whole if np.ptp(whole) <= 3 * np.ptp(later) else later
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def mean_and_middle(axis, values, colour, style, label):
    """Draw mean and middle 80 % of (replicas, epochs); returns what is drawn: (3, epochs)."""
    epochs = np.arange(1, values.shape[1] + 1)
    mean, (low, high) = values.mean(axis=0), np.quantile(values, [0.1, 0.9], axis=0)
    axis.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)
    axis.plot(epochs, mean, style, color=colour, lw=2, label=label)
    return np.stack([low, mean, high])


def _by_epoch(title, axes, draw, *below):
    """A panel for each axis. draw: (panel, name of the axis) -> what it drew, by epoch."""
    figure = Figure(figsize=(WIDTH, 3.9))
    figure.suptitle(title)
    panels = figure.subplots(1, len(axes), squeeze=False)[0]
    for panel, (name, axis) in zip(panels, axes.items(), strict=True):
        panel.set_ylim(*limits(draw(panel, name)))
        # The unit stands below the name: a line of both can be longer than the axis.
        panel.set(xlabel="epoch", ylabel=axis.label.replace(" (", "\n("))
        better = "↑ higher is better" if axis.higher_is_better else "↓ lower is better"
        panel.set_title(better, fontsize=9, color=GREY, loc="right")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, panels[0], *below)
    return png(figure)


def history(title: str, columns: Arrays, axes: dict[str, Axis]) -> bytes:
    """Loss and metric by epoch as the tutorial draws them: training rows dots, validation a line.

    axes: of "loss" and of a metric, by name. columns: (epochs,) arrays under these names and, where
    rows are held out, under the names with "val_" before them.
    """

    def draw(panel, name):
        curves = [columns[key] for key in (name, f"val_{name}") if key in columns]
        epochs = np.arange(1, len(curves[0]) + 1)
        panel.plot(epochs, curves[0], "o", ms=4, color=GREY, label="training rows")
        for curve in curves[1:]:
            panel.plot(epochs, curve, color=BLUE, lw=2, label="validation rows")
            if name == "loss":
                marker = {"color": ORANGE, "ms": 9, "label": "lowest validation loss"}
                panel.plot(epochs[curve.argmin()], curve.min(), "v", **marker)
        return curves

    return _by_epoch(title, axes, draw, 3, "", 10)


def folds(title: str, columns: Arrays, axes: dict[str, Axis]) -> bytes:
    """Loss and metric by epoch: mean and middle 80 % of all folds.

    axes: of "loss" and of a metric, by name. columns: (replicas, epochs) arrays under these names,
    alone and with "val_" before them.
    """
    training = columns, "", GREY, ":", "training rows"
    held_out = columns, "val_", BLUE, "-", "held-out rows"
    return lines_by_epoch(title, axes, [training, held_out], 2)


def lines_by_epoch(title, axes, lines, columns) -> bytes:
    """Mean and middle 80 % of folds by epoch, a panel for each axis.

    lines: arrays (replicas, epochs) by name, what stands before the names, colour, style and label
    of each. columns: of the legend.
    """

    def draw(panel, name):
        return [mean_and_middle(panel, side[kind + name], *look) for side, kind, *look in lines]

    count = len(next(iter(lines[0][0].values())))
    return _by_epoch(title, axes, draw, columns, f": mean and middle 80 % of {count} folds")


def matrix(title, values, rows, cell, dark, names, bar, **colours):
    """Actual classes downwards and predicted classes to the right, so that the diagonal is right.

    values: masked (classes, classes), drawn in `colours`; beyond +-`dark` text is white.
    rows: (classes, classes) integers. cell: format of a value and its rows. bar: label of colours.
    """
    classes = len(values)
    side = max(4.2 if classes <= 4 else 6.4, 2 + 0.155 * classes)
    figure = Figure(figsize=(max(WIDTH, side), side))
    figure.suptitle(title)
    axis = figure.subplots()
    image = axis.imshow(values, interpolation="nearest", aspect="auto", zorder=1, **colours)
    text = {"fontsize": 10 if classes <= 4 else 8, "ha": "center", "va": "center", "zorder": 2}
    for row, column in np.argwhere(~values.mask) if classes <= FEW else ():
        colour = "white" if abs(values[row, column]) > dark else "black"
        written = cell.format(values[row, column], rows[row, column])
        axis.text(column, row, written, color=colour, **text)
    names = names if len(names) == classes else [str(number) for number in range(classes)]
    ticks = range(0, classes, -(-classes // 60))  # more than 60 names have no room
    upright = classes > FEW or classes * max(map(len, names)) > 60
    axis.set_xticks(ticks, [names[tick] for tick in ticks], rotation=90 if upright else 0)
    axis.set_yticks(ticks, [names[tick] for tick in ticks])
    axis.tick_params(labelsize=10 if classes <= FEW else 8)
    axis.set(xlabel="predicted class", ylabel="actual class (the diagonal is right)")
    axis.set_axisbelow(True)
    extend = "both" if np.abs(values).max() > image.norm.vmax else "neither"
    figure.colorbar(image, ax=axis, label=bar, extend=extend)
    return png(figure)


def shares(counts) -> np.ndarray:
    """Each row of counts (classes, classes) over its sum."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def confusion(title: str, counts: np.ndarray, names=()) -> bytes:
    """Share of each actual class (a row of `counts`, integers) that was predicted as each class.

    names: of the classes, or none.
    """
    values = np.ma.masked_array(shares(counts), counts == 0)
    cell, bar = "{:.3f}\n{:,} rows", "share of the actual class"
    colours = {"cmap": LinearSegmentedColormap.from_list("shares", SHARES), "vmin": 0, "vmax": 1}
    return matrix(title, values, counts, cell, 0.65, names, bar, **colours)


def predicted_against_actual(title: str, actual, predicted: Arrays, unit: str) -> bytes:
    """A dot for each row, or two joined dots of two experiments; on the line a prediction is right.

    actual: (rows,). predicted: {what the dots are: (rows,)}, of two experiments the base first.
    """
    figure = Figure(figsize=(WIDTH, 5.4))
    axis = figure.subplots()
    both = np.stack(list(predicted.values()))
    ends = [min(actual.min(), both.min()), max(actual.max(), both.max())]
    axis.plot(ends, ends, color=GREY, lw=1, ls="--", label="prediction = actual: right")
    axis.vlines(actual, both.min(axis=0), both.max(axis=0), color=GREY, alpha=0.4, lw=1)
    looks = [(ORANGE, "s"), (BLUE, "o")][-len(both) :]
    for (side, values), (colour, marker) in zip(predicted.items(), looks, strict=True):
        axis.plot(actual, values, marker, color=colour, alpha=0.7, ms=4, label=side)
    axis.locator_params(nbins=6)  # labels of large numbers do not run into each other
    unit = f" ({unit})" if unit else ""
    axis.set(title=title, xlabel=f"actual{unit}", ylabel=f"predicted{unit}", aspect="equal")
    legend(figure, axis, 2)
    return png(figure)
