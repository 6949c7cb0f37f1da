"""Figures of the evaluation. Pure: arrays in, PNG bytes out, the same bytes for the same arrays."""

import io

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#595959"
WIDTH = 8.0  # inches: the text of a figure stays readable when a page shows it 800 pixels wide


def png(figure) -> bytes:
    """The figure as PNG, without the version of matplotlib in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def _panels(title, columns=2, height=3.9):
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _epoch_axis(axis, label):
    axis.set_xlabel("epoch")
    axis.set_ylabel(label.replace(" (", "\n("))  # the unit below: one line of both can be longer than the axis
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.25)


def history(title: str, columns: dict[str, np.ndarray], labels: dict[str, str]) -> bytes:
    """Loss and metric by epoch: training rows as dots, validation rows as a line, as the tutorial draws them.

    labels: the two figures, "loss" and a metric, with the label of their axis.
    columns: (epochs,) arrays under the names of the figures and, where rows are held out, with "val_" before them.
    """
    figure, axes = _panels(title)
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        epochs = np.arange(1, len(columns[name]) + 1)
        axis.plot(epochs, columns[name], "o", ms=4, color=GREY, label="training rows")
        if f"val_{name}" in columns:
            axis.plot(epochs, columns[f"val_{name}"], color=BLUE, lw=2, label="validation rows")
        _epoch_axis(axis, label)
    if "val_loss" in columns:
        best = int(np.argmin(columns["val_loss"]))
        axes[0].plot(best + 1, columns["val_loss"][best], "v", color=ORANGE, ms=9, label="lowest validation loss")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return png(figure)


def folds(title: str, columns: dict[str, np.ndarray], labels: dict[str, str]) -> bytes:
    """Loss and metric by epoch over all folds: mean and the band of the middle 80 % of the replicas.

    labels: the two figures, "loss" and a metric, with the label of their axis.
    columns: (replicas, epochs) arrays under the names of the figures, alone and with "val_" before them.
    """
    figure, axes = _panels(title)
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        for key, colour, kind in ((name, GREY, "training rows"), (f"val_{name}", BLUE, "held-out rows")):
            values = columns[key]
            epochs = np.arange(1, values.shape[1] + 1)
            low, high = np.quantile(values, [0.1, 0.9], axis=0)
            axis.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)
            axis.plot(epochs, values.mean(axis=0), color=colour, lw=2, label=kind)
        if name != "accuracy":  # the first epochs of a regression are off any useful scale
            later = slice(columns[name].shape[1] // 10, None)
            axis.set_ylim(0, 1.15 * max(np.quantile(columns[key][:, later], 0.95) for key in (name, f"val_{name}")))
        _epoch_axis(axis, label)
    handles, kinds = axes[0].get_legend_handles_labels()
    kinds = [f"{kind}: mean, band with 80 % of {len(columns['loss'])} replicas" for kind in kinds]
    figure.legend(handles, kinds, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return png(figure)


def confusion(title: str, counts: np.ndarray) -> bytes:
    """Share of each actual class (a row of `counts`, integers) that was predicted as each class."""
    classes = len(counts)
    figure = Figure(figsize=(WIDTH, 6.4 if classes > 4 else 4.2), layout="constrained")
    axis = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axis.imshow(shares, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    if classes <= 12:
        for row, column in np.argwhere(counts):
            share = shares[row, column]
            text, colour = f"{share:.3f}\n{counts[row, column]:,} rows", "white" if share < 0.5 else "black"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=10 if classes <= 4 else 8)
    ticks = np.arange(0, classes, 1 if classes <= 12 else 5)
    axis.set(title=title, xlabel="predicted class", ylabel="actual class", xticks=ticks, yticks=ticks)
    figure.colorbar(image, ax=axis, label="share of the actual class")
    return png(figure)


def predicted_against_actual(title: str, actual: np.ndarray, predicted: np.ndarray, unit: str) -> bytes:
    """A dot for each row; on the line the prediction is right."""
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    axis = figure.subplots()
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    axis.plot(ends, ends, color=GREY, lw=1, ls="--", label="prediction = actual")
    axis.plot(actual, predicted, "o", color=BLUE, alpha=0.6, ms=5, label="test row")
    axis.set(title=title, xlabel=f"actual ({unit})", ylabel=f"predicted ({unit})", aspect="equal")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, loc="lower right")
    return png(figure)


def compared_folds(title: str, sides: dict[str, dict[str, np.ndarray]], labels: dict[str, str]) -> bytes:
    """Held-out loss and metric by epoch of two experiments: mean and the band of the middle 80 % of the replicas.

    sides: {name of the experiment: {"val_loss": (replicas, epochs), "val_<metric>": (replicas, epochs)}}, base first.
    labels: "loss" and a metric, or the metric alone, with the label of their axis.
    """
    figure, axes = _panels(title, len(labels))
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        highest = []
        for (side, columns), colour, style in zip(sides.items(), (ORANGE, BLUE), ("--", "-"), strict=True):
            values = columns[f"val_{name}"]
            epochs = np.arange(1, values.shape[1] + 1)
            low, high = np.quantile(values, [0.1, 0.9], axis=0)
            axis.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)
            axis.plot(epochs, values.mean(axis=0), style, color=colour, lw=2, label=side)
            highest.append(np.quantile(values[:, values.shape[1] // 10 :], 0.95))
        if name != "accuracy":
            axis.set_ylim(0, 1.15 * max(highest))
        _epoch_axis(axis, label)
    handles, kinds = axes[0].get_legend_handles_labels()
    kinds = [f"{kind}: mean and middle 80 % of the folds" for kind in kinds]
    figure.legend(handles, kinds, loc="outside lower center", ncols=1, frameon=False, fontsize=9)
    return png(figure)


def against_the_first(curves: dict[str, dict[str, np.ndarray]], labels: dict[str, str]) -> bytes:
    """A row of panels for each data set: in each the loss by epoch of one variant and, dashed, of the first.

    curves: {data set: {variant: (epochs,)}}. labels: {data set: label of the axis of its loss}.
    """
    variants = list(next(iter(curves.values())))
    figure = Figure(figsize=(1.5 * WIDTH, 2.3 * len(curves) + 0.5), layout="constrained")
    panels = figure.subplots(len(curves), len(variants) - 1, squeeze=False, sharex="row", sharey="row")
    for row, (name, losses) in zip(panels, curves.items(), strict=True):
        first = losses[variants[0]]
        epochs = np.arange(1, len(first) + 1)
        for axis, variant in zip(row, variants[1:], strict=True):
            axis.plot(epochs, losses[variant], color=BLUE, lw=2, label="the variant")
            axis.plot(epochs, first, "--", color="black", lw=1.2, label=variants[0])
            axis.grid(alpha=0.25)
            axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        # High enough for the end of every curve; what is above it on the way is cut off.
        highest = max(3 * first.min(), *(1.1 * loss[-1] for loss in losses.values()))
        row[0].set_ylim(0.9 * min(map(np.min, losses.values())), highest)
        row[0].set_ylabel(f"{name}\n{labels[name]}", fontsize=9)
    for top, bottom, variant in zip(panels[0], panels[-1], variants[1:], strict=True):
        top.set_title(variant)
        bottom.set_xlabel("epoch")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return png(figure)


def fold_differences(title: str, differences: np.ndarray, interval, within, label: str) -> bytes:
    """A dot for each fold's difference head - base, by repeat; below them their mean with its 95 % interval.

    differences: (repeats, k). interval: (low, high). within: half the width of the band of differences that nobody
    would care about, or None. label: of the axis, with the unit.
    """
    repeats = len(differences)
    figure = Figure(figsize=(WIDTH, 2.6 + 0.18 * repeats), layout="constrained")
    axis = figure.subplots()
    if within:
        axis.axvspan(-within, within, color=GREY, alpha=0.15, lw=0, label="nobody would care")
    axis.axvline(0, color=GREY, lw=1)
    for repeat, own in enumerate(differences, start=1):
        axis.plot(own, np.full(len(own), repeat), "o", color=BLUE, ms=6, alpha=0.7, label="a fold" * (repeat == 1))
    low, high = interval
    mean = differences.mean()
    bar = {"fmt": "D", "color": ORANGE, "capsize": 4, "lw": 2, "label": "mean of the folds, 95 % interval"}
    axis.errorbar(mean, repeats + 1, xerr=[[mean - low], [high - mean]], **bar)
    axis.set(title=title, xlabel=f"{label}: head - base", ylabel="repeat", ylim=(repeats + 1.7, 0.3))
    axis.set_yticks([*np.arange(1, repeats + 1, max(1, repeats // 10)), repeats + 1])
    axis.set_yticklabels([*map(str, np.arange(1, repeats + 1, max(1, repeats // 10))), "mean"])
    axis.grid(alpha=0.25)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return png(figure)


def confusion_difference(title: str, base: np.ndarray, head: np.ndarray) -> bytes:
    """Change in the share of each actual class that is predicted as each class, from two matrices of counts."""
    classes = len(base)
    shares = [counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) for counts in (base, head)]
    change = 100 * (shares[1] - shares[0])
    figure = Figure(figsize=(WIDTH, 6.4 if classes > 4 else 4.2), layout="constrained")
    axis = figure.subplots()
    most = max(np.abs(change).max(), 0.1)
    image = axis.imshow(change, cmap="PuOr_r", vmin=-most, vmax=most, interpolation="nearest")
    if classes <= 12:
        for row, column in np.argwhere(base + head):
            points = change[row, column]
            text = f"{points:+.2f}\n{head[row, column] - base[row, column]:+,} rows"
            colour = "white" if abs(points) > 0.6 * most else "black"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=10 if classes <= 4 else 8)
    ticks = np.arange(0, classes, 1 if classes <= 12 else 5)
    axis.set(title=title, xlabel="predicted class", ylabel="actual class", xticks=ticks, yticks=ticks)
    figure.colorbar(image, ax=axis, label="head - base, percentage points of the actual class")
    return png(figure)


def compared_predictions(title: str, actual: np.ndarray, predicted: dict[str, np.ndarray], unit: str) -> bytes:
    """Two dots for each row, one for each experiment's prediction, joined; on the line the prediction is right.

    predicted: {name of the experiment: (rows,)}, base first.
    """
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    axis = figure.subplots()
    both = np.stack(list(predicted.values()))
    ends = [min(actual.min(), both.min()), max(actual.max(), both.max())]
    axis.plot(ends, ends, color=GREY, lw=1, ls="--", label="prediction = actual")
    axis.vlines(actual, both.min(axis=0), both.max(axis=0), color=GREY, alpha=0.4, lw=1)
    for (side, own), colour, marker in zip(predicted.items(), (ORANGE, BLUE), ("s", "o"), strict=True):
        axis.plot(actual, own, marker, color=colour, alpha=0.7, ms=4, label=side)
    axis.set(title=title, xlabel=f"actual ({unit})", ylabel=f"predicted ({unit})", aspect="equal")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, loc="lower right")
    return png(figure)
