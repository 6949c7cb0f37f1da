"""Tables that are no CSV become the frame of text that a CSV becomes."""

import datetime
import decimal
import gzip
import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.data import frames, tables
from stages.core.data.arrays import UnreadableFile

CSV = SimpleNamespace(layout="csv", separator=",", encoding="utf-8-sig", missing=("NA",))


def lines(*written, missing=("NA",)):
    return frames.json_lines("\n".join(written).encode(), missing)


def test_json_lines_are_the_frame_that_the_same_rows_are_as_csv():
    expected = frames.read("name,age,member\nÅsa,29,true\nNA, ,false\n".encode(), CSV)
    found = lines('{"name": " Åsa", "age": 29, "member": true}', '{"name":"NA","member":false}')
    pd.testing.assert_frame_equal(found.set_index(expected.index), expected)
    assert list(found.index) == [1, 2]


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_columns_are_the_keys_of_all_lines_and_blank_lines_count(packed, mark):
    content = mark + b'{"b": 1}\r\n\r\n{}\n{"a": null, "b": ""}\n{"c": "\\u2028x"}\n\n'
    found = frames.json_lines(packed(content), ())
    assert list(found.columns) == ["b", "a", "c"]
    assert list(found.index) == [1, 3, 4, 5]
    assert found.notna().sum().tolist() == [1, 0, 1]
    assert (found["b"].iloc[0], found["c"].iloc[3]) == ("1", "x")


@pytest.mark.parametrize(
    "number",
    ["0", "-0.10", "1e5", "12345678901234567890.10", "9" * 5000, "0.1000000000000000055511151231"],
    ids=["zero", "negative", "power", "long", "longest", "digits"],
)
def test_numbers_are_the_text_that_json_has(number):
    assert lines(f'{{"a": {number}}}')["a"].tolist() == [number]


ROW = '{"a": 1}'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1', "line 3 is no JSON"),
        ('{"a": NaN}', "line 3 is no JSON.*NaN"),
        ('{"a": -Infinity}', "line 3 is no JSON.*-Infinity"),
        ('{"a": 1} {"a": 2}', "line 3 is no JSON"),
        ("[" * 100_000, "line 3 is no JSON"),
        ("[1, 2]", "line 3: expected an object"),
        ("7", "line 3: expected an object"),
        ("null", "line 3: expected an object"),
        ('{"a": [1]}', "line 3, column 'a': .*a list"),
        ('{"a": {"b": 1}}', "line 3, column 'a': .*an object"),
        ('{"a": {}}', "line 3, column 'a': .*an object"),
        ('{"a": 1, "a": 2}', "line 3: .*'a'"),
        ('{"a": 1, " a": 2}', "line 3: .*' a'"),
        ('{" ": 1}', "line 3: .*' '"),
        ('{"a": "\\ud800"}', "line 3, column 'a': .*half"),
        ('{"\\ud800": 1}', "line 3, column .*half"),
        ('{"\\ud800": null}', "line 3, column .*half"),
    ],
    ids=[
        "half", "NaN", "Infinity", "two", "deep", "list", "number", "null", "nested list",
        "nested", "nested empty", "twice", "twice with a space", "no name", "surrogate",
        "surrogate key", "surrogate key of null",
    ],
)  # fmt: skip
def test_lines_that_are_no_row_are_refused_with_their_number(line, says):
    with pytest.raises(UnreadableFile, match=says):
        lines(ROW, "", line, ROW)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "expected rows"),
        (b"\n \n", "expected rows"),
        (b"{}\n{}", "expected rows"),
        (b'{"a": 1}\n{"a": "\xff"}', "line 2: expected UTF-8"),
        (ROW.encode("utf-16"), "line 1: expected UTF-8"),
        (gzip.compress(ROW.encode(), mtime=0)[:-6], "cannot be unpacked"),
        (json.dumps([{"a": 1}], indent=1).encode(), "line 1 is no JSON"),
    ],
    ids=["empty", "blank", "no key", "bytes", "UTF-16", "half a gzip", "a whole list"],
)
def test_what_is_no_json_lines_is_refused(content, says):
    with pytest.raises(UnreadableFile, match=says):
        frames.json_lines(content, ())


def test_a_file_with_a_new_key_on_each_line_is_refused(monkeypatch):
    monkeypatch.setattr(frames, "MOST_CELLS", 99)
    with pytest.raises(UnreadableFile, match="at most 99 cells, got 10 rows of 10"):
        lines(*(f'{{"{number}": 1}}' for number in range(10)))


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans() | st.none())))
def test_rows_come_back_from_json_lines(rows):
    if not any(rows):
        return
    found = lines(*map(json.dumps, rows))
    for row, cells in zip(rows, found.to_dict("records"), strict=True):
        text = {key: json.dumps(value) for key, value in row.items() if value is not None}
        assert {key: cell for key, cell in cells.items() if pd.notna(cell)} == text


def parquet(table, **options):
    """The bytes of a Parquet file with this Arrow table, a pandas frame, or {name: values}."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    if isinstance(table, pd.DataFrame):
        table = arrow.Table.from_pandas(table)
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(table), buffer, **options)
    return buffer.getvalue()


def test_parquet_is_the_frame_that_the_same_rows_are_as_csv():
    expected = frames.read("name,age,member\nÅsa,29,true\nNA, ,false\n".encode(), CSV)
    rows = {"name": [" Åsa", "NA"], "age": [29, None], "member": [True, False]}
    found = frames.parquet(parquet(rows), ("NA",))
    pd.testing.assert_frame_equal(found.set_index(expected.index), expected)
    assert list(found.index) == [1, 2]


BIG = 2**63 - 1


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, BIG], "int64", ["1", None, str(BIG)]),
        ([0.1, float("nan"), 2.5], "float32", ["0.1", None, "2.5"]),
        ([0.1 + 0.2, None, 1e300], "float64", ["0.30000000000000004", None, "1e+300"]),
        ([3.0, None, 4.0], "float64", ["3", None, "4"]),
        ([True, None, False], "bool_", ["true", None, "false"]),
        ([" a ", None, ""], "large_string", ["a", None, None]),
        (["nan", None, "NaN"], "string", ["nan", None, "NaN"]),
        ([datetime.date(2024, 2, 29), None], "date32", ["2024-02-29", None]),
        ([datetime.time(10, 30), None], "time64", ["10:30:00.000000", None]),
        ([decimal.Decimal("1.50"), None], "decimal128", ["1.50", None]),
        ([None, 5], "int8", [None, "5"]),
    ],
    ids=[
        "integers", "float32", "float64", "whole", "booleans", "strings", "names", "dates", "times",
        "decimals", "small",
    ],
)  # fmt: skip
def test_values_of_parquet_are_text(values, kind, expected):
    arrow = pytest.importorskip("pyarrow")
    arguments = {"time64": ("us",), "decimal128": (6, 2)}.get(kind, ())
    column = arrow.array(values, getattr(arrow, kind)(*arguments))
    found = frames.parquet(parquet({"a": column, "row": ["x"] * len(values)}, row_group_size=1))
    assert [cell if pd.notna(cell) else None for cell in found["a"]] == expected


@pytest.mark.parametrize("zone", [None, "UTC", "+02:00"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_parquet_are_read_as_dates(zone, unit):
    arrow = pytest.importorskip("pyarrow")
    stamps = np.array([1_700_000_000, 1_709_164_800, 0], "datetime64[s]").astype("int64")
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    column = arrow.array([int(stamps[0]) * scale, int(stamps[1]) * scale, None], "int64")
    content = parquet({"day": column.cast(arrow.timestamp(unit, zone))})
    found = frames.parquet(content)["day"]
    assert found.tolist()[:2] == ["2023-11-14T22:13:20", "2024-02-29"]
    dates = tables.dates(found, "ISO8601")
    assert [str(date) for date in dates][:1] == ["2023-11-14 22:13:20+00:00"]
    assert dates.isna().tolist() == [False, False, True]


def test_categories_are_their_names_and_an_index_of_pandas_is_left_out():
    frame = pd.DataFrame(
        {
            "color": pd.Categorical(["red", None, " blue", "red"]),
            "size": pd.Categorical([3, 1, None, 1]),
            "key": list("abcd"),
            "other": list("wxyz"),
        }
    )
    for index in (frame.set_index("key"), frame.drop(columns="key")[::-1][::-1]):
        found = frames.parquet(parquet(index, row_group_size=2))
        assert list(found.columns) == ["color", "size", "other"]
        assert found["color"].dropna().tolist() == ["red", "blue", "red"]
        assert found["size"].dropna().tolist() == ["3", "1", "1"]
        assert list(found.index) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([[1], [2]], "column 'bad': .*list"),
        ([{"b": 1}, None], "column 'bad': .*struct"),
        ([b"\xff", b""], "column 'bad': .*binary"),
        ([datetime.timedelta(1), None], "column 'bad': .*duration"),
    ],
    ids=["lists", "objects", "bytes", "durations"],
)
def test_columns_that_are_no_text_are_refused_with_their_name(values, says):
    with pytest.raises(UnreadableFile, match=says):
        frames.parquet(parquet({"good": [1, 2], "bad": values}))


def test_columns_without_a_name_of_their_own_are_refused():
    arrow = pytest.importorskip("pyarrow")
    for names in (["a", "a"], ["a", "a "], ["a", " "]):
        table = arrow.table([[1], [2]], names=names)
        with pytest.raises(UnreadableFile, match=f"'{names[1]}'"):
            frames.parquet(parquet(table))


def test_names_with_points_are_columns_like_others():
    found = frames.parquet(parquet({"a": [1], "a.b": ["x"], "c.d": [2]}))
    assert found.to_dict("records") == [{"a": "1", "a.b": "x", "c.d": "2"}]


def test_what_is_no_parquet_is_refused():
    whole = parquet({"a": ["x", "y"]})
    for content in (b"", b"a,b\n1,2\n", whole[:-9], whole[:4] + whole[40:], b"PAR1" * 5):
        with pytest.raises(UnreadableFile, match="no readable Parquet file"):
            frames.parquet(content)
    with pytest.raises(UnreadableFile, match="expected rows"):
        frames.parquet(parquet({"a": []}))


def test_a_small_parquet_of_very_many_values_is_refused(monkeypatch):
    content = parquet({"a": ["x" * 1000] * 1000, "b": [1] * 1000})
    assert len(content) < 5000
    assert len({id(cell) for cell in frames.parquet(content)["a"]}) == 1  # in memory once
    monkeypatch.setattr(frames, "MOST_CELLS", 1999)
    with pytest.raises(UnreadableFile, match="at most 1,999 cells, got 1,000 rows of 2"):
        frames.parquet(content)


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnreadableFile, match="pip install"):
        frames.parquet(b"PAR1")


def test_values_have_numbers_and_missing_ones_stand_alone():
    found = frames.numbered(pd.Series(["b", None, "a", "b", np.nan], dtype="object"))
    assert found.dtype == "int64"
    assert found[0] == found[3]
    assert len(set(found)) == 4
    assert sorted(set(found)) == [0, 1, 2, 3]
    assert frames.numbered(pd.Series([None, None], dtype="object")).tolist() == [0, 1]
