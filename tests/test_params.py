"""params.yaml: what is right parses, what is wrong stops with the key's path, what was expected and what was given."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.core import params

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "params.yaml").read_text()
MISSING = object()

# How pydantic speaks: none of it belongs in a message to somebody who edits params.yaml.
NOISE = (
    "constrained",
    "literal[",
    "sections",
    "Value error",
    "nput should",
    "validation,",
    "instance of",
    "Section",
    "should be",
    "List",
    "pydantic",
    "parse",
)


def changed(*changes):
    """The real params with these (dotted path, value) set, as YAML; MISSING takes a key away."""
    content = copy.deepcopy(yaml.safe_load(DOCUMENT))
    for path, value in changes:
        *above, key = path.split(".")
        section = content
        for name in above:
            section = section[name]
        if value is MISSING:
            del section[key]
        else:
            section[key] = value
    return yaml.safe_dump(content)


def complaints(document):
    with pytest.raises(params.WrongParams) as caught:
        params.parse(document)
    lines = str(caught.value).splitlines()
    assert [line for line in lines if any(word in line for word in NOISE)] == []
    return lines


def test_the_real_file_parses():
    real = params.load(ROOT / "params.yaml")
    assert real.datasets == ["imdb", "reuters", "boston_housing", "digits"]
    assert sorted(real.sections) == sorted(real.datasets)
    assert real.sections["imdb"].model.units == [16, 16]
    assert real.sections["reuters"].fit.learning_rate == 0.001
    assert real.sections["boston_housing"].kfold.repeats == 10
    assert real.sections["digits"].preprocess.encoding == "features"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sourc", "official"),
        ("mnist", {}),
        ("sections", {}),
        ("1", 0),
        ("imdb.fitt", {}),
        ("imdb.sections", {}),
        ("imdb.model.dropuot", 0.5),
        ("reuters.fit.epoch", 3),
        ("boston_housing.kfold.folds", 4),
    ],
)
def test_names_an_unknown_key(path, value):
    with pytest.raises(params.WrongParams) as caught:
        params.parse(changed((path, value)))
    assert str(caught.value) == f"{path}: there is no such key"


def test_names_a_key_that_is_no_text():
    document = DOCUMENT.replace("    activation: relu", "    3: 0\n    activation: relu", 1)
    assert complaints(document) == ["imdb.model.3: there is no such key"]


def test_names_both_sides_of_a_misspelt_key():
    document = changed(("imdb.model.dropout", MISSING), ("imdb.model.dropuot", 0.5))
    assert sorted(complaints(document)) == [
        "imdb.model.dropout: the key is missing",
        "imdb.model.dropuot: there is no such key",
    ]


def paths(content, prefix=""):
    for key, value in content.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from paths(value, f"{prefix}{key}.")


@pytest.mark.parametrize("path", list(paths(yaml.safe_load(DOCUMENT))))
def test_names_a_missing_key(path):
    (line,) = complaints(changed((path, MISSING)))
    assert line.startswith(f"{path}: the key is missing")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        # wrong types
        ("seed", "0", "integer"),
        ("seed", True, "integer"),
        ("seed", 1.5, "integer"),
        ("seed", None, "integer"),
        ("source", None, "'official' or 'synthetic'"),
        ("datasets", "imdb", "list"),
        ("imdb", None, ""),
        ("imdb", [], ""),
        ("imdb.fit", 3, ""),
        ("imdb.fit.epochs", "20", "integer"),
        ("imdb.fit.epochs", True, "integer"),
        ("imdb.fit.epochs", 20.0, "integer"),
        ("imdb.fit.epochs", [20], "integer"),
        ("imdb.fit.epochs", None, "integer"),
        ("imdb.fit.learning_rate", "fast", "number"),
        ("imdb.fit.learning_rate", True, "number"),
        ("imdb.model.dropout", False, "number"),
        ("imdb.model.dropout", [0.5], "number"),
        ("imdb.model.dropout", None, "number"),
        ("imdb.model.l2", {}, "number"),
        ("imdb.preprocess.ngrams", 1.0, "integer"),
        ("imdb.preprocess.length", "200", "integer"),
        ("imdb.model.embedding", True, "integer"),
        ("imdb.fit.momentum", "fast", "number"),
        ("imdb.fit.momentum", True, "number"),
        ("imdb.model.units", 16, "list"),
        ("imdb.model.units", "16", "list"),
        ("imdb.model.units", None, "list"),
        # out of range
        ("source", "oficial", "'official' or 'synthetic'"),
        ("seed", -1, "0"),
        ("split_seed", 2**32, "4294967296"),
        ("datasets", [], ""),
        ("imdb.model.network", "dens", "'dense', 'lstm' or 'conv2d'"),
        ("imdb.model.api", "subclass", "'sequential' or 'functional'"),
        ("imdb.model.weighting", "tfidf", "'binary', 'tf_idf', 'nb', 'standardize' or 'none'"),
        ("imdb.model.embedding", 0, "1"),
        ("imdb.model.class_weights", "balance", "'equal' or 'balanced'"),
        ("reuters.model.labels", "onehot", "'integer' or 'one_hot'"),
        ("boston_housing.model.loss", "rmse", "'mse', 'mae' or 'huber'"),
        ("imdb.model.activation", "rulu", "'relu'"),
        ("imdb.model.dropout", 1.5, "less than 1"),
        ("imdb.model.dropout", 1, "less than 1"),
        ("imdb.model.dropout", -0.1, "0"),
        ("imdb.model.dropout", float("nan"), "finite"),
        ("imdb.model.l1", -1e-9, "0"),
        ("imdb.fit.optimizer", "adamw2", "'adam'"),
        ("imdb.fit.learning_rate", 0, "greater than 0"),
        ("imdb.fit.learning_rate", float("inf"), "finite"),
        ("imdb.fit.momentum", 1, "less than 1"),
        ("imdb.fit.momentum", -0.1, "0"),
        ("imdb.fit.batch_size", 0, "1"),
        ("imdb.fit.epochs", 0, "1"),
        ("imdb.fit.seeds", 0, "1"),
        ("imdb.fit.validation", -1, "0"),
        ("imdb.fit.validation", 25_000, "25000"),
        ("imdb.fit.final_epochs", "bets", "best"),
        ("imdb.fit.final_epochs", 0, "best"),
        ("imdb.fit.final_epochs", 1.5, "best"),
        ("imdb.fit.final_epochs", 2**31, "2147483647"),
        ("imdb.fit.final_epochs", None, "best"),
        ("boston_housing.fit.final_epochs", "best", "validation"),
        ("imdb.kfold.k", 1, "2"),
        ("imdb.kfold.k", 25_001, "25000"),
        ("imdb.kfold.k", 2**15 + 1, "32768"),
        ("imdb.fit.batch_size", 2**31, "2147483647"),
        ("imdb.fit.learning_rate", 1e39, "3.4e+38"),
        ("boston_housing.kfold.k", 405, "404"),
        ("imdb.kfold.repeats", 0, "1"),
        # what does not fit the data
        ("imdb.preprocess.num_words", 3, "4"),
        ("imdb.preprocess.ngrams", 0, "1"),
        ("imdb.preprocess.ngrams", 3, "2"),
        ("imdb.preprocess.length", 0, "1"),
        ("imdb.preprocess.encoding", "multihot", "'multi_hot', 'sequence', 'features' or 'image'"),
        ("imdb.preprocess.encoding", "features", "multi_hot or sequence for text"),
        ("reuters.preprocess.encoding", "image", "multi_hot or sequence for text"),
        ("boston_housing.preprocess.encoding", "multi_hot", "features for features"),
        ("boston_housing.preprocess.encoding", "image", "features for features"),
        ("digits.preprocess.encoding", "sequence", "features or image for images"),
        ("imdb.model.weighting", "standardize", "binary or tf_idf or nb for the encoding multi_hot"),
        ("imdb.model.weighting", "none", "binary or tf_idf or nb for the encoding multi_hot"),
        ("boston_housing.model.weighting", "binary", "standardize or none for the encoding features"),
        ("digits.model.weighting", "tf_idf", "standardize or none for the encoding features"),
        ("reuters.model.weighting", "nb", "binary or tf_idf for more than two classes"),
    ],
)
def test_says_what_was_expected_and_given(path, value, expected):
    (line,) = complaints(changed((path, value)))
    assert line.startswith(f"{path}: expected ")
    assert line.endswith(f", got {value!r}")
    assert expected in line.removeprefix(path).removesuffix(repr(value))


@pytest.mark.parametrize(
    ("path", "value", "place", "wrong"),
    [
        ("imdb.model.units", [16, 0], 1, 0),
        ("imdb.model.units", ["16", 16], 0, "16"),
        ("imdb.model.units", [16, True], 1, True),
        ("datasets", ["imdb", "mnist"], 1, "mnist"),
    ],
)
def test_counts_to_the_wrong_item_of_a_list(path, value, place, wrong):
    (line,) = complaints(changed((path, value)))
    assert line.startswith(f"{path}.{place}: expected ")
    assert line.endswith(f", got {wrong!r}")


def test_refuses_a_data_set_named_twice():
    (line,) = complaints(changed(("datasets", ["imdb", "reuters", "imdb"])))
    assert line.startswith("datasets: expected each name once")
    assert line.endswith("got ['imdb', 'reuters', 'imdb']")


def test_refuses_a_data_set_without_a_section():
    assert complaints(changed(("imdb", MISSING))) == ["imdb: the key is missing, and datasets names it"]


def test_a_section_need_not_be_named_in_datasets():
    assert params.parse(changed(("datasets", ["imdb"]))).datasets == ["imdb"]


def test_checks_a_section_that_datasets_does_not_name():
    (line,) = complaints(changed(("datasets", ["imdb"]), ("reuters.kfold.k", 1)))
    assert line.startswith("reuters.kfold.k: expected ")


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("boston_housing.preprocess.num_words", 100, "features, regression"),
        ("boston_housing.preprocess.ngrams", 1, "features, regression"),
        ("digits.preprocess.length", 200, "images, multiclass"),
        ("digits.model.embedding", 32, "images, multiclass"),
        ("imdb.model.loss", "mse", "text, binary"),
        ("reuters.model.loss", "huber", "text, multiclass"),
        ("digits.model.loss", "mae", "images, multiclass"),
        ("imdb.model.labels", "integer", "text, binary"),
        ("boston_housing.model.labels", "one_hot", "features, regression"),
        ("boston_housing.model.class_weights", "equal", "features, regression"),
    ],
)
def test_a_key_of_one_kind_of_data_or_task_belongs_nowhere_else(path, value, where):
    assert complaints(changed((path, value))) == [f"{path}: there is no such key for {where}"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("imdb.preprocess.num_words", "text, binary"),
        ("imdb.preprocess.length", "text, binary"),
        ("reuters.model.embedding", "text, multiclass"),
        ("reuters.model.labels", "text, multiclass"),
        ("digits.model.labels", "images, multiclass"),
        ("digits.model.class_weights", "images, multiclass"),
        ("boston_housing.model.loss", "features, regression"),
    ],
)
@pytest.mark.parametrize("value", [MISSING, None], ids=["missing", "empty"])
def test_a_key_of_one_kind_of_data_or_task_must_be_there(path, where, value):
    assert complaints(changed((path, value))) == [f"{path}: the key is missing for {where}"]


SEQUENCES = ("imdb.preprocess.encoding", "sequence"), ("imdb.model.weighting", "none")
IMAGES = ("digits.preprocess.encoding", "image")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            [("imdb.model.network", "lstm")],
            "imdb.model.network: lstm takes (samples, timesteps, features), "
            "but the encoding multi_hot gives (samples, 10000)",
        ),
        (
            [("reuters.model.network", "conv2d")],
            "reuters.model.network: conv2d takes (samples, height, width, channels), "
            "but the encoding multi_hot gives (samples, 10000)",
        ),
        (
            SEQUENCES,
            "imdb.model.network: dense takes (samples, features), but the encoding sequence gives (samples, 200, 32)",
        ),
        (
            [*SEQUENCES, ("imdb.model.network", "conv2d")],
            "imdb.model.network: conv2d takes (samples, height, width, channels), "
            "but the encoding sequence gives (samples, 200, 32)",
        ),
        (
            [IMAGES],
            "digits.model.network: dense takes (samples, features), but the encoding image gives (samples, 8, 8, 1)",
        ),
        (
            [("digits.model.network", "conv2d")],
            "digits.model.network: conv2d takes (samples, height, width, channels), "
            "but the encoding features gives (samples, 64)",
        ),
        (
            [("boston_housing.model.network", "lstm")],
            "boston_housing.model.network: lstm takes (samples, timesteps, features), "
            "but the encoding features gives (samples, 13)",
        ),
        (
            [*SEQUENCES, ("imdb.model.network", "lstm"), ("imdb.preprocess.ngrams", 2)],
            "imdb.preprocess.ngrams: expected 1 for the encoding sequence, got 2",
        ),
        (
            [SEQUENCES[0], ("imdb.model.network", "lstm")],
            "imdb.model.weighting: expected none for the encoding sequence, got 'binary'",
        ),
        (
            [IMAGES, ("digits.model.network", "conv2d"), ("digits.model.weighting", "standardize")],
            "digits.model.weighting: expected none for the encoding image, got 'standardize'",
        ),
        (
            [("imdb.fit.momentum", 0.9)],
            "imdb.fit.momentum: expected 0 for rmsprop, got 0.9; it belongs to sgd",
        ),
        (
            [("boston_housing.fit.momentum", 0.5), ("boston_housing.fit.optimizer", "adamw")],
            "boston_housing.fit.momentum: expected 0 for adamw, got 0.5; it belongs to sgd",
        ),
    ],
)
def test_says_what_does_not_fit_together(changes, complaint):
    assert complaints(changed(*changes)) == [complaint]


@pytest.mark.parametrize(
    "changes",
    [
        [*SEQUENCES, ("imdb.model.network", "lstm")],
        [IMAGES, ("digits.model.network", "conv2d")],
        [("digits.model.weighting", "standardize")],
        [("boston_housing.model.weighting", "none")],
        [("imdb.model.weighting", "nb"), ("imdb.preprocess.ngrams", 2)],
        [("reuters.model.weighting", "tf_idf"), ("reuters.model.labels", "one_hot")],
        [("imdb.fit.optimizer", "sgd"), ("imdb.fit.momentum", 0.9)],
        [("reuters.model.class_weights", "balanced"), ("reuters.fit.optimizer", "adamw")],
        [("boston_housing.model.loss", "huber"), ("boston_housing.model.api", "functional")],
    ],
)
def test_takes_what_fits_together(changes):
    chosen = params.parse(changed(*changes)).sections
    for path, value in changes:
        name, part, key = path.split(".")
        assert getattr(getattr(chosen[name], part), key) == value


def test_the_best_epoch_can_be_asked_for_with_one_validation_row():
    chosen = params.parse(changed(("boston_housing.fit.final_epochs", "best"), ("boston_housing.fit.validation", 1)))
    assert chosen.sections["boston_housing"].fit.final_epochs == "best"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("imdb.fit.validation", 24_999),
        ("boston_housing.kfold.k", 404),
        ("imdb.kfold.k", 2),
        ("imdb.model.dropout", 0),
        ("imdb.fit.final_epochs", 1),
        ("imdb.preprocess.num_words", 4),
    ],
)
def test_takes_the_last_value_in_range(path, value):
    assert params.parse(changed((path, value)))


def test_lists_every_wrong_key():
    lines = complaints(changed(("seed", "0"), ("imdb.kfold.k", 1), ("reuters.model.layers", 2)))
    assert sorted(line.split(":")[0] for line in lines) == ["imdb.kfold.k", "reuters.model.layers", "seed"]


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
    document = DOCUMENT.replace(f"    {key}: {written}", f"    {key}: 5e-05", 1)
    assert yaml.safe_load(document)["imdb"][section][key] == "5e-05", "YAML 1.1 reads it as a string"
    assert getattr(getattr(params.parse(document).sections["imdb"], section), key) == 5e-05


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.mkdir [{}]", "!!python/object/new:os.mkdir [{}]", "!!python/name:os.mkdir"],
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
    [
        "datasets: [imdb",
        "a:\n\tb: 1",
        "a: b: c",
        "seed: 2020-13-45",
        "seed: !!int x",
        "a: \x00",
        "a: 1\n---\na: 1",
    ],
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
    (tmp_path / "params.yaml").write_text(changed(("imdb.kfold.k", 1)))
    command = [sys.executable, "-m", "stages.core.params"]
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
    assert "imdb.kfold.k: expected " in done.stderr
    assert done.stderr.count("params.yaml") == 1
    assert "Traceback" not in done.stderr
