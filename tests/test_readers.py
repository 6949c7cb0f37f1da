"""What is read here is, element by element, what the Keras loaders and the tutorial make of the
same file.
"""

import gzip

import numpy as np
import pytest
from as_keras import assert_same_documents, assert_same_features, assert_same_rows
from samples import SOURCES, TASK_OF, npz, split_of

from stages.core.data import arrays, readers, schema
from stages.core.declared.task import TASKS

TEXT = ["imdb", "reuters"]


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


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", TEXT)
def test_text_of_a_small_file_is_what_keras_gives(name, seed, keras_split, tmp_path):
    path = tmp_path / f"{name}.npz"
    path.write_bytes(npz(**MADE[name](np.random.default_rng(seed))))
    split = split_of(name, {path.name: path.read_bytes()})
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
    split = split_of("boston_housing", {path.name: path.read_bytes()})
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
        split_of(name, {f"{name}.npz": npz(**columns)})


@pytest.mark.parametrize("line", [[1] * 66, [1] * 64, [1] * 64 + [-1]])
def test_images_of_another_size_or_range_are_unreadable(line):
    content = gzip.compress(",".join(map(str, line)).encode())
    with pytest.raises(arrays.UnreadableFile, match="expected rows of 65 numbers from 0"):
        split_of("digits", {"digits.csv.gz": content})


def test_a_class_of_an_image_that_is_no_int32_is_unreadable():
    content = gzip.compress(",".join(map(str, [1] * 64 + [2**32])).encode())
    with pytest.raises(arrays.UnreadableFile, match="expected classes from 0, got 4294967296"):
        split_of("digits", {"digits.csv.gz": content})


@pytest.mark.parametrize("pixel", [17, -1, 3.5])
def test_values_that_no_pixel_has_are_found_and_end_preprocess(pixel):
    x, y = np.full((1_437, 8, 8, 1), 16, "float32"), np.arange(1_437) % 10
    schema.check(SOURCES["digits"], TASK_OF["digits"], readers.Split(x, y, x, y))
    wrong = x.copy()
    wrong[3, 2, 1, 0] = pixel
    assert np.argwhere(SOURCES["digits"].impossible(wrong)).tolist() == [[3, 2, 1, 0]]
    with pytest.raises(arrays.UnreadableFile, match=f"from 0 to 16 as pixels, got {pixel}"):
        schema.check(SOURCES["digits"], TASK_OF["digits"], readers.Split(wrong, y, x, y))


def test_rows_that_are_no_images_stay_as_they_are():
    rows = np.array([[-1.5, 1e12]], "float32")
    assert SOURCES["boston_housing"].scaled(rows) is rows
    assert not SOURCES["boston_housing"].impossible(rows).any()


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        ("multiclass", [0, 1, 2 * 10**9], "from 0 to 2000000000, got 3 classes and none 2; number"),
        (
            "multiclass",
            [1, 2, 3],
            "expected rows of each class from 0 to 3, got 3 classes and none 0",
        ),
        ("multiclass", [0, 0, 0], "expected three classes or more for the task multiclass, got 1"),
        ("multiclass", [0, 1, 1], "expected three classes or more for the task multiclass, got 2"),
        ("multiclass", range(9), "expected two rows of a class or more, .* 9 rows, got 9 classes"),
        ("binary", [1, 2, 2], "expected classes from 0 to 1, got 2"),
        ("binary", [1, 1, 1], "expected rows of each class from 0 to 1, got 1 classes and none 0"),
    ],
)
def test_labels_that_make_no_classes_of_the_task_are_refused(task, labels, message):
    y = np.array(labels, "int32")
    x = np.zeros((len(y), 13), "float32")
    split = readers.Split(x[1:], y[1:], x[:1], y[:1])
    with pytest.raises(arrays.UnreadableFile, match=message):
        schema.check(SOURCES["boston_housing"], TASKS[task], split)


def test_classes_without_names_are_called_by_their_numbers():
    x, y = np.zeros((3, 13), "float32"), np.array([0, 1, 2], "int32")
    split = readers.Split(x, y, x, y[:0:-1].repeat(2)[:3])
    assert schema.check(SOURCES["boston_housing"], TASKS["multiclass"], split) == ("0", "1", "2")
