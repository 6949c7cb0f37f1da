import re
import time
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from samples import section

from stages import train
from stages.core.data.splits import Keys
from stages.core.fit import networks, replicas
from stages.core.fit.learned import Learned
from stages.core.fit.problem import Problem
from stages.core.run.lean_keras import keras

SETTINGS = {"optimizer": "rmsprop", "learning_rate": 0.01, "batch_size": 16}
LABELS = np.arange(60) % 3 % 2  # twice as many of class 0
ROWS = np.random.default_rng(0).normal(LABELS[:, None], size=(60, 4)).astype("float32")
VALIDATION, EPOCHS = 20, 3
KEPT = train.kept_back(Keys(np.arange(60)), VALIDATION)


def made(**changes):
    return Problem.of(section(**SETTINGS | changes), ROWS, LABELS, 1)


@pytest.fixture
def problem():
    return made()


def same_weights(first, second):
    return all((a == b).all() for a, b in zip(first.weights, second.weights, strict=True))


def test_the_exploring_fit_never_trains_on_the_first_rows(problem):
    changed = problem.targets.copy()
    changed[:VALIDATION] = 1 - changed[:VALIDATION]
    changed = replace(problem, targets=changed)
    first, second = (train.explore(each, KEPT, EPOCHS, 0, "") for each in (problem, changed))
    assert same_weights(first, second)
    assert (first.history["val_metric"] == 1 - second.history["val_metric"]).all()
    assert len(first.held_out) == VALIDATION
    assert len(first.history["loss"]) == EPOCHS


def test_final_fits_are_new_networks_on_all_rows(problem):
    fitted = train.final(problem, 2, 2, 0, "")
    assert len(fitted) == 2
    assert len(fitted[0].history["loss"]) == 2
    assert np.abs(fitted[0].weights[0] - fitted[1].weights[0]).max() > 0.01
    explored = train.explore(problem, KEPT, EPOCHS, 0, "")
    started = [
        problem.initial.values(replicas.seed_of(0, *purpose))
        for purpose in [("explore",), ("final", 0)]
    ]
    assert np.abs(started[0][0] - started[1][0]).max() > 0.01  # the first kernels
    assert np.abs(explored.weights[0] - fitted[0].weights[0]).max() > 0.01


def test_each_fit_learns_its_weighting_from_the_rows_that_it_trains_on():
    scaled = made(weighting="standardize")
    explored = train.explore(scaled, KEPT, EPOCHS, 0, "")
    np.testing.assert_allclose(explored.learned.mean, ROWS[VALIDATION:].mean(axis=0), rtol=1e-5)
    for fitted in train.final(scaled, 2, 1, 0, ""):
        np.testing.assert_allclose(fitted.learned.mean, ROWS.mean(axis=0), rtol=1e-5)


def test_each_fit_is_balanced_where_that_is_asked_for(problem):
    balanced = made(class_weights="balanced")
    explore = partial(train.explore, kept=KEPT, epochs=EPOCHS, seed=0, title="")
    for fit in (explore, lambda chosen: train.final(chosen, 1, 2, 0, "")[0]):
        assert not same_weights(fit(balanced), fit(problem))
        assert same_weights(fit(balanced), fit(balanced))


def test_the_best_epoch_has_the_lowest_validation_loss_and_counts_from_1():
    assert train.best_epoch({"val_loss": np.array([0.5, 0.2, 0.3])}) == 2


def test_a_saved_network_has_the_same_bytes_each_time_and_keras_opens_it(problem, tmp_path):
    network, x = problem.model, problem.rows
    train.save(network, tmp_path / "one.keras")
    time.sleep(1.1)  # Keras writes the time in seconds
    train.save(network, tmp_path / "other.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        addresses = re.findall(rb'"shared_object_id": (\d+)', archive.read("config.json"))
    assert all(int(address) < 100 for address in addresses)
    opened = keras.models.load_model(tmp_path / "one.keras")
    np.testing.assert_array_equal(opened.predict(x, verbose=0), network.predict(x, verbose=0))


@pytest.mark.parametrize(
    "mean", [None, np.arange(4, dtype="float32")], ids=["factor", "mean and factor"]
)
def test_a_saved_network_that_weighs_its_rows_opens_too(problem, tmp_path, mean):
    factor = np.array([0.5, 1, 2, 3], "float32")
    weights = problem.model.get_weights()
    complete = networks.complete(
        problem.model, replicas.Fitted(weights, Learned(mean, factor), {}, np.empty((0, 1)))
    )
    train.save(complete, tmp_path / "complete.keras")
    opened = keras.models.load_model(tmp_path / "complete.keras").predict(problem.rows, verbose=0)
    problem.model.set_weights(weights)
    weighted = (problem.rows - (0 if mean is None else mean)) * factor
    np.testing.assert_allclose(
        opened, problem.model.predict(weighted, verbose=0), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["lstm", "conv2d"])
def test_saved_recurrent_and_convolutional_networks_open_too(tmp_path, kind):
    keys = (
        {"encoding": "image"}
        if kind == "conv2d"
        else {"encoding": "sequence", "num_words": 30, "embedding": 4}
    )
    shape = (4, 4, 1) if kind == "conv2d" else (12,)
    x = (
        np.random.default_rng(0)
        .integers(0, 30, (6, *shape))
        .astype("float32" if kind == "conv2d" else "int32")
    )
    chosen = section(network=kind, labels="integer", dropout=0.5, **keys)
    network = networks.Blueprint.of(chosen, x, 5).build(0)
    for name in ("one", "other"):
        train.save(network, tmp_path / f"{name}.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()
    opened = keras.models.load_model(tmp_path / "one.keras")
    np.testing.assert_array_equal(opened.predict(x, verbose=0), network.predict(x, verbose=0))


def test_groups_and_equal_times_are_kept_back_whole():
    group = np.array([5, 5, 2, 2, 2, 9, 9, 5])
    kept = train.kept_back(Keys(np.arange(8), group), 3)
    assert kept.tolist() == [True] * 5 + [False, False, True]
    kept = train.kept_back(Keys(np.arange(5), time=np.array([9.0, 8, 8, 8, 7])), 2)
    assert kept.tolist() == [True] * 4 + [False]
