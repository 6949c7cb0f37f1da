"""What the folds and the test rows of a data set say, in words."""

from collections.abc import Iterator

from stages.core.data import traps
from tools.predict import texts
from tools.review import comparison
from tools.review.markdown import change, number, share, span
from tools.review.verdicts import Reviewed

SPLITS = {  # what folds can tell, by how rows are split
    "group": (
        "All rows of a value of {column} are in one fold, so the folds tell how the model does for "
        "values of {column} that it has not seen. They tell nothing of new rows of known ones."
    ),
    "time": (
        "Folds follow each other by {column}: each is judged by what was trained on a window of "
        "earlier rows. They tell how the model would have done then, in few periods of a single "
        "history, and nothing of times unlike these; repeats differ in seeds alone."
    ),
}
SHOWN = 5  # stable flips whose text is shown, at most, in each direction


def sentences(dataset: Reviewed) -> Iterator[str]:
    """What the folds and the test rows say of the main metric."""
    if dataset.obstacle:
        yield f"Not comparable fold by fold: {dataset.obstacle}."
        yield from _cautions(dataset)
        return
    name, verdict = dataset.about.metric.name, dataset.verdict()
    found = dataset.comparisons[name]
    if found.better is not None:
        yield (
            f"Probabilities, with differences up to {dataset.head.equivalent_within} taken as "
            f"none: worse {share(found.worse)}, equivalent {share(found.equivalent)}, "
            f"better {share(found.better)}."
        )
    if len(dataset.metrics) == 1:
        different = f"{dataset.base.measured}, {dataset.head.measured}"
        yield f"The losses measure different things ({different}) and are not compared."
    in_time = dataset.head.metrics.get("split", "").startswith("time")  # repeats differ in seeds
    if not in_time:
        yield from _power(found, dataset.head.folds["rows"].max() > 1)
    if verdict.endswith("in the typical fold"):
        most = dataset.differences(dataset.about.metric).sort_values(key=abs).iloc[-1]
        yield (
            f"Some folds stand out, by {number(most, '+')} at most: look at them, a fit may have "
            "failed there. Without the fifth of the folds at either end the difference is "
            f"{change(found.typical)}."
        )
    if verdict == "no evidence" and not in_time:
        answer = "might" if found.repeats_could_tell else "would not"
        yield f"If the difference stayed as it is, more repeats {answer} change the verdict."
    yield from _test_rows(dataset)
    yield from _cautions(dataset)


def _cautions(dataset) -> Iterator[str]:
    """What the rows of head can and cannot tell, and what may make its results look too good."""
    results = dataset.head.metrics
    kind, _, column = results.get("split", "random").partition(" ")
    if kind in SPLITS:
        yield SPLITS[kind].format(column=f"`{traps.plain(column)}`")
    for line in traps.sentences(results.get("traps", {})):
        yield f"Take care: {line}."
    trees = results.get("reference", {}).get(dataset.about.metric.name)
    if trees is not None:
        yield f"Boosted trees of scikit-learn, untuned, reach {number(trees)} on these folds."


def _power(found, larger_k):
    """How small a difference the folds could find, unless all of them differ by the same."""
    if found.error <= 1e-9 * abs(found.mean):
        what = f"differ by {found.mean:+.4g}" if found.mean else "are the same in both"
        unknown = "without noise they do not say how small a difference they would find"
        yield f"All {found.folds} folds {what}: {unknown}."
        return
    further = "a larger k goes further" if larger_k else "only more rows go further"
    would = f"These {found.folds} folds would find (4 times out of 5) a difference of"
    yield f"{would} {_size(found.detectable)} or more."
    yield f"More repeats bring that down to {_size(found.floor)} at best; {further}."


def _size(value):
    """A difference with four decimals, or with a digit that is not 0."""
    return f"{value:.4f}" if value >= 5e-5 else f"{value:.1g}"


def _test_rows(dataset):
    """What the test rows say, and how much of the noise comes from seeds alone."""
    name, in_head = dataset.about.metric.name, dataset.head.rows
    if dataset.rows:
        base, head = dataset.rows
        difference, *interval = comparison.bootstrap(base, head)
        yield (
            f"On the fixed {base.shape[1]:,} test rows, {name} of single models changes by "
            f"{number(difference, '+')} (95 % bootstrap interval over rows and seeds "
            f"{span(*interval)}; {len(base)} and {len(head)} seeds). This says nothing about "
            "other training rows: the folds above do."
        )
    else:
        yield "No test rows to compare: one of the two does not say how each row fared."
    if in_head is None:
        return
    if found := comparison.seed_share(dataset.head.folds[name], in_head.mean(axis=1)):
        seeds, low, high = (share(value, ".0%", 0.01) for value in found)
        spread = "" if low == high else f"95 % interval {low} to {high}, "
        yield (
            "Where the noise comes from (head): seeds alone, on the fixed test rows, bring "
            f"{seeds} of the variance of {name} of a fold ({spread}from {len(in_head)} seeds); "
            "the rest is which rows a fold trains on and is judged on."
        )


def flipped(dataset: Reviewed) -> str:
    """Test rows that changed sides in most seeds, with their texts where data/ is, in Markdown."""
    if dataset.obstacle or not dataset.about.task.classifies or not dataset.rows:
        return ""
    lost, won = comparison.flips(*dataset.rows)
    count = "Test rows that changed sides in at least 80 % of the seeds: "
    count += f"{len(won):,} to right, {len(lost):,} to wrong."
    if dataset.about.source.kind not in ("text", "text_folders") or not len(won) + len(lost):
        return count
    total = dataset.rows[1].shape[1]
    words = texts.spelled(dataset.name, dataset.about.source, [*won[:SHOWN], *lost[:SHOWN]], total)
    if words is None:
        return f"{count} Their texts are not here: `dvc pull` or `dvc repro` brings data/."
    lines = [
        f"- {kind}, row {row}: {words[row]}"
        for kind, rows in (("now right", won), ("now wrong", lost))
        for row in rows[:SHOWN]
    ]
    return "\n".join([count, *lines])
