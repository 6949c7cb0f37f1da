"""What two metrics files say, side by side, in Markdown."""

from stages.core.judge.markdown import change, number, share, table
from stages.core.judge.metrics import METRICS, loss
from tools.review.verdicts import Reviewed


def metric_table(dataset: Reviewed) -> str:
    """What the two metrics files say of a data set, side by side, where they differ."""
    sides, rows, same = [_values(side.metrics) for side in dataset.sides], [], []
    for key in sorted({*sides[0], *sides[1]}):
        values, deviations = zip(*(side.get(key, (None, "")) for side in sides), strict=True)
        group, _, name = key.partition(" ")
        found = dataset.comparisons.get(name) if group == "kfold" else None
        if values[0] == values[1] and not (found and found.differs):
            same.append(key if values[0] is not None else f"{key} (undefined)")
            continue
        difference, p = _plain_change(*values), "-"
        if found and found.differs:
            difference, p = change(found), share(dataset.p[name][0])
        shown = map("".join, zip(map(number, values), deviations, strict=True))
        rows.append([f"{key}{_arrow(group, name)}", *shown, difference, p])
    header = ["metric", "base", "head", "difference (95 % interval)", "p (Holm)"]
    beside = f"The same in both: {'; '.join(same)}." if same else ""
    return "\n\n".join(filter(None, [table(header, rows) if rows else "", beside]))


def _arrow(group, name):
    """Which way is better, of what is a metric."""
    name = name.removesuffix(", ensemble")
    known = loss("") if name == "loss" else METRICS.get(name)
    if group == "network" or known is None:
        return ""
    return " ↑" if known.higher_is_better else " ↓"


def _values(metrics):
    """{row of the table: (value, its standard deviation for people)} from a metrics file."""
    found = {}
    for group, values in metrics.items():
        if group == "chosen_epochs":  # which sentences tell
            continue
        for name, value in values.items() if isinstance(values, dict) else ():
            spread = value if isinstance(value, dict) else {"mean": value}
            deviation = f" ± {number(spread['std'])}" if "std" in spread else ""
            found[f"{group} {name}"] = spread.get("mean"), deviation
            if "ensemble" in spread:
                found[f"{group} {name}, ensemble"] = spread["ensemble"], ""
    return found


def _plain_change(base, head):
    if isinstance(base, (int, float)) and isinstance(head, (int, float)):
        return number(head - base, "+")
    return "-"
