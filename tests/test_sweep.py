"""The judgement of a sweep on made-up results whose truth is known, and what is written of it."""

import json
import shlex
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure
from samples import PARAMS

from stages import sweep as stage
from stages.core.declared import params, sources, strict_yaml
from stages.core.judge import sweep
from stages.core.judge.metrics import METRICS
from stages.core.judge.sweep import Found, Judge, Reached
from stages.core.judge.sweep_drawn import _candidates, _places, drawn
from stages.core.judge.sweep_page import page
from stages.core.judge.sweep_told import Sweep, command, frame, numbers, summary, text, varied

REPEATS, SEEDS, K, ROWS = 5, 3, 4, 200


CONTENT = strict_yaml.read(PARAMS)
FEW = {"model": {"l2": [0.1, 0.2]}}


def judge(metric="mae", rows=ROWS, groups=None, seed=0):
    """Of numbers that are all 0, or of classes that are all 1."""
    random = np.random.default_rng(seed)
    folds = np.stack([random.permutation(rows) % K for _ in range(REPEATS)])
    if groups is not None:
        folds = np.stack([random.permutation(groups.max() + 1)[groups] % K for _ in range(REPEATS)])
    targets = np.full(rows, 0.0) if metric in ("mae", "rmse") else np.ones(rows, int)
    return Judge(METRICS[metric], targets, folds, groups, 0.01)


def candidates(found, means, seed=0, noise=0.3, repeats=REPEATS):
    """What candidates with these true errors reach: rows are hard or not for all of them alike."""
    random, rows = np.random.default_rng(seed), len(found.targets)
    hard = random.normal(0, 0.2, rows)
    shape = repeats, SEEDS, rows, 1
    return {
        number: found.reached(np.abs(mean + hard[:, None] + random.normal(0, noise, shape)))
        for number, mean in enumerate(means)
    }


def test_the_rounds_double_and_the_last_has_all_repeats():
    assert [sweep.rounds(n) for n in (1, 2, 3, 4, 5)] == [[1], [2], [3], [2, 4], [2, 5]]
    assert sweep.rounds(10) == [2, 4, 10]
    assert sweep.rounds(40) == [2, 4, 8, 16, 40]
    with pytest.raises(ValueError, match="expected 1 repeat or more, got 0"):
        sweep.rounds(0)


def test_reached_is_what_scores_say_of_fits_and_rows():
    found = judge()
    predictions = np.random.default_rng(1).normal(size=(REPEATS, SEEDS, ROWS, 1))
    reached = found.reached(predictions)
    rows = np.abs(predictions[1, 2, found.folds[1] == 3, 0])
    assert reached.values[1, 2, 3] == pytest.approx(rows.mean())
    assert reached.mean == pytest.approx(np.abs(predictions).mean(), rel=1e-3)
    np.testing.assert_allclose(reached.rows, np.abs(predictions[..., 0]), rtol=1e-6)
    first, rest = found.reached(predictions[:2]), found.reached(predictions[2:], start=2)
    both = first.and_then(rest)
    np.testing.assert_array_equal(both.values, reached.values)
    np.testing.assert_array_equal(both.rows, reached.rows)


def test_what_has_fewer_repeats_is_compared_on_those():
    found = judge()
    base, head = candidates(found, [1.0, 1.5]).values()
    fewer = Reached(head.values[:2], head.rows[:2])
    shorter = replace(found, folds=found.folds[:2])
    on_two = shorter.compared(Reached(base.values[:2], base.rows[:2]), fewer)
    assert found.compared(base, fewer) == on_two
    assert found.compared(base, head).mean == pytest.approx(0.5, abs=0.05)


def test_the_beaten_stop_and_the_others_do_not():
    found = judge()
    reached = candidates(found, [1.0, 0.6, 0.601, 2.0])
    assert found.beaten(reached, pairs=12) == [0, 3]
    alike = {number: reached[1] for number in range(5)}
    assert found.beaten(alike, pairs=20) == []


def test_equals_beat_each_other_in_few_sweeps():
    """The best is chosen by the rows that judge it: corrected for others alone, 1 in 5 would."""
    count, pairs = 0, sweep.all_pairs(10, 1)
    for seed in range(100):
        found = judge(seed=seed)
        random = np.random.default_rng(seed)
        of_rows = random.normal(0, 1, (10, 1, 1, ROWS, 1))
        errors = 3 + of_rows + random.normal(0, 0.1, (10, REPEATS, SEEDS, ROWS, 1))
        reached = {number: found.reached(each) for number, each in enumerate(errors)}
        count += bool(found.beaten(reached, pairs))
    assert count <= 9


def test_more_pairs_make_intervals_wider():
    found = judge()
    reached = candidates(found, [1.0] * 12)
    alone = found.compared(reached[0], reached[1])
    of_many = found.against(0, reached, pairs=11)[1]
    assert of_many.low < alone.low < alone.high < of_many.high
    assert of_many.p == pytest.approx(min(1, 11 * alone.p))
    assert sweep.all_pairs(12, 2) == 132
    assert found.against(0, reached, pairs=132)[1].high > of_many.high
    result = Found.of(found, reached, seed=0)  # of two rounds
    assert result.to_base[1] == found.against(0, reached, pairs=22)[1]


@pytest.mark.parametrize("metric", ["mae", "accuracy"])
def test_the_best_and_its_group(metric):
    found = judge(metric)
    if metric == "mae":
        reached = candidates(found, [1.0, 0.6, 0.601, 2.0])
    else:
        random = np.random.default_rng(0)
        shape = REPEATS, SEEDS, ROWS, 1
        reached = {
            number: found.reached((random.random(shape) < share).astype(float))
            for number, share in enumerate([0.6, 0.9, 0.9, 0.3])
        }
    result = Found.of(found, reached, seed=0)
    assert sorted(result.group) == [1, 2]
    assert result.best == min(
        (1, 2), key=lambda n: found.metric.beats(reached[3 - n].mean, reached[n].mean)
    )
    assert found.verdict(result.to_base[result.best]) == "better"
    assert found.verdict(result.to_best[3]) == "worse"
    assert 0 not in result.to_base
    assert result.best not in result.to_best


def test_a_candidate_that_stopped_is_never_the_best():
    found = judge()
    reached = candidates(found, [1.0, 0.9, 0.2])
    reached[2] = Reached(reached[2].values[:2], reached[2].rows[:2])
    result = Found.of(found, reached, seed=0)
    assert (result.best, result.stopped) == (1, [2])
    assert 2 not in result.group
    tried = params.parse(yaml.safe_dump(CONTENT | {"sweeps": {"boston_housing": FEW}}))
    told = Sweep(
        "boston_housing",
        sources.read("boston_housing"),
        found,
        tried.sweeps["boston_housing"],
        [5, 5, 5],
        result,
        200,
        None,
    )
    assert list(frame(told).candidate) == [1, 0, 2]
    assert "Clearly beaten after 24 fits or more, and stopped: 1." in page(told)
    assert "One fit that fails in 25 may be unseen" in page(told)


class Plans(dict):
    """In place of what trains: {number: Reached of all repeats}, without what `lost` says."""

    lost: dict[int, int] = {}  # noqa: RUF012 - {number: repeat in which it diverges}

    def train(self, plans, repeats, judge, start=0, title=""):
        """As `stages.sweep.train`."""
        part = slice(start, start + len(repeats))
        return {
            number: None
            if self.lost.get(number, REPEATS) in range(REPEATS)[part]
            else Reached(self[number].values[part], self[number].rows[part])
            for number in plans
        }


@pytest.fixture
def trains(monkeypatch):
    """trains(means, lost): plans whose fits reach these means, by five repeats."""

    def made(found, means, lost=None):
        plans = Plans(candidates(found, means))
        plans.lost = lost or {}
        monkeypatch.setattr(stage, "train", plans.train)
        monkeypatch.setattr(stage.candidates, "fits", lambda part, now: len(part) * len(now))
        return plans

    return made


def test_rounds_train_what_is_not_beaten_on_the_repeats_that_are_left(trains):
    found = judge()
    plans = trains(found, [1.0, 0.6, 0.605, 3.0, 0.61], lost={4: 3})
    reached, fits = stage.in_rounds(plans, [()] * REPEATS, found, "")
    assert {number: each and len(each.values) for number, each in reached.items()} == {
        0: 5,  # beaten, but all are compared with it
        1: 5,
        2: 5,
        3: 2,
        4: None,  # in the second round
    }
    np.testing.assert_array_equal(reached[1].values, plans[1].values)
    np.testing.assert_array_equal(reached[1].rows, plans[1].rows)
    assert fits == 5 * 2 + 4 * 3


def test_nothing_more_is_trained_where_the_first_diverges(trains):
    found = judge()
    reached, fits = stage.in_rounds(trains(found, [1, 1], lost={0: 1}), [()] * REPEATS, found, "")
    assert reached[0] is None
    assert fits == 4


def test_what_is_trained_again_is_corrected_for_what_it_was_chosen_from(trains):
    found = judge()
    plans = trains(found, [1.0, 0.6])
    difference, base, best = stage.again(plans, 1, 19, found, [()] * REPEATS, "")
    alone = found.compared(plans[0], plans[1])
    assert (difference.mean, difference.p) == (alone.mean, pytest.approx(min(1, 19 * alone.p)))
    assert difference.low < alone.low < alone.high < difference.high
    assert (base, best) == (plans[0].mean, plans[1].mean)
    assert stage.again(plans, 0, 19, found, [()] * REPEATS, "") is None
    for lost in (0, 1):
        plans = trains(found, [1.0, 0.6], lost={lost: 2})
        assert stage.again(plans, 1, 19, found, [()] * REPEATS, "") is None


def test_the_best_of_equals_that_suit_other_rows_is_confirmed_in_few_sweeps(trains):
    """The same rows chose it, so fresh folds and seeds alone would confirm 1 in 5."""
    wrong = 0
    for seed in range(60):
        found, again = judge(seed=seed), judge(seed=1000 + seed)
        random = np.random.default_rng(seed)
        suits = 3 + random.normal(0, 1, (20, 1, 1, ROWS, 1))
        shape = 20, REPEATS, SEEDS, ROWS, 1

        def reached(by, suits=suits, random=random, shape=shape):
            return dict(enumerate(map(by.reached, suits + random.normal(0, 0.3, shape))))

        best = found.best(reached(found))
        plans = trains(again, [1.0])
        plans |= reached(again)
        if told := stage.again(plans, best, 19, again, [()] * REPEATS, ""):
            wrong += again.verdict(told[0]).startswith("better")
    assert wrong <= 6


def test_choosing_among_equals_has_luck_that_the_bootstrap_takes_off():
    optimism, apart = [], []
    for seed in range(40):
        found = judge(seed=seed)
        # No noise of fits: what differs is the rows, each of which suits some of the candidates.
        random = np.random.default_rng(seed)
        shift = random.normal(0, 0.5, (20, ROWS))
        means = np.broadcast_to(1 + shift[:, None, None, :, None], (20, REPEATS, SEEDS, ROWS, 1))
        reached = {number: found.reached(each) for number, each in enumerate(means)}
        best = found.best(reached)
        chosen = sweep.on_other_rows(found, reached, seed, draws=200)
        truth = np.abs(1 + random.normal(0, 0.5, 100_000)).mean()
        optimism.append(truth - reached[best].mean)
        apart.append(truth - chosen.mean)
        assert chosen.low < chosen.mean < chosen.high
        assert 0 < chosen.share < 1
        assert chosen.naive == pytest.approx(reached[best].mean, rel=1e-3)
    assert np.mean(optimism) > 0.05  # the best looks better than any of them is
    assert abs(np.mean(apart)) < 0.02


def test_the_bootstrap_of_a_clear_best_chooses_it_and_says_its_mean():
    found = judge()
    reached = candidates(found, [1.0, 0.5])
    chosen = sweep.on_other_rows(found, reached, seed=0)
    assert chosen.share == 1
    assert chosen.mean == pytest.approx(reached[1].mean, abs=0.01)
    assert sweep.on_other_rows(found, reached, seed=0) == chosen


def test_rows_of_a_group_are_drawn_together():
    groups = np.arange(ROWS) // 10
    found = judge(groups=groups)
    # What a group has is the same in all its rows, so 20 groups say what 200 rows would.
    random = np.random.default_rng(0)
    error = np.abs(1 + random.normal(0, 0.5, ROWS // 10))[groups]
    reached = {0: found.reached(np.broadcast_to(error[:, None], (REPEATS, SEEDS, ROWS, 1)))}
    wide = sweep.on_other_rows(found, reached, seed=0)
    narrow = sweep.on_other_rows(replace(found, groups=None), reached, seed=0)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_folds_of_unequal_sizes_weigh_the_same_in_the_bootstrap():
    groups = np.repeat(np.arange(30), [100, *[3] * 15, *[4] * 13, 3])  # one has half of the rows
    found = judge(groups=groups)
    reached = candidates(found, [1.0, 1.0, 1.0])
    chosen = sweep.on_other_rows(found, reached, seed=0)
    assert chosen.naive == pytest.approx(reached[found.best(reached)].mean, rel=1e-6)


def test_there_is_no_bootstrap_of_a_metric_that_is_no_mean_over_rows():
    found = judge("rmse")
    reached = candidates(found, [1.0, 0.5])
    assert reached[0].rows is None
    result = Found.of(found, reached, seed=0)
    assert (result.chosen, result.best) == (None, 1)
    assert result.to_base[1].test == "folds"


def section(**model):
    chosen = {"l1": 0.0, "l2": 0.0, "dropout": 0.0} | model
    return SimpleNamespace(
        model=SimpleNamespace(**chosen),
        fit=SimpleNamespace(weight_decay=0.0),
        kfold=SimpleNamespace(epochs=4),
        final=SimpleNamespace(exploring_epochs=20),
    )


def test_the_simplest_has_fewest_parameters_then_the_strongest_penalties():
    sections = {0: section(), 1: section(l2=0.1), 2: section(l2=0.2), 3: section(dropout=0.5)}
    alike = dict.fromkeys(sections, 100)
    assert sweep.simplest(sections, alike, [0, 1, 2, 3]) == 2
    assert sweep.simplest(sections, alike, [0, 1, 3]) == 1
    assert sweep.simplest(sections, alike, [0, 3]) == 3
    assert sweep.simplest(sections, alike | {0: 99}, [0, 1, 2, 3]) == 0


TREE = {"fit": {"learning_rate": [0.01]}, "model": {"units": [[8], [64, 64]], "l2": [0.0, 0.1]}}


@pytest.fixture
def told():
    """A sweep of Boston Housing: params.yaml and four candidates, of which one diverges."""
    content = CONTENT | {"sweeps": {"boston_housing": TREE}}
    tried = params.parse(yaml.safe_dump(content, sort_keys=False)).sweeps["boston_housing"]
    found = judge()
    reached = candidates(found, [1.0, 0.6, 2.0, 0.6])
    result = Found.of(found, reached, seed=0)
    again = found.compared(reached[0], reached[1]), reached[0].mean, reached[1].mean
    source = sources.read("boston_housing")
    return Sweep("boston_housing", source, found, tried, [9, 5, 5, 9, 9], result, 240, again)


def test_the_table_has_a_line_for_each_candidate_the_best_first(told):
    table = frame(told)
    assert list(table.verdict) == ["better", "better", "base", "worse", "diverged"]
    assert list(table.candidate[:2]) in ([1, 3], [3, 1])
    assert list(table.candidate[2:]) == [0, 2, 4]
    assert table.columns[1:4].tolist() == ["fit.learning_rate", "model.units", "model.l2"]
    assert list(table.best_group) == [1, 1, 0, 0, 0]
    assert list(table.repeats) == [5, 5, 5, 5, 0]
    assert dict(zip(table.candidate, table.parameters, strict=True)) == {
        0: 9,
        1: 5,
        2: 5,
        3: 9,
        4: 9,
    }
    assert table.to_base.isna().tolist() == [False, False, True, False, True]


def test_the_numbers_say_what_the_best_is_worth(told):
    said = numbers(told)
    assert json.loads(json.dumps(said)) == said
    assert said["candidates"] == 5
    assert (said["fits"], said["fits_saved"]) == (4 * 60, 60)
    assert said["trained_again"]["verdict"] == "better"
    assert said["mae"]["best"] < said["mae"]["base"]
    assert said["on_other_rows"]["optimism"] == pytest.approx(
        said["on_other_rows"]["mean"] - said["mae"]["best"]
    )


def test_the_command_runs_what_was_found_without_the_sweep(told):
    words = shlex.split(command(told, 1, "simplest"))
    assert words[:4] == ["dvc", "exp", "run", "--name"]
    assert words[4].startswith("boston_housing-simplest-")
    assert words[4] != shlex.split(command(told, 3, "simplest"))[4]  # names of experiments differ
    assert words[5::2] == ["-S"] * 4
    settings = "fit.learning_rate=0.01", "model.units=[8]", "model.l2=0.0"
    settings = [f"datasets.boston_housing.{setting}" for setting in settings]
    assert words[6::2] == [*settings, "~sweeps.boston_housing"]


def test_the_page_says_what_a_person_must_know(told):
    text = page(told)
    assert text.startswith("# Sweep of Boston Housing: mae (thousand dollars), lower is better ↓\n")
    for words in ("5 candidates", "Diverged: 1", "**better**", "● ", "params.yaml", "sweep.png"):
        assert words in text
    assert "The simplest of those whose mean is within 0.0100 of the best (fewest" in text
    assert text.count("dvc exp run --name") == 1 + (told.simplest != told.found.best)
    assert "nan" not in text
    assert summary(told).startswith("best of 5: datasets.boston_housing.fit.learning_rate=0.01")


def test_folds_that_wanted_more_epochs_than_there_were_are_told(told):
    assert "Take care" not in page(told)
    assert "folds_at_limit" not in frame(told)
    reached = told.found.reached | {1: replace(told.found.reached[1], at_limit=3)}
    limited = replace(told, found=replace(told.found, reached=reached, best=1))
    assert "a candidate had folds that are judged after the last epoch" in page(limited)
    table = frame(limited).set_index("candidate")
    assert table.folds_at_limit.to_dict() == {0: 0, 1: 3, 2: 0, 3: 0, 4: 0}
    reached |= {0: reached[1].and_then(reached[1])}
    limited = replace(told, found=replace(told.found, reached=reached, best=1))
    assert reached[0].at_limit == 6
    assert "2 candidates, the best among them, had folds" in page(limited)


def test_a_best_that_is_params_yaml_as_it_is_has_no_command(told):
    reached = candidates(told.judge, [0.2, 0.6, 2.0, 0.6])
    found = Found.of(told.judge, reached, seed=0)
    text = page(replace(told, found=found, again=None))
    assert "**Best of 5: params.yaml as it is.** All others are beaten." in text
    assert "dvc exp run" not in text
    assert "nothing was trained again" in text
    assert found.to_best == found.to_base  # what is worse than it is not in its group


def values(told, path, *given):
    """The same sweep whose candidates have these values of what they vary in."""
    each = zip(told.tried, given, strict=True)
    return replace(told, tried=[one._replace(values=one.values | {path: it}) for one, it in each])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1, 0.5, 2, 3, 4), "At the edge: `model.l2=0.5`. Nothing beyond"),
        ((1, 4, 2, 3, 4), "At the edge: `model.l2=4`."),
        ((1, 2, 0, 3, 4), None),  # between
        ((1, 0, 2, 3, 4), None),  # there is nothing below 0
        ((1, 1, 2, 2, 2), None),  # of two values each is at an edge
        (("best", 1, 2, "best", 2), None),
    ],
)
def test_a_best_at_the_edge_of_what_was_tried_is_told(told, given, said):
    told = values(replace(told, found=replace(told.found, best=1)), "model.l2", *given)
    text = page(told)
    assert said in text if said else "At the edge" not in text


def test_values_are_told_apart_and_shown_as_they_are(told):
    told = values(told, "model.l2", 1, "1", "$\\foo$", "true", True)
    assert [text(each.values["model.l2"]) for each in told.tried] == [
        "1",
        "'1'",
        "$\\foo$",
        "'true'",
        "true",
    ]
    assert "model.l2" in varied(told)
    assert drawn(told).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ((60, 30, "best", 30, 60), ["30", "60", "best"]),
        (([8, 8], [4], [64], [4], [8, 8]), ["[4]", "[8,8]", "[64]"]),
    ],
)
def test_values_of_a_panel_stand_in_their_order(given, labels):
    places, found = _places(given, np.array([2.0, 1.0, 3.0, np.nan, 1.0]))
    assert found == labels
    assert np.abs(places - places.round()).max() < 0.5
    assert places[0] - places[4] == pytest.approx(0.7 / 8)  # of one value, the greater mean


def test_many_values_have_an_axis_of_logarithms_with_a_place_for_none(told):
    panel, tried = Figure().subplots(), [0.0, *np.geomspace(1e-4, 0.1, 9)]
    many = SimpleNamespace(
        tried=[SimpleNamespace(values={"model.l2": value}) for value in tried],
        found=SimpleNamespace(reached={}, group=[], best=0, to_base={}),
    )
    _candidates(panel, many, "model.l2", (-1, 1))
    labels = [label.get_text() for label in panel.get_xticklabels()]
    assert sorted(labels, key=float) == ["0", "0.0001", "0.001", "0.01", "0.1"]
    assert panel.get_xscale() == "symlog"


def test_what_is_in_the_group_for_want_of_evidence_is_not_called_the_simplest(told):
    random = np.random.default_rng(0)
    far = told.found.reached[2].values * random.choice([0.1, 40], (REPEATS, SEEDS, K))
    reached = told.found.reached | {1: replace(told.found.reached[1], values=far)}
    found = replace(told.found, reached=reached, best=3, group=[1, 3])
    limited = replace(told, found=found, parameters=[9, 1, 5, 9, 9])
    assert limited.simplest == 3


def test_of_those_that_are_as_simple_the_best_is_named(told):
    found = replace(told.found, best=3, group=[0, 1, 3])
    best, worse = told.found.reached[3], {0: 0.002, 1: 0.001, 3: 0.0}
    reached = {n: replace(best, values=best.values + more) for n, more in worse.items()}
    tried = [told.tried[0]] * 5
    close = replace(told, tried=tried, parameters=[9] * 5)
    assert replace(close, found=replace(found, reached=reached)).simplest == 3


def test_a_table_without_others_has_its_columns_and_a_picture(told):
    found = Found.of(told.judge, {0: told.found.reached[0]}, seed=0)
    alone = replace(told, found=found, again=None)
    assert frame(alone).columns.tolist() == frame(told).columns.tolist()
    assert "All others diverged." in page(alone)
    assert drawn(alone).startswith(b"\x89PNG")


def test_fresh_seeds_alone_are_called_so(told):
    assert "trained again, fresh folds and seeds" in page(told)
    assert "trained again, fresh seeds" in page(replace(told, fresh_folds=False))


def test_equal_sweeps_have_equal_pictures(told):
    picture = drawn(told)
    assert picture.startswith(b"\x89PNG")
    assert drawn(told) == picture
