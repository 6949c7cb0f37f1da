"""What the tutorial's knobs are worth -> docs/knobs.md, docs/pictures/knobs_<dataset>.png.

`make knobs`: the size of the network, L1, L2, dropout and the number of epochs, which the tutorial
turns one by one, as a sweep of each of its data sets, in the queue; studies/variants.yaml has the
values.
"""

from stages.core.declared import sources
from stages.core.declared.sweeps import AS_IT_IS
from stages.core.judge.markdown import number, span
from stages.core.judge.sweep import SIMPLEST
from stages.core.judge.sweep_page import COMMANDS
from stages.core.run.stage import parser_of, tool
from studies.common import ROOT, table, task_of, write
from tools import variants
from tools.review.revisions import Revision, resolve

DATASETS = "imdb", "reuters", "boston_housing"
HEADER = (
    "data set | best of | as the sweep saw it | judged on other rows | trained again, difference "
    "to `params.yaml` | verdict"
)


def short(name: str, settings: str) -> str:
    """Settings of a candidate without what all paths begin with, and without the final networks."""
    before = f"datasets.{name}."
    if before not in settings:
        return settings  # params.yaml as it is
    paths = [path.removeprefix(before) for path in settings.split(" ")]
    return ", ".join(f"`{path}`" for path in paths if not path.startswith("final."))


def row(name: str, found: dict) -> str:
    """What the sweep of a data set says of its best. found: its sweep.json."""
    metric = task_of(name).metric
    seen = f"{metric} {number(found[metric]['base'])} → {number(found[metric]['best'])}"
    cells = [sources.read(name).title, f"{found['candidates']}", seen]
    cells.append(number(found["on_other_rows"]["mean"]))
    if again := found.get("trained_again"):
        ends = span(again["low"], again["high"])
        cells += [f"{number(again['difference'], '+')} ({ends})", f"**{again['verdict']}**"]
    else:
        is_base = found["best"] == AS_IT_IS
        cells += ["-", "`params.yaml` is the best" if is_base else "diverged"]
    return " | ".join(cells)


def chosen(name: str, found: dict) -> str:
    """The best and the simplest of the best group, by their values."""
    said = [f"{which} {short(name, found[which])}" for which in ("best", "simplest")]
    return f"- **{sources.read(name).title}**: {'; '.join(said)}"


def told(name: str, revision: Revision) -> str:
    """The page of a sweep without its commands, a heading lower, with its picture beside it."""
    page, _, _ = revision.read(f"metrics/{name}/sweep.md").decode().partition(f"\n\n{COMMANDS}")
    return f"#{page}".replace("](sweep.png)", f"](pictures/knobs_{name}.png)").rstrip()


def main():
    """Run the sweeps that have no result yet, and write the page."""
    parser_of(main).parse_args()
    named = variants.named()
    names = {name: f"knobs_{name}" for name in DATASETS}
    variants.run({variant: named[variant] for variant in names.values()})
    revisions = {name: resolve(variant) for name, variant in names.items()}
    found = {name: each.json(f"metrics/{name}/sweep.json") for name, each in revisions.items()}
    for name, each in revisions.items():
        picture = each.read(f"metrics/{name}/sweep.png")
        (ROOT / f"docs/pictures/knobs_{name}.png").write_bytes(picture)
    write(
        "knobs",
        "# What the tutorial's knobs are worth",
        "Written by `make knobs`. The tutorial turns the size of the network, L1, L2, dropout and "
        "the number of epochs one by one; here are all combinations of a few values of each, as "
        "[a sweep](experiments-and-sweeps.md#a-sweep) of each of its data sets.",
        table(HEADER, (row(name, each) for name, each in found.items())),
        "The figures go from luck to less of it. The best as the sweep saw it was helped by luck "
        "to be the best. The next column judges on rows that did not choose. The last figures "
        "are of fresh folds and seeds, and the difference is to networks with the values of "
        "`params.yaml` that were trained again as well; its interval and verdict are corrected for "
        "the number of candidates.",
        f"The best, and the simplest ({SIMPLEST}) of those that are close to it and that it does "
        "not beat:",
        "\n".join(chosen(name, each) for name, each in found.items()),
        *(told(name, each) for name, each in revisions.items()),
    )


if __name__ == "__main__":
    tool(main)
