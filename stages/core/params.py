"""params.yaml as typed objects; a wrong or unknown key stops before any work.

`python -m stages.core.params` checks the file and prints nothing when it is right.
"""

import re
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError

from stages.core.datasets import TABLE
from stages.core.encodings import ENCODINGS, TAKES

PATH, ROOT = Path("params.yaml"), Path(__file__).parents[2]
SHORT = Repr()  # what was given, however large it is
SHORT.maxstring = SHORT.maxother = 60
LARGEST = 2**31 - 1  # of a whole number: TensorFlow counts and indexes in int32
LARGEST_NUMBER = 3.4e38  # of a number: networks reckon in float32


class WrongParams(ValueError):
    """params.yaml holds something that no stage can use; the message has a line for each key."""


def _whole_or_best(value):
    if value == "best" or (type(value) is int and 1 <= value <= LARGEST):
        return value
    raise ValueError(f"expected a whole number from 1 to {LARGEST}, or best")


def _number(value):
    """Refuse what pydantic would quietly take for a number; a string such as 5e-05 is what YAML makes of `-S`."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _in_float32(value):
    if value > LARGEST_NUMBER:
        raise ValueError(f"expected at most {LARGEST_NUMBER}")
    return value


Whole = Annotated[StrictInt, Field(ge=1, le=LARGEST)]
Many = Annotated[Whole, Field(le=2**15)]  # of what is trained and kept one by one
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False), AfterValidator(_in_float32)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocess(_Section):
    """How rows become arrays."""

    encoding: Literal[tuple(ENCODINGS)]
    num_words: Annotated[Whole, Field(ge=4)] | None = None
    ngrams: Annotated[StrictInt, Field(ge=1, le=2)] | None = None
    length: Whole | None = None


class Model(_Section):
    """The network, what it takes and what it minimises."""

    network: Literal[tuple(TAKES)]
    api: Literal["sequential", "functional"]
    weighting: Literal["binary", "tf_idf", "nb", "standardize", "none"]
    embedding: Whole | None = None
    units: list[Whole]
    activation: Literal["relu", "elu", "gelu", "selu", "sigmoid", "silu", "softplus", "tanh"]
    dropout: Annotated[Number, Field(ge=0, lt=1)]
    l1: Annotated[Number, Field(ge=0)]
    l2: Annotated[Number, Field(ge=0)]
    loss: Literal["mse", "mae", "huber"] | None = None
    labels: Literal["integer", "one_hot"] | None = None
    class_weights: Literal["equal", "balanced"] | None = None


class Fit(_Section):
    """The exploring fit and the final one."""

    optimizer: Literal["rmsprop", "adam", "sgd", "adamw"]
    learning_rate: Annotated[Number, Field(gt=0)]
    momentum: Annotated[Number, Field(ge=0, lt=1)]
    batch_size: Whole
    epochs: Whole
    validation: Annotated[StrictInt, Field(ge=0)]
    final_epochs: Annotated[int | str, BeforeValidator(_whole_or_best)]
    seeds: Many


class KFold(_Section):
    """The iterated K-fold evaluation."""

    k: Annotated[Many, Field(ge=2)]  # folds are stored as int16
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


class _Strict(yaml.SafeLoader):
    """Reads YAML as PyYAML does, but refuses what it takes in silence: equal keys, bombs, what DVC reads otherwise."""

    def construct_mapping(self, node, deep=False):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []  # else, PyYAML says what it should have been
        keys = [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)]
        for key in {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node):
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge" and not isinstance(value, yaml.MappingNode):  # lists can multiply
                raise yaml.constructor.ConstructorError(None, None, "<<: expected one anchor", key.start_mark)
        super().flatten_mapping(node)

    def construct_object(self, node, deep=False):
        if node.tag.endswith((":int", ":float")) and re.search(r"^[-+]?0[\d_]|:", str(node.value)):
            # Of base 8 or 60 for PyYAML, but of base 10 or text for DVC, which reads a newer YAML.
            wrong = f"expected a number without a leading 0 or a colon, got {SHORT.repr(node.value)}"
            raise yaml.constructor.ConstructorError(None, None, wrong, node.start_mark)
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()  # half of a surrogate pair is no text
            return value
        except (ValueError, TypeError, LookupError, AttributeError) as error:  # how PyYAML fails on a 13th month
            wrong = f"{SHORT.repr(node.value)} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, wrong, node.start_mark) from error


def parse(document: str | bytes) -> Params:
    """The params in this YAML text. Raises WrongParams with a line for each wrong key: path, expected, got."""
    try:
        loader = _Strict(document)
        content = loader.get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        raise WrongParams(f"it is no YAML: {' '.join(str(error).split())}") from error
    except (ValueError, OverflowError) as error:  # how PyYAML fails on \UFFFFFFFF
        raise WrongParams(f"it is no YAML: {error}, in line {loader.line + 1}") from error
    if not isinstance(content, dict):
        raise WrongParams(f"expected keys and values, got {SHORT.repr(content)}")
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
    keys = (str(key) for key in error["loc"][error["loc"][0] == "sections" :])
    path = ".".join(key if key.isprintable() and key else repr(key) for key in keys).removesuffix(".[key]")
    if error["type"] in ("extra_forbidden", "invalid_key"):
        return f"{path}: there is no such key"
    if error["type"] == "missing":
        return f"{path}: the key is missing"
    words = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("expected ")
    return f"{path}: expected {EXPECTED.get(error['type'], words)}, got {SHORT.repr(error['input'])}"


def _misfits(params):
    """Lines on values that are fine alone and wrong together or for the data set."""
    if len(set(params.datasets)) < len(params.datasets):
        yield f"datasets: expected each name once, got {params.datasets}"
    for name in params.datasets:
        if name not in params.sections:
            yield f"{name}: the key is missing, and datasets names it"
    for name, section in params.sections.items():
        dataset, fit = TABLE[name], section.fit
        yield from (f"{name}.{line}" for line in [*_keys(dataset, section), *_shapes(dataset, section)])
        if fit.validation >= dataset.rows:
            yield f"{name}.fit.validation: expected less than the {dataset.rows} training rows, got {fit.validation}"
        if fit.final_epochs == "best" and not fit.validation:
            yield f"{name}.fit.final_epochs: expected a number where fit.validation is 0, got 'best'"
        if section.kfold.k > dataset.rows:
            yield f"{name}.kfold.k: expected at most the {dataset.rows} training rows, got {section.kfold.k}"


def _keys(dataset, section):
    """Keys that belong to one kind of data or to one kind of task: there, they must be; elsewhere, they must not."""
    text, task = dataset.kind == "text", dataset.task
    belongs = {
        "preprocess.num_words": text,
        "preprocess.ngrams": text,
        "preprocess.length": text,
        "model.embedding": text,
        "model.loss": not task.classifies,
        "model.labels": task.name == "multiclass",
        "model.class_weights": task.classifies,
    }
    for path, wanted in belongs.items():
        part, key = path.split(".")
        given = getattr(getattr(section, part), key) is not None
        if given != wanted:
            what = "the key is missing" if wanted else "there is no such key"
            yield f"{path}: {what} for {dataset.kind}, {task.name}"


def _shapes(dataset, section):
    """Encodings, weightings and networks that do not fit the data or each other."""
    name, weighting, network = section.preprocess.encoding, section.model.weighting, section.model.network
    encoding = ENCODINGS[name]
    if dataset.kind not in encoding.reads:
        fitting = " or ".join(name for name, other in ENCODINGS.items() if dataset.kind in other.reads)
        yield f"preprocess.encoding: expected {fitting} for {dataset.kind}, got {name!r}"
        return
    if weighting not in encoding.weightings:
        expected = " or ".join(encoding.weightings)
        yield f"model.weighting: expected {expected} for the encoding {name}, got {weighting!r}"
    if weighting == "nb" and dataset.task.name != "binary":
        yield f"model.weighting: expected binary or tf_idf for more than two classes, got {weighting!r}"
    if name == "sequence" and section.preprocess.ngrams != 1:
        yield f"preprocess.ngrams: expected 1 for the encoding sequence, got {section.preprocess.ngrams}"
    gives, takes = encoding.gives(section, dataset.shape), TAKES[network]
    if len(gives) + 1 != len(takes):
        expected, got = ", ".join(takes), ", ".join(map(str, ["samples", *gives]))
        yield f"model.network: {network} takes ({expected}), but the encoding {name} gives ({got})"
    if section.fit.momentum and section.fit.optimizer != "sgd":
        yield f"fit.momentum: expected 0 for {section.fit.optimizer}, got {section.fit.momentum}; it belongs to sgd"


def must_be_here(path: Path = PATH):
    """Exit where there is no such file: paths are relative to the root of the project."""
    if not path.exists():
        raise SystemExit(f"{path} is missing; run this from the root of the project, {ROOT}")


def load(path: Path = PATH) -> Params:
    """The params in this file; exits with the reason, in one message, when they are wrong."""
    try:
        must_be_here(path)
        return parse(path.read_bytes())
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error}") from None
    except WrongParams as error:
        lines = "\n".join(f"  {line}" for line in str(error).splitlines())
        raise SystemExit(f"{path} cannot be used:\n{lines}\nNothing was run. Mend it and run again.") from None


if __name__ == "__main__":
    load()
