"""Did the model get better? Compare two revisions of the project by their metrics, which Git holds.

    python -m tools.review BASE [HEAD] [--html PAGE] [--json] [--fail-on VERDICT]

BASE, HEAD: Git revisions or DVC experiments; HEAD is the workspace where it is not named. Markdown goes to standard
output, or what `document` gives as JSON; PAGE gets the Markdown with pictures, in one file that
needs no network. Neither data nor TensorFlow is needed; where data/ is there, the texts that a
model changed its mind on are shown.
"""

import base64
import hashlib
import html
import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import unified_diff
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from markdown_it import MarkdownIt
from stages.core.data.datasets import TABLE, Task

from stages.core.data.arrays import Text, word_index
from stages.core.data.encodings import INDEX_FROM
from stages.core.judge import comparison, pictures
from stages.core.run import strict_yaml
from stages.core.run.files import whole
from stages.core.run.stage import parser_of, tool

SHOWN = 5  # stable flips whose text is shown, at most, in each direction
WORDS = 40  # of each text
FAILING = {  # what --fail-on takes: verdicts on the main metric. "Worse, but negligible" stops nobody.
    "worse": ("worse", "worse in the typical fold"),
    "not-comparable": ("not comparable",),
}


class Unreadable(Exception):
    """A revision cannot be reviewed; the message says what to do."""


def git(*arguments) -> bytes:
    """The output of a git command. Raises Unreadable with what git says."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise Unreadable("git is not installed") from None
    except subprocess.CalledProcessError as error:
        raise Unreadable(error.stderr.decode(errors="replace").strip()) from None


@dataclass(frozen=True, eq=False)  # each its own: the workspace may change under the same name
class Revision:
    """A state of the project. name: as the user gave it. commit: None for the workspace."""

    name: str
    commit: str | None = None

    def read(self, path: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        try:
            return (
                Path(path).read_bytes()
                if self.commit is None
                else git("show", f"{self.commit}:./{path}")
            )
        except (FileNotFoundError, Unreadable):
            return None

    def files(self, folder: str) -> list[str]:
        """Paths of the files below a folder that Git has, or would take; none where it is a file."""
        if self.commit is None:
            listed = git("ls-files", "-coz", "--exclude-standard", "--", f"{folder}/")
        else:
            listed = git("ls-tree", "-rz", "--name-only", self.commit, f"{folder}/")
        found = sorted({*filter(None, listed.decode().split("\0"))})
        return [path for path in found if self.commit or Path(path).is_file()]

    @cache  # noqa: B019
    def md5(self, path: str) -> str:
        """What DVC notes of a file or, with .dir behind it, of a folder: the MD5 of a list of its files."""
        if not (files := self.files(path)):
            return hashlib.md5(self.read(path) or b"", usedforsecurity=False).hexdigest()
        listed = [
            {"md5": self.md5(file), "relpath": file.removeprefix(f"{path}/")} for file in files
        ]
        return hashlib.md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + ".dir"

    @cache  # noqa: B019
    def yaml(self, path: str) -> dict:
        """The content of a YAML file; empty where there is none."""
        try:
            content = strict_yaml.read(self.read(path) or b"")
        except strict_yaml.NotYaml:
            raise Unreadable(f"{path} of {self.name} is no YAML") from None
        return content if isinstance(content, dict) else {}

    def json(self, path: str) -> dict:
        """The content of a JSON file; empty where there is none."""
        try:
            return json.loads(self.read(path) or b"{}")
        except ValueError:
            raise Unreadable(f"{path} of {self.name} is no JSON") from None

    def table(self, path: str, numbers=()) -> pd.DataFrame | None:
        """The content of a CSV file, or None where there is none. numbers: columns that must be there."""
        content = self.read(path)
        try:
            table = (
                None
                if content is None
                else pd.read_csv(io.BytesIO(content), dtype={"held_out": str})
            )
        except ValueError:  # pandas' own errors are ValueErrors
            raise Unreadable(f"{path} of {self.name} is no table") from None
        if table is not None and (
            wrong := [name for name in numbers if name not in table or table[name].dtype == "O"]
        ):
            raise Unreadable(f"{path} of {self.name}: expected numbers under {', '.join(wrong)}")
        return table


def resolve(name: str) -> Revision:
    """The Git revision or DVC experiment of this name. Raises Unreadable."""
    try:
        return Revision(
            name, git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
        )
    except Unreadable:
        git("rev-parse", "--git-dir")  # says so where this is no repository
    newest_first = "--sort=-committerdate", "--format=%(objectname)"
    if experiments := git("for-each-ref", *newest_first, f"refs/exps/*/*/{name}").decode().split():
        return Revision(name, experiments[0])
    raise Unreadable(
        f"{name} is neither a Git revision nor a DVC experiment that is here. {_hint(name)}"
    )


def _hint(name):
    """How to get a revision that is not here."""
    branch = name.removeprefix("origin/")
    try:
        git("check-ref-format", f"refs/remotes/origin/{branch}")
        fetch = f"git fetch --depth=1 origin {branch}:refs/remotes/origin/{branch}"
    except Unreadable:
        fetch = ""  # such as HEAD~1, which no server knows by this name
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        alone = f"`{fetch}` and review against origin/{branch}, or " if fetch else ""
        hint = "This is a shallow clone, which lacks most of the history. Fetch what the review needs: "
        return f"{hint}{alone}`git fetch --unshallow`."
    hint = "`git branch --all` and `dvc exp list` show what is here"
    return (
        f"{hint}; `git fetch origin {branch}` may bring it as origin/{branch}."
        if fetch
        else f"{hint}."
    )


@dataclass(frozen=True)
class Results:
    """What a revision says of one data set; None or empty where it does not."""

    revision: Revision
    section: dict  # of params.yaml
    settings: dict  # of params.yaml, what data sets share
    figures: dict  # metrics/<dataset>.json
    folds: pd.DataFrame | None
    curves: pd.DataFrame | None
    outcome: pd.DataFrame | None
    rows: np.ndarray | None  # (seeds, test rows) the main metric of each
    network: str
    data: str  # hash of the raw data


def sections_of(revision: Revision) -> dict:
    """`datasets` of the revision's params.yaml; empty where it is of an older layout."""
    found = revision.yaml("params.yaml").get("datasets")
    return (
        {name: own for name, own in found.items() if isinstance(own, dict)}
        if isinstance(found, dict)
        else {}
    )


def load(revision: Revision, name: str) -> Results:
    """What the revision says of this data set."""
    chosen, folder = revision.yaml("params.yaml"), f"metrics/{name}"
    rows = revision.table(f"{folder}/test_rows.csv")
    inputs = (revision.yaml("dvc.lock").get("stages", {}).get(f"preprocess@{name}") or {}).get(
        "deps", []
    )
    return Results(
        revision,
        sections_of(revision).get(name) or {},
        {key: value for key, value in chosen.items() if key != "datasets"},
        revision.json(f"metrics/{name}.json"),
        revision.table(f"{folder}/folds.csv", ("repeat", "fold", TABLE[name].task.metric, "loss")),
        revision.table(f"{folder}/fold_curves.csv"),
        revision.table(f"{folder}/test.csv"),
        None if rows is None else rows.to_numpy().T,
        (revision.read(f"{folder}/network.txt") or b"").decode(),
        next((dep.get("md5", "") for dep in inputs if dep["path"] == f"data/raw/{name}"), ""),
    )


def obstacle(base: Results, head: Results) -> str:
    """Why the two cannot be compared fold by fold, or nothing."""
    for side in (base, head):
        if not side.figures or side.folds is None:
            return f"{side.revision.name} has no figures for it"
        if not side.section:
            return f"params.yaml of {side.revision.name} has no section for it, or is of an older layout"
    for what, own, other in [
        ("source", *(side.figures.get("source") for side in (base, head))),
        ("split_seed", *(side.settings.get("split_seed") for side in (base, head))),
        *(
            (f"kfold.{key}", *(side.section.get("kfold", {}).get(key) for side in (base, head)))
            for key in ("k", "repeats")
        ),
    ]:
        if own != other:
            return f"{what} is {own} in {base.revision.name} and {other} in {head.revision.name}"
    if base.data != head.data or not base.data:
        return "the data files differ, as far as dvc.lock tells"
    for side in (base, head):
        if not np.isfinite(side.folds.select_dtypes("number")).all(axis=None):
            return f"{side.revision.name} has folds whose figures are no numbers"
        if "held_out" not in side.folds:
            return f"{side.revision.name} does not say which rows its folds hold out; run `dvc repro` there"
    if not base.folds[["repeat", "fold", "held_out"]].equals(
        head.folds[["repeat", "fold", "held_out"]]
    ):
        return "the folds hold out different rows"
    return ""


def compare(base: Results, head: Results, metric: str, task: Task) -> comparison.Comparison:
    """The comparison of one column of folds.csv; the band of equivalence is that of the main metric."""
    within = (
        head.section.get("review", {}).get("equivalent_within") if metric == task.metric else None
    )
    k = int(head.folds.fold.max())
    higher_is_better, bounds = task.higher_is_better(metric), task.bounds_of(metric)
    return comparison.compare(
        base.folds[metric], head.folds[metric], k, higher_is_better, within, bounds
    )


def stale(revision: Revision) -> list[str]:
    """Stages, such as train@imdb, whose params or code are not those that the revision's dvc.lock was made with.

    Only stages of today: dvc.lock keeps those of data sets that left `datasets`, and those that left dvc.yaml.
    """
    params, found = revision.yaml("params.yaml"), []
    lock = revision.yaml("dvc.lock").get("stages", {})
    stages, names = revision.yaml("dvc.yaml").get("stages", {}), sections_of(revision)
    for stage in (
        f"{stage}@{name}" for stage in stages for name in names if f"{stage}@{name}" in lock
    ):
        content = lock[stage]
        recorded = content.get("params", {}).get("params.yaml", {})
        changed = any(_at(params, key) != value for key, value in recorded.items())
        code = [dep for dep in content.get("deps", []) if dep["path"].startswith("stages/")]
        if changed or any(revision.md5(dep["path"]) != dep["md5"] for dep in code):
            found.append(stage)
    return found


def _at(tree, dotted):
    for key in dotted.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def flat(tree: dict, prefix="") -> dict:
    """Nested keys as dotted ones."""
    result = {}
    for key, value in tree.items():
        result |= (
            flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        )
    return result


def number(value, sign="") -> str:
    """A figure for people: whole numbers in full, others with four decimals, or one where they are large."""
    if value is None or isinstance(value, str):
        return value or "-"
    decimals = 0 if isinstance(value, int) else 4 if abs(value) < 100 else 1
    return f"{value:{sign}z,.{decimals}f}"  # z: no -0.0000


def share(value, form=".3f", least=0.001) -> str:
    """A probability or a share for people: what is nearer to 0 or 1 than `least` says so, and never looks like it."""
    if value < least:
        return f"<{least:{form}}"
    return f">{1 - least:{form}}" if value > 1 - least else f"{value:{form}}"


def span(low, high) -> str:
    """An interval for people."""
    return f"{number(low, '+')} to {number(high, '+')}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| "
        + " | ".join(" ".join(str(cell).split("\n")).replace("|", "\\|") for cell in line)
        + " |"
        for line in lines
    )


@dataclass(frozen=True)
class Reviewed:
    """One data set in both revisions. comparisons: {figure: Comparison}, empty where `obstacle` says why."""

    name: str
    base: Results
    head: Results
    obstacle: str
    comparisons: dict[str, comparison.Comparison]

    @property
    def task(self):
        """What is predicted."""
        return TABLE[self.name].task

    @property
    def quantities(self) -> list[str]:
        """What the losses of base and head measure: one thing, or two that cannot be compared."""
        names = (side.figures.get("network", {}).get("loss") for side in (self.base, self.head))
        return list(dict.fromkeys(name for name in names if name))

    @property
    def shared(self) -> tuple[str, ...]:
        """The figures of a fold that mean the same in both."""
        return (self.task.metric,) if len(self.quantities) > 1 else (self.task.metric, "loss")

    def means(self, figure: str) -> list[float | None]:
        """The K-fold means of base and head; None where there is none."""
        kfold = (side.figures.get("kfold", {}) for side in (self.base, self.head))
        return [figures.get(figure, {}).get("mean") for figures in kfold]

    @property
    def labels(self) -> dict[str, str]:
        """What axes say for these figures."""
        return TABLE[self.name].labels(" or ".join(self.quantities))


def review(base: Revision, head: Revision) -> list[Reviewed]:
    """All data sets that either revision runs on. Raises Unreadable where a revision has no figures at all."""
    names = [name for side in (base, head) for name in sections_of(side)]
    reviewed = []
    for name in dict.fromkeys(name for name in names if name in TABLE):
        sides = load(base, name), load(head, name)
        reason = obstacle(*sides)
        own = Reviewed(name, *sides, reason, {})
        for figure in () if reason else own.shared:
            own.comparisons[figure] = compare(*sides, figure, own.task)
        reviewed.append(own)
    for side in (base, head):
        if not any((own.base if side is base else own.head).figures for own in reviewed):
            raise Unreadable(f"{side.name} has no metrics/<dataset>.json; `dvc repro` makes them")
    return reviewed


def corrected(reviewed: list[Reviewed]) -> dict[tuple[str, str], tuple[float, float]]:
    """{(data set, figure): p of the mean and of the typical fold after Holm}, where there is any difference."""
    found = {
        (own.name, figure): comparison_
        for own in reviewed
        for figure, comparison_ in own.comparisons.items()
        if comparison_.low or comparison_.high
    }
    pairs = [(one.p, one.typical.p) for one in found.values()]
    return dict(
        zip(found, zip(*map(comparison.holm, zip(*pairs, strict=True)), strict=True), strict=True)
    )


def verdict(own: Reviewed, figure: str, p: dict) -> str:
    """The verdict on one figure of a data set."""
    if own.obstacle:
        return "not comparable"
    corrected_p = p.get((own.name, figure), (1.0, 1.0))
    return comparison.verdict(
        own.comparisons[figure], *corrected_p, own.task.higher_is_better(figure)
    )


def top(reviewed, p) -> str:
    """A line for each data set."""
    rows = []
    for own in reviewed:
        metric, means = own.task.metric, own.means(own.task.metric)
        change, wins = own.obstacle, "-"
        if found := own.comparisons.get(metric):
            change = f"{number(found.mean, '+')} ({span(found.low, found.high)})"
            wins = f"{found.wins} of {found.folds}"
        figures = f"{number(means[0])} → {number(means[1])}"
        label = f"{metric} ({own_unit})" if (own_unit := TABLE[own.name].unit) else metric
        rows.append([own.name, f"**{verdict(own, metric, p)}**", label, figures, change, wins])
    header = [
        "data set",
        "verdict",
        "figure",
        "base → head",
        "difference (95 % interval)",
        "folds in which head is better",
    ]
    return table(header, rows)


EXPLANATION = """\
A difference is head - base, measured on the same folds in both; were the review repeated with other rows and other
seeds, the true difference would lie inside such an interval 95 times out of 100. Where the interval contains 0, or
would once corrected for the number of figures that are looked at (p, Holm), these folds are no evidence that
anything changed, and *equivalent* says more: that, with a probability of 95 %, the difference is too small to
matter."""


def figure_rows(own: Reviewed, p) -> Iterator[list[str]]:
    """The rows of the table of all figures: name, base, head, difference, p."""
    for key in dict.fromkeys([*own.base.figures, *own.head.figures]):
        sides = [side.figures.get(key) for side in (own.base, own.head)]
        if key == "source":
            continue
        names = dict.fromkeys(name for side in sides if isinstance(side, dict) for name in side)
        for name in names:
            cells = [side.get(name) if isinstance(side, dict) else None for side in sides]
            if any(isinstance(cell, dict) for cell in cells):
                yield from _spread_rows(
                    own, p, key, name, [cell if isinstance(cell, dict) else {} for cell in cells]
                )
            else:
                yield [f"{key} {name}", *map(number, cells), _plain_difference(cells), "-"]


def _plain_difference(cells):
    if all(isinstance(cell, (int, float)) for cell in cells):
        return number(cells[1] - cells[0], "+") if cells[0] != cells[1] else "same"
    return "-"


def _spread_rows(own, p, key, name, cells):
    """A figure with a spread: a row for its mean and, where there is one, for the ensemble."""
    found = own.comparisons.get(name) if key == "kfold" else None
    change, holm = _plain_difference([cell.get("mean") for cell in cells]), "-"
    if (own.name, name) in p and found:
        change, holm = (
            f"{number(found.mean, '+')} ({span(found.low, found.high)})",
            share(p[own.name, name][0]),
        )
    means = [
        f"{number(cell.get('mean'))}" + (f" ± {number(cell['std'])}" if "std" in cell else "")
        for cell in cells
    ]
    yield [f"{key} {name}", *means, change, holm]
    if any("ensemble" in cell for cell in cells):
        ensembles = [cell.get("ensemble") for cell in cells]
        yield [
            f"{key} {name}, ensemble",
            *map(number, ensembles),
            _plain_difference(ensembles),
            "-",
        ]


def sentences(own: Reviewed, p) -> list[str]:
    """What the folds and the test rows of one data set say, in words."""
    lines, metric = [], own.task.metric
    if own.obstacle:
        return [f"Not comparable fold by fold: {own.obstacle}."]
    found, within = (
        own.comparisons[metric],
        own.head.section.get("review", {}).get("equivalent_within"),
    )
    if found.better is not None:
        lines.append(
            f"Probabilities, with differences up to {within} taken as none: worse {share(found.worse)}, "
            f"equivalent {share(found.equivalent)}, better {share(found.better)}."
        )
    if len(own.quantities) > 1:
        lines.append(
            f"The losses measure different things ({', '.join(own.quantities)}) and are not compared."
        )
    lines += _power_sentences(own, found)
    said = verdict(own, metric, p)
    if said.endswith("in the typical fold"):
        most = (own.head.folds[metric] - own.base.folds[metric]).sort_values(key=abs).iloc[-1]
        lines.append(
            f"Some folds stand out, by {number(most, '+')} at most: look at them, a fit may have failed there. Without "
            f"the fifth of the folds at either end the difference is {number(found.typical.mean, '+')} "
            f"({span(found.typical.low, found.typical.high)})."
        )
    if said == "no evidence":
        answer = "might" if found.repeats_could_tell else "would not"
        lines.append(
            f"If the difference stayed as it is, more repeats {answer} change the verdict."
        )
    return [*lines, *_test_sentences(own), *_noise_sentences(own)]


def _power_sentences(own, found):
    """How small a difference the folds could find, unless all of them differ by the same."""
    if found.error <= 1e-9 * abs(found.mean):
        what = f"differ by {found.mean:+.4g}" if found.mean else "are the same in both"
        return [
            f"All {found.folds} folds {what}: without noise they do not say how small a difference they would find."
        ]
    further = (
        "a larger k goes further"
        if own.head.folds["rows"].max() > 1
        else "only more rows go further"
    )
    return [
        f"These {found.folds} folds would find (4 times out of 5) a difference of {_size(found.detectable)} or more.",
        f"More repeats bring that down to {_size(found.floor)} at best; {further}.",
    ]


def _size(value):
    """A difference with four decimals, or with a digit that is not 0."""
    return f"{value:.4f}" if value >= 5e-5 else f"{value:.1g}"


def _test_sentences(own):
    base, head = own.base.rows, own.head.rows
    if base is None or head is None or base.shape[1] != head.shape[1]:
        return ["No test rows to compare: one of the two does not say how each row fared."]
    change, low, high = comparison.bootstrap(base, head)
    return [
        f"On the fixed {base.shape[1]:,} test rows, {own.task.metric} of single models changes by "
        f"{number(change, '+')} (95 % bootstrap interval over rows and seeds {span(low, high)}; "
        f"{len(base)} and {len(head)} seeds). This says nothing about other training rows: the folds above do."
    ]


def _noise_sentences(own):
    if own.head.rows is None:
        return []
    found = comparison.seed_share(own.head.folds[own.task.metric], own.head.rows.mean(axis=1))
    if found is None:
        return []
    seeds, low, high = (share(value, ".0%", 0.01) for value in found)
    spread = "" if low == high else f"95 % interval {low} to {high}, "
    return [
        f"Where the noise comes from (head): seeds alone, on the fixed test rows, bring {seeds} of the variance of one "
        f"fold's {own.task.metric} ({spread}from {len(own.head.rows)} seeds); the rest is which rows a fold trains on "
        "and is judged on."
    ]


def params_that_differ(base: Revision, head: Revision) -> dict[str, dict]:
    """{dotted key: {"base": value, "head": value}}; a side that does not have the key is left out."""
    sides = {"base": flat(base.yaml("params.yaml")), "head": flat(head.yaml("params.yaml"))}
    return {
        key: {name: side[key] for name, side in sides.items() if key in side}
        for key in dict.fromkeys([*sides["base"], *sides["head"]])
        if sides["base"].get(key) != sides["head"].get(key)
    }


def changes(base: Revision, head: Revision, reviewed) -> str:
    """What differs between the two: params, network and code, in Markdown."""
    rows = [
        [f"`{key}`", *(f"`{values[side]}`" if side in values else "-" for side in ("base", "head"))]
        for key, values in params_that_differ(base, head).items()
    ]
    parts = [table(["param", "base", "head"], rows) if rows else "No param differs."]
    for own in reviewed:
        networks = [side.network for side in (own.base, own.head)]
        if all(networks) and networks[0] != networks[1]:
            counts = [
                side.figures.get("network", {}).get("parameters") for side in (own.base, own.head)
            ]
            diff = unified_diff(
                *(network.splitlines() for network in networks), "base", "head", lineterm="", n=1
            )
            title = f"Network of {own.name}: {number(counts[0])} → {number(counts[1])} parameters"
            parts.append("\n".join([f"{title}\n\n```diff", *diff, "```"]))
    code = git(
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--stat",
        base.commit,
        *([head.commit] if head.commit else []),
        "--",
        "stages",
        "dvc.yaml",
    )
    parts.append(
        f"Code:\n\n```\n{code.decode().rstrip()}\n```" if code else "No code of a stage differs."
    )
    return "\n\n".join(parts)


def flipped(own: Reviewed) -> str:
    """Stable flips in Markdown: test rows that changed sides in most seeds, with their text where it is here."""
    base, head = own.base.rows, own.head.rows
    if (
        own.obstacle
        or not own.task.classifies
        or base is None
        or head is None
        or base.shape[1] != head.shape[1]
    ):
        return ""
    lost, won = comparison.flips(base, head)
    lines = [
        f"Test rows that changed sides in at least 80 % of the seeds: {len(won):,} to right, {len(lost):,} to wrong."
    ]
    if TABLE[own.name].kind != "text" or not len(won) + len(lost):
        return lines[0]
    words = texts(own.name, [*won[:SHOWN], *lost[:SHOWN]], head.shape[1])
    if words is None:
        return f"{lines[0]} Their texts are not here: `dvc pull` or `dvc repro` brings data/."
    for kind, rows in (("now right", won), ("now wrong", lost)):
        lines += [f"- {kind}, row {row}: {words[row]}" for row in rows[:SHOWN]]
    return "\n".join(lines)


def texts(name: str, rows, total) -> dict[int, str] | None:
    """{row: the first words of the test row}, from the cached arrays and the word index; None where these lack."""
    arrays, index = Path(f"data/arrays/{name}.npz"), Path(f"data/raw/{name}/{name}_word_index.json")
    if not arrays.is_file() or not index.is_file():
        return None
    with np.load(arrays) as file:
        if "words_test.ranks" not in file:
            return None
        text = Text(file["words_test.ranks"], file["words_test.splits"])
    if len(text) != total:
        return None
    word = {rank: word for word, rank in word_index(index.read_bytes()).items()}
    shown = {}
    for row in rows:
        ranks = text[[row]].ranks
        cut = " …" if len(ranks) > WORDS else ""
        shown[row] = (
            " ".join(word.get(int(rank), f"[{rank + INDEX_FROM}]") for rank in ranks[:WORDS]) + cut
        )
    return shown


def same(own: Reviewed) -> bool:
    """Whether nothing at all differs."""
    differs = any(found.low or found.high for found in own.comparisons.values())
    return not own.obstacle and own.base.figures == own.head.figures and not differs


def sections(base: Revision, head: Revision, reviewed: list[Reviewed]) -> list[str]:
    """The review in Markdown: what concerns all data sets, then two parts for each of `reviewed`.

    The second has the test rows that changed sides; it is empty where there is nothing to say. A page shows the
    pictures between the two.
    """
    p = corrected(reviewed)
    parts = [f"# Review: {base.name} → {head.name}"]
    for side in (base, head):
        if old := stale(side):
            old = _by_kind(old, sections_of(side))
            parts.append(
                f"> **Out of date:** in {side.name}, params or code are newer than the results of {old}."
            )
    parts += [top(reviewed, p), EXPLANATION, "## What changed", changes(base, head, reviewed)]
    result = ["\n\n".join(parts)]
    for own in reviewed:
        title = f"## {TABLE[own.name].title}"
        if same(own):
            result += [f"{title}\n\nEvery figure is the same in both.", ""]
            continue
        header = ["figure", "base", "head", "difference (95 % interval)", "p (Holm)"]
        words = "\n".join(f"- {line}" for line in sentences(own, p))
        result += ["\n\n".join([title, table(header, [*figure_rows(own, p)]), words]), flipped(own)]
    return result


def document(base: Revision, head: Revision, reviewed: list[Reviewed]) -> dict:
    """The review for programs: plain values, with null in place of what is no finite number.

    base, head: name, commit (null for the workspace), stale (stages, such as train@imdb, that are
    newer than their results). params: those that differ. datasets: {name: verdict on the main
    metric, its name as metric, obstacle or null, metrics}. Of each metric of a fold: verdict,
    higher_is_better, K-fold means of base and head, and difference, which is a `Comparison` by its
    fields, with p_holm, p after Holm; null where there is an obstacle.
    """
    p, told = corrected(reviewed), {}
    for name, side in {"base": base, "head": head}.items():
        told[name] = {"name": side.name, "commit": side.commit, "stale": stale(side)}
    told |= {"params": params_that_differ(base, head), "datasets": {}}
    for own in reviewed:
        metric = own.task.metric
        told["datasets"][own.name] = {
            "verdict": verdict(own, metric, p),
            "metric": metric,
            "obstacle": own.obstacle or None,
            "metrics": {figure: _figure(own, figure, p) for figure in own.shared},
        }
    return _finite(told)


def _figure(own, figure, p):
    difference = None
    if found := own.comparisons.get(figure):
        difference = asdict(found)
        corrected_p = p.get((own.name, figure), (1.0, 1.0))
        difference["p_holm"], difference["typical"]["p_holm"] = map(float, corrected_p)
    base, head = own.means(figure)
    return {
        "verdict": verdict(own, figure, p),
        "higher_is_better": own.task.higher_is_better(figure),
        "base": base,
        "head": head,
        "difference": difference,
    }


def _finite(value):
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def failing(reviewed: list[Reviewed], fail_on: list[str]) -> list[str]:
    """A line for each data set whose verdict is among those that these keys of FAILING stand for."""
    p, words = corrected(reviewed), {word for key in fail_on for word in FAILING[key]}
    verdicts = {own.name: verdict(own, own.task.metric, p) for own in reviewed}
    return [f"{name} is {word}" for name, word in verdicts.items() if word in words]


def _by_kind(stages, names):
    """Stages for people: "kfold, train@imdb" where kfold is there of all data sets, and train of one."""
    kinds = dict.fromkeys(stage.partition("@")[0] for stage in stages)
    every = [kind for kind in kinds if {f"{kind}@{name}" for name in names} <= {*stages}]
    return ", ".join([*every, *(stage for stage in stages if stage.partition("@")[0] not in every)])


def drawn(own: Reviewed) -> dict[str, bytes]:
    """{what it shows: PNG} for one data set."""
    if own.obstacle or same(own):
        return {}
    dataset, metric = TABLE[own.name], own.task.metric
    sides = {
        f"{kind}: {side.revision.name}": side
        for kind, side in (("base", own.base), ("head", own.head))
    }
    found, repeats = own.comparisons[metric], int(own.head.folds.repeat.max())
    differences = (own.head.folds[metric] - own.base.folds[metric]).to_numpy().reshape(repeats, -1)
    within = own.head.section.get("review", {}).get("equivalent_within")
    title = f"{dataset.title}: difference in {metric} of each fold, head - base"
    axes = {
        name: pictures.Axis(label, own.task.higher_is_better(name))
        for name, label in own.labels.items()
    }
    result = {
        "Each fold's difference": pictures.fold_differences(
            title, differences, (found.low, found.high), within, axes[metric]
        )
    }
    if own.base.curves is not None and own.head.curves is not None:
        shared = {name: axes[name] for name in reversed(own.shared)}
        columns = {
            label: _curves(side.curves, [f"val_{name}" for name in shared])
            for label, side in sides.items()
        }
        result["K-fold curves"] = pictures.compared_folds(
            f"{dataset.title}: held-out rows by epoch", columns, shared
        )
    outcomes = own.base.outcome, own.head.outcome
    if any(outcome is None for outcome in outcomes):
        return result
    if own.task.classifies:
        size = 1 + max(
            int(outcome[["actual", "predicted"]].to_numpy().max()) for outcome in outcomes
        )
        size = max(size, len(dataset.classes))
        counts = [np.zeros((size, size), int) for _ in outcomes]
        for matrix, outcome in zip(counts, outcomes, strict=True):
            matrix[outcome.actual, outcome.predicted] = outcome.rows
        title = f"{dataset.title}: predictions of the ensemble for the test rows, head - base"
        result["Confusion, head - base"] = pictures.confusion_difference(
            title, *counts, dataset.classes
        )
    elif outcomes[0].actual.equals(outcomes[1].actual):
        predicted = {name: side.outcome.predicted.to_numpy() for name, side in sides.items()}
        title, actual = f"{dataset.title}: test rows, ensemble", outcomes[0].actual.to_numpy()
        result["Predicted against actual"] = pictures.predicted_against_actual(
            title, actual, predicted, dataset.unit
        )
    return result


def _curves(frame, names):
    """{name: (replicas, epochs)} from fold_curves.csv."""
    return {name: frame[name].to_numpy().reshape(-1, int(frame.epoch.max())) for name in names}


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }}
th, td {{ border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; }}
th {{ background: #f4f4f4; }}
code {{ overflow-wrap: anywhere; }}
pre {{ background: #f4f4f4; padding: .8rem; overflow-x: auto; }}
blockquote {{ border-left: .3rem solid #D55E00; margin-left: 0; padding-left: 1rem; }}
figure {{ margin: 1.5rem 0; break-inside: avoid; }} img {{ max-width: 100%; }}
@media (max-width: 40rem) {{ body {{ padding: 0 .5rem; }} th, td {{ padding: .1rem; font-size: .65rem; }} }}
@media print {{ table, pre {{ font-size: .7rem; }} table {{ display: table; }} pre {{ white-space: pre-wrap; }} }}
</style></head><body>
{body}
</body></html>
"""


def page(parts: list[str], reviewed: list[Reviewed]) -> str:
    """The review, as `sections` gives it, as one HTML file with its pictures inside."""
    render = (
        MarkdownIt("commonmark", {"html": False})
        .enable("table")
        .disable(["image", "link", "autolink"])
        .render
    )
    body = [render(parts[0])]
    for text, rows, own in zip(parts[1::2], parts[2::2], reviewed, strict=True):
        body.append(render(text))
        for name, png in drawn(own).items():
            encoded = base64.b64encode(png).decode()
            body.append(
                f'<figure><img alt="{html.escape(name)}" src="data:image/png;base64,{encoded}"></figure>'
            )
        body.append(render(rows))
    title = html.escape(parts[0].splitlines()[0].removeprefix("# "))
    return PAGE.format(title=title, body="\n".join(body))


def main():
    """Review BASE against HEAD."""
    status = (
        "Exit status: 0; 1 without a review, 2 for wrong arguments, 3 for what --fail-on names."
    )
    parser = parser_of(main)
    parser.epilog = status
    parser.add_argument("base", help="a Git revision or a DVC experiment")
    parser.add_argument("head", nargs="?", help="the same; the workspace where it is not named")
    parser.add_argument("--html", type=Path, help="write a page with pictures here")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument(
        "--fail-on",
        action="append",
        choices=FAILING,
        default=[],
        help="exit with 3 where the main metric of a data set is worse (also in the typical fold, but "
        "not where that is negligible), or where a data set is not comparable; may be given twice",
    )
    chosen = parser.parse_args()
    if chosen.html and chosen.html.is_dir():
        parser.error(f"{chosen.html} is a folder; --html takes the name of a file")
    try:
        base = resolve(chosen.base)
        head = resolve(chosen.head) if chosen.head else Revision("workspace")
        reviewed = review(base, head)
        parts = [] if chosen.json and not chosen.html else sections(base, head, reviewed)
        told = document(base, head, reviewed) if chosen.json else {}
    except Unreadable as error:
        raise SystemExit(f"review: {error}") from None
    if chosen.html:
        with whole(chosen.html) as path:
            path.write_text(page(parts, reviewed), encoding="utf-8")
    print(json.dumps(told, indent=2, default=str) if told else "\n\n".join(filter(None, parts)))
    if found := failing(reviewed, chosen.fail_on):
        print(f"review: {', '.join(found)} (--fail-on {' '.join(chosen.fail_on)})", file=sys.stderr)
        raise SystemExit(3)


if __name__ == "__main__":
    tool(main)
