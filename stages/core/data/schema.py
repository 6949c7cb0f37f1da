"""What preprocess learned of a data set; saved with the arrays, read by all later stages."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.core.data import tables
from stages.core.data.arrays import Text, UnreadableFile
from stages.core.data.readers import Split
from stages.core.data.tables import Column
from stages.core.declared.sources import Source
from stages.core.declared.task import TASKS, Task


@dataclass(frozen=True)
class Schema:
    """task: what is predicted. classes: their names, none for numbers. columns: names of the
    features, where they have some. shape: of an encoded row. table: what was learned of the columns
    of a table.
    """

    task: Task
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    table: tuple[Column, ...] = ()

    @property
    def outputs(self) -> int:
        """Units of the output layer."""
        return self.task.outputs(len(self.classes))

    def pack(self) -> dict[str, np.ndarray]:
        """The schema as plain arrays."""
        return {
            "schema.task": np.array(self.task.name),
            "schema.classes": np.array(self.classes, str),
            "schema.columns": np.array(self.columns, str),
            "schema.shape": np.array(self.shape, "int64"),
            "schema.table": np.array(tables.packed(self.table)),
        }

    @classmethod
    def unpack(cls, file) -> "Schema":
        """What `pack` made plain, from a mapping such as the one that np.load gives."""
        names = (tuple(file[f"schema.{key}"].tolist()) for key in ("classes", "columns", "shape"))
        table = tables.unpack(str(file["schema.table"]))
        return cls(TASKS[str(file["schema.task"])], *names, table)


def check(source: Source, task: Task, split: Split) -> tuple[str, ...]:
    """The names of the classes, none for numbers, of rows that are as the source and the task say.

    Raises UnreadableFile where they are not.
    """
    for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
        _check(source, x, y)
    if isinstance(split.x_train, np.ndarray) and split.x_train.shape[1:] != split.x_test.shape[1:]:
        shapes = f"{split.x_train.shape[1:]} and {split.x_test.shape[1:]}"
        raise UnreadableFile(f"expected training and test rows of one shape, got {shapes}")
    return _classes(source, task, np.concatenate([split.y_train, split.y_test]))


def _check(source, x, y):
    if y.ndim != 1:
        raise UnreadableFile(f"expected one label for each row, got labels of shape {y.shape}")
    if not len(y):
        raise UnreadableFile("expected five rows or more, for training and for testing")
    if isinstance(x, pd.DataFrame):
        return
    if isinstance(x, Text):
        if empty := np.count_nonzero(np.diff(x.splits) == 0):
            got = f"{empty} of {len(x)} without any"
            raise UnreadableFile(f"expected words in each document, got {got}")
        return
    if source.kind == "features" and (x.ndim != 2 or not x.shape[1]):
        raise UnreadableFile(f"expected rows of numbers, (rows, features), got {x.shape}")
    if source.names and np.prod(x.shape[1:]) != len(source.names):
        expected, got = len(source.names), np.prod(x.shape[1:])
        raise UnreadableFile(f"expected the {expected} columns of the source, got {got}")
    if len(wrong := x[source.impossible(x)]):
        expected = f"expected whole numbers from 0 to {source.reader.highest} as pixels"
        raise UnreadableFile(f"{expected}, got {wrong[0]:g}")


def _classes(source, task, labels):
    """Names of the classes: those of the source, or their numbers."""
    if not task.classifies:
        return ()
    named, present, binary = len(source.classes), np.unique(labels), task.name == "binary"
    if named and not (named == 2 if binary else named > 2):
        expected = "two names of classes" if binary else "three names or more"
        raise UnreadableFile(f"expected {expected} for the task {task.name}, got {named}")
    count = 2 if binary else named or int(present[-1]) + 1
    if present[-1] >= count:
        raise UnreadableFile(f"expected classes from 0 to {count - 1}, got {present[-1]}")
    if named:
        return source.classes
    if len(present) < count:
        raise UnreadableFile(
            f"expected rows of each class from 0 to {count - 1}, got {len(present)} classes and "
            f"none {np.setdiff1d(np.arange(len(present) + 1), present)[0]}; number the classes "
            "from 0 without gaps, or name all of them in `classes`"
        )
    if not binary and count < 3:
        raise UnreadableFile(f"expected three classes or more for the task multiclass, got {count}")
    if 2 * count > len(labels):
        expected = f"two rows of a class or more, on average over {len(labels)} rows"
        raise UnreadableFile(f"expected {expected}, got {count} classes")
    return tuple(map(str, range(count)))
