"""What in a table may make results look better than they are, in numbers and in words."""

import re

import numpy as np
import pandas as pd

from stages.core.data import tables

THINGS = "id|patient|subject|person|user|customer|player"
NAMES = re.compile(rf"(?i:(.*[_ .-])?({THINGS})([_ .-].*)?)|.*[a-z]I[dD]")  # of columns
DECIMALS = "[0-9][.,][0-9]*[1-9]"
GROUPS, ALIKE = 20, 0.95  # values that come several times, and the share of them with one target
CHANCE = 0.25  # of the values that chance would give several targets, the share that has them
DECIDES = 0.05  # share of the error that is left by a column which may be the answer itself
BETTER = 0.25  # what it leaves, at most, of what the column in the middle of all leaves
MOST = 0.9  # share of the largest class, above which accuracy says little
SENTENCES = {
    "decides": (
        "`{column}`: this column alone removes all but {number:.1%} of the error: is it known "
        "before the answer? Else put it under data.drop"
    ),
    "groups": (
        "`{column}`: {number:,} values come several times and may name persons or things, whose "
        "rows are then in several folds, so that results look too good; `data.group: {column}` "
        "keeps them together"
    ),
    "dates": (
        "`{column}`: rows have {number:,} dates, and folds are dealt at random, so that later rows "
        "tell about earlier ones; `data.time: {column}` trains on the past alone"
    ),
    "duplicates": (
        "copies of other rows: {number:,}; a fold may hold out a copy of what it trains on"
    ),
    "baseline": (
        "the K-fold is no better than {number:.4f}, which the most frequent class, or the mean, of "
        "the training rows reaches in the same folds without a feature"
    ),
    "largest_class": "{number:.0%} of the rows are of one class: look at macro_f1, not at accuracy",
}


def plain(name: str) -> str:
    """The name of a column for a page: short, on a line, and with nothing that ends a code span."""
    return " ".join(name.replace("`", "'").split())[:60]


def sentences(found: dict) -> list[str]:
    """What `found` gave, in words for people."""
    lines = []
    for kind, of in found.items():
        columns = of if isinstance(of, dict) else {"": of}
        lines += [
            SENTENCES[kind].format(column=plain(name), number=each)
            for name, each in columns.items()
        ]
    return lines


def found(x: pd.DataFrame, passed: pd.DataFrame, y, reader, task, keys) -> dict:
    """{kind of trap: {column: number}}, or a number where it concerns the whole table.

    x: columns of text, and `passed` those that are no features: to drop a name of persons does not
    part their rows. y: (rows,) classes or numbers. keys: how the rows are split.
    """
    traps = {"decides": _deciding(x, y, reader, task), "groups": {}, "dates": {}}
    if keys.by == "random":
        columns = pd.concat([x, passed], axis=1)
        dates = [name for name in columns if reader.columns.get(name) == "date"]
        traps["dates"] = {name: columns[name].nunique() for name in dates}
        named = [name for name in columns if name not in {*traps["decides"], *dates}]
        groups = {name: repeated(columns[name], y) for name in named}
        traps["groups"] = {name: count for name, count in groups.items() if count}
    traps["duplicates"] = _copies(x, y, keys)
    if task.classifies and (most := float(np.bincount(y).max() / len(y))) > MOST:
        traps["largest_class"] = round(most, 4)
    return {kind: value for kind, value in traps.items() if value}


def _copies(x, y, keys):
    """Rows that equal an earlier one, in another group where there are groups.

    None are counted where so few different rows are possible that chance makes copies.
    """
    possible = np.log2(x.nunique().clip(lower=1)).sum()
    if possible < 2 * np.log2(len(x)):
        return 0
    whole = x.assign(**{"": y})
    again = whole.duplicated()
    if keys.group is not None:
        again &= ~whole.assign(**{" ": keys.group}).duplicated()
    return int(again.sum())


def repeated(column: pd.Series, y: np.ndarray) -> int:
    """How many values come several times, if they may name persons or things; or 0.

    They may where nearly all of them have one target, which chance does not explain, or where the
    column is called so; not where few rows have such a value, or values have decimals.
    """
    by_value = pd.Series(y).groupby(column.to_numpy()).agg(["size", "nunique"])
    several = by_value[by_value["size"] > 1]
    few = several["size"].sum() < len(column) / 2
    if len(several) < GROUPS or few or column.str.contains(DECIMALS, na=False).any():
        return 0
    unlike, most = (several["nunique"] > 1).sum(), pd.Series(y).value_counts(normalize=True).max()
    by_chance = (1 - most ** (several["size"] - 1)).sum()  # at least so many would be unlike
    alike = unlike < (1 - ALIKE) * len(several) and unlike + 1 < CHANCE * by_chance
    return len(several) if alike or NAMES.fullmatch(column.name) else 0


def _deciding(x, y, reader, task):
    """{column: share of the error that it leaves alone}, of those that may be the answer."""
    names = [name for name in x if reader.columns[name] != "text"]
    left = {name: _left(x[name], reader, y, task.classifies) for name in names}
    usual = np.median([*left.values()]) if len(left) > 1 else 1
    return {
        name: round(share, 4)
        for name, share in left.items()
        if share < DECIDES and share <= BETTER * usual
    }


def _left(column, reader, y, classifies) -> float:
    """The share of the error of a constant answer that is left by this column alone."""
    if y.min() == y.max():  # of training rows, where a cut leaves others to the test
        return 1.0
    of_column = _left_by_number if reader.columns[column.name] == "number" else _left_by_category
    wrong = of_column(column, reader, y, classifies)
    if classifies:
        return float(wrong / (len(y) - np.bincount(y).max()))
    return float(wrong / np.square(y - y.mean()).sum())


def _left_by_number(column, reader, y, classifies):
    """Errors, or squares of them, of a small tree."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    values = np.nan_to_num(tables.numbers(column, reader), nan=-1)[:, None]
    leaves = max(8, 2 * len(np.unique(y))) if classifies else 8
    kind = DecisionTreeClassifier if classifies else DecisionTreeRegressor
    answers = kind(max_leaf_nodes=leaves).fit(values, y).predict(values)
    return np.count_nonzero(answers != y) if classifies else np.square(y - answers).sum()


def _left_by_category(column, reader, y, classifies):
    """The same where each row is told by the other rows of its category."""
    rows = pd.DataFrame({"category": column.to_numpy(), "y": y})
    size = rows.groupby("category", dropna=False)["y"].transform("size")
    if classifies:
        counts = rows.groupby("category", dropna=False)["y"].value_counts().groupby(level=0).max()
        alone = np.count_nonzero(size == 1)
        return len(y) - counts.sum() + alone
    mean = rows.groupby("category", dropna=False)["y"].transform("mean")
    others = np.where(size > 1, (y - mean) * size / (size - 1).clip(lower=1), y - y.mean())
    return np.square(others).sum()
