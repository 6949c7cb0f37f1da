"""The statistics of the review against numbers worked by hand, SciPy and made-up noise."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from stages.core.judge.comparison import (
    Comparison,
    bootstrap,
    compare,
    flips,
    holm,
    typical,
    verdict,
)
from stages.core.judge.metrics import LOSSES, METRICS
from stages.core.judge.t_test import ANY, LEVEL, standard_error
from stages.core.judge.variance import by_folds

# The example worked by hand: k = 2 and two repeats, so J = 4 and J - 1 = 3 degrees of freedom.
#   mean 2.5, variance 5 / 3, t = 2.5 / 1.443376 = sqrt(3),
#   standard error sqrt(5 / 3 x (1 / 4 + 1 / (2 - 1))) = sqrt(25 / 12) = 1.443376
DIFFERENCES = np.array([1.0, 2.0, 3.0, 4.0])
ERROR = np.sqrt(25 / 12)


def interval(values, k, bounds=ANY):
    """Of the mean of k folds x repeats with a single seed."""
    found = by_folds(np.reshape(values, (-1, 1, k)), bounds=bounds)
    return found.low, found.high


def student(t):
    """The distribution function of Student's t with 3 degrees of freedom, in closed form."""
    x = t / np.sqrt(3)
    return 1 / 2 + (x / (1 + x**2) + np.arctan(x)) / np.pi


def compared(base, head, k, *settings, **named) -> Comparison:
    """Of fits with a single seed, fold by fold: (k x repeats,) in each experiment."""
    sides = (np.reshape(side, (-1, 1, k)) for side in (base, head))
    return compare(*sides, *settings, **named)


def by_hand(higher_is_better=True, within=None) -> Comparison:
    return compared([5, 5, 5, 5], DIFFERENCES + 5, 2, higher_is_better, within)


def alternating(mean, noise) -> tuple[np.ndarray, np.ndarray]:
    """Base and head of 4 folds x 2 repeats that differ by mean - noise and mean + noise in turn."""
    base = np.linspace(0.8, 0.9, 8)
    return base, base + mean + noise * np.array([-1, 1] * 4)


@pytest.fixture
def sides():
    """Two experiments on 5 folds x 3 repeats, head better by a little."""
    random = np.random.default_rng(1)
    base = random.normal(0.8, 0.02, 15)
    return base, base + random.normal(0.004, 0.01, 15)


def test_standard_error_is_that_of_nadeau_and_bengio_by_hand():
    assert standard_error(DIFFERENCES, 2) == pytest.approx(ERROR)
    assert standard_error([1, 2, 3, 4], 3) == pytest.approx(np.sqrt(5 / 3 * (1 / 4 + 1 / 2)))


def test_interval_is_that_of_nadeau_and_bengio_by_hand():
    # 3.182446 is the 97.5 % quantile of t with 3 degrees of freedom: 3.182446 x 1.443376 = 4.593466
    assert interval(DIFFERENCES, 2) == pytest.approx((2.5 - 4.593466, 2.5 + 4.593466), abs=1e-5)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_interval_is_that_of_scipy(k):
    values = np.random.default_rng(k).normal(0.3, 2, 6 * k)
    scale = np.sqrt(values.var(ddof=1) * (1 / (6 * k) + 1 / (k - 1)))
    assert interval(values, k) == pytest.approx(
        stats.t.interval(0.95, 6 * k - 1, values.mean(), scale)
    )


def test_interval_is_wider_than_the_naive_one_however_many_repeats():
    values = np.random.default_rng(0).normal(0, 1, 4000)
    low, high = interval(values, 4)
    naive = stats.t.interval(0.95, 3999, values.mean(), stats.sem(values))
    assert high - low > 30 * (naive[1] - naive[0])


FOUND = [METRICS["accuracy"], METRICS["mae"], *LOSSES.values()]


@pytest.mark.parametrize("metric", FOUND, ids=lambda metric: metric.label)
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
@given(st.data())
def test_no_interval_goes_beyond_what_a_metric_can_be(metric, data):
    bounds = low, high = metric.bounds
    values = st.lists(st.floats(low, min(high, 1e6)), min_size=8, max_size=8)  # 4 folds x 2 repeats
    base, head = np.array(data.draw(values)), np.array(data.draw(values))
    unclipped, clipped = interval(base, 4), interval(base, 4, bounds)
    assert low <= clipped[0] <= clipped[1] <= high
    truths = {
        low,
        min(high, 1e6),
        *base,
        *np.clip(unclipped, low, high),
    }  # each of which the metric can be
    for truth in truths:
        assert (unclipped[0] <= truth <= unclipped[1]) == (clipped[0] <= truth <= clipped[1])
    found, most = compared(base, head, 4, True, bounds=bounds), high - low
    for part in (found, found.typical):
        assert -most <= part.low <= part.high <= most
    free = compared(base, head, 4, True)
    assert (found.mean, found.p, found.typical.p) == (free.mean, free.p, free.typical.p)
    assert verdict(found, found.p, found.typical.p, True) == verdict(
        free, free.p, free.typical.p, True
    )


def test_an_interval_is_clipped_where_it_would_leave_the_bounds():
    # 0.9 with a standard error of 0.1155 x sqrt(1/4 + 1/3) = 0.0882, times t of 3.182: 0.9 - 0.281
    # to 0.9 + 0.281
    values = [1.0, 0.8, 1.0, 0.8]
    low, high = interval(values, 4)
    assert (low, high) == pytest.approx((0.6193, 1.1807), abs=1e-4)
    assert interval(values, 4, (0, 1)) == (low, 1)
    assert interval(values, 4, (0.85, np.inf)) == (0.85, high)


def test_a_comparison_is_that_worked_by_hand():
    found = by_hand()
    assert found.mean == 2.5
    assert (found.low, found.high) == pytest.approx((2.5 - 4.593466, 2.5 + 4.593466), abs=1e-5)
    assert found.p == pytest.approx(2 * (1 - student(np.sqrt(3))))
    assert found.p == pytest.approx(1 / 2 - 1 / np.pi)
    assert (found.wins, found.folds) == (4, 4)
    assert found.error == pytest.approx(ERROR)
    assert found.limit is None
    assert (found.worse, found.equivalent, found.better) == (None, None, None)


def test_p_is_that_of_scipys_paired_test_once_the_correction_is_taken_back(sides):
    base, head = sides
    naive, widened = stats.ttest_rel(head, base), np.sqrt(1 + 15 / (5 - 1))
    assert compared(base, head, 5, True).p == pytest.approx(
        2 * stats.t.sf(abs(naive.statistic) / widened, 14)
    )


def test_p_is_under_the_level_where_the_interval_leaves_out_0():
    for shift in np.linspace(-0.05, 0.05, 101):
        base, head = alternating(shift, 0.01)
        found = compared(base, head, 4, True)
        assert (found.p < LEVEL) == (found.low > 0 or found.high < 0)


def test_wins_follow_the_direction_and_ties_are_nobodys():
    base, head = [1, 1, 1, 1, 1, 1], [2, 3, 4, 0, 1, 1]
    assert compared(base, head, 3, True).wins == 3
    assert compared(base, head, 3, False).wins == 1
    assert compared(base, head, 3, True).folds == 6


def test_the_difference_is_head_minus_base_in_either_direction():
    assert by_hand(higher_is_better=True).mean == by_hand(higher_is_better=False).mean == 2.5


def test_probabilities_are_those_worked_by_hand():
    # With 2.5 taken as none, t is (2.5 - 2.5) / ERROR = 0 at the upper end of the band, above which
    # half of the distribution is, and (-2.5 - 2.5) / ERROR = -3.4641 at the lower end, below which
    # 1 / 2 - (2 / 5 + arctan 2) / pi = 0.02026 is.
    found = by_hand(within=2.5)
    assert found.better == pytest.approx(0.5)
    assert found.worse == pytest.approx(student(-5 / ERROR))
    assert found.worse == pytest.approx(0.02026, abs=1e-5)
    assert found.equivalent == pytest.approx(0.5 - 0.02026, abs=1e-5)


@pytest.mark.parametrize("within", [0.001, 0.01, 0.1])
def test_probabilities_add_up_to_1_and_are_those_of_scipy(sides, within):
    found = compared(*sides, 5, True, within)
    assert found.worse + found.equivalent + found.better == pytest.approx(1)
    assert found.worse == pytest.approx(stats.t.cdf((-within - found.mean) / found.error, 14))
    assert found.better == pytest.approx(stats.t.sf((within - found.mean) / found.error, 14))


def test_probabilities_know_which_side_is_better():
    assert by_hand(higher_is_better=True, within=0.1).better > 0.9
    assert by_hand(higher_is_better=False, within=0.1).worse > 0.9


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_all_is_mirrored_when_base_and_head_swap(sides, higher_is_better):
    base, head = sides
    there, back = (
        compared(base, head, 5, higher_is_better, 0.005),
        compared(head, base, 5, higher_is_better, 0.005),
    )
    assert (back.mean, back.low, back.high) == pytest.approx((-there.mean, -there.high, -there.low))
    assert (back.worse, back.equivalent, back.better) == pytest.approx(
        (there.better, there.equivalent, there.worse)
    )
    assert (back.p, back.error) == pytest.approx((there.p, there.error))
    assert back.wins == 15 - there.wins


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ((2, 1, 2), (1, 1, 2)),
        ((2, 1, 2), (2, 1, 3)),
        ((4, 1, 1), (4, 1, 1)),
        ((2, 2), (2, 2)),
        ((0, 1, 2), (0, 1, 2)),
    ],
    ids=["repeats", "folds", "a single fold", "no seeds", "none"],
)
def test_uneven_shapes_are_refused(base, head):
    with pytest.raises(ValueError, match=r"repeats, seeds, 2 folds or more"):
        compare(np.ones(base), np.ones(head), True)


def all_finite(found):
    told = asdict(found)
    values = [*told.pop("typical").values(), *told.values(), found.detectable]
    numbers = [value for value in values if isinstance(value, (int, float))]
    return len(numbers) > 15 and np.isfinite(numbers).all()


def test_the_typical_difference_is_a_trimmed_mean_as_worked_by_hand():
    # The fifth at either end goes: 2, 3, 4 of 1, 2, 3, 4, 100 stay. Drawn in: 2, 2, 3, 4, 4,
    # variance 1. Its error is 1 / 0.6 x sqrt(1/5 + 1/4) = 1.118034 with 3 - 1 degrees of freedom,
    # and t is 3 / 1.118034 = 2.683282.
    found = typical(np.array([3.0, 100, 1, 4, 2]), 5)
    assert found.mean == 3
    assert found.p == pytest.approx(2 * stats.t.sf(2.683282, 2))
    assert (found.low, found.high) == pytest.approx(
        (3 - 4.302653 * 1.118034, 3 + 4.302653 * 1.118034)
    )


def test_the_trimmed_mean_and_its_winsorized_variance_are_those_of_scipy():
    d = np.random.default_rng(0).standard_t(2, 20)
    found, winsorized = typical(d, 4), np.asarray(stats.mstats.winsorize(d, limits=0.2))
    assert found.mean == pytest.approx(stats.trim_mean(d, 0.2))
    error = winsorized.std(ddof=1) / 0.6 * np.sqrt(1 / 20 + 1 / 3)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 11) * error)


def test_with_too_few_folds_to_leave_any_out_the_typical_difference_is_the_mean():
    base, head = np.array([0.5, 0.6, 0.7, 0.4]), np.array([0.6, 0.65, 0.8, 0.55])
    found = compared(base, head, 4, True)
    assert (found.typical.mean, found.typical.low, found.typical.p) == pytest.approx(
        (found.mean, found.low, found.p)
    )


def test_a_difference_in_all_folds_but_a_few_that_failed_is_seen_in_the_typical_fold():
    random = np.random.default_rng(0)
    base = random.normal(2, 0.1, 40)
    head = base + random.normal(1, 0.2, 40)
    head[[3, 17]] = 20.0  # fits that never learned
    found = compared(base, head, 4, False)
    assert found.p > 0.05
    assert verdict(found, found.p, found.typical.p, False) == "worse in the typical fold"
    head[[3, 17]] = base[[3, 17]]
    found = compared(base, head, 4, False)
    assert verdict(found, found.p, found.typical.p, False) == "worse"


VERDICTS = {  # of (mean, noise) with differences up to 0.005 taken as none
    "the same": (0, 0),
    "better": (0.03, 0.002),
    "worse": (-0.03, 0.002),
    "better, but negligible": (0.002, 0.0002),
    "worse, but negligible": (-0.002, 0.0002),
    "equivalent": (0, 0.0005),
    "no evidence": (0.002, 0.01),
}


@pytest.mark.parametrize(("expected", "made"), VERDICTS.items())
def test_each_verdict_has_data_that_give_it(expected, made):
    found = compared(*alternating(*made), 4, True, 0.005)
    assert verdict(found, found.p, found.typical.p, True) == expected


@pytest.mark.parametrize(("expected", "made"), VERDICTS.items())
def test_verdicts_turn_round_where_lower_is_better(expected, made):
    found = compared(*alternating(*made), 4, False, 0.005)
    turned = {"better": "worse", "worse": "better"}
    first, *others = expected.split(",")
    assert verdict(found, found.p, found.typical.p, False) == ",".join(
        [turned.get(first, first), *others]
    )


def test_the_verdict_is_on_the_p_that_it_is_given():
    found = compared(*alternating(0.03, 0.002), 4, True, 0.005)
    assert found.p < 0.001
    assert verdict(found, 0.06, 0.06, True) == "no evidence"
    assert verdict(found, 0.06, 0.01, True) == "better in the typical fold"


def test_without_a_width_nothing_is_equivalent_or_negligible():
    for mean, noise in VERDICTS.values():
        found = compared(*alternating(mean, noise), 4, True)
        assert verdict(found, found.p, found.typical.p, True) in (
            "the same",
            "better",
            "worse",
            "no evidence",
        )


@pytest.mark.parametrize(
    ("change", "expected"),
    [(0, "the same"), (1 / 4, "better"), (-1 / 4, "worse"), (1 / 256, "better, but negligible")],
)
def test_equal_differences_are_no_division_by_zero(change, expected):
    base = np.array(
        [0.5, 0.25, 0.75, 0.5]
    )  # halves and quarters: the differences are equal to the last bit
    found = compared(base, base + change, 2, True, 0.005)
    assert found.error == 0
    assert all_finite(found)
    assert (found.low, found.high) == (change, change)
    assert found.worse + found.equivalent + found.better == 1
    assert found.p == (change == 0)
    assert verdict(found, found.p, found.typical.p, True) == expected


def test_differences_equal_but_for_the_last_bit_are_finite_too():
    base = np.array([0.81, 0.72, 0.93, 0.64])
    found = compared(base, base + 0.1, 2, True, 0.005)
    assert all_finite(found)
    assert verdict(found, found.p, found.typical.p, True) == "better"


def test_holm_is_that_worked_by_hand():
    # in order: 0.005 x 4 = 0.02, 0.01 x 3 = 0.03, 0.03 x 2 = 0.06, 0.04 x 1 = 0.04, which must not
    # fall below 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_a_single_p_and_none_as_they_are():
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).tolist() == []


@pytest.mark.parametrize("number", [2, 3, 10])
def test_holm_keeps_order_and_stays_between_the_raw_p_and_1(number):
    for seed in range(20):
        raw = np.random.default_rng(seed).random(number) ** 2
        corrected = holm(raw)
        assert (corrected >= raw).all()
        assert (corrected <= 1).all()
        assert (np.diff(corrected[np.argsort(raw)]) >= 0).all()
        assert corrected[raw.argmin()] == pytest.approx(min(1, number * raw.min()))


def test_holm_keeps_alarms_in_a_whole_review_at_5_percent():
    raw = np.random.default_rng(0).random((4000, 6))
    assert np.mean(raw.min(axis=1) < 0.05) > 0.2
    assert np.mean([holm(p).min() < 0.05 for p in raw]) == pytest.approx(0.05, abs=0.012)


def test_what_can_be_detected_is_that_worked_by_hand():
    # t with 3 degrees of freedom: 3.182446 + 0.978472; the normal distribution: 1.959964 + 0.841621
    assert by_hand().detectable == pytest.approx(4.160918 * ERROR, rel=1e-6)
    assert by_hand().floor is None
    limited = replace(by_hand(), limit=np.sqrt(5 / 3))
    assert limited.floor == pytest.approx(2.801585 * np.sqrt(5 / 3), rel=1e-6)


def test_the_detectable_difference_is_found_4_times_out_of_5():
    random, k, repeats = np.random.default_rng(0), 4, 5
    found = simulated(random, k, repeats, 2000, correlation=1 / k)
    spread = np.sqrt((1 - 1 / k) * (1 / (k * repeats) + 1 / (k - 1)))
    freedom = k * repeats - 1
    found += (stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)) * spread
    assert np.mean(corrected_p(found, k) < 0.05) == pytest.approx(0.8, abs=0.03)


def test_more_could_tell_where_the_mean_is_beyond_what_they_leave():
    # by hand: any number of fits leaves 1.959964 x sqrt(5 / 3) = 2.530, and the mean is 2.5
    for shift, tells in ((0, False), (0.03, False), (0.04, True), (-5.03, False), (-5.04, True)):
        found = compared(np.zeros(4), DIFFERENCES + shift, 2, True)
        assert replace(found, limit=np.sqrt(5 / 3)).more_could_tell == tells
        assert found.more_could_tell  # where nothing is known of it


def simulated(random, k, repeats, pairs, correlation):
    """Differences of pairs of equal experiments, with a part that folds share.

    (pairs, k x repeats), of variance 1.
    """
    shared, rest = random.normal(size=(pairs, 1)), random.normal(size=(pairs, k * repeats))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rest


def corrected_p(differences, k):
    return np.array([compared(np.zeros(len(row)), row, k, True).p for row in differences])


def test_folds_that_move_together_alarm_the_naive_test_and_not_this_one():
    # 1 / k is the correlation that the correction assumes: the share of the rows that a fold is
    # judged on
    differences = simulated(np.random.default_rng(0), 4, 5, 2000, correlation=1 / 4)
    assert np.mean(stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05) > 0.4
    assert np.mean(corrected_p(differences, 4) < 0.05) == pytest.approx(0.05, abs=0.015)


def test_folds_that_move_together_less_alarm_less():
    differences = simulated(np.random.default_rng(0), 4, 5, 1000, correlation=1 / 10)
    assert np.mean(stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05) > 0.15
    assert np.mean(corrected_p(differences, 4) < 0.05) < 0.02


def test_bootstrap_of_one_seed_is_the_interval_of_paired_rows():
    random = np.random.default_rng(0)
    base, head = random.normal(1, 1, (1, 1000)), random.normal(1.5, 1, (1, 1000))
    mean, low, high = bootstrap(base, head)
    assert mean == pytest.approx(head.mean() - base.mean())
    expected = stats.norm.interval(0.95, mean, stats.sem((head - base)[0]))
    assert (low, high) == pytest.approx(expected, abs=0.01)


def test_bootstrap_contains_the_true_difference_about_95_times_out_of_100():
    random, inside = np.random.default_rng(0), 0
    for pair in range(100):
        difficulty = random.normal(0, 1, 60)  # which both sides share
        base, head = (difficulty + mean + random.normal(0, 0.5, (8, 60)) for mean in (1, 1.2))
        _, low, high = bootstrap(base, head, draws=200, seed=pair)
        inside += low <= 0.2 <= high
    assert inside >= 90


def test_bootstrap_draws_rows_for_both_sides_together():
    base = np.random.default_rng(0).random((1, 50))
    assert bootstrap(base, base + 0.25, draws=50) == pytest.approx((0.25, 0.25, 0.25))


def test_bootstrap_of_identical_sides_has_mean_0_and_the_noise_of_seeds():
    side = np.random.default_rng(0).random((4, 50))
    assert bootstrap(side[:1], side[:1]) == (0, 0, 0)
    mean, low, high = bootstrap(side, side)
    assert mean == 0
    assert low < 0 < high


def test_bootstrap_gives_the_same_for_the_same_seed():
    base, head = np.random.default_rng(0).random((2, 3, 40))
    assert bootstrap(base, head, draws=100, seed=1) == bootstrap(base, head, draws=100, seed=1)
    assert bootstrap(base, head, draws=100, seed=1) != bootstrap(base, head, draws=100, seed=2)


def test_bootstrap_takes_different_numbers_of_seeds():
    random = np.random.default_rng(0)
    base, head = random.random((2, 40)), random.random((5, 40))
    mean, low, high = bootstrap(base, head)
    assert mean == pytest.approx(head.mean() - base.mean())
    assert low < mean < high


def test_bootstrap_narrows_with_rows():
    widths = []
    for rows in (50, 200, 800):
        base, head = np.random.default_rng(0).random((2, 1, rows))
        _, low, high = bootstrap(base, head, draws=500)
        widths.append(high - low)
    assert widths[0] > 1.6 * widths[1] > 1.6**2 * widths[2]  # each time half as wide


def test_flips_are_those_found_by_hand():
    base = np.array([[1, 1, 0, 0, 1, 0], [1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 0, 0]])
    head = np.array([[1, 0, 1, 0, 0, 1], [1, 0, 1, 0, 0, 1], [1, 0, 1, 0, 0, 1]])
    lost, won = flips(base, head)
    assert lost.tolist() == [1]
    assert won.tolist() == [2]  # rows 4 and 5 were not on one side in the seeds of base


def test_flips_take_different_numbers_of_seeds():
    lost, won = flips(np.array([[1, 0]]), np.array([[0, 1], [0, 1], [0, 1]]))
    assert (lost.tolist(), won.tolist()) == ([0], [1])


@pytest.mark.parametrize("seeds", [5, 10])
def test_80_percent_of_the_seeds_are_enough_for_a_flip_on_both_sides(seeds):
    right, wrong = np.ones((seeds, 1)), np.zeros((seeds, 1))
    right[: seeds // 5], wrong[: seeds // 5] = 0, 1
    lost, won = flips(np.hstack([right, wrong]), np.hstack([wrong, right]))
    assert (lost.tolist(), won.tolist()) == ([0], [1])


def test_less_than_80_percent_of_the_seeds_are_no_flip():
    lost, won = flips(np.array([[1], [1], [0]]), np.array([[0], [0], [0]]))
    assert (lost.tolist(), won.tolist()) == ([], [])
