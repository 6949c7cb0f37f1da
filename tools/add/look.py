"""A table of which nothing is known -> what its source says of it, and why."""

import csv
import io
import itertools
import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from stages.core.data import frames, tables, traps
from stages.core.data.arrays import UnreadableFile
from stages.core.data.splits import Keys
from stages.core.declared.dataset import Columns
from stages.core.declared.sources import Table
from stages.core.declared.strict_yaml import SHORT
from stages.core.declared.task import TASKS

SEPARATORS = ",;\t|"
ROWS = 200  # of a file, from which its separator is guessed
SIGNS = "$€£¥%  "
MONEY = "[$€£¥]? ?"
DATES = {  # as `reader.dates` has them, in the order in which they are tried
    "ISO8601": r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ].*)?",
    "%d.%m.%Y": r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}",
    "%d/%m/%Y": r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}",
    "%m/%d/%Y": r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}",
}
ABSENT = "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "-"  # words for no value
CODE = re.compile("0[0-9]+")  # a postcode, which is no number
WHOLE = re.compile("[+-]?[0-9]+")
MANY = 0.5  # share of the rows that have a category of their own: names or texts, not categories
SENTENCE = 6  # words of a text, on average; names have fewer
RARE = 10  # rows of a class: each fold, and the test rows, need some
CLASSES = 20  # of a target, at most, where it is whole numbers


def _number(mark):
    """Numbers with this mark of decimals, plain or with the marks of thousands and signs."""
    point, thousands = re.escape(mark), re.escape({".": ",", ",": "."}[mark])
    plain = rf"[+-]?([0-9]+{point}?[0-9]*|{point}[0-9]+)([eE][+-]?[0-9]+)?"
    grouped = rf"[1-9][0-9]{{0,2}}([{thousands}  ][0-9]{{3}})+({point}[0-9]*)?"
    signed = rf"[+-]?{MONEY}[+-]?({grouped}|[0-9]+({point}[0-9]*)?|{point}[0-9]+) ?[€£¥%$]?"
    return re.compile(plain), re.compile(signed)


NUMBER = {mark: _number(mark) for mark in ".,"}
FORMS = [*NUMBER.values(), *((re.compile(written),) for written in DATES.values())]


@dataclass(frozen=True)
class Asked:
    """What a person says on the command line of a table."""

    target: str
    task: str | None = None
    group: str | None = None
    time: str | None = None
    drop: tuple[str, ...] = ()
    kinds: dict[str, str] = field(default_factory=dict)

    def features(self, columns: dict[str, str]) -> dict[str, str]:
        """The columns to predict from, as `data` of params.yaml has them."""
        chosen = {"target": self.target, "group": self.group, "drop": self.drop}
        return Columns.model_construct(**chosen).features(columns)


@dataclass(frozen=True)
class Found:
    """What was found: `reader` of the source, without files; task; rows; lines for people; spread:
    the deviation of a target that is a number; shape: height, width and channels that suit images.
    """

    reader: dict
    task: str
    rows: int
    says: list[str]
    spread: float = 0.0
    shape: tuple[int, int, int] = (0, 0, 0)


def separator_of(text: str) -> str:
    """The separator that cuts the first rows into the most columns, as many in each."""
    best, most = ",", 1
    for mark in SEPARATORS:
        cells = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)
        try:
            rows = [row for row in itertools.islice(cells, ROWS) if row]
        except csv.Error:  # a quote that is none takes all that follows for a cell
            continue
        widths = {len(row) for row in rows[:-1] or rows}  # the last may be cut off
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = mark, width
    return best


def decimal_of(frame: pd.DataFrame) -> str:
    """The mark of decimals: a comma where more columns are numbers with it than with a point."""
    counts = {mark: sum(_all(frame[name], NUMBER[mark]) for name in frame) for mark in NUMBER}
    return max(counts, key=counts.get)


def signs_of(frame: pd.DataFrame, decimal: str) -> str:
    """Characters in the numbers of a file that say nothing: of money, percent and thousands."""
    plain, signed = NUMBER[decimal]
    removed = SIGNS + {".": ",", ",": "."}[decimal]
    found = set()
    for name in frame:
        if _all(frame[name], (signed,)) and not _all(frame[name], (plain,)):
            found |= set("".join(frame[name].dropna())) & set(removed)
    return "".join(sorted(found))


def missing_of(frame: pd.DataFrame) -> list[str]:
    """Words for a cell without a value: NA, and those among numbers or dates of a column."""
    found = {"NA"} if (frame == "NA").any(axis=None) else set()
    for name in frame:
        cells = frame[name].dropna()
        words = cells[cells.isin(ABSENT)]
        others = cells[~cells.isin(ABSENT)]
        if len(words) and any(_all(others, patterns) for patterns in FORMS):
            found |= set(words)
    return sorted(found)


def dates_of(frame: pd.DataFrame) -> str:
    """How the dates of a file are written: the way in which the most columns are dates."""
    counts = {way: sum(_are_dates(frame[name], way) for name in frame) for way in DATES}
    return max(counts, key=counts.get)  # of equal ones the first


def _are_dates(column, written) -> bool:
    if not _all(column, (re.compile(DATES[written]),)):
        return False
    try:
        return len(tables.dates(column, written)) > 0
    except UnreadableFile:
        return False


def _all(column, patterns) -> bool:
    """Whether each cell that is there is of one of these forms."""
    cells = column.dropna()
    return bool(len(cells)) and any(cells.str.fullmatch(pattern).all() for pattern in patterns)


def kind_of(column: pd.Series, reader) -> tuple[str | None, str]:
    """What a column is taken for, or None for none, and why.

    column: text, NaN where a cell is empty.
    """
    cells = column.dropna()
    different = cells.nunique()
    if different < 2:
        return None, "the same in all rows" if different else "no value"
    if _all(cells, NUMBER[reader.decimal]) and not cells.str.fullmatch(CODE).any():
        steps = np.diff(tables.numbers(cells, reader))
        lines = np.diff(cells.index)  # some may lack, which have no target
        if different == len(column) and ((steps == 1).all() or (steps == lines).all()):
            return None, "numbers the rows"
        return "number", ""
    if _are_dates(column, reader.dates):
        return "date", f"written as {reader.dates}"
    if different > MANY * len(cells) and different > CLASSES:
        if cells.str.split().str.len().mean() >= SENTENCE:
            return "text", ""
        return None, f"{different:,} different names in {len(cells):,} rows"
    return "category", f"{different:,} categories"


def task_of(target: pd.Series, reader) -> str:
    """binary, multiclass or regression."""
    cells = target.dropna()
    different = cells.nunique()
    if different == 2:
        return "binary"
    whole = _all(cells, (WHOLE,))
    if _all(cells, NUMBER[reader.decimal]) and not (whole and different <= CLASSES):
        return "regression"
    return "multiclass"


def layout_of(file: str) -> str:
    """How a table is written, by the end of its name."""
    ends = dict.fromkeys([".jsonl", ".ndjson", ".json"], "json_lines") | {".parquet": "parquet"}
    plain = file.lower().removesuffix(".gz")
    return next((layout for end, layout in ends.items() if plain.endswith(end)), "csv")


def looked_at(content: bytes, file: str, asked: Asked) -> Found:
    """What a file holds. Raises UnreadableFile."""
    reader = {"format": "table", "file": file, "layout": layout_of(file)}
    if reader["layout"] == "csv":
        text = frames.unpacked(content)
        reader["encoding"] = frames.encoding_of(text)
        beginning = text[: 2**20].decode(reader["encoding"], errors="replace")
        reader["separator"] = separator_of(beginning)
    reader["missing"] = ()
    frame = frames.read(content, Table.model_construct(**reader))
    if frame.shape[1] < 2:
        raise UnreadableFile("expected two columns or more, separated by one of , ; | or a tab")
    tables.chosen(frame, filter(None, [asked.target, asked.group, asked.time, *asked.drop]))
    tables.chosen(frame, asked.kinds)
    if asked.target in (asked.group, asked.time, *asked.drop):
        expected = "--group, --time, --drop: expected other columns than the target"
        raise UnreadableFile(f"{expected}, got {asked.target}")
    reader["missing"] = missing_of(frame)
    frame = frame.mask(frame.isin(reader["missing"]))
    everything = len(frame)
    frame = frame[frame[asked.target].notna()]
    if frame[asked.target].nunique() < 2:
        got = SHORT.repr(frame[asked.target].unique().tolist())
        raise UnreadableFile(f"expected two values or more in column {asked.target}, got {got}")
    reader["decimal"] = decimal_of(frame)
    reader["signs"] = signs_of(frame, reader["decimal"])
    reader["dates"] = dates_of(frame)
    passed = everything - len(frame)
    says = [f"passed over, without {asked.target}: {passed:,} rows"] if passed else []
    if reader.get("encoding") == "windows-1252":
        says.append("not UTF-8, so taken for Windows' Western encoding: save other ones as UTF-8")
    return _described(frame, reader, asked, says)


def _described(frame, reader, asked, says):
    """The columns of a frame, and what is to be said of them."""
    known, columns, lines = Table.model_construct(**reader), {}, []
    task = asked.task or task_of(frame[asked.target], known)
    for name in frame:
        kind, why = kind_of(frame[name], known)
        kind, why = (asked.kinds[name], "as you said") if name in asked.kinds else (kind, why)
        if name in (asked.group, asked.time):
            number = name == asked.time and _all(frame[name], NUMBER[known.decimal])
            kind = kind or ("number" if number else "category")
            why = f"rows are split by it; {why}".rstrip("; ")
        if name == asked.time and kind not in ("date", "number"):
            expected = f"--time: expected a column of dates or numbers, got {name}, a {kind}"
            raise UnreadableFile(f"{expected}; dates are written as {', '.join(DATES)}")
        if name == asked.target:
            kind = "number" if task == "regression" else "category"
            count = f"{len(frame[name].unique())} classes" if kind == "category" else ""
            why = ", ".join(filter(None, ["predicted", task, count]))
        if name in asked.drop:
            why = "left out, as you said"
        absent = frame[name].isna().mean()
        missing = f"{max(absent, 0.01):.0%} missing" if absent else ""
        lines.append([name, kind or "left out", "; ".join(filter(None, (why, missing)))])
        if kind:
            columns[name] = kind
    wide = max(len(name) for name, *_ in lines)
    says += [f"{name:{wide}}  {kind:8}  {why}".rstrip() for name, kind, why in lines]
    if not asked.features(columns):
        raise UnreadableFile("there is no column to predict from")
    reader = {**reader, "columns": columns}
    known = Table.model_construct(**reader)
    if task == "regression":
        y = tables.numbers(frame[asked.target], known)
    else:
        classes, y = _classes(frame[asked.target])
        if (task == "binary") != (classes == 2):
            expected = "binary for two classes" if classes == 2 else f"multiclass for {classes}"
            got = f"classes of column {asked.target}, got {task}"
            raise UnreadableFile(f"--task: expected {expected} {got}")
    says += [f"take care: {line}" for line in _traps(frame, y, known, task, asked)]
    spread = float(y.std()) if task == "regression" else 0.0
    return Found(reader, task, len(frame), says, spread)


def _traps(frame, y, reader, task, asked):
    """What may make results look better than they are; also in columns that are left out."""
    features = frame[[*asked.features(reader.columns)]]
    keys = Keys(
        np.arange(len(frame)),
        frames.numbered(frame[asked.group]) if asked.group else None,
        np.zeros(len(frame)) if asked.time else None,
    )
    passed = frame.drop(columns=[asked.target, *features, *filter(None, [asked.group])])
    return traps.sentences(traps.found(features, passed, y, reader, TASKS[task], keys))


def _classes(target) -> tuple[int, np.ndarray]:
    """How many classes a target has, each with rows enough for folds, and (rows,) numbers of them.

    Raises UnreadableFile.
    """
    counts = target.value_counts()
    if len(rare := counts[counts < RARE]):
        shown = SHORT.repr(rare.to_dict())
        raise UnreadableFile(
            f"expected {RARE} rows or more of each class in column {target.name}, got {shown}: "
            "leave these rows out, or join classes"
            + "; --task regression takes the target for a number"
            * _all(target, (WHOLE,))
        )
    return len(counts), pd.factorize(target)[0]
