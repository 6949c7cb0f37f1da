"""What is read here is, element by element, what the Keras loaders and the tutorial make of the same file."""

import gzip
import importlib
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from samples import npz, vectorize_sequences
from sklearn.datasets import load_digits

from stages import download, preprocess
from stages.core.data import arrays, datasets, encodings, synthetic
from stages.core.data.datasets import TABLE
from stages.core.run.lean_keras import keras

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
    """All rows count the ids that Keras gives; the first of them are above 0 where the tutorial's matrix has a 1."""
    matrix = encodings.counts(text, num_words)
    assert matrix.shape == (len(sequences), num_words)
    lengths = [len(sequence) for sequence in sequences]
    ids = np.fromiter(chain.from_iterable(sequences), "int64", sum(lengths))
    places = np.repeat(np.arange(len(sequences)), lengths) * num_words + ids
    expected, counts = np.unique(places, return_counts=True)
    rows, columns = matrix.nonzero()
    found = rows.astype("int64") * num_words + columns
    np.testing.assert_array_equal(np.sort(found), expected)
    np.testing.assert_array_equal(matrix.data[np.argsort(found)], counts)
    np.testing.assert_array_equal(
        matrix[:first].toarray() > 0, vectorize_sequences(sequences[:first], num_words)
    )


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
    path.write_bytes(npz(**MADE[name](np.random.default_rng(seed))))
    split = TABLE[name].read({path.name: path.read_bytes()})
    parts = keras_split(name, path, num_words=20)
    for (x, y), text, classes in zip(
        parts, (split.x_train, split.x_test), (split.y_train, split.y_test), strict=True
    ):
        assert_same_documents(text, x, 20)
        assert_same_rows(text, x, 20, first=len(x))
        assert classes.dtype == "int32"
        np.testing.assert_array_equal(classes, y)


@pytest.mark.parametrize("seed", [0, 1])
def test_features_of_a_small_file_are_what_keras_gives(seed, keras_split, tmp_path):
    path = tmp_path / "boston_housing.npz"
    path.write_bytes(npz(**make_boston_housing(np.random.default_rng(seed))))
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
        columns[key] = (
            columns[key][:-1] if change == "shorter" else np.append(columns[key], columns[key][:1])
        )
    with pytest.raises(arrays.UnreadableFile, match="expected"):
        TABLE[name].read({f"{name}.npz": npz(**columns)})


def official(entry, folder):
    """The official files of a data set: {name: where it is}."""
    return {
        file.name: Path(file.address) if file.packaged else folder / file.name
        for file in entry.files
    }


def contents(paths):
    return {name: path.read_bytes() for name, path in paths.items()}


def assert_fits(entry, split):
    """The rows are as many, of the shape and of the classes that the table tells."""
    assert len(split.x_train) == len(split.y_train) == entry.rows
    assert len(split.x_test) == len(split.y_test)
    if entry.kind == "text":
        assert (type(split.x_train), type(split.x_test), entry.shape) == (
            arrays.Text,
            arrays.Text,
            (),
        )
    else:
        assert split.x_train.shape[1:] == split.x_test.shape[1:] == entry.shape
        assert (split.x_train.dtype, split.x_test.dtype) == ("float32", "float32")
    if entry.task.classifies:
        assert split.y_train.dtype == "int32"
        assert set(split.y_train) == set(range(max(2, entry.outputs)))


@pytest.mark.parametrize("name", TABLE)
def test_the_table_tells_the_hashes_rows_shape_and_classes_of_the_official_files(name, mirror):
    entry = TABLE[name]
    paths = official(entry, mirror)
    assert [download.check(paths[file.name], file) for file in entry.files] == [None] * len(
        entry.files
    )
    assert_fits(entry, entry.read(contents(paths)))


@pytest.mark.parametrize("name", synthetic.GENERATORS)
def test_the_stand_ins_have_the_rows_shape_and_classes_of_the_table(name):
    assert_fits(TABLE[name], TABLE[name].read(synthetic.GENERATORS[name]()))


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE)
def test_columns_and_classes_have_a_name_each_or_none(entry):
    assert len(entry.columns) == len(set(entry.columns)) in (0, np.prod(entry.shape))
    assert len(entry.classes) == len(set(entry.classes)) in (0, max(2, entry.outputs))


def test_the_topics_of_reuters_are_those_of_keras():
    assert TABLE["reuters"].classes == keras.datasets.reuters.get_label_names()


@pytest.mark.parametrize("name", TEXT)
def test_official_text_is_what_keras_and_the_tutorial_give(name, mirror, keras_split):
    path = mirror / f"{name}.npz"
    split = TABLE[name].read({path.name: path.read_bytes()})
    parts = keras_split(name, path, num_words=10_000)
    for (x, y), text, classes in zip(
        parts, (split.x_train, split.x_test), (split.y_train, split.y_test), strict=True
    ):
        assert_same_documents(text, x, 10_000)
        assert_same_rows(text, x, 10_000, first=300)
        np.testing.assert_array_equal(classes, y)


def test_official_features_are_what_keras_gives(mirror, keras_split):
    path = mirror / "boston_housing.npz"
    split = TABLE["boston_housing"].read({path.name: path.read_bytes()})
    assert_same_features(split, keras_split("boston_housing", path))


def test_digits_are_those_of_scikit_learn_in_the_order_of_the_keras_loaders():
    entry, expected = TABLE["digits"], load_digits()
    split = entry.read(contents(official(entry, None)))
    order = np.arange(1_797)
    np.random.RandomState(113).shuffle(order)
    pixels, labels = expected.images[order, :, :, None], expected.target[order]
    for x, y, rows in (
        (split.x_train, split.y_train, slice(1_437)),
        (split.x_test, split.y_test, slice(1_437, None)),
    ):
        np.testing.assert_array_equal(x, pixels[rows])
        np.testing.assert_array_equal(entry.scaled(x), pixels[rows] / 16)
        np.testing.assert_array_equal(y, labels[rows])


def test_the_file_of_digits_comes_with_scikit_learn():
    (file,) = TABLE["digits"].files
    assert file.packaged
    assert Path(file.address).parts[-4:] == ("sklearn", "datasets", "data", "digits.csv.gz")
    download.check(Path(file.address), file)


@pytest.mark.parametrize("lines", ["1,2,3,4,5\n", "1,2,3\n", "1,2,3,-1\n"])
def test_images_of_another_size_or_range_are_unreadable(lines):
    with pytest.raises(arrays.UnreadableFile, match="expected rows of 4 numbers from 0"):
        datasets.read_images({"images": gzip.compress(lines.encode())}, "images", shape=(1, 3, 1))


@pytest.mark.parametrize("pixel", [17, -1, 3.5])
def test_values_that_no_pixel_has_are_found_and_end_preprocess(pixel):
    x, y = np.full((1_437, 8, 8, 1), 16, "float32"), np.arange(1_437) % 10
    preprocess.check(datasets.Split(x, y, x, y), TABLE["digits"])
    wrong = x.copy()
    wrong[3, 2, 1, 0] = pixel
    assert np.argwhere(TABLE["digits"].impossible(wrong)).tolist() == [[3, 2, 1, 0]]
    with pytest.raises(arrays.UnreadableFile, match=f"from 0 to 16 as pixels, got {pixel}"):
        preprocess.check(datasets.Split(wrong, y, x, y), TABLE["digits"])


def test_rows_that_are_no_images_stay_as_they_are():
    rows = np.array([[-1.5, 1e12]], "float32")
    assert TABLE["boston_housing"].scaled(rows) is rows
    assert not TABLE["boston_housing"].impossible(rows).any()


@pytest.mark.parametrize(
    ("name", "quantity", "loss", "metric"),
    [
        ("imdb", "cross-entropy", "loss: cross-entropy (nats)", "accuracy (share of rows)"),
        ("digits", "cross-entropy", "loss: cross-entropy (nats)", "accuracy (share of rows)"),
        *(
            (
                "boston_housing",
                quantity,
                f"loss: {quantity}{unit}",
                "mean absolute error (thousand dollars)",
            )
            for quantity, unit in {
                "mean squared error": " (thousand dollars squared)",
                "mean absolute error": " (thousand dollars)",
                "Huber loss": "",  # squares of small errors, and large ones as they are
            }.items()
        ),
    ],
)
def test_labels_of_axes_have_units_where_there_is_one(name, quantity, loss, metric):
    entry = TABLE[name]
    assert entry.labels(quantity) == {"loss": loss, entry.task.metric: metric}
