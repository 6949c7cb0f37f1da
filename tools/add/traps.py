"""What in a table may make results look better than they are."""

import numpy as np
import pandas as pd

from stages.core.data import tables

GROUPS, ALIKE = 20, 0.95  # values that come several times, and the share of them with one target
DECIDES = 0.05  # share of the error that is left by a column which may be the answer itself


def found(frame: pd.DataFrame, reader: dict, task: str) -> list[str]:
    """What may make results look better than they are, a line for each, with its column.

    frame: text of all columns, of the rows that have a target.
    """
    target, lines = reader["target"], []
    if task == "regression":
        goal = tables.numbers(frame[target], reader["decimal"])
    else:
        goal = pd.factorize(frame[target])[0]
    for name, kind in reader["columns"].items():
        left = _left(frame[name], kind, goal, reader["decimal"], task)
        if left < DECIDES:
            lines.append(
                f"{name}: this column alone removes all but {left:.1%} of the error on {target}: "
                "is it known before the answer? Else leave it out"
            )
        elif kind != "date" and (groups := _groups(frame[name], goal)):
            lines.append(
                f"{name}: {groups:,} values come several times, each with one {target}: do they "
                "name persons or things? Their rows are in several folds: results look too good"
            )
        if kind == "date":
            lines.append(
                f"{name}: folds are dealt at random, so later rows tell about earlier ones"
            )
    columns = [*reader["columns"], target]
    if twice := int(frame[columns].duplicated().sum()):
        lines.append(f"duplicate rows: {twice:,}; a fold may hold out a copy of what it trains on")
    if task != "regression" and (share := frame[target].value_counts(normalize=True)).max() > 0.9:
        lines.append(f"{share.max():.0%} are {share.index[0]!r}: look at macro_f1, not at accuracy")
    return lines


def _groups(column, goal) -> int:
    """How many values come several times, if nearly all of these have one target; or 0."""
    by_value = pd.Series(goal).groupby(column.to_numpy()).agg(["size", "nunique"])
    several = by_value[by_value["size"] > 1]
    alike = (several["nunique"] == 1).mean() if len(several) >= GROUPS else 0
    return len(several) if alike > ALIKE else 0


def _left(column, kind, goal, decimal, task) -> float:
    """The share of the error of a constant answer that a small tree on this column alone leaves."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if kind == "number":
        values = np.nan_to_num(tables.numbers(column, decimal), nan=-1)
    else:
        values = pd.factorize(column)[0]
    tree = (DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier)(max_depth=3)
    answers = tree.fit(values[:, None], goal).predict(values[:, None])
    if task == "regression":
        return float(np.square(goal - answers).mean() / np.var(goal))
    return float((answers != goal).mean() / (1 - np.bincount(goal).max() / len(goal)))
