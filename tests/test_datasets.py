"""What is read here is, element by element, what the Keras loaders and the tutorial make of the same file."""

import importlib
import io
from itertools import chain

import numpy as np
import pytest

from stages import download
from stages.core import arrays
from stages.core.datasets import TABLE
from stages.core.lean_keras import keras

TEXT = [name for name, entry in TABLE.items() if entry.kind == "text"]


def documents(rng, count):
    """An object array of lists of word ranks from 1 to 40, some of them empty."""
    made = np.empty(count, dtype=object)
    for row, length in enumerate(rng.integers(0, 12, count)):
        made[row] = rng.integers(1, 41, length).tolist()
    return made


def make_imdb(rng):
    """Training and test rows apart, sorted by class as in the official file."""
    columns = {f"x_{part}": documents(rng, count) for part, count in (("train", 31), ("test", 23))}
    return columns | {"y_train": np.arange(31) // 16, "y_test": np.arange(23) // 12}


def make_reuters(rng):
    """All rows together."""
    return {"x": documents(rng, 53), "y": rng.integers(0, 46, 53)}


def make_boston_housing(rng):
    """All rows together."""
    return {"x": rng.normal(10, 30, (51, 13)), "y": rng.uniform(5, 50, 51).round(1)}


MADE = {"imdb": make_imdb, "reuters": make_reuters, "boston_housing": make_boston_housing}


@pytest.fixture
def keras_split(monkeypatch):
    """The function that gives ((x_train, y_train), (x_test, y_test)) as Keras' loader reads them from this file."""

    def load(name, path, **options):
        assert path.is_file()
        module = importlib.import_module(f"keras.src.datasets.{name}")
        monkeypatch.setattr(module, "get_file", lambda *arguments, **more: str(path))
        return getattr(keras.datasets, name).load_data(**options)

    return load


def vectorize_sequences(sequences, dimension):
    """The tutorial's."""
    results = np.zeros((len(sequences), dimension))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1
    return results


def as_keras_ids(text, num_words):
    """Documents of ranks as the Keras loaders give them, one after the other, and the length of each."""
    ids = text.ranks + 3
    ids[ids >= num_words] = 2
    return np.insert(ids, text.splits[:-1], 1), np.diff(text.splits) + 1


def assert_same_documents(text, sequences, num_words):
    ids, lengths = as_keras_ids(text, num_words)
    np.testing.assert_array_equal(lengths, [len(sequence) for sequence in sequences])
    np.testing.assert_array_equal(ids, np.fromiter(chain.from_iterable(sequences), "int64"))


def assert_same_rows(text, sequences, num_words, first):
    """All rows have the ones of the ids that Keras gives; the first of them stand as in the tutorial's matrix."""
    matrix = arrays.multi_hot(text, num_words)
    assert matrix.shape == (len(sequences), num_words)
    assert (matrix.data == 1).all()
    lengths = [len(sequence) for sequence in sequences]
    ids = np.fromiter(chain.from_iterable(sequences), "int64", sum(lengths))
    rows, columns = matrix.nonzero()
    expected = np.unique(np.repeat(np.arange(len(sequences)), lengths) * num_words + ids)
    np.testing.assert_array_equal(np.sort(rows.astype("int64") * num_words + columns), expected)
    np.testing.assert_array_equal(matrix[:first].toarray(), vectorize_sequences(sequences[:first], num_words))


def assert_same_features(split, parts):
    for x, y, (expected_x, expected_y) in zip(
        (split.x_train, split.x_test), (split.y_train, split.y_test), parts, strict=True
    ):
        assert (x.dtype, y.dtype) == ("float32", "float32")
        np.testing.assert_array_equal(x, expected_x.astype("float32"))
        np.testing.assert_array_equal(y, expected_y.astype("float32"))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", TEXT)
def test_text_of_a_small_file_is_what_keras_gives(name, seed, keras_split, tmp_path):
    path = tmp_path / f"{name}.npz"
    np.savez(path, allow_pickle=True, **MADE[name](np.random.default_rng(seed)))
    split = TABLE[name].read({path.name: path.read_bytes()})
    parts = keras_split(name, path, num_words=20)
    for (x, y), text, classes in zip(parts, (split.x_train, split.x_test), (split.y_train, split.y_test), strict=True):
        assert_same_documents(text, x, 20)
        np.testing.assert_array_equal(arrays.multi_hot(text, 20).toarray(), vectorize_sequences(x, 20))
        assert classes.dtype == "int32"
        np.testing.assert_array_equal(classes, y)


@pytest.mark.parametrize("seed", [0, 1])
def test_features_of_a_small_file_are_what_keras_gives(seed, keras_split, tmp_path):
    path = tmp_path / "boston_housing.npz"
    np.savez(path, **make_boston_housing(np.random.default_rng(seed)))
    split = TABLE["boston_housing"].read({path.name: path.read_bytes()})
    assert_same_features(split, keras_split("boston_housing", path))


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("change", ["missing", "shorter", "longer"])
def test_a_file_whose_columns_do_not_go_together_is_unreadable(name, change):
    columns = MADE[name](np.random.default_rng(0))
    key = next(key for key in columns if key.startswith("y"))
    if change == "missing":
        del columns[key]
    else:
        columns[key] = columns[key][:-1] if change == "shorter" else np.append(columns[key], columns[key][:1])
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **columns)
    with pytest.raises(arrays.UnreadableFile, match="expected"):
        TABLE[name].read({f"{name}.npz": file.getvalue()})


@pytest.mark.parametrize("name", TABLE)
def test_the_table_tells_the_hashes_rows_and_classes_of_the_official_files(name, mirror):
    entry = TABLE[name]
    assert [download.difference(mirror / file.name, file) for file in entry.files] == [None] * len(entry.files)
    split = entry.read({file.name: (mirror / file.name).read_bytes() for file in entry.files})
    assert len(split.x_train) == len(split.y_train) == entry.rows
    assert len(split.x_test) == len(split.y_test)
    if entry.task.classifies:
        assert set(split.y_train) == set(range(max(2, entry.outputs)))


@pytest.mark.parametrize("name", TEXT)
def test_official_text_is_what_keras_and_the_tutorial_give(name, mirror, keras_split):
    path = mirror / f"{name}.npz"
    split = TABLE[name].read({path.name: path.read_bytes()})
    parts = keras_split(name, path, num_words=10_000)
    for (x, y), text, classes in zip(parts, (split.x_train, split.x_test), (split.y_train, split.y_test), strict=True):
        assert_same_documents(text, x, 10_000)
        assert_same_rows(text, x, 10_000, first=300)
        np.testing.assert_array_equal(classes, y)


def test_official_features_are_what_keras_gives(mirror, keras_split):
    path = mirror / "boston_housing.npz"
    split = TABLE["boston_housing"].read({path.name: path.read_bytes()})
    assert_same_features(split, keras_split("boston_housing", path))
