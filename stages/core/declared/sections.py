"""Sections of YAML files as pydantic types, and what is wrong with them in words for people."""

from typing import Annotated, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    WrapValidator,
)

from stages.core.declared.strict_yaml import SHORT, Wrong

LARGEST = 2**31 - 1  # of a whole number: TensorFlow counts and indexes in int32
LARGEST_NUMBER = 3.4e38  # of a number: networks compute in float32
EXPECTED = {  # where pydantic's own words say little to a person who edits a YAML file
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys and values"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "string_type": "text",
    "bool_type": "true or false",
    "float_type": "a number",
    "too_short": "at least one",
}


class Section(BaseModel):
    """Keys and values, none of them unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _in_float32(value):
    if abs(value) > LARGEST_NUMBER:
        raise ValueError(f"expected at most {LARGEST_NUMBER}")
    return value


def said(expected: str) -> WrapValidator:
    """Validates as the type does, with these words in place of pydantic's for each of its parts."""

    def validate(value, validate_as_type):
        try:
            return validate_as_type(value)
        except ValueError:
            raise ValueError(f"expected {expected}") from None

    return WrapValidator(validate)


Count = Annotated[StrictInt, Field(ge=0, le=LARGEST)]
Whole = Annotated[StrictInt, Field(ge=1, le=LARGEST)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False), AfterValidator(_in_float32)]
Positive = Annotated[Number, Field(gt=0)]
Penalty = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, lt=1)]


def checked(kind: type[Section], content, *above):
    """The content of a YAML file, or a part of it below the keys `above`, as this type.

    Raises Wrong with a line for each wrong key: its path, what was expected, what it is.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise Wrong(*(_line(kind, each, above) for each in error.errors())) from error


def dotted(*keys) -> str:
    """A path for people, with quotes around what cannot be seen."""
    keys = map(str, keys)
    return ".".join(key if key.isprintable() and key.strip() else repr(key) for key in keys)


def _line(kind, error, above):
    got, words = error["input"], error["msg"]
    path, known = _walk(kind, error["loc"])
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag = error["ctx"]["discriminator"].strip("'")
        path.append(tag)
    if error["type"] == "invalid_key":
        path[-1] = got
    at = f"{dotted(*above, *path)}: " if above or path else ""
    if error["type"] in ("extra_forbidden", "invalid_key"):
        return f"{at}there is no such key; expected one of {', '.join(known)}"
    if error["type"] in ("missing", "union_tag_not_found"):
        return f"{at}the key is missing"
    if error["type"] == "union_tag_invalid":
        words, got = " or ".join(error["ctx"]["expected_tags"].rsplit(", ", 1)), got[tag]
    for start in ("Value error, ", "Input should be ", "String should ", "expected "):
        words = words.removeprefix(start)
    return f"{at}expected {EXPECTED.get(error['type'], words)}, got {SHORT.repr(got)}"


def _walk(kind, place):
    """The keys of a place without those that pydantic adds, and the keys beside the last.

    What it adds is the tag of a union's member: `preprocess.multi_hot.ngrams`.
    """
    path, known = [], []
    for key in place:
        if key == "[key]":  # what is wrong is the key before it
            continue
        fields = getattr(kind, "model_fields", None)
        if fields is None:  # of a list, or of a union
            members = get_args(kind)
            tagged = [member for member in members if key in _tags(member)]
            kind = (tagged or members or [None])[0]
            if not tagged:
                path.append(key)
        else:
            known = list(fields)
            kind = fields[key].annotation if key in fields else None
            path.append(key)
    return path, known


def _tags(member):
    fields = getattr(member, "model_fields", {}).values()
    return [tag for field in fields for tag in get_args(field.annotation)]
