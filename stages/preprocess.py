"""Raw files -> arrays ready for a network: data/raw/<dataset>/ -> data/arrays/<dataset>.npz."""

import sys
import time
from pathlib import Path

import numpy as np

from stages.core import arrays, params
from stages.core.datasets import TABLE
from stages.core.files import whole


def encode(x, section) -> np.ndarray:
    """Rows as the network takes them: text as multi-hot CSR rows, features as they are."""
    return arrays.multi_hot(x, section.num_words) if section.encoding == "multi_hot" else x


def main(name):
    """Run the stage for one data set."""
    start, section, dataset = time.time(), params.load().sections[name].preprocess, TABLE[name]
    folder = Path("data/raw") / name
    try:
        split = dataset.read({path.name: path.read_bytes() for path in folder.iterdir()})
    except arrays.UnreadableFile as error:
        raise SystemExit(f"{folder} cannot be read: {error}. Remove the folder and run dvc repro again.") from None
    if len(split.y_train) != dataset.rows:
        raise SystemExit(f"{folder}: expected {dataset.rows} training rows, got {len(split.y_train)}")
    x_train, x_test = encode(split.x_train, section), encode(split.x_test, section)
    with whole(Path("data/arrays") / f"{name}.npz") as path, path.open("wb") as file:
        packed = {**arrays.pack("x_train", x_train), **arrays.pack("x_test", x_test)}
        # The test rows' words in order, for people who look at what a model got wrong.
        words = {}
        if dataset.kind == "text":
            words = {"words_test.ranks": split.x_test.ranks.astype("uint32"), "words_test.splits": split.x_test.splits}
        np.savez(file, **packed, **words, y_train=split.y_train, y_test=split.y_test)
    rows = f"{x_train.shape[0]:,} training and {x_test.shape[0]:,} test rows of {x_train.shape[1]:,} features"
    print(f"preprocess {name}: {rows} as {section.encoding} in {time.time() - start:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1])
