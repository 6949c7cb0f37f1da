"""Which rows train, and which judge: the test rows, and the folds of the others."""

import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from stages.core.data.arrays import UnreadableFile

SHUFFLE_SEED = 113  # of the Keras loaders: the order of the rows, so the validation rows, is theirs
PARTS = 20  # at most, into which groups are dealt for a test of some share of the rows


@dataclass(frozen=True)
class Keys:
    """What decides on which side of a split each row may be.

    rows: (n,) int64, their numbers in the file, which never change. group: (n,) int64, alike where
    rows must stay together, or None. time: (n,) float64, the later the higher, or None.
    """

    rows: np.ndarray
    group: np.ndarray | None = None
    time: np.ndarray | None = None

    def __getitem__(self, rows) -> "Keys":
        return Keys(*(None if key is None else key[rows] for key in vars(self).values()))

    @property
    def by(self) -> str:
        """How rows are split: group, time or random."""
        kinds = {"group": self.group, "time": self.time}
        return next((kind for kind, key in kinds.items() if key is not None), "random")

    def pack(self) -> dict[str, np.ndarray]:
        """The keys as plain arrays."""
        return {f"keys.{name}": key for name, key in vars(self).items() if key is not None}

    @classmethod
    def unpack(cls, file) -> "Keys":
        """What `pack` made plain, from a mapping such as the one that np.load gives."""
        return cls(*(file.get(f"keys.{name}") for name in ("rows", "group", "time")))


def cut(keys: Keys, labels, share: float, classifies: bool) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that train and of those for the test, of which there is this share.

    The test has rows at random, in equal shares of the classes; or whole groups; or the latest
    rows. Training rows begin with those that an exploring fit may be validated on: any, groups one
    after the other, the latest. Raises UnreadableFile.
    """
    try:
        tested = _tested(keys, labels, share, classifies) if share else np.zeros(len(labels), bool)
    except ValueError as error:  # scikit-learn's
        expected = "expected a share in data.test that leaves rows of each class on both sides"
        raise UnreadableFile(f"{expected}, got {share:g}: {error}") from None
    order = _order(keys)
    train, test = order[~tested[order]], order[tested[order]]
    if not len(train) or (share and not len(test)):
        got = f"{len(train):,} and {len(test):,} of {len(labels):,}"
        raise UnreadableFile(f"expected rows for training and for the test, got {got}")
    return train, test


def _order(keys):
    if keys.time is not None:
        return np.argsort(-keys.time, kind="stable")
    if keys.group is None:
        return np.random.RandomState(SHUFFLE_SEED).permutation(len(keys.rows))
    shuffled = np.random.RandomState(SHUFFLE_SEED).permutation(keys.group.max() + 1)
    return np.argsort(shuffled[keys.group], kind="stable")


def _latest(time, share):
    """The rows of as many of the latest times as come nearest to this share: (rows,) bool."""
    times, counts = np.unique(time, return_counts=True)
    if len(times) < 2:
        raise UnreadableFile("expected two different times or more in data.time, got one")
    late = counts[:0:-1].cumsum() / len(time)  # shares of the latest times, from the last alone
    nearest = np.abs(late - share).argmin()
    if 1 - late[nearest] < (1 - share) / 2:
        got = f"{late[nearest]:.0%} of the rows at the latest time"
        raise UnreadableFile(f"expected times by which {share:.0%} can be cut off, got {got}")
    return time >= times[-1 - nearest]


def _tested(keys, labels, share, classifies):
    """Which rows are for the test: (rows,) bool."""
    if keys.time is not None:
        return _latest(keys.time, share)
    if keys.group is not None:
        return _tested_groups(keys, labels, share, classifies)
    from sklearn.model_selection import train_test_split

    settings = {"test_size": share, "random_state": SHUFFLE_SEED}
    settings["stratify"] = labels if classifies else None
    return np.isin(np.arange(len(labels)), train_test_split(np.arange(len(labels)), **settings)[1])


def _tested_groups(keys, labels, share, classifies):
    """Groups dealt into parts; for the test are those next to each other that are about so many."""
    parts = Fraction(share).limit_denominator(PARTS).denominator  # few are more equal
    parts = min(parts if parts > 1 else PARTS, len(np.unique(keys.group)))
    if classifies:  # scikit-learn wants as many rows of some class
        parts = min(parts, np.bincount(labels).max())
    if parts < 2:
        raise UnreadableFile("expected two groups or more, got one value in data.group")
    with warnings.catch_warnings():  # on classes that are rarer: their rows are in few parts
        warnings.simplefilter("ignore", UserWarning)
        part = _dealt(labels, keys, parts, SHUFFLE_SEED, classifies)
    count = max(1, round(parts * share))
    windows = (np.arange(parts)[:, None] + np.arange(count)) % parts
    rows = np.bincount(part, minlength=parts)[windows].sum(axis=1)
    return np.isin(part, windows[np.abs(rows - share * len(labels)).argmin()])


def deal(labels, keys: Keys, k, seeds, classifies) -> np.ndarray:
    """The fold of each row in each repeat: (repeats, rows) int16 from 0 to k - 1.

    At random, with equal shares of each class; or with whole groups, in folds that are numbered as
    their rows come. By time, 2 k blocks of rows that follow each other: fold 0 is the first of the
    later k, blocks before it are negative, and each fold is judged by what was trained on the k
    blocks before it; the repeats are alike.
    seeds: one for each repeat. It depends on these arguments alone, so experiments that share them
    share their folds. Raises ValueError where there are too few rows, groups or times.
    """
    if keys.time is None:
        dealt = [_dealt(labels, keys, k, seed, classifies) for seed in seeds]
        if keys.group is not None:  # k groups go into k folds in one way: repeats are seen as alike
            dealt = map(_as_they_come, dealt)
        return np.stack([*dealt])
    _, number, counts = np.unique(keys.time, return_inverse=True, return_counts=True)
    middle = (counts.cumsum() - counts / 2) / len(number)  # equal times are in the same block
    block = np.floor(middle * 2 * k).astype(int)[number]
    if len(np.unique(block)) < 2 * k:
        most = f"{counts.max():,} of {len(number):,} rows at the same time"
        raise ValueError(f"expected rows at {2 * k} times or more, in equal shares, with {most}")
    return np.tile((block - k).astype("int16"), (len(seeds), 1))


def _dealt(labels, keys, k, seed, classifies):
    """The fold of each row: (rows,) int16."""
    if keys.group is None:
        return _at_random(labels, k, np.random.RandomState(seed), classifies)
    from sklearn import model_selection  # takes longer to import than many a training

    if (count := len(np.unique(keys.group))) < k:
        raise ValueError(f"expected {k} groups or more, got {count}")
    kind = model_selection.StratifiedGroupKFold if classifies else model_selection.GroupKFold
    folds = np.empty(len(labels), "int16")
    splits = kind(k, shuffle=True, random_state=seed).split(labels, labels, keys.group)
    for fold, (_, held_out) in enumerate(splits):
        folds[held_out] = fold
    return folds


def _as_they_come(values):
    """The number of each value, where the first is 0, the next that is another 1, and so on."""
    _, first, number = np.unique(values, return_index=True, return_inverse=True)
    return first.argsort().argsort()[number].astype("int16")


def _at_random(labels, k, random, classifies):
    """As scikit-learn's KFold and StratifiedKFold deal the rows, without their import."""
    if len(labels) < k:
        raise ValueError(f"expected {k} rows or more, got {len(labels)}")
    folds = np.empty(len(labels), "int16")
    if not classifies:
        order = np.arange(len(labels))
        random.shuffle(order)
        folds[order] = np.sort(np.arange(len(labels)) % k)
        return folds
    number = _as_they_come(labels)
    dealt, ends = np.arange(len(labels)) % k, np.bincount(number).cumsum()  # class after class
    for label, of_class in enumerate(np.split(dealt, ends[:-1])):
        of_class.sort()
        random.shuffle(of_class)
        folds[number == label] = of_class
    return folds
