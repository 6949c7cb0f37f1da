"""One table: what each data set is, where its files come from and how they are read. No TensorFlow, no paths."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.core import arrays, synthetic

KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHUFFLE_SEED = 113  # of the Keras loaders: the order of the rows, and so the validation rows, is theirs


@dataclass(frozen=True)
class Task:
    """What is predicted: its main metric, under the name that metrics files use, and whether more of it is better."""

    name: str
    metric: str
    more_is_better: bool

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return self.metric == "accuracy"


BINARY = Task("binary", "accuracy", more_is_better=True)
MULTICLASS = Task("multiclass", "accuracy", more_is_better=True)
REGRESSION = Task("regression", "mae", more_is_better=False)


@dataclass(frozen=True)
class File:
    """An official file: its name, its size in bytes and the SHA-256 of its bytes."""

    name: str
    size: int
    sha256: str

    @property
    def url(self) -> str:
        """The official address."""
        return KERAS + self.name


@dataclass(frozen=True)
class Split:
    """Rows for training and for testing: x text, features or images; y integers (classes) or float32."""

    x_train: arrays.Text | np.ndarray
    y_train: np.ndarray
    x_test: arrays.Text | np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """One data set.

    rows: training rows. outputs: classes of a multiclass task, otherwise 1. kind: "text" or "features".
    read: {file name: bytes} -> Split. synthesize: () -> {file name: bytes}, stand-ins of the same schema.
    """

    title: str
    task: Task
    kind: str
    rows: int
    outputs: int
    files: tuple[File, ...]
    read: Callable[[dict[str, bytes]], Split]
    synthesize: Callable[[], dict[str, bytes]]


def shuffled(*columns):
    """Each column in the order that the Keras loaders give rows: one shuffle with their seed."""
    order = np.arange(len(columns[0]))
    np.random.RandomState(SHUFFLE_SEED).shuffle(order)
    return [column[order] for column in columns]


def cut(x, y, train_share=0.8):
    """Split shuffled rows as the Keras loaders do: the first four fifths train."""
    rows = int(len(x) * train_share)
    return Split(x[:rows], y[:rows], x[rows:], y[rows:])


def read_split_text(files, name):
    """Text whose file holds training and test rows apart (IMDB): x_train, y_train, x_test, y_test."""
    file = arrays.read_npz(files[name])
    train = shuffled(arrays.text(file, "x_train"), arrays.classes(file, "y_train"))
    test = shuffled(arrays.text(file, "x_test"), arrays.classes(file, "y_test"))
    return Split(*train, *test)


def read_text(files, name):
    """Text whose file holds all rows together (Reuters): x, y."""
    file = arrays.read_npz(files[name])
    return cut(*shuffled(arrays.text(file, "x"), arrays.classes(file, "y")))


def read_features(files, name):
    """Rows of features (Boston Housing): x, y."""
    file = arrays.read_npz(files[name])
    return cut(*shuffled(arrays.features(file, "x"), arrays.features(file, "y")))
