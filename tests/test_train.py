import re
import time
import zipfile

import numpy as np
import pytest

from stages import train
from stages.core import networks, replicas
from stages.core.lean_keras import keras
from stages.core.params import Fit

FIT = Fit(optimizer="rmsprop", learning_rate=0.01, batch_size=16, epochs=3, validation=20, final_epochs=2, seeds=2)


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4)).astype("float32")
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1, "sigmoid")])
    head = networks.HEADS["binary"]
    network.compile("rmsprop", loss=head.loss)
    return network, head.metric, x, head.targets((x[:, 0] > 0).astype("int32"))


def test_the_exploring_fit_never_trains_on_the_first_rows(problem):
    network, metric, x, targets = problem
    changed = targets.copy()
    changed[: FIT.validation] = 1 - changed[: FIT.validation]
    one, other = (train.explore(network, metric, x, y, FIT, 0, False, "") for y in (targets, changed))
    assert all((a == b).all() for a, b in zip(one.weights, other.weights, strict=True))
    assert (one.history["val_metric"] == 1 - other.history["val_metric"]).all()
    assert len(one.held_out) == FIT.validation


def test_final_fits_are_new_networks_on_all_rows(problem):
    network, metric, x, targets = problem
    fitted = train.final(network, metric, x, targets, FIT, 2, 0, False, "")
    assert len(fitted) == FIT.seeds
    assert len(fitted[0].history["loss"]) == 2
    assert np.abs(fitted[0].weights[0] - fitted[1].weights[0]).max() > 0.01
    explored = train.explore(network, metric, x, targets, FIT, 0, False, "")
    started = [replicas._initial(network, replicas.seed_of(0, *purpose)) for purpose in [("explore",), ("final", 0)]]
    kernel = id(network.trainable_variables[0])
    assert np.abs(started[0][kernel] - started[1][kernel]).max() > 0.01
    assert np.abs(explored.weights[0] - fitted[0].weights[0]).max() > 0.01


def test_the_best_epoch_has_the_lowest_validation_loss_and_counts_from_1():
    assert train.best_epoch({"val_loss": np.array([0.5, 0.2, 0.3])}) == 2


def test_the_history_has_a_line_for_each_epoch_and_names_the_metric():
    text = train.as_csv({"loss": np.array([1, 0.5]), "metric": np.array([0.25, 1])}, "accuracy")
    assert text == "epoch,loss,accuracy\n1,1,0.25\n2,0.5,1\n"


def test_a_saved_network_has_the_same_bytes_each_time_and_keras_opens_it(problem, tmp_path):
    network, _, x, _ = problem
    train.save(network, tmp_path / "one.keras")
    time.sleep(1.1)  # Keras writes the time in seconds
    train.save(network, tmp_path / "other.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        addresses = re.findall(rb'"shared_object_id": (\d+)', archive.read("config.json"))
    assert all(int(address) < 100 for address in addresses)
    opened = keras.models.load_model(tmp_path / "one.keras")
    np.testing.assert_array_equal(opened.predict(x, verbose=0), network.predict(x, verbose=0))


def test_a_saved_network_that_standardizes_opens_too(problem, tmp_path):
    network, _, x, _ = problem
    complete = networks.standardized(network, x.mean(axis=0), x.std(axis=0))
    train.save(complete, tmp_path / "complete.keras")
    opened = keras.models.load_model(tmp_path / "complete.keras")
    np.testing.assert_allclose(opened.predict(x, verbose=0), complete.predict(x, verbose=0), rtol=1e-6)
