"""params.yaml as typed objects; a wrong or unknown key stops before any work.

`python -m stages.core.declared.params` checks the file and prints nothing when it is right.
"""

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from stages.core.declared import sources, strict_yaml, sweeps
from stages.core.declared.dataset import DataSet, misfits, section_type
from stages.core.declared.sections import Section, checked, dotted
from stages.core.declared.strict_yaml import SHORT, Wrong

PATH, ROOT = Path("params.yaml"), Path(__file__).parents[3]
# Of a data set: part of names of files and stages. `-S` of DVC takes no digit in front.
NAME = r"[A-Za-z][A-Za-z0-9_-]*"
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]


class Params(Section):
    """The whole file; `datasets` holds the section of each data set under its name.

    sweeps: by name of a data set, the candidates of its sweep, the section as it stands first.
    """

    source: Literal["official", "synthetic"]
    seed: Seed
    split_seed: Seed
    datasets: Annotated[dict, Field(min_length=1)]
    sweeps: dict


def parse(document: str | bytes, new: dict[str, sources.Source] | None = None) -> Params:
    """The params in this YAML text.

    new: data sets that have no file yet, by name. Raises Wrong with a line for each wrong key: its
    path, what was expected, what it is.
    """
    content = strict_yaml.read(document)
    lines, sections = [], {}
    try:
        params = checked(Params, content)
    except Wrong as error:
        lines += error.args
    given = content.get("datasets") if isinstance(content, dict) else None
    for name, section in given.items() if isinstance(given, dict) else ():
        try:
            sections[name] = _section(name, section, new or {})
        except Wrong as error:
            lines += error.args
    if lines:
        raise Wrong(*lines)
    found = {name: _sweep(name, content, new or {}) for name in params.sweeps}
    return params.model_copy(update={"datasets": sections, "sweeps": found})


def _sweep(name, content, new) -> list[sweeps.Candidate]:
    """The candidates of the sweep of a data set. Raises Wrong."""
    sections = content["datasets"]
    if name not in sections:
        expected = f"a data set of this file, {', '.join(map(str, sections))}"
        raise Wrong(f"{dotted('sweeps', name)}: expected {expected}")
    given = content["sweeps"][name], sections[name], content["seed"]
    return sweeps.candidates(name, *given, partial(_section, name, new=new))


def _section(name, content, new) -> DataSet:
    """The section of one data set. Raises Wrong."""
    at = dotted("datasets", name)
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        expected = "a name of letters, digits, _ and -, a letter first"
        raise Wrong(f"{at}: expected {expected}, got {SHORT.repr(name)}")
    if name not in (known := [*sources.names(), *new]):
        got = f"there is no {sources.path_of(name)}"
        raise Wrong(f"{at}: {got}; expected one of {', '.join(known)}")
    source = new.get(name) or sources.read(name)
    task, network = _at(content, "data", "task"), _at(content, "model", "network")
    section = checked(section_type(source.kind, task, network), content, "datasets", name)
    if lines := [f"{at}.{line}" for line in misfits(section, source)]:
        raise Wrong(*lines)
    return section


def _at(tree, *keys) -> str | None:
    """The text at these keys, or None."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, str) else None


def must_be_here(path: Path = PATH):
    """Exit where there is no such file: paths are relative to the root of the project."""
    if not path.exists():
        raise SystemExit(f"{path} is missing; run this from the root of the project, {ROOT}")


def load(path: Path = PATH) -> Params:
    """The params in this file; exits with the reason, in one message, when they are wrong."""
    must_be_here(path)
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error}") from None
    except Wrong as error:
        lines = "".join(f"\n  {line}" for line in str(error).splitlines())
        to_do = "Nothing was run. Repair it and run again."
        raise SystemExit(f"{path} cannot be used:{lines}\n{to_do}") from None


if __name__ == "__main__":
    load()
