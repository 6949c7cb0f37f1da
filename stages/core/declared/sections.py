"""Sections of YAML files as pydantic types, and what is wrong with them in words for people."""

from typing import get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.core.run.strict_yaml import SHORT

EXPECTED = {  # where pydantic's own words say little to a person who edits a YAML file
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys and values"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "string_type": "text",
    "bool_type": "true or false",
    "float_type": "a number",
}


class Section(BaseModel):
    """Keys and values, none of them unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def problems(kind: type[Section], error: ValidationError, above=()) -> list[str]:
    """A line for each wrong key of what should be of this type: its path, expected, got.

    above: the keys that lead to it.
    """
    return [_line(kind, each, above) for each in error.errors()]


def dotted(*keys) -> str:
    """A path for people, with quotes around what cannot be seen."""
    keys = map(str, keys)
    return ".".join(key if key.isprintable() and key.strip() else repr(key) for key in keys)


def _line(kind, error, above):
    place, got, words = [*error["loc"]], error["input"], error["msg"]
    path, known = _walk(kind, place)
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag = error["ctx"]["discriminator"].strip("'")
        path.append(tag)
    if error["type"] == "invalid_key":
        path[-1] = got
    at = dotted(*above, *path)
    if error["type"] in ("extra_forbidden", "invalid_key"):
        return f"{at}: there is no such key; expected one of {', '.join(known)}"
    if error["type"] in ("missing", "union_tag_not_found"):
        return f"{at}: the key is missing"
    if error["type"] == "union_tag_invalid":
        words, got = " or ".join(error["ctx"]["expected_tags"].rsplit(", ", 1)), got[tag]
    for start in ("Value error, ", "Input should be ", "String should ", "expected "):
        words = words.removeprefix(start)
    return f"{at}: expected {EXPECTED.get(error['type'], words)}, got {SHORT.repr(got)}"


def _walk(kind, place):
    """The keys of a place without those that pydantic adds, and the keys beside the last.

    What it adds is the tag of a union's member: `preprocess.multi_hot.ngrams`.
    """
    path, known = [], []
    for key in place:
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
