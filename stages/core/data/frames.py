"""Files of tables -> frames of text: CSV, JSON lines, Parquet. No paths."""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from stages.core.data.arrays import UnreadableFile, readable
from stages.core.declared.strict_yaml import SHORT

GZIP = b"\x1f\x8b"
LARGEST_FILE = 2**32  # bytes, unpacked: no table of people is larger, and a bomb is
LONGEST_LINE = 2**24  # characters: of a document, or of many columns
MIXED = re.compile(rb"\xc3[\x80-\xbf]")  # UTF-8 letters; in Windows' encoding such as Ã¤
MOST_COLUMNS = 2**14  # each becomes a feature or more
MOST_CELLS = 2**27  # a small file can have a new key a line, or a value that stands for many
csv.field_size_limit(LONGEST_LINE)
BOOLEANS = {True: "true", False: "false"}
INSTALL = 'install it: pip install pyarrow (the extra "parquet" of pyproject.toml)'


def unpacked(content: bytes) -> bytes:
    """The content of a file that may be gzipped. Raises UnreadableFile."""
    if not content.startswith(GZIP):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            text = file.read(LARGEST_FILE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"it cannot be unpacked: {error}") from error
    if len(text) > LARGEST_FILE:
        raise UnreadableFile(f"expected at most {LARGEST_FILE:,} bytes when it is unpacked")
    return text


def encoding_of(content: bytes) -> str:
    """The encoding of a text: UTF-16 by its mark, UTF-8, else Windows' Western one."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8-sig"


def decoded(content: bytes, encoding: str, name: str = "") -> str:
    """The text of a file. name: of the file, for people. Raises UnreadableFile."""
    if encoding == "windows-1252" and (found := MIXED.search(content)):
        line = content.count(b"\n", 0, found.start()) + 1
        raise UnreadableFile(f"line {line} is UTF-8, others are not: save all in one encoding")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        at = f"{name}, line" if name else "line"
        line = content.count(b"\n", 0, error.start) + 1
        expected = encoding.upper().removesuffix("-SIG")  # which is a mark at the beginning
        raise UnreadableFile(f"{at} {line}: expected {expected}, got other bytes") from None


def read(content: bytes, reader) -> pd.DataFrame:
    """All columns of a file as text, NaN where a cell is empty or a word for that.

    The index has the line, or the number, of each row. Raises UnreadableFile.
    """
    if reader.layout == "json_lines":
        return json_lines(content, reader.missing)
    if reader.layout == "parquet":
        return parquet(content, reader.missing)
    return comma_separated(content, reader)


def _lines(text):
    """The lines of a text, if none is longer than any row of people."""
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if len(line) > LONGEST_LINE:
            expected = f"expected at most {LONGEST_LINE:,} characters"
            raise UnreadableFile(f"line {number}: {expected}, got {len(line):,}")
        yield line


def comma_separated(content: bytes, reader) -> pd.DataFrame:
    """The cells of a CSV file without the blanks around them, gzipped or not; see `read`."""
    cells = csv.reader(
        _lines(decoded(unpacked(content), reader.encoding)),
        delimiter=reader.separator,
        skipinitialspace=True,
        strict=True,
    )
    rows, lines = [], []
    try:
        for row in filter(None, cells):
            _must_fit(1, len(row))
            if rows and len(row) != len(rows[0]):
                expected = f"line {cells.line_num}: expected {len(rows[0])} cells"
                raise UnreadableFile(f"{expected}, as many as there are names, got {len(row)}")
            rows.append([cell.strip() for cell in row])
            lines.append(cells.line_num)
    except csv.Error as error:
        raise UnreadableFile(f"line {cells.line_num} is no CSV: {error}") from error
    if len(rows) < 2:
        raise UnreadableFile("expected the names of columns and rows below them, got no row")
    names = [name or f"column {number}" for number, name in enumerate(rows[0], 1)]
    _must_fit(len(rows) - 1, len(names))
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        expected = "expected each column to have a name of its own"
        raise UnreadableFile(f"{expected}, got two {SHORT.repr(twice[0])}")
    columns = zip(*rows[1:], strict=True)
    return _frame(dict(zip(names, columns, strict=True)), lines[1:], reader.missing)


def json_lines(content: bytes, missing: Iterable[str]) -> pd.DataFrame:
    """The columns of JSON lines, an object a line, UTF-8, gzipped or not: text, NaN where missing.

    The columns are the keys of all lines. Numbers are the text that they are in the file. Missing
    is what is absent, null, empty or one of `missing`. The index has the line of each row. Raises
    UnreadableFile.
    """
    text = decoded(unpacked(content), "utf-8-sig")
    rows = {
        line: _record(written, line)
        for line, written in enumerate(text.split("\n"), 1)
        if written.strip()
    }
    names = dict.fromkeys(name for row in rows.values() for name in row)
    _must_fit(len(rows), len(names))
    columns = {name: [row.get(name, np.nan) for row in rows.values()] for name in names}
    return _frame(columns, list(rows), missing)


def _record(written, line):
    """{key: text} of an object on a line."""
    try:
        pairs = json.loads(
            written,
            parse_int=str,
            parse_float=str,
            parse_constant=_no_number,
            object_pairs_hook=tuple,
        )
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"line {line} is no JSON: {error}") from None
    if not isinstance(pairs, tuple):
        got = SHORT.repr(written.strip())
        raise UnreadableFile(f'line {line}: expected an object, such as {{"age": 29}}, got {got}')
    row = {}
    for key, value in pairs:
        name = key.strip()
        if not name or name in row:
            expected = f"line {line}: expected each value to have a name of its own"
            raise UnreadableFile(f"{expected}, got {SHORT.repr(key)}")
        row[name] = _cell(value, line, name)
    return row


def _no_number(constant):
    raise ValueError(f"expected a finite number, got {constant}")


def _cell(value, line, name):
    """A value of JSON as text, empty for null."""
    at = f"line {line}, column {SHORT.repr(name)}"
    if isinstance(value, list | tuple):
        kind = "a list" if isinstance(value, list) else "an object"
        raise UnreadableFile(f"{at}: expected text, a number, true, false or null, got {kind}")
    if value is None:
        value = ""
    text = BOOLEANS[value] if isinstance(value, bool) else value.strip()
    try:
        f"{name}{text}".encode()
    except UnicodeEncodeError:
        raise UnreadableFile(f"{at}: expected characters, got half of one (\\ud800)") from None
    return text


def parquet(content: bytes, missing: Iterable[str] = ()) -> pd.DataFrame:
    """The columns of a Parquet file as text, NaN where a value is missing, empty or in `missing`.

    Numbers have as many digits as tell them apart, dates and times are as in ISO 8601 (in UTC where
    they have a time zone). An index that pandas stored is left out. The index has the number of
    each row, from 1. Raises UnreadableFile, also where pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise UnreadableFile(f"a Parquet file needs pyarrow; {INSTALL}") from None
    with readable("Parquet file"):
        with parquet.ParquetFile(io.BytesIO(content)) as file:
            names = _names(file)
        # Text stays a dictionary, so that a long value of many rows is in memory once.
        with parquet.ParquetFile(io.BytesIO(content), read_dictionary=names) as file:
            table = file.read(names)
        columns = {name.strip(): _texts(table.column(name)) for name in names}
        return _frame(columns, range(1, len(table) + 1), missing)


def _names(file):
    """Names of the columns to read, of which all can become text."""
    schema = file.schema_arrow
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    names, seen = [], set()
    for field in schema:
        if field.name in index:
            continue
        if not _is_plain(field.type):
            expected = "expected text, numbers, booleans, dates or times"
            raise UnreadableFile(f"column {SHORT.repr(field.name)}: {expected}, got {field.type}")
        if not field.name.strip() or field.name.strip() in seen:
            expected = "expected each column to have a name of its own"
            raise UnreadableFile(f"{expected}, got {SHORT.repr(field.name)}")
        names.append(field.name)
        seen.add(field.name.strip())
    _must_fit(file.metadata.num_rows, len(names))
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > LARGEST_FILE:
        raise UnreadableFile(f"expected at most {LARGEST_FILE:,} bytes when it is unpacked")
    return names


def _is_plain(kind):
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    when = types.is_date(kind) or types.is_time(kind) or types.is_timestamp(kind)
    return text or number or when or types.is_boolean(kind) or types.is_null(kind)


def _texts(column):
    """An Arrow array as an object array of text, NaN where it has no value."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        chunks = getattr(column, "chunks", [column])
        return np.concatenate([_looked_up(chunk) for chunk in chunks])
    missing = column.is_null(nan_is_null=True).to_numpy(zero_copy_only=False).astype(bool)
    if pyarrow.types.is_timestamp(column.type):
        stamps = column.cast(pyarrow.timestamp(column.type.unit)).to_numpy(zero_copy_only=False)
        text = np.datetime_as_string(stamps, unit="auto").astype(object)
    else:
        text = column.cast(pyarrow.string()).to_numpy(zero_copy_only=False).astype(object)
    text[missing] = np.nan
    text[~missing] = [value.strip() for value in text[~missing]]
    return text


def _looked_up(chunk):
    values = np.append(_texts(chunk.dictionary), np.nan)
    return values[chunk.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)]


def _must_fit(rows, columns):
    """Raise UnreadableFile where there is no cell, or too many."""
    if not rows or not columns:
        raise UnreadableFile("expected rows with named values, got none")
    if columns > MOST_COLUMNS:
        raise UnreadableFile(f"expected at most {MOST_COLUMNS:,} columns, got {columns:,}")
    if rows * columns > MOST_CELLS:
        got = f"got {rows:,} rows of {columns:,}"
        raise UnreadableFile(f"expected at most {MOST_CELLS:,} cells, {got}")


def _frame(columns, index, missing):
    frame = pd.DataFrame(columns, index=index, dtype="object")
    return frame.mask(frame.isin(["", *missing]))


def numbered(column: pd.Series) -> np.ndarray:
    """A number for each value of a column of text, (rows,) int64; missing ones stand alone."""
    codes = pd.factorize(column)[0].astype("int64")
    alone = np.flatnonzero(codes < 0)
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    return codes
