"""The example networks, each beside the default network of a data set -> docs/networks.md.

`make networks`: as experiments in the queue, about 20 minutes. Both networks have fewer
repeats than params.yaml says, since some of the examples train slowly.
"""

from stages.core.declared import sources
from stages.core.judge import markdown
from stages.core.run.stage import parser_of, tool
from studies.common import table, task_of, write
from studies.demo import dataset_of
from tools import variants
from tools.review import verdicts
from tools.review.revisions import resolve

EXAMPLES = "residual_mlp", "text_cnn", "transformer"
REPEATS = 2


def planned(named: dict[str, list[str]]) -> dict[str, list[str]]:
    """Settings by experiment: each example, and the default network of its data set."""
    fewer = {
        name: f"datasets.{dataset_of(named[name])}.kfold.repeats={REPEATS}" for name in EXAMPLES
    }
    found = {f"{dataset_of(named[name])}_less": [fewer[name]] for name in EXAMPLES}
    return found | {f"{name}_less": [*named[name], fewer[name]] for name in EXAMPLES}


def row(name: str, dataset: str) -> str:
    """A network, its data set, K-fold metric of the default and of the network, and the review."""
    default, example = resolve(f"{dataset}_less"), resolve(f"{name}_less")
    pairs = [pair for pair in verdicts.review(default, example) if pair.name == dataset]
    (pair,) = verdicts.corrected(pairs)
    found = pair.comparisons[pair.about.metric.name]
    folds = (
        revision.json(f"metrics/{dataset}.json")["kfold"][task_of(dataset).metric]
        for revision in (default, example)
    )
    means = (f"{each['mean']:.4f} ± {each['std']:.4f}" for each in folds)
    title = f"{sources.read(dataset).title}: {task_of(dataset).metric}"
    says = f"**{pair.verdict()}**: {markdown.change(found)}"
    return " | ".join([f"`{name}`", title, *means, says])


def main():
    """Run the examples that have no result yet and write the table."""
    parser_of(main).parse_args()
    named = variants.named()
    variants.run(planned(named))
    write(
        "networks",
        "# The example networks",
        "Written by `make networks`: K-fold mean ± standard deviation over the folds, of the "
        "default network of a data set and of the example, and the review's verdict, with "
        f"`kfold.repeats` {REPEATS}. Their parameters stand in `studies/variants.yaml`.",
        table(
            "network | data set | default | example | `make review`",
            (row(name, dataset_of(named[name])) for name in EXAMPLES),
        ),
    )


if __name__ == "__main__":
    tool(main)
