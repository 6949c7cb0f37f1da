"""Raw files -> arrays ready for a network: data/raw/<dataset>/ -> data/arrays/<dataset>.npz."""

import time
from pathlib import Path

import numpy as np

from stages.core.data import arrays, readers, traps
from stages.core.data.encodings import Encoding
from stages.core.data.schema import Schema, check
from stages.core.declared import params, sources
from stages.core.declared.task import TASKS
from stages.core.run.files import whole
from stages.core.run.stage import run


def words(text) -> dict[str, np.ndarray]:
    """The test rows' words in order, for people who look at what a model got wrong."""
    if text is None:
        return {}
    return {"words_test.ranks": text.ranks.astype("uint32"), "words_test.splits": text.splits}


def prepared(name, section) -> tuple[Schema, dict[str, np.ndarray]]:
    """What is learned of the training rows, and all arrays. Exits where files cannot be read."""
    source, folder = sources.read(name), Path("data/raw") / name
    task = TASKS[section.data.task]
    try:
        files = {file.name: (folder / file.name).read_bytes() for file in source.files}
        split = readers.read(source, section.data, files)
        classes = check(source, task, split)
        encoding = Encoding.learn(section.preprocess, source, split.x_train)
        x_train, x_test = (encoding.encode(x) for x in (split.x_train, split.x_test))
    except (arrays.UnreadableFile, FileNotFoundError) as error:
        says = f"{sources.path_of(name)} and datasets.{name}.data"
        raise SystemExit(
            f"{folder} cannot be read as {says} say: {error}. Correct the file or what they say; "
            "where the folder was damaged, remove it and run make repro."
        ) from None
    by = getattr(section.data, split.keys.by, "")  # the column, of a group or a time
    found, asked = {}, f"{split.keys.by} {by}".rstrip()
    if source.kind == "table":
        rows = split.x_train, split.passed, split.y_train
        found = traps.found(*rows, source.reader, task, split.keys)
    schema = Schema(task, classes, encoding.features, x_train.shape[1:], asked, found)
    packed = {**arrays.pack("x_train", x_train), **arrays.pack("x_test", x_test)}
    packed |= {"y_train": split.y_train, "y_test": split.y_test}
    packed |= words(encoding.documents(split.x_test))
    return schema, packed | schema.pack() | encoding.pack() | split.keys.pack()


def main(name):
    """Run the stage for one data set."""
    start, section = time.time(), params.load().datasets[name]
    schema, found = prepared(name, section)
    with whole(Path("data/arrays") / f"{name}.npz") as path, path.open("wb") as file:
        np.savez(file, **found)
    shape = " x ".join(f"{size:,}" for size in schema.shape)
    counts = f"{len(found['y_train']):,} training and {len(found['y_test']):,} test rows of {shape}"
    kind = section.preprocess.encoding
    print(f"preprocess {name}: {counts} as {kind} in {time.time() - start:.1f} s")


if __name__ == "__main__":
    run(main)
