"""Many experiments against a base: which differ by more than noise, and which may be the best.

    python -m tools.compare BASE [EXPERIMENT ...]

Git revisions or DVC experiments, all those of BASE where none is named; `workspace` is what lies
here. A table in Markdown for each data set on which any of them differs, the best first. Each table
is corrected for its own number of tests. The best group has the best mean and all that it does not
beat.
"""

from stages.core.judge.markdown import change, number, share, table
from stages.core.judge.metrics import Metric
from stages.core.run.stage import parser_of, tool
from tools.review import verdicts
from tools.review.report import params_that_differ
from tools.review.results import Results
from tools.review.revisions import Revision, Unreadable, experiments_of, resolve, stale

HEADER = "experiment", "best group", "verdict", "mean", "difference (interval)", "p"
LEGEND = """\
Verdict, interval and p (that there is none) are of the difference to the base. Each table is
corrected for its number of tests (Bonferroni): with a probability of 95 % all its intervals hold
the truth. ● marks the best group: the best mean, and all that it does not beat, corrected
likewise."""


def best_group(name: str, sides: list[Results], metric: Metric) -> list[Results]:
    """Of sides that compare: the one with the best mean of a metric, and those it does not beat."""
    if not sides:
        return []
    best = sides[0]
    for side in sides[1:]:
        best = side if metric.beats(side.mean(metric), best.mean(metric)) else best
    others = [side for side in sides if side is not best]
    pairs = verdicts.together([verdicts.compared(name, side, best) for side in others])
    return [best, *(pair.base for pair in pairs if not pair.verdict().startswith("better"))]


def line(side: Results, pair: verdicts.Reviewed | None, metric: Metric, best: bool) -> list[str]:
    """A row of the table: an experiment against the base, or the base, which has no pair."""
    cells = [side.revision.name, "●" if best else ""]
    if pair is None:
        return [*cells, "base", number(side.mean(metric)), "-", "-"]
    difference, p = pair.obstacle, "-"
    if not pair.obstacle:
        found = pair.comparisons[metric.name]
        difference, p = change(found), share(pair.p[metric.name][0])
    return [*cells, f"**{pair.verdict()}**", number(side.mean(metric)), difference, p]


def section(name: str, pairs: list[verdicts.Reviewed]) -> str:
    """The table of a data set. pairs: each experiment against the base, corrected together."""
    base = pairs[0].base
    about = base.about or pairs[0].about
    metric, compare = about.metric, [pair.head for pair in pairs if not pair.obstacle]
    group = best_group(name, [base, *compare] if compare else [], metric)
    entries = [(base, None), *((pair.head, pair) for pair in pairs)]
    same = [pair.head for pair in pairs if pair.verdict() == "the same"]
    shown = [(side, pair) for side, pair in entries if side not in same]

    def place(entry):
        mean = entry[0].mean(metric)
        worse = 0 if mean is None else -mean if metric.higher_is_better else mean
        return mean is None, worse

    rows = [line(*entry, metric, entry[0] in group) for entry in sorted(shown, key=place)]
    better = "higher is better ↑" if metric.higher_is_better else "lower is better ↓"
    title = f"## {name}: {metric.named(about.source.unit)}, {better}"
    equal = ", ".join(side.revision.name for side in same)
    beside = [f"The same as the base: {equal}."] if same else []
    short = [side for side, _ in entries if side.cut_short]
    beside += [f"> **Take care**, {side.revision.name}: {side.cut_short}." for side in short]
    return "\n\n".join([title, table([*HEADER], rows), *beside])


def document(base: Revision, heads: list[Revision]) -> str:
    """All tables, in Markdown. Raises Unreadable where no experiment can be read."""
    by_name, left_out = {}, {}
    for head in heads:
        try:
            for pair in verdicts.review(base, head):
                by_name.setdefault(pair.name, []).append(pair)
        except Unreadable as error:
            left_out[head] = error
    if len(left_out) == len(heads):
        raise next(iter(left_out.values()))
    heads = [head for head in heads if head not in left_out]
    parts, same = [f"# {', '.join(head.name for head in heads)} against {base.name}"], []
    if late := [side.name for side in (base, *heads) if stale(side)]:
        parts.append(f"> **Out of date**, params or code are newer: {', '.join(late)}.")
    parts += [f"> **Left out**, {head.name}: {error}" for head, error in left_out.items()]
    for name, pairs in by_name.items():
        if all(pair.verdict() == "the same" for pair in pairs):
            same.append(name)
        else:
            parts.append(section(name, verdicts.together(pairs)))
    parts += [LEGEND] if len(same) < len(by_name) else []
    parts += [f"**the same in all**: {', '.join(same)}"] if same else []
    changes = [f"- {head.name}: {_settings(base, head)}" for head in heads]
    return "\n\n".join([*parts, "\n".join(["Params that differ from the base:", "", *changes])])


def _settings(base, head):
    differ = params_that_differ(base, head)
    settings = [
        f"`{key}={sides['head']}`" if "head" in sides else f"`{key}` is not there"
        for key, sides in differ.items()
    ]
    return ", ".join(settings) or "none"


def main():
    """Print the tables."""
    parser = parser_of(main)
    parser.add_argument("base", help="a Git revision or a DVC experiment")
    parser.add_argument("heads", nargs="*", metavar="experiment", help="the same, or workspace")
    chosen = parser.parse_args()
    try:
        base = resolve(chosen.base)
        heads = [*map(resolve, dict.fromkeys(chosen.heads))] or experiments_of(base)
        if not heads:
            others = "name some, or a base that has some (`dvc exp list --all`)"
            raise Unreadable(f"{base.name} has no experiments on top of it; {others}")
        print(document(base, heads))
    except Unreadable as error:
        raise SystemExit(f"compare: {error}") from None


if __name__ == "__main__":
    tool(main)
