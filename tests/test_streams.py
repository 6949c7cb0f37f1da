"""Which rows the replicas train on, held against brute force."""

from hashlib import sha256
from itertools import chain

import numpy as np
import pytest

from stages.core.fit import streams
from stages.core.fit.replicas import Replica
from stages.kfold import deal

BATCH = 32


def shuffled(*sizes):
    """Folds of these sizes, their rows in any order."""
    return np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))


def replicas_of(folds, window=0):
    """A replica for each fold that can be held out."""
    return [Replica(0, 5, folds, fold, window) for fold in range(window, folds.max() + 1)]


def taken_by(members, batch_size, epoch, padded):
    """Batches of each member, as the row numbers that it takes."""
    batches = [[] for _ in members]
    for rows, taken in streams.batches(members, batch_size, epoch, padded):
        assert (rows.dtype, taken.dtype) == ("int32", "float32")
        for step, inside in zip(rows, taken, strict=True):
            for number, each in enumerate(batches):
                each.append(step[number][inside[number] == 1].tolist())
    return batches


def in_order(member, epoch):
    """The rows that a member trains on, by brute force, in the order of its stream."""
    window = range(member.held_out - member.window, member.held_out)
    return [
        int(row)
        for row in streams.stream(member, epoch)
        if (member.folds[row] in window if member.window else member.folds[row] != member.held_out)
    ]


UNEVEN = {
    "groups": replicas_of(shuffled(10, 300, 40, 150)),
    "some always train": replicas_of(shuffled(60, 10, 300, 40, 90) - 1),
    "half in a fold": replicas_of(shuffled(250, 150, 100)),
    "nearly all in a fold": replicas_of(shuffled(480, 10, 10)),
    "windows": replicas_of(shuffled(100, 30, 50, 120, 200), window=2),
}
EQUAL = {
    "classes": replicas_of(deal(np.arange(1003) ** 2 % 2003 % 46, 4, 1, 0, True)[0]),
    "numbers": replicas_of(deal(np.zeros(399), 10, 1, 0, False)[0]),
    "windows": replicas_of(shuffled(100, 100, 101, 100, 99), window=2),
    "a window of one fold": replicas_of(shuffled(100, 100, 100), window=1),
    "no fold": [Replica(0, 5, np.full(300, -1), 0)],
}


@pytest.mark.parametrize("kind", EQUAL)
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("batch_size", [1, 25, 512])
def test_equal_folds_train_batch_size_rows_at_a_time(kind, padded, batch_size):
    members, epoch = EQUAL[kind], 3
    orders = [in_order(member, epoch) for member in members]
    fewest = min(map(len, orders))
    for order, batches in zip(orders, taken_by(members, batch_size, epoch, padded), strict=True):
        cuts = range(batch_size, fewest, batch_size)
        expected = np.split(order if padded else order[:fewest], cuts)
        assert batches == [batch.tolist() for batch in expected]


def test_the_batches_of_equal_folds_are_those_of_the_shipped_results():
    digest = sha256()
    for padded in (True, False):
        for part in streams.batches(EQUAL["classes"], BATCH, 3, padded):
            for array in part:
                digest.update(array.tobytes())
    assert digest.hexdigest() == "f547b73b49599483e4af6f6c002b6d7fb4378e86868a190756d4accbb7fb3d4e"


@pytest.mark.parametrize("kind", UNEVEN)
@pytest.mark.parametrize("batch_size", [1, 16, 32, 1000])
def test_rows_of_uneven_folds_are_spread_evenly_over_the_same_number_of_steps(kind, batch_size):
    members, epoch = UNEVEN[kind], 3
    orders = [in_order(member, epoch) for member in members]
    mean, fewest = np.mean([len(order) for order in orders]), min(map(len, orders))
    steps = min(fewest, int(np.ceil(mean / batch_size)))
    for order, batches in zip(orders, taken_by(members, batch_size, epoch, True), strict=True):
        n = len(order)
        assert batches == [order[s * n // steps : (s + 1) * n // steps] for s in range(steps)]
        assert all(batches)
        assert list(chain(*batches)) == order  # each row once


@pytest.mark.parametrize("kind", UNEVEN)
def test_no_place_is_empty_in_all_batches(kind):
    ((_, taken),) = streams.batches(UNEVEN[kind], BATCH, 0, padded=True)
    assert taken.any(axis=(0, 1)).all()
    assert streams.plan(UNEVEN[kind][0], BATCH, True).width == taken.shape[2]


@pytest.mark.parametrize("kind", UNEVEN)
@pytest.mark.parametrize("batch_size", [1, 16, 1000])
def test_without_padding_each_replica_of_uneven_folds_takes_all_its_rows_as_keras(kind, batch_size):
    members, epoch = UNEVEN[kind], 3
    for member in members:
        chosen = streams.plan(member, batch_size, padded=False)
        alike = [each for each in members if streams.plan(each, batch_size, False) == chosen]
        assert len({len(each.training_rows) for each in alike}) == 1
        order = in_order(member, epoch)
        batches = taken_by(alike, batch_size, epoch, False)[alike.index(member)]
        expected = range(0, len(order), batch_size)
        assert batches == [order[start : start + batch_size] for start in expected]
        assert chosen[:3] == (len(batches), len(batches[0]), len(order))


@pytest.mark.parametrize("kind", [*UNEVEN, *EQUAL])
@pytest.mark.parametrize("padded", [True, False])
def test_a_replica_sees_the_same_alone_and_beside_others(kind, padded):
    members = (UNEVEN | EQUAL)[kind]
    for member in members:
        chosen = streams.plan(member, BATCH, padded)
        beside = [each for each in members if streams.plan(each, BATCH, padded) == chosen]
        (alone,) = taken_by([member], BATCH, 1, padded)
        assert taken_by(beside, BATCH, 1, padded)[beside.index(member)] == alone


@pytest.mark.parametrize("kind", EQUAL)
@pytest.mark.parametrize("padded", [True, False])
def test_replicas_of_equal_folds_train_together(kind, padded):
    assert len({streams.plan(member, BATCH, padded) for member in EQUAL[kind]}) == 1


@pytest.mark.parametrize("kind", UNEVEN)
def test_replicas_of_uneven_folds_train_together_where_batches_are_padded(kind):
    assert len({streams.plan(member, BATCH, True) for member in UNEVEN[kind]}) == 1


@pytest.mark.parametrize(
    ("surplus", "sizes"),
    [(2, [[32, 32, 32], [32, 32, 34]]), (3, [[24, 24, 24, 24], [24, 25, 25, 25]])],
)
def test_the_last_padded_batch_has_at_most_a_16th_more_rows(surplus, sizes):
    members = replicas_of(shuffled(96 + surplus, 96))
    taken = taken_by(members, BATCH, 0, True)
    assert [[len(each) for each in batches] for batches in taken] == sizes


@pytest.mark.parametrize(("surplus", "sit_out"), [(12, 12), (13, 0)])
def test_at_most_a_16th_of_the_rows_sits_out(surplus, sit_out):
    few, many = replicas_of(shuffled(180 + surplus, 180))
    (batches,) = taken_by([many], BATCH, 0, False)
    assert len(many.training_rows) - len([*chain(*batches)]) == sit_out
    together = streams.plan(few, BATCH, False) == streams.plan(many, BATCH, False)
    assert together == (sit_out > 0)


@pytest.mark.parametrize("batch_size", [16, 32])
def test_replicas_of_uneven_folds_take_mostly_the_same_rows(batch_size):
    members = UNEVEN["groups"]
    ((batches, taken),) = streams.batches(members, batch_size, 0, padded=True)
    for step, inside in zip(batches, taken, strict=True):
        assert len(np.unique(step[inside == 1])) <= 500 / len(batches) + 8


def test_a_window_is_of_the_folds_just_before_the_one_that_is_held_out():
    folds = np.array([-1, 0, 1, 2, 3, 3, 4, -1, 1])
    member = Replica(0, 5, folds, held_out=3, window=2)
    assert member.training_rows.tolist() == [2, 3, 8]
    assert member.held_out_rows.tolist() == [4, 5]


def test_a_window_may_end_where_no_fold_is_held_out():
    folds = np.arange(90) // 30
    member = Replica(0, 5, folds, held_out=3, window=2)
    assert member.training_rows.tolist() == list(range(30, 90))
    assert len(member.held_out_rows) == 0
    (batches,) = taken_by([member], BATCH, 0, True)
    assert sorted(chain(*batches)) == list(range(30, 90))


@pytest.mark.parametrize(
    ("held_out", "window", "message"),
    [(1, 2, "window 2"), (1, -1, "window -1"), (3, 2, "fold 3"), (2, 1, "fold 2")],
)
def test_a_replica_without_rows_or_folds_to_train_on_is_refused(held_out, window, message):
    with pytest.raises(ValueError, match=message):
        Replica(0, 5, np.array([0, 0, 3]), held_out, window)


def test_a_fold_that_has_all_rows_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        Replica(0, 5, np.zeros(5, "int16"), 0)


@pytest.mark.parametrize("folds_of", [4, 3, 7])
@pytest.mark.parametrize("batch_size", [32, 1, 1000])
def test_each_replica_passes_once_over_its_rows_in_batches_of_the_given_size(folds_of, batch_size):
    folds = np.random.default_rng(1).permutation(101) % folds_of
    members = replicas_of(folds)
    ((rows, taken),) = streams.batches(members, batch_size, 0, padded=True)
    for number, member in enumerate(members):
        seen = rows[:, number][taken[:, number] == 1]
        assert sorted(seen) == sorted(np.flatnonzero(folds != member.held_out))
        sizes = taken[:, number].sum(axis=1)
        assert (sizes[:-1] == batch_size).all()
        assert 0 < sizes[-1] <= batch_size + 1


@pytest.mark.parametrize("folds_of", [4, 3, 7])
@pytest.mark.parametrize("batch_size", [32, 1, 1000, 25])
def test_batches_that_are_not_padded_are_full_and_of_equal_numbers(folds_of, batch_size):
    folds = np.random.default_rng(1).permutation(101) % folds_of
    members = replicas_of(folds)
    fewest = 101 - np.bincount(folds).max()
    seen = [set() for _ in members]
    for epoch in range(20):
        parts = streams.batches(members, batch_size, epoch, padded=False)
        widths = [rows.shape[2] for rows, _ in parts for _ in rows]
        assert widths[:-1] == [batch_size] * (len(widths) - 1)
        assert sum(widths) == fewest
        assert all((taken == 1).all() for _, taken in parts)
        for number, member in enumerate(members):
            chosen = np.concatenate([rows[:, number].ravel() for rows, _ in parts])
            assert len(set(chosen)) == fewest
            assert not (folds[chosen] == member.held_out).any()
            seen[number] |= set(chosen)
    for number, member in enumerate(members):  # which rows sit out is another matter each epoch
        assert len(seen[number]) == (folds != member.held_out).sum()


def test_batches_draw_equally_from_every_fold(rows):
    _, _, folds = rows
    ((batches, taken),) = streams.batches(replicas_of(folds), BATCH, 0, padded=True)
    for step, weights in zip(batches[:-1, 0], taken[:-1, 0], strict=True):
        counts = np.bincount(folds[step[weights == 1]], minlength=4)[1:]
        assert counts.max() - counts.min() <= 1


def test_replicas_of_a_stream_take_mostly_the_same_rows(rows):
    _, _, folds = rows
    ((batches, taken),) = streams.batches(replicas_of(folds), BATCH, 0, padded=True)
    for step, weights in zip(batches[:-1], taken[:-1], strict=True):
        assert len(np.unique(step[weights == 1])) <= BATCH * 4 / 3 + 4


def test_epochs_and_orders_shuffle_anew(rows):
    _, _, folds = rows
    member, other = Replica(0, 5, folds, 0), Replica(0, 6, folds, 0)
    assert (streams.stream(member, 0) != streams.stream(member, 1)).any()
    assert (streams.stream(member, 0) != streams.stream(other, 0)).any()
