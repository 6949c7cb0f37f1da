"""Whatever stands in params.yaml, it is taken or refused with the path of the key; never a traceback.

What is taken runs, or the stage says in one message why it cannot.
"""

import copy
import math
import re
from collections import Counter
from itertools import pairwise

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from samples import PARAMS
from small import Clone

from stages import evaluate, kfold, preprocess, train
from stages.core.declared import params, sections, strict_yaml
from stages.core.declared.strict_yaml import Wrong
from stages.core.run.stage import one_message

PLAIN = PARAMS
TREE = strict_yaml.read(PLAIN)


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
        [
            "1e-5",
            "5e-05",
            "yes",
            "no",
            "on",
            "~",
            "0x10",
            "1_000",
            "best",
            ".inf",
            "-.inf",
            ".nan",
            "2024-01-01",
        ]
    ),
    st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=3), st.none()), max_size=4),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)


# But for what PyYAML folds when it writes them.
AS_WRITTEN = st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029")


def shown(keys):
    """Keys as messages show them."""
    return [key if key.isprintable() and key.strip() else repr(key) for key in keys]


@st.composite
def documents(draw):
    """params.yaml with one to three keys changed, lost or added, and paths to them, no longer
    than a group's.
    """
    tree, touched = copy.deepcopy(TREE), set()
    for _ in range(draw(st.integers(1, 3))):
        *parents, key = draw(st.sampled_from(PATHS))
        section = tree
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            continue
        change, names = draw(st.sampled_from(["set", "drop", "add", "rename"])), [key]
        if change == "set":
            section[key] = draw(ODD)
        elif change == "drop":
            section.pop(key, None)
        elif change == "add":
            names = [draw(st.text(AS_WRITTEN, min_size=1, max_size=6))]
            section[names[0]] = draw(ODD)
        elif key in section:
            names = [key, f"{key}_"]
            section[names[1]] = section.pop(key)
        touched.update(".".join(shown([*parents, name][:3])) for name in names)
    return tree, touched


def judged(document, touched=None):
    """Whether the document is taken. When refused, each line must begin with a path, to one of
    the keys touched.
    """
    try:
        params.parse(document)
    except Wrong as error:
        for line in str(error).splitlines():
            assert re.match(r"(it is no YAML|expected keys|[^\n]*: \w)", line), line
            assert "{'input'" not in line, line
            if touched is not None:
                assert line.startswith(tuple(touched)), (line, touched)
        return False
    return True


@pytest.mark.parametrize("cases", [200, pytest.param(2500, marks=pytest.mark.slow)])
def test_a_document_that_a_person_got_wrong_is_refused_or_taken(cases, tried):
    seen = {True: 0, False: 0}

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(documents())
    def attempt(case):
        tree, touched = case
        seen[judged(yaml.safe_dump(tree, allow_unicode=True), touched)] += 1

    attempt()
    assert sum(seen.values()) >= cases
    assert seen[False] > cases / 2
    tried(
        "params.yaml with keys changed, lost, added or misspelt",
        "refused with the path of the key",
        seen[False],
    )
    tried(
        "params.yaml with keys changed, lost, added or misspelt",
        "a valid file, taken as it is",
        seen[True],
    )


# fmt: off
SPELT = [
    "1e-5", "5e-05", "1.0e-5", "1E-5", ".5", "5.", "+3", "-0", "0x10", "0o17", "017", "1_000", "1:30", "12:34:56",
    "1e400", ".inf", "-.inf", ".nan", "~", "null", "best", "yes", "no", "Yes", "NO", "on", "off", "y", "n", "'3'",
    '"3"', '"\\x41"', "\u0663", "2024-01-01", "2024-13-45", "", "[]", "[1]", "[[1]]", "[1, yes]", "{}", "{a: 1}",
    "*a", "&a 3", "&a [*a]", "&a", "- 1", "-", "?", "a: b", "|", "> x", "'", '"', "[", "{", "@", "`", "%", "#", ":",
    "<<:", "---", "\x00", "!!set", "9" * 30, "9" * 5000,
    *(f"!!{tag} 3" for tag in ("int", "str", "float", "bool", "null", "binary", "timestamp", "set", "omap")),
    "!!python/object/apply:os.system ['touch marker']", "!!python/name:os.system", "!!python/tuple [1]",
    '"\\UFFFFFFFF"', '"\\U00110000"', '"\\uD800"', "0b11", "08", "-017", "1_0", "1:30.5",
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
            except Wrong as error:
                told = "; ".join(str(error).splitlines())
                assert re.match(rf"{path}[.:]|it is no YAML: .*(line \d+|position \d+)", told), (
                    path,
                    value,
                    told,
                )
                seen["refused with the path of the key, or the line where it is no YAML"] += 1
            else:
                seen["taken: it is right there"] += 1
    for outcome, times in seen.items():
        tried(
            "any value in params.yaml spelt in any way, such as 1e-5, yes, 2024-13-45, a tag, half a list",
            outcome,
            times,
        )


@pytest.mark.parametrize(
    "key",
    [
        "seed",
        "datasets.imdb.fit.learning_rate",
        "datasets.imdb.final.exploring_epochs",
        "datasets.imdb.preprocess.num_words",
    ],
)
def test_what_is_taken_is_what_dvc_reads_too(key, tried):
    """Else `dvc repro` would call something unchanged that means something else here."""
    number = next(number for number, path in values_in(PLAIN) if path == key)
    lines, taken = PLAIN.splitlines(), 0
    for value in SPELT:
        document = "\n".join(
            [*lines[:number], f"{lines[number].split(':')[0]}: {value}", *lines[number + 1 :]]
        )
        try:
            ours = params.parse(document)
        except Wrong:
            continue
        assert params.parse(yaml.safe_dump(parse_yaml(document, "params.yaml"))) == ours, value
        taken += 1
    assert taken
    tried("a spelling that is taken", "DVC reads the same in it", taken)


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
    "%YAML 1." + "9" * 5000,
    '"\\uD800": 1',
    PLAIN + '"\\uD800": 1',
]


def test_a_tag_that_would_run_code_is_refused_and_nothing_runs(tmp_path, monkeypatch, tried):
    monkeypatch.chdir(tmp_path)
    for value in (
        "!!python/object/apply:os.system ['touch marker']",
        "!!python/object/new:os.mkdir [marker]",
    ):
        assert not judged(PLAIN.replace("seed: 0 ", f"seed: {value} ", 1))
        assert not list(tmp_path.iterdir())
    tried("a YAML tag that would run code", "refused, nothing ran", 2)


def test_a_key_that_stands_there_twice_is_refused_with_its_name(tried):
    twice = {
        "seed": PLAIN + "seed: 1\n",
        "datasets": PLAIN + "datasets: {}\n",
        "imdb": PLAIN + "  imdb: {}\n",
        "k": PLAIN.replace("      k: 4", "      k: 4\n      k: 4", 1),
    }
    for key, document in twice.items():
        with pytest.raises(Wrong, match=rf"the key '{key}' stands there twice, in line \d+"):
            params.parse(document)
    tried("a key that stands in params.yaml twice", "refused with its name", len(twice))


def test_bombs_of_anchors_are_refused_at_once(tried):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghi")
    )
    assert not judged(bomb)
    value = re.sub(r"units: .*\n +- 16\n +- 16", "units: *i", PLAIN, count=1)
    assert value != PLAIN
    assert not judged(f"{bomb}{value}")
    merged = "a: &a {x: 1}\n" + "".join(
        f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 9)}]}}\n"
        for old, new in pairwise("abcdefghi")
    )
    with pytest.raises(Wrong, match="<<: expected one anchor"):
        params.parse(PLAIN + merged)
    tried("anchors that multiply", "refused at once", 3)


def test_an_anchor_may_be_used_again():
    """As in `imdb: &all {...}` and `again: {<<: *all, fit: {...}}`: what stands there itself
    comes first.
    """
    tree = copy.deepcopy(TREE)
    digits, reuters = tree["datasets"].pop("digits"), tree["datasets"].pop("reuters")
    shared = {key: reuters[key] for key in ("fit", "final")}
    merged = (
        f"{yaml.safe_dump(tree, sort_keys=False)}  reuters:\n    <<: &all {flow(shared)}"
        + "".join(
            f"    {key}: {flow(value)}" for key, value in reuters.items() if key not in shared
        )
        + "  digits:\n    <<: *all\n"
        + "".join(f"    {key}: {flow(value)}" for key, value in digits.items())
    )
    assert params.parse(merged) == params.parse(PLAIN)


def flow(value):
    """YAML in a line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6)


def test_numbers_are_numbers_however_they_are_spelt():
    for spelt in ("1e-5", "1.0e-05", "0.00001", "1E-5"):
        taken = params.parse(PLAIN.replace("learning_rate: 0.001", f"learning_rate: {spelt}", 1))
        assert taken.datasets["imdb"].fit.learning_rate == 1e-5


ALMOST_1 = math.nextafter(1, 0)
SMALLEST = math.nextafter(0, 1)
CONV2D = {"network": "conv2d", "units": [4]}
IMAGE = {"preprocess": {"encoding": "image"}, "model": CONV2D, "fit.weighting": "none"}
# values of a key, and some that only go together; most are taken, most of those run
AT_THE_EDGE = [
    *(
        {"model.units": value}
        for value in ([], [1], [2, 1, 2, 1, 2], [sections.LARGEST], [sections.LARGEST + 1])
    ),
    *(
        {"model.activation": value}
        for value in ("elu", "gelu", "selu", "sigmoid", "silu", "softplus", "tanh")
    ),
    *({"model.dropout": value} for value in (SMALLEST, 0.5, ALMOST_1)),
    *({f"model.{key}": value} for key in ("l1", "l2") for value in (SMALLEST, 1e-3, 1e30, 1e300)),
    *({"fit.loss": value} for value in ("mae", "huber")),
    *({"fit.labels": value} for value in ("integer", "one_hot")),
    *({"fit.class_weights": value} for value in ("equal", "balanced")),
    {"fit.api": "functional"},
    {"fit.weighting": "none"},
    IMAGE,
    IMAGE | {"model": CONV2D | {"units": [1, 2, 1, 2, 1]}},
    *(
        {"fit.optimizer": value, "fit.momentum": 0.0}
        for value in ("rmsprop", "adam", "sgd", "adamw")
    ),
    {"fit.optimizer": "sgd", "fit.momentum": ALMOST_1},
    *(
        {"fit.learning_rate": value}
        for value in (SMALLEST, 1.0, 1e30, sections.LARGEST_NUMBER, 1e300)
    ),
    *({"fit.batch_size": value} for value in (1, 10_000, sections.LARGEST, 10**30)),
    {"final.validation": 0, "final.epochs": 1},
    *({"final.validation": value} for value in (1, 403)),
    {"final.exploring_epochs": 1, "final.epochs": "best"},
    *({"kfold.k": value} for value in (3, 144, 404, 405, 2**15 + 1)),
    *({"review.equivalent_within": value} for value in (SMALLEST, 1e300)),
    *({"final.seeds": value} for value in (1, 2**15 + 1)),
    *({key: 2**32 - 1} for key in ("seed", "split_seed")),
]
WORDS, LSTM = {"encoding": "sequence", "num_words": 200}, {"network": "lstm", "units": [4]}
SEQUENCE = {"preprocess": WORDS | {"length": 9}, "model": LSTM, "fit.weighting": "none"}
OF_TEXT = [
    *({"fit.weighting": value} for value in ("binary", "tf_idf", "nb", "none")),
    *({"preprocess.ngrams": value} for value in (1, 2, 3)),
    *({"preprocess.num_words": value} for value in (3, 4, 5, 500)),
    {"preprocess.num_words": 4, "preprocess.ngrams": 2},
    *(SEQUENCE | {"preprocess": WORDS | {"length": value}} for value in (1, 7)),
    *(SEQUENCE | {"model": LSTM | {"embedding": value}} for value in (1, 9)),
    SEQUENCE | {"model": LSTM | {"units": [1, 2], "dropout": ALMOST_1}},
    {"preprocess.encoding": "sequence"},
    {"preprocess": WORDS},
    *({"fit.labels": value} for value in ("integer", "one_hot")),
    *({"fit.class_weights": value} for value in ("equal", "balanced")),
]


def changed(tree, name, changes):
    """The params with these changes, as far as there are such keys: at the top, or in the
    section of the data set.
    """
    tree = copy.deepcopy(tree)
    for path, value in {
        path: value for change in changes for path, value in change.items()
    }.items():
        *parents, key = path.split(".")
        section = tree if path in tree else tree["datasets"][name]
        for parent in parents:
            section = section[parent]
        if key in section:
            section[key] = copy.deepcopy(value)
    return yaml.safe_dump(tree)


def outcome(document, name):
    """What came of a run of the stages with these params in the present folder."""
    try:
        params.parse(document)
    except Wrong:
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


@pytest.fixture(scope="module")
def with_text(ran, tmp_path_factory):
    """A copy of the clone in which everything has run, for a quick run on text too."""
    clone = Clone.copy(ran, tmp_path_factory.mktemp("params") / "clone")

    def shrink(tree):
        reuters = copy.deepcopy(TREE["datasets"]["reuters"])
        reuters["preprocess"].update(num_words=200)
        reuters["model"].update(units=[4])
        reuters["final"].update(exploring_epochs=1, validation=50, epochs=1, seeds=1)
        reuters["kfold"].update(k=2, repeats=1, epochs=1)
        tree["datasets"]["reuters"] = reuters

    clone.edit(shrink)
    clone.repro("download@reuters")
    return clone


@pytest.mark.filterwarnings("default:The least populated class")  # as scikit-learn says it
@pytest.mark.parametrize(
    ("names", "edges", "cases"),
    [
        pytest.param(["boston_housing", "digits"], AT_THE_EDGE, 64, marks=pytest.mark.slow),
        pytest.param(["reuters"], OF_TEXT, 40, marks=pytest.mark.slow),
    ],
)
def test_what_is_taken_runs_or_says_why_it_cannot(
    with_text, names, edges, cases, monkeypatch, tried
):
    monkeypatch.chdir(with_text.folder)
    before = params.PATH.read_text()
    tree = yaml.safe_load(before)
    seen = []

    @settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, phases=[Phase.generate]
    )
    @given(st.sampled_from(names), st.lists(st.sampled_from(edges), min_size=1, max_size=4))
    def attempt(name, changes):
        seen.append(outcome(changed(tree, name, changes), name))

    attempt()
    params.PATH.write_text(before)
    assert "runs to the end" in seen
    for kind in sorted(set(seen)):
        tried(
            "params.yaml with values at the edge of what is taken, in every stage",
            kind,
            seen.count(kind),
        )
