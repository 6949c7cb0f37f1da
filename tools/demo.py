"""Three changes and what a review says of them -> docs/demo.md (`make demo`, a few minutes; needs a clean work tree).

Each runs as a DVC experiment of its own, apart from the workspace, under the name in the table: one that helps, one
that hurts, and one that only looks as if it helped.
"""

import json
import subprocess
from pathlib import Path

from stages.core.datasets import TABLE
from tools import review

CHANGES = {  # name of the experiment -> data set, params
    "wider": ("reuters", ["reuters.model.units=[256]", "reuters.model.dropout=0.5"]),
    "tiny": ("boston_housing", ["boston_housing.model.units=[4,4]"]),
    "softer": ("reuters", ["reuters.model.activation=softplus"]),
}


def dvc(*arguments) -> str:
    """The output of a dvc command; what it says on the way goes to the terminal."""
    return subprocess.run(["dvc", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def line(name) -> str:
    """A line of the table: the change, what `dvc metrics diff` shows, what the review says."""
    dataset, settings = CHANGES[name]
    metric = TABLE[dataset].task.metric
    shown = json.loads(dvc("metrics", "diff", "--json", "HEAD", name))["diff"][f"metrics/{dataset}.json"]
    figure = shown[f"kfold.{metric}.mean"]
    (own,) = [own for own in review.review(review.resolve("HEAD"), review.resolve(name)) if own.name == dataset]
    found, verdict = own.comparisons[metric], review.verdict(own, metric, review.corrected([own]))
    change = " ".join(f"`-S {setting}`" for setting in settings)
    says = f"**{verdict}**: {review.number(found.mean, '+')} ({review.span(found.low, found.high)})"
    diff = f"kfold.{metric}.mean {figure['old']} → {figure['new']}"
    return f"| {name} | {change} | {diff} | {says}, better in {found.wins} of {found.folds} folds |"


def main():
    """Run the experiments that are not there yet and write the table."""
    for name, (_, settings) in CHANGES.items():
        options = [option for setting in settings for option in ("-S", setting)]
        dvc("exp", "run", "--temp", "--force", "--name", name, *options)
    header = "| name | `dvc exp run` | `dvc metrics diff` | `make review` |\n|---|---|---|---|\n"
    title = "# Three changes\n\nWritten by `make demo`.\n\n"
    Path("docs/demo.md").write_text(title + header + "\n".join(map(line, CHANGES)) + "\n")


if __name__ == "__main__":
    main()
