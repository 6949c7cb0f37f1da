"""params.yaml: what is right parses, what is wrong stops with the key's path, what was expected
and what was given.
"""

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from samples import PARAMS, PROJECT

from stages.core.declared import params, sources, strict_yaml
from stages.core.declared.strict_yaml import Wrong
from stages.core.declared.task import TASKS, chosen

ROOT = Path(__file__).parent.parent
DOCUMENT = PARAMS
PARTS = "data", "preprocess", "model", "fit", "final", "kfold", "review"
MISSING = object()

# How pydantic speaks: none of it belongs in a message to somebody who edits params.yaml.
NOISE = (
    "constrained",
    "literal[",
    "sections",
    "Value error",
    "nput should",
    "after validation",
    "instance of",
    "Section",
    "should be",
    "List",
    "pydantic",
    "parse",
    "{'input'",
)


def changed(*changes):
    """The real params with these (dotted path, value) set, as YAML; MISSING takes a key away."""
    content = strict_yaml.read(DOCUMENT)
    for path, value in changes:
        *above, key = path.split(".")
        section = content
        for name in above:
            section = section[name]
        if value is MISSING:
            del section[key]
        else:
            section[key] = copy.deepcopy(value)
    return yaml.safe_dump(content)


def complaints(document):
    with pytest.raises(Wrong) as caught:
        params.parse(document)
    lines = str(caught.value).splitlines()
    assert [line for line in lines if any(word in line for word in NOISE)] == []
    return lines


def test_the_real_file_parses():
    real = params.load(PROJECT / "params.yaml")
    assert list(real.datasets) == list(strict_yaml.read(DOCUMENT)["datasets"])
    assert real.datasets["imdb"].model.units == [16, 16]
    assert real.datasets["reuters"].fit.learning_rate == 0.001
    assert real.datasets["boston_housing"].kfold.repeats == 10
    assert real.datasets["digits"].preprocess.encoding == "features"


def test_metrics_are_those_of_the_task_or_those_that_are_named_the_main_one_first():
    assert params.parse(DOCUMENT).datasets["imdb"].task == TASKS["binary"]
    named = ["roc_auc", "brier", "accuracy"]
    task = params.parse(changed(("datasets.imdb.data.metrics", named))).datasets["imdb"].task
    assert (task.metrics, task.metric, task.trained) == (tuple(named), "roc_auc", "accuracy")
    with pytest.raises(KeyError):
        chosen("ranking")


@pytest.mark.parametrize(
    ("name", "metrics", "known"),
    [
        ("imdb", ["accuracy", "mae"], "log_loss, brier, f1"),
        ("reuters", ["average_precision"], "top_3_accuracy"),
        ("boston_housing", ["rmse", "accuracy"], "mae, rmse"),
        ("digits", ["bleu"], "accuracy, balanced_accuracy"),
    ],
)
def test_names_a_metric_that_the_task_has_not_and_those_that_it_has(name, metrics, known):
    path = f"datasets.{name}.data.metrics"
    (line,) = complaints(changed((path, metrics)))
    assert line.startswith(f"{path}: expected metrics of the task ")
    assert known in line
    assert line.endswith(f"got {metrics[-1]!r}")


def test_equal_documents_give_equal_params_in_the_order_of_the_file():
    content = strict_yaml.read(DOCUMENT)
    content["datasets"] = dict(reversed(content["datasets"].items()))
    backwards = params.parse(yaml.safe_dump(content, sort_keys=False))
    assert backwards == params.parse(DOCUMENT)
    assert list(backwards.datasets) == list(content["datasets"])
    assert params.parse(changed(("seed", 1))) != params.parse(DOCUMENT)


@pytest.mark.parametrize(
    ("path", "value", "known"),
    [
        ("sourc", "official", "source, seed, split_seed, datasets, sweeps"),
        ("imdb", {}, "source, seed, split_seed, datasets, sweeps"),
        ("1", 0, "source, seed, split_seed, datasets, sweeps"),
        ("datasets.imdb.fitt", {}, "data, preprocess, model, fit, final, kfold, review"),
        ("datasets.imdb.datasets", {}, "data, preprocess, model, fit, final, kfold, review"),
        ("datasets.imdb.preprocess.word", 3, "encoding, num_words, ngrams"),
        ("datasets.imdb.model.dropuot", 0.5, "network, units, activation, dropout, l1, l2"),
        ("datasets.reuters.final.epoch", 3, "exploring_epochs, validation, epochs, seeds"),
        ("datasets.boston_housing.kfold.folds", 4, "k, repeats, seeds, epochs"),
        ("datasets.digits.review.equivalent", 4, "equivalent_within"),
        # names of encodings, with which pydantic marks places below `preprocess`
        ("datasets.digits.features", 3, "data, preprocess, model, fit, final, kfold, review"),
        ("datasets.digits.preprocess.features", 3, "encoding"),
        ("datasets.digits.preprocess.image", 3, "encoding"),
        ("datasets.digits.model.features", 3, "network, units, activation, dropout, l1, l2"),
        ("datasets.digits.kfold.image", 3, "k, repeats, seeds, epochs"),
    ],
)
def test_names_an_unknown_key_and_the_keys_that_there_are(path, value, known):
    assert complaints(changed((path, value))) == [
        f"{path}: there is no such key; expected one of {known}"
    ]


@pytest.mark.parametrize(
    "place", ["", "datasets", "datasets.imdb", *(f"datasets.imdb.{part}" for part in PARTS)]
)
@pytest.mark.parametrize(
    ("key", "shown"),
    [(3, "3"), (None, "None"), (True, "True"), (1.5, "1.5"), ("", "''"), ("a\nb", r"'a\nb'")],
)
def test_names_a_key_that_is_no_text_or_not_to_be_seen(place, key, shown):
    content = strict_yaml.read(DOCUMENT)
    section = content
    for name in filter(None, place.split(".")):
        section = section[name]
    section[key] = 0
    (line,) = complaints(yaml.safe_dump(content))
    said = "expected a name" if place == "datasets" else "there is no such key; "
    assert line.startswith(f"{place}.{shown}: {said}".removeprefix("."))


@pytest.mark.parametrize("name", ["mnist", "fit", "copy", "model_fields", "a0", "a-b"])
def test_names_the_source_that_a_data_set_lacks(name):
    (line,) = complaints(changed((f"datasets.{name}", {})))
    assert line.startswith(f"datasets.{name}: there is no ")
    assert line.endswith(f"{name}.yaml; expected one of boston_housing, digits, imdb, reuters")


@pytest.mark.parametrize("name", ["my data", "a.b", "_x", "../imdb", "ä", "-", "0", "2cool"])
def test_refuses_a_name_that_no_file_and_no_stage_can_have(name):
    content = strict_yaml.read(DOCUMENT)
    content["datasets"][name] = content["datasets"]["imdb"]
    (line,) = complaints(yaml.safe_dump(content))
    expected = "a name of letters, digits, _ and -, a letter first"
    assert line == f"datasets.{name}: expected {expected}, got {name!r}"


def test_names_both_sides_of_a_misspelt_key():
    document = changed(("datasets.imdb.model.units", MISSING), ("datasets.imdb.model.unit", [3]))
    missing, unknown = sorted(complaints(document), reverse=True)
    assert missing == "datasets.imdb.model.units: the key is missing"
    assert unknown.startswith(
        "datasets.imdb.model.unit: there is no such key; expected one of network, units, "
    )


def paths(content, prefix=""):
    for key, value in content.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{key}.")


DEFAULTS = {  # of the keys that may be left out
    "ngrams": 1,
    "activation": "relu",
    "dropout": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "api": "sequential",
    "class_weights": "equal",
    "labels": "integer",
    "momentum": 0.0,
}


@pytest.mark.parametrize("path", list(paths(strict_yaml.read(DOCUMENT))))
def test_a_missing_key_has_its_default_or_is_named(path):
    document, key = changed((path, MISSING)), path.rpartition(".")[2]
    if key in DEFAULTS:
        assert params.parse(document) == params.parse(changed((path, DEFAULTS[key])))
    elif path.count(".") == 1:  # the section of a data set
        assert key not in params.parse(document).datasets
    else:
        assert complaints(document) == [f"{path}: the key is missing"]


def test_all_that_is_missing_is_named():
    below = [f"datasets.imdb.kfold.{key}: the key is missing" for key in ("k", "repeats", "epochs")]
    assert complaints(changed(("datasets.imdb.kfold", {}))) == below
    assert complaints("{}") == [
        f"{key}: the key is missing"
        for key in ("source", "seed", "split_seed", "datasets", "sweeps")
    ]
    assert complaints(changed(("datasets.imdb", {}))) == [
        f"datasets.imdb.{part}: the key is missing" for part in PARTS
    ]


@pytest.mark.parametrize("value", [None, [], [{}], 3, "imdb", True])
@pytest.mark.parametrize(
    "path", ["datasets", "datasets.imdb", *(f"datasets.imdb.{part}" for part in PARTS)]
)
def test_says_where_keys_and_values_were_expected(path, value):
    assert complaints(changed((path, value))) == [
        f"{path}: expected keys and values, got {value!r}"
    ]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # wrong types
        ("seed", "0", "integer"),
        ("seed", True, "integer"),
        ("seed", 1.5, "integer"),
        ("seed", None, "integer"),
        ("source", None, "'official' or 'synthetic'"),
        ("seed", {"a": [1]}, "integer"),
        ("datasets.imdb.final.exploring_epochs", "20", "integer"),
        ("datasets.imdb.final.exploring_epochs", True, "integer"),
        ("datasets.imdb.final.exploring_epochs", 20.0, "integer"),
        ("datasets.imdb.final.exploring_epochs", [20], "integer"),
        ("datasets.imdb.final.exploring_epochs", None, "integer"),
        ("datasets.imdb.fit.learning_rate", "fast", "number"),
        ("datasets.imdb.fit.learning_rate", "0.001", "number"),
        ("datasets.imdb.fit.learning_rate", True, "number"),
        ("datasets.imdb.model.dropout", False, "number"),
        ("datasets.imdb.model.dropout", [0.5], "number"),
        ("datasets.imdb.model.dropout", None, "number"),
        ("datasets.imdb.model.l2", {}, "number"),
        ("datasets.imdb.preprocess.ngrams", 1.0, "integer"),
        ("datasets.imdb.preprocess.num_words", "10000", "integer"),
        (
            "datasets.imdb.preprocess.encoding",
            None,
            "'multi_hot' or 'sequence'",
        ),
        (
            "datasets.imdb.preprocess.encoding",
            ["multi_hot"],
            "'multi_hot' or 'sequence'",
        ),
        (
            "datasets.imdb.preprocess.encoding",
            {"multi_hot": 3},
            "'multi_hot' or 'sequence'",
        ),
        ("datasets.imdb.data.task", "classify", "'binary', 'multiclass' or 'regression'"),
        ("datasets.imdb.data.task", None, "'binary', 'multiclass' or 'regression'"),
        ("datasets.imdb.model.network", None, "'dense'"),
        ("datasets.imdb.model.network", ["dense"], "'dense'"),
        ("datasets.imdb.fit.momentum", "fast", "number"),
        ("datasets.imdb.fit.momentum", True, "number"),
        ("datasets.imdb.model.units", 16, "list"),
        ("datasets.imdb.model.units", "16", "list"),
        ("datasets.imdb.model.units", None, "list"),
        ("datasets.imdb.model.units", {"sequence": 16}, "list"),
        # out of range
        ("source", "oficial", "'official' or 'synthetic'"),
        ("seed", -1, "0"),
        ("split_seed", 2**32, "4294967296"),
        ("datasets", {}, "at least one"),
        ("datasets.imdb.model.network", "dens", "'dense'"),
        ("datasets.imdb.model.network", "__init__", "'dense'"),
        ("datasets.imdb.fit.api", "subclass", "'sequential' or 'functional'"),
        (
            "datasets.imdb.fit.weighting",
            "tfidf",
            "'binary', 'tf_idf', 'nb', 'standardize', 'tabular' or 'none'",
        ),
        ("datasets.imdb.fit.class_weights", "balance", "'equal' or 'balanced'"),
        ("datasets.reuters.fit.labels", "onehot", "'integer' or 'one_hot'"),
        ("datasets.boston_housing.fit.loss", "rmse", "'mse', 'mae' or 'huber'"),
        ("datasets.imdb.model.activation", "rulu", "'relu'"),
        ("datasets.imdb.model.dropout", 1.5, "less than 1"),
        ("datasets.imdb.model.dropout", 1, "less than 1"),
        ("datasets.imdb.model.dropout", -0.1, "0"),
        ("datasets.imdb.model.dropout", float("nan"), "finite"),
        ("datasets.imdb.model.l1", -1e-9, "0"),
        ("datasets.imdb.fit.optimizer", "adamw2", "'adam'"),
        ("datasets.imdb.fit.learning_rate", 0, "greater than 0"),
        ("datasets.imdb.fit.learning_rate", float("inf"), "finite"),
        ("datasets.imdb.fit.momentum", 1, "less than 1"),
        ("datasets.imdb.fit.momentum", -0.1, "0"),
        ("datasets.imdb.fit.batch_size", 0, "1"),
        ("datasets.imdb.final.exploring_epochs", 0, "1"),
        ("datasets.imdb.final.seeds", 0, "1"),
        ("datasets.imdb.final.seeds", 2**15 + 1, "32768"),
        ("datasets.imdb.review.equivalent_within", 0, "greater than 0"),
        ("datasets.imdb.data.metrics", "roc_auc", "a list"),
        ("datasets.imdb.data.metrics", ["roc_auc", "roc_auc"], "each name once"),
        ("datasets.imdb.kfold.epochs", 0, "1"),
        ("datasets.imdb.kfold.epochs", "bets", "best"),
        ("datasets.imdb.kfold.seeds", 0, "1"),
        ("datasets.imdb.final.validation", -1, "0"),
        ("datasets.imdb.final.epochs", "bets", "best"),
        ("datasets.imdb.final.epochs", 0, "best"),
        ("datasets.imdb.final.epochs", 1.5, "best"),
        ("datasets.imdb.final.epochs", 2**31, "2147483647"),
        ("datasets.imdb.final.epochs", None, "best"),
        ("datasets.boston_housing.final.epochs", "best", "validation"),
        ("datasets.imdb.kfold.k", 1, "2"),
        ("datasets.imdb.kfold.k", 2**15 + 1, "32768"),
        ("datasets.imdb.fit.batch_size", 2**31, "2147483647"),
        ("datasets.imdb.fit.learning_rate", 1e39, "3.4e+38"),
        ("datasets.imdb.kfold.repeats", 0, "1"),
        # what does not fit the data
        ("datasets.imdb.preprocess.num_words", 3, "4"),
        ("datasets.imdb.preprocess.ngrams", 0, "1"),
        ("datasets.imdb.preprocess.ngrams", 3, "2"),
        (
            "datasets.imdb.preprocess.encoding",
            "multihot",
            "'multi_hot' or 'sequence'",
        ),
        (
            "datasets.imdb.fit.weighting",
            "standardize",
            "binary or tf_idf or nb for the encoding multi_hot",
        ),
        (
            "datasets.imdb.fit.weighting",
            "none",
            "binary or tf_idf or nb for the encoding multi_hot",
        ),
        (
            "datasets.boston_housing.fit.weighting",
            "binary",
            "standardize or none for the encoding features",
        ),
        (
            "datasets.digits.fit.weighting",
            "tf_idf",
            "standardize or none for the encoding features",
        ),
        ("datasets.reuters.fit.weighting", "nb", "binary or tf_idf for more than two classes"),
    ],
)
def test_says_what_was_expected_and_given(path, value, expected):
    (line,) = complaints(changed((path, value)))
    assert line.startswith(f"{path}: expected ")
    assert line.endswith(f", got {value!r}")
    assert expected in line.removeprefix(path).removesuffix(repr(value))


@pytest.mark.parametrize(
    ("value", "place", "wrong"),
    [([16, 0], 1, 0), (["16", 16], 0, "16"), ([16, True], 1, True), ([[1], 16], 0, [1])],
)
def test_counts_to_the_wrong_item_of_a_list(value, place, wrong):
    (line,) = complaints(changed(("datasets.imdb.model.units", value)))
    assert line.startswith(f"datasets.imdb.model.units.{place}: expected ")
    assert line.endswith(f", got {wrong!r}")


def test_what_was_given_is_shown_short_however_large_it_is():
    layer = "x"
    for _ in range(6):
        layer = [layer] * 9
    for large in (
        "x" * 9999,
        list(range(999)),
        {str(key): "x" * 99 for key in range(99)},
        layer,
        10**4000,
    ):
        (line,) = complaints(changed(("seed", large)))
        assert re.match("seed: expected .*, got ..+", line)
        assert len(line) < 600


SEQUENCE = {"encoding": "sequence", "num_words": 1000}
SEQUENCES = ("datasets.imdb.preprocess", SEQUENCE), ("datasets.imdb.fit.weighting", "none")
LSTM, CONV2D = {"network": "lstm", "units": [16]}, {"network": "conv2d", "units": [8]}
IMAGES = ("datasets.digits.preprocess.encoding", "image")


@pytest.mark.parametrize(
    ("path", "value", "changes"),
    [
        ("datasets.boston_housing.preprocess.num_words", 100, []),
        ("datasets.boston_housing.preprocess.ngrams", 1, []),
        ("datasets.digits.preprocess.length", 200, []),
        ("datasets.imdb.preprocess.length", 200, []),
        ("datasets.imdb.preprocess.ngrams", 2, [*SEQUENCES, ("datasets.imdb.model", LSTM)]),
        ("datasets.digits.preprocess.num_words", 200, [IMAGES, ("datasets.digits.model", CONV2D)]),
        ("datasets.digits.model.embedding", 32, []),
        ("datasets.imdb.model.activation", "relu", [*SEQUENCES, ("datasets.imdb.model", LSTM)]),
        ("datasets.imdb.model.vocabulary", 3, [*SEQUENCES, ("datasets.imdb.model", LSTM)]),
        ("datasets.imdb.fit.loss", "mse", []),
        ("datasets.reuters.fit.loss", "huber", []),
        ("datasets.digits.fit.loss", "mae", []),
        ("datasets.imdb.fit.labels", "integer", []),
        ("datasets.boston_housing.fit.labels", "one_hot", []),
        ("datasets.boston_housing.fit.class_weights", "equal", []),
    ],
)
def test_a_key_of_one_encoding_network_or_task_belongs_nowhere_else(path, value, changes):
    (line,) = complaints(changed(*changes, (path, value)))
    assert line.startswith(f"{path}: there is no such key; expected one of ")
    assert path.rpartition(".")[2] not in line.partition(";")[2]


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("datasets.imdb.preprocess.num_words", []),
        (
            "datasets.imdb.preprocess.num_words",
            [("datasets.imdb.preprocess", {"encoding": "sequence"})],
        ),
        ("datasets.imdb.model.units", [*SEQUENCES, ("datasets.imdb.model", {"network": "lstm"})]),
        ("datasets.boston_housing.fit.loss", []),
    ],
)
def test_a_key_of_one_encoding_network_or_task_must_be_there(path, changes):
    assert complaints(changed(*changes, (path, None)))[0].startswith(f"{path}: expected ")
    assert complaints(changed(*changes, (path, None), (path, MISSING))) == [
        f"{path}: the key is missing"
    ]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("datasets.imdb.preprocess.length", "200", "integer"),
        ("datasets.imdb.preprocess.length", 0, "1"),
        ("datasets.imdb.model.embedding", True, "integer"),
        ("datasets.imdb.model.embedding", 0, "1"),
        ("datasets.imdb.model.units", [0], "1"),
    ],
)
def test_checks_the_keys_of_sequences_and_their_network(path, value, expected):
    document = changed(*SEQUENCES, ("datasets.imdb.model", LSTM), (path, value))
    (line,) = complaints(document)
    assert re.match(rf"{path}(\.0)?: expected .*{expected}", line)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            [("datasets.imdb.model", LSTM)],
            "datasets.imdb.model.network: lstm takes (samples, timesteps), "
            "but the encoding multi_hot gives (samples, features)",
        ),
        (
            [("datasets.reuters.model", CONV2D)],
            "datasets.reuters.model.network: conv2d takes (samples, height, width, channels), "
            "but the encoding multi_hot gives (samples, features)",
        ),
        (
            [*SEQUENCES, ("datasets.imdb.model", CONV2D)],
            "datasets.imdb.model.network: conv2d takes (samples, height, width, channels), "
            "but the encoding sequence gives (samples, timesteps)",
        ),
        (
            [*SEQUENCES],
            "datasets.imdb.model.network: dense takes (samples, features), "
            "but the encoding sequence gives (samples, timesteps)",
        ),
        (
            [("datasets.boston_housing.model", LSTM)],
            "datasets.boston_housing.model.network: lstm takes (samples, timesteps), "
            "but the encoding features gives (samples, features)",
        ),
        (
            [IMAGES],
            "datasets.digits.model.network: dense takes (samples, features), "
            "but the encoding image gives (samples, height, width, channels)",
        ),
        (
            [("datasets.digits.model", CONV2D)],
            "datasets.digits.model.network: conv2d takes (samples, height, width, channels), "
            "but the encoding features gives (samples, features)",
        ),
        (
            [SEQUENCES[0], ("datasets.imdb.model", LSTM)],
            "datasets.imdb.fit.weighting: expected none for the encoding sequence, got 'binary'",
        ),
        (
            [
                IMAGES,
                ("datasets.digits.model", CONV2D),
                ("datasets.digits.fit.weighting", "standardize"),
            ],
            "datasets.digits.fit.weighting: expected none for the encoding image, got 'standardize'",
        ),
        (
            [("datasets.imdb.preprocess", {"encoding": "features"})],
            "datasets.imdb.preprocess.encoding: expected 'multi_hot' or 'sequence', got 'features'",
        ),
        (
            [("datasets.reuters.preprocess", {"encoding": "image"})],
            "datasets.reuters.preprocess.encoding: expected 'multi_hot' or 'sequence', got 'image'",
        ),
        (
            [("datasets.boston_housing.preprocess", {"encoding": "multi_hot"})],
            "datasets.boston_housing.preprocess.encoding: expected 'features', got 'multi_hot'",
        ),
        (
            [("datasets.boston_housing.preprocess", {"encoding": "image"})],
            "datasets.boston_housing.preprocess.encoding: expected 'features', got 'image'",
        ),
        (
            [("datasets.digits.preprocess", SEQUENCE)],
            "datasets.digits.preprocess.encoding: expected 'features' or 'image', got 'sequence'",
        ),
        (
            [("datasets.imdb.fit.momentum", 0.9)],
            "datasets.imdb.fit.momentum: expected 0 for rmsprop, got 0.9; it belongs to sgd",
        ),
        (
            [
                ("datasets.boston_housing.fit.momentum", 0.5),
                ("datasets.boston_housing.fit.optimizer", "adamw"),
            ],
            "datasets.boston_housing.fit.momentum: expected 0 for adamw, got 0.5; it belongs to sgd",
        ),
    ],
)
def test_says_what_does_not_fit_together(changes, complaint):
    assert complaints(changed(*changes)) == [complaint]


@pytest.mark.parametrize(
    "changes",
    [
        [*SEQUENCES, ("datasets.imdb.model", LSTM)],
        [
            *SEQUENCES,
            ("datasets.imdb.model", {**LSTM, "embedding": 8}),
            ("datasets.imdb.preprocess", {**SEQUENCE, "length": 9}),
        ],
        [IMAGES, ("datasets.digits.model", CONV2D)],
        [("datasets.digits.fit.weighting", "standardize")],
        [("datasets.boston_housing.fit.weighting", "none")],
        [("datasets.imdb.fit.weighting", "nb"), ("datasets.imdb.preprocess.ngrams", 2)],
        [("datasets.reuters.fit.weighting", "tf_idf"), ("datasets.reuters.fit.labels", "one_hot")],
        [("datasets.imdb.fit.optimizer", "sgd"), ("datasets.imdb.fit.momentum", 0.9)],
        [
            ("datasets.reuters.fit.class_weights", "balanced"),
            ("datasets.reuters.fit.optimizer", "adamw"),
        ],
        [
            ("datasets.boston_housing.fit.loss", "huber"),
            ("datasets.boston_housing.fit.api", "functional"),
        ],
    ],
)
def test_takes_what_fits_together(changes):
    chosen = params.parse(changed(*changes)).datasets
    for path, value in changes:
        _, name, part, *key = path.split(".")
        taken = getattr(chosen[name], part).model_dump()
        assert value.items() <= taken.items() if key == [] else taken[key[0]] == value


COLUMNS = {"age": "number", "ward": "category", "day": "date", "note": "text", "died": "category"}
TABLE = {
    "data": {"task": "binary", "target": "died"},
    "preprocess": {"encoding": "table"},
    "model": {"network": "dense", "units": [4], "activation": "relu"},
    "fit": {
        "weighting": "tabular",
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "batch_size": 16,
    },
    "final": {"exploring_epochs": 2, "validation": 9, "epochs": 2, "seeds": 1},
    "kfold": {"k": 4, "repeats": 1, "epochs": 2},
    "review": {"equivalent_within": 0.01},
}
WORDS = {"preprocess": {"encoding": "multi_hot", "num_words": 100}, "weighting": "binary"}


def of_table(data, test_file=None, preprocess=None, weighting=None):
    """What params.parse makes of a table whose section asks this of the data."""
    files = [{"name": name, "size": 1, "sha256": "0" * 64} for name in ("a.csv", "b.csv")]
    reader = {"format": "table", "file": "a.csv", "columns": COLUMNS}
    reader |= {"test_file": test_file} if test_file else {}
    tree = {"title": "A", "reader": reader, "files": files}
    source = sources.parse(yaml.safe_dump(tree, sort_keys=False))
    section = copy.deepcopy(TABLE)
    data = section["data"] | data
    section["data"] = {key: value for key, value in data.items() if value is not MISSING}
    section["preprocess"] = preprocess or section["preprocess"]
    section["fit"]["weighting"] = weighting or "tabular"
    tree = {"source": "official", "seed": 0, "split_seed": 0, "sweeps": {}}
    tree["datasets"] = {"a": section}
    return params.parse(yaml.safe_dump(tree), {"a": source}).datasets["a"]


@pytest.mark.parametrize(
    ("data", "more"),
    [
        ({}, {}),
        ({"test": 0}, {}),
        ({"test": "file"}, {"test_file": "b.csv"}),
        ({"group": "ward"}, {}),
        ({"group": "ward", "drop": ["ward"]}, {}),
        ({"time": "day"}, {}),
        ({"time": "age", "drop": ["age", "day"]}, {}),
        ({"drop": ["note"]}, {}),
        ({"drop": ["age", "ward", "day"]}, WORDS),
        ({"drop": ["age", "day"], "group": "ward"}, WORDS),
        ({"target": "ward", "task": "multiclass"}, {}),
    ],
)
def test_takes_what_can_be_asked_of_a_table(data, more):
    taken = of_table(data, **more).data.model_dump()
    given = {key: tuple(value) if key == "drop" else value for key, value in data.items()}
    assert given.items() <= taken.items()


@pytest.mark.parametrize(
    ("data", "more", "key", "says"),
    [
        ({"target": "dead"}, {}, "target", "age, ward, day, note, died; got 'dead'"),
        ({"group": "dead"}, {}, "group", "a column of the source.* got 'dead'"),
        ({"drop": ["age", "dead"]}, {}, "drop", "a column of the source.* got 'dead'"),
        ({"group": "died"}, {}, "group", "another column than the target, got 'died'"),
        ({"drop": ["died"]}, {}, "drop", "another column than the target, got 'died'"),
        ({"time": "ward"}, {}, "time", "a date or a number, got a category"),
        ({"time": "note"}, {}, "time", "a date or a number, got a text"),
        ({"group": "ward", "time": "day"}, {}, "time", "none beside data.group"),
        ({"test": "file"}, {}, "test", "a share.* no test_file; got 'file'|a share.* got 'file'"),
        ({}, {"test_file": "b.csv"}, "test", "file, got 0.2"),
        ({"test": 0}, {"test_file": "b.csv"}, "test", "file, got 0"),
        ({"test": 1}, {}, "test", "a share from 0 below 1, or file, got 1"),
        ({"test": "files"}, {}, "test", "a share from 0 below 1, or file, got 'files'"),
        ({"target": 3}, {}, "target", "text, got 3"),
        ({"target": ""}, {}, "target", "got ''"),
        ({"group": ["ward"]}, {}, "group", "text, got"),
        ({"drop": "age"}, {}, "drop", "got 'age'"),
        ({"drop": ["age", "age"]}, {}, "drop", "each name once, got 'age' again"),
        ({"drop": ["age", "ward", "day", "note"]}, {}, "drop", "not all, of the columns"),
        ({"group": "note", "drop": ["age", "ward", "day"]}, {}, "drop", "not all, of the columns"),
        ({}, WORDS, "drop", "a single column of text.* got number, category, date, text"),
        ({"drop": ["note", "day", "ward"]}, WORDS, "drop", "a single column of text.* got number"),
    ],
)
def test_says_what_a_table_cannot_give(data, more, key, says):
    with pytest.raises(Wrong) as caught:
        of_table(data, **more)
    (line,) = str(caught.value).splitlines()
    assert re.match(rf"datasets\.a\.data\.{key}: ", line)
    assert re.search(says, line)
    assert not [word for word in NOISE if word in line]


def test_a_time_that_no_column_has_is_named():
    with pytest.raises(Wrong, match=r"data\.time: expected a column of the source.* got 'dead'"):
        of_table({"time": "dead"})


@pytest.mark.parametrize("key", ["target", "group", "time", "drop", "test"])
def test_data_of_no_table_have_no_columns(key):
    (line,) = complaints(changed((f"datasets.imdb.data.{key}", "x")))
    assert line.startswith(f"datasets.imdb.data.{key}: there is no such key")


def test_a_table_has_a_target():
    with pytest.raises(Wrong, match=r"datasets\.a\.data\.target: .*missing"):
        of_table({"target": MISSING})


def test_the_best_epoch_can_be_asked_for_with_one_validation_row():
    chosen = params.parse(
        changed(
            ("datasets.boston_housing.final.epochs", "best"),
            ("datasets.boston_housing.final.validation", 1),
        )
    )
    assert chosen.datasets["boston_housing"].final.epochs == "best"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("datasets.boston_housing.kfold.k", 2**15),
        ("datasets.imdb.kfold.k", 2),
        ("datasets.imdb.model.units", []),
        ("datasets.imdb.model.dropout", 0),
        ("datasets.imdb.final.epochs", 1),
        ("datasets.imdb.preprocess.num_words", 4),
    ],
)
def test_takes_the_last_value_in_range(path, value):
    assert params.parse(changed((path, value)))


def test_lists_every_wrong_key():
    lines = complaints(
        changed(("seed", "0"), ("datasets.imdb.kfold.k", 1), ("datasets.reuters.model.layers", 2))
    )
    assert sorted(line.split(":")[0] for line in lines) == [
        "datasets.imdb.kfold.k",
        "datasets.reuters.model.layers",
        "seed",
    ]


@pytest.mark.parametrize(
    ("section", "key", "written"),
    [
        ("fit", "learning_rate", "0.001"),
        ("model", "l2", "0.0"),
        ("model", "l1", "0.0"),
        ("model", "dropout", "0.0"),
    ],
)
def test_5e_05_is_a_number(section, key, written):
    document = DOCUMENT.replace(f"      {key}: {written}", f"      {key}: 5e-05", 1)
    assert yaml.safe_load(document)["datasets"]["imdb"][section][key] == "5e-05", (
        "YAML 1.1 reads it as a string"
    )
    assert getattr(getattr(params.parse(document).datasets["imdb"], section), key) == 5e-05


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir [{}]",
        "!!python/object/new:os.mkdir [{}]",
        "!!python/name:os.mkdir",
    ],
)
def test_refuses_yaml_that_runs_code(tag, tmp_path):
    def document(marker):
        return DOCUMENT.replace("\nseed: 0", f"\nseed: {tag.format(tmp_path / marker)}", 1)

    yaml.unsafe_load(document("live"))
    assert (tmp_path / "live").exists() == ("{" in tag), "the tag works where nothing stops it"
    assert "YAML" in complaints(document("marker"))[0]
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "document",
    ["datasets: [imdb", "a:\n\tb: 1", "a: b: c", "seed: !!int x", "a: \x00", "a: 1\n---\na: 1"],
)
def test_says_that_broken_yaml_is_no_yaml(document):
    assert "YAML" in complaints(document)[0]


@pytest.mark.parametrize(
    ("document", "got"), [("", "None"), ("# only a comment", "None"), ("- 1", "[1]"), ("x", "'x'")]
)
def test_refuses_what_holds_no_keys(document, got):
    assert complaints(document) == [f"expected keys and values, got {got}"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "keys and values"),
        (b"seed: [", "YAML"),
        (b"seed: \xff\xfe", "params.yaml"),
        (None, "is missing"),
    ],
)
def test_load_exits_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=reason) as caught:
        params.load(path)
    assert str(path) in str(caught.value)


def test_the_command_exits_with_one_message_and_no_traceback(tmp_path):
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    (tmp_path / "params.yaml").write_text(changed(("datasets.imdb.kfold.k", 1)))
    command = [sys.executable, "-m", "stages.core.declared.params"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "datasets.imdb.kfold.k: expected " in done.stderr
    assert done.stderr.count("params.yaml") == 1
    assert "Traceback" not in done.stderr
