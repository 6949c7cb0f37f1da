"""params.yaml as typed objects; a wrong or unknown key stops before any work.

`python -m stages.core.declared.params` checks the file and prints nothing when it is right.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt, create_model

from stages.core.declared import arguments, sources, strict_yaml
from stages.core.declared.sections import (
    LARGEST,
    Count,
    Penalty,
    Positive,
    Section,
    Share,
    Whole,
    checked,
    dotted,
    said,
)
from stages.core.declared.strict_yaml import SHORT, Wrong
from stages.core.declared.task import TASKS

PATH, ROOT = Path("params.yaml"), Path(__file__).parents[3]
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"  # of a data set: part of file names and of names of stages
Many = Annotated[Whole, Field(le=2**15)]  # of what is trained and kept one by one
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]
Words = Annotated[Whole, Field(ge=4)]


class Data(Section):
    """What is asked of the data."""

    task: Literal[tuple(TASKS)]


class MultiHot(Section):
    """Text as counts of words."""

    axes: ClassVar = ("samples", "features")
    weightings: ClassVar = ("binary", "tf_idf", "nb")
    encoding: Literal["multi_hot"]
    num_words: Words
    ngrams: Annotated[StrictInt, Field(ge=1, le=2)] = 1


class Sequence(Section):
    """Text as its last words, in order."""

    axes: ClassVar = ("samples", "timesteps")
    weightings: ClassVar = ("none",)
    encoding: Literal["sequence"]
    num_words: Words
    length: Whole = 200


class Features(Section):
    """Numbers in a row."""

    axes: ClassVar = ("samples", "features")
    weightings: ClassVar = ("standardize", "none")
    encoding: Literal["features"]


class Image(Section):
    """Pixels as they are."""

    axes: ClassVar = ("samples", "height", "width", "channels")
    weightings: ClassVar = ("none",)
    encoding: Literal["image"]


class Table(Section):
    """Columns of a table. levels: categories that a column keeps; rare: rows that make none."""

    axes: ClassVar = ("samples", "features")
    weightings: ClassVar = ("tabular",)
    encoding: Literal["table"]
    drop: sources.Names = ()
    levels: Whole = 50
    rare: Count = 5


PREPROCESS = {  # by kind of data
    "text": Annotated[MultiHot | Sequence, Field(discriminator="encoding")],
    "features": Features,
    "table": Table,
    "images": Annotated[Features | Image, Field(discriminator="encoding")],
}


class Fit(Section):
    """What every fit shares."""

    api: Literal["sequential", "functional"] = "sequential"
    weighting: Literal["binary", "tf_idf", "nb", "standardize", "tabular", "none"]
    optimizer: Literal["rmsprop", "adam", "sgd", "adamw"]
    learning_rate: Positive
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    momentum: Share = 0.0
    weight_decay: Share = 0.0
    clipnorm: Penalty = 0.0
    batch_size: Whole


class Binary(Fit):
    """A fit to two classes."""

    class_weights: Literal["equal", "balanced"] = "equal"


class Multiclass(Binary):
    """A fit to more than two classes."""

    labels: Literal["integer", "one_hot"] = "integer"


class Regression(Fit):
    """A fit to numbers."""

    loss: Literal["mse", "mae", "huber"]
    target: Literal["as_it_is", "standardized"] = "as_it_is"


FITS = {"binary": Binary, "multiclass": Multiclass, "regression": Regression}


class Final(Section):
    """The exploring fit and the final ones."""

    exploring_epochs: Whole
    validation: Count
    epochs: Annotated[Whole | Literal["best"], said(f"a whole number from 1 to {LARGEST}, or best")]
    seeds: Many


class KFold(Section):
    """The iterated K-fold evaluation."""

    k: Annotated[Many, Field(ge=2)]  # folds are stored as int16
    repeats: Whole
    epochs: Whole


class Review(Section):
    """What no stage reads."""

    equivalent_within: Positive


class DataSet(Section):
    """All that concerns a data set; the first four follow from its kind, task and network."""

    data: Data
    preprocess: Section
    model: Section
    fit: Fit
    final: Final
    kfold: KFold
    review: Review


class Params(Section):
    """The whole file; `datasets` holds the section of each data set under its name."""

    source: Literal["official", "synthetic"]
    seed: Seed
    split_seed: Seed
    datasets: Annotated[dict, Field(min_length=1)]


def parse(document: str | bytes) -> Params:
    """The params in this YAML text.

    Raises Wrong with a line for each wrong key: its path, what was expected, what it is.
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
            sections[name] = _section(name, section)
        except Wrong as error:
            lines += error.args
    if lines:
        raise Wrong(*lines)
    return params.model_copy(update={"datasets": sections})


def _section(name, content) -> DataSet:
    """The section of one data set. Raises Wrong."""
    at = dotted("datasets", name)
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        expected = "a name of letters, digits, _ and -"
        raise Wrong(f"{at}: expected {expected}, got {SHORT.repr(name)}")
    if name not in (known := sources.names()):
        got = f"there is no {sources.path_of(name)}"
        raise Wrong(f"{at}: {got}; expected one of {', '.join(known)}")
    task, network = _at(content, "data", "task"), _at(content, "model", "network")
    kind = section_type(sources.read(name).kind, task, network)
    section = checked(kind, content, "datasets", name)
    columns = sources.read(name).names
    for dropped in getattr(section.preprocess, "drop", ()):
        if dropped not in columns or len(section.preprocess.drop) == len(columns):
            expected = "some, and not all, of the columns of the source"
            raise Wrong(f"{at}.preprocess.drop: expected {expected}, got {dropped!r}")
    if misfits := [f"{at}.{line}" for line in _misfits(section)]:
        raise Wrong(*misfits)
    return section


def _at(tree, *keys) -> str | None:
    """The text at these keys, or None."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, str) else None


@cache  # equal sections have the same type
def section_type(kind: str, task: str | None, network: str | None) -> type[DataSet]:
    """The type of a section whose data are of this kind, with this task and this network.

    Raises Wrong.
    """
    known = arguments.names()
    if network in known:
        model = arguments.read(network)[0]
    else:  # nothing can be said of its other keys
        model = create_model("Model", network=(Literal[tuple(known)], ...))
    fields = {"preprocess": PREPROCESS[kind], "model": model, "fit": FITS.get(task, dict)}
    return create_model(
        "DataSet", __base__=DataSet, **{key: (of, ...) for key, of in fields.items()}
    )


def _misfits(section) -> Iterator[str]:
    """Lines on values that are fine alone and wrong together."""
    fit, final, preprocess = section.fit, section.final, section.preprocess
    encoding, network = preprocess.encoding, section.model.network
    if fit.weighting not in preprocess.weightings:
        expected = " or ".join(preprocess.weightings)
        given = f"the encoding {encoding}, got {fit.weighting!r}"
        yield f"fit.weighting: expected {expected} for {given}"
    if fit.weighting == "nb" and section.data.task != "binary":
        expected = "binary or tf_idf for more than two classes"
        yield f"fit.weighting: expected {expected}, got {fit.weighting!r}"
    takes, gives = arguments.read(network)[1], preprocess.axes
    if takes and takes != gives:
        wanted, given = f"{network} takes ({', '.join(takes)})", ", ".join(gives)
        yield f"model.network: {wanted}, but the encoding {encoding} gives ({given})"
    if final.epochs == "best" and not final.validation:
        yield "final.epochs: expected a number where final.validation is 0, got 'best'"
    if fit.momentum and fit.optimizer != "sgd":
        yield f"fit.momentum: expected 0 for {fit.optimizer}, got {fit.momentum}; it belongs to sgd"


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
