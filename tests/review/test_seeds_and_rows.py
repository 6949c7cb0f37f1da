"""Comparisons of folds with several seeds, and of metrics by row."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from stages.core.judge.comparison import Rows, compare, verdict
from stages.core.judge.t_test import LEVEL
from stages.core.judge.variance import KAPPA, by_folds, by_parts


def of_seeds(seeds=3):
    """Base and head of 4 folds x 2 repeats with several seeds: (2, seeds, 4)."""
    random = np.random.default_rng(2)
    base = random.normal(0.8, 0.02, (2, seeds, 4))
    return base, base + random.normal(0.01, 0.02, (2, seeds, 4))


def test_folds_with_several_seeds_are_judged_by_their_means():
    base, head = of_seeds()
    found, expected = compare(base, head, True, 0.01), by_folds(head - base, within=0.01)
    told = asdict(found)
    assert {name: told[name] for name in asdict(expected)} == asdict(expected)
    alone = compare(*(side.mean(axis=1, keepdims=True) for side in (base, head)), True, 0.01)
    assert (found.mean, found.low, found.p) == pytest.approx((alone.mean, alone.low, alone.p))
    assert (found.limit, found.wins) == (None, alone.wins)
    assert (found.folds, found.fits, alone.fits) == (8, 3, 1)


def test_the_typical_fold_is_that_of_folds_with_a_single_fit():
    assert compare(*of_seeds(), True).typical is None
    assert compare(*of_seeds(1), True).typical is not None
    found = compare(*of_seeds(), True)
    assert verdict(found, 0.06, None, True) == "no evidence"
    assert verdict(found, 0.04, None, True) == "better"


def test_a_fold_is_won_or_lost_over_all_its_seeds():
    base, head = np.zeros((1, 2, 4)), np.zeros((1, 2, 4))
    head[0] = [[3, -1, 1, 0], [-1, -1, 1, 0]]  # over the seeds: 1, -1, 1, 0
    up, down = compare(base, head, True), compare(base, head, False)
    assert (up.wins, up.losses, up.folds) == (2, 1, 4)
    assert (down.wins, down.losses, down.folds) == (1, 2, 4)


@pytest.mark.parametrize("numbers", [(3, 1), (1, 3), (2, 3)])
def test_means_are_compared_where_the_numbers_of_seeds_differ(numbers):
    base, head = (of_seeds(seeds)[side] for side, seeds in enumerate(numbers))
    found = compare(base, head, True, 0.005)
    means = (side.mean(axis=1, keepdims=True) for side in (base, head))
    assert found.typical is None
    assert found == replace(compare(*means, True, 0.005), fits=3, typical=None)


def by_rows(seeds=3, rows=40, groups=None, **settings):
    """Two experiments on 4 folds x 3 repeats: what `compare` says by row, and the Rows."""
    random = np.random.default_rng(3)
    folds = np.stack([random.permutation(np.arange(rows) % 4) for _ in range(3)])
    if groups is not None:
        folds = folds[:, groups]
    sizes = 3, seeds, folds.shape[1]
    base = random.normal(2, 1, sizes[2]) + random.normal(0, 0.5, sizes)
    fits = random.normal(0.3, 0.3, (3, 1, 4)) + random.normal(0, 0.3, (3, seeds, 4))
    head = base + random.normal(0, 0.5, sizes) + np.take_along_axis(fits, folds[:, None], axis=2)
    if groups is not None:
        head += random.normal(0, 1, rows)[groups]
    given = Rows(base, head, folds, groups)
    return compare(*of_folds(given), True, rows=given, **settings), given


def of_folds(given):
    """The mean of each fit over the rows that it is judged on: (repeats, seeds, k) of both."""
    for side in (given.base, given.head):
        held = given.folds[:, None] == np.arange(4)[:, None]  # (repeats, k, rows)
        yield side @ held.swapaxes(1, 2) / held.sum(axis=2)[:, None]


def test_rows_tell_the_parts_of_the_noise_apart():
    found, given = by_rows(within=0.2)
    expected = by_parts(given.head - given.base, given.folds, within=0.2)
    told = asdict(found)
    assert {name: told[name] for name in asdict(expected)} == asdict(expected)
    assert (found.test, found.typical, found.folds, found.fits) == ("parts", None, 12, 3)
    assert found.mean == pytest.approx(compare(*of_folds(given), True).mean)
    assert found.differing == 40


def test_groups_of_rows_count_once():
    groups = np.repeat(np.arange(40), 3)
    found, given = by_rows(groups=groups)
    assert found.error == by_parts(given.head - given.base, given.folds, groups).error
    assert found.differing == 40
    assert found.error > compare(*of_folds(given), True, rows=given._replace(groups=None)).error


def test_more_fits_leave_the_noise_of_rows_and_what_training_sets_share():
    found, _ = by_rows()
    assert min(found.rows, found.seeds, found.training) > 0
    # found.training is the variance between training sets, times KAPPA and a part for each of 12
    shared = found.training / (KAPPA + 1 / 12) * KAPPA
    assert found.limit**2 == pytest.approx(found.rows + shared)
    assert found.floor == pytest.approx(2.801585 * found.limit, rel=1e-6)
    student = stats.t.ppf(0.975, found.freedom) + stats.t.ppf(0.8, found.freedom)
    assert found.detectable == pytest.approx(student * found.error)
    assert found.floor < found.detectable


def test_rows_follow_the_direction_and_the_bounds_of_the_metric():
    found, given = by_rows(within=0.1)
    lower = compare(*of_folds(given), False, 0.1, rows=given)
    assert (lower.worse, lower.better) == pytest.approx((found.better, found.worse))
    assert (lower.wins, lower.losses) == (found.losses, found.wins)
    swapped = given._replace(base=given.head, head=given.base)
    back = compare(*of_folds(swapped), True, 0.1, rows=swapped)
    assert (back.mean, back.low, back.high) == pytest.approx((-found.mean, -found.high, -found.low))
    assert (back.p, back.worse) == pytest.approx((found.p, found.better))
    most = found.mean + found.error
    clipped, _ = by_rows(bounds=(0, most))
    assert (clipped.high, clipped.p) == (most, found.p)


@pytest.mark.parametrize("differing", [0, 1, 5, 6, 20])
def test_p_is_at_least_that_of_the_signs_of_the_rows_that_differ(differing):
    _, given = by_rows(rows=400)
    head = given.base.copy()
    head[:, :, :differing] += 1.0
    given = given._replace(head=head)
    found = compare(*of_folds(given), True, rows=given)
    assert found.differing == differing
    parts = by_parts(head - given.base, given.folds).p
    if not differing:
        assert (found.p, found.differs) == (1, False)
        return
    signs = stats.binomtest(differing, differing).pvalue
    assert found.p == pytest.approx(max(parts, signs))
    assert (found.p < LEVEL) == (differing >= 6)


def test_signs_are_those_of_groups_where_rows_come_in_groups():
    groups = np.repeat(np.arange(40), 5)
    _, given = by_rows(groups=groups)
    head = given.base.copy()
    head[:, :, :15] += 1.0  # 15 rows of 3 groups
    given = given._replace(head=head)
    found = compare(*of_folds(given), True, rows=given)
    assert (found.differing, found.p >= 1 / 4) == (3, True)


def test_rows_that_no_fold_holds_out_do_not_differ():
    _, given = by_rows()
    never = given.folds.copy()
    never[:, 30:] = -1
    head = given.base.copy()
    head[:, :, [0, 1, 35, 36]] += 1.0
    given = given._replace(folds=never, head=head)
    assert compare(*of_folds(given), True, rows=given).differing == 2


def test_rows_that_tell_no_parts_apart_are_refused():
    _, given = by_rows()
    equal = given._replace(folds=given.folds[[0, 0, 0]])
    with pytest.raises(ValueError, match="the same in all"):
        compare(*of_folds(equal), True, rows=equal)
    with pytest.raises(ValueError, match="2 seeds"):
        by_rows(seeds=1)
