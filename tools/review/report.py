"""A review in words: a sentence for each data set, what was changed, and a section for each."""

import re
from difflib import unified_diff
from typing import NamedTuple

from stages.core.judge.markdown import number, table
from tools.review.headlines import headlines
from tools.review.revisions import CODE, Revision, git, stale
from tools.review.sentences import flipped, sentences
from tools.review.side_by_side import metric_table
from tools.review.verdicts import Reviewed

EXPLANATION = """\
A difference is head - base on the same folds, and its interval is that of 95 %: were all repeated
with other rows and other seeds, the truth would be inside 95 times out of 100. p is corrected for
the number of data sets that are decided (Holm). *Better*, *worse*: p is below 0.05. *Equivalent*:
with a probability of 95 % the difference is too small to matter; *but negligible*: both. *No
evidence*: none of these. ↑: higher is better, ↓: lower is better."""
GONE = " `params.yaml` does not have this sweep any more: it is of `params.yaml` as it was then."


class Pictures(NamedTuple):
    """Where pictures of a data set belong: that of the differences of its folds, or the others."""

    dataset: Reviewed
    of_differences: bool


class Picture(NamedTuple):
    """A picture that is there: its name, and PNG."""

    name: str
    png: bytes


def report(
    base: Revision, head: Revision, reviewed: list[Reviewed]
) -> list[str | Pictures | Picture]:
    """The review in Markdown, part by part, with the places of its pictures."""
    late = [
        f"{side.name}: {_by_kind(old, side.sections)}"
        for side in (base, head)
        if (old := stale(side))
    ]
    notice = f"> **Out of date**, params or code are newer: {'; '.join(late)}." if late else ""
    changed = "## What changed", _params(base, head), _code(base, head)
    top = [headlines(reviewed), notice, EXPLANATION, *changed]
    parts = ["\n\n".join(filter(None, top))]
    for dataset in reviewed:
        if dataset.unchanged:
            continue
        listed = "\n".join(f"- {sentence}" for sentence in sentences(dataset))
        words = "\n\n".join([metric_table(dataset), listed])
        parts += [f"## {dataset.about.source.title}", Pictures(dataset, True), words]
        parts += [Pictures(dataset, False), flipped(dataset)]
    parts += _sweeps(base, head)
    networks = [*_networks(reviewed)]
    parts += ["## Networks", *networks] if networks else []
    return [part for part in parts if part]


def _by_kind(stages, names):
    """Stages for people: "kfold, train@imdb" where kfold is there of all data sets."""
    kinds = dict.fromkeys(stage.partition("@")[0] for stage in stages)
    every = [kind for kind in kinds if {f"{kind}@{name}" for name in names} <= {*stages}]
    return ", ".join([*every, *(stage for stage in stages if stage.partition("@")[0] not in every)])


def params_that_differ(base: Revision, head: Revision) -> dict[str, dict]:
    """{dotted key: {"base": value, "head": value}}, without the side that lacks the key."""
    sides = {"base": _flat(base.yaml("params.yaml")), "head": _flat(head.yaml("params.yaml"))}
    return {
        key: {name: side[key] for name, side in sides.items() if key in side}
        for key in dict.fromkeys([*sides["base"], *sides["head"]])
        if sides["base"].get(key) != sides["head"].get(key)
    }


def _flat(tree, prefix=""):
    """Nested keys as dotted ones."""
    flat = {}
    for key, value in tree.items():
        inner = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat


def _params(base, head):
    """The params that differ, in Markdown."""
    rows = [
        [f"`{key}`", *(f"`{values[side]}`" if side in values else "-" for side in ("base", "head"))]
        for key, values in params_that_differ(base, head).items()
    ]
    return table(["param", "base", "head"], rows) if rows else "No param differs."


def _networks(reviewed):
    """The layers that differ, in Markdown, network by network."""
    for dataset in reviewed:
        before, after = (side.network for side in dataset.sides)
        if before and after and before != after:
            counts = [side.metrics.get("network", {}).get("parameters") for side in dataset.sides]
            arrow = " → ".join(map(number, counts))
            lines = before.splitlines(), after.splitlines()
            diff = unified_diff(*lines, "base", "head", lineterm="", n=1)
            title = f"Network of {dataset.name}: {arrow} parameters"
            yield "\n".join([f"{title}\n\n```diff", *diff, "```"])


def _sweeps(base, head):
    """What new sweeps found, as their stage wrote it, each with its picture."""
    for name in head.sections:
        path = f"metrics/{name}/sweep.md"
        before, after = (side.read(path) for side in (base, head))
        if after and after != before:
            text = re.sub(r"^!\[.*\n\n", "", after.decode(errors="replace"), flags=re.MULTILINE)
            gone = "" if name in head.sweeps else GONE
            path = f"metrics/{name}/sweep.png"
            yield f"#{text.rstrip()}\n\nThe picture: `{path}`.{gone}"
            if picture := head.read(path):
                yield Picture("sweep", picture)


def _code(base, head):
    """The files of stages that differ, in Markdown."""
    revisions = [side.commit for side in (base, head) if side.commit]
    options, places = ("--no-color", "--no-ext-diff", "--stat"), (*CODE, "dvc.yaml")
    code = git("diff", *options, *revisions, "--", *places).decode()
    if not head.commit:  # what Git does not have yet
        new = git("ls-files", "--others", "--exclude-standard", "--", *places).decode()
        code += "".join(f" {path} (new)\n" for path in new.splitlines())
    code = code.rstrip()
    return f"Code:\n\n```\n{code}\n```" if code else "No code of a stage differs."
