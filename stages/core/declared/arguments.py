"""What the arguments of a network may be, read from its file without importing TensorFlow.

A network is a file of `stages/networks/` with a function `build(inputs, ...)`. Its other arguments
are the keys beside `model.network` in params.yaml: an annotation says what each may be, and one
with a default may be left out.
"""

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, TypeAdapter, create_model

from stages.core.declared.sections import (
    LARGEST,
    Number,
    Penalty,
    Section,
    Share,
    Whole,
    said,
)
from stages.core.declared.strict_yaml import Wrong

FOLDER = Path(__file__).parents[2] / "networks"
GIVEN = ("vocabulary",)  # arguments whose value comes from the data: the number of words
Units = Whole
Activation = Literal["relu", "elu", "gelu", "selu", "sigmoid", "silu", "softplus", "tanh"]
KINDS = {  # what an annotation may say
    "int": Annotated[StrictInt, Field(ge=-LARGEST, le=LARGEST)],
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
def read(name: str) -> tuple[type[Section], tuple[str, ...] | None]:
    """The section `model` of a network as a pydantic type, and the axes that it takes, if it says.

    Raises Wrong.
    """
    arguments, axes = _parsed(name)
    fields = {key: field for key, field in arguments.items() if key not in GIVEN}
    return create_model("Model", __base__=Section, network=(Literal[name], ...), **fields), axes


def takes(name: str) -> list[str]:
    """Arguments of this network whose value comes from the data. Raises Wrong."""
    return [key for key in _parsed(name)[0] if key in GIVEN]


def _parsed(name):
    """The arguments of `build`, {name: (type, default)}, and AXES or None."""
    try:
        body = ast.parse((FOLDER / f"{name}.py").read_bytes(), f"{name}.py").body
    except (SyntaxError, ValueError, RecursionError, OSError) as error:
        raise _wrong(name, f"it cannot be read: {error}") from None
    build, axes = None, None
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            build = node.args
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "AXES":
            axes = _axes(name, ast.unparse(node.value))
    if build is None:
        raise _wrong(name, "expected a function build(inputs, ...), got none")
    return dict(_fields(name, build)), axes


def _wrong(name, what):
    return Wrong(f"stages/networks/{name}.py: {what}")


def _axes(name, text):
    try:
        axes = TypeAdapter(tuple[StrictStr, ...])
        return axes.validate_python(ast.literal_eval(text), strict=True)
    except (ValueError, SyntaxError):
        raise _wrong(name, f"AXES: expected a tuple of texts, got {text}") from None


def _fields(name, arguments):
    """(name, (type, default)) of each argument but the first."""
    plain = [*arguments.posonlyargs, *arguments.args]
    if not plain or arguments.posonlyargs[1:] or arguments.vararg or arguments.kwarg:
        got = f"build({ast.unparse(arguments)})"
        raise _wrong(name, f"expected build(inputs, ...), each argument by its name, got {got}")
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(plain, defaults, strict=True)][1:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument, default in pairs:
        key = argument.arg
        if key == "network" or key.startswith("_") or hasattr(BaseModel, key):
            raise _wrong(name, f"argument {key}: expected another name; this is taken")
        try:
            kind = Any if argument.annotation is None else _kind(argument.annotation)
            value = None if default is None else ast.literal_eval(default)
            json.dumps(value)  # fails for what YAML has no word for
        except Exception:  # both may say anything
            got = " = ".join(ast.unparse(part) for part in (argument, default) if part)
            expected = f"expected a type made of {', '.join(KINDS)}, None, and text, a number, "
            expected += "true, false, None, a list or a dict as the default, if any"
            raise _wrong(name, f"argument {key}: {expected}; got {got}") from None
        yield key, (kind, ... if default is None else value)


def _kind(annotation):
    """The type that an annotation names."""
    text, kind = ast.unparse(annotation), _type(annotation)
    TypeAdapter(kind)  # fails for what is no type
    if re.search(r"\||dict\[|tuple", text):  # pydantic would speak of each part
        return Annotated[kind, said(text)]
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
