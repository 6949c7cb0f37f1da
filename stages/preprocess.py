"""Raw files -> arrays ready for a network: data/raw/<dataset>/ -> data/arrays/<dataset>.npz."""

import time
from pathlib import Path

import numpy as np

from stages.core import params
from stages.core.data import arrays, encodings
from stages.core.data.datasets import TABLE
from stages.core.run.files import whole
from stages.core.run.stage import run


def check(split, dataset):
    """Raise UnreadableFile where rows or labels are not those of the table of data sets."""
    if len(split.y_train) != dataset.rows:
        raise arrays.UnreadableFile(
            f"expected {dataset.rows} training rows, got {len(split.y_train)}"
        )
    for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
        if y.ndim != 1:
            raise arrays.UnreadableFile(
                f"expected one label for each row, got labels of shape {y.shape}"
            )
        if len(x) != len(y) or not len(y):
            raise arrays.UnreadableFile(
                f"expected a label for each row, got {len(x)} rows and {len(y)} labels"
            )
        if isinstance(x, np.ndarray) and x.shape[1:] != dataset.shape:
            raise arrays.UnreadableFile(
                f"expected rows of shape {dataset.shape}, got {x.shape[1:]}"
            )
        if isinstance(x, np.ndarray) and len(wrong := x[dataset.impossible(x)]):
            expected = f"expected whole numbers from 0 to {dataset.highest} as pixels"
            raise arrays.UnreadableFile(f"{expected}, got {wrong[0]:g}")
        if isinstance(x, arrays.Text) and (empty := np.count_nonzero(np.diff(x.splits) == 0)):
            raise arrays.UnreadableFile(
                f"expected words in each document, got {empty} of {len(x)} without any"
            )
        classes = max(2, dataset.outputs)
        if dataset.task.classifies and y.max() >= classes:
            raise arrays.UnreadableFile(f"expected classes from 0 to {classes - 1}, got {y.max()}")


def main(name):
    """Run the stage for one data set."""
    start, section, dataset = time.time(), params.load().datasets[name].preprocess, TABLE[name]
    folder = Path("data/raw") / name
    try:
        split = dataset.read(
            {file.name: (folder / file.name).read_bytes() for file in dataset.files}
        )
        check(split, dataset)
    except (arrays.UnreadableFile, FileNotFoundError) as error:
        raise SystemExit(
            f"{folder} cannot be read: {error}. Remove the folder and run make repro."
        ) from None
    # The vocabulary is chosen over all training rows: it looks at no label.
    pairs = section.encoding == "multi_hot" and section.ngrams == 2
    terms = {"terms": encodings.terms(split.x_train, section.num_words)} if pairs else {}
    rows = dataset.scaled(split.x_train), dataset.scaled(split.x_test)
    x_train, x_test = (encodings.encode(x, section, terms.get("terms")) for x in rows)
    with whole(Path("data/arrays") / f"{name}.npz") as path, path.open("wb") as file:
        packed = {**arrays.pack("x_train", x_train), **arrays.pack("x_test", x_test), **terms}
        # The test rows' words in order, for people who look at what a model got wrong.
        words = {}
        if dataset.kind == "text":
            words = {
                "words_test.ranks": split.x_test.ranks.astype("uint32"),
                "words_test.splits": split.x_test.splits,
            }
        np.savez(file, **packed, **words, y_train=split.y_train, y_test=split.y_test)
    shape = " x ".join(f"{size:,}" for size in x_train.shape[1:])
    rows = f"{x_train.shape[0]:,} training and {x_test.shape[0]:,} test rows of {shape}"
    print(f"preprocess {name}: {rows} as {section.encoding} in {time.time() - start:.1f} s")


if __name__ == "__main__":
    run(main)
