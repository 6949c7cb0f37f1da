"""Candidates that differ in numbers train together, each as an experiment of its own would."""

import gc
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp

from stages.core.fit import candidates, learned, networks, numbers, replicas, streams
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Replica
from stages.core.run.lean_keras import keras

ROWS, FEATURES, BATCH, EPOCHS, SEEDS = 96, 30, 16, 3, 2
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, FEATURES)).astype("float32")
WORDS = sp.random_array((ROWS, FEATURES), density=0.2, rng=1, dtype="float32").tocsr().sign()
Y = (X[:, 0] > 0).astype("int32")


def body(inputs, units=8, dropout=0.0, l1=0.0, l2=0.0):
    for _ in range(2):
        inputs = keras.layers.Dense(
            units, "relu", kernel_regularizer=keras.regularizers.L1L2(l1, l2)
        )(inputs)
        inputs = keras.layers.Dropout(dropout)(inputs) if dropout else inputs
    return inputs


def problem(
    x=X,
    optimizer="rmsprop",
    schedule="constant",
    of=body,
    batch=BATCH,
    fit=(),
    label_smoothing=0.0,
    weighting="none",
    **model,
):
    config = {"learning_rate": 0.01} | dict(fit)
    blueprint = networks.Blueprint(
        partial(of, **model),
        (FEATURES,),
        1,
        networks.TWO_CLASSES,
        {"class_name": optimizer, "config": config},
        schedule,
        sparse=sp.issparse(x),
        label_smoothing=label_smoothing,
    )
    targets = Y.astype("float32")[:, None]
    return Problem(blueprint, learned.WEIGHTINGS[weighting], x, Y, targets, batch)


def repeats(count=2, folds=3):
    """The replicas of each repeat: seeds x folds, those of a seed share a stream."""
    found = []
    for repeat in range(count):
        dealt = np.random.default_rng(repeat).permutation(ROWS) % folds
        found.append(
            [
                Replica(100 * repeat + 10 * seed + fold, 10 * repeat + seed, dealt, fold)
                for seed in range(SEEDS)
                for fold in range(folds)
            ]
        )
    return found


def kept(plan, repeat, members, fits):
    """All that fits tell."""
    return [(fitted.held_out, *fitted.history.values()) for fitted in fits]


def planned(*problems, epochs=EPOCHS):
    """The plans of problems, all for so many epochs."""
    return candidates.plans((each, epochs, False) for each in problems)


def alone(problem, parts, epochs=EPOCHS, chooses=False):
    """What the fits of an experiment of its own tell, repeat by repeat, of judged epochs."""
    members = [member for part in parts for member in part]
    fits = list(problem.fit(members, epochs, told=range(1, epochs + 1) if chooses else ()))
    for fitted in () if chooses else fits:
        fitted.history.update(
            {name: fitted.history[name][-1:] for name in ("val_loss", "val_metric")}
        )
    size = len(parts[0])
    return [kept(None, at, part, fits[at * size :][:size]) for at, part in enumerate(parts)]


def assert_the_same(found, expected, exactly=True):
    compare = np.testing.assert_array_equal if exactly else np.testing.assert_allclose
    how = {} if exactly else {"rtol": 1e-4, "atol": 1e-6}
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            for array, wanted in zip(one, other, strict=True):
                compare(array, wanted, **how)


NETWORKS = {"dropout": (0.1, 0.5), "l1": (0.01, 0.1), "l2": (0.1, 0.01)}
LISTS = {  # rows, what candidates share, and the numbers of two that train in one program
    "all of a network": (X, {}, NETWORKS, {"learning_rate": (0.01, 0.1), "clipnorm": (0.1, 1.0)}),
    "words": (
        WORDS,
        {"optimizer": "sgd"},
        NETWORKS | {"label_smoothing": (0.1, 0.4)},
        {"learning_rate": (0.1, 0.2), "momentum": (0.5, 0.9), "clipnorm": (0.1, 1.0)},
    ),
    "falling": (
        X,
        {"optimizer": "adamw", "schedule": "cosine"},
        {"label_smoothing": (0.1, 0.4)},
        {"learning_rate": (0.001, 0.01), "weight_decay": (0.1, 0.5)},
    ),
}


def pick(place, numbers):
    return {name: values[place] for name, values in numbers.items()}


@pytest.mark.parametrize(("x", "shared", "model", "fit"), LISTS.values(), ids=LISTS)
def test_candidates_of_one_program_are_what_each_is_alone(x, shared, model, fit):
    problems = [
        problem(x, **shared, **pick(place, model), fit=pick(place, fit)) for place in range(2)
    ]
    plans, parts = planned(*problems), repeats(1)
    assert len(candidates.programs(plans)) == 1
    assert all(a != b or not a for a, b in zip(plans[0].numbers, plans[1].numbers, strict=True))
    found = candidates.fit(plans, parts, kept)
    for place, each in enumerate(problems):
        assert_the_same(found[place], alone(each, parts), exactly=False)


def of_a_kind(inputs, kind=keras.regularizers.L2, factor=0.1):
    return keras.layers.Dense(4, kernel_regularizer=kind and kind(factor))(inputs)


ALL = {"l1": 0.1, "l2": 0.1, "label_smoothing": 0.3}
ZEROS = {  # rows, what candidates share, what one has besides, and what is nothing for the other
    "numbers": (X, {}, ALL | {"fit": {"weight_decay": 0.1}}, {}),
    "words": (WORDS, {"optimizer": "sgd"}, ALL | {"fit": {"weight_decay": 0.1}}, {}),
    "a penalty alone": (X, {"of": of_a_kind, "optimizer": "adamw"}, {}, {"factor": 0.0}),
}


@pytest.mark.parametrize(("x", "shared", "some", "none"), ZEROS.values(), ids=ZEROS)
def test_candidates_with_and_without_a_number_train_together_as_each_alone(x, shared, some, none):
    problems = [problem(x, **shared, **each) for each in (some, none)]
    plans, parts = planned(*problems), repeats(1)
    assert len(candidates.programs(plans)) == 1
    found = candidates.fit(plans, parts, kept)
    expected = [alone(each, parts) for each in problems]
    for place in range(2):
        assert_the_same(found[place], expected[place], exactly=False)
    # Where the first, whose network it is, has stopped, what it has besides is not there.
    (left,) = candidates.fit({1: plans[1]}, parts, kept).values()
    assert_the_same(left, expected[1])


def test_what_is_learned_of_rows_is_that_of_each_replica():
    """Candidates share it, and so do replicas of a fold, but not those of another deal."""
    given = problem(X + np.arange(ROWS, dtype="float32")[:, None], weighting="standardize")
    members = [member for part in repeats(2) for member in part]
    members += [replace(member, numbers=given.numbers) for member in members]
    for member, fitted in zip(members, given.fit(members, 1), strict=True):
        expected = given.learned(member.training_rows)
        np.testing.assert_array_equal(fitted.learned.mean, expected.mean)
        np.testing.assert_array_equal(fitted.learned.factor, expected.factor)


def test_the_values_of_what_a_candidate_shares_its_program_with_change_no_bit():
    parts, alike, other = repeats(2), {"l2": 0.1, "dropout": 0.2}, {"l2": 0.001, "dropout": 0.7}
    first, second = (
        candidates.fit(planned(*(problem(**each) for each in (alike, *[rest] * 7))), parts, kept)
        for rest in (alike, other)
    )
    assert_the_same(first[0], second[0])
    assert_the_same(first[0], first[7], exactly=False)  # in another slice


@pytest.mark.parametrize("x", [X, WORDS], ids=["numbers", "words"])
def test_a_program_leaves_nothing_in_memory(x):
    """A sweep may have hundreds of them."""

    def graphs():
        gc.collect()
        each = (one for one in gc.get_objects() if type(one).__name__.endswith("FuncGraph"))
        return sum(one.name in ("_steps", "_judged", "_updated") for one in each)

    before = graphs()
    assert len(list(problem(x, l2=0.1).fit(repeats(1)[0], 1))) == 6
    assert graphs() <= before


@keras.saving.register_keras_serializable()
class Scaled(keras.layers.Layer):
    """A layer of one's own: what is a number in it cannot be known."""

    def __init__(self, factor, **keys):
        super().__init__(**keys)
        self.factor = factor

    def call(self, values):
        return self.factor * values

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


def scaled(inputs, factor=1.0):
    return Scaled(factor)(keras.layers.Dense(4)(inputs))


def started(inputs, start=0.0):
    dense = keras.layers.Dense(4, "relu")
    values = dense(inputs)
    dense.bias.assign(np.full(4, start, "float32"))
    return values


def wired(inputs, source=1):
    first = keras.layers.Dense(4)(inputs)
    second = keras.layers.Dense(4)(first)
    third = keras.layers.Dense(4)(second)
    return keras.layers.Add()([third, first if source == 1 else second])


DIFFERENT = {  # candidates that need a program each
    "units": [{"units": 4}, {"units": 8}],
    "kinds of penalties": [{"of": of_a_kind}, {"of": of_a_kind, "kind": keras.regularizers.L1}],
    "a penalty or none": [{"of": of_a_kind}, {"of": of_a_kind, "kind": None}],
    "dropout or none": [{"dropout": 0.0}, {"dropout": 0.1}],
    "batches": [{"batch": 16}, {"batch": 32}],
    "optimizers": [{"optimizer": "adam"}, {"optimizer": "rmsprop"}],
    "clipped or not": [{}, {"fit": {"clipnorm": 1.0}}],
    "a momentum or none": [{"optimizer": "sgd"}, {"optimizer": "sgd", "fit": {"momentum": 0.9}}],
    "schedules": [{"schedule": "constant"}, {"schedule": "cosine"}],
    "layers of one's own": [{"of": scaled, "factor": 1.0}, {"of": scaled, "factor": 2.0}],
    "wiring": [{"of": wired, "source": 1}, {"of": wired, "source": 2}],
    "weights set by hand": [{"of": started, "start": 0.0}, {"of": started, "start": 0.1}],
}


@pytest.mark.parametrize("settings", DIFFERENT.values(), ids=DIFFERENT)
def test_what_changes_more_than_numbers_is_a_program_of_its_own(settings):
    assert len(candidates.programs(planned(*(problem(**each) for each in settings)))) == 2


def test_rows_that_differ_are_a_program_of_their_own():
    assert len(candidates.programs(planned(problem(), problem(X + 1)))) == 2


def test_fewer_epochs_and_other_networks_are_what_each_is_alone():
    given = [(problem(), 3, False), (problem(), 2, True), (problem(units=4), 1, False)]
    given += [(problem(), 1, False), (problem(units=4), 3, False)]
    plans, parts = candidates.plans(given), repeats(1)
    assert [[*each] for each in candidates.programs(plans)] == [[0, 1, 3], [2, 4]]
    found = candidates.fit(plans, parts, kept)
    assert list(found) == [0, 1, 2, 3, 4]
    for place, (each, *length) in enumerate(given[1:], 1):
        assert_the_same(found[place], alone(each, parts, *length), exactly=False)


def test_candidates_that_differ_in_epochs_alone_share_their_fits():
    plans, parts = candidates.plans((problem(), epochs, False) for epochs in (1, 2, 3)), repeats(2)
    assert candidates.fits(plans, parts) == sum(map(len, parts))
    other = candidates.plans((problem(l2=l2), 1, False) for l2 in (0.1, 0.2))
    assert candidates.fits(other, parts) == 2 * sum(map(len, parts))


def test_where_the_learning_rate_falls_epochs_are_a_program_each():
    given = [(problem(schedule="cosine", dropout=0.2, l2=0.1), epochs, False) for epochs in (1, 2)]
    plans, parts = candidates.plans(given), repeats(1)
    assert len(candidates.programs(plans)) == 2
    found = candidates.fit(plans, parts, kept)  # at the same time, where there are two cores
    for place, (each, *length) in enumerate(given):
        assert_the_same(found[place], alone(each, parts, *length))


def test_an_error_in_one_program_stops_the_others(monkeypatch):
    monkeypatch.setattr(candidates, "at_a_time", lambda: 2)
    plans = candidates.plans([(problem(), 10_000, False), (problem(units=4), 1, False)])

    def fails(plan, *repeat):
        raise OSError(str(plan.epochs))

    with pytest.raises((OSError, replicas.Stopped)):
        candidates.fit(plans, repeats(1), fails)


def test_what_does_not_fit_beside_another_program_trains_alone(monkeypatch):
    monkeypatch.setattr(candidates, "at_a_time", lambda: 2)
    cut, shares = replicas.slices.cut, []

    def cuts(problem, members, longest, share):
        shares.append(share)
        if share > 1 and problem.model.layers[1].units == 4:
            raise MemoryError("too much for a half")
        return cut(problem, members, longest, share)

    monkeypatch.setattr(replicas.slices, "cut", cuts)
    plans, parts = planned(problem(), problem(units=4)), repeats(1)
    found = candidates.fit(plans, parts, kept)
    assert sorted(shares) == [1, 2, 2]
    assert_the_same(found[1], alone(problem(units=4), parts))


def test_what_is_judged_as_no_number_counts_as_diverged():
    plans = planned(problem(l2=0.1), problem(l2=0.2))

    def judged(plan, repeat, *others):
        return None if plan is plans[0] and not repeat else kept(plan, repeat, *others)

    found = candidates.fit(plans, repeats(2), judged)
    assert (found[0], len(found[1])) == (None, 2)


def test_a_candidate_that_diverges_ends_no_other():
    rates = 0.01, 1e30, 0.1
    problems = [problem(optimizer="sgd", fit={"learning_rate": rate}) for rate in rates]
    parts = repeats(2)
    found = candidates.fit(planned(*problems), parts, kept)
    assert found[1] is None
    for place in (0, 2):
        assert_the_same(found[place], alone(problems[place], parts), exactly=False)


def test_values_are_those_of_the_optimizer_the_loss_and_the_network():
    found = problem(dropout=0.5, l1=0.1, l2=0.2, fit={"clipnorm": 3.0}, label_smoothing=0.3)
    named = {"learning_rate": 0.01, "weight_decay": 0, "clipnorm": 3.0, "label_smoothing": 0.3}
    assert numbers.named(found.blueprint) == named
    assert found.numbers == (0.01, 0.0, 3.0, 0.3, 0.5, 0.5, 0.1, 0.2, 0.1, 0.2)
    assert replace(found).signature() == found.signature()  # Keras numbers the names of layers
    assert found.signature()[1] == found.numbers
    assert found.model.layers[2].rate == 0.5  # and the network is as it was


SHARED = keras.regularizers.L2(0.1)


def penalized(inputs, units=4):
    for _ in range(2):
        inputs = keras.layers.Dense(units, kernel_regularizer=SHARED)(inputs)
    return inputs


def test_two_networks_never_share_a_penalty_whose_number_is_replaced():
    first, second = (problem(of=penalized, units=units).model for units in (4, 8))
    owners = [
        {id(v.regularizer) for v in model.trainable_variables if v.regularizer}
        for model in (first, second)
    ]
    assert [len(each) for each in owners] == [1, 1]  # a number is one place in a network
    assert len({*owners[0], *owners[1], id(SHARED)}) == 3


BUILT_TWICE = """
from stages.core.fit.constructs import config_of
from stages.core.run.lean_keras import keras

def network(kind):
    inputs = keras.Input((3, 4))
    values = keras.layers.LSTM(4)(keras.layers.Dropout(0.1)(inputs))
    values = keras.layers.Activation(kind, name=kind)(keras.layers.Dense(4)(values))
    return config_of(keras.Model(inputs, keras.layers.Activation("relu")(values)))

first, again, other = network("relu"), network("relu"), network("tanh")
assert first == again, (first, again)
assert first != other
"""


def test_a_config_is_that_of_the_network_also_for_the_first_of_a_process():
    subprocess.run([sys.executable, "-c", BUILT_TWICE], check=True)


def test_smoothed_labels_train_as_in_keras():
    smooth = problem(label_smoothing=0.3)
    (member,) = repeats(1, 2)[0][:1]
    (fitted,) = smooth.fit([member], 2)
    single = smooth.blueprint.build(member.seed)
    loss = keras.losses.BinaryCrossentropy(label_smoothing=0.3)
    single.compile(smooth.blueprint.new_optimizer(0), loss)
    for epoch in range(2):
        order = streams.stream(member, epoch)
        order = order[np.isin(order, member.training_rows)]
        single.fit(X[order], Y[order, None], batch_size=BATCH, shuffle=False, verbose=0)
    for ours, theirs in zip(fitted.weights, single.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    told = single.evaluate(X[member.held_out_rows], Y[member.held_out_rows, None], verbose=0)
    assert fitted.history["val_loss"][-1] < told  # which is that of labels as they are
