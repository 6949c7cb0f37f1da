"""Calibration: which intervals count as wrong, and what two folds share. Nothing is trained."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("studies", reason="studies/ was deleted")
from studies.calibrate import judge, page, results, scenarios, simulated
from studies.calibrate.__main__ import planned
from studies.calibrate.measure import drawn

RNG = np.random.default_rng


def dealt(repeats, rows, k=4):
    return np.stack([RNG(repeat).permutation(np.arange(rows) % k) for repeat in range(repeats)])


def made(samples, shift=0.0):
    """Differences without anything but noise of rows, and their folds."""
    folds = dealt(3, 40)
    return [(RNG(n).normal(size=(3, 2, 40)) + shift, folds) for n in range(samples)]


def found(estimates, halves):
    """Judged, with the same estimates and half widths by all methods."""
    shape = (len(estimates), len(judge.METHODS))
    estimates, halves = (np.array(each, float)[:, None] for each in (estimates, halves))
    wide = [np.broadcast_to(each, shape) for each in (estimates, halves)]
    nothing = np.zeros(len(estimates))
    return judge.Judged(*wide, nothing, nothing, nothing + 12, nothing, nothing)


def test_the_means_of_folds_are_of_the_rows_that_a_fold_holds_out():
    values = np.arange(12.0).reshape(1, 2, 6)
    means = judge.fold_means(values, np.array([[0, 1, 2, 0, 1, 2]]))
    assert means.tolist() == [[[1.5, 2.5, 3.5], [7.5, 8.5, 9.5]]]


def test_methods_judge_the_same_mean_and_two_of_them_the_first_seed():
    judged = judge.judged(made(2, shift=1.0))
    assert judged.estimates.shape == judged.halves.shape == (2, len(judge.METHODS))
    values, _ = made(2, shift=1.0)[0]
    assert judged.estimates[0, : judge.SINGLE] == pytest.approx([values.mean()] * judge.SINGLE)
    assert judged.estimates[0, judge.SINGLE :] == pytest.approx([values[:, 0].mean()] * 2)
    assert (np.diff(judged.halves[:, : len(judge.KAPPAS)], axis=1) >= 0).all(), "by kappa"
    folds_of_a_seed = 3 * 4
    narrower = np.sqrt(1 / folds_of_a_seed + 1 / 3) * np.sqrt(folds_of_a_seed)
    assert judged.halves[:, judge.SINGLE] == pytest.approx(judged.halves[:, judge.NAIVE] * narrower)


def test_an_interval_without_the_truth_is_a_miss_and_a_verdict_on_equals_is_false():
    judged = found([-2, 0.5, 3], [1, 1, 1])
    none = judge.score(judged, truth=0.0)
    assert (none.missed[0], none.false[0], none.found[0]) == (2, 2, 2)
    larger = judge.score(judged, truth=2.5)
    assert (larger.missed[0], larger.false, larger.found[0]) == (2, None, 1), "-2 is the wrong way"


def test_a_difference_far_below_the_spread_of_the_estimate_counts_as_none():
    estimates = np.array([-2, 0.5, 3])
    deviation = estimates.std(ddof=1)
    judged = found(estimates, [1, 1, 1])
    assert judge.score(judged, 0.9 * judge.EQUAL * deviation).false is not None
    assert judge.score(judged, 1.1 * judge.EQUAL * deviation).false is None


def test_samples_of_half_of_all_rows_are_stretched_to_what_new_rows_would_give():
    estimates = RNG(0).normal(size=50)
    variance = estimates.var(ddof=1)
    assert judge.stretch(estimates, 0.0, 0.5) == pytest.approx(2**0.5)
    assert judge.stretch(estimates, variance, 0.5) == pytest.approx(1), "seeds alone"
    assert judge.stretch(estimates, variance / 2, 0.5) == pytest.approx(1.5**0.5)
    missed = judge.score(found([1, -1], [1.2, 1.2]), 0.0, share=0.5).missed
    assert (missed == 2).all()
    assert judge.score(found([1, -1], [1.2, 1.2]), 0.0).missed.sum() == 0


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_the_noise_that_folds_of_a_seed_share_is_found(correlation):
    shape = (10, 50, 4)
    shared = RNG(1).normal(size=(*shape[:2], 1)) * correlation**0.5
    means = RNG(2).normal(size=(10, 1, 4)) * 9  # folds differ: no noise of seeds
    means = means + shared + RNG(3).normal(size=shape) * (1 - correlation) ** 0.5
    value, error = judge.shared_noise([means, means[:5]])
    assert (abs(value - correlation) < 0.1, error < 0.02) == (True, True)


def test_rows_outside_a_sample_are_not_in_it_and_samples_of_all_rows_differ_by_folds():
    cut, whole = (
        next(each for each in scenarios.SETTINGS if bool(each.rows) == rows)
        for rows in (True, False)
    )
    rows, others, _ = drawn(cut, 3, cut.rows + cut.outside + 5)
    assert len({*rows, *others}) == cut.rows + cut.outside
    rows, others, split_seed = drawn(whole, whole.dealings + 3, 50)
    assert (len(rows), len(others), split_seed) == (50, 0, 3)


def test_the_networks_of_each_pair_are_trained_on_the_same_rows_and_folds():
    for setting in scenarios.SETTINGS:
        for pair in setting.pairs:
            for base, head in setting.places(pair):
                assert base < setting.samples(pair.base)
                assert head < setting.samples(pair.head)
                assert base % setting.dealings == head % setting.dealings
                assert not setting.rows or base == head
                assert pair.base != pair.head or base != head


def test_what_a_network_is_tells_those_of_a_setting_apart():
    for setting in scenarios.SETTINGS:
        words = [scenarios.described(network) for network in setting.networks.values()]
        assert len({*words}) == len(words)
    named = scenarios.Network({"model": {"units": [3, 2], "activation": "elu", "dropout": 0.3}}, 5)
    assert scenarios.described(named) == "3, 2 units, elu, dropout 0.3, 5 epochs"
    assert scenarios.described(scenarios.Network(shift=1)) == "other seeds"


def test_each_sample_of_each_network_is_trained_once():
    numbers = {}
    for setting, name, part in planned(scenarios.SETTINGS):
        numbers.setdefault((setting.name, name), []).extend(part)
    for setting in scenarios.SETTINGS:
        for name in setting.networks:
            assert numbers[setting.name, name] == list(range(setting.samples(name)))


def test_bounds_are_kept_by_what_misses_seldom_in_all_scenarios_and_on_equals():
    often = found([-1, 1] * 15 + [0] * 30, [0.5] * 60)
    seldom = found([-1, 1] * 15 + [0] * 30, [2] * 60)
    scores = [judge.score(judged, 0.0) for judged in (often, seldom)]
    both = judge.kept(scores, [True, True], 0)
    assert (both.missed, both.intervals, both.worst) == (30, 120, 0.5)
    assert (both.false, both.equal) == (30, 120)
    assert not both.holds
    assert judge.kept(scores[1:], [True], 0).holds
    few = judge.score(found([-1, 0, 0, 0], [0.5] * 4), 0.0)
    assert judge.kept([few], [True], 0).worst == 0, "too few to be held to a bound"
    none = judge.kept(scores, [False, True], 0)
    assert (none.missed, none.intervals, none.alone, none.seeds) == (0, 60, 30, 120)
    assert not none.holds, "of verdicts on equals, whether or not there are rows outside"


def test_the_page_has_shares_with_their_exact_intervals_and_the_smallest_kappa():
    setting = next(each for each in scenarios.SETTINGS if each.outside)
    judged = found([-1, 1] * 5 + [0] * 90, [0.5] * 100)
    equal = results.Scenario(setting, "equal", judged, judge.score(judged, 0.0))
    larger = results.Scenario(setting, "larger", judged, judge.score(judged, 0.9, error=0.1))
    assert "| 100 | 0 | 10.0% (4.9% to 17.6%) | 10.0% (4.9% to 17.6%) |" in page.pairs([equal])
    assert f"| {page.truth(larger)} | 95.0% (88.7% to 98.4%) | - |" in page.pairs([larger])
    assert "| 5% |" in page.power([equal, larger]), "those in the direction of the truth"
    assert "it was chosen: none. " in page.choice([equal], [equal])
    assert page.choice([equal], [equal]).endswith("more than 7 %: none.")
    wide = found([-1, 1] * 50, [2] * 100)
    good = [results.Scenario(setting, "", wide, judge.score(wide, 0.0))]
    assert "it was chosen: 0. " in page.choice(good, good)
    assert page.choice(good, good).endswith("more than 7 %: 0.")
    short = page.in_short([equal, larger], good, [equal])
    assert "52.5% (45.3% to 59.6%) of 200 miss the truth; most in " in short
    assert "are found in 5% to 5% of pairs" in short
    assert "10.0% (4.9% to 17.6%) of 100 miss the truth; most in " in short


def test_what_no_part_explains_is_the_rest():
    estimates, judged = np.array([-1.0, 0, 1]), found([-1, 0, 1], [1, 1, 1])
    judged = replace(judged, rows=estimates * 0 + 0.2, seeds=estimates**2, training=estimates + 2)
    done = judge.score(judged, 0.0)
    assert judge.shares(judged, done) == pytest.approx([0.2, 2 / 3, 1 / 6, -1 / 30, 2])


@pytest.mark.parametrize("setting", simulated.SIMULATED, ids=lambda each: each.label)
def test_simulated_learners_are_judged_on_rows_that_they_did_not_see(setting):
    (values, folds, groups), outside = simulated.pair(setting, 0)
    assert values.shape == (simulated.REPEATS, simulated.SEEDS, setting.rows)
    assert folds.shape == (simulated.REPEATS, setting.rows)
    of_groups = [len({*dealt[groups == group]}) for dealt in folds for group in np.unique(groups)]
    assert {*of_groups} == {1}, "a group stays whole"
    assert (len(np.unique(groups)) < setting.rows) == setting.groups
    again = simulated.pair(setting, 0)
    assert np.array_equal(again[0][0], values)
    assert again[1] == outside
    assert abs(outside) < 1


def test_what_a_simulated_learner_predicts_for_a_row_does_not_depend_on_its_target():
    setting = simulated.Simulated("", 40, 5, 5)
    x, y, groups = simulated.drawn(setting, RNG(0))
    folds = simulated.dealt(groups[:40], RNG(1))
    fold = folds[0, 0]
    before = simulated.metric(setting, 5, x, y, folds, RNG(2))
    other = y.copy()
    other[0] += 1000
    after = simulated.metric(setting, 5, x, other, folds, RNG(2))
    same = np.delete(np.arange(len(y)), 0)
    assert np.allclose(before[0, :, fold][:, same], after[0, :, fold][:, same])
    assert not np.allclose(before[0, :, (fold + 1) % 4], after[0, :, (fold + 1) % 4])
