"""Changes and what a review says of them -> docs/demo.md (`make demo`, a few minutes).

Three that a colleague might propose: one that helps, one that hurts, and one that only looks as if it helped. Then one
for each data set of the tutorial that was made to do better, chosen by K-fold on the training rows; and the layer that
the tutorial warns of, narrower than what it must tell apart.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from stages import kfold
from stages.core import params
from stages.core.data.datasets import TABLE
from stages.core.run.stage import parser_of, tool
from tools import variants
from tools.review import markdown, revisions, verdicts

HEADER = "| name | `dvc metrics diff` | `make review` |\n|---|---|---|"


def line(name) -> str:
    """A line of a table: what `dvc metrics diff` shows of a variant, and what the review says."""
    dataset = changed(name)
    metric = TABLE[dataset].task.metric
    shown = json.loads(variants.output("dvc", "metrics", "diff", "--json", "HEAD", name))
    means = shown[f"metrics/{dataset}.json"][f"kfold.{metric}.mean"]
    alone = reviewed(name)
    found = alone.comparisons[metric]
    says = f"**{alone.verdict(alone.about.metric)}**: {markdown.change(found)}"
    diff = f"{dataset} kfold.{metric}.mean {means['old']} → {means['new']}"
    return f"| {name} | {diff} | {says}, better in {found.wins} of {found.folds} folds |"


def compared(names, shown=()) -> str:
    """The commands that make these variants, but for those shown before, and the table of their reviews."""
    commands = [variants.command(name) for name in names if name not in shown]
    block = "\n".join(["```sh", *commands, "dvc queue start", "```"])
    return f"{block}\n\n" + "\n".join([HEADER, *map(line, names)])


def tested(name) -> str:
    """A line of the second table: figures on the test rows, one model and the ensemble."""
    dataset = changed(name)
    metric = TABLE[dataset].task.metric
    sides = [revisions.resolve(revision) for revision in ("HEAD", name)]
    tests = [side.json(f"metrics/{dataset}.json")["test"] for side in sides]
    metrics = [metric, "macro_f1" if TABLE[dataset].task.classifies else "rmse"]
    cells = [
        f"{test[key]['mean']:.4f} ± {test[key]['std']:.4f}, {test[key]['ensemble']:.4f}"
        for key in metrics
        for test in tests
    ]
    return f"| {name} | {metrics[0]} | {cells[0]} | {cells[1]} | {metrics[1]} | {cells[2]} | {cells[3]} |"


def changed(name) -> str:
    """The data set that a variant changes."""
    (dataset,) = {setting.split(".")[1] for setting in variants.VARIANTS[name]}
    return dataset


def reviewed(name) -> verdicts.Reviewed:
    """The variant's data set, reviewed against the last commit as if there were no other."""
    found = verdicts.review(revisions.resolve("HEAD"), revisions.resolve(name))
    (alone,) = verdicts.corrected([dataset for dataset in found if dataset.name == changed(name)])
    return alone


def boosting(name) -> float:
    """K-fold mean absolute error of scikit-learn's gradient boosting, as it comes, on the folds of this data set."""
    chosen = params.load()
    settings = chosen.datasets[name].kfold
    with np.load(f"data/arrays/{name}.npz") as file:
        x, y = file["x_train"], file["y_train"]
    errors = []
    for folds in kfold.deal(y, settings.k, settings.repeats, chosen.split_seed, classifies=False):
        for fold in range(settings.k):
            inside, outside = folds != fold, folds == fold
            predicted = (
                GradientBoostingRegressor(random_state=0)
                .fit(x[inside], y[inside])
                .predict(x[outside])
            )
            errors.append(np.abs(predicted - y[outside]).mean())
    return float(np.mean(errors))


def main():
    """Run the experiments that have no result yet and write the tables."""
    parser_of(main).parse_args()
    variants.run(dict.fromkeys([*variants.DEMO, *variants.BETTER, *variants.BOTTLENECK]))
    parts = [
        "# Changes and their reviews",
        "Written by `make demo`.",
        "## Three changes",
        compared(variants.DEMO),
    ]
    parts += ["## A narrow layer", compared(variants.BOTTLENECK)]
    parts += ["## Better than the tutorial", compared(variants.BETTER, shown=variants.DEMO)]
    parts.append(
        "scikit-learn's gradient boosting, as it comes, on the folds of Boston Housing: "
        f"mae {boosting('boston_housing'):.4f}."
    )
    parts.append(
        "On the test rows, looked at once at the end: mean ± standard deviation of the seeds, and their ensemble."
    )
    header = "| name | figure | default | variant | figure | default | variant |\n|---|---|---|---|---|---|---|"
    parts.append("\n".join([header, *map(tested, variants.BETTER)]))
    Path("docs/demo.md").write_text("\n\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    tool(main)
