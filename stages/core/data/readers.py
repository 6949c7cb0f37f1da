"""Files of a data set -> rows as they were measured. No paths, no TensorFlow."""

from dataclasses import dataclass

import numpy as np

from stages.core.data import arrays
from stages.core.declared.sources import Source

SHUFFLE_SEED = 113  # of the Keras loaders: the order of the rows, so the validation rows, is theirs
TRAINING = 0.8  # share of the rows where the file does not tell training and test rows apart


@dataclass(frozen=True)
class Split:
    """Rows for training and for testing.

    x: Text, (rows, features) or (rows, height, width, 1) float32. y: (rows,) classes or numbers.
    """

    x_train: arrays.Text | np.ndarray
    y_train: np.ndarray
    x_test: arrays.Text | np.ndarray
    y_test: np.ndarray


def read(source: Source, files: dict[str, bytes], classifies: bool) -> Split:
    """The rows of a data set, shuffled and split as the Keras loaders do. files: {name: content}.

    Raises arrays.UnreadableFile.
    """
    content = files[source.reader.file]
    if source.kind == "images":
        return _cut(*_pixels(content, source.reader))
    file, x = arrays.read_npz(content), arrays.text if source.kind == "text" else arrays.features
    y = arrays.classes if classifies else arrays.features
    if "x_train" not in file:
        return _cut(x(file, "x"), y(file, "y"))
    random = np.random.RandomState(SHUFFLE_SEED)  # goes on from training to test rows
    train = _shuffled(random, x(file, "x_train"), y(file, "y_train"))
    return Split(*train, *_shuffled(random, x(file, "x_test"), y(file, "y_test")))


def _pixels(content, reader):
    table = arrays.gzipped_table(content, int(np.prod(reader.shape)) + 1)
    x = table[:, :-1].reshape(-1, *reader.shape, 1).astype("float32")
    return x, arrays.classes({"class": table[:, -1]}, "class")


def _shuffled(random, x, y):
    if len(x) != len(y) or not len(y):
        got = f"{len(x)} rows and {len(y)} labels"
        raise arrays.UnreadableFile(f"expected a label for each row, got {got}")
    order = np.arange(len(x))
    random.shuffle(order)
    return x[order], y[order]


def _cut(x, y):
    x, y = _shuffled(np.random.RandomState(SHUFFLE_SEED), x, y)
    rows = int(len(x) * TRAINING)
    return Split(x[:rows], y[:rows], x[rows:], y[rows:])
