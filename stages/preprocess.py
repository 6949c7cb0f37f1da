"""Raw files -> arrays ready for a network: data/raw/<dataset>/ -> data/arrays/<dataset>.npz."""

import time
from pathlib import Path

import numpy as np

from stages.core.data import arrays, encodings, readers, schema, tables
from stages.core.declared import params, sources
from stages.core.declared.task import TASKS
from stages.core.run.files import whole
from stages.core.run.stage import run


def words(split) -> dict[str, np.ndarray]:
    """The test rows' words in order, for people who look at what a model got wrong."""
    if not isinstance(split.x_test, arrays.Text):
        return {}
    ranks = split.x_test.ranks.astype("uint32")
    return {"words_test.ranks": ranks, "words_test.splits": split.x_test.splits}


def encoded(source, section, split):
    """Training and test rows as networks take them; columns, of a table; terms, where they are
    chosen.
    """
    both = split.x_train, split.x_test
    if source.kind == "table":
        kinds = {k: v for k, v in source.reader.columns.items() if k not in section.drop}
        columns = tables.learn(split.x_train, kinds, source.reader, section.levels, section.rare)
        return *(tables.encode(x, columns, source.reader) for x in both), columns, None
    # The vocabulary is chosen over all training rows: it looks at no label.
    pairs = section.encoding == "multi_hot" and section.ngrams == 2
    terms = encodings.terms(split.x_train, section.num_words) if pairs else None
    return *(encodings.encode(source.scaled(x), section, terms) for x in both), (), terms


def main(name):
    """Run the stage for one data set."""
    start, section, source = time.time(), params.load().datasets[name], sources.read(name)
    folder, task, preprocess = Path("data/raw") / name, TASKS[section.data.task], section.preprocess
    try:
        files = {file.name: (folder / file.name).read_bytes() for file in source.files}
        split = readers.read(source, files, task.classifies)
        classes = schema.check(source, task, split)
        x_train, x_test, columns, terms = encoded(source, preprocess, split)
    except (arrays.UnreadableFile, FileNotFoundError) as error:
        says = f"{sources.path_of(name)} and data.task"
        raise SystemExit(
            f"{folder} cannot be read as {says} say: {error}. Correct the file or what they say; "
            "where the folder was damaged, remove it and run make repro."
        ) from None
    features = tuple(each for column in columns for each in column.features) or source.names
    learned = schema.Schema(task, classes, features, x_train.shape[1:], columns)
    with whole(Path("data/arrays") / f"{name}.npz") as path, path.open("wb") as file:
        packed = {**arrays.pack("x_train", x_train), **arrays.pack("x_test", x_test)}
        packed |= {} if terms is None else {"terms": terms}
        packed |= {"y_train": split.y_train, "y_test": split.y_test}
        np.savez(file, **packed, **words(split), **learned.pack())
    shape = " x ".join(f"{size:,}" for size in learned.shape)
    rows = f"{x_train.shape[0]:,} training and {x_test.shape[0]:,} test rows of {shape}"
    print(f"preprocess {name}: {rows} as {preprocess.encoding} in {time.time() - start:.1f} s")


if __name__ == "__main__":
    run(main)
