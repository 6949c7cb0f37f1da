import numpy as np
import pytest

from stages.core import networks
from stages.core.lean_keras import keras
from stages.core.params import Fit, Model

FIT = Fit(optimizer="sgd", learning_rate=0.25, batch_size=1, epochs=1, validation=0, final_epochs=1, seeds=1)


def model(**changes):
    plain = {"network": "dense", "api": "sequential", "units": [4, 3], "activation": "relu"}
    return Model(**{**plain, "dropout": 0.0, "l1": 0.0, "l2": 0.0, **changes})


def build(task="multiclass", outputs=5, **changes):
    return networks.build(model(**changes), FIT, networks.HEADS[task], (7,), outputs)


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.5}, {"l1": 0.1, "l2": 0.1}, {"units": []}], ids=str)
def test_sequential_and_functional_are_the_same_network(changes):
    sequential, functional = (build(api=api, **changes) for api in ("sequential", "functional"))
    assert isinstance(sequential, keras.Sequential)
    assert not isinstance(functional, keras.Sequential)
    functional.set_weights(sequential.get_weights())
    x = np.random.default_rng(0).normal(size=(6, 7)).astype("float32")
    np.testing.assert_array_equal(sequential.predict(x, verbose=0), functional.predict(x, verbose=0))
    assert len(sequential.losses) == len(functional.losses)


def test_the_tutorials_networks_have_its_numbers_of_parameters():
    imdb = networks.build(model(units=[16, 16]), FIT, networks.HEADS["binary"], (10_000,), 1)
    reuters = networks.build(model(units=[64, 64]), FIT, networks.HEADS["multiclass"], (10_000,), 46)
    boston = networks.build(model(units=[64, 64]), FIT, networks.HEADS["regression"], (13,), 1)
    assert [network.count_params() for network in (imdb, reuters, boston)] == [160_305, 647_214, 5_121]


@pytest.mark.parametrize(
    ("task", "activation", "loss"),
    [
        ("binary", "sigmoid", "binary_crossentropy"),
        ("multiclass", "softmax", "sparse_categorical_crossentropy"),
        ("regression", "linear", "mean_squared_error"),
    ],
)
def test_output_and_loss_follow_from_the_task(task, activation, loss):
    network = build(task)
    assert network.layers[-1].activation.__name__ == activation
    assert network.loss == loss


def test_penalties_dropout_and_optimizer_come_from_params():
    network = build(l1=0.1, l2=0.2, dropout=0.3)
    dense, dropout = network.layers[:2]
    assert (float(dense.kernel_regularizer.l1), float(dense.kernel_regularizer.l2)) == pytest.approx((0.1, 0.2))
    assert dropout.rate == 0.3
    assert network.layers[-1].kernel_regularizer is None
    assert float(network.optimizer.learning_rate) == 0.25


@pytest.mark.parametrize("task", networks.HEADS)
def test_losses_and_metrics_give_one_figure_a_row(task):
    head = networks.HEADS[task]
    labels = np.array([0, 1, 1])
    outputs = np.array([[0.2, 0.8]] * 3 if task == "multiclass" else [[0.7]] * 3, "float32")
    for figure in (keras.losses.get(head.loss), head.metric):
        assert figure(head.targets(labels), outputs).shape == (3,)


def test_binary_accuracy_counts_rows():
    head = networks.HEADS["binary"]
    outputs = np.array([[0.7], [0.7], [0.2]], "float32")
    np.testing.assert_array_equal(head.metric(head.targets(np.array([1, 0, 0])), outputs), [1, 0, 1])


def test_a_standardized_network_takes_rows_as_they_are():
    network = build("regression", outputs=1)
    x = np.random.default_rng(0).normal(5, 3, size=(6, 7)).astype("float32")
    mean, scale = x.mean(axis=0), x.std(axis=0)
    whole = networks.standardized(network, mean, scale)
    np.testing.assert_allclose(
        whole.predict(x, verbose=0), network.predict((x - mean) / scale, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_the_summary_names_each_layer():
    text = networks.summary(build(dropout=0.5))
    assert text.count("(Dense)") == 3
    assert text.count("(Dropout)") == 2
