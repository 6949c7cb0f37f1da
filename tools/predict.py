"""Predict with the trained models: what it is, how sure they are, and how far the seeds agree.

    python -m tools.predict imdb --text "What a film"
    python -m tools.predict reuters news.txt            a document a line; - or nothing is standard input
    python -m tools.predict boston_housing houses.csv   a row a line, columns by name

Documents are encoded as the training data were: lower case, without punctuation, by the word index of the data set.
"""

import argparse
import io
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from stages.core import encodings, params
from stages.core.arrays import Text, UnreadableFile, stored, word_index
from stages.core.datasets import TABLE
from stages.core.weightings import WEIGHTINGS
from tools import review

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
    signs = {ord(sign): " " for sign in set(document) if unicodedata.category(sign)[0] in "PS"}
    spaced = document.translate(signs | dict.fromkeys(map(ord, APOSTROPHES), "'"))
    usual = unicodedata.normalize("NFKC", spaced).lower()
    unseen = {ord(sign): None for sign in set(usual) if unicodedata.category(sign) in ("Cf", "Mn")}
    return usual.translate(unseen).split()  # without soft hyphens, marks left alone and the like


def as_text(documents: list[list[str]], index: dict[str, int]) -> Text:
    """Documents as word ranks; words that the index does not have get a rank beyond any vocabulary."""
    ranks = [index.get(word, UNKNOWN) for document in documents for word in document]
    return Text(np.array(ranks, "int64"), np.cumsum([0, *map(len, documents)]))


def unknown(documents, index, known) -> list[list[str]]:
    """The words of each document whose rank is not `known`, each once, in their order."""
    return [[word for word in dict.fromkeys(document) if not known(index.get(word, UNKNOWN))] for document in documents]


def table(content: str, columns: tuple[str, ...]) -> np.ndarray:
    """The rows of a CSV text by the names of its columns, in any order: (rows, columns) float32. Raises Refused."""
    if not columns:
        raise Refused("stages/core/datasets.py names no columns for this data set")
    try:
        frame = pd.read_csv(io.StringIO(content), skipinitialspace=True)
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise Refused(f"the rows are no CSV: {error}") from None
    if not isinstance(frame.index, pd.RangeIndex):  # pandas took the first values for names of the rows
        raise Refused(f"expected {len(frame.columns)} values in each row, one for each column; got more")
    missing, extra = set(columns) - set(frame), set(frame) - set(columns)
    if missing or extra:
        problems = [
            f"{word} {', '.join(sorted(map(str, own)))}" for word, own in (("without", missing), ("with", extra)) if own
        ]
        raise Refused(f"expected the columns {', '.join(columns)}; got a table {' and '.join(problems)}")
    with np.errstate(over="ignore"):
        numbers = frame[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy("float64").astype("float32")
    if not len(numbers):
        raise Refused("there is no row under the names of the columns")
    if len(bad := np.argwhere(~np.isfinite(numbers))):
        row, column = bad[0]
        got = frame[columns[column]].iloc[row]
        raise Refused(f"row {row + 1}, column {columns[column]}: expected a finite number, got {got!r}")
    return numbers


def models(folder: Path) -> list:
    """The saved networks of all seeds. Raises Refused."""
    paths = sorted(folder.glob("seed_*.keras"))
    if not paths:
        raise Refused(f"there is no model in {folder}; `dvc repro` trains it and `dvc pull` fetches it")
    from stages.core.lean_keras import keras  # not before: a wrong argument need not wait for TensorFlow

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
    parts = [f"{own['class']}  {own['probability']:.3f}{_spread(own, 3)}" for own in [answer, *answer.get("next", [])]]
    text = "; then ".join([parts[0], ", ".join(parts[1:])]) if len(parts) > 1 else parts[0]
    if answer.get("unknown"):
        text += f"  (not in the vocabulary: {', '.join(answer['unknown'])})"
    return text


def _spread(figures, decimals):
    return f" ± {figures['std']:.{decimals}f}" if "std" in figures else ""


def read_documents(name, section, content: str) -> tuple:
    """Rows of a text data set, one a line of the content, and the words that the vocabulary does not have."""
    documents = [words(own) for own in content.splitlines()]
    for number, document in enumerate(documents, 1):
        if not document:
            raise Refused(f"document {number} of {len(documents)} has no word")
    if not documents:
        raise Refused("there is no document: expected one a line")
    path, cached = Path(f"data/raw/{name}/{name}_word_index.json"), Path(f"data/arrays/{name}.npz")
    for needed in (path, cached):
        if not needed.is_file():
            raise Refused(f"{needed} is missing; `dvc repro` makes it and `dvc pull` fetches it")
    index, terms = word_index(path.read_bytes()), stored(cached).get("terms")
    known = set(terms.tolist()).__contains__ if terms is not None else _below(section.num_words)
    return encodings.encode(as_text(documents, index), section, terms), unknown(documents, index, known)


def _below(num_words):
    return lambda rank: rank + encodings.INDEX_FROM < num_words


def predict(name: str, content: str) -> list[dict]:
    """An answer for each document or row of the content; see `answers`. Raises Refused."""
    dataset, section = TABLE[name], params.load().sections.get(name)
    if section is None:
        raise Refused(f"params.yaml has no section {name}")
    if dataset.kind == "text":
        rows, strange = read_documents(name, section.preprocess, content)
    else:
        rows, strange = table(content, dataset.columns), None
        rows = encodings.encode(rows.reshape(-1, *dataset.shape), section.preprocess)
    weighting = WEIGHTINGS[section.model.weighting]
    found = answers(dataset, outputs(models(Path(f"data/models/{name}")), weighting.values(rows)))
    for answer, own in zip(found, strange or [None] * len(found), strict=True):
        if own is not None:
            answer["unknown"] = own
    return found


def main():
    """Predict what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=TABLE)
    parser.add_argument("file", nargs="?", default="-", help="a document a line, or a CSV file; - is standard input")
    parser.add_argument("--text", help="one document")
    parser.add_argument("--json", action="store_true", help="a list of objects, for programs")
    chosen = parser.parse_args()
    if chosen.text is not None and TABLE[chosen.dataset].kind != "text":
        parser.error(f"--text is for documents; {chosen.dataset} takes a CSV file")
    try:
        if chosen.text is not None:
            content = " ".join(chosen.text.split())
        else:
            content = sys.stdin.read() if chosen.file == "-" else Path(chosen.file).read_text(encoding="utf-8-sig")
        found = predict(chosen.dataset, content)
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"predict: {chosen.file} cannot be read: {error}") from None
    except (Refused, UnreadableFile) as error:
        raise SystemExit(f"predict: {error}") from None
    old = {stage.strip() for stage in review.stale(review.Revision("workspace")).split(",")}
    if old & {"preprocess", "train"}:
        print("predict: params or code are newer than the model; `dvc repro` trains it anew", file=sys.stderr)
    if chosen.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(line(answer, TABLE[chosen.dataset].unit) for answer in found))


if __name__ == "__main__":
    main()
