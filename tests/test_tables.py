"""Tables of people: text -> columns -> features, the same for training rows and for others."""

import gzip
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages.core.data import tables
from stages.core.data.arrays import UnreadableFile


def frame(text, separator=",", encoding="utf-8-sig", content=None):
    reader = SimpleNamespace(file="it.csv", separator=separator, encoding=encoding)
    return tables.read(text.encode(encoding) if content is None else content, reader)


def test_cells_are_text_without_blanks_and_missing_where_empty():
    found = frame(' age , name\n29, "Smith, John"\n , NA\n')
    assert list(found.columns) == ["age", "name"]
    assert found["age"].tolist()[0] == "29"
    assert found["name"].tolist()[0] == "Smith, John"
    assert found.isna().to_numpy().tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252"])
def test_encodings_are_read_as_declared_gzipped_or_not(encoding):
    text = "straße;preis\nBahnhof;1,5\n"
    plain = frame(text, ";", encoding)
    packed = frame(text, ";", encoding, gzip.compress(text.encode(encoding)))
    assert list(plain.columns) == ["straße", "preis"]
    pd.testing.assert_frame_equal(plain, packed)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "No columns to parse"),
        (b'a,b\n"1,2\n3,4\n', "EOF inside string"),
        (b"a,b\n1,2,3\n4,5,6,7\n", "Expected 3 fields|Expected 2 fields|Error tokenizing"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-6], "cannot be unpacked"),
        (b"\xff\xfe\x00a", "is no table"),
    ],
    ids=["empty", "open quote", "longer lines", "half a gzip", "other bytes"],
)
def test_what_is_no_table_is_refused(content, says):
    with pytest.raises(UnreadableFile, match=says):
        frame("", content=content)


def test_a_file_that_unpacks_to_more_than_any_table_is_refused(monkeypatch):
    monkeypatch.setattr(tables, "LARGEST_FILE", 1000)
    with pytest.raises(UnreadableFile, match="at most 1,000 bytes"):
        frame("", content=gzip.compress(b"a,b\n" * 1000))


@pytest.mark.parametrize("cell", ["12 kg", "1e999", "inf", "-Infinity", "0x10", "1e31", "=1+1"])
def test_what_is_no_finite_number_is_refused_with_its_row(cell):
    column = pd.Series(["1", None, cell], name="weight")
    with pytest.raises(UnreadableFile, match="row 3, column weight: expected a number, got"):
        tables.numbers(column, ".")


def test_a_decimal_comma_is_read_where_it_is_declared():
    column = pd.Series(["58,5", "-1", None], name="area", dtype="object")
    np.testing.assert_array_equal(tables.numbers(column, ","), [58.5, -1, np.nan])


def test_a_column_that_is_missing_or_twice_is_refused_with_what_there_is():
    found = frame("a,b\n1,2\n")
    with pytest.raises(UnreadableFile, match="expected a column 'c', got no such among"):
        tables.chosen(found, ["a", "c"])
    found.columns = ["a", "a"]
    with pytest.raises(UnreadableFile, match="several of that name"):
        tables.chosen(found, ["a"])


COLORS = ["red"] * 9 + ["blue"] * 8 + ["green", "other", "missing"]
ROWS = pd.DataFrame(
    {
        "color": [*COLORS, None],
        "size": [str(number) for number in range(20)] + [None],
        "day": ["2024-02-29", None] + ["2023-01-01"] * 19,
        "full": ["yes", "no", "yes"] * 7,
    },
    dtype="object",
)
KINDS = {"color": "category", "size": "number", "day": "date", "full": "category"}


def test_categories_that_are_rare_unseen_or_missing_have_features_of_their_own():
    (color,) = tables.learn(ROWS, {"color": "category"}, levels=50, rare=5)
    assert color.features == ["color=red", "color=blue", "color=other", "color=missing"]
    new = pd.DataFrame({"color": ["red", "green", "other", "purple", None]}, dtype="object")
    found = tables.encode(new, [color], ".")
    assert found.argmax(axis=1).tolist() == [0, 2, 2, 2, 3]
    assert (found.sum(axis=1) == 1).all()


def test_a_column_keeps_its_most_frequent_categories():
    (color,) = tables.learn(ROWS, {"color": "category"}, levels=1, rare=0)
    assert (color.levels, color.others) == (("red",), True)


def test_a_category_that_training_rows_lack_has_no_feature_where_none_was_rare():
    (full,) = tables.learn(ROWS, {"full": "category"}, levels=50, rare=5)
    new = pd.DataFrame({"full": ["maybe", None, "no"]}, dtype="object")
    assert tables.encode(new, [full], ".").tolist() == [[0, 0], [0, 0], [0, 1]]


def test_numbers_and_dates_are_missing_where_they_are_and_flagged():
    columns = tables.learn(ROWS, {"size": "number", "day": "date"}, levels=50, rare=5)
    found = tables.encode(ROWS, columns, ".")
    assert [name for column in columns for name in column.features] == [
        "size", "size is missing",
        "day: year", "day: month", "day: day of week", "day: days", "day is missing",
    ]  # fmt: skip
    assert found[0].tolist() == [0, 0, 2024, 2, 3, 424, 0]
    np.testing.assert_array_equal(found[20], [np.nan, 1, 2023, 1, 6, 0, 0])
    np.testing.assert_array_equal(found[1, 2:], [np.nan] * 4 + [1])
    assert found.dtype == "float32"


def test_columns_come_back_from_what_is_stored():
    columns = tables.learn(ROWS, KINDS, levels=50, rare=5)
    assert tables.unpack(tables.packed(columns)) == columns


def test_rows_to_predict_become_what_training_rows_became():
    columns = tables.learn(ROWS, KINDS, levels=50, rare=5)
    whole = tables.encode(ROWS, columns, ".")
    shuffled = ROWS[[*reversed(ROWS.columns)]].iloc[3:5]
    np.testing.assert_array_equal(tables.encode(shuffled, columns, "."), whole[3:5])
