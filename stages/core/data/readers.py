"""Files of a data set -> rows as they were measured. No paths, no TensorFlow."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.core.data import arrays, tables
from stages.core.declared.sources import Source
from stages.core.declared.strict_yaml import SHORT

SHUFFLE_SEED = 113  # of the Keras loaders: the order of the rows, so the validation rows, is theirs
TRAINING = 0.8  # share of the rows where the file does not tell training and test rows apart


@dataclass(frozen=True)
class Split:
    """Rows for training and for testing.

    x: Text, a DataFrame of text, (rows, features) or (rows, height, width, 1) float32. y: (rows,)
    classes or numbers.
    """

    x_train: arrays.Text | pd.DataFrame | np.ndarray
    y_train: np.ndarray
    x_test: arrays.Text | pd.DataFrame | np.ndarray
    y_test: np.ndarray


def read(source: Source, files: dict[str, bytes], classifies: bool) -> Split:
    """The rows of a data set, shuffled and split as the Keras loaders do. files: {name: content}.

    Raises arrays.UnreadableFile.
    """
    content = files[source.reader.file]
    if source.kind == "table":
        classes = len(source.classes) if classifies else 0
        return _stratified(*_table(content, source, classifies), classes)
    if source.kind == "images":
        return _cut(*_pixels(content, source.reader))
    file, x = arrays.read_npz(content), arrays.text if source.kind == "text" else arrays.features
    y = arrays.classes if classifies else arrays.features
    if "x_train" not in file:
        return _cut(x(file, "x"), y(file, "y"))
    random = np.random.RandomState(SHUFFLE_SEED)  # goes on from training to test rows
    train = _shuffled(random, x(file, "x_train"), y(file, "y_train"))
    return Split(*train, *_shuffled(random, x(file, "x_test"), y(file, "y_test")))


def _table(content, source, classifies):
    """Columns of text, and targets, of the rows that have one."""
    reader, frame = source.reader, tables.read(content, source.reader)
    frame = tables.chosen(frame, [*reader.columns, reader.target])
    frame = frame[frame[reader.target].notna()]
    target = frame.pop(reader.target)
    if not classifies:
        return frame, tables.numbers(target, reader.decimal).astype("float32")
    classes = pd.Index(source.classes, dtype="object").get_indexer_for(target).astype("int32")
    for row in np.flatnonzero(classes < 0)[:1]:
        expected = f"line {frame.index[row]}, column {reader.target}: expected one of `classes`"
        listed = SHORT.repr(list(source.classes))
        raise arrays.UnreadableFile(f"{expected}, {listed}, got {SHORT.repr(target.iloc[row])}")
    return frame, classes


def _stratified(frame, y, classes):
    """The rows shuffled and cut with equal shares of the classes."""
    from sklearn.model_selection import train_test_split

    counts = np.bincount(y, minlength=classes) if classes else np.array([2])
    if counts.min() < 2 or len(y) < 5 * len(counts):
        expected = "expected five rows or more for each class, and two or more of each"
        raise arrays.UnreadableFile(f"{expected}, got {len(y)} rows, {counts.min()} of a class")
    settings = {"train_size": TRAINING, "random_state": SHUFFLE_SEED}
    settings["stratify"] = y if classes else None
    train, test = train_test_split(np.arange(len(y)), **settings)
    x = (frame.iloc[part] for part in (train, test))
    return Split(next(x), y[train], next(x), y[test])


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
