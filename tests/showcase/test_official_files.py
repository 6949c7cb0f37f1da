"""The shipped data sets, element by element what the Keras loaders and the tutorial make of
them.
"""

from pathlib import Path

import numpy as np
import pytest
from as_keras import assert_same_documents, assert_same_features, assert_same_rows
from sklearn.datasets import load_digits

from stages import download
from stages.core.data import readers, schema
from stages.core.declared import params, sources
from stages.core.declared.task import TASKS
from stages.core.run.lean_keras import keras


def official(name, folder):
    """The official files of a data set: {name: where it is}."""
    files = sources.read(name).files
    return {file.name: Path(file.address) if file.is_here else folder / file.name for file in files}


def contents(paths):
    return {name: path.read_bytes() for name, path in paths.items()}


ROWS = {"imdb": 25_000, "reuters": 8_982, "boston_housing": 404, "digits": 1_437}


def read(name, files):
    """The rows of a shipped data set: a Split."""
    return readers.read(sources.read(name), params.load().datasets[name].data, files)


def assert_fits(name, split):
    """The rows are as many, of the shape and of the classes that the source tells of."""
    source, task = sources.read(name), TASKS[params.load().datasets[name].data.task]
    classes = schema.check(source, task, split)
    assert len(split.x_train) == len(split.y_train) == ROWS[name]
    assert task.outputs(len(classes)) == {"reuters": 46, "digits": 10}.get(name, 1)
    if task.classifies:
        assert split.y_train.dtype == "int32"
        assert set(split.y_train) == set(range(len(classes)))
    if source.kind != "text":
        assert (split.x_train.dtype, split.x_test.dtype) == ("float32", "float32")


@pytest.mark.parametrize("name", ROWS)
def test_the_source_tells_the_hashes_columns_and_classes_of_the_official_files(name, mirror):
    paths = official(name, mirror)
    for file in sources.read(name).files:
        download.check(paths[file.name], file)
    assert_fits(name, read(name, contents(paths)))


@pytest.mark.parametrize("name", ROWS)
def test_the_stand_ins_have_the_rows_shape_and_classes_of_the_official_files(name):
    assert_fits(name, read(name, download.stand_in(name, sources.read(name))))


def test_the_topics_of_reuters_are_those_of_keras():
    assert sources.read("reuters").classes == keras.datasets.reuters.get_label_names()


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_official_text_is_what_keras_and_the_tutorial_give(name, mirror, keras_split):
    path = mirror / f"{name}.npz"
    split = read(name, {path.name: path.read_bytes()})
    parts = keras_split(name, path, num_words=10_000)
    for (x, y), text, classes in zip(
        parts, (split.x_train, split.x_test), (split.y_train, split.y_test), strict=True
    ):
        assert_same_documents(text, x, 10_000)
        assert_same_rows(text, x, 10_000, first=300)
        np.testing.assert_array_equal(classes, y)


def test_official_features_are_what_keras_gives(mirror, keras_split):
    path = mirror / "boston_housing.npz"
    split = read("boston_housing", {path.name: path.read_bytes()})
    assert_same_features(split, keras_split("boston_housing", path))


def test_digits_are_those_of_scikit_learn_in_the_order_of_the_keras_loaders():
    expected, scaled = load_digits(), sources.read("digits").scaled
    split = read("digits", contents(official("digits", None)))
    order = np.arange(1_797)
    np.random.RandomState(113).shuffle(order)
    pixels, labels = expected.images[order, :, :, None], expected.target[order]
    for x, y, rows in (
        (split.x_train, split.y_train, slice(1_437)),
        (split.x_test, split.y_test, slice(1_437, None)),
    ):
        np.testing.assert_array_equal(x, pixels[rows])
        np.testing.assert_array_equal(scaled(x), pixels[rows] / 16)
        np.testing.assert_array_equal(y, labels[rows])


def test_the_file_of_digits_comes_with_scikit_learn():
    (file,) = sources.read("digits").files
    assert file.is_here
    assert Path(file.address).parts[-4:] == ("sklearn", "datasets", "data", "digits.csv.gz")
    download.check(Path(file.address), file)
