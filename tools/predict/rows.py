"""Documents or CSV, as a person gives them, as the rows that a network takes."""

import codecs
import csv
from collections import Counter

import numpy as np
import pandas as pd

from stages.core.data import encodings, tables
from stages.core.data.arrays import UnreadableFile, stored, word_index
from stages.core.data.schema import Schema
from tools.predict.texts import arrays_of, as_text, index_of, unknown, words


class Refused(Exception):
    """There is nothing to predict, or nothing to predict with; the message says what to do."""


def decoded(content: bytes) -> str:
    """Text of a file, standard input or an argument: UTF-8, or UTF-16 with a byte order mark.

    Raises Refused.
    """
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "UTF-16" if marked else "UTF-8"
    try:
        text = content.decode(encoding).removeprefix("\N{BYTE ORDER MARK}")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = "; from Windows' Western encoding: `iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW`"
        got = f"the byte 0x{content[error.start]:02x}. Convert it{'' if marked else hint}"
        raise Refused(f"line {line}: expected {encoding}, got {got}") from None
    if "\0" in text:  # what UTF-16 without a mark looks like
        raise Refused("expected text, got zero bytes; save it as UTF-8")
    return text


def lines(text: str) -> list[str]:
    """The lines of a text. Only \\n and \\r\\n end one: Unicode's other ends occur in sentences."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def read_documents(name, source, section, content: str) -> tuple:
    """Rows of a text data set, one a line of the content; of each {"line", "unknown"}.

    unknown: words outside the vocabulary. Lines without words are no rows. Raises Refused.
    """
    documents = {number: words(document) for number, document in enumerate(lines(content), 1)}
    documents = {number: document for number, document in documents.items() if document}
    if not documents:
        raise Refused("there is no document with a word in it: expected one a line")
    for needed in (index_of(name, source), arrays_of(name)):
        if not needed.is_file():
            raise Refused(f"{needed} is missing; `dvc repro` makes it and `dvc pull` fetches it")
    index = word_index(index_of(name, source).read_bytes())
    terms = stored(arrays_of(name)).get("terms")
    most_frequent = range(section.num_words - encodings.INDEX_FROM)
    known = most_frequent if terms is None else set(terms.tolist())
    notes = [
        {"line": number, "unknown": unknown(document, index, known)}
        for number, document in documents.items()
    ]
    return encodings.encode(as_text([*documents.values()], index), section, terms), notes


def some(names, most=3) -> str:
    """The first of these names, and how many more there are."""
    names = list(map(str, names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _name(column):
    """The name of a column in a message, whatever it is."""
    return repr(column[:40])[1:-1] or "a column without a name"


def cells(content: str, columns: tuple[str, ...]) -> dict[int, list[str]]:
    """The rows of a CSV text by their lines, in the order of these columns, without blank lines.

    Raises Refused.
    """
    reader, rows = csv.reader(lines(content), skipinitialspace=True, strict=True), {}
    try:
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                rows[reader.line_num] = row
    except csv.Error as error:
        reason = str(error).partition(" - ")[0]
        ends = "lines end at \\n or \\r\\n"
        raise Refused(f"line {reader.line_num} is no CSV ({ends}): {reason}") from None
    columns = [name.strip() for name in columns]
    header = [name.strip() for name in rows.pop(min(rows, default=0), [])]
    sides = {
        "missing": Counter(columns) - Counter(header),
        "not expected": Counter(header) - Counter(columns),
    }
    shown = {side: some(map(_name, names)) for side, names in sides.items() if names}
    if problems := "; ".join(f"{side}: {names}" for side, names in shown.items()):
        raise Refused(f"expected a line with the names of the {len(columns)} columns; {problems}")
    if not rows:
        raise Refused("there is no row under the names of the columns")
    for line, row in rows.items():
        if len(row) != len(columns):
            expected = f"expected {len(columns)} values, one for each column"
            raise Refused(f"line {line}: {expected}; got {len(row)}")
    places = [header.index(name) for name in columns]
    return {line: [row[place] for place in places] for line, row in rows.items()}


def table(content: str, source) -> tuple[list[int], np.ndarray]:
    """The rows of a CSV text as measured: the line of each, and (rows, columns) float32.

    Raises Refused.
    """
    if not source.names:
        raise Refused("its source, in data/sources/, names no columns")
    found = cells(content, source.names)
    with np.errstate(over="ignore"):
        numbers = pd.DataFrame(found.values()).apply(pd.to_numeric, errors="coerce")
        values = numbers.to_numpy("float64").astype("float32")
    highest = getattr(source.reader, "highest", 0)
    pixels = f"a whole number from 0 to {highest}, as measured and not divided"
    checks = {"a finite number": ~np.isfinite(values), pixels: source.impossible(values)}
    for expected, wrong in checks.items():
        for row, column in np.argwhere(wrong)[:1]:
            line, got = list(found.items())[row]
            place = f"line {line}, column {source.names[column]}"
            raise Refused(f"{place}: expected {expected}; got {got[column][:40]!r}")
    return list(found), values


def far(values: np.ndarray, training: np.ndarray, columns) -> list[list[dict]]:
    """For each row the features further from the range of the training rows than it is wide.

    There the network extrapolates by more than all that it has seen. Rows a little beyond the range
    are common: test rows of Boston Housing lie up to 0.15 of its width outside.
    values, training: (rows, features) float32.
    """
    low, high = np.nanmin(training, axis=0), np.nanmax(training, axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        distant = np.maximum(low - values, values - high) > high - low
    found = [[] for _ in values]
    for row, at in np.argwhere(distant):
        ends = values[row, at], low[at], high[at]
        value, *ends = (float(str(end)) for end in ends)  # 8.725, not 8.7249...
        found[row].append({"column": columns[at], "value": value, "training": ends})
    return found


def read_raw(name, source, content: str) -> tuple:
    """Rows of a table, as they come; of each {"line"} and {"far"}. Raises Refused.

    Columns may stand in any order and be more than are needed; cells may be empty.
    """
    if not (path := arrays_of(name)).is_file():
        raise Refused(f"{path} is missing; `dvc repro` makes it and `dvc pull` fetches it")
    file = stored(path)
    columns, reader = Schema.unpack(file).table, source.reader
    try:
        raw = tables.read(content.encode(), reader.model_copy(update={"encoding": "utf-8"}))
        frame = tables.chosen(raw, [column.name for column in columns])
        values = tables.encode(frame, columns, reader)
    except UnreadableFile as error:
        raise Refused(str(error)) from None
    names = [feature for column in columns for feature in column.features]
    distant = far(values, file["x_train"], names)
    pairs = zip(raw.index, distant, strict=True)
    return values, [{"line": int(line), "far": each} for line, each in pairs]


def read_table(name, source, section, content: str) -> tuple:
    """Rows of features or images; of each {"line"}, of features {"far"} as well.

    far: see the function of that name; absent where the training rows are not here.
    """
    numbers, values = table(content, source)
    notes = [{"line": number} for number in numbers]
    if source.kind == "features" and arrays_of(name).is_file():
        distant = far(values, stored(arrays_of(name))["x_train"], source.names)
        notes = [note | {"far": columns} for note, columns in zip(notes, distant, strict=True)]
    scaled = source.scaled(values)
    if source.kind == "images":
        scaled = scaled.reshape(-1, *source.reader.shape, 1)
    return encodings.encode(scaled, section), notes
