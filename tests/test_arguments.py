"""The keys of `model` are the arguments of a network's `build`: read from its file, checked
before any work.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from samples import PARAMS

from stages.core.declared import arguments, dataset, params, strict_yaml
from stages.core.declared.strict_yaml import Wrong

ROOT = Path(__file__).parent.parent
SHIPPED = "conv2d", "dense", "lstm"
DOCUMENT = PARAMS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the three networks alone, in place of that of the project."""
    (tmp_path / "networks").mkdir()
    for name in ("__init__", *SHIPPED):
        shutil.copy(arguments.FOLDER / f"{name}.py", tmp_path / "networks")
    monkeypatch.setattr(arguments, "FOLDER", tmp_path / "networks")
    cached = arguments.read, dataset.section_type
    for function in cached:
        function.cache_clear()
    yield tmp_path / "networks"
    for function in cached:
        function.cache_clear()


def model(network, **keys):
    """The section `model` of digits, when its rows are pixels in a row."""
    content = strict_yaml.read(DOCUMENT)
    content["datasets"]["digits"]["model"] = {"network": network, **keys}
    return params.parse(yaml.safe_dump(content)).datasets["digits"].model


def complaints(network, **keys):
    with pytest.raises(Wrong) as caught:
        model(network, **keys)
    return str(caught.value).splitlines()


def build(signature):
    return f"def build(inputs, {signature}):\n    return inputs\n"


def test_the_three_networks_say_what_they_take():
    sections, axes = zip(*(arguments.read(name) for name in SHIPPED), strict=True)
    assert axes == (
        ("samples", "height", "width", "channels"),
        ("samples", "features"),
        ("samples", "timesteps"),
    )
    assert list(sections[1].model_fields) == [
        "network",
        "units",
        "activation",
        "dropout",
        "l1",
        "l2",
    ]
    assert list(sections[2].model_fields) == [
        "network",
        "units",
        "embedding",
        "dropout",
        "l1",
        "l2",
    ]
    assert [arguments.takes(name) for name in SHIPPED] == [[], [], ["vocabulary"]]


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        (
            {"units": [3], "dropuot": 0.5},
            [
                "dropuot: there is no such key; expected one of network, units, activation, dropout, l1, l2"
            ],
        ),
        ({}, ["units: the key is missing"]),
        ({"units": 3}, ["units: expected a list, got 3"]),
        ({"units": [3, "x"]}, ["units.1: expected a valid integer, got 'x'"]),
        ({"units": [3], "dropout": "half"}, ["dropout: expected a number, got 'half'"]),
        (
            {"units": [], "dropout": 1, "l1": -1},
            [
                "dropout: expected less than 1, got 1",
                "l1: expected greater than or equal to 0, got -1",
            ],
        ),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected_and_given(keys, lines):
    assert complaints("dense", **keys) == [f"datasets.digits.model.{line}" for line in lines]


KINDS = {  # annotation: (values that are taken, values that are not, words of the refusal)
    "int": ([0, -3, 2**31 - 1], ["x", "3", True, 1.5, 2**31, None, [1]], ["integer", "2147483647"]),
    "float": (
        [0, 0.5, -1e30],
        ["0.5", True, None, float("nan"), float("inf"), 1e39, 10**400],
        ["number", "3.4e+38"],
    ),
    "bool": ([True, False], ["true", 1, 0, None], ["true or false"]),
    "str": (["x", ""], [1, None, ["x"], True], ["text"]),
    "list": ([[], [1, "x", None]], [3, {}, "x", None], ["a list"]),
    "dict": ([{}, {"a": [1]}], [3, [], None], ["keys and values"]),
    "list[int]": ([[], [1, 2]], [1, ["x"], [1, None], [[1]]], ["a list", "integer"]),
    "list[list[Units]]": ([[[1], []]], [[1], [[0]]], ["a list", "1"]),
    "tuple[int, int]": ([[1, 2]], [[1], [1, 2, 3], ["x", 1], 3], ["tuple[int, int]"]),
    "dict[str, int]": ([{"a": 1}], [{"a": "x"}, {1: 1}, []], ["dict[str, int]"]),
    "None": ([None], [0], ["None"]),
    "int | None": ([1, None], ["x", 1.5], ["int | None"]),
    "int | str": ([1, "x"], [1.5, None, [1]], ["int | str"]),
    "Units | list[Units]": ([1, [1]], [0, [0], "x"], ["Units | list[Units]"]),
    "list[int | str]": ([[1, "x"]], [[1.5], 3], ["list[int | str]"]),
    "Literal['a', 'b']": (["a"], ["c", 1, None], ["'a' or 'b'"]),
    "Literal[-1, 2]": ([-1], [1, "2"], ["-1 or 2"]),
    "Units": ([1], [0, -1, True], ["1", "integer"]),
    "Share": ([0, 0.999], [1, -0.1, "0"], ["less than 1", "0", "number"]),
    "Penalty": ([0, 1e30], [-1e-9, "0"], ["0", "number"]),
    "Activation": (["relu", "tanh"], ["softmax", None], ["'relu'"]),
}


@pytest.mark.parametrize("annotation", KINDS)
def test_an_annotation_says_what_a_key_may_be(annotation, folder):
    taken, refused, words = KINDS[annotation]
    (folder / "mine.py").write_text(build(f"key: {annotation}"))
    for value in taken:
        assert model("mine", key=value).key == (tuple(value) if "tuple" in annotation else value)
    for value in refused:
        (line,) = complaints("mine", key=value)
        assert line.startswith("datasets.digits.model.key"), line
        assert ": expected " in line
        assert any(word in line.partition(", got ")[0] for word in words), line
        assert not any(
            noise in line for noise in ("constrained", "nput", "Literal", "validat", "[key]")
        ), line


def test_every_kind_of_argument_is_tried():
    assert {
        word for word in arguments.KINDS if not any(word in annotation for annotation in KINDS)
    } == set()


def test_a_network_of_your_own_is_found_and_its_defaults_are_those_of_its_file(folder):
    (folder / "mine.py").write_text(
        build("width: Units, *, depth: int = 2, names=('a', 'b'), slope: float = -0.5")
    )
    (folder / "_helpers.py").write_text("no Python")
    assert arguments.names() == [*SHIPPED, "mine"]
    assert model("mine", width=3).model_dump() == {
        "network": "mine",
        "width": 3,
        "depth": 2,
        "names": ("a", "b"),
        "slope": -0.5,
    }
    assert model("mine", width=3, names={"any": ["thing"]}).names == {"any": ["thing"]}
    assert complaints("mine") == ["datasets.digits.model.width: the key is missing"]
    assert complaints("mine", width=3, units=[1]) == [
        "datasets.digits.model.units: there is no such key; expected one of network, width, depth, names, slope"
    ]
    for unknown in ("mien", "_helpers", "__init__", "../networks/mine"):
        (line,) = complaints(unknown, width=3)
        assert line.endswith(
            f".network: expected 'conv2d', 'dense', 'lstm' or 'mine', got {unknown!r}"
        )


def test_what_the_data_answer_is_no_key(folder):
    (folder / "mine.py").write_text(build("vocabulary: int, units: Units"))
    assert arguments.takes("mine") == ["vocabulary"]
    assert model("mine", units=3).model_dump() == {"network": "mine", "units": 3}
    (line,) = complaints("mine", units=3, vocabulary=10)
    assert line.endswith("vocabulary: there is no such key; expected one of network, units")


def test_axes_are_compared_where_the_file_names_them(folder):
    (folder / "mine.py").write_text("AXES = ('samples', 'words')\n" + build("a=1"))
    (line,) = complaints("mine")
    assert line == (
        "datasets.digits.model.network: mine takes (samples, words), "
        "but the encoding features gives (samples, features)"
    )


WRONG = {  # what is wrong: (the file, a word of the message)
    "no Python": ("def build(inputs:", "was never closed (mine.py, line 1)"),
    "no text": (b"\xff\xfe", "unicode error"),
    "a NUL byte": ("\0", "null bytes"),
    "an encoding that is none": ("# coding: nonsense", "encoding"),
    "too deep": ("(" * 1000, "nested"),
    "nothing": ("", "expected a function build(inputs, ...), got none"),
    "no build": ("def built(inputs): pass", "expected a function build(inputs, ...), got none"),
    "a build within": ("class Mine:\n    def build(self, inputs): pass", "got none"),
    "an async build": ("async def build(inputs): pass", "got none"),
    "no inputs": ("def build(): pass", "got build()"),
    "inputs by name alone": ("def build(*, inputs): pass", "got build(*, inputs)"),
    "arguments by place alone": (
        "def build(inputs, units, /): pass",
        "got build(inputs, units, /)",
    ),
    "*args": (build("*args"), "got build(inputs, *args)"),
    "**kwargs": (build("units, **kwargs"), "got build(inputs, units, **kwargs)"),
    "a name that is taken": (build("network: str"), "argument network: expected another name"),
    "a private name": (build("_units: int"), "argument _units: expected another name"),
    "a name of pydantic": (build("copy: int"), "argument copy: expected another name"),
    "pydantic's settings": (
        build("model_config: int = 3"),
        "argument model_config: expected another name",
    ),
    **{
        f"the annotation {text}": (build(f"a: {text}"), f"got a: {text}")
        for text in (
            *(
                "Unit",
                "keras.Layer",
                "list[Unit]",
                "Optional[int]",
                "'int'",
                "3",
                "...",
                "Literal",
                "Literal[[1]]",
            ),
            *(
                "dict[int]",
                "int or str",
                "lambda: 0",
                "print('x')",
                "__import__('os')",
                "().__class__",
                "1 / 0",
            ),
        )
    },
    **{
        f"the default {text}": (build(f"a: int = {text}"), f"got a: int = {text}")
        for text in ("f()", "keras", "1 + 1", "b'x'", "{1}", "1j", "...", "float('inf')", "[x]")
    },
    **{
        f"the axes {text}": (
            f"AXES = {text}\n{build('a=1')}",
            f"AXES: expected a tuple of texts, got {text}",
        )
        for text in ("3", "'samples'", "['a']", "('samples', 1)", "NAMES", "tuple('ab')")
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(wrong, folder, capsys):
    source, words = WRONG[wrong]
    (folder / "mine.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    (line,) = complaints("mine", units=3)
    assert line.startswith("stages/networks/mine.py: ")
    assert words in line
    assert model("dense", units=[3]), "a file that is not named does no harm"
    assert capsys.readouterr() == ("", "")


def test_a_file_that_cannot_be_opened_is_named(folder):
    (folder / "mine.py").mkdir()
    (line,) = complaints("mine")
    assert line.startswith("stages/networks/mine.py: it cannot be read: ")


def test_nothing_of_the_file_runs(folder, tmp_path):
    (folder / "mine.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nimport nowhere\n{build('a: int = 3')}"
    )
    assert model("mine").a == 3
    assert not (tmp_path / "ran").exists()


def test_params_are_checked_without_tensorflow():
    code = "import sys; from stages.core.declared import params; params.load(); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "'stages.core.declared.arguments'" in done.stdout
    assert not {
        name for name in ("tensorflow", "keras", "stages.networks") if f"'{name}'" in done.stdout
    }
