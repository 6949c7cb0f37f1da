"""Tables of people: text -> columns -> features, the same for training rows and for others."""

import gzip
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest

from stages.core.data import frames, tables
from stages.core.data.arrays import UnreadableFile


@dataclass
class Reader:
    """What a source says of a table."""

    layout: str = "csv"
    separator: str = ","
    encoding: str = "utf-8-sig"
    decimal: str = "."
    signs: str = ""
    missing: tuple = ("NA",)
    dates: str = "ISO8601"
    columns: dict = field(default_factory=dict)


@dataclass
class Section:
    """What params.yaml says of it."""

    levels: int = 50
    rare: int = 5
    words: int = 1000


READER = Reader()


def frame(text, separator=",", encoding="utf-8-sig", content=None):
    reader = replace(READER, separator=separator, encoding=encoding)
    return frames.read(text.encode(encoding) if content is None else content, reader)


def test_cells_are_text_without_blanks_and_missing_where_empty():
    found = frame(' age , name\n29, "Smith, John"\n , NA\n')
    assert (list(found.columns), list(found.index)) == (["age", "name"], [2, 3])
    assert found["age"].tolist()[0] == "29"
    assert found["name"].tolist()[0] == "Smith, John"
    assert found.isna().to_numpy().tolist() == [[False, False], [True, True]]


def test_names_of_columns_may_have_several_lines_or_be_missing():
    found = frame('a,"first\nline",\n1,2,3\n\n"x\ny",5,6\n')
    assert list(found.columns) == ["a", "first\nline", "column 3"]
    assert found["a"].to_dict() == {3: "1", 6: "x\ny"}  # the line in which a row ends


def test_rows_and_cells_of_other_computers_are_read():
    for line_end in ("\n", "\r\n", "\r"):
        found = frame(line_end.join(["a\tb", '1\t"say ""x"", y"', ""]), "\t")
        assert found.to_numpy().tolist() == [["1", 'say "x", y']]


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
        (b"", "got no row"),
        (b"a,b\n", "got no row"),
        (b'a,b\n"1,2\n3,4\n', "line 3 is no CSV"),
        (b"a,b\n1,2\n\n4,5,6\n", "line 4: expected 2 cells, as many as there are names, got 3"),
        (b"a,b\n4\n", "line 2: expected 2 cells"),
        (b"a, a\n1,2\n", "got two 'a'"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-6], "cannot be unpacked"),
        (b"a,b\n1,\xff\n", "line 2: expected UTF-8, got other bytes"),
    ],
    ids=["empty", "names", "quote", "longer", "shorter", "twice", "half a gzip", "bytes"],
)
def test_what_is_no_table_is_refused(content, says):
    with pytest.raises(UnreadableFile, match=says):
        frame("", content=content)


def test_a_file_that_unpacks_to_more_than_any_table_is_refused(monkeypatch):
    monkeypatch.setattr(frames, "LARGEST_FILE", 1000)
    with pytest.raises(UnreadableFile, match="at most 1,000 bytes"):
        frame("", content=gzip.compress(b"a,b\n" * 1000))


@pytest.mark.parametrize(
    "cell", ["12 kg", "1e999", "inf", "-Infinity", "0x10", "1e31", "=1+1", "nan", "1_000"]
)
def test_what_is_no_finite_number_is_refused_with_its_row(cell):
    column = pd.Series(["1", None, cell], name="weight")
    with pytest.raises(UnreadableFile, match="line 2, column weight: expected a number with"):
        tables.numbers(column, READER)


def test_a_decimal_comma_is_read_where_it_is_declared():
    column = pd.Series(["58,5", "-1", None], name="area", dtype="object")
    reader = replace(READER, decimal=",")
    np.testing.assert_array_equal(tables.numbers(column, reader), [58.5, -1, np.nan])
    with pytest.raises(UnreadableFile, match=r"column area: expected a number with ','.*1\.234"):
        tables.numbers(pd.Series(["1.234"], name="area"), reader)


@pytest.mark.parametrize(
    ("cell", "decimal", "signs", "number"),
    [
        ("$1,234.50", ".", "$,", 1234.5),
        ("-$1,234,567", ".", "$,", -1234567),
        ("12 %", ".", " %", 12),
        ("12%", ".", " %", 12),
        ("1.234,50", ",", ".", 1234.5),
        ("1.234.567 €", ",", ". €", 1234567),
        ("1,00,000", ".", ",", 100000),  # as in India
        ("1\N{NO-BREAK SPACE}234", ".", "\N{NO-BREAK SPACE}", 1234),
        ("(-5]", ".", "(]", -5),  # what a pattern would take for its own
    ],
)
def test_signs_that_say_nothing_are_left_out_of_numbers(cell, decimal, signs, number):
    reader = replace(READER, decimal=decimal, signs=signs)
    column = pd.Series([cell, None, "7"], name="price", dtype="object")
    np.testing.assert_array_equal(tables.numbers(column, reader), [number, np.nan, 7])


@pytest.mark.parametrize(
    ("cell", "decimal", "signs"),
    [("1,5", ".", ","), ("58,50", ".", "$,"), ("1,2345", ".", ","), ("1.5", ",", "."),
     ("5 % 10", ".", " %"), ("12 $", ".", "%")],
)  # fmt: skip
def test_a_sign_that_says_something_is_refused_and_never_taken_away(cell, decimal, signs):
    reader = replace(READER, decimal=decimal, signs=signs)
    with pytest.raises(UnreadableFile, match="line 8, column price: expected a number") as error:
        tables.numbers(pd.Series([cell], name="price", index=[8]), reader)
    assert repr(cell) in str(error.value)


@pytest.mark.parametrize(
    ("cell", "written", "expected"),
    [
        ("03/04/2024", "%d/%m/%Y", "2024-04-03"),
        ("03/04/2024", "%m/%d/%Y", "2024-03-04"),
        ("3.4.2024", "%d.%m.%Y", "2024-04-03"),
        ("2024-04-03T10:00", "ISO8601", "2024-04-03"),
        *((cell, "ISO8601", None) for cell in ("now", "may", "10:30", "2024-02-30", "0000-00-00")),
    ],
)
def test_dates_are_read_as_they_are_written_and_no_other_way(cell, written, expected):
    column = pd.Series([None, cell], name="day", dtype="object")
    if expected:
        assert str(tables.dates(column, written)[1].date()) == expected
    else:
        with pytest.raises(UnreadableFile, match="column day: expected a date written as"):
            tables.dates(column, written)


def test_a_column_that_is_missing_is_refused_with_what_there_is():
    found = frame("a,b\n1,2\n")
    with pytest.raises(UnreadableFile, match=r"expected a column 'c', got \['a', 'b'\]"):
        tables.chosen(found, ["a", "c"])


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


def learned(*names, **section):
    """Columns of ROWS with these names."""
    reader = replace(READER, columns=KINDS)
    return tables.learn(ROWS[list(names or KINDS)], reader, Section(**section))


def test_categories_that_are_rare_unseen_or_missing_have_features_of_their_own():
    (color,) = learned("color")
    assert color.features == ["color=red", "color=blue", "color=other", "color=missing"]
    new = pd.DataFrame({"color": ["red", "green", "other", "purple", None]}, dtype="object")
    found = tables.encode(new, [color], READER)
    assert found.argmax(axis=1).tolist() == [0, 2, 2, 2, 3]
    assert (found.sum(axis=1) == 1).all()


def test_a_column_keeps_its_most_frequent_categories():
    (color,) = learned("color", levels=1, rare=0)
    assert (color.levels, color.others) == (("red",), True)


def test_a_category_that_training_rows_lack_has_no_feature_where_none_was_rare():
    (full,) = learned("full")
    new = pd.DataFrame({"full": ["maybe", None, "no"]}, dtype="object")
    assert tables.encode(new, [full], READER).tolist() == [[0, 0], [0, 0], [0, 1]]


def test_numbers_and_dates_are_missing_where_they_are_and_flagged():
    columns = learned("size", "day")
    found = tables.encode(ROWS, columns, READER)
    assert [name for column in columns for name in column.features] == [
        "size", "size is missing",
        "day: year", "day: month", "day: day of week", "day: days", "day is missing",
    ]  # fmt: skip
    assert found[0].tolist() == [0, 0, 2024, 2, 3, 424, 0]
    np.testing.assert_array_equal(found[20], [np.nan, 1, 2023, 1, 6, 0, 0])
    np.testing.assert_array_equal(found[1, 2:], [np.nan] * 4 + [1])
    assert found.dtype == "float32"


@pytest.mark.parametrize("section", [{}, {"levels": 1, "rare": 100}])
def test_rows_have_a_feature_for_each_name(section):
    columns = learned(**section)
    names = [name for column in columns for name in column.features]
    assert tables.encode(ROWS, columns, READER).shape == (len(ROWS), len(names))


def test_columns_whose_features_are_called_alike_keep_their_values():
    rows = pd.DataFrame(
        {"day": ["2024-02-29"] * 9, "day: year": ["1"] * 9, "day is missing": ["7"] * 9},
        dtype="object",
    )
    kinds = {"day": "date", "day: year": "number", "day is missing": "number"}
    columns = tables.learn(rows, replace(READER, columns=kinds), Section())
    assert tables.encode(rows, columns, READER)[0].tolist() == [2024, 2, 3, 0, 1, 7]


def test_categories_that_are_equally_frequent_do_not_depend_on_the_order_of_rows():
    reader = replace(READER, columns={"town": "category"})
    towns = pd.DataFrame({"town": ["b", "a", "c"] * 9}, dtype="object")
    first, second = (
        tables.learn(rows, reader, Section(levels=2)) for rows in (towns, towns.iloc[::-1])
    )
    assert first == second
    assert first[0].levels == ("a", "b")


def test_categories_that_training_rows_lack_are_named_for_each_row():
    new = pd.DataFrame(
        {"full": ["maybe", None, "no"], "color": ["pink", "red", None]}, dtype="object"
    )
    found = tables.unseen(new, learned("full", "color"))
    odd = ({"column": "full", "value": value} for value in ("maybe", ""))
    assert found == [[next(odd)], [next(odd)], []]


def test_a_column_of_text_has_a_feature_for_each_of_its_commonest_words():
    texts = ["a good film", "good, GOOD film", "good", None]
    rows = pd.DataFrame({"review": texts}, dtype="object")
    reader = replace(READER, columns={"review": "text"})
    columns = tables.learn(rows, reader, Section(words=2))
    assert columns[0].features == ["review: good", "review: film", "review is missing"]
    found = tables.encode(rows, columns, reader)
    assert found.tolist() == [[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_columns_come_back_from_what_is_stored():
    columns = learned()
    assert tables.unpack(tables.packed(columns)) == columns


def test_rows_to_predict_become_what_training_rows_became():
    columns = learned()
    whole = tables.encode(ROWS, columns, READER)
    shuffled = ROWS[[*reversed(ROWS.columns)]].iloc[3:5]
    np.testing.assert_array_equal(tables.encode(shuffled, columns, READER), whole[3:5])


def test_dates_of_any_century_are_days():
    reader = replace(READER, columns={"day": "date"})
    rows = pd.DataFrame({"day": ["1552-03-04", "9999-12-31", None]}, dtype="object")
    (column,) = tables.learn(rows, reader, Section())
    found = tables.encode(rows, [column], reader)
    assert found[:2, 0].tolist() == [1552, 9999]
    assert found[0, 3] == 0
    assert found[1, 3] == (np.datetime64("9999-12-31") - np.datetime64("1552-03-04")).astype(int)


def test_large_numbers_keep_their_differences():
    reader = replace(READER, columns={"second": "number"})
    rows = pd.DataFrame({"second": [str(1_700_000_000 + n) for n in range(50)]}, dtype="object")
    (column,) = tables.learn(rows, reader, Section())
    assert tables.encode(rows, [column], reader)[:, 0].tolist() == [*range(50)]
