"""Files of a data set -> rows as they were measured, and how they are split. No TensorFlow."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.core.data import archives, arrays, frames, splits, tables
from stages.core.data.splits import SHUFFLE_SEED, Keys
from stages.core.declared.sources import Source
from stages.core.declared.strict_yaml import SHORT
from stages.core.declared.task import TASKS

TRAINING = 0.8  # share of the rows where the Keras loaders cut
TEXTS, IMAGES = (".txt",), (".png", ".jpg", ".jpeg")  # endings of files
FEWEST = 2  # rows of a class: to train on, and to test


@dataclass(frozen=True)
class Split:
    """Rows for training and for testing.

    x: Text, a DataFrame of text, (rows, features) or (rows, height, width, 1) float32, or (rows,)
    images as `archives.members` gives them. y: (rows,) classes or numbers. classes: their names
    where the reader found them. keys: of the training rows. passed: their columns that are no
    features, of a table.
    """

    x_train: arrays.Text | pd.DataFrame | np.ndarray
    y_train: np.ndarray
    x_test: arrays.Text | pd.DataFrame | np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...] = ()
    keys: Keys | None = None
    passed: pd.DataFrame | None = None


def read(source: Source, data, files: dict[str, bytes]) -> Split:
    """The rows of a data set, split as `data`, a group of its section, says.

    files: {name: content}. Raises arrays.UnreadableFile.
    """
    return READERS[source.reader.format](source, data, files)


def _table(source, data, files):
    """Columns of text of the rows that have a target."""
    reader, task = source.reader, TASKS[data.task]
    frame = _with_target(reader.file, files, reader, data)
    classes = _names(frame[data.target], source) if task.classifies else ()
    y = _targets(frame.pop(data.target), classes, reader, task.classifies)
    keys, x = _keys(frame, reader, data), frame[[*data.features(reader.columns)]]
    passed = frame.drop(columns=[*x, *filter(None, [data.group])])
    if not reader.test_file:
        return _split(x, y, keys, data.test, classes, passed)
    tested = _with_target(reader.test_file, files, reader, data)
    y_test = _targets(tested.pop(data.target), classes, reader, task.classifies)
    _must_be_apart(frame, tested, data, reader)
    _must_vary(y, classes)
    train, _ = splits.cut(keys, y, 0, task.classifies)
    x_test = tested[[*x]]
    return Split(x.iloc[train], y[train], x_test, y_test, classes, keys[train], passed.iloc[train])


def _with_target(name, files, reader, data):
    frame = frames.read(files[name], reader)
    tables.chosen(frame, reader.columns)
    found = frame[frame[data.target].notna()]
    if not len(found):
        raise arrays.UnreadableFile(f"{name}: expected rows with a value of {data.target}")
    return found


def _must_be_apart(frame, tested, data, reader):
    """Raise UnreadableFile where the two files share groups."""
    if not data.group:
        return
    if shared := set(frame[data.group].dropna()) & set(tested[data.group].dropna()):
        expected = f"expected each {data.group} in one of {reader.file} and {reader.test_file}"
        got = f"got {len(shared):,} in both, such as {SHORT.repr(min(shared))}"
        raise arrays.UnreadableFile(f"{expected}, {got}; move their rows, or choose no group")


def _must_vary(y, classes):
    if len(classes) == 1 or (not classes and y.min() == y.max()):
        what = repr(classes[0]) if classes else f"{y[0]:g}"
        raise arrays.UnreadableFile(f"expected a target that varies, got {what} in all rows")


def _names(target, source):
    """The classes of a target: those of the source, or all that there are in natural order."""
    return source.classes or tuple(sorted(target.unique(), key=natural))


def natural(text: str) -> tuple:
    """A key that sorts whole numbers as numbers, before all else."""
    whole = text[text[:1] in ("+", "-") :].isdecimal() and len(text) < 18
    return (0, int(text), "") if whole else (1, 0, text)


def _targets(column, classes, reader, classifies):
    """(rows,) float32 numbers or int32 classes."""
    if not classifies:
        return _narrow(tables.numbers(column, reader), column.name)
    found = pd.Index(classes, dtype="object").get_indexer_for(column).astype("int32")
    for row in np.flatnonzero(found < 0)[:1]:
        expected = f"line {column.index[row]}, column {column.name}: expected one of the classes"
        got = f"{SHORT.repr(list(classes))}, got {SHORT.repr(column.iloc[row])}"
        raise arrays.UnreadableFile(f"{expected} {got}")
    return found


def _narrow(numbers, name):
    """Targets as float32, which tells most of them apart. Raises UnreadableFile."""
    narrow = numbers.astype("float32")
    different, left = len(np.unique(numbers)), len(np.unique(narrow))
    if left < 0.9 * different:
        got = f"{left:,} of {different:,}"
        raise arrays.UnreadableFile(
            f"column {name}: expected numbers that float32 tells apart, got {got}; take a constant "
            "off them"
        )
    return narrow


def _keys(frame, reader, data):
    """What decides how the rows of a table are split."""
    rows, group, time = frame.index.to_numpy("int64"), None, None
    if data.group:
        group = frames.numbered(frame[data.group])
    if data.time:
        time = _times(frame[data.time], reader)
        for row in np.flatnonzero(np.isnan(time))[:1]:
            at = f"line {rows[row]}, column {data.time}"
            what = "expected a time in each row, got none; leave the row out"
            raise arrays.UnreadableFile(f"{at}: {what}, or choose another column")
    return Keys(rows, group, time)


def _times(column, reader):
    if reader.columns[column.name] == "number":
        return tables.numbers(column, reader)
    return tables.days(tables.dates(column, reader.dates))


def _split(x, y, keys, share, classes, passed=None):
    """The rows cut as `splits.cut` says, if there are enough of each class."""
    counts = np.bincount(y, minlength=len(classes)) if classes else np.array([len(y)])
    if counts.min() < FEWEST or len(y) < 5 * len(counts):
        got = f"{len(y):,} rows"
        if classes:
            got += f", {counts.min():,} of {classes[counts.argmin()]!r}"
        raise arrays.UnreadableFile(
            f"expected {5 * len(counts)} rows or more and {FEWEST} or more of each class, got "
            f"{got}; leave out rows of rare classes, or join classes"
        )
    _must_vary(y, classes)
    train, test = splits.cut(keys, y, share, bool(classes))
    take = x.iloc if isinstance(x, pd.DataFrame) else x
    passed = None if passed is None else passed.iloc[train]
    return Split(take[train], y[train], take[test], y[test], classes, keys[train], passed)


def _text_folders(source, data, files):
    """A column of text; a class is a folder."""
    reader = source.reader
    members = archives.members(files[reader.file], TEXTS)
    text = [frames.decoded(content, reader.encoding, name) for _, name, content in members]
    return _of_folders(members, pd.DataFrame({"text": text}, dtype="object"), source, data)


def _image_folders(source, data, files):
    members = archives.members(files[source.reader.file], IMAGES)
    x = np.empty(len(members), "object")
    x[:] = members
    return _of_folders(members, x, source, data)


def _of_folders(members, x, source, data):
    folder = pd.Series([member[0] for member in members], dtype="object", name="folder")
    classes = _names(folder, source)
    y = _targets(folder, classes, source.reader, classifies=True)
    return _split(x, y, Keys(np.arange(len(y))), data.test, classes)


def _word_ranks(source, data, files):
    return _npz(arrays.text, source, data, files)


def _features(source, data, files):
    return _npz(arrays.features, source, data, files)


def _npz(x, source, data, files):
    """Rows under x and y, or under x_train and so on, shuffled as the Keras loaders do."""
    file = arrays.read_npz(files[source.reader.file])
    y = arrays.classes if TASKS[data.task].classifies else arrays.features
    if "x_train" not in file:
        return _cut(x(file, "x"), y(file, "y"))
    random = np.random.RandomState(SHUFFLE_SEED)  # goes on from training to test rows
    train = _shuffled(random, x(file, "x_train"), y(file, "y_train"))
    test = _shuffled(random, x(file, "x_test"), y(file, "y_test"))
    return Split(*train, *test, keys=_in_order(train[1]))


def _pixels(source, data, files):
    reader = source.reader
    table = arrays.gzipped_table(files[reader.file], int(np.prod(reader.shape)) + 1)
    x = table[:, :-1].reshape(-1, *reader.shape, 1).astype("float32")
    return _cut(x, arrays.classes({"class": table[:, -1]}, "class"))


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
    return Split(x[:rows], y[:rows], x[rows:], y[rows:], keys=_in_order(y[:rows]))


def _in_order(y):
    """Rows that are numbered in the order in which the Keras loaders have them."""
    return Keys(np.arange(len(y)))


READERS = {
    "word_ranks": _word_ranks,
    "arrays": _features,
    "pixels": _pixels,
    "table": _table,
    "text_folders": _text_folders,
    "image_folders": _image_folders,
}
