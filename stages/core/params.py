"""params.yaml as typed objects; a wrong or unknown key stops before any work.

`python -m stages.core.params` checks the file and prints nothing when it is right.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Union

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    create_model,
)

from stages.core import arguments
from stages.core.arguments import LARGEST, Number, Share, Whole
from stages.core.data.datasets import TABLE
from stages.core.data.encodings import ENCODINGS
from stages.core.run import strict_yaml
from stages.core.run.strict_yaml import SHORT

PATH, ROOT = Path("params.yaml"), Path(__file__).parents[2]


class WrongParams(ValueError):
    """params.yaml holds something that no stage can use; the message has a line for each key."""


def _whole_or_best(value):
    if value == "best" or (type(value) is int and 1 <= value <= LARGEST):
        return value
    raise ValueError(f"expected a whole number from 1 to {LARGEST}, or best")


Many = Annotated[Whole, Field(le=2**15)]  # of what is trained and kept one by one
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]
Rows = Annotated[StrictInt, Field(ge=0)]
Words = Annotated[Whole, Field(ge=4)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MultiHot(_Section):
    """Text as counts of words."""

    axes: ClassVar = ("samples", "features")
    encoding: Literal["multi_hot"]
    num_words: Words
    ngrams: Annotated[StrictInt, Field(ge=1, le=2)] = 1


class Sequence(_Section):
    """Text as its last words, in order."""

    axes: ClassVar = ("samples", "timesteps")
    encoding: Literal["sequence"]
    num_words: Words
    length: Whole = 200


class Features(_Section):
    """Numbers in a row."""

    axes: ClassVar = ("samples", "features")
    encoding: Literal["features"]


class Image(_Section):
    """Pixels as they are."""

    axes: ClassVar = ("samples", "height", "width", "channels")
    encoding: Literal["image"]


PREPROCESS = {"multi_hot": MultiHot, "sequence": Sequence, "features": Features, "image": Image}
Preprocess = Annotated[Union[*PREPROCESS.values()], Field(discriminator="encoding")]


class Fit(_Section):
    """What every fit shares."""

    api: Literal["sequential", "functional"] = "sequential"
    weighting: Literal["binary", "tf_idf", "nb", "standardize", "none"]
    optimizer: Literal["rmsprop", "adam", "sgd", "adamw"]
    learning_rate: Annotated[Number, Field(gt=0)]
    momentum: Share = 0.0
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


FITS = {"binary": Binary, "multiclass": Multiclass, "regression": Regression}


class Final(_Section):
    """The exploring fit and the final ones."""

    exploring_epochs: Whole
    validation: Rows
    epochs: Annotated[int | str, BeforeValidator(_whole_or_best)]
    seeds: Many


class KFold(_Section):
    """The iterated K-fold evaluation."""

    k: Annotated[Many, Field(ge=2)]  # folds are stored as int16
    repeats: Whole
    epochs: Whole


class Review(_Section):
    """What no stage reads."""

    equivalent_within: Annotated[Number, Field(gt=0)]


class Section(_Section):
    """All that concerns one data set; `model` and `fit` are typed by its network and its task."""

    preprocess: Preprocess
    model: _Section
    fit: Fit
    final: Final
    kfold: KFold
    review: Review


class Params(_Section):
    """The whole file; `datasets` holds the section of each data set under its name."""

    source: Literal["official", "synthetic"]
    seed: Seed
    split_seed: Seed
    datasets: dict[str, Section]


def parse(document: str | bytes) -> Params:
    """The params in this YAML text.

    Raises WrongParams with a line for each wrong key: its path, what was expected, what it is.
    """
    try:
        content = strict_yaml.read(document)
        if not isinstance(content, dict):
            raise WrongParams(f"expected keys and values, got {SHORT.repr(content)}")
        sections = given if isinstance(given := content.get("datasets"), dict) else {}
        kind = _type(
            *((name, _section_type(name, sections[name])) for name in sections if name in TABLE)
        )
        whole = kind.model_validate(content)
    except (strict_yaml.NotYaml, arguments.WrongNetwork) as error:
        raise WrongParams(str(error)) from error
    except ValidationError as error:
        raise WrongParams("\n".join(_line(kind, each) for each in error.errors())) from error
    params = Params.model_construct(**dict(whole) | {"datasets": dict(whole.datasets)})
    if problems := list(_misfits(params)):
        raise WrongParams("\n".join(problems))
    return params


@cache
def _type(*kinds) -> type[Params]:
    """Params with a field for each (name, type of section), so that all that is wrong comes at once."""
    datasets = create_model(
        "Datasets", __base__=_Section, **{name: (kind, ...) for name, kind in kinds}
    )
    return create_model("Params", __base__=Params, datasets=(datasets, ...))


def _section_type(name, section) -> type[Section]:
    model = section.get("model") if isinstance(section, dict) else None
    network = model.get("network") if isinstance(model, dict) else None
    return section_type(TABLE[name].task.name, network if isinstance(network, str) else None)


@cache  # equal sections have the same type
def section_type(task: str, network: str | None) -> type[Section]:
    """The type of a section whose data set has this task and whose model is this network.

    Raises arguments.WrongNetwork.
    """
    known = arguments.names()
    if network in known:
        model = arguments.read(network, _Section)[0]
    else:  # nothing can be said of its other keys
        model = create_model("Model", network=(Literal[tuple(known)], ...))
    return create_model("Section", __base__=Section, model=(model, ...), fit=(FITS[task], ...))


EXPECTED = {  # where pydantic's own words say little to a person who edits a YAML file
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys and values"),
    "list_type": "a list",
    "string_type": "text",
    "bool_type": "true or false",
    "float_type": "a number",
}


def _line(kind, error):
    """What pydantic found wrong, as the key's path, what was expected and what was given."""
    place, got, words = [*error["loc"]], error["input"], error["msg"]
    unknown = error["type"] in ("extra_forbidden", "invalid_key")
    known = ", ".join(_keys(kind, place[:-1])) if unknown else ""
    if error["type"] == "invalid_key":
        place[-1] = got
    if place[2:3] == ["preprocess"]:
        del place[3:4]  # the encoding: pydantic adds which member of the union it is
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        place.append("encoding")
    path = ".".join(key if key.isprintable() and key else repr(key) for key in map(str, place))
    if unknown:
        return f"{path}: there is no such key; expected one of {known}"
    if error["type"] in ("missing", "union_tag_not_found"):
        return f"{path}: the key is missing"
    if error["type"] == "union_tag_invalid":
        words, got = " or ".join(error["ctx"]["expected_tags"].rsplit(", ", 1)), got["encoding"]
    for start in ("Value error, ", "Input should be ", "expected "):
        words = words.removeprefix(start)
    return f"{path}: expected {EXPECTED.get(error['type'], words)}, got {SHORT.repr(got)}"


def _keys(kind, place):
    """The keys that a section of such params may have."""
    for key in place:
        fields = getattr(kind, "model_fields", None)  # None of the union of encodings
        kind = fields[key].annotation if fields else PREPROCESS[key]
    return TABLE if place == ["datasets"] else kind.model_fields


def _misfits(params) -> Iterator[str]:
    """Lines on values that are fine alone and wrong together or for the data set."""
    if not params.datasets:
        yield "datasets: expected at least one data set, got {}"
    for name, section in params.datasets.items():
        dataset, fit, final = TABLE[name], section.fit, section.final
        at = f"datasets.{name}"
        yield from (f"{at}.{line}" for line in _shapes(dataset, section))
        if final.validation >= dataset.rows:
            expected = f"less than the {dataset.rows} training rows"
            yield f"{at}.final.validation: expected {expected}, got {final.validation}"
        if final.epochs == "best" and not final.validation:
            yield f"{at}.final.epochs: expected a number where final.validation is 0, got 'best'"
        if section.kfold.k > dataset.rows:
            yield f"{at}.kfold.k: expected at most the {dataset.rows} training rows, got {section.kfold.k}"
        if fit.momentum and fit.optimizer != "sgd":
            yield f"{at}.fit.momentum: expected 0 for {fit.optimizer}, got {fit.momentum}; it belongs to sgd"


def _shapes(dataset, section):
    """Encodings, weightings and networks that do not fit the data or each other."""
    name, weighting, network = (
        section.preprocess.encoding,
        section.fit.weighting,
        section.model.network,
    )
    encoding = ENCODINGS[name]
    if dataset.kind not in encoding.reads:
        fitting = " or ".join(
            name for name, other in ENCODINGS.items() if dataset.kind in other.reads
        )
        yield f"preprocess.encoding: expected {fitting} for {dataset.kind}, got {name!r}"
        return
    if weighting not in encoding.weightings:
        expected = " or ".join(encoding.weightings)
        yield f"fit.weighting: expected {expected} for the encoding {name}, got {weighting!r}"
    if weighting == "nb" and dataset.task.name != "binary":
        yield f"fit.weighting: expected binary or tf_idf for more than two classes, got {weighting!r}"
    takes, gives = arguments.read(network, _Section)[1], section.preprocess.axes
    if takes and takes != gives:
        expected, got = ", ".join(takes), ", ".join(gives)
        yield f"model.network: {network} takes ({expected}), but the encoding {name} gives ({got})"


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
        raise SystemExit(
            f"{path} cannot be used:\n{lines}\nNothing was run. Repair it and run again."
        ) from None


if __name__ == "__main__":
    load()
