"""What a busy person reads of a review: a sentence for each data set."""

from stages.core.judge.markdown import number, share
from tools.review.verdicts import Reviewed

SURE = 0.001  # p below which a verdict is called sure


def headlines(reviewed: list[Reviewed]) -> str:
    """A line for each data set that differs, and one for all others, in Markdown."""
    verdicts = {dataset.name: dataset.verdict() for dataset in reviewed}
    same = [name for name, verdict in verdicts.items() if verdict == "the same"]
    lines = [headline(dataset) for dataset in reviewed if dataset.name not in same]
    lines += [f"**the same**: {', '.join(same)}"] if same else []
    return "\n".join(f"- {line}" for line in lines)


def headline(dataset: Reviewed) -> str:
    """The verdict, by how much, in how many folds and how sure; and what makes it doubtful."""
    short = [side.revision.name for side in dataset.sides if side.cut_short]
    doubt = f"; take care, epochs may be too few in {' and '.join(short)}" if short else ""
    return _headline(dataset) + doubt


def _headline(dataset):
    metric, verdict = dataset.about.metric, dataset.verdict()
    label = metric.named(dataset.about.source.unit)
    means = f"{label} {' → '.join(map(number, dataset.means(metric)))}"
    if dataset.obstacle:
        return f"**{dataset.name}: {verdict}**, {means}: {dataset.obstacle}"
    found, (p, typical_p) = dataset.comparisons[metric.name], dataset.p[metric.name]
    word = verdict.replace(",", " ").split()[0]
    upwards = 1 if metric.higher_is_better else -1
    if word not in ("better", "worse"):
        low, high = sorted((upwards * found.low, upwards * found.high))
        span, wins = f"({_side(low)} to {_side(high)})", f"better in {_folds(found.wins, found)}"
        if word == "equivalent":
            within, probability = dataset.head.equivalent_within, share(found.equivalent)
            why = f"; within {within:g} with a probability of {probability}"
        else:
            beside = ", corrected for all that is decided here" if low > 0 or high < 0 else ""
            why = f"; p {share(p)}{beside}"
        return f"**{dataset.name}: {verdict}** {span}, {means}, {wins}{why}"
    if verdict.endswith("typical fold"):
        found, p, wins = found.typical, typical_p, ""
    else:
        wins = f", in {_folds(found.wins if word == 'better' else found.losses, found)}"
    sign = upwards if word == "better" else -upwards
    low, high = sorted((sign * found.low, sign * found.high))
    by = f"{word} by {number(sign * found.mean)}{verdict.removeprefix(word)}"
    sure = "sure" if p < SURE else f"p {share(p)}"
    return f"**{dataset.name}: {by}** ({number(low)} to {number(high)}), {means}{wins}; {sure}"


def _folds(count, found):
    return f"all {found.folds} folds" if count == found.folds else f"{count} of {found.folds} folds"


def _side(value):
    """An end of an interval of no known direction; above 0 is better."""
    shown = number(abs(value))
    return f"{shown} {'better' if value > 0 else 'worse'}" if float(shown.replace(",", "")) else "0"
