"""What the folds and the test rows of a data set say, in words."""

from collections.abc import Iterator

import numpy as np

from stages.core.data import traps
from stages.core.judge import comparison
from stages.core.judge.markdown import change, number, share, span
from stages.core.judge.variance import MANY
from tools.predict import texts
from tools.review.verdicts import Reviewed, same_loss

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
FEW = 6  # rows: fewer that all change in one direction are no evidence yet (sign test)
SHOWN = 5  # stable flips whose text is shown, at most, in each direction


def sentences(dataset: Reviewed) -> Iterator[str]:
    """What the folds and the test rows say of the main metric."""
    if dataset.obstacle:
        yield f"Not comparable fold by fold: {dataset.obstacle}."
        yield from _cautions(dataset)
        return
    verdict, found = dataset.verdict(), dataset.comparisons[dataset.about.metric.name]
    if found.better is not None:
        yield (
            f"Probabilities, with differences up to {dataset.head.equivalent_within} taken as "
            f"none: worse {share(found.worse)}, equivalent {share(found.equivalent)}, "
            f"better {share(found.better)}."
        )
    if not same_loss(*dataset.sides):
        different = f"{dataset.base.measured}, {dataset.head.measured}"
        yield f"The losses measure different things ({different}) and are not compared."
    yield from _noise(found, dataset.folds_alone)
    if not dataset.head.in_time:  # there, more repeats are more seeds
        yield from _power(found, verdict)
    if verdict.endswith("in the typical fold"):
        differences = dataset.differences(dataset.about.metric).ravel()
        most = differences[np.abs(differences).argmax()]
        yield (
            f"Some folds stand out, by {number(most, '+')} at most: look at them, a fit may have "
            "failed there. Without the fifth of the folds at either end the difference is "
            f"{change(found.typical)}."
        )
    yield from _test_rows(dataset)
    yield from _cautions(dataset)


def _noise(found, folds_alone):
    """Where the noise of the difference comes from."""
    if found.test == "folds":
        yield f"Judged by the folds alone, which is mostly less sharp: {folds_alone}."
    elif found.error:
        parts = {"the rows": found.rows, "training sets": found.training, "seeds": found.seeds}
        shares = (
            f"{what} {share(part / found.error**2, '.0%', 0.01)}" for what, part in parts.items()
        )
        yield f"Where the noise of the difference comes from: {', '.join(shares)} of its variance."
    if found.test == "parts" and found.folds * found.fits < MANY:
        yield (
            f"{found.folds * found.fits} fits: one that fails in 25 may be unseen. `kfold.repeats` "
            f"and `kfold.seeds` for {MANY} fits see more."
        )
    if found.differing and found.differing < FEW:
        yield f"The two differ on {found.differing} rows (or groups) at all: too few for evidence."


def _cautions(dataset) -> Iterator[str]:
    """What the rows of head can and cannot tell, and what makes results look too good or bad."""
    results = dataset.head.metrics
    kind, _, column = results.get("split", "random").partition(" ")
    if kind in SPLITS:
        yield SPLITS[kind].format(column=f"`{traps.plain(column)}`")
    for line in traps.sentences(results.get("traps", {})):
        yield f"Take care: {line}."
    for side in dataset.sides:
        yield from _epochs(side)
    trees = results.get("reference", {}).get(dataset.about.metric.name)
    if trees is not None:
        yield f"Boosted trees of scikit-learn, untuned, reach {number(trees)} on these folds."


def _epochs(side) -> Iterator[str]:
    """How long the folds of a side trained, where each got its epochs from the others."""
    name, chosen = side.revision.name, side.metrics.get("chosen_epochs", {})
    mean, final = chosen.get("mean"), side.metrics.get("network", {}).get("epochs")
    if isinstance(mean, (int, float)):
        yield (
            f"The folds of {name} are judged after {chosen.get('least')} to {chosen.get('most')} "
            f"epochs, {mean:.1f} in the mean; test rows by networks of {final} (`final.epochs`)."
        )
    if side.cut_short:
        yield f"Take care, {name}: {side.cut_short}."


def _power(found, verdict):
    """How small a difference the folds could find, unless all of them differ by the same."""
    if found.error <= 1e-9 * abs(found.mean):
        what = f"differ by {found.mean:+.4g}" if found.mean else "are the same in both"
        unknown = "without noise they do not say how small a difference they would find"
        yield f"All {found.folds} folds {what}: {unknown}."
        return
    fits = f"{found.folds} folds x {found.fits} seeds" if found.fits > 1 else f"{found.folds} folds"
    would = f"These {fits} would find (4 times out of 5) a difference of"
    yield f"{would} {_size(found.detectable)} or more."
    if found.floor is None:
        return
    further = f"bring that down to {_size(found.floor)} at best; more rows go further"
    yield f"More repeats and seeds {further}."
    if verdict == "no evidence":
        answer = "might" if found.more_could_tell else "would not"
        yield f"If the difference stayed as it is, more of them {answer} change the verdict."


def _size(value):
    """A difference with four decimals, or with a digit that is not 0."""
    return f"{value:.4f}" if value >= 5e-5 else f"{value:.1g}"


def _test_rows(dataset):
    """What the test rows say."""
    if not dataset.test_rows:
        if dataset.tested:
            yield "No test rows to compare: one of the two does not say how each row fared."
        return
    name, (base, head) = dataset.about.metric.name, dataset.test_rows
    if np.array_equal(base, head):
        yield "On the test rows nothing differs."
        return
    difference, *interval = comparison.bootstrap(base, head)
    yield (
        f"On the fixed {base.shape[1]:,} test rows, {name} of single models changes by "
        f"{number(difference, '+')} (95 % bootstrap interval over rows and seeds "
        f"{span(*interval)}; {len(base)} seeds in base, {len(head)} in head). This says nothing "
        "about other training rows: the folds above do."
    )


def flipped(dataset: Reviewed) -> str:
    """Test rows that changed sides in most seeds, with their texts where data/ is, in Markdown."""
    if dataset.obstacle or dataset.about.metric.needs != "class" or not dataset.test_rows:
        return ""
    lost, won = comparison.flips(*dataset.test_rows)
    count = "Test rows that changed sides in at least 80 % of the seeds: "
    count += f"{len(won):,} to right, {len(lost):,} to wrong."
    if dataset.about.source.kind not in ("text", "text_folders") or not len(won) + len(lost):
        return count
    total = dataset.test_rows[1].shape[1]
    words = texts.spelled(dataset.name, dataset.about.source, [*won[:SHOWN], *lost[:SHOWN]], total)
    if words is None:
        return f"{count} Their texts are not here: `dvc pull` or `dvc repro` brings data/."
    lines = [
        f"- {kind}, row {row}: {words[row]}"
        for kind, rows in (("now right", won), ("now wrong", lost))
        for row in rows[:SHOWN]
    ]
    return "\n".join([count, *lines])
