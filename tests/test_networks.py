import sys

import numpy as np
import pytest
import scipy.sparse as sp
from samples import section

from stages.core.declared import arguments
from stages.core.declared.strict_yaml import Wrong
from stages.core.fit import networks, replicas
from stages.core.fit.learned import WEIGHTINGS, Learned
from stages.core.fit.problem import Problem
from stages.core.run.lean_keras import keras


def planned(outputs=1, shape=(7,), words=False, **changes):
    labels = {"labels": "integer"} if outputs > 1 else {}
    rows = np.zeros((1, *shape), "float32")
    return networks.Blueprint.of(
        section(**labels | changes), sp.csr_matrix(rows) if words else rows, outputs
    )


def build(*args, **changes):
    """The network as a fit gets it, or refuses it."""
    return Problem(planned(*args, **changes), None, None, None, None, 32).model


RANDOM = np.random.default_rng(0)
SEQUENCES = {
    "encoding": "sequence",
    "network": "lstm",
    "num_words": 30,
    "length": 12,
    "embedding": 6,
}
KINDS = {  # network -> keys of params.yaml, rows
    "dense": ({}, RANDOM.normal(size=(6, 7)).astype("float32")),
    "lstm": (SEQUENCES, RANDOM.integers(0, 30, (6, 12)).astype("int32")),
    "conv2d": (
        {"encoding": "image", "network": "conv2d"},
        RANDOM.random((6, 5, 4, 1)).astype("float32"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changes", [{}, {"dropout": 0.5}, {"l1": 0.1, "l2": 0.1}, {"units": [3]}], ids=str
)
def test_sequential_and_functional_are_the_same_network(kind, changes):
    keys, x = KINDS[kind]
    sequential, functional = (
        build(5, x.shape[1:], api=api, **keys, **changes) for api in ("sequential", "functional")
    )
    assert isinstance(sequential, keras.Sequential)
    assert not isinstance(functional, keras.Sequential)
    functional.set_weights(sequential.get_weights())
    np.testing.assert_array_equal(
        sequential.predict(x, verbose=0), functional.predict(x, verbose=0)
    )
    assert len(sequential.losses) == len(functional.losses) == len(changes.get("units", [4, 3]))
    assert [type(layer) for layer in sequential.layers] == [
        type(layer) for layer in functional.layers[1:]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_networks_with_and_without_penalties_train_in_one_program(kind):
    keys, x = KINDS[kind]
    problems = [
        Problem(planned(5, x.shape[1:], **keys, **changes), WEIGHTINGS["none"], x, None, None, 32)
        for changes in ({}, {"l1": 0.1, "l2": 0.2})
    ]
    (alike, without), (also_alike, with_both) = (each.signature() for each in problems)
    assert alike == also_alike
    assert sorted(set(with_both) - set(without)) == [0.1, 0.2]


def test_a_network_may_have_no_hidden_layer():
    assert [build(5, api=api, units=[]).count_params() for api in ("sequential", "functional")] == [
        40,
        40,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_layers_have_the_units_the_activation_and_the_dropout_of_params(kind):
    keys, x = KINDS[kind]
    keys = keys if kind == "lstm" else keys | {"activation": "gelu"}  # its gates keep theirs
    layers = [layer.get_config() for layer in build(5, x.shape[1:], **keys, dropout=0.25).layers]
    hidden = [layer for layer in layers[:-1] if "activation" in layer]
    assert [layer.get("units", layer.get("filters")) for layer in hidden] == [4, 3]
    assert [layer["activation"] for layer in hidden] == ["tanh" if kind == "lstm" else "gelu"] * 2
    assert [layer["rate"] for layer in layers if "rate" in layer] == [0.25, 0.25]


@pytest.fixture
def mine(monkeypatch, tmp_path):
    """mine(body): the name of a network whose build returns this expression of `x` and `layers`."""
    monkeypatch.setattr(arguments, "FOLDER", tmp_path)
    monkeypatch.setattr("stages.networks.__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "stages.networks.mine", raising=False)

    def write(body):
        lines = (
            "from stages.core.run.lean_keras import keras",
            "layers = keras.layers",
            "def build(x, units):",
        )
        (tmp_path / "mine.py").write_text("\n".join([*lines, f"    return {body}", ""]))
        return "mine"

    yield write
    sys.modules.pop("stages.networks.mine", None)


NO_CHAINS = {
    "a residual connection": "(lambda y: layers.Dense(4)(y) + y)(layers.Dense(4)(x))",
    "a layer of two calls": "(lambda layer: layer(layer(x)))(layers.Dense(7))",
    "a function of keras.ops": "keras.ops.square(layers.Dense(4)(x))",
}


@pytest.mark.parametrize("body", NO_CHAINS.values(), ids=NO_CHAINS)
def test_a_network_that_is_no_chain_is_functional_or_refused(mine, body):
    network = mine(body)
    assert build(network=network, api="functional").output_shape == (None, 1)
    with pytest.raises(Wrong, match=r"mine\.py: no chain of layers: expected functional"):
        build(network=network, api="sequential")


@pytest.mark.parametrize("body", ["None", "[x]", "layers.Reshape((7, 1))(x)"])
def test_what_no_output_layer_can_follow_is_refused(mine, body):
    with pytest.raises(Wrong, match=r"mine\.py: expected build to return \(samples, values\), got"):
        build(network=mine(body))


@pytest.mark.parametrize(
    "body", ["layers.Dropout(0.5)(x)", "layers.Dense(4)(x) + layers.Dense(4)(x)"]
)
def test_sparse_words_are_taken_by_a_dense_layer_alone(mine, body):
    network = mine(body)
    assert build(network=network, api="functional").output_shape == (None, 1)
    with pytest.raises(
        Wrong, match=r"mine\.py: expected a Dense layer, and nothing else, to take the inputs"
    ):
        build(network=network, api="functional", words=True)


def test_the_tutorials_networks_have_its_numbers_of_parameters():
    imdb = build(1, (10_000,), units=[16, 16])
    reuters = build(46, (10_000,), units=[64, 64])
    boston = build(1, (13,), units=[64, 64], loss="mse")
    assert [network.count_params() for network in (imdb, reuters, boston)] == [
        160_305,
        647_214,
        5_121,
    ]


HEADS = {  # keys of params.yaml, activation of the output, loss
    "two classes": ({}, "sigmoid", "binary_crossentropy"),
    "integer": ({"labels": "integer"}, "softmax", "sparse_categorical_crossentropy"),
    "one_hot": ({"labels": "one_hot"}, "softmax", "categorical_crossentropy"),
    "mse": ({"loss": "mse"}, "linear", "mean_squared_error"),
    "mae": ({"loss": "mae"}, "linear", "mean_absolute_error"),
    "huber": ({"loss": "huber"}, "linear", "huber"),
}


@pytest.mark.parametrize(("keys", "activation", "loss"), HEADS.values(), ids=HEADS)
def test_output_and_loss_follow_from_params(keys, activation, loss):
    blueprint = planned(5 if activation == "softmax" else 1, **keys)
    last = blueprint.build(0).layers[-1]
    assert (last.activation.__name__, blueprint.head.loss) == (activation, loss)


@pytest.mark.parametrize(("keys", "activation", "loss"), HEADS.values(), ids=HEADS)
def test_losses_and_metrics_give_a_value_for_each_row(keys, activation, loss):
    head = networks.head(section(**keys))
    labels = np.array([0, 1, 1])
    outputs = np.array([[0.2, 0.8]] * 3 if activation == "softmax" else [[0.7]] * 3, "float32")
    for measure in (keras.losses.get(loss), head.metric):
        assert measure(head.targets(labels, outputs.shape[1]), outputs).shape == (3,)


@pytest.mark.parametrize("labels", networks.LABELS)
def test_both_forms_of_labels_have_the_same_loss_and_metric(labels):
    head = networks.head(section(labels=labels))
    classes, outputs = (
        np.array([2, 0, 1]),
        np.array([[0.2, 0.3, 0.5], [0.1, 0.7, 0.2], [0.2, 0.6, 0.2]], "float32"),
    )
    targets = head.targets(classes, 3)
    np.testing.assert_allclose(
        keras.losses.get(head.loss)(targets, outputs), -np.log([0.5, 0.1, 0.6]), rtol=1e-6
    )
    np.testing.assert_array_equal(head.metric(targets, outputs), [1, 0, 1])


def test_both_forms_of_labels_train_the_same(rows):
    x, y, folds = rows
    members = [replicas.Replica(seed, 7, folds, seed) for seed in range(4)]
    fits = []
    for labels in networks.LABELS:
        head = networks.head(section(labels=labels))
        blueprint = planned(5, (50,), labels=labels, learning_rate=0.1)
        problem = Problem(blueprint, WEIGHTINGS["none"], x, y, head.targets(y, 5), 32)
        fits.append(list(problem.fit(members, 3)))
    for first, second in zip(*fits, strict=True):
        for name, values in first.history.items():
            np.testing.assert_allclose(values, second.history[name], rtol=1e-5)


def test_binary_accuracy_counts_rows():
    head = networks.TWO_CLASSES
    outputs = np.array([[0.7], [0.7], [0.2]], "float32")
    np.testing.assert_array_equal(
        head.metric(head.targets(np.array([1, 0, 0]), 1), outputs), [1, 0, 1]
    )


def test_penalties_dropout_and_optimizer_come_from_params():
    network = build(l1=0.1, l2=0.2, dropout=0.3)
    dense, dropout = network.layers[:2]
    assert (
        float(dense.kernel_regularizer.l1),
        float(dense.kernel_regularizer.l2),
    ) == pytest.approx((0.1, 0.2))
    assert dropout.rate == 0.3
    assert network.layers[-1].kernel_regularizer is None
    assert float(planned().new_optimizer(9).learning_rate) == 0.25


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rmsprop", keras.optimizers.RMSprop),
        ("adam", keras.optimizers.Adam),
        ("adamw", keras.optimizers.AdamW),
        ("sgd", keras.optimizers.SGD),
    ],
)
def test_the_optimizer_is_the_one_that_is_named(name, kind):
    optimizer = planned(optimizer=name, learning_rate=0.125).new_optimizer(9)
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == 0.125


def test_momentum_reaches_sgd():
    optimizers = [planned(momentum=momentum).new_optimizer(9) for momentum in (0.0, 0.9)]
    assert [optimizer.momentum for optimizer in optimizers] == [0.0, 0.9]


def test_weight_decay_and_clipnorm_reach_the_optimizer():
    optimizer = planned(optimizer="adam", weight_decay=0.25, clipnorm=2.0).new_optimizer(9)
    assert (optimizer.weight_decay, optimizer.clipnorm) == (0.25, 2.0)
    optimizer = planned(optimizer="adamw").new_optimizer(9)
    assert (optimizer.weight_decay, optimizer.clipnorm) == (0.0, None)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.5, 0.5, 0.5]),
        ("cosine", [0.5, 0.25, 0.0]),
        ("exponential", [0.5, 0.05, 0.005]),
    ],
)
def test_a_schedule_takes_the_learning_rate_down_over_the_steps_of_a_fit(schedule, rates):
    optimizer = planned(schedule=schedule, learning_rate=0.5).new_optimizer(100)
    for step, rate in zip((0, 50, 100), rates, strict=True):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate)


NUMBERS = RANDOM.normal(5, 3, size=(20, 7)).astype("float32")
COUNTS = sp.csr_matrix(RANDOM.poisson(0.4, (20, 7)).astype("float32"))
WEIGHTED = {
    "none": NUMBERS,
    "standardize": NUMBERS,
    "tabular": np.where(np.arange(140).reshape(20, 7) % 9 == 2, np.nan, NUMBERS),
    "binary": COUNTS,
    "tf_idf": COUNTS,
    "nb": COUNTS,
}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_complete_network_takes_rows_that_are_not_weighted_by_what_the_fit_learned(weighting):
    network = build()
    rows = WEIGHTINGS[weighting].values(WEIGHTED[weighting])
    learned = WEIGHTINGS[weighting].learned(rows, np.arange(20) % 2, np.arange(12))
    assert (learned.factor is None) == (weighting in ("none", "binary"))
    fitted = replicas.Fitted(build().get_weights(), learned, {}, np.empty((0, 1)))
    (expected,) = replicas.predict(network, [fitted], rows)
    complete = networks.complete(network, fitted, WEIGHTINGS[weighting].fills)
    dense = rows.toarray() if sp.issparse(rows) else rows
    np.testing.assert_allclose(complete.predict(dense, verbose=0), expected, rtol=1e-4, atol=1e-6)
    if learned.factor is not None and weighting != "tabular":
        network.set_weights(fitted.weights)
        assert np.abs(network.predict(dense, verbose=0) - expected).max() > 0.01


def test_a_complete_network_keeps_nothing_of_the_one_before():
    network = build()
    for start in (1.0, 2.0):
        weights = [np.full_like(values, start) for values in network.get_weights()]
        learned = Learned(factor=np.full(7, 3.0, "float32"))
        fitted = replicas.Fitted(weights, learned, {}, np.empty((0, 1)))
        kernel, *others = networks.complete(network, fitted).get_weights()
        assert (kernel == 3 * start).all()
        assert all((values == start).all() for values in others)


def test_the_summary_names_each_layer():
    text = networks.summary(build(dropout=0.5))
    assert text.count("(Dense)") == 3
    assert text.count("(Dropout)") == 2
