"""The results of all data sets as a table: python -m tools.results [--markdown].

`make repro` ends with it, and README has it. 80 columns wide, as a terminal may be.
"""

import json
from pathlib import Path

from tabulate import tabulate

from stages.core.declared import params, sources
from stages.core.judge.metrics import METRICS
from stages.core.run.stage import parser_of, tool


def line(name: str, metric: str, results: dict) -> dict[str, str]:
    """The main metric of a data set as cells of a table. results: of metrics/<name>.json."""
    baseline, folds = (results[key][metric] for key in ("baseline", "kfold"))
    interval = f"({folds['low']:.4f} to {folds['high']:.4f})"
    tested = results["test"][metric] if "test" in results else {}
    spread = f" ± {tested['std']:.4f}" if "std" in tested else ""
    return {
        "data set": name,
        "metric": metric,
        "baseline": f"{baseline:.4f}",
        "K-fold (95 % interval)": f"{folds['mean']:.4f} {interval}",
        "test ± std": f"{tested['mean']:.4f}{spread}" if tested else "no test rows",
    }


def main():
    """Print the table for a terminal or, with --markdown, for a page."""
    parser = parser_of(main)
    parser.add_argument("--markdown", action="store_true", help="for a page")
    style = "github" if parser.parse_args().markdown else "simple"
    sections = params.load().datasets
    paths = {name: Path(f"metrics/{name}.json") for name in sections}
    if missing := [str(path) for path in paths.values() if not path.is_file()]:
        raise SystemExit(f"results: {', '.join(missing)} is missing; `dvc repro` makes it")
    lines, stand_ins, useless, references = [], [], [], []
    notes = ["Baseline: looks at no feature; std: of the seeds"]
    for name, section in sections.items():
        metric, unit = section.task.metric, sources.read(name).unit
        try:
            results = json.loads(paths[name].read_bytes())
            lines.append(line(name, metric, results))
            mean, base = results["kfold"][metric]["mean"], results["baseline"][metric]
            if trees := results.get("reference"):
                references.append(f"{name} {trees[metric]:.4f}")
            useless += [] if METRICS[metric].beats(mean, base) else [name]
            stand_ins += [name] if results["source"] != "official" else []
        except KeyError as error:
            raise SystemExit(
                f"results: {paths[name]} has no {error}, which params.yaml asks for; "
                "`dvc repro` makes it anew"
            ) from None
        except (ValueError, TypeError):
            raise SystemExit(
                f"results: {paths[name]} is damaged, or in a merge; `dvc repro` makes it anew"
            ) from None
        in_unit = METRICS[metric].named(unit) != metric
        notes += [f"{metric} of {name} in {unit}"] if in_unit else []
    print(tabulate(lines, headers="keys", tablefmt=style, disable_numparse=True))
    print(f"\n{'; '.join(notes)}.")
    if references:
        print(f"Boosted trees of scikit-learn on the same folds: {', '.join(references)}.")
    if useless:
        print(f"NO BETTER THAN THE BASELINE in the K-fold: {', '.join(useless)}.")
    if stand_ins:
        print(f"SYNTHETIC stand-ins, not the real data: {', '.join(stand_ins)}.")


if __name__ == "__main__":
    tool(main)
