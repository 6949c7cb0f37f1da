"""Predict with the trained models: what it is, how sure they are, and how far the seeds agree.

    python -m tools.predict imdb --text "What a film"
    python -m tools.predict reuters news.txt            a document a line
    python -m tools.predict boston_housing houses.csv   a row a line, columns by name
    python -m tools.predict titanic passengers.csv      a table as it comes
    python -m tools.predict flowers rose.jpg lily.png   images, or texts, a file each

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
from stages.core.data.schema import Schema
from stages.core.declared import params, sources
from stages.core.declared.task import TASKS
from stages.core.fit.learned import WEIGHTINGS
from stages.core.run.stage import parser_of, tool
from tools.predict.ensemble import answers, line, models, outputs
from tools.predict.rows import (
    Refused,
    arrays_file,
    decoded,
    read_documents,
    read_features,
    read_images,
    read_raw,
    read_texts,
    some,
)
from tools.predict.texts import arrays_of
from tools.review import revisions

TEXT, STANDARD_INPUT = "--text", "-"  # in place of a file


def by_file(source, contents) -> bool:
    """Whether each file is a row, as in the folders of which the data set is made."""
    lines = source.kind in READERS and {*contents} & {TEXT, STANDARD_INPUT}
    return source.kind in FILES and not lines


def predict(name: str, contents: dict[str, bytes]) -> list[dict]:
    """For each document, row or image an answer as `answers` gives it, and its reader's notes.

    contents: of the files, several where each is a row. Raises Refused and UnreadableFile.
    """
    source, section = sources.read(name), params.load().datasets[name]
    if by_file(source, contents):
        rows, notes = FILES[source.kind](name, source, section, contents)
    else:
        (content,) = contents.values()
        content = content if source.kind == "table" else decoded(content)
        rows, notes = READERS[source.kind](name, source, section, content)
    rows = WEIGHTINGS[section.fit.weighting].values(rows)
    predicted = outputs(models(Path(f"data/models/{name}"), section.model.network), rows)
    if len(wrong := np.flatnonzero(~np.isfinite(predicted).all(axis=(0, 2)))):
        at = " ".join(map(str, next(iter(notes[wrong[0]].items()))))
        raise Refused(f"{at}: what the model gives for it is no number")
    classes = None
    if TASKS[section.data.task].classifies:
        here = arrays_of(name).is_file()
        classes = Schema.unpack(arrays_file(name)).classes if here else source.classes
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
    unseen = [
        "line {} ({} is {})".format(answer["line"], each["column"], ascii(each["value"][:40]))
        for answer in found
        for each in answer.get("unseen", [])
    ]
    if unseen:
        yield f"a category that no training row has says nothing: {some(unseen)}"
    if distant:
        yield f"far outside the training rows an answer is a guess: {some(distant)}"


def read(chosen) -> dict[str, bytes]:
    """What the arguments name, by the names of files. Raises OSError and Refused."""
    if chosen.text is not None:
        return {TEXT: " ".join(decoded(os.fsencode(chosen.text)).split()).encode()}
    if chosen.files and chosen.files != [STANDARD_INPUT]:
        return {file: Path(file).read_bytes() for file in chosen.files}
    if not sys.stdin:
        raise Refused("standard input is closed; name a file")
    return {STANDARD_INPUT: sys.stdin.buffer.read()}


def main():
    """Predict what the arguments say."""
    parser = parser_of(main)
    parser.add_argument("dataset", choices=params.load().datasets)
    parser.add_argument("files", nargs="*", metavar="file", help="see above; - is standard input")
    parser.add_argument("--text", help="one document")
    parser.add_argument("--json", action="store_true", help="a list of objects, for programs")
    chosen = parser.parse_intermixed_args()
    source = sources.read(chosen.dataset)
    if chosen.text is not None and source.kind not in ("text", "text_folders"):
        parser.error(f"--text is for documents; {chosen.dataset} takes a file")
    if chosen.text is not None and chosen.files:
        parser.error(f"expected --text or a file, got both: {chosen.files[0]}")
    if len(chosen.files) > 1 and source.kind not in FILES:
        parser.error(f"expected one file, got {len(chosen.files)}: several are for folders")
    try:
        found = predict(chosen.dataset, read(chosen))
    except OSError as error:
        raise SystemExit(f"predict: {error.filename} cannot be read: {error}") from None
    except (Refused, UnreadableFile) as error:
        raise SystemExit(f"predict: {error}") from None
    for warning in warnings(chosen.dataset, found):
        print(f"predict: {warning}", file=sys.stderr)
    if chosen.json:
        print(json.dumps(found, indent=2))
        return
    told = {answer.get("line"): line(answer, source.unit) for answer in found}
    if "file" in found[0]:
        print("\n".join(f"{answer['file']}: {line(answer, source.unit)}" for answer in found))
    elif source.kind in ("text", "text_folders"):  # an empty line answers one without words
        print("\n".join(told.get(number, "") for number in range(1, max(told) + 1)))
    else:
        print("\n".join(told.values()))


READERS = {
    "text": read_documents,
    "text_folders": read_documents,
    "table": read_raw,
    "features": read_features,
    "images": read_features,
}
FILES = {"text_folders": read_texts, "image_folders": read_images}

if __name__ == "__main__":
    tool(main)
