"""The tutorial's chapter on regularisation as experiments -> docs/study.md, docs/study.png.

`make study`: smaller and larger networks, L1, L2, both, and dropout, each against the original and
each at its own best length: a fold is judged after the epoch that is best for the other folds. The
held-out loss by epoch, as the chapter draws it, but over all folds, and the K-fold metric with the
review's verdict, which the chapter does not have.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from stages.core.declared import sources
from stages.core.judge import pictures
from stages.core.judge.metrics import LOSSES
from stages.core.judge.pictures import BLUE, GREY, WIDTH, Arrays
from stages.core.run.stage import parser_of, tool
from studies.common import ROOT, table, task_of, write
from tools import variants
from tools.review import verdicts
from tools.review.revisions import Revision, resolve

DATASETS = "imdb", "reuters", "boston_housing"
# Epochs among which a variant's best is looked for, of each data set. Networks that are too small,
# or penalised, need many; the page says in how many folds the last was the best.
VARIANTS = {
    "original": (20, 40, 1000),
    "smaller": (40, 120, 3000),
    "larger": (20, 20, 200),
    "l1": (60, 120, 1000),
    "l2": (20, 40, 1000),
    "l1_l2": (60, 120, 1000),
    "dropout": (20, 60, 1500),
}
REPEATS = 2  # few, since all networks train until they overfit


def settings(variant: str) -> list[str]:
    """What makes each network be judged at its own best length."""
    found = []
    for name, epochs in zip(DATASETS, VARIANTS[variant], strict=True):
        found += [f"datasets.{name}.kfold.{key}" for key in ("epochs=best", f"repeats={REPEATS}")]
        found += [f"datasets.{name}.final.exploring_epochs={epochs}"]
    return found


def losses(revision: Revision, name: str) -> np.ndarray:
    """Held-out loss of each fold by epoch: (replicas, epochs)."""
    curves = revision.table(f"metrics/{name}/fold_curves.csv")
    return curves.val_loss.to_numpy().reshape(-1, int(curves.epoch.max()))


def drawn(revisions) -> bytes:
    """The PNG of the losses of all revisions, each against the first."""
    curves = {}
    for name in DATASETS:
        source = sources.read(name)
        quantity = revisions[0].json(f"metrics/{name}.json")["network"]["loss"]
        label = LOSSES[quantity].axis(source.unit).replace("loss: ", "held-out loss:\n", 1)
        label = f"{source.title}\n" + label.replace(" (", "\n(")
        pairs = zip(VARIANTS, revisions, strict=True)
        curves[label] = {variant: losses(each, name) for variant, each in pairs}
    return against_the_first(curves)


def against_the_first(curves: dict[str, Arrays]) -> bytes:
    """A row of panels for each data set: the loss by epoch of a variant and, dashed, of the first.

    curves: {label of an axis: {variant: (replicas, epochs)}}, drawn as mean and middle 80 %.
    """
    variants = list(next(iter(curves.values())))
    figure = Figure(figsize=(1.5 * WIDTH, 2.3 * len(curves) + 0.5))
    figure.suptitle("↓ lower is better", fontsize=9, color=GREY, x=1, ha="right")
    grid = {"squeeze": False, "sharey": "row"}
    panels = figure.subplots(len(curves), len(variants) - 1, **grid)
    for row, (label, losses) in zip(panels, curves.items(), strict=True):
        drawn = []
        for axis, variant in zip(row, variants[1:], strict=True):
            drawn.append(pictures.mean_and_middle(axis, losses[variant], BLUE, "-", "the variant"))
            first = pictures.mean_and_middle(axis, losses[variants[0]], "black", "--", variants[0])
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(numticks=9))  # each power of 10
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
        # What is far worse than the first leaves the panel; the others would be flat lines.
        _, high = pictures.limits([first, *drawn])
        row[0].set_ylim(0.95 * min(first.min(), *map(np.min, drawn)), min(high, 3 * first[1].min()))
        row[0].set_ylabel(label, fontsize=9)
    for top, bottom, variant in zip(panels[0], panels[-1], variants[1:], strict=True):
        top.set_title(variant)
        bottom.set_xlabel("epoch")
    pictures.legend(figure, panels[0, 0], 2, ": mean and middle 80 % of all folds")
    return pictures.png(figure)


def row(name, original, revision) -> str:
    """The name; of each data set mean, deviation, epochs and verdict of the K-fold metric."""
    reviewed, cells = {each.name: each for each in verdicts.review(original, revision)}, []
    for dataset in DATASETS:
        (alone,) = verdicts.corrected([reviewed[dataset]])
        metrics = revision.json(f"metrics/{dataset}.json")
        folds, chosen = metrics["kfold"][task_of(dataset).metric], metrics["chosen_epochs"]
        said = f"{folds['mean']:.4f} ± {folds['std']:.4f} at {chosen['mean']:.1f} epochs"
        said += f" of {chosen['limit']}"
        if at_limit := chosen["folds_at_limit"]:
            said += f" (the last in {at_limit} of {chosen['folds']} folds)"
        cells.append(said + ("" if revision is original else f", **{alone.verdict()}**"))
    return " | ".join([name, *cells])


def optimism(revisions) -> str:
    """How much better results would look had the same rows chosen the epoch and judged it."""
    said = []
    for dataset in DATASETS:
        key = f"optimism_{task_of(dataset).trained}"
        gains = [each.json(f"metrics/{dataset}.json")["chosen_epochs"][key] for each in revisions]
        said.append(f"{dataset} {np.mean(gains):+.4f} (at most {max(gains):+.4f})")
    return ", ".join(said)


def main():
    """Run what has no result yet, draw, and write the table."""
    parser_of(main).parse_args()
    named = variants.named()
    variants.run({f"{name}_at_best": [*named[name], *settings(name)] for name in VARIANTS})
    revisions = [resolve(f"{name}_at_best") for name in VARIANTS]
    pairs = zip(VARIANTS, revisions, strict=True)
    rows = [row(name, revisions[0], each) for name, each in pairs]
    titles = [f"{sources.read(name).title}: {task_of(name).metric}" for name in DATASETS]
    write(
        "study",
        "# Regularisation",
        "Written by `make study`: K-fold mean ± standard deviation over the folds, each network at "
        "its own best number of epochs (`kfold.epochs: best`: where the loss of the other folds is "
        f"lowest) of those that it trains (`final.exploring_epochs`), over {REPEATS} repeats with "
        "the folds and seeds of `params.yaml`, and the review's verdict on the variant against "
        "the original, each data set by itself.",
        table(" | ".join(["variant", *titles]), rows),
        "Had the same rows chosen the number of epochs and judged the result, it would look better "
        f"by, on average over the variants: {optimism(revisions)}.",
        "![Held-out loss by epoch over all folds, of each variant against the original](study.png)",
        "The loss is that of the rows that a fold holds out, by epoch on a logarithmic scale: the "
        "mean over all folds and, as a band, the middle 80 % of them. What is above three times "
        "the original's lowest mean is cut off.",
    )
    (ROOT / "docs/study.png").write_bytes(drawn(revisions))


if __name__ == "__main__":
    tool(main)
