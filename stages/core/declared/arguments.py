"""What the arguments of a network may be, read from its file without importing TensorFlow.

A network is a file of `stages/networks/` with a function `build(inputs, ...)`. Its other arguments
are the keys beside `model.network` in params.yaml: an annotation says what each may be, and one
with a default may be left out.
"""

import ast
import json
import re
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    WrapValidator,
    create_model,
)

LARGEST = 2**31 - 1  # of a whole number: TensorFlow counts and indexes in int32
LARGEST_NUMBER = 3.4e38  # of a number: networks compute in float32
FOLDER = Path(__file__).parents[2] / "networks"
GIVEN = ("vocabulary",)  # arguments whose value comes from the data: the number of words


class WrongNetwork(ValueError):
    """The file of a network has no `build` that can be called with params; the message says why."""


def _in_float32(value):
    if abs(value) > LARGEST_NUMBER:
        raise ValueError(f"expected at most {LARGEST_NUMBER}")
    return value


Integer = Annotated[StrictInt, Field(ge=-LARGEST, le=LARGEST)]
Units = Whole = Annotated[StrictInt, Field(ge=1, le=LARGEST)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False), AfterValidator(_in_float32)]
Share = Annotated[Number, Field(ge=0, lt=1)]
Penalty = Annotated[Number, Field(ge=0)]
Activation = Literal["relu", "elu", "gelu", "selu", "sigmoid", "silu", "softplus", "tanh"]
KINDS = {  # what an annotation may say
    "int": Integer,
    "float": Number,
    "bool": StrictBool,
    "str": StrictStr,
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "Literal": Literal,
    "Units": Units,
    "Share": Share,
    "Penalty": Penalty,
    "Activation": Activation,
}


def names() -> list[str]:
    """The networks that there are: files of the folder, but for those whose name begins with _."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


@cache
def read(name: str, base: type[BaseModel]) -> tuple[type[BaseModel], tuple[str, ...] | None]:
    """The section `model` of a network as a pydantic type, and the axes that it takes, if it says.

    Raises WrongNetwork.
    """
    arguments, axes = _parsed(name)
    fields = {key: field for key, field in _fields(name, arguments) if key not in GIVEN}
    return create_model("Model", __base__=base, network=(Literal[name], ...), **fields), axes


def takes(name: str) -> list[str]:
    """Arguments of this network whose value comes from the data. Raises WrongNetwork."""
    return [key for key, _ in _fields(name, _parsed(name)[0]) if key in GIVEN]


def _parsed(name):
    """The arguments of `build` as Python's grammar has them, and AXES or None."""
    try:
        body = ast.parse((FOLDER / f"{name}.py").read_bytes(), f"{name}.py").body
    except (SyntaxError, ValueError, RecursionError, OSError) as error:
        raise WrongNetwork(f"{name}.py cannot be read: {error}") from None
    builds = [
        node.args for node in body if isinstance(node, ast.FunctionDef) and node.name == "build"
    ]
    if not builds:
        raise WrongNetwork(f"{name}.py: expected a function build(inputs, ...), got none")
    axes = [
        ast.unparse(node.value)
        for node in body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "AXES"
    ]
    return builds[-1], _axes(name, axes[-1]) if axes else None


def _axes(name, text):
    try:
        return TypeAdapter(tuple[StrictStr, ...]).validate_python(
            ast.literal_eval(text), strict=True
        )
    except ValueError:
        raise WrongNetwork(f"{name}.py: AXES: expected a tuple of texts, got {text}") from None


def _fields(name, arguments):
    """(name, (type, default)) of each argument but the first."""
    plain = [*arguments.posonlyargs, *arguments.args]
    if not plain or arguments.posonlyargs[1:] or arguments.vararg or arguments.kwarg:
        got = f"build({ast.unparse(arguments)})"
        raise WrongNetwork(
            f"{name}.py: expected build(inputs, ...), each argument by its name, got {got}"
        )
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(plain, defaults, strict=True)][1:]
    for argument, default in [
        *pairs,
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]:
        key = argument.arg
        if key == "network" or key.startswith("_") or hasattr(BaseModel, key):
            raise WrongNetwork(f"{name}.py: argument {key}: expected another name; this is taken")
        try:
            kind = Any if argument.annotation is None else _kind(argument.annotation)
            value = None if default is None else ast.literal_eval(default)
            json.dumps(value)  # fails for what YAML has no word for
        except Exception:  # both may say anything
            got = " = ".join(ast.unparse(part) for part in (argument, default) if part)
            raise WrongNetwork(
                f"{name}.py: argument {key}: expected a type made of {', '.join(KINDS)}, None, and "
                "text, a number, true, false, None, a list or a dict as the default, if any; "
                f"got {got}"
            ) from None
        yield key, (kind, ... if default is None else value)


def _kind(annotation):
    """The type that an annotation names."""
    text, kind = ast.unparse(annotation), _type(annotation)
    TypeAdapter(kind)  # fails for what is no type
    if re.search(r"\||dict\[|tuple", text):  # pydantic would speak of each part
        return Annotated[kind, WrapValidator(partial(_whole, text))]
    return kind


def _type(node):
    """The type that a part of an annotation names. Nothing is run: it may say anything."""
    match node:
        case ast.Name():
            return KINDS[node.id]
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=value) if value is ...:
            return ...
        case ast.BinOp(op=ast.BitOr()):
            return _type(node.left) | _type(node.right)
        case ast.Subscript(value=ast.Name(id="Literal")):
            words = ast.literal_eval(node.slice)
            hash(words)  # fails for a list
            return Literal[words]
        case ast.Subscript(slice=ast.Tuple(elts=parts)):
            return _type(node.value)[tuple(map(_type, parts))]
        case ast.Subscript():
            return _type(node.value)[_type(node.slice)]
    raise TypeError


def _whole(text, value, validate):
    try:
        return validate(value)
    except ValueError:
        raise ValueError(f"expected {text}") from None
