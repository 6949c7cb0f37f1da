"""`sweeps` of params.yaml: what is tried, in which order, and what is wrong with it."""

import copy
import re

import numpy as np
import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from samples import PARAMS

from stages.core.declared import params, strict_yaml, sweeps
from stages.core.declared.strict_yaml import Wrong


def parsed(tree, name="boston_housing", **changes):
    """The candidates of a sweep of these params, which have no default values left out."""
    content = copy.deepcopy(strict_yaml.read(PARAMS))
    content["sweeps"] = {name: tree}
    for group, keys in changes.items():
        content["datasets"][name][group] |= keys
    return params.parse(yaml.safe_dump(content, sort_keys=False)).sweeps[name]


def complaint(tree, name="boston_housing"):
    with pytest.raises(Wrong) as caught:
        parsed(tree, name)
    return str(caught.value)


def values(candidates):
    return [tuple(each.values.values()) for each in candidates]


def test_there_are_none_where_nothing_is_said():
    assert params.parse(PARAMS).sweeps == {}


def test_a_grid_has_all_combinations_and_params_yaml_as_it_is_first():
    found = parsed({"fit": {"learning_rate": [0.001, 0.01]}, "model": {"l2": [0.1, 0.0, 0.2]}})
    assert list(found[0].values) == ["fit.learning_rate", "model.l2"]
    pairs = [(0.001, 0.1), (0.001, 0.2), (0.01, 0.1), (0.01, 0.0), (0.01, 0.2)]
    assert values(found) == [(0.001, 0.0), *pairs]
    assert [each.section.model.l2 for each in found] == [l2 for _, l2 in values(found)]
    assert found[1].section.fit.learning_rate == 0.001


def test_settings_set_all_that_varies_whatever_was_set_before():
    tree = {"fit": {"learning_rate": [0.01]}, "model": {"units": [[8], [64, 64]]}}
    base, first, second = parsed(tree)
    start = "datasets.boston_housing"
    assert base.settings == []
    assert first.settings == [f"{start}.fit.learning_rate=0.01", f"{start}.model.units=[8]"]
    assert second.settings == [f"{start}.fit.learning_rate=0.01", f"{start}.model.units=[64,64]"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 0.5], "b": {}}, "{a:[1,0.5],b:{}}"),
        ("é", '"é"'),
        (True, "true"),
        ([["relu", 1], None], '[["relu",1],null]'),
    ],
)
def test_a_setting_is_as_dvc_reads_it(value, text, tmp_path):
    assert sweeps._as_setting(value) == text
    file = tmp_path / "params.yaml"
    file.write_text("a: {b: 1}\n", "utf-8")
    apply_overrides(file, [f"a.b={text}", *[f"++a.c={text}"] * 2])  # as -S does
    assert strict_yaml.read(file.read_bytes()) == {"a": {"b": value, "c": value}}


def test_a_mapping_is_set_in_place_of_another_with_which_dvc_would_merge_it(tmp_path):
    content = {"model": {"penalty": {"l1": 0.5}}, "final": {}}
    for value in ({}, {"l2": 0.1}, None):
        settings = sweeps._settings("a", content, {("model", "penalty"): value})
        file = tmp_path / "params.yaml"
        file.write_text("a: {model: {penalty: {l1: 0.5}}}", "utf-8")
        apply_overrides(file, settings)
        assert strict_yaml.read(file.read_bytes()) == {"a": {"model": {"penalty": value}}}


def test_what_the_ends_of_a_range_are_allowed_does_not_hang_on_luck():
    tree = {"random": 1, "model": {"dropout": "interval(0.0, 1.000001)"}}
    assert "model.dropout: expected less than 1, got 1.000001" in complaint(tree)
    found = parsed({"random": 3, "model": {"dropout": "interval(0.1, 0.9)"}})
    assert len(found) == 4
    assert not {0.1, 0.9} & {each.values["model.dropout"] for each in found}


def test_few_of_many_wrong_values_are_shown():
    lines = complaint({"random": 100, "model": {"dropout": "interval(1.5, 3.0)"}}).splitlines()
    assert len(lines) == 11
    assert re.fullmatch(r"sweeps.boston_housing: and \d+ more", lines[-1])


def test_final_networks_train_as_long_as_those_of_the_folds():
    _, few, best = parsed({"kfold": {"epochs": [7, "best"]}})
    paths = "kfold.epochs=7", "final.epochs=7"
    assert few.settings == [f"datasets.boston_housing.{path}" for path in paths]
    assert best.settings == [
        'datasets.boston_housing.kfold.epochs="best"',
        f"datasets.boston_housing.final.epochs={best.section.final.epochs}",
    ]


def test_a_key_that_params_yaml_leaves_out_is_added():
    content = strict_yaml.read(PARAMS)
    del content["datasets"]["boston_housing"]["model"]["l2"]
    content["sweeps"] = {"boston_housing": {"model": {"l2": [0.5]}}}
    base, other = params.parse(yaml.safe_dump(content, sort_keys=False)).sweeps["boston_housing"]
    assert base.values == {"model.l2": 0.0}
    assert other.settings == ["++datasets.boston_housing.model.l2=0.5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choice(0.1, 0.2)", [0.1, 0.2]),
        (" choice( 0.1,0.2 ) ", [0.1, 0.2]),
        ("range(1, 4)", [1, 2, 3]),
        ("range(0, 10, 5)", [0, 5]),
    ],
)
def test_lists_have_the_names_that_the_queue_of_dvc_gives_them(text, expected):
    assert values(parsed({"model": {"l2": text}}))[-len(expected) :][-1] == (expected[-1],)
    assert {l2 for (l2,) in values(parsed({"model": {"l2": text}}))} == {0.0, *expected}


def test_lists_of_lists():
    found = parsed({"model": {"units": "choice([32], [64, 64], [8, 8, 8])"}})
    assert values(found) == [([64, 64],), ([32],), ([8, 8, 8],)]


def test_draws_are_in_their_ranges_short_and_the_same_again():
    tree = {"random": 200, "fit": {"learning_rate": "log(1e-4, 1e-2)"}}
    tree["model"] = {"dropout": "interval(0.0, 0.5)", "units": [[8], [64, 64]]}
    found = values(parsed(tree))
    assert len(found) == 201
    assert found == values(parsed(tree))
    rates, dropout = (np.array(column[1:]) for column in list(zip(*found, strict=True))[:2])
    assert ((rates >= 1e-4) & (rates <= 1e-2)).all()
    assert 0.35 < (rates < 1e-3).mean() < 0.65  # of a logarithm: half of them below the middle
    assert ((dropout >= 0) & (dropout <= 0.5)).all()
    assert 0.2 < dropout.mean() < 0.3
    assert all(float(f"{rate:.3g}") == rate for rate in rates)


def test_draws_between_whole_numbers_are_whole_and_none_leaves_its_range():
    tree = {
        "random": 60,
        "fit": {"batch_size": "interval(8, 12)", "learning_rate": "log(0.5, 0.5001)"},
    }
    sizes, rates = zip(*values(parsed(tree))[1:], strict=True)
    assert {*sizes} == {8, 9, 10, 11, 12}
    assert all(0.5 <= rate <= 0.5001 for rate in rates)
    tree = {"random": 30, "fit": {"batch_size": "range(1000, 9000, 1000)"}}
    assert max(size for (size,) in values(parsed(tree))) == 8000


def test_fewer_combinations_than_draws_are_drawn_once_each():
    found = parsed({"random": 40, "model": {"l2": [0.1, 0.2, 0.3]}})
    assert sorted(values(found)) == [(0.0,), (0.1,), (0.2,), (0.3,)]


LEARNING_RATE = "sweeps.boston_housing.fit.learning_rate: expected"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (5, "sweeps.boston_housing: expected keys and values, got 5"),
        (
            {},
            "sweeps.boston_housing: expected values to try below preprocess, model, fit, kfold, got none",
        ),
        ({"random": 3}, "expected values to try below preprocess, model, fit, kfold, got none"),
        ({"random": 0, "fit": {"learning_rate": [1]}}, "sweeps.boston_housing.random: expected a"),
        ({"random": True, "fit": {"learning_rate": [1]}}, "got True"),
        (
            {"preprocess": {"length": [9]}},
            "preprocess.length: there is no such key; expected one of",
        ),
        ({"data": {"task": ["x"]}}, "sweeps.boston_housing.data: there is no such key to vary"),
        ({"kfold": {"k": [3]}}, "sweeps.boston_housing.kfold.k: there is no such key to vary"),
        ({"fit": [0.1]}, "sweeps.boston_housing.fit: expected keys of fit and the values to try"),
        ({"fit": {"learning_rate": 0.1}}, f"{LEARNING_RATE} a list of values"),
        ({"fit": {"learning_rate": []}}, f"{LEARNING_RATE} a list of values"),
        ({"fit": {"learning_rate": "log(0, 1)"}}, f"{LEARNING_RATE} a list of values"),
        ({"fit": {"learning_rate": "log(1)"}}, f"{LEARNING_RATE} a list of values"),
        ({"fit": {"learning_rate": "interval(2, 1)"}}, f"{LEARNING_RATE} a list of values"),
        ({"fit": {"learning_rate": "range(a)"}}, f"{LEARNING_RATE} a list of values"),
        ({"fit": {"learning_rate": "uniform(0, 1)"}}, f"{LEARNING_RATE} a list of values"),
        ({"fit": {"learning_rate": "log(1, 2)"}}, f"{LEARNING_RATE} `random: 40`"),
        ({"model": {"l2": "range(0, 100000000000)"}}, "expected at most 1,000 candidates"),
        ({"model": {"l2": f"range(0, {10**30})"}}, "model.l2: expected a list of values"),
        ({"random": None, "model": {"l2": [0.1]}}, "sweeps.boston_housing.random: expected a"),
        ({"model": {"l2": [0.0]}}, "expected other values than those of params.yaml, got none"),
        (
            {"model": {"l2": [0.1, -1]}},
            "sweeps.boston_housing, model.l2=-1: datasets.boston_housing.model.l2: expected",
        ),
        ({"model": {"loss": ["a\\b"]}}, "model.loss: expected text on a line that -S takes"),
        ({"model": {"loss": [["${x}"]]}}, "got '${x}'"),
        ({"model": {"loss": ["a\nb"]}}, "got 'a\\nb'"),
        ({"model": {"loss": [{"a:b": 1}]}}, "model.loss: expected a key of letters, digits and _"),
        ({"model": {"loss": [{"True": 1}]}}, "got 'True'"),
        ({"model": {"loss": [{1: 1}]}}, "got 1"),
        ({"model": {"l2": [float("nan")]}}, "model.l2: expected numbers that are finite, got nan"),
        ({"model": {"l2": [0.1, float("inf")]}}, "got inf"),
        ({"model": {"layers": [1]}}, "datasets.boston_housing.model.layers: there is no such key"),
        ({"fit": {"momentum": [0.9]}}, "fit.momentum: expected 0 for rmsprop, got 0.9"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(tree, expected):
    assert expected in complaint(tree)


def test_a_fault_that_many_candidates_share_is_said_once():
    said = complaint({"model": {"l2": [-1], "l1": [0.1, 0.2, 0.3]}})
    assert len(said.splitlines()) == 1


def test_a_sweep_of_a_data_set_that_is_not_there():
    content = strict_yaml.read(PARAMS) | {"sweeps": {"elsewhere": {"model": {"l2": [0.1]}}}}
    with pytest.raises(Wrong, match=r"sweeps\.elsewhere: expected a data set of this file"):
        params.parse(yaml.safe_dump(content, sort_keys=False))
