"""The tutorial's chapter on regularisation as experiments -> docs/study.md and docs/study.png (`make study`).

Smaller and larger networks, L1, L2, both, and dropout, each against the original: the held-out loss by epoch, as the
chapter draws it, but over all folds, and K-fold figures with the review's verdict, which the chapter does not have.
"""

from pathlib import Path

from stages.core.data.datasets import TABLE
from stages.core.judge import pictures
from stages.core.run.stage import parser_of, tool
from tools import variants
from tools.review import verdicts
from tools.review.revisions import resolve

DOCS = Path("docs")
DATASETS = ["imdb", "reuters", "boston_housing"]


def losses(revision, name):
    """Held-out loss of each fold by epoch: (replicas, epochs)."""
    curves = revision.table(f"metrics/{name}/fold_curves.csv")
    return curves.val_loss.to_numpy().reshape(-1, int(curves.epoch.max()))


def line(original, revision) -> str:
    """A line of the table: for each data set the K-fold figure, its standard deviation over the folds, the verdict."""
    reviewed = {dataset.name: dataset for dataset in verdicts.review(original, revision)}
    cells = []
    for name in DATASETS:
        (alone,) = verdicts.corrected([reviewed[name]])
        found = revision.json(f"metrics/{name}.json")["kfold"][alone.about.metric.name]
        said = "" if revision is original else f", **{alone.verdict(alone.about.metric)}**"
        cells.append(f"{found['mean']:.4f} ± {found['std']:.4f}{said}")
    return f"| {revision.name} | {' | '.join(cells)} |"


def main():
    """Run what has no result yet, draw, and write the table."""
    parser_of(main).parse_args()
    variants.run(variants.STUDY)
    revisions = [resolve(name) for name in variants.STUDY]
    original, curves, labels = revisions[0], {}, {}
    for name in DATASETS:
        curves[TABLE[name].title] = {
            revision.name: losses(revision, name) for revision in revisions
        }
        quantity = original.json(f"metrics/{name}.json")["network"]["loss"]
        label = TABLE[name].labels(quantity)["loss"].replace("loss: ", "held-out loss:\n", 1)
        labels[TABLE[name].title] = label.replace(" (", "\n(")
    DOCS.mkdir(exist_ok=True)
    (DOCS / "study.png").write_bytes(pictures.against_the_first(curves, labels))
    titles = " | ".join(f"{TABLE[name].title}: {TABLE[name].task.metric}" for name in DATASETS)
    lines = [
        "# Regularisation",
        "",
        "Written by `make study`: K-fold mean ± standard deviation over the folds, and the review's verdict on the "
        "variant against the original, each data set by itself.",
        "",
        f"| variant | {titles} |",
        "|---|" + "---|" * len(DATASETS),
        *(line(original, revision) for revision in revisions),
        "",
        "![Held-out loss by epoch over all folds, of each variant against the original](study.png)",
        "",
        "The loss is that of the rows that a fold holds out, for as many epochs as the K-fold evaluation trains: the "
        "mean over all folds and, as a band, the middle 80 % of them. What is above three times the original's lowest "
        "mean is cut off.",
        "",
    ]
    (DOCS / "study.md").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    tool(main)
