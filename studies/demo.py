"""Changes and what a review says of them -> docs/demo.md (`make demo`, a few minutes).

Three that a colleague might propose: one helps, one hurts, and one only looks as if it helped. Then
the layer that the tutorial warns of; and one for each data set of the tutorial that was made to do
better, chosen by K-fold on the training rows.
"""

import json

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import PredefinedSplit, cross_val_score

from stages import kfold
from stages.core.declared import params
from stages.core.run.stage import parser_of, tool
from studies.common import load, table, task_of, write
from tools import variants
from tools.review import headlines, revisions, verdicts

PROPOSED = "balanced", "softer", "smoother"
NARROW = ("bottleneck",)
BETTER = "bigrams", "balanced", "deeper"
HEADER = "name | `dvc metrics diff` | `make review`"
TESTED = "name | metric | default | variant | metric | default | variant"


def dataset_of(settings: list[str]) -> str:
    """The only data set that these settings change."""
    (dataset,) = {setting.split(".")[1] for setting in settings}
    return dataset


def compared(named, names, shown=()) -> str:
    """The commands that make these variants, but for those shown before, and their reviews."""
    commands = [variants.command(name, named[name]) for name in names if name not in shown]
    rows = [reviewed(name, dataset_of(named[name])) for name in names]
    return "\n".join(["```sh", *commands, "dvc queue start", "```", "", table(HEADER, rows)])


def reviewed(name, dataset) -> str:
    """A variant, what `dvc metrics diff` shows of it, and what the review says."""
    metric = f"kfold.{task_of(dataset).metric}.mean"
    diff = json.loads(variants.output("dvc", "metrics", "diff", "--json", "HEAD", name))
    means = diff[f"metrics/{dataset}.json"][metric]
    pairs = verdicts.review(revisions.resolve("HEAD"), revisions.resolve(name))
    (pair,) = verdicts.corrected([pair for pair in pairs if pair.name == dataset])
    says = headlines.headline(pair)
    return f"{name} | {dataset} {metric} {means['old']} → {means['new']} | {says}"


def tested(name, dataset) -> str:
    """A variant and two metrics on the test rows, of a model and the ensemble, before and after."""
    task, path, cells = task_of(dataset), f"metrics/{dataset}.json", [name]
    tests = [revisions.resolve(revision).json(path)["test"] for revision in ("HEAD", name)]
    for metric in task.metrics[:2]:
        each = [test[metric] for test in tests]
        cells += [metric, *(f"{m['mean']:.4f} ± {m['std']:.4f}, {m['ensemble']:.4f}" for m in each)]
    return " | ".join(cells)


def boosting(name) -> float:
    """K-fold mean absolute error of scikit-learn's gradient boosting on the project's folds."""
    (x, y), chosen = load(name, "train"), params.load()
    settings, model = chosen.datasets[name].kfold, GradientBoostingRegressor(random_state=0)
    deal = kfold.deal(y, settings.k, settings.repeats, chosen.split_seed, classifies=False)
    error = {"scoring": "neg_mean_absolute_error"}
    return -np.mean([cross_val_score(model, x, y, cv=PredefinedSplit(f), **error) for f in deal])


def main():
    """Run the experiments that have no result yet and write the tables."""
    parser_of(main).parse_args()
    named = variants.named()
    variants.run({name: named[name] for name in (*PROPOSED, *BETTER, *NARROW)})
    write(
        "demo",
        "# Changes and their reviews",
        "Written by `make demo`.",
        "## Three changes",
        compared(named, PROPOSED),
        "## A narrow layer",
        compared(named, NARROW),
        "## Better than the tutorial",
        compared(named, BETTER, shown=PROPOSED),
        "scikit-learn's gradient boosting, as it comes, on the folds of Boston Housing: mae "
        f"{boosting('boston_housing'):.4f}.",
        "On the test rows, looked at once at the end: mean ± standard deviation of the seeds, and "
        "their ensemble.",
        table(TESTED, (tested(name, dataset_of(named[name])) for name in BETTER)),
    )


if __name__ == "__main__":
    tool(main)
