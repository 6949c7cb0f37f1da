"""One table: what each data set is, where its files come from and how they are read. No TensorFlow, no paths."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.core import arrays

KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHUFFLE_SEED = 113  # of the Keras loaders: the order of the rows, and so the validation rows, is theirs


@dataclass(frozen=True)
class Task:
    """What is predicted.

    metric: the main metric, under the name that metrics files use. label, loss: what axes say for it and the loss.
    """

    name: str
    metric: str
    label: str
    loss: str

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return self.metric == "accuracy"


BINARY = Task("binary", "accuracy", "accuracy (share of rows)", "loss: cross-entropy (nats)")
MULTICLASS = Task("multiclass", "accuracy", "accuracy (share of rows)", "loss: cross-entropy (nats)")
REGRESSION = Task("regression", "mae", "mean absolute error", "loss: mean squared error")


@dataclass(frozen=True)
class File:
    """An official file: its name, size in bytes and SHA-256, and the URL of its folder where that is not Keras' own."""

    name: str
    size: int
    sha256: str
    folder: str | None = None

    @property
    def url(self) -> str:
        """The official address."""
        return (self.folder or KERAS) + self.name


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
    read: {file name: bytes} -> Split. unit: of a target that is a number.
    """

    title: str
    task: Task
    kind: str
    rows: int
    outputs: int
    files: tuple[File, ...]
    read: Callable[[dict[str, bytes]], Split]
    unit: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """What axes say: {"loss": ..., the main metric: ...}, with units."""
        units = (f" ({self.unit} squared)", f" ({self.unit})") if self.unit else ("", "")
        return {"loss": self.task.loss + units[0], self.task.metric: self.task.label + units[1]}


def shuffled(random, *columns):
    """Each column in the order in which the Keras loaders give rows; `random` goes on from file part to file part."""
    if len({len(column) for column in columns}) > 1:
        raise arrays.UnreadableFile(f"expected columns of one length, got {[len(column) for column in columns]}")
    order = np.arange(len(columns[0]))
    random.shuffle(order)
    return [column[order] for column in columns]


def cut(x, y, train_share=0.8):
    """Split shuffled rows as the Keras loaders do: the first four fifths train."""
    rows = int(len(x) * train_share)
    return Split(x[:rows], y[:rows], x[rows:], y[rows:])


def read_split_text(files, name):
    """Text whose file holds training and test rows apart (IMDB): x_train, y_train, x_test, y_test."""
    file = arrays.read_npz(files[name])
    random = np.random.RandomState(SHUFFLE_SEED)
    train = shuffled(random, arrays.text(file, "x_train"), arrays.classes(file, "y_train"))
    test = shuffled(random, arrays.text(file, "x_test"), arrays.classes(file, "y_test"))
    return Split(*train, *test)


def read_text(files, name):
    """Text whose file holds all rows together (Reuters): x, y."""
    file = arrays.read_npz(files[name])
    return cut(*shuffled(np.random.RandomState(SHUFFLE_SEED), arrays.text(file, "x"), arrays.classes(file, "y")))


def read_features(files, name):
    """Rows of features (Boston Housing): x, y."""
    file = arrays.read_npz(files[name])
    return cut(*shuffled(np.random.RandomState(SHUFFLE_SEED), arrays.features(file, "x"), arrays.features(file, "y")))


TABLE = {
    "imdb": Dataset(
        title="IMDB reviews",
        task=BINARY,
        kind="text",
        rows=25_000,
        outputs=1,
        files=(
            File("imdb.npz", 17_464_789, "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"),
            File(
                "imdb_word_index.json",
                1_641_221,
                "027313fe9a320280f3bf0fac5baf58c4a683cf39a7ed9c3d3d3912bde4284cf6",
            ),
        ),
        read=partial(read_split_text, name="imdb.npz"),
    ),
    "reuters": Dataset(
        title="Reuters newswires",
        task=MULTICLASS,
        kind="text",
        rows=8_982,
        outputs=46,
        files=(
            File("reuters.npz", 2_110_848, "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"),
            File(
                "reuters_word_index.json",
                550_378,
                "9b56000edc4b34a32e89fd5a23b2605594682c74efcf7d8f4e2a5514b771e633",
            ),
        ),
        read=partial(read_text, name="reuters.npz"),
    ),
    "boston_housing": Dataset(
        title="Boston Housing",
        task=REGRESSION,
        kind="features",
        rows=404,
        outputs=1,
        files=(
            File(
                "boston_housing.npz",
                57_026,
                "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
            ),
        ),
        read=partial(read_features, name="boston_housing.npz"),
        unit="thousand dollars",
    ),
}
