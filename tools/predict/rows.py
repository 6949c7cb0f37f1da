"""Documents or CSV, as a person gives them, as the rows that a network takes."""

import codecs
import csv
from collections import Counter

import numpy as np
import pandas as pd

from stages.core.data import encodings, frames, tables
from stages.core.data.arrays import stored
from stages.core.data.encodings import Encoding
from stages.core.data.vocabulary import as_text, words
from tools.predict.texts import arrays_of, index_of, unknown


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
    """Rows of documents, a document a line of the content; of each {"line", "unknown"}.

    unknown: words outside the vocabulary. Lines without words are no rows. Raises Refused.
    """
    documents = {number: words(document) for number, document in enumerate(lines(content), 1)}
    documents = {number: document for number, document in documents.items() if document}
    if not documents:
        raise Refused("there is no document with a word in it: expected one a line")
    file = arrays_file(name)
    if (index := index_of(name, source, file)) is None:
        needed = f"data/raw/{name}/{source.reader.word_index}"
        raise Refused(f"{needed} is missing; `dvc repro` makes it and `dvc pull` fetches it")
    encoding = Encoding.unpack(file, section.preprocess, source)
    most_frequent = range(section.preprocess.num_words - encodings.INDEX_FROM)
    known = most_frequent if encoding.terms is None else set(encoding.terms.tolist())
    notes = [
        {"line": number, "unknown": unknown(document, index, known)}
        for number, document in documents.items()
    ]
    return encoding.encode(as_text([*documents.values()], index)), notes


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
    low, high = np.fmin.reduce(training), np.fmax.reduce(training)  # without a word on NaN
    with np.errstate(over="ignore", invalid="ignore"):
        distant = np.maximum(low - values, values - high) > high - low
    found = [[] for _ in values]
    for row, at in np.argwhere(distant):
        ends = values[row, at], low[at], high[at]
        value, *ends = (float(str(end)) for end in ends)  # 8.725, not 8.7249...
        found[row].append({"column": columns[at], "value": value, "training": ends})
    return found


def read_raw(name, source, section, content: bytes) -> tuple:
    """Rows of a table, as they come; of each {"line"}, of a table of features {"far"} as well.

    Columns may stand in any order and be more than are needed; cells may be empty; a target is not
    looked at. Raises Refused and UnreadableFile.
    """
    file = arrays_file(name)
    encoding, reader = Encoding.unpack(file, section.preprocess, source), source.reader
    if reader.layout == "csv":  # a text may have another encoding than that of the data set
        found = frames.encoding_of(frames.unpacked(content))
        known = found if found != "windows-1252" else reader.encoding
        reader = reader.model_copy(update={"encoding": known})
    raw = frames.read(content, reader)
    needed = [column.name for column in encoding.columns] or section.data.features(reader.columns)
    values = encoding.encode(tables.chosen(raw, needed))
    notes = [{"line": int(line)} for line in raw.index]
    if encoding.columns:
        unseen = tables.unseen(raw, encoding.columns)
        distant = far(values, file["x_train"], encoding.features)
        _measured(distant, encoding.columns)
        for note, *found in zip(notes, distant, unseen, strict=True):
            note |= dict(zip(("far", "unseen"), found, strict=True))
    return values, notes


def _measured(distant, columns):
    """Put back what `tables` took off large numbers, in what `far` found."""
    taken = {
        each.name: float(each.start) for each in columns if each.kind == "number" and each.start
    }
    for each in (each for row in distant for each in row if each["column"] in taken):
        offset = taken[each["column"]]
        each["value"] += offset
        each["training"] = [end + offset for end in each["training"]]


def arrays_file(name) -> dict[str, np.ndarray]:
    """The cached arrays of a data set. Raises Refused."""
    if not (path := arrays_of(name)).is_file():
        raise Refused(f"{path} is missing; `dvc repro` makes it and `dvc pull` fetches it")
    return stored(path)


def read_features(name, source, section, content: str) -> tuple:
    """Rows of features or images; of each {"line"}, of features {"far"} as well.

    far: see the function of that name; absent where the training rows are not here.
    """
    numbers, values = table(content, source)
    notes = [{"line": number} for number in numbers]
    if source.kind == "features" and arrays_of(name).is_file():
        distant = far(values, stored(arrays_of(name))["x_train"], source.names)
        notes = [note | {"far": columns} for note, columns in zip(notes, distant, strict=True)]
    if source.kind == "images":
        values = values.reshape(-1, *source.reader.shape, 1)
    return Encoding(section.preprocess, source).encode(values), notes


def read_texts(name, source, section, contents: dict[str, bytes]) -> tuple:
    """Files of text, a document each, by their names; of each {"file"}. Raises UnreadableFile."""
    texts = [
        frames.decoded(text, frames.encoding_of(text), file) for file, text in contents.items()
    ]
    encoding = Encoding.unpack(arrays_file(name), section.preprocess, source)
    return encoding.encode(pd.DataFrame({"text": texts}, dtype="object")), _files(contents)


def _files(contents):
    return [{"file": file} for file in contents]


def read_images(name, source, section, contents: dict[str, bytes]) -> tuple:
    """Images by the names of their files; of each {"file"}. Raises UnreadableFile."""
    members = [("", file, content) for file, content in contents.items()]
    return Encoding(section.preprocess, source).encode(members), _files(contents)
