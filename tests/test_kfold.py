import numpy as np
import pytest

from stages import kfold
from stages.core.data.schema import Schema
from stages.core.declared.task import TASKS


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
