"""The only reader and writer of YAML: PyYAML, with values as DVC reads them, none in silence.

DVC reads YAML 1.2 with ruamel.yaml, and PyYAML reads YAML 1.1, in which 1e-4 is text, 010 is eight,
1:30 is ninety and `no` is false. What a scalar is follows ruamel.yaml here, but a date stays text,
and so does `=`, with which ruamel.yaml fails. Equal keys, of which PyYAML keeps the last, are
refused.
"""

import re
from reprlib import Repr

import yaml

SHORT = Repr()  # what was given, however large it is
SHORT.maxstring = SHORT.maxother = 60
SHORT.maxlevel = 2
SCALARS = {  # type: (pattern, first characters), as in ruamel.yaml
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "float": (
        r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+|[-+]?[0-9][0-9_]*\.[0-9_]*"
        r"|[-+]?\.[0-9_]+([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "int": (r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)", "-+0123456789"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": (r"<<", "<"),
}
SAFE = yaml.SafeLoader.yaml_constructors
MERGE = "tag:yaml.org,2002:merge"
FAILURES = ValueError, TypeError, LookupError, AttributeError  # of PyYAML on such as !!int x
TYPES = {None, *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map", *SCALARS))}


class Wrong(ValueError):
    """What a person declared cannot be used; an argument, and a line, for each fault."""

    def __str__(self):
        return "\n".join(self.args)


class _Reader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012
    yaml_constructors = {tag: SAFE[tag] for tag in SAFE if tag in TYPES}  # noqa: RUF012

    def scan_yaml_directive_value(self, start_mark):
        version = super().scan_yaml_directive_value(start_mark)
        if version != (1, 2):  # DVC would follow it
            raise yaml.scanner.ScannerError(None, None, "%YAML: expected 1.2 or none", start_mark)
        return version

    def compose_node(self, parent, index):
        node = super().compose_node(parent, index)
        if node.end_mark is None:  # an alias for what is not at its end
            raise _error(node, "it contains itself")
        return node

    def construct_mapping(self, node, deep=False):
        seen = set()
        # Where the node is no mapping, PyYAML says what it should be.
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        for key in (key for key, _ in pairs if isinstance(key, yaml.ScalarNode)):
            name = key.value if key.tag == MERGE else self.construct_object(key)
            if name in seen:
                raise _error(key, f"the key {SHORT.repr(name)} stands there twice")
            seen.add(name)
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node):
        for key, value in node.value:
            # Lists of anchors could multiply.
            if key.tag == MERGE and not isinstance(value, yaml.MappingNode):
                raise _error(key, "<<: expected one anchor")
        super().flatten_mapping(node)

    def construct_object(self, node, deep=False):
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()  # half of a surrogate pair is no text
            return value
        except FAILURES as error:
            what = SHORT.repr(node.value) if isinstance(node, yaml.ScalarNode) else "this"
            raise _error(node, f"{what} is no {node.tag.rpartition(':')[2]}") from error


def _error(node, what):
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def _integer(_, node):
    sign, digits = re.fullmatch(r"([-+]?)(.*)", node.value).groups()
    digits = digits.replace("_", "")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    number = int(sign + (digits if base == 10 else digits[2:]), base)
    str(number)  # fails where it has too many digits to be shown
    return number


def _float(_, node):
    return float(node.value.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))


for _kind, (_pattern, _first) in SCALARS.items():
    _pattern = re.compile(f"^(?:{_pattern})$")
    _Reader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _pattern, _first)
_Reader.add_constructor("tag:yaml.org,2002:int", _integer)
_Reader.add_constructor("tag:yaml.org,2002:float", _float)


class _Writer(yaml.SafeDumper):
    """Quotes what either YAML would take for something else than text, such as yes and 1e3."""

    yaml_implicit_resolvers = {
        first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()), *resolvers]
        for first, resolvers in _Reader.yaml_implicit_resolvers.items()
    } | {
        first: resolvers
        for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
        if first not in _Reader.yaml_implicit_resolvers
    }


def _on_a_line(writer, text):
    style = None if text.splitlines() == [text] else '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _on_a_line)


def write(content) -> str:
    """YAML that `read`, DVC and PyYAML take for this content; each text is on one line."""
    settings = {"sort_keys": False, "allow_unicode": True, "width": float("inf")}
    return yaml.dump(content, Dumper=_Writer, **settings)


def read(document: str | bytes):
    """What a YAML text holds: mappings, lists, text, numbers, true, false and None.

    Raises Wrong, with the line.
    """
    try:
        reader = _Reader(document)
        return reader.get_single_data()
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        words = ": ".join(filter(None, [error.context, error.problem]))
        raise Wrong(f"it is no YAML: {words}, in line {place.line + 1}") from error
    except yaml.YAMLError as error:  # what is no text has a position in place of a line
        raise Wrong(f"it is no YAML: {' '.join(str(error).split())}") from error
    except (ValueError, OverflowError, RecursionError) as error:  # how PyYAML fails on \UFFFFFFFF
        raise Wrong(f"it is no YAML: {error}, in line {reader.line + 1}") from error
