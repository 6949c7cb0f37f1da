"""What preprocess learned of a data set; saved with the arrays, read by all later stages."""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stages.core.data.arrays import Text, UnreadableFile
from stages.core.declared.sources import Source
from stages.core.declared.strict_yaml import SHORT
from stages.core.declared.task import TASKS, Task

if TYPE_CHECKING:  # stages that train need no reader, which imports pandas
    from stages.core.data.readers import Split

# Kinds whose rows are checked when they are encoded.
RAW = {"table", "text_folders", "image_folders"}


@dataclass(frozen=True)
class Schema:
    """task: what is predicted. classes: their names, none for numbers. columns: names of the
    features, where they have some. shape: of an encoded row. split: how rows were split: random,
    or by a group or a time with the name of its column. traps: what may make results look better
    than they are; see the module of this name.
    """

    task: Task
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    split: str = "random"
    traps: dict = field(default_factory=dict)

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
            "schema.split": np.array(self.split),
            "schema.traps": np.array(json.dumps(self.traps)),
        }

    @classmethod
    def unpack(cls, file) -> "Schema":
        """What `pack` made plain, from a mapping such as the one that np.load gives."""
        names = (tuple(file[f"schema.{key}"].tolist()) for key in ("classes", "columns", "shape"))
        task, split = TASKS[str(file["schema.task"])], str(file["schema.split"])
        return cls(task, *names, split, json.loads(str(file["schema.traps"])))


def check(source: Source, task: Task, split: "Split") -> tuple[str, ...]:
    """The names of the classes, none for numbers, of rows that are as the source and the task say.

    Raises UnreadableFile where they are not.
    """
    for x, y in ((split.x_train, split.y_train), (split.x_test, split.y_test)):
        _check(source, x, y)
    if not len(split.y_train):
        raise UnreadableFile("expected five rows or more, for training and for testing")
    if isinstance(split.x_train, np.ndarray) and split.x_train.shape[1:] != split.x_test.shape[1:]:
        shapes = f"{split.x_train.shape[1:]} and {split.x_test.shape[1:]}"
        raise UnreadableFile(f"expected training and test rows of one shape, got {shapes}")
    named = split.classes or source.classes
    return _classes(named, task, np.concatenate([split.y_train, split.y_test]))


def _check(source, x, y):
    if y.ndim != 1:
        raise UnreadableFile(f"expected one label for each row, got labels of shape {y.shape}")
    if source.kind in RAW:
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


def _classes(names, task, labels):
    """Names of the classes: these, or their numbers where there are none."""
    if not task.classifies:
        return ()
    named, present, binary = len(names), np.unique(labels), task.name == "binary"
    if named and not (named == 2 if binary else named > 2):
        expected = "two classes" if binary else "three classes or more"
        got = f"{named}: {SHORT.repr(list(names))}"
        raise UnreadableFile(f"expected {expected} for the task {task.name}, got {got}")
    count = 2 if binary else named or int(present[-1]) + 1
    if present[-1] >= count:
        raise UnreadableFile(f"expected classes from 0 to {count - 1}, got {present[-1]}")
    if named:
        return names
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
