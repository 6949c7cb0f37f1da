"""What the studies share: arrays of a data set, sections with other settings, Markdown pages."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from stages.core.data import arrays
from stages.core.declared import params
from stages.core.declared.task import Task

ROOT = Path(__file__).parent.parent


def task_of(name: str) -> Task:
    """What is predicted of a data set, as params.yaml says."""
    return params.load().datasets[name].task


def load(name: str, *parts: str) -> tuple:
    """Rows and labels of these parts of a data set ("train", "test"), one below the other."""
    with np.load(ROOT / f"data/arrays/{name}.npz") as file:
        x = [arrays.unpack(f"x_{part}", file) for part in parts]
        y = np.hstack([file[f"y_{part}"] for part in parts])
    return (sp.vstack(x, format="csr") if sp.issparse(x[0]) else np.vstack(x)), y


def changed(section, part: str, **keys):
    """A section of params.yaml with these keys of one of its groups changed."""
    return section.model_copy(update={part: getattr(section, part).model_copy(update=keys)})


def table(header: str, rows: Iterable[str]) -> str:
    """A Markdown table of a header and rows, each with bars between its cells."""
    rule = "|" + "---|" * (header.count("|") + 1)
    return "\n".join([f"| {header.lstrip()} |", rule, *(f"| {row} |" for row in rows)])


def write(name: str, *blocks: str):
    """Write docs/<name>.md: blocks of Markdown, with an empty line between them."""
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / f"docs/{name}.md").write_text("\n\n".join(blocks) + "\n", "utf-8")
