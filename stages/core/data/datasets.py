"""One table: what each data set is, where its files come from and how they are read. No TensorFlow, no paths."""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from stages.core.data import arrays

KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHUFFLE_SEED = (
    113  # of the Keras loaders: the order of the rows, and so the validation rows, is theirs
)
SHARE, ERROR = (
    (0.0, 1.0),
    (0.0, math.inf),
)  # the least and the most that a share of rows, and an error, can be


@dataclass(frozen=True)
class Task:
    """What is predicted.

    metric: the main one, under the name that metrics files use. label: what axes say for it. bounds: the least and
    the most that it can be. Every loss is an error.
    """

    name: str
    metric: str
    label: str
    bounds: tuple[float, float]

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return self.metric == "accuracy"

    def bounds_of(self, figure: str) -> tuple[float, float]:
        """The least and the most that a figure of a fold can be: the main metric, or the loss."""
        return self.bounds if figure == self.metric else ERROR

    def higher_is_better(self, figure: str) -> bool:
        """Whether more of such a figure is better."""
        return figure == self.metric and self.classifies


BINARY = Task("binary", "accuracy", "accuracy (share of rows)", SHARE)
MULTICLASS = Task("multiclass", "accuracy", "accuracy (share of rows)", SHARE)
REGRESSION = Task("regression", "mae", "mean absolute error", ERROR)


@dataclass(frozen=True)
class File:
    """An official file: its name, size in bytes and SHA-256, and where it is when not at Keras' own address.

    folder: a URL, or a folder inside an installed package such as "package:sklearn/datasets/data/".
    """

    name: str
    size: int
    sha256: str
    folder: str = ""

    @property
    def address(self) -> str:
        """The official address, or the path inside the installed package."""
        if not self.packaged:
            return (self.folder or KERAS) + self.name
        package, _, path = self.folder.removeprefix("package:").partition("/")
        return str(Path(importlib.util.find_spec(package).origin).parent / path / self.name)

    @property
    def packaged(self) -> bool:
        """Whether the file comes with a package, so that no download is needed."""
        return self.folder.startswith("package:")


@dataclass(frozen=True)
class Split:
    """Rows for training and for testing, as measured.

    x: text, features or images. y: integers (classes) or float32.
    """

    x_train: arrays.Text | np.ndarray
    y_train: np.ndarray
    x_test: arrays.Text | np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """One data set.

    rows: training rows. outputs: classes of a multiclass task, otherwise 1. kind: "text", "features" or "images".
    read: {file name: bytes} -> Split. unit: of a target that is a number. columns: names of the features, where they
    have some. classes: names of the classes, where they have some. highest: pixels are whole
    numbers from 0 to this.

    Readers give rows as they were measured. What else a network needs is done by `scaled` and by
    encodings.encode, which preprocess and predict both call.
    """

    title: str
    task: Task
    kind: str
    rows: int
    outputs: int
    files: tuple[File, ...]
    read: Callable[[dict[str, bytes]], Split]
    unit: str = ""
    shape: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    highest: int = 0

    def scaled(self, x):
        """Rows as networks take them: pixels divided to be from 0 to 1, all else as it is."""
        return x / np.float32(self.highest) if self.highest else x

    def impossible(self, x: np.ndarray) -> np.ndarray:
        """Which measured values no pixel can have: bool, in the shape of x; False for features."""
        return ((x < 0) | (x > self.highest) | (x != np.rint(x))) & bool(self.highest)

    def labels(self, quantity: str) -> dict[str, str]:
        """What axes say, with units: {"loss": ..., the main metric: ...}. quantity: what the loss measures."""
        units = {"cross-entropy": "nats"}
        if self.unit:
            units |= {
                "mean squared error": f"{self.unit} squared",
                "mean absolute error": self.unit,
            }
        loss = f"loss: {quantity}" + (f" ({units[quantity]})" if quantity in units else "")
        return {
            "loss": loss,
            self.task.metric: self.task.label + (f" ({self.unit})" if self.unit else ""),
        }


def shuffled(random, *columns):
    """Each column in the order in which the Keras loaders give rows; `random` goes on from file part to file part."""
    if len({len(column) for column in columns}) > 1:
        raise arrays.UnreadableFile(
            f"expected columns of one length, got {[len(column) for column in columns]}"
        )
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
    return cut(
        *shuffled(
            np.random.RandomState(SHUFFLE_SEED), arrays.text(file, "x"), arrays.classes(file, "y")
        )
    )


def read_features(files, name, labels=arrays.features):
    """Rows of features (Boston Housing): x, y. labels: how y is read; arrays.classes where it is no number."""
    file = arrays.read_npz(files[name])
    return cut(
        *shuffled(
            np.random.RandomState(SHUFFLE_SEED), arrays.features(file, "x"), labels(file, "y")
        )
    )


def read_images(files, name, shape):
    """Images whose file holds a line each, pixels and class with commas between (digits)."""
    numbers = arrays.gzipped_table(files[name], int(np.prod(shape)) + 1)
    pixels, labels = numbers[:, :-1].reshape(-1, *shape), numbers[:, -1]
    return cut(
        *shuffled(
            np.random.RandomState(SHUFFLE_SEED), pixels.astype("float32"), labels.astype("int32")
        )
    )


TOPICS = (  # of Reuters, in the order of the classes
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves "
    "ship cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold "
    "tin strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange "
    "pet-chem dlr gas silver wpi hog lead"
)

TABLE = {
    "imdb": Dataset(
        title="IMDB reviews",
        task=BINARY,
        kind="text",
        rows=25_000,
        outputs=1,
        files=(
            File(
                "imdb.npz",
                17_464_789,
                "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
            ),
            File(
                "imdb_word_index.json",
                1_641_221,
                "027313fe9a320280f3bf0fac5baf58c4a683cf39a7ed9c3d3d3912bde4284cf6",
            ),
        ),
        read=partial(read_split_text, name="imdb.npz"),
        classes=("bad", "good"),
    ),
    "reuters": Dataset(
        title="Reuters newswires",
        task=MULTICLASS,
        kind="text",
        rows=8_982,
        outputs=46,
        files=(
            File(
                "reuters.npz",
                2_110_848,
                "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
            ),
            File(
                "reuters_word_index.json",
                550_378,
                "9b56000edc4b34a32e89fd5a23b2605594682c74efcf7d8f4e2a5514b771e633",
            ),
        ),
        read=partial(read_text, name="reuters.npz"),
        classes=tuple(TOPICS.split()),
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
        shape=(13,),
        columns=(
            "CRIM",
            "ZN",
            "INDUS",
            "CHAS",
            "NOX",
            "RM",
            "AGE",
            "DIS",
            "RAD",
            "TAX",
            "PTRATIO",
            "B",
            "LSTAT",
        ),
    ),
    "digits": Dataset(
        title="Digits",
        task=MULTICLASS,
        kind="images",
        rows=1_437,
        outputs=10,
        files=(
            File(
                "digits.csv.gz",
                57_523,
                "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
                folder="package:sklearn/datasets/data/",
            ),
        ),
        read=partial(read_images, name="digits.csv.gz", shape=(8, 8, 1)),
        shape=(8, 8, 1),
        highest=16,
        columns=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
    ),
}
