import numpy as np
import pytest

from stages import kfold
from stages.core.data.schema import Schema
from stages.core.declared.task import TASKS
from stages.core.fit.replicas import Fitted


@pytest.fixture
def labels():
    return np.random.default_rng(0).choice(3, 200, p=[0.6, 0.3, 0.1])


def test_each_row_is_held_out_once_in_each_repeat_and_repeats_differ(labels):
    folds = kfold.deal(labels, k=4, repeats=3, split_seed=0, classifies=False)
    assert folds.shape == (3, 200)
    for dealt in folds:
        assert np.bincount(dealt).tolist() == [50] * 4
    assert (folds[0] != folds[1]).any()


def test_folds_have_equal_shares_of_each_class(labels):
    (folds,) = kfold.deal(labels, k=4, repeats=1, split_seed=0, classifies=True)
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=4)
        assert counts.max() - counts.min() <= 1


def test_folds_depend_on_the_split_seed_alone(labels):
    first, same, other = (kfold.deal(labels, 4, 2, seed, True) for seed in (0, 0, 1))
    assert (first == same).all()
    assert (first != other).any()


def test_more_repeats_leave_the_first_ones_as_they_were(labels):
    few, more = (kfold.deal(labels, 4, repeats, 0, True) for repeats in (2, 3))
    assert (few == more[:2]).all()


def test_there_is_a_replica_for_each_fold_with_a_seed_of_its_own(labels):
    folds = kfold.deal(labels, 4, 3, 0, True)
    members = kfold.members(folds, seed=0)
    assert [member.held_out for member in members] == [0, 1, 2, 3] * 3
    assert len({member.seed for member in members}) == 12
    assert len({member.order for member in members}) == 3


def test_seeds_differ_in_weights_and_in_the_order_of_batches(labels):
    folds = kfold.deal(labels, 4, 2, 0, True)
    members = kfold.members(folds, seed=0, seeds=3)
    assert [member.held_out for member in members] == [0, 1, 2, 3] * 6
    assert len({member.seed for member in members}) == 24
    orders = [member.order for member in members]
    assert orders[::4] == orders[3::4]  # alike in the folds of a repeat and a seed, and there alone
    assert len({*orders}) == 6
    assert all((member.folds == folds[number // 12]).all() for number, member in enumerate(members))


def test_more_seeds_leave_the_first_ones_as_they_were(labels):
    folds = kfold.deal(labels, 4, 1, 0, True)
    few, more = (kfold.members(folds, 0, seeds) for seeds in (2, 3))
    assert [(m.seed, m.order) for m in few] == [(m.seed, m.order) for m in more[:8]]


def test_a_fold_has_no_say_in_its_own_epoch():
    losses = np.full((2, 3, 4), 5.0)  # 2 seeds, 3 folds, 4 epochs
    losses[:, 0, 3] = 0  # by far the best epoch of fold 0
    losses[:, 1, 1] = 4
    losses[0, 2, 2] = 3
    losses[1, 2, 2] = 2.5
    rows = np.array([10, 10, 10])
    chosen, naive = kfold.best_epochs(losses, rows)
    assert (chosen.tolist(), naive) == ([2, 3, 3], 3)
    losses[:, 0] = np.random.default_rng(0).random((2, 4))
    assert kfold.best_epochs(losses, rows)[0][0] == 2


def test_folds_count_by_their_rows_where_they_choose_epochs():
    losses = np.array([[[1.0, 1], [2, 1], [1, 3]]])
    assert kfold.best_epochs(losses, np.array([5, 5, 5]))[0][0] == 0
    assert kfold.best_epochs(losses, np.array([5, 15, 5]))[0][0] == 1


@pytest.mark.parametrize("best", [False, True])
def test_predictions_are_those_of_the_chosen_epoch(best):
    folds = kfold.deal(np.zeros(6), 3, 1, 0, False)
    planned = kfold.members(folds, 0, seeds=2)
    losses = np.random.default_rng(0).random((6, 5)).astype("float32")
    after = lambda number, epoch: np.full((2, 1), 10 * number + epoch, "float32")  # noqa: E731
    fits = [
        Fitted(
            [],
            None,
            {name: losses[number] for name in ("loss", "metric", "val_loss", "val_metric")},
            np.stack([after(number, epoch) for epoch in range(5)]) if best else after(number, 4),
        )
        for number in range(6)
    ]
    found = kfold.of_repeat(planned, fits, 2, best)
    assert found["val_loss"].tolist() == losses.reshape(2, 3, 5).tolist()
    chosen = np.full(3, 4)
    if best:
        chosen, naive = kfold.best_epochs(losses.reshape(2, 3, 5), np.array([2, 2, 2]))
        assert found["naive"] == naive + 1
        assert len({*chosen}) > 1
    assert found["epochs"].tolist() == (chosen + 1).tolist()
    for number, member in enumerate(planned):
        expected = 10 * number + chosen[number % 3]
        assert (found["predictions"][number // 3, member.held_out_rows] == expected).all()


def test_the_reference_learns_of_training_rows_alone_and_takes_empty_columns(labels):
    random = np.random.default_rng(0)
    y = (labels > 0).astype("int32")
    x = random.normal(size=(200, 3)).astype("float32")
    x[:, 0] += 3 * y
    folds = kfold.deal(y, 4, 1, 0, True)
    x[folds[0] != 2, 1] = np.nan  # nothing of it is seen where fold 2 is held out
    planned = kfold.members(folds, seed=0)
    schema = Schema(TASKS["binary"], ("no", "yes"), (), (3,))
    found = kfold.reference(planned, x, y, schema)
    assert ((found[:, 0] > 0.5) == y).mean() > 0.85
    changed = y.copy()
    changed[folds[0] == 1] = 1 - changed[folds[0] == 1]
    again = kfold.reference(planned, x, changed, schema)
    assert (found == again)[folds[0] == 1].all()
    assert (found != again)[folds[0] != 1].any()
