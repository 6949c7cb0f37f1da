"""The tutorial's chapter on regularisation as experiments -> docs/study.md, docs/study.png.

`make study`: smaller and larger networks, L1, L2, both, and dropout, each against the original. The
held-out loss by epoch, as the chapter draws it, but over all folds, and the K-fold metric with the
review's verdict, which the chapter does not have.
"""

import numpy as np

from stages.core.declared import sources
from stages.core.declared.task import TASKS
from stages.core.judge import pictures
from stages.core.judge.metrics import LOSSES, main_metric
from stages.core.run.stage import parser_of, tool
from studies.common import ROOT, table, write
from tools import variants
from tools.review import verdicts
from tools.review.revisions import Revision, resolve

VARIANTS = "original", "smaller", "larger", "l1", "l2", "l1_l2", "dropout"
DATASETS = {  # with the metric by which each is judged
    "imdb": main_metric(TASKS["binary"]),
    "reuters": main_metric(TASKS["multiclass"]),
    "boston_housing": main_metric(TASKS["regression"]),
}


def losses(revision: Revision, name: str) -> np.ndarray:
    """Held-out loss of each fold by epoch: (replicas, epochs)."""
    curves = revision.table(f"metrics/{name}/fold_curves.csv")
    return curves.val_loss.to_numpy().reshape(-1, int(curves.epoch.max()))


def drawn(revisions) -> bytes:
    """The PNG of the losses of all revisions, each against the first."""
    curves, labels = {}, {}
    for name in DATASETS:
        source = sources.read(name)
        curves[source.title] = {each.name: losses(each, name) for each in revisions}
        quantity = revisions[0].json(f"metrics/{name}.json")["network"]["loss"]
        label = LOSSES[quantity].axis(source.unit).replace("loss: ", "held-out loss:\n", 1)
        labels[source.title] = label.replace(" (", "\n(")
    return pictures.against_the_first(curves, labels)


def row(original, revision) -> str:
    """The name; of each data set mean, deviation and verdict of the K-fold metric."""
    reviewed, cells = {each.name: each for each in verdicts.review(original, revision)}, []
    for name, metric in DATASETS.items():
        (alone,) = verdicts.corrected([reviewed[name]])
        folds = revision.json(f"metrics/{name}.json")["kfold"][metric.name]
        said = "" if revision is original else f", **{alone.verdict(metric)}**"
        cells.append(f"{folds['mean']:.4f} ± {folds['std']:.4f}{said}")
    return " | ".join([revision.name, *cells])


def main():
    """Run what has no result yet, draw, and write the table."""
    parser_of(main).parse_args()
    named = variants.named()
    variants.run({name: named[name] for name in VARIANTS})
    revisions = [resolve(name) for name in VARIANTS]
    titles = [f"{sources.read(name).title}: {metric.name}" for name, metric in DATASETS.items()]
    write(
        "study",
        "# Regularisation",
        "Written by `make study`: K-fold mean ± standard deviation over the folds, and the "
        "review's verdict on the variant against the original, each data set by itself.",
        table(" | ".join(["variant", *titles]), (row(revisions[0], each) for each in revisions)),
        "![Held-out loss by epoch over all folds, of each variant against the original](study.png)",
        "The loss is that of the rows that a fold holds out, for as many epochs as the K-fold "
        "evaluation trains: the mean over all folds and, as a band, the middle 80 % of them. What "
        "is above three times the original's lowest mean is cut off.",
    )
    (ROOT / "docs/study.png").write_bytes(drawn(revisions))


if __name__ == "__main__":
    tool(main)
