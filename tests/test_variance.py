"""The parts of a variance against loops over every row, and against made-up effects."""

from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from stages.core.judge.variance import KAPPA, by_folds, by_parts, inseparable

PARTS = "rows", "seeds", "training"


def dealt(random, repeats, rows, k):
    return np.stack([random.permutation(np.arange(rows) % k) for _ in range(repeats)])


def effects(random, folds, seeds, row=0.0, of_set=0.0, seed=0.0, row_and_set=0.0, rest=0.0):
    """Values with mean 0.1 and independent normal effects of these variances."""
    (repeats, rows), k = folds.shape, folds.max() + 1
    noise = random.normal
    by_fold = (
        noise(size=(repeats, 1, k)) * of_set**0.5 + noise(size=(repeats, seeds, k)) * seed**0.5
    )
    return (
        0.1
        + noise(size=rows) * row**0.5
        + np.take_along_axis(by_fold, np.broadcast_to(folds[:, None], (repeats, seeds, rows)), 2)
        + noise(size=(repeats, 1, rows)) * row_and_set**0.5
        + noise(size=(repeats, seeds, rows)) * rest**0.5
    )


@pytest.fixture
def case():
    """3 repeats, 4 seeds, 3 folds of 3, 4 and 5 rows: (values, folds)."""
    random = np.random.default_rng(0)
    folds = np.stack([random.permutation(np.repeat([0, 1, 2], [3, 4, 5])) for _ in range(3)])
    return effects(random, folds, 4, row=1, of_set=8, seed=3, rest=1), folds


def close(found, expected, **tolerance):
    ours, theirs = asdict(found), asdict(expected)
    assert ours.pop("test") == theirs.pop("test")
    for name in ours:
        if theirs[name] is None:
            assert ours[name] is None, name
        else:
            assert ours[name] == pytest.approx(theirs[name], **tolerance), name


def by_loops(values, folds, kappa=KAPPA):
    """The mean, the parts of its variance and the degrees of freedom, in the order of the recipe."""
    repeats, seeds, rows = values.shape
    k = folds.max() + 1
    sets = [(r, np.flatnonzero(folds[r] == fold)) for r in range(repeats) for fold in range(k)]
    mean = np.mean([values[r, s, held].mean() for r, held in sets for s in range(seeds)])
    terms = np.zeros(rows)
    for r, held in sets:
        for i in held:
            terms[i] += (values[r, :, i].mean() - mean) / len(held) / len(sets)
    of_rows = rows / (rows - 1) * sum(terms**2)

    of_seeds, of_sets = [], []
    by_repeat = np.zeros((repeats, seeds))  # the mean over the folds
    for r, held in sets:
        m, others = len(held), [other for other in range(repeats) if other != r]
        left = values[r][:, held] - np.array([values[others][:, :, i].mean() for i in held])
        g = left.mean(axis=1)
        c = left - g[:, None]
        noise = sum(np.var(c[:, i], ddof=1) for i in range(m)) / (m * (m - 1))
        of_seeds.append(np.var(g, ddof=1) - noise)
        by_repeat[r] += g / k
        pairs = [(s, t) for s in range(seeds) for t in range(seeds) if s != t]
        products = [g[s] * g[t] - c[s] @ c[t] / (m * (m - 1)) for s, t in pairs]
        of_sets.append(np.mean(products))
    between_sets = np.mean(of_sets) - np.mean(of_seeds) / seeds / (repeats - 1) / k
    between_seeds = np.mean([np.var(each, ddof=1) for each in by_repeat])
    count = len(sets)
    parts = {
        "rows": of_rows,
        "seeds": between_seeds / repeats / seeds,
        "training": (kappa + 1 / count) * max(0, between_sets),
    }
    over = [
        parts["rows"] ** 2 / (rows - 1),
        parts["seeds"] ** 2 / (repeats * (seeds - 1)),
        parts["training"] ** 2 / (count - 1),
    ]
    return {"mean": mean, **parts, "freedom": sum(parts.values()) ** 2 / sum(over)}


@pytest.mark.parametrize("kappa", [0, 0.5, 3])
def test_parts_are_those_of_loops_over_rows_folds_and_seeds(case, kappa):
    found, expected = asdict(by_parts(*case, kappa=kappa)), by_loops(*case, kappa=kappa)
    assert all(expected.values())
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_error_is_of_all_parts_and_interval_and_p_are_of_student(case):
    found = by_parts(*case)
    assert found.error**2 == pytest.approx(found.rows + found.seeds + found.training)
    student = stats.t(found.freedom, found.mean, found.error)
    assert (found.low, found.high) == pytest.approx(student.interval(0.95))
    assert found.p == pytest.approx(2 * min(student.cdf(0), student.sf(0)))
    assert found.test == "parts"


def test_rows_in_equal_folds_are_the_variance_of_their_means():
    random = np.random.default_rng(1)
    folds = dealt(random, 3, 24, 4)
    values = effects(random, folds, 2, row=1, rest=1)
    expected = values.mean(axis=(0, 1)).var(ddof=1) / 24
    assert by_parts(values, folds).rows == pytest.approx(expected)


# repeats, seeds, rows of small data, of few seeds and of the least there can be
SIZES = [(5, 5, 200), (4, 2, 60), (2, 3, 60), (2, 2, 60)]


@pytest.mark.parametrize(("repeats", "seeds", "rows"), SIZES)
def test_parts_are_on_average_the_variances_that_made_the_values(repeats, seeds, rows):
    random, k, draws = np.random.default_rng(2), 4, 400
    made = {"row": 1, "of_set": 1.5, "seed": 2, "row_and_set": 1, "rest": 2}
    sets, found = repeats * k, []
    for _ in range(draws):
        folds = dealt(random, repeats, rows, k)
        found.append(by_parts(effects(random, folds, seeds, **made), folds, kappa=0))
    expected = {
        "rows": (made["row"] + made["row_and_set"] / repeats + made["rest"] / repeats / seeds)
        / rows,
        "seeds": (made["seed"] / k + made["rest"] / rows) / repeats / seeds,
        "training": made["of_set"] * (1 + 1 / (repeats - 1) / k) / sets,
    }
    of_fits = made["seed"] / sets / seeds + made["of_set"] / sets
    expected["rows"] += k / rows * (rows - rows / k) / (rows - 1) * of_fits
    for name in PARTS:
        part = np.array([getattr(each, name) for each in found])
        # Where the estimate can be below 0 its mean is a little higher, by what is cut off there.
        assert abs(part.mean() - expected[name]) < 4 * part.std() / draws**0.5, name


def test_noise_of_rows_and_seeds_is_not_taken_for_that_of_training_sets():
    random, zero = np.random.default_rng(3), []
    made = {"row": 5, "of_set": 0, "seed": 1, "row_and_set": 5, "rest": 5}
    for _ in range(200):
        folds = dealt(random, 3, 80, 4)
        zero.append(by_parts(effects(random, folds, 3, **made), folds).training == 0)
    assert 0.35 < np.mean(zero) < 0.7  # about half of the estimates of a variance of 0 are below it


@pytest.mark.parametrize(
    "made",
    [
        {"row": 1, "rest": 1},
        {"row": 0.1, "of_set": 0.1, "row_and_set": 0.1},
        {"row": 0.1, "seed": 0.3, "rest": 1},
    ],
    ids=["rows", "training", "seeds"],
)
def test_intervals_hold_the_truth_as_often_as_they_say(made):
    random, held = np.random.default_rng(4), []
    for _ in range(400):
        folds = dealt(random, 4, 60, 4)
        found = by_parts(effects(random, folds, 3, **made), folds, kappa=0)
        held.append(found.low <= 0.1 <= found.high)
    assert 0.92 < np.mean(held) < 0.99


def test_noise_that_folds_share_with_their_seed_is_in_the_interval():
    random, held, short = np.random.default_rng(8), [], []
    for _ in range(400):
        folds = dealt(random, 5, 60, 4)
        values = effects(random, folds, 3, row=0.1, rest=0.1)
        values = values + random.normal(size=(5, 3, 1)) * 0.3  # the order of batches, say
        found = by_parts(values, folds, kappa=0)
        held.append(found.low <= 0.1 <= found.high)
        short.append(abs(found.mean - 0.1) < 1.96 * (found.rows + found.seeds / 4) ** 0.5)
    assert 0.92 < np.mean(held) < 0.99
    assert np.mean(short) < 0.85  # as if each fold had such noise by itself


def test_intervals_of_rows_that_are_right_or_wrong_hold_the_truth():
    random, held = np.random.default_rng(5), []
    for _ in range(400):
        folds = dealt(random, 3, 60, 4)
        chance = random.beta(2, 1, size=60)  # 2 / 3 on average
        right = (random.random((3, 3, 60)) < chance).astype("float64")
        found = by_parts(right, folds, bounds=(0, 1))
        held.append(found.low <= 2 / 3 <= found.high)
    assert 0.92 < np.mean(held) < 0.99


def test_rows_that_are_alike_count_once(case):
    values, folds = case
    again = np.tile(np.arange(12), 3)
    close(by_parts(values[:, :, again], folds[:, again], groups=again), by_parts(values, folds))
    assert by_parts(values[:, :, again], folds[:, again]).rows < by_parts(values, folds).rows / 2


def test_rows_of_a_group_are_drawn_together():
    random, k, of_groups, of_rows = np.random.default_rng(6), 4, [], []
    for _ in range(100):
        groups = np.repeat(np.arange(24), random.integers(1, 8, size=24))
        folds = dealt(random, 3, 24, k)[:, groups]
        values = random.normal(size=24)[groups] + random.normal(size=(3, 2, len(groups))) * 0.1
        found = by_parts(values, folds, groups)
        of_groups.append(found.mean / found.error)
        of_rows.append(found.mean / by_parts(values, folds).error)
    assert 0.8 < np.std(of_groups) < 1.25
    assert np.std(of_rows) > 1.3


def test_names_of_groups_do_not_matter(case):
    values, folds = case
    names = np.array(list("lkjihgfedcba"))
    close(by_parts(values, folds, groups=names), by_parts(values, folds))


def test_swapped_sides_change_the_sign_alone(case):
    values, folds = case
    there, back = (by_parts(side, folds, within=0.2, bounds=(-9, 9)) for side in (values, -values))
    assert (back.mean, back.low, back.high) == (-there.mean, -there.high, -there.low)
    assert (back.worse, back.better) == pytest.approx((there.better, there.worse))
    same = "p", "error", "freedom", "equivalent", *PARTS
    assert [getattr(back, name) for name in same] == pytest.approx(
        [getattr(there, name) for name in same]
    )


def test_order_of_rows_seeds_repeats_and_names_of_folds_do_not_matter(case):
    values, folds = case
    random = np.random.default_rng(7)
    rows, seeds, repeats = (random.permutation(size) for size in (12, 4, 3))
    moved = values[repeats][:, seeds][:, :, rows]
    close(by_parts(moved, 2 - folds[repeats][:, rows], within=0.1), by_parts(*case, within=0.1))


def test_rows_that_no_fold_holds_out_do_not_matter(case):
    values, folds = case
    more = np.concatenate([np.full((3, 4, 2), np.nan), values], axis=2)
    never = np.concatenate([[[-1, -2]] * 3, folds], axis=1)
    close(by_parts(more, never), by_parts(values, folds))


def test_equal_experiments_do_not_differ(case):
    found = by_parts(np.zeros((3, 4, 12)), case[1], within=0.01)
    assert (found.mean, found.low, found.high, found.p, found.error) == (0, 0, 0, 1, 0)
    assert (found.worse, found.equivalent, found.better) == (0, 1, 0)
    assert np.isfinite(found.freedom)


@pytest.mark.parametrize("by", ["parts", "folds"])
@pytest.mark.parametrize(
    ("difference", "higher_is_better", "chances"),
    [
        (0.25, True, (0, 0, 1)),
        (0.25, False, (1, 0, 0)),
        (-0.25, True, (1, 0, 0)),
        (0.125, True, (0, 1, 0)),
        (-0.125, True, (0, 1, 0)),
    ],
)
def test_equal_differences_are_certain(case, by, difference, higher_is_better, chances):
    settings = {"higher_is_better": higher_is_better, "within": 0.125}
    if by == "parts":
        found = by_parts(np.full((3, 4, 12), difference), case[1], **settings)
    else:
        found = by_folds(np.full((3, 4, 3), difference), **settings)
    assert (found.mean, found.low, found.high, found.p) == (difference, difference, difference, 0)
    assert (found.worse, found.equivalent, found.better) == chances


def test_the_unit_of_the_metric_does_not_matter(case):
    values, folds = case
    tiny, usual = by_parts(values * 2.0**-500, folds), by_parts(values, folds)
    assert (tiny.p, tiny.freedom) == pytest.approx((usual.p, usual.freedom))
    assert tiny.error * 2.0**500 == pytest.approx(usual.error)


def test_chances_are_areas_of_student_in_the_direction_of_the_metric(case):
    found = by_parts(*case, within=0.3)
    student = stats.t(found.freedom, found.mean, found.error)
    assert found.worse == pytest.approx(student.cdf(-0.3))
    assert found.better == pytest.approx(student.sf(0.3))
    assert found.worse + found.equivalent + found.better == pytest.approx(1)
    loss = by_parts(*case, within=0.3, higher_is_better=False)
    assert (loss.worse, loss.better) == pytest.approx((found.better, found.worse))
    assert by_parts(*case).equivalent is None


def test_the_interval_is_clipped_to_the_bounds(case):
    free = by_parts(*case)
    inside = by_parts(*case, bounds=(free.mean - free.error, free.mean + free.error))
    assert (inside.low, inside.high) == (free.mean - free.error, free.mean + free.error)
    assert inside.p == free.p


WRONG = {
    "a single seed": (lambda values, folds: (values[:, :1], folds), "2 seeds"),
    "a single repeat": (lambda values, folds: (values[:1], folds[:1]), "2 repeats"),
    "equal repeats": (lambda values, folds: (values, folds[[0, 0, 0]]), "the same in all"),
    "a fold of a row": (
        lambda values, folds: (values[:, :, :2], [[0, 1], [1, 0], [0, 1]]),
        "2 rows",
    ),
    "other rows": (lambda values, folds: (values[:, :, 1:], folds), "(3, 4, 11)"),
    "held out at times": (
        lambda values, folds: (values, folds - np.eye(3, 12, dtype=int) * 9),
        "in a few",
    ),
    "not a number": (lambda values, folds: (values / 0, folds), "finite"),
    "groups cut apart": (lambda values, folds: (values, folds, np.zeros(12)), "whole"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_tells_no_parts_apart_is_refused(case, name):
    make, words = WRONG[name]
    with pytest.raises(ValueError, match=r"^expected ") as error:
        by_parts(*make(*case))
    assert words in str(error.value)


def test_folds_are_judged_as_before_after_a_mean_over_seeds():
    values = np.random.default_rng(8).normal(0.1, 1, size=(3, 5, 4))
    found = by_folds(values, within=0.2, bounds=(-0.5, 0.5))
    means = values.mean(axis=1).ravel()
    assert found.mean == pytest.approx(means.mean())
    ends = stats.t.interval(0.95, 11, means.mean(), found.error)
    assert (found.low, found.high) == pytest.approx(tuple(np.clip(ends, -0.5, 0.5)))
    assert found.error == pytest.approx(np.sqrt(means.var(ddof=1) * (1 / 12 + 1 / 3)))
    assert (found.freedom, found.test) == (11, "folds")
    assert found.worse == pytest.approx(stats.t.cdf(-0.2, 11, found.mean, found.error))
    assert [getattr(found, name) for name in PARTS] == [None] * 3


def test_equal_folds_do_not_differ():
    found = by_folds(np.zeros((2, 1, 4)), within=0.1)
    assert (found.p, found.error, found.equivalent) == (1, 0, 1)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 2, 1), (0, 2, 4)])
def test_folds_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="repeats, seeds, 2 folds"):
        by_folds(np.zeros(shape))


def test_what_can_be_told_apart(case):
    _, folds = case
    assert inseparable(folds, 3) == inseparable(folds, 4, np.arange(12)) == ""
    assert "2 repeats and 3 seeds" in inseparable(folds, 2)
    assert "2 repeats and 3 seeds" in inseparable(folds[:1], 3)
    assert "the same rows" in inseparable(folds[[0, 0, 0]], 3)
    assert "single row (or group)" in inseparable(folds, 3, folds[0])


def test_more_fits_leave_rows_and_what_training_sets_have_in_common(case):
    found = by_parts(*case, kappa=0.5)
    between = found.training / (0.5 + 1 / 9)
    assert found.limit**2 == pytest.approx(found.rows + 0.5 * between)
    assert by_folds(np.zeros((2, 1, 4))).limit is None


def test_a_fold_with_a_single_group_is_told_whatever_repeat_it_is_in():
    groups = np.arange(12) // 2
    folds = np.array([[0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 2]])[:, groups]
    assert "single row (or group)" in inseparable(folds, 3, groups)
