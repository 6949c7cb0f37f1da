"""What is read here is, element by element, what the Keras loaders and the tutorial make of the
same file.
"""

import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from as_keras import assert_same_documents, assert_same_features, assert_same_rows
from samples import SOURCES, TASK_OF, npz, split_of

from stages.core.data import archives, arrays, readers, schema
from stages.core.declared import dataset, sources
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


PATIENTS = 120
KINDS = {"age": "number", "town": "category", "day": "date", "label": "category"}


def patients(rows=PATIENTS, start=0):
    """Rows of which each label and each day follows from the age, which is different in all."""
    ages = [start + row * 7 % rows for row in range(rows)]
    return [
        {"age": age, "town": f"t{age // 3}", "day": day_of(age), "label": f"c{age % 3}"}
        for age in ages
    ]


def day_of(age):
    return str((pd.Timestamp("2024-01-01") + pd.Timedelta(days=age // 2)).date())


def written(rows, layout="csv"):
    """The bytes of a table."""
    if layout == "json_lines":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    frame = pd.DataFrame(rows)
    if layout == "parquet":
        pytest.importorskip("pyarrow")
        file = io.BytesIO()
        frame.to_parquet(file)
        return file.getvalue()
    return frame.to_csv(index=False).encode()


def source_of(files, **reader):
    reader = {"file": "a", **reader}
    listed = [{"name": name, "size": 1, "sha256": "0" * 64} for name in files]
    classes = reader.pop("classes", [])
    tree = {"title": "A", "reader": reader, "files": listed, "classes": classes}
    return sources.parse(yaml.safe_dump(tree, sort_keys=False))


def read_table(rows, layout="csv", tested=None, kinds=KINDS, classes=(), task="multiclass", **data):
    """The Split of a table, and of a file of test rows where there is one."""
    files = {"a": written(rows, layout)}
    reader = {"format": "table", "layout": layout, "columns": kinds, "classes": [*classes]}
    if tested is not None:
        files["b"], data["test"], reader["test_file"] = written(tested, layout), "file", "b"
    asked = dataset.Columns(task=task, **{"target": "label", **data})
    return readers.read(source_of(files, **reader), asked, files)


def ages(x):
    return x["age"].astype(float).astype(int).to_numpy()


def assert_targets_go_with_their_rows(split):
    for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
        assert [split.classes[label] for label in y] == [f"c{age % 3}" for age in ages(x)]


@pytest.mark.parametrize("layout", ["csv", "json_lines", "parquet"])
@pytest.mark.parametrize("by", [{}, {"group": "town"}, {"time": "day"}, {"test": 0}])
def test_rows_of_a_table_keep_their_targets_and_their_lines(layout, by):
    rows = patients()
    split = read_table(rows, layout, **by)
    assert split.classes == ("c0", "c1", "c2")
    assert_targets_go_with_their_rows(split)
    first = 2 if layout == "csv" else 1
    line_of = {row["age"]: number for number, row in enumerate(rows, first)}
    assert split.keys.rows.tolist() == [line_of[age] for age in ages(split.x_train)]
    assert sorted([*ages(split.x_train), *ages(split.x_test)]) == [*range(PATIENTS)]
    assert len(split.x_test) == (0 if by == {"test": 0} else pytest.approx(24, abs=3))


def test_the_target_the_group_and_what_is_dropped_are_no_features():
    split = read_table(patients(), group="town", drop=("day",))
    assert [*split.x_train] == [*split.x_test] == ["age"]
    assert [*read_table(patients(), time="day").x_train] == ["age", "town", "day"]


def test_groups_are_on_one_side_and_alike_where_the_column_is():
    split = read_table(patients(), group="town")
    towns = [age // 3 for age in ages(split.x_train)]
    assert not set(towns) & {age // 3 for age in ages(split.x_test)}
    assert len({*zip(towns, split.keys.group, strict=True)}) == len(set(towns))
    assert len(set(split.keys.group)) == len(set(towns))


def test_rows_without_a_group_stand_alone():
    rows = [row | {"town": "" if row["age"] < 60 else row["town"]} for row in patients()]
    split = read_table(rows, group="town", test=0)
    alone = split.keys.group[ages(split.x_train) < 60]
    assert len(set(alone)) == 60
    assert not set(alone) & set(split.keys.group[ages(split.x_train) >= 60])


@pytest.mark.parametrize("time", ["day", "age"])
def test_test_rows_are_later_than_all_others_which_begin_with_the_latest(time):
    split = read_table(patients(), time=time)
    days = [age // 2 if time == "day" else age for age in ages(split.x_train)]
    assert days == sorted(days, reverse=True)
    assert max(ages(split.x_train)) < min(ages(split.x_test))
    assert split.keys.by == "time"


@pytest.mark.parametrize("time", ["day", "age"])
def test_a_row_without_a_time_is_refused_with_its_line(time):
    rows = patients()
    rows[4][time] = ""
    with pytest.raises(arrays.UnreadableFile, match=f"line 6, column {time}: expected a time"):
        read_table(rows, time=time)


@pytest.mark.parametrize("layout", ["csv", "json_lines"])
def test_a_file_of_test_rows_has_the_classes_and_columns_of_the_other(layout):
    tested = [dict(reversed(row.items())) for row in reversed(patients(30, 900))]
    tested = [row for row in tested if row["label"] != "c0"]
    split = read_table(patients(), layout, tested)
    assert [*split.x_train] == [*split.x_test] == ["age", "town", "day"]
    assert (len(split.y_train), len(split.y_test)) == (PATIENTS, 20)
    assert set(split.y_test) == {1, 2}
    assert_targets_go_with_their_rows(split)


def test_a_file_of_test_rows_leaves_all_others_for_training_by_their_keys():
    for by in ({"group": "town"}, {"time": "day"}):
        split = read_table(patients(), tested=patients(30, 900), **by)
        assert_targets_go_with_their_rows(split)
        assert sorted(split.keys.rows) == [*range(2, PATIENTS + 2)]


@pytest.mark.parametrize(
    ("change", "asked", "says"),
    [
        ({"label": "c9"}, {}, r"line 2, column label: .*\['c0', 'c1', 'c2'\], got 'c9'"),
        ({"label": ""}, {}, "b: expected rows with a value of label"),
        ({"town": "t5"}, {"group": "town"}, "each town in one of a and b, got 1 in both.*'t5'"),
    ],
)
def test_test_rows_that_go_with_no_training_rows_are_refused(change, asked, says):
    with pytest.raises(arrays.UnreadableFile, match=says):
        read_table(patients(), tested=[row | change for row in patients(9, 900)], **asked)


def test_test_rows_without_the_target_are_refused():
    tested = [{key: row[key] for key in ("age", "town", "day")} for row in patients(9, 900)]
    with pytest.raises(arrays.UnreadableFile, match="expected a column 'label'"):
        read_table(patients(), tested=tested)


@pytest.mark.parametrize("tested", [None, patients(9, 900)], ids=["share", "file"])
def test_a_target_that_does_not_vary_is_refused(tested):
    for task, label in (("binary", "c0"), ("regression", "7")):
        rows = [row | {"label": label} for row in patients()]
        tests = tested and [row | {"label": label} for row in tested]
        with pytest.raises(arrays.UnreadableFile, match=r"target that varies, got .*(c0|7)"):
            read_table(rows, tested=tests, task=task)


def test_rows_without_a_target_are_left_out_on_both_sides():
    rows = [row | {"label": "" if row["age"] % 10 == 0 else row["label"]} for row in patients()]
    split = read_table(rows, tested=[row | {"age": row["age"] + 900} for row in rows])
    assert (len(split.y_train), len(split.y_test)) == (108, 108)
    assert_targets_go_with_their_rows(split)


def test_a_target_that_is_a_number_stays_with_its_row():
    rows = [row | {"label": f"{row['age'] * 2 + 0.5}"} for row in patients()]
    split = read_table(rows, kinds=KINDS | {"label": "number"}, task="regression")
    assert (split.y_train.dtype, split.classes) == ("float32", ())
    np.testing.assert_array_equal(split.y_train, ages(split.x_train) * 2 + 0.5)
    np.testing.assert_array_equal(split.y_test, ages(split.x_test) * 2 + 0.5)


@pytest.mark.parametrize(
    ("labels", "ordered"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["b", "10", "a"], ("10", "a", "b")),
        (["+-1", "--2", "+"], ("+", "+-1", "--2")),
        (["yes", "no", "No"], ("No", "no", "yes")),
        (["1.5", "1e3", "\u00b2"], ("1.5", "1e3", "\u00b2")),
    ],
)
def test_classes_are_in_natural_order_whatever_the_order_of_rows(labels, ordered):
    rows = [row | {"label": labels[row["age"] % 3]} for row in patients()]
    for given in (rows, rows[::-1]):
        split = read_table(given)
        assert split.classes == ordered
        found = [split.classes[label] for label in split.y_train]
        assert found == [labels[age % 3] for age in ages(split.x_train)]


def test_classes_of_the_source_are_in_its_order_and_the_only_ones():
    split = read_table(patients(), classes=["c2", "c0", "c1"])
    assert split.classes == ("c2", "c0", "c1")
    assert_targets_go_with_their_rows(split)
    with pytest.raises(arrays.UnreadableFile, match="column label: expected one of the classes"):
        read_table(patients(), classes=["c0", "c1", "x"])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (patients(12), "15 rows or more"),
        ([row for row in patients() if row["label"] != "c1" or row["age"] == 1], "1 of 'c1'"),
        ([row | {"label": ""} for row in patients()], "a: expected rows with a value of label"),
    ],
    ids=["few rows", "a rare class", "no target"],
)
def test_too_few_rows_of_a_table_are_refused(rows, says):
    with pytest.raises(arrays.UnreadableFile, match=says):
        read_table(rows)


def archive_of(names):
    """{name: content} as the bytes of a ZIP."""
    return archives.packed(names.items())


def test_documents_keep_their_classes():
    names = {
        f"{label}/{number}.txt": f"{label} r\u00e9sum\u00e9 {number}".encode("windows-1252")
        for label in ("10", "9", "b")
        for number in range(10)
    }
    source = source_of(["a"], format="text_folders", encoding="windows-1252")
    asked = dataset.Cut(task="multiclass", test=0.2)
    split = readers.read(source, asked, {"a": archive_of(names)})
    assert (split.classes, len(split.x_test)) == (("9", "10", "b"), 6)
    for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
        assert [text.split()[0] for text in x["text"]] == [split.classes[label] for label in y]
    assert sorted([*split.x_train["text"], *split.x_test["text"]])[0] == "10 r\u00e9sum\u00e9 0"


def test_a_document_in_another_encoding_is_refused_with_its_name():
    names = {f"{label}/{number}.txt": b"words" for label in "ab" for number in range(9)}
    names["a/3.txt"] = b"caf\xe9"
    source = source_of(["a"], format="text_folders")
    with pytest.raises(arrays.UnreadableFile, match=r"a/3.txt, line 1: expected UTF-8"):
        readers.read(source, dataset.Cut(task="binary"), {"a": archive_of(names)})


def test_pictures_keep_their_classes_and_are_cut_as_said():
    names = {f"{label}/{number}.png": label.encode() for label in "ba" for number in range(20)}
    source = source_of(["a"], format="image_folders")
    for share in (0, 0.25):
        asked = dataset.Cut(task="binary", test=share)
        split = readers.read(source, asked, {"a": archive_of(names)})
        assert (split.classes, len(split.x_test)) == (("a", "b"), 40 * share)
        for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
            assert x.shape == y.shape
            assert [member.label for member in x] == [split.classes[label] for label in y]
            assert [member.content.decode() for member in x] == [member.label for member in x]
