"""Which rows train and which judge: shares, groups and times."""

import numpy as np
import pandas as pd
import pytest

from stages.core.data import splits
from stages.core.data.arrays import UnreadableFile
from stages.core.data.splits import Keys

RANDOM = np.random.default_rng(0)
ROWS = 300
LABELS = RANDOM.choice(3, ROWS, p=[0.6, 0.3, 0.1])
GROUP = RANDOM.integers(0, 40, ROWS)
TIME = RANDOM.integers(0, 100, ROWS).astype("float64")
NUMBERS = np.arange(ROWS) * 3 + 2  # of lines in a file
WAYS = {
    "random": Keys(NUMBERS),
    "group": Keys(NUMBERS, GROUP),
    "time": Keys(NUMBERS, time=TIME),
}


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.45])
@pytest.mark.parametrize("classifies", [True, False])
def test_each_row_trains_or_is_tested_once_and_the_same_way_each_time(by, share, classifies):
    train, test = splits.cut(WAYS[by], LABELS, share, classifies)
    assert sorted([*train, *test]) == [*range(ROWS)]
    assert abs(len(test) / ROWS - share) < 0.05
    again = splits.cut(WAYS[by], LABELS, share, classifies)
    assert all((a == b).all() for a, b in zip((train, test), again, strict=True))


def test_the_test_has_equal_shares_of_the_classes():
    _, test = splits.cut(WAYS["random"], LABELS, 0.2, True)
    shares = [np.bincount(labels) / len(labels) for labels in (LABELS, LABELS[test])]
    np.testing.assert_allclose(*shares, atol=0.01)


def test_a_group_is_on_one_side_and_its_training_rows_follow_each_other():
    train, test = splits.cut(WAYS["group"], LABELS, 0.2, True)
    assert not {*GROUP[train]} & {*GROUP[test]}
    changes = np.count_nonzero(np.diff(GROUP[train]))
    assert changes == len({*GROUP[train]}) - 1


def test_the_latest_rows_are_tested_and_training_begins_with_the_latest():
    train, test = splits.cut(WAYS["time"], LABELS, 0.2, True)
    assert TIME[test].min() > TIME[train].max()
    assert (np.diff(TIME[train]) <= 0).all()


@pytest.mark.parametrize("classifies", [True, False])
def test_folds_of_groups_hold_whole_groups_out(classifies):
    folds = splits.deal(LABELS, WAYS["group"], 4, [1, 2], classifies)
    assert folds.shape == (2, ROWS)
    for dealt in folds:
        assert {*dealt} == {0, 1, 2, 3}
        assert (pd.Series(dealt).groupby(GROUP).nunique() == 1).all()
    assert (folds[0] != folds[1]).any()


def test_folds_of_time_follow_each_other_and_equal_times_are_together():
    first, second = splits.deal(LABELS, WAYS["time"], 4, [1, 2], True)
    assert (first == second).all()
    assert [*np.unique(first)] == [*range(-4, 4)]
    order = np.argsort(TIME, kind="stable")
    assert (np.diff(first[order]) >= 0).all()
    assert (pd.Series(first).groupby(TIME).nunique() == 1).all()
    assert np.ptp(np.bincount(first + 4)) <= 8


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (Keys(NUMBERS, GROUP % 3), "expected 4 groups or more, got 3"),
        (Keys(NUMBERS, time=TIME // 20), "expected 8 different times or more"),
    ],
    ids=["groups", "times"],
)
def test_folds_that_cannot_be_are_refused(keys, says):
    with pytest.raises(ValueError, match=says):
        splits.deal(np.zeros(ROWS, int), keys, 4, [0], False)


def test_a_single_group_cannot_be_split():
    with pytest.raises(UnreadableFile, match="two groups or more"):
        splits.cut(Keys(NUMBERS, np.zeros(ROWS, int)), LABELS, 0.2, True)


@pytest.mark.parametrize("by", WAYS)
def test_keys_come_back_from_what_is_stored(by):
    back = Keys.unpack(WAYS[by].pack())
    assert back.by == by
    assert (back[[5, 3]].rows == NUMBERS[[5, 3]]).all()


def test_rows_without_a_group_stand_alone():
    column = pd.Series(["a", None, "a", None, "b"], dtype="object")
    numbers = splits.numbered(column)
    assert numbers[0] == numbers[2]
    assert len({*numbers}) == 4
