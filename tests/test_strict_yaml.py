"""The reader of YAML reads what DVC reads, and refuses what nobody means to write."""

import datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from stages.core.declared import strict_yaml

# fmt: off
SCALARS = [
    # whole numbers
    "0", "3", "+3", "-3", "-0", "1_000", "1__0", "1_",
    "-_1", "+_1", "0x10", "-0x1F", "0xFF_FF", "0b11", "-0b1_0", "0o17", "+0o1_7",
    "017", "08", "-017", "00", "0_", "0777", "9" * 30,
    # numbers
    "0.5", ".5", "5.", "-.5", "+.5", "01.5", "08.5", "1_0.5",
    "1.5_", "._1", "1e5", "1E5", "1e-4", "5e-05", "1.e5", "1.5e+5", "00e0",
    ".5e+5", "1e400", "-1e400", "1e-400", ".inf", "-.Inf", "+.INF", ".nan", ".NaN",
    # what looks like them and is text
    ".5e5", "1:30", "-1:30", "12:34:56", "190:20:30.15", "1e", "1e5.5", "1_e5",
    "e5", ".e5", ".", "..", "+", "-x", "1.2.3", "1,000",
    "0X10", "0O17", "0B11", "0b12", "0o8", "0xg", "0x1.8p3", "inf",
    "Infinity", "nan", ".Nan", "-.nan", ".iNF", "_1", "٣", "½", "1a",
    # true, false, nothing
    "true", "True", "TRUE", "tRUE", "false", "False", "FALSE", "yes", "Yes", "no",
    "NO", "on", "Off", "y", "N",
    "~", "null", "Null", "NULL", "nULL", "none", "",
    # text
    "best", "1e5 x", "a#b", "a #b", "a:b", "http://x", "-x", "?x", "==",
    "<", "<<<", "'3'", '"3"', '"1e5"', "'true'", '""', r'"\x41"', r'"\/"', "é",
    "|\n  3\n  4", ">\n  3\n  4",
    # tags
    "!!int 3", "!!int 017", "!!int '3'", "!!int 0b11",
    "!!float 3", "!!float 017", "!!float '1e5'", "!!float .inf", "!!float inf",
    "!!str 3", "!!str", "!!str true", "!!bool true", "!!bool yes", "!!null ''", "!!null 3",
    # collections
    "[1e-4, 010, 1:30, no, ~]", "{a: 1e-4, b: [yes]}", "{2: 2, ~: 3, 1.5: 4, true: 5}",
    "[]", "{}", "[[1], {a: b}]", "[&a 3, *a]",
    "!!seq [1]", "!!map {a: 1}", "{<<: {a: 1, b: 2}, a: 3}",
]
# fmt: on


def theirs(document):
    """What DVC reads: ruamel.yaml comes with it."""
    return YAML(typ="safe", pure=True).load(document)


@pytest.mark.parametrize("scalar", SCALARS)
def test_a_value_has_the_type_that_dvc_reads(scalar):
    document = f"key: {scalar}"
    ours = strict_yaml.read(document)["key"]
    assert repr(ours) == repr(
        theirs(document)["key"]
    )  # types, the sign of zero and NaN are part of it
    assert repr(strict_yaml.read(document.encode())["key"]) == repr(ours)


def test_any_value_that_dvc_reads_is_read_so_or_refused():
    seen = {"read": 0, "refused": 0}

    @settings(max_examples=600, deadline=None, database=None, derandomize=True)
    @given(
        st.one_of(
            st.text("+-._0123456789abefoxEINn:~", max_size=7),
            st.from_regex(r"[-+]?(0[box])?[0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?", fullmatch=True),
        )
    )
    def attempt(scalar):
        document = f"key: {scalar}"
        try:
            expected = theirs(document)
        except Exception:  # it ends with all kinds of errors
            return
        if isinstance(expected, dict) and isinstance(expected["key"], datetime.date):
            return
        try:
            assert repr(strict_yaml.read(document)) == repr(expected)
        except strict_yaml.Wrong:
            seen["refused"] += 1
        else:
            seen["read"] += 1

    attempt()
    assert seen["read"] > 300
    assert seen["refused"] < seen["read"] / 100


@pytest.mark.parametrize("date", ["2024-01-01", "2024-01-01T00:00:00Z"])
def test_a_date_stays_text(date):
    """No params have dates, and a message shows the text as it was written."""
    document = f"key: {date}"
    assert strict_yaml.read(document) == {"key": date}
    assert isinstance(theirs(document)["key"], datetime.date)


@pytest.mark.parametrize("scalar", ["2024-13-45", "="])
def test_what_dvc_fails_on_without_a_reason_is_text(scalar):
    """A date that is none, and a type of YAML that ruamel.yaml knows and cannot make."""
    document = f"key: {scalar}"
    assert strict_yaml.read(document) == {"key": scalar}
    with pytest.raises((ValueError, YAMLError)):
        theirs(document)


@pytest.mark.parametrize(
    ("document", "what", "line"),
    [
        # equal keys
        ("a: 1\nb: 2\na: 3", "the key 'a' stands there twice", 3),
        ("x:\n  a: 1\n  a: 1", "the key 'a' stands there twice", 3),
        ("x: {a: 1,\n a: 2}", "the key 'a' stands there twice", 2),
        ("- a: 1\n- b: 1\n  b: 2", "the key 'b' stands there twice", 3),
        ("a: 1\n'a': 2", "the key 'a' stands there twice", 2),
        ("1: a\n0x1: b", "the key 1 stands there twice", 2),
        ("~: a\nnull: b", "the key None stands there twice", 2),
        ("<<: {a: 1}\n<<: {b: 1}", "the key '<<' stands there twice", 2),
        ("a: 1\n" * 999, "the key 'a' stands there twice", 2),
        # merges
        ("a: &a {x: 1}\nb:\n  <<: [*a, *a]", "<<: expected one anchor", 3),
        ("a: 1\n<<: 3", "<<: expected one anchor", 2),
        ("a: 1\nb: <<", "merge", 2),
        # text that is none
        ('a: 1\nb: "\\uD800"', r"'\ud800' is no str", 2),
        ('a: 1\n"\\uD800": 1', r"'\ud800' is no str", 2),
        ('a: 1\nb: "\\ud83d\\ude00"', "is no str", 2),
        ('a: 1\nb: "\\UFFFFFFFF"', "too large", 2),
        ('a: 1\nb: "\\U00110000"', "range", 2),
        # numbers that are none, or cannot be shown
        ("a: 1\nb: !!int x", "'x' is no int", 2),
        ("a: !!int [1]", "is no int", 1),
        ("a: !!float {b: 1}", "is no float", 1),
        ("a: !!float 1:30", "'1:30' is no float", 1),
        ("a: !!bool 3", "'3' is no bool", 1),
        ("a: 1\nb: " + "9" * 5000, "is no int", 2),
        ("a: 1\nb: 0x" + "f" * 5000, "is no int", 2),
        ("a: 0o_", "is no int", 1),
        # types that no params have
        *(
            (f"a: 1\nb: !!{kind} {{}}", kind, 2)
            for kind in ("set", "omap", "pairs", "binary", "timestamp", "x")
        ),
        ("a: !!binary aGk=", "binary", 1),
        ("a: !!timestamp 2024-01-01", "timestamp", 1),
        ("a: !!python/tuple [1]", "python", 1),
        ("a: !foo 3", "!foo", 1),
        # bounds
        ("a: 1\nb: " + "[" * 5000, "recursion", 2),
        ("a: 1\nb: " + "[" * 5000 + "]" * 5000, "recursion", 2),
        ("a: 1\nb: " + "{a: " * 5000, "recursion", 2),
        ("a: 1\n" + "- " * 5000, "", 2),
        # the text as a whole
        ("a: 1\nb: [", "flow", 2),
        ("a: 1\nb: c: d", "mapping values are not allowed here", 2),
        ("a:\n\tb: 1", "token", 2),
        ("a: 1\nb: *x", "undefined alias 'x'", 2),
        ("a: 1\n---\na: 1", "a single document", 2),
        ("? [1]\n: 2", "unhashable key", 1),
        ("%YAML 1.1\n---\na: yes", "%YAML: expected 1.2 or none", 1),
        ("%YAML 2.0\n---\na: 1", "%YAML: expected 1.2 or none", 1),
        ("%YAML 1." + "9" * 5000, "digits", 1),
    ],
)
def test_is_refused_with_its_line(document, what, line):
    with pytest.raises(strict_yaml.Wrong, match=rf"^it is no YAML: .*, in line {line}$") as caught:
        strict_yaml.read(document)
    assert what in str(caught.value)
    assert "<unicode string>" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("document", "position"), [("a: \x00", 3), (b"a: \xff\xfe", 3)])
def test_what_is_no_text_is_refused_with_its_position(document, position):
    with pytest.raises(strict_yaml.Wrong, match=f"position {position}"):
        strict_yaml.read(document)


def test_anchors_that_multiply_cost_nothing():
    """Lists that share parts go on sharing; merges, each of which is a copy, cannot multiply."""
    letters = "abcdefghijklmnop"
    lists = "a: &a [x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise(letters)
    )
    content = strict_yaml.read(lists)
    assert content["p"][0] is content["p"][8] is content["o"]
    merges = "a: &a {x: 1}\n" + "".join(
        f"{new}: &{new} {{<<: *{old}, {new}: 1}}\n" for old, new in pairwise(letters)
    )
    assert strict_yaml.read(merges)["p"] == {"x": 1} | dict.fromkeys(letters[1:], 1)


@pytest.mark.parametrize("document", ["&a [*a]", "a: &a [*a]", "&a {b: *a}", "&a {<<: *a}"])
def test_a_value_within_itself_is_refused(document):
    with pytest.raises(strict_yaml.Wrong, match="it contains itself, in line 1"):
        strict_yaml.read(document)


@pytest.mark.parametrize(
    ("document", "content"), [("", None), ("# x", None), ("%YAML 1.2\n---\na: yes", {"a": "yes"})]
)
def test_reads_what_is_hardly_there(document, content):
    assert strict_yaml.read(document) == content == theirs(document)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        [[["x" * 10**6] * 999] * 999] * 999,
        {str(key): {"x" * 99: 1} for key in range(999)},
        2**9999,
    ],
)
def test_short_is_short(value):
    assert len(strict_yaml.SHORT.repr(value)) < 700
