"""params.yaml as typed objects; a wrong or unknown key stops before any work.

`python -m stages.core.params` checks the file and prints nothing when it is right.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError

from stages.core.datasets import TABLE

PATH = Path("params.yaml")


class WrongParams(ValueError):
    """params.yaml holds something that no stage can use; the message has a line for each key."""


def _whole_or_best(value):
    if value == "best" or (type(value) is int and value >= 1):
        return value
    raise ValueError("expected a whole number of at least 1, or best")


def _number(value):
    """Refuse what pydantic would quietly take for a number; a string such as 5e-05 is what YAML makes of `-S`."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


Whole = Annotated[StrictInt, Field(ge=1)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocess(_Section):
    """How rows become arrays."""

    encoding: Literal["multi_hot", "features"]
    num_words: Annotated[StrictInt, Field(ge=4)] | None = None


class Model(_Section):
    """The network."""

    network: Literal["dense"]
    api: Literal["sequential", "functional"]
    units: list[Whole]
    activation: Literal["relu", "elu", "gelu", "selu", "sigmoid", "silu", "softplus", "tanh"]
    dropout: Annotated[Number, Field(ge=0, lt=1)]
    l1: Annotated[Number, Field(ge=0)]
    l2: Annotated[Number, Field(ge=0)]


class Fit(_Section):
    """The exploring fit and the final one."""

    optimizer: Literal["rmsprop", "adam", "sgd"]
    learning_rate: Annotated[Number, Field(gt=0)]
    batch_size: Whole
    epochs: Whole
    validation: Annotated[StrictInt, Field(ge=0)]
    final_epochs: Annotated[int | str, BeforeValidator(_whole_or_best)]
    seeds: Whole


class KFold(_Section):
    """The iterated K-fold evaluation."""

    k: Annotated[StrictInt, Field(ge=2)]
    repeats: Whole
    epochs: Whole
    equivalent_within: Annotated[Number, Field(gt=0)]


class Section(_Section):
    """All that concerns one data set."""

    preprocess: Preprocess
    model: Model
    fit: Fit
    kfold: KFold


class Params(_Section):
    """The whole file; `sections` holds the part of each data set under its name."""

    source: Literal["official", "synthetic"]
    seed: Seed
    split_seed: Seed
    datasets: Annotated[list[Literal[tuple(TABLE)]], Field(min_length=1)]
    sections: dict[str, Section]


def parse(document: str | bytes) -> Params:
    """The params in this YAML text. Raises WrongParams with a line for each wrong key: path, expected, got."""
    try:
        content = yaml.safe_load(document)
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: a date or a number that YAML cannot make
        raise WrongParams(f"it is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise WrongParams(f"expected keys and values, got {content!r}")
    sections = {key: value for key, value in content.items() if key in TABLE}
    others = {key: value for key, value in content.items() if key not in TABLE and key != "sections"}
    if "sections" in content:
        raise WrongParams("sections: there is no such key")
    try:
        params = Params(**{str(key): value for key, value in others.items()}, sections=sections)
    except ValidationError as error:
        raise WrongParams("\n".join(map(_line, error.errors()))) from error
    if problems := list(_misfits(params)):
        raise WrongParams("\n".join(problems))
    return params


EXPECTED = {  # where pydantic's own words say little to a person who edits a YAML file
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "list_type": "a list",
    "too_short": "at least one name",
    "float_type": "a number",
    "float_parsing": "a number",
}


def _line(error):
    path = ".".join(map(str, error["loc"][error["loc"][0] == "sections" :])).removesuffix(".[key]")
    if error["type"] in ("extra_forbidden", "invalid_key"):
        return f"{path}: there is no such key"
    if error["type"] == "missing":
        return f"{path}: the key is missing"
    words = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("expected ")
    return f"{path}: expected {EXPECTED.get(error['type'], words)}, got {error['input']!r}"


def _misfits(params):
    """Lines on values that are fine alone and wrong together or for the data set."""
    if len(set(params.datasets)) < len(params.datasets):
        yield f"datasets: expected each name once, got {params.datasets}"
    for name in params.datasets:
        if name not in params.sections:
            yield f"{name}: the key is missing, and datasets names it"
    encodings = {"text": "multi_hot", "features": "features"}
    for name, section in params.sections.items():
        dataset, preprocess, fit = TABLE[name], section.preprocess, section.fit
        if preprocess.encoding != encodings[dataset.kind]:
            expected = f"{encodings[dataset.kind]} for {dataset.kind}"
            yield f"{name}.preprocess.encoding: expected {expected}, got {preprocess.encoding!r}"
        if dataset.kind == "text" and preprocess.num_words is None:
            yield f"{name}.preprocess.num_words: the key is missing; text needs a size of its vocabulary"
        if dataset.kind != "text" and preprocess.num_words is not None:
            yield f"{name}.preprocess.num_words: there is no such key for {dataset.kind}"
        if fit.validation >= dataset.rows:
            yield f"{name}.fit.validation: expected less than the {dataset.rows} training rows, got {fit.validation}"
        if fit.final_epochs == "best" and not fit.validation:
            yield f"{name}.fit.final_epochs: expected a number where fit.validation is 0, got 'best'"
        if section.kfold.k > dataset.rows:
            yield f"{name}.kfold.k: expected at most the {dataset.rows} training rows, got {section.kfold.k}"


def load(path: Path = PATH) -> Params:
    """The params in this file; exits with the reason, in one message, when they are wrong."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise SystemExit(f"{path} is missing; run this from the root of the project") from None
    except WrongParams as error:
        lines = "\n".join(f"  {line}" for line in str(error).splitlines())
        raise SystemExit(f"{path} cannot be used:\n{lines}\nNothing was run. Mend it and run again.") from None


if __name__ == "__main__":
    load()
