"""Tables of people: text with a row a line -> columns of text, and columns -> features.

What a column is stands in its source. What is learned of it, its categories and whether values are
missing, is learned once over the training rows, with no look at any target, so that rows of all
folds are equally wide. Means and deviations are learned by each fit.
"""

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
LARGEST_NUMBER = 1e30  # its square, in a deviation, is a float32, too
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
    """All columns of a file as text, NaN where a cell is empty or NA. Raises UnreadableFile."""
    try:
        frame = pd.read_csv(
            io.BytesIO(unpacked(content)),
            sep=reader.separator,
            encoding=reader.encoding,
            dtype="object",
            skipinitialspace=True,
            low_memory=False,
        )
    except (ValueError, LookupError) as error:  # pandas' own errors are ValueErrors
        reason = str(error).strip().splitlines()[0]
        raise UnreadableFile(f"{reader.file} is no table: {reason}") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    text = frame.apply(lambda column: column.str.strip())
    return text.mask(text == "")


def chosen(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The columns with these names, each there once. Raises UnreadableFile."""
    names, there = list(names), list(frame.columns)
    if wrong := [name for name in names if there.count(name) != 1]:
        how = "no such" if wrong[0] not in there else "several of that name"
        got = SHORT.repr(there)
        raise UnreadableFile(f"expected a column {wrong[0]!r}, got {how} among {got}")
    return frame[names]


def numbers(column: pd.Series, decimal: str) -> np.ndarray:
    """The numbers of a column of text: (rows,) float64, NaN where there is none.

    Raises UnreadableFile with the first cell that is no finite number.
    """
    text = column if decimal == "." else column.str.replace(decimal, ".", regex=False)
    values = pd.to_numeric(text, errors="coerce").to_numpy("float64")
    wrong = column.notna().to_numpy() & ~(np.abs(values) <= LARGEST_NUMBER)
    for row in np.flatnonzero(wrong)[:1]:
        expected = f"row {row + 1}, column {column.name}: expected a number"
        raise UnreadableFile(f"{expected}, got {SHORT.repr(column.iloc[row])}")
    return values


def dates(column: pd.Series) -> pd.Series:
    """The dates of a column of text, NaT where there is none. Raises UnreadableFile."""
    found = pd.to_datetime(column, errors="coerce", format="mixed", utc=True)
    wrong = column.notna().to_numpy() & found.isna().to_numpy()
    for row in np.flatnonzero(wrong)[:1]:
        expected = f"row {row + 1}, column {column.name}: expected a date such as 2024-12-31"
        raise UnreadableFile(f"{expected}, got {SHORT.repr(column.iloc[row])}")
    return found


def learn(frame: pd.DataFrame, kinds: dict[str, str], levels: int, rare: int) -> tuple:
    """A Column for each of these, of training rows. Raises UnreadableFile.

    levels: the most categories that a column keeps. rare: rows of a category that shares a feature
    with others.
    """
    return tuple(_learned(frame[name], kind, levels, rare) for name, kind in kinds.items())


def _learned(column, kind, levels, rare):
    missing = bool(column.isna().any())
    if kind == "category":
        counts = column.value_counts()
        counts = counts.iloc[np.lexsort((counts.index, -counts))]  # equal counts by name
        kept = counts.index[counts > rare][:levels]
        kept = kept if len(kept) else counts.index[:1]  # one of them, where all are rare
        others = len(kept) < len(counts)
        return Column(column.name, kind, missing, tuple(kept), others)
    first = str(dates(column).min().date()) if kind == "date" and column.notna().any() else ""
    return Column(column.name, kind, missing, start=first)


def encode(frame: pd.DataFrame, columns: Iterable[Column], decimal: str) -> np.ndarray:
    """Rows as features: (rows, features) float32, NaN where a number is missing.

    Raises UnreadableFile.
    """
    blocks = [_encoded(frame[column.name], column, decimal) for column in columns]
    return np.hstack(blocks).astype("float32")


def _encoded(text, column, decimal):
    missing = text.isna().to_numpy()
    if column.kind == "category":
        number = pd.Index(column.levels, dtype="object").get_indexer_for(text)
        flags = [number[:, None] == np.arange(len(column.levels))]
        if column.others:
            flags.append(((number < 0) & ~missing)[:, None])
        return np.hstack([*flags, missing[:, None]] if column.missing else flags)
    if column.kind == "number":
        values = numbers(text, decimal)[:, None]
    else:
        when = dates(text)
        since = (when - pd.Timestamp(column.start or 0, tz="UTC")).dt.total_seconds() / 86400
        values = np.stack([when.dt.year, when.dt.month, when.dt.day_of_week, since], axis=1)
    return np.hstack([values, missing[:, None]]) if column.missing else values


def packed(columns: Iterable[Column]) -> str:
    """Columns as JSON."""
    return json.dumps([asdict(column) for column in columns])


def unpack(text: str) -> tuple[Column, ...]:
    """What `packed` made."""
    return tuple(Column(**{**each, "levels": tuple(each["levels"])}) for each in json.loads(text))
