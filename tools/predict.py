"""Predict with the trained models: what it is, how sure they are, and how far the seeds agree.

    python -m tools.predict imdb --text "What a film"
    python -m tools.predict reuters news.txt            a document a line; - or nothing is standard input
    python -m tools.predict boston_housing houses.csv   a row a line, columns by name

Documents are encoded as the training data were: lower case, without punctuation, by the word index of the data set.
A line without words is answered by an empty line. Pixels are whole numbers, as the data set has them.
"""

import codecs
import csv
import json
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from stages.core import params
from stages.core.data import encodings
from stages.core.data.arrays import Text, UnreadableFile, stored, word_index
from stages.core.data.datasets import TABLE
from stages.core.fit.weightings import WEIGHTINGS
from stages.core.run.stage import parser_of, tool
from tools.review import revisions as review

APOSTROPHES = "'’‘‛ʼ′´＇"  # noqa: RUF001
UNKNOWN = 2**31 - 5  # rank of a word that the index does not have: rarer than any
SHOWN = 3  # classes, at most
CHUNK = 256  # documents that are dense at the same time


class Refused(Exception):
    """There is nothing to predict, or nothing to predict with; the message says what to do."""


def words(document: str) -> list[str]:
    """The words of a document as the word indices have them: lower case, of signs only '.

    Their makers took the signs of ASCII for spaces; here those of all of Unicode are. Apostrophes
    of all forms are the one of ASCII, and letters of other forms (ligatures, full width, an accent
    apart) the usual ones. Marks of HTML stay words ("br"), as they are in the training documents.
    """
    document = _spaced(document.translate(dict.fromkeys(map(ord, APOSTROPHES), "'")))
    usual = _spaced(unicodedata.normalize("NFKC", document).lower())  # it spells ½ with a sign
    unseen = {ord(sign): None for sign in set(usual) if unicodedata.category(sign) in ("Cf", "Mn")}
    return usual.translate(unseen).split()  # without soft hyphens, marks left alone and the like


def _spaced(text):
    """Text with spaces for all signs but '."""
    signs = (sign for sign in set(text) - {"'"} if unicodedata.category(sign)[0] in "PS")
    return text.translate({ord(sign): " " for sign in signs})


def as_text(documents: list[list[str]], index: dict[str, int]) -> Text:
    """Documents as word ranks; words that the index does not have get a rank beyond any vocabulary."""
    ranks = [index.get(word, UNKNOWN) for document in documents for word in document]
    return Text(np.array(ranks, "int64"), np.cumsum([0, *map(len, documents)]))


def unknown(documents, index, known) -> list[list[str]]:
    """The words of each document whose rank is not `known`, each once, in their order."""
    return [
        [word for word in dict.fromkeys(document) if not known(index.get(word, UNKNOWN))]
        for document in documents
    ]


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
        hint = (
            ""
            if marked
            else "; from Windows' Western encoding: `iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW`"
        )
        got = f"the byte 0x{content[error.start]:02x}"
        raise Refused(f"line {line}: expected {encoding}, got {got}. Convert it{hint}") from None
    if "\0" in text:  # what UTF-16 without a mark looks like
        raise Refused("expected text, got zero bytes; save it as UTF-8")
    return text


def lines(text: str) -> list[str]:
    """The lines of a text. Only \\n and \\r\\n end one: Unicode's other ends occur in sentences."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def some(names, most=3) -> str:
    """The first of these names, and how many more there are."""
    names = list(map(str, names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


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
    header = [
        repr(name.strip()[:40])[1:-1] or "a column without a name"
        for name in rows.pop(min(rows, default=0), [])
    ]
    missing, extra = Counter(columns) - Counter(header), Counter(header) - Counter(columns)
    if missing or extra:
        sides = {"missing": missing, "not expected": extra}
        problems = "; ".join(f"{side}: {some(names)}" for side, names in sides.items() if names)
        raise Refused(f"expected a line with the names of the {len(columns)} columns; {problems}")
    if not rows:
        raise Refused("there is no row under the names of the columns")
    for line, row in rows.items():
        if len(row) != len(columns):
            expected = f"expected {len(columns)} values, one for each column"
            raise Refused(f"line {line}: {expected}; got {len(row)}")
    places = [header.index(name) for name in columns]
    return {line: [row[place] for place in places] for line, row in rows.items()}


def table(content: str, dataset) -> tuple[list[int], np.ndarray]:
    """The rows of a CSV text as measured: the line of each, and (rows, columns) float32.

    Raises Refused.
    """
    if not dataset.columns:
        raise Refused("stages/core/data/datasets.py names no columns for this data set")
    found = cells(content, dataset.columns)
    with np.errstate(over="ignore"):
        numbers = pd.DataFrame(found.values()).apply(pd.to_numeric, errors="coerce")
        values = numbers.to_numpy("float64").astype("float32")
    pixels = f"a whole number from 0 to {dataset.highest}, as measured and not divided"
    for wrong, expected in (
        (~np.isfinite(values), "a finite number"),
        (dataset.impossible(values), pixels),
    ):
        for row, column in np.argwhere(wrong)[:1]:
            line, got = list(found.items())[row]
            place = f"line {line}, column {dataset.columns[column]}"
            raise Refused(f"{place}: expected {expected}; got {got[column][:40]!r}")
    return list(found), values


def far(values: np.ndarray, training: np.ndarray, columns) -> list[list[dict]]:
    """For each row the features further from the range of the training rows than it is wide.

    There the network extrapolates by more than all that it has seen. Rows a little beyond the range
    are common: test rows of Boston Housing lie up to 0.15 of its width outside.
    values, training: (rows, features) float32.
    """
    low, high = training.min(axis=0), training.max(axis=0)
    with np.errstate(over="ignore"):
        distant = np.maximum(low - values, values - high) > high - low
    found, ranges = [[] for _ in values], np.stack([low, high], axis=1)
    for row, at in np.argwhere(distant):
        value, *ends = (float(str(own)) for own in (values[row, at], *ranges[at]))  # 8.725 stays so
        found[row].append({"column": columns[at], "value": value, "training": ends})
    return found


def models(folder: Path) -> list:
    """The saved networks of all seeds. Raises Refused."""
    paths = sorted(folder.glob("seed_*.keras"))
    if not paths:
        raise Refused(
            f"there is no model in {folder}; `dvc repro` trains it and `dvc pull` fetches it"
        )
    from stages.core.run.lean_keras import (
        keras,
    )  # not before: a wrong argument need not wait for TensorFlow

    try:
        return [keras.models.load_model(path, compile=False, safe_mode=True) for path in paths]
    except Exception as error:  # a damaged file fails in many ways
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refused(
            f"{folder} holds a model that cannot be opened: {reason}. Remove it and run make repro."
        ) from None


def outputs(networks, rows) -> np.ndarray:
    """What each network predicts for the rows, dense or CSR: (seeds, rows, outputs)."""
    if networks[0].input_shape[1:] != rows.shape[1:]:
        raise Refused(
            f"the model takes rows of {networks[0].input_shape[1:]}, and params.yaml makes {rows.shape[1:]} of them; "
            "`dvc repro` trains a model with these params"
        )
    chunks = []
    for start in range(0, rows.shape[0], CHUNK):
        own = rows[start : start + CHUNK]
        own = own if isinstance(own, np.ndarray) else own.toarray()
        chunks.append([np.asarray(network(own, training=False)) for network in networks])
    return np.concatenate(chunks, axis=1)


def answers(dataset, predicted: np.ndarray) -> list[dict]:
    """For each row what the ensemble says. predicted: (seeds, rows, outputs).

    A regression: {"value", "std"}. Classes: {"class", "probability", "std"} of the most probable, and under "next" the
    same of those that follow. std: over the seeds; absent where there is one.
    """
    if not dataset.task.classifies:
        return [{"value": mean} | spread for mean, spread in _figures(predicted[:, :, 0])]
    if predicted.shape[2] == 1:
        predicted = np.concatenate([1 - predicted, predicted], axis=2)
    shown = min(SHOWN, predicted.shape[2]) if predicted.shape[2] > 2 else 1
    result = []
    for own in predicted.swapaxes(0, 1):  # (seeds, classes)
        order = np.argsort(-own.mean(axis=0), kind="stable")[:shown]
        names = [dataset.classes[label] if dataset.classes else str(label) for label in order]
        figures = [
            {"class": name, "probability": mean} | spread
            for name, (mean, spread) in zip(names, _figures(own[:, order]), strict=True)
        ]
        result.append(figures[0] | ({"next": figures[1:]} if shown > 1 else {}))
    return result


def _figures(values):
    """(mean, {"std": ...}) of each column."""
    for column in values.T.astype("float64"):
        spread = {"std": round(float(column.std(ddof=1)), 4)} if len(column) > 1 else {}
        yield round(float(column.mean()), 4), spread


def line(answer: dict, unit: str) -> str:
    """An answer for people."""
    if "value" in answer:
        return f"{answer['value']:.2f}{_spread(answer, 2)} {unit}".rstrip()
    parts = [
        f"{own['class']}  {own['probability']:.3f}{_spread(own, 3)}"
        for own in [answer, *answer.get("next", [])]
    ]
    text = "; then ".join([parts[0], ", ".join(parts[1:])]) if len(parts) > 1 else parts[0]
    if answer.get("unknown"):
        text += f"  (not in the vocabulary: {', '.join(answer['unknown'])})"
    return text


def _spread(figures, decimals):
    return f" ± {figures['std']:.{decimals}f}" if "std" in figures else ""


def read_documents(name, section, content: str) -> tuple:
    """Rows of a text data set, one a line of the content; of each {"line", "unknown"}.

    unknown: words outside the vocabulary. Lines without words are no rows. Raises Refused.
    """
    documents = {number: words(document) for number, document in enumerate(lines(content), 1)}
    documents = {number: document for number, document in documents.items() if document}
    if not documents:
        raise Refused("there is no document with a word in it: expected one a line")
    path, cached = Path(f"data/raw/{name}/{name}_word_index.json"), Path(f"data/arrays/{name}.npz")
    for needed in (path, cached):
        if not needed.is_file():
            raise Refused(f"{needed} is missing; `dvc repro` makes it and `dvc pull` fetches it")
    index, terms = word_index(path.read_bytes()), stored(cached).get("terms")
    known = set(terms.tolist()).__contains__ if terms is not None else _below(section.num_words)
    strange = unknown(documents.values(), index, known)
    notes = [{"line": at, "unknown": own} for at, own in zip(documents, strange, strict=True)]
    return encodings.encode(as_text(list(documents.values()), index), section, terms), notes


def _below(num_words):
    return lambda rank: rank + encodings.INDEX_FROM < num_words


def read_rows(name, section, content: str) -> tuple:
    """Rows of features or images; of each {"line"}, of features {"far"} as well.

    far: see the function of that name; absent where the training rows are not here.
    """
    dataset, cached = TABLE[name], Path(f"data/arrays/{name}.npz")
    numbers, values = table(content, dataset)
    notes = [{"line": number} for number in numbers]
    if dataset.kind == "features" and cached.is_file():
        distant = far(values, stored(cached)["x_train"], dataset.columns)
        notes = [note | {"far": own} for note, own in zip(notes, distant, strict=True)]
    return encodings.encode(dataset.scaled(values).reshape(-1, *dataset.shape), section), notes


def predict(name: str, content: str) -> list[dict]:
    """For each document or row an answer as `answers` gives it, and the notes of its reader.

    Raises Refused.
    """
    dataset, section = TABLE[name], params.load().datasets.get(name)
    if section is None:
        raise Refused(f"params.yaml has no datasets.{name}")
    reader = read_documents if dataset.kind == "text" else read_rows
    rows, notes = reader(name, section.preprocess, content)
    weighting = WEIGHTINGS[section.fit.weighting]
    predicted = outputs(models(Path(f"data/models/{name}")), weighting.values(rows))
    if len(wrong := np.flatnonzero(~np.isfinite(predicted).all(axis=(0, 2)))):
        raise Refused(f"line {notes[wrong[0]]['line']}: what the model gives for it is no number")
    return [answer | note for answer, note in zip(answers(dataset, predicted), notes, strict=True)]


def warnings(name: str, found: list[dict]) -> Iterator[str]:
    """What a person should know who reads these answers."""
    try:
        if {f"preprocess@{name}", f"train@{name}"} & {*review.stale(review.Revision("workspace"))}:
            yield "params or code are newer than the model; `dvc repro` trains it anew"
    except review.Unreadable as error:
        yield f"whether the model is that of the params cannot be told: {error}"
    distant = [
        f"line {answer['line']} ({own['column']} is {own['value']:g}, in training "
        f"{own['training'][0]:g} to {own['training'][1]:g})"
        for answer in found
        for own in answer.get("far", [])
    ]
    if distant:
        yield f"far outside the training rows an answer is a guess: {some(distant)}"


def read(chosen) -> str:
    """The content that the arguments name. Raises OSError and Refused."""
    if chosen.text is not None:
        return " ".join(decoded(os.fsencode(chosen.text)).split())
    standard_input = chosen.file in (None, "-")
    if standard_input and not sys.stdin:
        raise Refused("standard input is closed; name a file")
    return decoded(sys.stdin.buffer.read() if standard_input else Path(chosen.file).read_bytes())


def main():
    """Predict what the arguments say."""
    parser = parser_of(main)
    parser.add_argument("dataset", choices=TABLE)
    parser.add_argument("file", nargs="?", help="documents or CSV; - or nothing is standard input")
    parser.add_argument("--text", help="one document")
    parser.add_argument("--json", action="store_true", help="a list of objects, for programs")
    chosen = parser.parse_intermixed_args()
    dataset = TABLE[chosen.dataset]
    if chosen.text is not None and dataset.kind != "text":
        parser.error(f"--text is for documents; {chosen.dataset} takes a CSV file")
    if chosen.text is not None and chosen.file is not None:
        parser.error(f"expected --text or a file, got both: {chosen.file}")
    try:
        found = predict(chosen.dataset, read(chosen))
    except OSError as error:
        raise SystemExit(f"predict: {chosen.file} cannot be read: {error}") from None
    except (Refused, UnreadableFile) as error:
        raise SystemExit(f"predict: {error}") from None
    for warning in warnings(chosen.dataset, found):
        print(f"predict: {warning}", file=sys.stderr)
    told = {answer["line"]: line(answer, dataset.unit) for answer in found}
    numbers = range(1, max(told) + 1) if dataset.kind == "text" else told
    text = "\n".join(told.get(number, "") for number in numbers)
    print(json.dumps(found, indent=2) if chosen.json else text)


if __name__ == "__main__":
    tool(main)
