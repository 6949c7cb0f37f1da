"""What a sweep found, in Markdown."""

from stages.core.declared.sweeps import AS_IT_IS
from stages.core.judge.markdown import number, share, span, table
from stages.core.judge.sweep import DRAWS, SIMPLEST
from stages.core.judge.sweep_told import ENDS, Sweep, command, frame, is_number, text, varied
from stages.core.judge.variance import MANY

SHOWN = 20  # candidates; sweep.csv has all
PICTURE = "![Each value that was tried, and the candidates that have it](sweep.png)"
COMMANDS = """\
As experiments. Each line is for a `params.yaml` that has this sweep, which it drops: between two,
go back. A review of them knows nothing of the choice; *trained again* above allows for it."""
INTERVALS = """\
Intervals of a column hold the truth all together with a probability of 95 %: they are corrected for
the rounds and for the number of candidates or, beside another best, of pairs (Bonferroni). What
stopped is compared on the repeats that it had. ● marks the best group: the best mean, and all of
the last round that it does not beat."""


def page(told: Sweep) -> str:
    """All that a person reads."""
    metric, best = told.judge.metric, _values(told, told.found.best)
    better = "higher is better ↑" if metric.higher_is_better else "lower is better ↓"
    title = f"# Sweep of {told.source.title}: {metric.named(told.source.unit)}, {better}"
    found = f"**Best of {len(told.tried)}: {best}.** {_group(told)}"
    parts = [title, _scope(told), found, _worth(told), PICTURE, _candidates(told), _commands(told)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _values(told, candidate):
    if not candidate:
        return AS_IT_IS
    values = told.tried[candidate].values
    return ", ".join(f"`{path}={text(values[path])}`" for path in varied(told))


def _scope(told):
    """What was trained, and what was not."""
    repeats, seeds, k = told.found.reached[0].values.shape
    said = f"{len(told.tried)} candidates, {AS_IT_IS} among them, on the same folds: "
    said += f"{k} x {repeats} repeats x {seeds} seed{'s' if seeds > 1 else ''}."
    if stopped := len(told.found.stopped):
        first = told.judge.rounds[0] * seeds * k
        said += f" Clearly beaten after {first} fits or more, and stopped: {stopped}."
    if diverged := len(told.tried) - len(told.found.reached):
        said += f" Diverged: {diverged}."
    saved = told.saved / (told.saved + told.trained)
    said += (
        f" {told.trained:,} fits were trained for the choice. {told.saved:,} ({saved:.0%}) were "
    )
    said += "saved: of what stopped or diverged, and of what others have trained as well."
    if why := told.judge.folds_alone(seeds):
        return f"{said} Judged by the folds alone, which is mostly less sharp: {why}."
    if repeats * seeds * k < MANY:
        said += f" One fit that fails in 25 may be unseen among fewer than {MANY} of a candidate."
    return said


def _group(told):
    """What the best does not beat."""
    if not (others := len(told.found.group) - 1):
        return "All others are beaten." if told.found.to_best else "All others diverged."
    said = f"It does not beat {others} other{'s' if others > 1 else ''}: the best group. "
    same = told.simplest == told.found.best
    simple = "the best" if same else _values(told, told.simplest)
    close = f"whose mean is within {number(told.judge.within)} of the best"
    simple = f"({SIMPLEST}): {simple}"
    return f"{said}The simplest of those {close} {simple}.{_edges(told)}"


def _edges(told):
    """What the best has that is the last value tried in a direction, since more may be better."""
    best = told.tried[told.found.best].values
    found = []
    for path in varied(told):
        values = {each.values[path] for each in told.tried if is_number(each.values[path])}
        if len(values) > 2 and best[path] in {min(values), max(values)} - {0, 1}:
            found.append(f"`{path}={text(best[path])}`")
    said = "Nothing beyond was tried, and it may be better" if found else ""
    return f" At the edge: {', '.join(found)}. {said}." if found else ""


def _worth(told):
    """What the best is worth, from luck to less of it."""
    found, metric = told.found, told.judge.metric
    base, best = found.reached[0].mean, found.reached[found.best].mean
    rows = [["as the sweep saw it", number(best), number(base), number(best - base, "+")]]
    notes = []
    if chosen := found.chosen:
        judged = f"{number(chosen.mean)} ({number(chosen.low)} to {number(chosen.high)})"
        rows.append(["chosen on drawn rows, judged on the others", judged, "-", "-"])
        notes.append(
            f"The best of many looks better than it is{_optimism(told)}: the second line chooses "
            f"among all candidates in {DRAWS:,} bootstrap samples of the rows and judges on those "
            "left out (in brackets: the middle 95 % of the samples); "
            f"{share(chosen.share, '.0%', 0.01)} of the samples chose the same. It trains nothing, "
            "and takes off the luck of the rows; that of folds and seeds stays."
        )
    else:
        notes.append("The metric is no mean over rows, so no bootstrap tells the luck of choosing.")
    if told.again:
        difference, *means = told.again
        change = f"{number(difference.mean, '+')} ({span(difference.low, difference.high)})"
        change += f", **{told.judge.verdict(difference)}**"
        base, best = means
        fresh = "folds and seeds" if told.fresh_folds else "seeds"
        rows.append([f"trained again, fresh {fresh}", number(best), number(base), change])
        notes.append(
            f"The last line has no luck of {fresh}. That of the rows stays in its means, since "
            "there are no others: only the test rows, or new ones, are free of it. Its interval "
            "and its verdict allow for it: they are corrected for the number of candidates."
        )
    elif not found.best:
        notes.append(f"{AS_IT_IS} is the best, so nothing was trained again.")
    else:
        notes.append(f"Trained again with fresh seeds, the best or {AS_IT_IS} diverged.")
    header = [metric.named(told.source.unit), "best", "params.yaml", "difference"]
    return "\n\n".join([table(header, rows), " ".join(notes)])


def _optimism(told):
    """By how much, where that can be seen."""
    seen = round(told.optimism, 4) > 0
    return f", here by {number(told.optimism)}" if seen else ", though not here"


def _candidates(told):
    """The candidates, the best first."""
    every, paths = frame(told), varied(told)
    header = ["best group", "candidate", *(f"`{path}`" for path in paths)]
    header += ["parameters", "repeats", "mean"]
    header += ["difference to params.yaml", "verdict", "difference to the best"]
    rows = []
    for line in every.head(SHOWN).to_dict("records"):
        cells = ["●" if line["best_group"] else "", line["candidate"]]
        cells += [line[path] for path in paths]
        cells += [number(line["parameters"]), line["repeats"], number(_known(line["mean"]))]
        rows.append([*cells, _change(line, "to_base"), line["verdict"], _change(line, "to_best")])
    more = f" {len(every) - SHOWN} more are in sweep.csv." if len(every) > SHOWN else ""
    return "\n\n".join(filter(None, [table(header, rows), INTERVALS + more, _cut_short(told)]))


def _cut_short(told):
    """That candidates might do better with more epochs than there were, or nothing."""
    if not (count := len(told.cut_short)):
        return ""
    who = f"{count} candidates" if count > 1 else "a candidate"
    who += ", the best among them," if count > 1 and told.found.best in told.cut_short else ""
    return (
        f"> **Take care**: {who} had folds that are judged after the last epoch there was, where "
        "the loss of the others was lowest. More might be better: raise `final.exploring_epochs`. "
        "`folds_at_limit` of sweep.csv says how many folds."
    )


def _known(value):
    """None for NaN."""
    return value if value == value else None


def _change(line, name):
    mean, low, high = (_known(line[name + end]) for end in ENDS)
    return "-" if mean is None else f"{number(mean, '+')} ({span(low, high)})"


def _commands(told):
    """Lines that make experiments of the simplest and of the best."""
    chosen = {told.simplest: "simplest", told.found.best: "best"}
    lines = [command(told, candidate, which) for candidate, which in chosen.items() if candidate]
    return "\n\n".join([COMMANDS, *(f"```sh\n{line}\n```" for line in lines)]) if lines else ""
