"""The results of all data sets as a table: python -m tools.results [--markdown].

`make repro` ends with it, and README has it. 80 columns wide, as a terminal may be.
"""

import json
from pathlib import Path

from tabulate import tabulate

from stages.core.declared import params
from stages.core.data.datasets import TABLE
from stages.core.run.stage import parser_of, tool


def line(name: str, figures: dict) -> dict[str, str]:
    """The main metric of a data set as cells of a table. figures: of metrics/<name>.json."""
    metric = TABLE[name].task.metric
    folds, tested = figures["kfold"][metric], figures["test"][metric]
    spread = f" ± {tested['std']:.4f}" if "std" in tested else ""
    return {
        "data set": name,
        "metric": metric,
        "baseline": f"{figures['baseline'][metric]:.4f}",
        "K-fold (95 % interval)": f"{folds['mean']:.4f} ({folds['low']:.4f} to {folds['high']:.4f})",
        "test ± std": f"{tested['mean']:.4f}{spread}",
    }


def main():
    """Print the table for a terminal or, with --markdown, for a page."""
    parser = parser_of(main)
    parser.add_argument("--markdown", action="store_true", help="for a page")
    style = "github" if parser.parse_args().markdown else "simple"
    paths = {name: Path(f"metrics/{name}.json") for name in params.load().datasets}
    if missing := [str(path) for path in paths.values() if not path.is_file()]:
        raise SystemExit(f"results: {', '.join(missing)} is missing; `dvc repro` makes it")
    figures, lines = {}, []
    for name, path in paths.items():
        try:
            figures[name] = json.loads(path.read_bytes())
            lines.append(line(name, figures[name]))
        except (ValueError, KeyError, TypeError):
            raise SystemExit(
                f"results: {path} is damaged, or in a merge; `dvc repro` makes it anew"
            ) from None
    print(tabulate(lines, headers="keys", tablefmt=style, disable_numparse=True))
    notes = [
        f"{TABLE[name].task.metric} of {name} in {TABLE[name].unit}"
        for name in paths
        if TABLE[name].unit
    ]
    print("\n" + "; ".join(["Baseline: looks at no feature; std: of the seeds", *notes]) + ".")
    if made_up := [name for name, found in figures.items() if found["source"] != "official"]:
        print(f"SYNTHETIC stand-ins, not the real data: {', '.join(made_up)}.")


if __name__ == "__main__":
    tool(main)
