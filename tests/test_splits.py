"""Which rows train and which judge: at random, by group, by time."""

import numpy as np
import pytest
from sklearn import model_selection

from stages.core.data import splits
from stages.core.data.arrays import UnreadableFile
from stages.core.data.splits import Keys

ROWS = 400


def labels_of(rows=ROWS, shares=(0.6, 0.3, 0.1), seed=0):
    return np.random.default_rng(seed).choice(len(shares), rows, p=shares)


def keys_of(by, rows=ROWS, seed=1):
    """Keys of rows whose numbers in the file are no positions."""
    random, numbers = np.random.default_rng(seed), np.arange(rows) * 3 + 2
    if by == "group":
        return Keys(numbers, group=random.permutation(np.arange(rows) % 57))
    if by == "time":
        return Keys(numbers, time=random.integers(0, rows // 4, rows).astype("float64"))
    return Keys(numbers)


EACH = pytest.mark.parametrize("by", ["random", "group", "time"])


@EACH
@pytest.mark.parametrize("classifies", [True, False])
def test_each_row_trains_or_tests_and_about_the_share_asked_for_tests(by, classifies):
    train, test = splits.cut(keys_of(by), labels_of(), 0.25, classifies)
    assert sorted([*train, *test]) == [*range(ROWS)]
    assert len(test) == pytest.approx(ROWS / 4, rel=0.1)


@EACH
def test_no_row_is_tested_where_none_should_be(by):
    train, test = splits.cut(keys_of(by), labels_of(), 0, True)
    assert (sorted(train), len(test)) == ([*range(ROWS)], 0)


@EACH
def test_a_cut_depends_on_its_arguments_alone(by):
    first, second = (splits.cut(keys_of(by), labels_of(), 0.2, True) for _ in range(2))
    for one_side, same in zip(first, second, strict=True):
        np.testing.assert_array_equal(one_side, same)


def test_rows_of_the_file_keep_their_numbers_on_either_side():
    keys = keys_of("group")
    train, _ = splits.cut(keys, labels_of(), 0.2, True)
    np.testing.assert_array_equal(keys[train].rows, train * 3 + 2)
    np.testing.assert_array_equal(keys[train].group, keys.group[train])


@pytest.mark.parametrize("by", ["random", "group"])
def test_both_sides_have_the_classes_in_equal_shares(by):
    labels = labels_of(4000)
    train, test = splits.cut(keys_of(by, 4000), labels, 0.2, True)
    shares = [np.bincount(labels[rows]) / len(rows) for rows in (train, test)]
    np.testing.assert_allclose(*shares, atol=0.02)


def test_few_groups_of_unequal_sizes_test_about_the_share_asked_for():
    random = np.random.default_rng(0)
    group = np.unique(random.choice(30, 1000, p=random.dirichlet(np.ones(30))), False, True)[1]
    _, test = splits.cut(Keys(np.arange(1000), group=group), labels_of(1000), 0.2, True)
    assert len(test) == pytest.approx(200, abs=30)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("classifies", [True, False])
def test_no_group_trains_and_tests(share, classifies):
    keys = keys_of("group")
    train, test = splits.cut(keys, labels_of(), share, classifies)
    assert len(test)
    assert not set(keys.group[train]) & set(keys.group[test])


def test_rows_of_a_group_follow_each_other_in_training_so_that_the_first_ones_are_whole():
    keys = keys_of("group")
    train, _ = splits.cut(keys, labels_of(), 0.2, True)
    groups = keys.group[train]
    assert np.count_nonzero(np.diff(groups)) + 1 == len(set(groups))
    assert (np.diff(groups) < 0).any()  # not in their order in the file


def test_groups_whose_classes_are_rarer_than_the_parts_are_cut():
    keys = Keys(np.arange(24), group=np.arange(24) % 20)
    train, test = splits.cut(keys, np.arange(24) % 2, 0.2, True)
    assert len(train) > len(test) > 0
    labels = np.arange(200) < 5  # fewer rows than parts, and no warning
    train, test = splits.cut(Keys(np.arange(200), np.arange(200) // 2), labels, 0.2, True)
    assert len(test) == pytest.approx(40, abs=4)


def test_the_latest_rows_test_and_the_latest_others_come_first():
    keys = keys_of("time")
    train, test = splits.cut(keys, labels_of(), 0.2, True)
    assert keys.time[train].max() < keys.time[test].min()
    assert (np.diff(keys.time[train]) <= 0).all()


def test_rows_of_one_time_are_on_one_side():
    time = np.array([1.0] * 10 + [2.0] * 80 + [3.0] * 10)
    train, test = splits.cut(Keys(np.arange(100), time=time), np.arange(100) % 2, 0.5, True)
    assert (set(time[train]), set(time[test])) == ({1, 2}, {3})


@pytest.mark.parametrize(
    ("keys", "labels", "share", "says"),
    [
        (Keys(np.arange(50)), np.arange(50) % 3, 0.02, "data.test.* got 0.02"),
        (Keys(np.arange(50)), np.arange(50) % 3, 0.98, "data.test.* got 0.98"),
        (Keys(np.arange(9), group=np.zeros(9, int)), np.arange(9) % 2, 0.2, "two groups or more"),
        (
            Keys(np.arange(9), time=np.zeros(9)),
            np.arange(9) % 2,
            0.2,
            "two different times or more",
        ),
        (
            Keys(np.arange(9), time=np.array([0.0] + [1] * 8)),
            np.arange(9) % 2,
            0.2,
            "89% of the rows",
        ),
        (Keys(np.arange(9), group=np.arange(9) % 2), np.arange(9) % 2, 0.9, "got 0 and 9 of 9"),
    ],
    ids=["few", "many", "a group", "a time", "late", "all groups"],
)
def test_a_cut_that_leaves_a_side_without_rows_is_refused(keys, labels, share, says):
    with pytest.raises(UnreadableFile, match=says):
        splits.cut(keys, labels, share, True)


@EACH
@pytest.mark.parametrize("classifies", [True, False])
def test_folds_depend_on_their_seeds_alone(by, classifies):
    keys, labels = keys_of(by), labels_of()
    few, more = (splits.deal(labels, keys, 4, seeds, classifies) for seeds in ([5], [5, 6]))
    assert (more.shape, more.dtype) == ((2, ROWS), "int16")
    np.testing.assert_array_equal(few[0], more[0])
    assert (more[0] != more[1]).any() == (by != "time")


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@pytest.mark.parametrize("shares", [(0.6, 0.3, 0.1), (0.01, 0.99), (0.5, 0.0, 0.5), (1.0,)])
@pytest.mark.parametrize(("rows", "k"), [(400, 4), (397, 5), (11, 2), (7, 7)])
def test_folds_at_random_are_those_of_scikit_learn(rows, k, shares):
    labels = labels_of(rows, shares)
    for kind, classifies in (
        (model_selection.StratifiedKFold, True),
        (model_selection.KFold, False),
    ):
        if classifies and np.bincount(labels).max() < k:
            continue  # refused by both kfold and scikit-learn
        (dealt,) = splits.deal(labels, keys_of("random", rows), k, [3], classifies)
        expected = kind(k, shuffle=True, random_state=3).split(labels, labels)
        for fold, (_, held_out) in enumerate(expected):
            assert np.flatnonzero(dealt == fold).tolist() == held_out.tolist()


def test_repeats_that_hold_out_the_same_rows_say_so():
    group, labels = np.repeat(np.arange(6), 10), np.zeros(60)
    six = splits.deal(labels, Keys(np.arange(60), group), 6, range(5), False)
    assert (six == six[0]).all()
    three = splits.deal(labels, Keys(np.arange(60), group), 3, range(5), False)
    assert not (three == three[0]).all()


@pytest.mark.parametrize("classifies", [True, False])
def test_no_group_is_in_two_folds(classifies):
    keys = keys_of("group")
    for dealt in splits.deal(labels_of(), keys, 4, [0, 1, 2], classifies):
        assert set(dealt) == {0, 1, 2, 3}
        assert len(set(zip(keys.group, dealt, strict=True))) == len(set(keys.group))


@pytest.mark.parametrize("by", ["random", "group"])
def test_folds_have_equal_shares_of_each_class(by):
    labels = labels_of(4000)
    (dealt,) = splits.deal(labels, keys_of(by, 4000), 4, [0], True)
    shares = [np.bincount(labels[dealt == fold]) / np.sum(dealt == fold) for fold in range(4)]
    np.testing.assert_allclose(shares, [shares[0]] * 4, atol=0.02)


def test_folds_by_time_follow_each_other_and_are_equally_long():
    time = np.random.default_rng(0).permutation(800).astype("float64")
    (dealt,) = splits.deal(labels_of(800), Keys(np.arange(800), time=time), 4, [0], True)
    assert np.unique(dealt, return_counts=True)[1].tolist() == [100] * 8
    assert (np.diff(dealt[np.argsort(time)]) >= 0).all()
    assert (dealt.min(), dealt.max()) == (-4, 3)


def test_rows_of_one_time_are_in_one_fold():
    time = np.sort(np.random.default_rng(0).integers(0, 30, 600)).astype("float64")
    (dealt,) = splits.deal(labels_of(600), Keys(np.arange(600), time=time), 3, [0], True)
    assert set(dealt) == {*range(-3, 3)}
    assert len(set(zip(time, dealt, strict=True))) == len(set(time))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (Keys(np.arange(40), time=np.arange(40) % 7 * 1.0), "expected rows at 8 times or more"),
        (Keys(np.arange(40), time=np.minimum(np.arange(40.0), 35)), None),
        (
            Keys(np.arange(40), time=np.minimum(np.arange(40.0), 20)),
            "expected rows at 8 times or more",
        ),
        (Keys(np.arange(40), group=np.arange(40) % 3), "expected 4 groups or more, got 3"),
    ],
    ids=["few times", "some at the end", "many at the end", "few groups"],
)
def test_too_few_times_or_groups_for_the_folds_are_refused(keys, says):
    labels = np.arange(40) // 20
    if says is None:
        assert len(np.unique(splits.deal(labels, keys, 4, [0], True))) == 8
        return
    with pytest.raises(ValueError, match=says):
        splits.deal(labels, keys, 4, [0], True)


@EACH
def test_keys_come_back_from_what_is_stored(by):
    keys = keys_of(by)
    again = Keys.unpack({key: value.copy() for key, value in keys.pack().items()})
    assert (keys.by, again.by) == (by, by)
    for key, value in vars(keys).items():
        np.testing.assert_array_equal(getattr(again, key), value)


def test_fewer_rows_than_folds_are_refused():
    with pytest.raises(ValueError, match="expected 4 rows or more, got 3"):
        splits.deal(np.arange(3), Keys(np.arange(3)), 4, [0], False)
