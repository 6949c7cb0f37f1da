"""The picture of a sweep: each value that was varied, and the candidates that have it."""

import numpy as np
from matplotlib.figure import Figure

from stages.core.judge.pictures import BLUE, GREY, ORANGE, WIDTH, legend, png
from stages.core.judge.sweep_told import Sweep, is_number, text, varied

COLUMNS = 3  # panels beside each other
FEW = 8  # different values that get places beside each other; more are on an axis of numbers
LETTERS = 24  # in the labels of a panel, beside each other
TICKS = 4  # on an axis of logarithms
SPREAD, MOST = 0.7, 8  # of the distance between two values, over which so many or more lie
# What a candidate looks like, by what the legend says of it.
LOOKS = {
    "the best": {"color": ORANGE, "marker": "D", "ms": 7, "zorder": 4},
    "the best group": {"color": BLUE, "marker": "o", "ms": 5, "zorder": 3},
    "beaten, or stopped": {"color": GREY, "marker": "o", "ms": 5, "mfc": "white", "zorder": 2},
}
BEYOND = "beyond the edge"


def drawn(told: Sweep) -> bytes:
    """The picture as PNG: by each param the difference to params.yaml, with its interval.

    Of those that are far from the better half, triangles are at the edge.
    """
    paths, metric = varied(told), told.judge.metric
    columns = 2 if len(paths) == 4 else min(COLUMNS, len(paths))
    rows = -(-len(paths) // columns)
    figure = Figure(figsize=(WIDTH, 1.3 + 3.0 * rows))
    title = f"{told.source.title}: {len(told.tried)} candidates of a sweep"
    figure.suptitle(f"{title}, with intervals that hold all together with 95 %", fontsize=11)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    ends, worse = limits(told), "v" if metric.higher_is_better else "^"
    for panel, path in zip(panels, paths, strict=False):
        panel.axhline(0, color="black", lw=1, ls="--", label="params.yaml as it is")
        for label, look in LOOKS.items():
            panel.plot([], [], ls="", label=label, **look)
        panel.plot([], [], ls="", label=BEYOND, **LOOKS["beaten, or stopped"] | {"marker": worse})
        _candidates(panel, told, path, ends)
        panel.set(xlabel=path.partition(".")[2], ylim=ends)
    for panel in panels[len(paths) :]:
        panel.remove()
    label = metric.axis(told.source.unit).replace(" (", "\n(")
    for panel in panels[::columns]:
        panel.set_ylabel(f"difference in {label}", fontsize=9)
    better = "↑ higher is better" if metric.higher_is_better else "↓ lower is better"
    panels[columns - 1].set_title(better, fontsize=9, color=GREY, loc="right")
    legend(figure, panels[0], 3)
    return png(figure)


def limits(told) -> tuple[float, float]:
    """Ends of the y axis: of params.yaml and of the better half of the candidates."""
    sign = -1 if told.judge.metric.higher_is_better else 1
    differences = told.found.to_base
    ranked = sorted(differences, key=lambda candidate: sign * differences[candidate].mean)
    shown = ranked[: len(ranked) // 2 + 1]
    ends = [(differences[each].low, differences[each].high) for each in shown]
    low, high = np.min([*np.ravel(ends), 0]), np.max([*np.ravel(ends), 0])
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin


def _candidates(panel, told, path, ends):
    reached = told.found.reached
    means = np.array([reached[n].mean if n in reached else np.nan for n in range(len(told.tried))])
    places, labels = _places([each.values[path] for each in told.tried], means)
    if labels:
        room = sum(map(len, labels)) < LETTERS
        slanted = {} if room else {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        panel.set_xticks(range(len(labels)), labels, **slanted)
        panel.set_xlim(-0.6, len(labels) - 0.4)
    elif places.min() >= 0 and places.max() > 20 * (least := places[places > 0].min()):
        # Penalties of 0 have a place of their own, beside the axis of the others.
        room = np.log10(places.max() / least) / TICKS
        panel.set_xscale("symlog", linthresh=least, linscale=room)
        panel.minorticks_off()
        ticks = {f"{tick:.1g}" for tick in np.geomspace(least, places.max(), TICKS)}
        ticks |= {"0"} if not places.min() else set()
        panel.set_xticks([*map(float, ticks)], [*ticks])
    best, group, beaten = LOOKS.values()
    for number in reached:
        look = group if number in told.found.group else beaten
        look = best if number == told.found.best else look
        _candidate(panel, places[number], told.found.to_base.get(number), ends, look)


def _candidate(panel, place, difference, ends, look):
    low, mean, high = 0, 0, 0
    if difference:
        low, mean, high = difference.low, difference.mean, difference.high
    if not ends[0] < mean < ends[1]:
        edge, marker = (ends[1], "^") if mean > 0 else (ends[0], "v")
        panel.plot(place, edge, ls="", **look | {"marker": marker, "clip_on": False})
        return
    panel.plot([place, place], [low, high], color=look["color"], lw=1, alpha=0.6)
    panel.plot(place, mean, ls="", **look)


def _places(values, means):
    """Where candidates lie on the x axis, and the labels of the values where these are few: those
    of a value beside each other, from the least mean to the greatest.
    """
    numeric = all(map(is_number, values))
    different = sorted(set(values)) if numeric else [*dict.fromkeys(map(text, _ordered(values)))]
    if numeric and len(different) > FEW:
        return np.array(values, "float64"), []
    keys = values if numeric else [text(each) for each in values]
    places = np.array([different.index(key) for key in keys], "float64")
    for place in range(len(different)):
        alike = np.flatnonzero(places == place)
        spread = SPREAD * (np.arange(len(alike)) - (len(alike) - 1) / 2) / max(MOST, len(alike))
        places[alike[np.argsort(means[alike])]] += spread
    return places, [*map(str, different)]


def _ordered(values):
    """Numbers, and lists of numbers by their sums, such as units; then all else as it stands."""

    def key(value):
        each = value if isinstance(value, list) else [value]
        return sum(each) if all(map(is_number, each)) else np.inf

    return sorted(values, key=key)
