"""Many experiments against a base: which differ by more than noise, and which may be the best.

    python -m tools.compare BASE EXPERIMENT ...

Git revisions or DVC experiments; `workspace` is what lies here. A table in Markdown for each data
set on which any of them differs, the best first. p is corrected for the number of experiments and
data sets (Holm). The best group has the best mean and all that it does not beat.
"""

from stages.core.run.stage import parser_of, tool
from tools.review import verdicts
from tools.review.markdown import change, number, share, table
from tools.review.report import params_that_differ
from tools.review.results import Results
from tools.review.revisions import Revision, Unreadable, resolve, stale

HEADER = "experiment", "best group", "verdict", "mean", "difference (95 % interval)", "p (Holm)"


def best_group(name: str, results: dict[int, Results], upwards: int) -> set[int]:
    """Keys of the results with the best mean of the main metric and of those it does not beat.

    results: of experiments that compare. upwards: 1 where higher is better, otherwise -1.
    """
    means = {key: side.mean(side.about.metric) for key, side in results.items()}
    best = max(means, key=lambda key: upwards * means[key])
    others = [key for key in means if key != best]
    pairs = [verdicts.compared(name, results[key], results[best]) for key in others]
    judged = zip(others, verdicts.corrected(pairs), strict=True)
    return {best, *(key for key, pair in judged if not pair.verdict().startswith("better"))}


def line(pair: verdicts.Reviewed, in_group: bool, base: bool = False) -> list[str]:
    """A row of the table: an experiment, or the base, which is compared with nothing."""
    metric = pair.about.metric
    side = pair.base if base else pair.head
    cells = [side.revision.name, "●" if in_group else ""]
    mean = number(pair.means(metric)[0 if base else 1])
    if base:
        return [*cells, "base", mean, "-", "-"]
    found = pair.comparisons.get(metric.name)
    if not found:
        return [*cells, f"**{pair.verdict()}**", mean, pair.obstacle, "-"]
    p = share(pair.p[metric.name][0]) if found.differs else "-"
    return [*cells, f"**{pair.verdict()}**", mean, change(found), p]


def section(name: str, pairs: list[verdicts.Reviewed]) -> str:
    """The table of a data set. pairs: each experiment against the base, corrected."""
    metric, unit = pairs[0].about.metric, pairs[0].about.source.unit
    upwards = 1 if metric.higher_is_better else -1
    results = {0: pairs[0].base} | {n: pair.head for n, pair in enumerate(pairs, start=1)}
    comparable = {n: side for n, side in results.items() if not (n and pairs[n - 1].obstacle)}
    group = best_group(name, comparable, upwards)
    rows = [line(pairs[0], 0 in group, base=True)]
    rows += [line(pair, n in group) for n, pair in enumerate(pairs, start=1)]
    means = {n: side.mean(metric) for n, side in results.items()}
    same = [n for n, pair in enumerate(pairs, start=1) if pair.verdict() == "the same"]
    order = sorted(means, key=lambda n: (means[n] is None, -upwards * (means[n] or 0)))
    shown = table([*HEADER], [rows[n] for n in order if n not in same])
    better = "higher is better ↑" if metric.higher_is_better else "lower is better ↓"
    says = f"{metric.name}{f' ({unit})' if unit else ''}, {better}"
    equal = ", ".join(results[n].revision.name for n in same)
    beside = f"\n\nThe same as the base: {equal}." if same else ""
    return f"## {name}: {says}\n\n{shown}{beside}"


def document(base: Revision, heads: list[Revision]) -> str:
    """All tables, in Markdown. Raises Unreadable."""
    found = [pair for head in heads for pair in verdicts.review(base, head)]
    by_name = {}
    for pair in verdicts.corrected(found):
        by_name.setdefault(pair.name, []).append(pair)
    parts, same = [f"# {len(heads)} experiments against {base.name}"], []
    if late := [side.name for side in (base, *heads) if stale(side)]:
        parts.append(f"> **Out of date**, params or code are newer: {', '.join(late)}.")
    for name, pairs in by_name.items():
        if all(pair.verdict() == "the same" for pair in pairs):
            same.append(name)
        else:
            parts.append(section(name, pairs))
    parts += [f"**the same in all**: {', '.join(same)}"] if same else []
    changes = [f"- {head.name}: {_settings(base, head)}" for head in heads]
    return "\n\n".join([*parts, "\n".join(["Params that differ from the base:", "", *changes])])


def _settings(base, head):
    differ = params_that_differ(base, head)
    settings = [f"`{key}={sides.get('head', 'removed')}`" for key, sides in differ.items()]
    return ", ".join(settings) or "none"


def main():
    """Print the tables."""
    parser = parser_of(main)
    parser.add_argument("base", help="a Git revision or a DVC experiment")
    parser.add_argument("heads", nargs="+", metavar="experiment", help="the same, or workspace")
    chosen = parser.parse_args()
    try:
        base, *heads = (
            Revision(name) if name == "workspace" else resolve(name)
            for name in (chosen.base, *dict.fromkeys(chosen.heads))
        )
        print(document(base, heads))
    except Unreadable as error:
        raise SystemExit(f"compare: {error}") from None


if __name__ == "__main__":
    tool(main)
