"""Columns of text -> features.

What a column is stands in its source. What is learned of it, its categories and whether values are
missing, is learned once over the training rows, with no look at any target, so that rows of all
folds are equally wide. Means and deviations are learned by each fit.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from stages.core.data import vocabulary
from stages.core.data.arrays import UnreadableFile
from stages.core.declared.strict_yaml import SHORT

LARGEST_NUMBER = 1e18  # its square, in a deviation, is a float32, too
OTHER, MISSING = "other", "missing"  # categories that share a feature
DAYS = "year", "month", "day of week", "days"


@dataclass(frozen=True)
class Column:
    """What was learned of a column.

    kind: number, category, date or text. missing: whether values are. levels: the categories, or
    the words, that have a feature of their own. others: whether there are more. start: the first
    date, or what is taken off large numbers.
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
        within = {"number": [""], "date": [f": {day}" for day in DAYS]}
        parts = within.get(self.kind, [f": {word}" for word in self.levels])
        return [self.name + part for part in [*parts, *[" is missing"] * self.missing]]


def chosen(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The columns with these names. Raises UnreadableFile."""
    names = list(names)
    for name in names:
        if name not in frame:
            got = SHORT.repr(list(frame.columns))
            raise UnreadableFile(f"expected a column {name!r}, got {got}")
    return frame[names]


def numbers(column: pd.Series, reader) -> np.ndarray:
    """The numbers of a column of text: (rows,) float64, NaN where there is none.

    Raises UnreadableFile with the first cell that is no finite number.
    """
    text = column
    if reader.signs:  # 1,5 is no fifteen where a comma marks thousands
        marks = f"[{re.escape(reader.signs)}]"
        thousands = rf"{marks}[0-9]{{3}}(?![0-9])|{marks}[0-9]{{2}}(?={marks})"
        between = rf"[0-9](?!{thousands}){marks}+[0-9]"
        text = text.where(~text.str.contains(between, regex=True, na=False), "")
    for sign in reader.signs:
        text = text.str.replace(sign, "", regex=False)
    if reader.decimal != ".":  # and a point is none
        text = text.where(~text.str.contains(".", regex=False, na=False), "")
        text = text.str.replace(reader.decimal, ".", regex=False)
    values = pd.to_numeric(text, errors="coerce").to_numpy("float64")
    expected = f"a number with {reader.decimal!r} for decimals, at most {LARGEST_NUMBER:g}"
    _must_be(column, np.abs(values) <= LARGEST_NUMBER, expected)
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
    example = pd.Timestamp(2024, 1, 31).strftime(written.replace("ISO8601", "%Y-%m-%d"))
    _must_be(column, found.notna(), f"a date written as {written}, such as {example}")
    return found


def days(dates: pd.Series) -> np.ndarray:
    """Days since 1970, (rows,) float64; NaN where a date is missing."""
    wide = dates.dt.as_unit("us")  # of nanoseconds there are too many since the year 1
    found = wide.astype("int64").to_numpy() / (86400 * 10**6)
    return np.where(dates.isna(), np.nan, found)


def learn(frame: pd.DataFrame, reader, section) -> tuple[Column, ...]:
    """A Column for each of these, of training rows. Raises UnreadableFile.

    section: `preprocess` of params.yaml.
    """
    kinds = reader.columns
    return tuple(_learned(frame[name], kinds[name], reader, section) for name in frame)


def _learned(column, kind, reader, section):
    missing = bool(column.isna().any())
    if kind == "text":
        found = vocabulary.learn(map(vocabulary.words, column.dropna()), section.words)
        return Column(column.name, kind, missing, found)
    if kind == "category":
        counts = column.value_counts()
        counts = counts.iloc[np.lexsort((counts.index, -counts))]  # equal counts by name
        kept = counts.index[counts > section.rare][: section.levels]
        kept = kept if len(kept) else counts.index[:1]  # one of them, where all are rare
        others = len(kept) < len(counts)
        return Column(column.name, kind, missing, tuple(kept), others)
    first = ""
    if kind == "number":
        first = _offset(numbers(column, reader))
    if kind == "date" and column.notna().any():
        first = str(dates(column, reader.dates).min().date())
    return Column(column.name, kind, missing, start=first)


def unseen(frame: pd.DataFrame, columns: Iterable[Column]) -> list[list[dict]]:
    """For each row its categories that training rows lack, where those share no feature."""
    found = [[] for _ in range(len(frame))]
    for column in columns:
        if column.kind == "category" and not column.others:
            text = frame[column.name].fillna("")
            known = [*column.levels, *[""] * column.missing]
            for row in np.flatnonzero(~text.isin(known)):
                found[row].append({"column": column.name, "value": text.iloc[row]})
    return found


def _offset(values) -> str:
    """The least of these numbers where float32 does not tell many apart, such as seconds."""
    different = np.unique(values[~np.isnan(values)])
    if len(np.unique(different.astype("float32"))) >= 0.9 * len(different):
        return ""
    return repr(float(different[0]))


def encode(frame: pd.DataFrame, columns: Iterable[Column], reader) -> np.ndarray:
    """Rows as features: (rows, features) float32, NaN where a number is missing.

    Raises UnreadableFile.
    """
    blocks = [_encoded(frame[column.name], column, reader) for column in columns]
    return np.hstack([block.astype("float32") for block in blocks])


def _encoded(text, column, reader):
    missing = text.isna().to_numpy()
    if column.kind == "category":
        number = pd.Index(column.levels, dtype="object").get_indexer_for(text)
        flags = [number[:, None] == np.arange(len(column.levels))]
        if column.others:
            flags.append(((number < 0) & ~missing)[:, None])
        return np.hstack([*flags, missing[:, None]] if column.missing else flags)
    if column.kind == "text":
        values = _flags(text.fillna(""), column.levels)
    elif column.kind == "number":
        values = numbers(text, reader)[:, None] - float(column.start or 0)
    else:
        when = dates(text, reader.dates)
        first = np.datetime64(column.start or 0, "D").astype("int64")
        calendar = when.dt.year, when.dt.month, when.dt.day_of_week
        values = np.stack([*calendar, days(when) - first], axis=1)
    return np.hstack([values, missing[:, None]]) if column.missing else values


def _flags(texts, words):
    """Which of these words each text has: (rows, words) bool."""
    place = {word: number for number, word in enumerate(words)}
    flags = np.zeros((len(texts), len(words)), bool)
    for row, text in enumerate(texts):
        flags[row, [place[word] for word in {*vocabulary.words(text)} & place.keys()]] = True
    return flags


def packed(columns: Iterable[Column]) -> str:
    """Columns as JSON."""
    return json.dumps([asdict(column) for column in columns])


def unpack(text: str) -> tuple[Column, ...]:
    """What `packed` made."""
    return tuple(Column(**{**each, "levels": tuple(each["levels"])}) for each in json.loads(text))
