"""Whatever stands in params.yaml, it is taken or refused with the path of the key; never a traceback.

What is taken runs, or the stage says in one message why it cannot.
"""

import copy
import math
import re
from collections import Counter

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from small import Clone

from stages import evaluate, kfold, preprocess, train
from stages.core import params
from stages.core.stage import one_message

PLAIN = params.PATH.read_text()
TREE = yaml.safe_load(PLAIN)


def paths(tree, path=()):
    """The path of each key of a nested dict."""
    for key, value in tree.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from paths(value, (*path, key))


PATHS = list(paths(TREE))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["1e-5", "5e-05", "yes", "no", "on", "~", "0x10", "1_000", "best", ".inf", "-.inf", ".nan", "2024-01-01"]
    ),
    st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=3), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)


@st.composite
def documents(draw):
    """params.yaml with one to three keys changed, lost or added."""
    tree = copy.deepcopy(TREE)
    for _ in range(draw(st.integers(1, 3))):
        *parents, key = draw(st.sampled_from(PATHS))
        section = tree
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            continue
        change = draw(st.sampled_from(["set", "drop", "add", "rename"]))
        if change == "set":
            section[key] = draw(ODD)
        elif change == "drop":
            section.pop(key, None)
        elif change == "add":
            section[draw(st.text(min_size=1, max_size=6))] = draw(ODD)
        elif key in section:
            section[f"{key}_"] = section.pop(key)
    return tree


def judged(document):
    """Whether the document is taken; when refused, each line must begin with a path, a key of the document."""
    try:
        params.parse(document)
    except params.WrongParams as error:
        for line in str(error).splitlines():
            assert re.match(r"(it is no YAML|expected keys|[^\n]*: \w)", line), line
        return False
    return True


@pytest.mark.parametrize("cases", [200, pytest.param(2500, marks=pytest.mark.slow)])
def test_a_document_that_a_person_got_wrong_is_refused_or_taken(cases, tried):
    seen = {True: 0, False: 0}

    @settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(documents())
    def attempt(tree):
        seen[judged(yaml.safe_dump(tree, allow_unicode=True))] += 1

    attempt()
    assert sum(seen.values()) >= cases
    assert seen[False] > cases / 2
    tried("params.yaml with keys changed, lost, added or misspelt", "refused with the path of the key", seen[False])
    tried("params.yaml with keys changed, lost, added or misspelt", "a valid file, taken as it is", seen[True])


# fmt: off
SPELT = [
    "1e-5", "5e-05", "1.0e-5", "1E-5", ".5", "5.", "+3", "-0", "0x10", "0o17", "017", "1_000", "1:30", "12:34:56",
    "1e400", ".inf", "-.inf", ".nan", "~", "null", "best", "yes", "no", "Yes", "NO", "on", "off", "y", "n", "'3'",
    '"3"', '"\\x41"', "\u0663", "2024-01-01", "2024-13-45", "", "[]", "[1]", "[[1]]", "[1, yes]", "{}", "{a: 1}",
    "*a", "&a 3", "&a [*a]", "&a", "- 1", "-", "?", "a: b", "|", "> x", "'", '"', "[", "{", "@", "`", "%", "#", ":",
    "<<:", "---", "\x00", "!!set", "9" * 30, "9" * 5000,
    *(f"!!{tag} 3" for tag in ("int", "str", "float", "bool", "null", "binary", "timestamp", "set", "omap")),
    "!!python/object/apply:os.system ['touch marker']", "!!python/name:os.system", "!!python/tuple [1]",
]
# fmt: on


def values_in(document):
    """(number of the line, path of the key) of each value in params.yaml that stands on a line."""
    above = []
    for number, line in enumerate(document.splitlines()):
        if match := re.match(r"( *)(\w+): *([^ #]?)", line):
            above = [*above[: len(match[1]) // 2], match[2]]
            if match[3]:
                yield number, ".".join(above)


@pytest.mark.parametrize("step", [25, pytest.param(1, marks=pytest.mark.slow)])
def test_a_value_however_it_is_spelt_is_taken_or_refused_with_its_place(step, tried):
    lines, seen = PLAIN.splitlines(), Counter()
    for number, path in [*values_in(PLAIN)][::step]:
        before = lines[number].split(":")[0]
        for value in SPELT:
            document = "\n".join([*lines[:number], f"{before}: {value}", *lines[number + 1 :]])
            try:
                params.parse(document)
            except params.WrongParams as error:
                told = "; ".join(str(error).splitlines())
                assert re.match(rf"{path}[.:]|it is no YAML: .*(line \d+|position \d+)", told), (path, value, told)
                seen["refused with the path of the key, or the line where it is no YAML"] += 1
            else:
                seen["taken: it is right there"] += 1
    for outcome, times in seen.items():
        tried(
            "any value in params.yaml spelt in 74 ways, such as 1e-5, yes, 2024-13-45, a tag, half a list",
            outcome,
            times,
        )


def test_any_text_is_refused_or_taken(tried):
    seen = {True: 0, False: 0}

    @settings(max_examples=500, deadline=None, database=None, derandomize=True)
    @given(st.one_of(st.text(), st.binary(), st.sampled_from(HOSTILE)))
    def attempt(document):
        seen[judged(document)] += 1

    attempt()
    assert seen[True] == 0
    tried("any text or bytes in place of params.yaml", "refused", seen[False])


HOSTILE = [
    "!!python/object/apply:os.system ['touch marker']",
    "!!python/name:os.system",
    "&a [*a]",
    "a: &a {b: 1}\n<<: *a",
    "seed: 1\nseed: 2",
    "a: " + "[" * 200 + "]" * 200,
    "--- 1\n--- 2",
    "\x00",
    "\t- a",
    "? [1, 2]\n: 3",
    "{}",
    "[]",
]


def test_a_tag_that_would_run_code_is_refused_and_nothing_runs(tmp_path, monkeypatch, tried):
    monkeypatch.chdir(tmp_path)
    for value in ("!!python/object/apply:os.system ['touch marker']", "!!python/object/new:os.mkdir [marker]"):
        assert not judged(PLAIN.replace("seed: 0 ", f"seed: {value} ", 1))
        assert not list(tmp_path.iterdir())
    tried("a YAML tag that would run code", "refused, nothing ran", 2)


def test_a_key_that_stands_there_twice_is_refused_with_its_name(tried):
    for again in ("seed: 1\n", "imdb: {}\n"):
        with pytest.raises(params.WrongParams, match=f"the key {again.split(':')[0]} stands there twice"):
            params.parse(PLAIN + again)
    tried("a key that stands in params.yaml twice", "refused with its name", 2)


def test_bombs_of_anchors_are_refused_at_once(tried):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert not judged(bomb)
    tried("anchors that multiply", "refused at once")


def test_numbers_are_numbers_however_they_are_spelt():
    for spelt in ("1e-5", "1.0e-05", "0.00001", "1E-5"):
        taken = params.parse(PLAIN.replace("learning_rate: 0.001", f"learning_rate: {spelt}", 1))
        assert taken.sections["imdb"].fit.learning_rate == 1e-5


ALMOST_1 = math.nextafter(1, 0)
SMALLEST = math.nextafter(0, 1)
IMAGE = {"preprocess.encoding": "image", "model.network": "conv2d", "model.weighting": "none"}
AT_THE_EDGE = [  # values of a key, and some that only go together; most are taken, most of those run
    *({"model.units": value} for value in ([], [1], [2, 1, 2, 1, 2], [params.LARGEST], [params.LARGEST + 1])),
    *({"model.activation": value} for value in ("elu", "gelu", "selu", "sigmoid", "silu", "softplus", "tanh")),
    *({"model.dropout": value} for value in (SMALLEST, 0.5, ALMOST_1)),
    *({f"model.{key}": value} for key in ("l1", "l2") for value in (SMALLEST, 1e-3, 1e30, 1e300)),
    *({"model.loss": value} for value in ("mae", "huber")),
    *({"model.labels": value} for value in ("integer", "one_hot")),
    *({"model.class_weights": value} for value in ("equal", "balanced")),
    {"model.api": "functional"},
    {"model.weighting": "none"},
    IMAGE,
    IMAGE | {"model.units": [1, 2, 1, 2, 1]},
    *({"fit.optimizer": value, "fit.momentum": 0.0} for value in ("rmsprop", "adam", "sgd", "adamw")),
    {"fit.optimizer": "sgd", "fit.momentum": ALMOST_1},
    *({"fit.learning_rate": value} for value in (SMALLEST, 1.0, 1e30, params.LARGEST_NUMBER, 1e300)),
    *({"fit.batch_size": value} for value in (1, 10_000, params.LARGEST, 10**30)),
    {"fit.validation": 0, "fit.final_epochs": 1},
    *({"fit.validation": value} for value in (1, 403)),
    {"fit.epochs": 1, "fit.final_epochs": "best"},
    *({"kfold.k": value} for value in (3, 144, 404, 405, 2**15 + 1)),
    *({"kfold.equivalent_within": value} for value in (SMALLEST, 1e300)),
    *({key: 2**32 - 1} for key in ("seed", "split_seed")),
]


def changed(tree, name, changes):
    """The params with these changes in the section of the data set, as far as it has the keys."""
    tree = copy.deepcopy(tree)
    for path, value in {path: value for change in changes for path, value in change.items()}.items():
        *parents, key = path.split(".")
        section = tree[name] if parents else tree
        for parent in parents:
            section = section[parent]
        if key in section:
            section[key] = value
    return yaml.safe_dump(tree)


def outcome(document, name):
    """What came of a run of the stages with these params in the present folder."""
    try:
        params.parse(document)
    except params.WrongParams:
        return "refused with the path of the key"
    params.PATH.write_text(document)
    try:
        for stage in (preprocess, train, kfold, evaluate):
            with one_message(stage.__name__):
                stage.main(name)
    except SystemExit as ended:
        message = ended.code
    else:
        return "runs to the end"
    assert re.search(r"expected|too little memory|the replica with seed", message), message
    return "the stage says in a message why it cannot"


@pytest.mark.filterwarnings("default:The least populated class")  # as scikit-learn says it
@pytest.mark.parametrize("cases", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_what_is_taken_runs_or_says_why_it_cannot(ran, cases, tmp_path, monkeypatch, tried):
    monkeypatch.chdir(Clone.copy(ran, tmp_path / "clone").folder)
    tree = yaml.safe_load(params.PATH.read_text())
    seen = []

    @settings(max_examples=cases, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(
        st.sampled_from(["boston_housing", "digits"]),
        st.lists(st.sampled_from(AT_THE_EDGE), min_size=1, max_size=4),
    )
    def attempt(name, changes):
        seen.append(outcome(changed(tree, name, changes), name))

    attempt()
    assert "runs to the end" in seen
    for kind in sorted(set(seen)):
        tried("params.yaml with values at the edge of what is taken, in every stage", kind, seen.count(kind))
