"""Tables: text with a row a line -> columns of text, and columns -> features.

What a column is stands in its source. What is learned of it, its categories and whether values are
missing, is learned once over the training rows, with no look at any target, so that rows of all
folds are equally wide. Means and deviations are learned by each fit.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from stages.core.data.arrays import UnreadableFile
from stages.core.declared.strict_yaml import SHORT

GZIP = b"\x1f\x8b"
LARGEST_FILE = 2**32  # bytes, unpacked: no table of people is larger, and a bomb is
LARGEST_NUMBER = 1e18  # its square, in a deviation, is a float32, too
OTHER, MISSING = "other", "missing"  # categories that share a feature
DAYS = "year", "month", "day of week", "days"


@dataclass(frozen=True)
class Column:
    """What was learned of a column.

    kind: number, category or date. missing: whether values are. levels: of a category, the names
    that have a feature of their own. others: whether there are more. start: the first date.
    """

    name: str
    kind: str
    missing: bool = False
    levels: tuple[str, ...] = ()
    others: bool = False
    start: str = ""

    @property
    def features(self) -> list[str]:
        """Names of the features that it becomes."""
        if self.kind == "category":
            more = [OTHER] * self.others + [MISSING] * self.missing
            return [f"{self.name}={level}" for level in [*self.levels, *more]]
        parts = [self.name] if self.kind == "number" else [f"{self.name}: {day}" for day in DAYS]
        return parts + [f"{self.name} is missing"] * self.missing


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


def read(content: bytes, reader) -> pd.DataFrame:
    """All columns of a file as text, NaN where a cell is empty or a word for that.

    The index has the line of each row. Raises UnreadableFile.
    """
    try:
        text = unpacked(content).decode(reader.encoding)
    except UnicodeDecodeError as error:
        line = unpacked(content).count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"line {line}: expected {reader.encoding}, got other bytes") from None
    cells = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=reader.separator,
        skipinitialspace=True,
        strict=True,
    )
    rows, lines = [], []
    try:
        for row in filter(None, cells):
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
    if twice := [name for name in names if names.count(name) > 1]:
        raise UnreadableFile(
            f"expected each column to have a name of its own, got two {twice[0]!r}"
        )
    frame = pd.DataFrame(rows[1:], columns=names, index=lines[1:], dtype="object")
    return frame.mask(frame.isin(["", *reader.missing]))


def chosen(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The columns with these names. Raises UnreadableFile."""
    names = list(names)
    for name in names:
        if name not in frame:
            got = SHORT.repr(list(frame.columns))
            raise UnreadableFile(f"expected a column {name!r}, got {got}")
    return frame[names]


def numbers(column: pd.Series, decimal: str) -> np.ndarray:
    """The numbers of a column of text: (rows,) float64, NaN where there is none.

    Raises UnreadableFile with the first cell that is no finite number.
    """
    text = column
    if decimal != ".":  # and a point would be that of thousands
        text = column.where(~column.str.contains(".", regex=False, na=False), "")
        text = text.str.replace(decimal, ".", regex=False)
    values = pd.to_numeric(text, errors="coerce").to_numpy("float64")
    _must_be(column, np.abs(values) <= LARGEST_NUMBER, f"a number with {decimal!r} for decimals")
    return values


def _must_be(column, right, expected):
    """Raise UnreadableFile with the first cell that is there and is not right."""
    for row in np.flatnonzero(column.notna().to_numpy() & ~np.asarray(right))[:1]:
        at = f"line {column.index[row]}, column {column.name}"
        raise UnreadableFile(f"{at}: expected {expected}, got {SHORT.repr(column.iloc[row])}")


def dates(column: pd.Series, written: str) -> pd.Series:
    """The dates of a column of text, NaT where there is none. Raises UnreadableFile.

    written: how, as pandas.to_datetime takes it.
    """
    text = column.where(~column.isin(["now", "today"]))  # which pandas takes for the time it is
    found = pd.to_datetime(text, errors="coerce", format=written, utc=True)
    _must_be(column, found.notna(), f"a date written as {written}")
    return found


def learn(frame: pd.DataFrame, kinds: dict[str, str], reader, levels: int, rare: int) -> tuple:
    """A Column for each of these, of training rows. Raises UnreadableFile.

    levels: the most categories that a column keeps. rare: rows of a category that shares a feature
    with others.
    """
    return tuple(_learned(frame[name], kind, reader, levels, rare) for name, kind in kinds.items())


def _learned(column, kind, reader, levels, rare):
    missing = bool(column.isna().any())
    if kind == "category":
        counts = column.value_counts()
        counts = counts.iloc[np.lexsort((counts.index, -counts))]  # equal counts by name
        kept = counts.index[counts > rare][:levels]
        kept = kept if len(kept) else counts.index[:1]  # one of them, where all are rare
        others = len(kept) < len(counts)
        return Column(column.name, kind, missing, tuple(kept), others)
    first = ""
    if kind == "date" and column.notna().any():
        first = str(dates(column, reader.dates).min().date())
    return Column(column.name, kind, missing, start=first)


def encode(frame: pd.DataFrame, columns: Iterable[Column], reader) -> np.ndarray:
    """Rows as features: (rows, features) float32, NaN where a number is missing.

    Raises UnreadableFile.
    """
    blocks = [_encoded(frame[column.name], column, reader) for column in columns]
    return np.hstack(blocks).astype("float32")


def _encoded(text, column, reader):
    missing = text.isna().to_numpy()
    if column.kind == "category":
        number = pd.Index(column.levels, dtype="object").get_indexer_for(text)
        flags = [number[:, None] == np.arange(len(column.levels))]
        if column.others:
            flags.append(((number < 0) & ~missing)[:, None])
        return np.hstack([*flags, missing[:, None]] if column.missing else flags)
    if column.kind == "number":
        values = numbers(text, reader.decimal)[:, None]
    else:
        when = dates(text, reader.dates)
        since = (when - pd.Timestamp(column.start or 0, tz="UTC")).dt.total_seconds() / 86400
        values = np.stack([when.dt.year, when.dt.month, when.dt.day_of_week, since], axis=1)
    return np.hstack([values, missing[:, None]]) if column.missing else values


def packed(columns: Iterable[Column]) -> str:
    """Columns as JSON."""
    return json.dumps([asdict(column) for column in columns])


def unpack(text: str) -> tuple[Column, ...]:
    """What `packed` made."""
    return tuple(Column(**{**each, "levels": tuple(each["levels"])}) for each in json.loads(text))
