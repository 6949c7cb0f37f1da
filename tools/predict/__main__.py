"""Predict with the trained models: what it is, how sure they are, and how far the seeds agree.

    python -m tools.predict imdb --text "What a film"
    python -m tools.predict reuters news.txt            a document a line
    python -m tools.predict boston_housing houses.csv   a row a line, columns by name
    python -m tools.predict titanic passengers.csv      a table as it comes

Without a file, or with - in its place, standard input is read.
Documents are encoded as the training data were: lower case, without punctuation, by the word index
of the data set. A line without words is answered by an empty line. Pixels are whole numbers, as the
data set has them.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

if not __package__:
    raise SystemExit("to run tools/predict: python -m tools.predict NAME [FILE]")

from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params, sources
from stages.core.declared.task import TASKS
from stages.core.fit.learned import WEIGHTINGS
from stages.core.run.stage import parser_of, tool
from tools.predict.ensemble import answers, line, models, outputs
from tools.predict.rows import Refused, decoded, read_documents, read_raw, read_table, some
from tools.review import revisions


def predict(name: str, content: str) -> list[dict]:
    """For each document or row an answer as `answers` gives it, and the notes of its reader.

    Raises Refused.
    """
    source, section = sources.read(name), params.load().datasets[name]
    if source.kind == "text":
        rows, notes = read_documents(name, source, section.preprocess, content)
    elif source.kind == "table":
        rows, notes = read_raw(name, source, content)
    else:
        rows, notes = read_table(name, source, section.preprocess, content)
    rows = WEIGHTINGS[section.fit.weighting].values(rows)
    predicted = outputs(models(Path(f"data/models/{name}"), section.model.network), rows)
    if len(wrong := np.flatnonzero(~np.isfinite(predicted).all(axis=(0, 2)))):
        raise Refused(f"line {notes[wrong[0]]['line']}: what the model gives for it is no number")
    classes = source.classes if TASKS[section.data.task].classifies else None
    return [answer | note for answer, note in zip(answers(classes, predicted), notes, strict=True)]


def warnings(name: str, found: list[dict]) -> Iterator[str]:
    """What a person should know who reads these answers."""
    try:
        old = revisions.stale(revisions.Revision("workspace"))
        if {f"preprocess@{name}", f"train@{name}"} & {*old}:
            yield "params or code are newer than the model; `dvc repro` trains it anew"
    except revisions.Unreadable as error:
        yield f"whether the model is that of the params cannot be told: {error}"
    distant = [
        "line {} ({} is {:g}, in training {:g} to {:g})".format(
            answer["line"], feature["column"], feature["value"], *feature["training"]
        )
        for answer in found
        for feature in answer.get("far", [])
    ]
    if distant:
        yield f"far outside the training rows an answer is a guess: {some(distant)}"


def read(chosen) -> str:
    """The content that the arguments name. Raises OSError and Refused."""
    if chosen.text is not None:
        return " ".join(decoded(os.fsencode(chosen.text)).split())
    if chosen.file not in (None, "-"):
        return decoded(Path(chosen.file).read_bytes())
    if not sys.stdin:
        raise Refused("standard input is closed; name a file")
    return decoded(sys.stdin.buffer.read())


def main():
    """Predict what the arguments say."""
    parser = parser_of(main)
    parser.add_argument("dataset", choices=params.load().datasets)
    parser.add_argument("file", nargs="?", help="documents or CSV; - or nothing is standard input")
    parser.add_argument("--text", help="one document")
    parser.add_argument("--json", action="store_true", help="a list of objects, for programs")
    chosen = parser.parse_intermixed_args()
    source = sources.read(chosen.dataset)
    if chosen.text is not None and source.kind != "text":
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
    told = {answer["line"]: line(answer, source.unit) for answer in found}
    numbers = range(1, max(told) + 1) if source.kind == "text" else told
    text = "\n".join(told.get(number, "") for number in numbers)
    print(json.dumps(found, indent=2) if chosen.json else text)


if __name__ == "__main__":
    tool(main)
