"""params + shape of the rows -> compiled Keras network, built in either of the tutorial's two ways."""

import importlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from stages.core.arguments import takes
from stages.core.run.lean_keras import keras


@dataclass(frozen=True)
class Head:
    """What follows from the task and the loss: the output layer, the metric and the form of the targets.

    loss: Keras' name. quantity: what it measures, as metrics files and axes name it. metric: function (targets,
    predictions) -> one figure a row. targets: (labels (rows,), outputs) -> what the loss takes.
    """

    loss: str
    quantity: str
    activation: str
    metric: Callable
    targets: Callable[[np.ndarray, int], np.ndarray]


def _binary_accuracy(targets, predictions):
    return keras.ops.mean(keras.metrics.binary_accuracy(targets, predictions), axis=-1)


def _column(labels, _):
    return labels.astype("float32")[:, None]


def _integers(labels, _):
    return labels.astype("int32")


def _number(loss, quantity):
    return Head(loss, quantity, "linear", keras.metrics.mean_absolute_error, _column)


_classes = partial(Head, quantity="cross-entropy", activation="softmax")
TWO_CLASSES = Head("binary_crossentropy", "cross-entropy", "sigmoid", _binary_accuracy, _column)
LABELS = {  # form of the labels of three classes and more
    "integer": _classes(
        "sparse_categorical_crossentropy",
        metric=keras.metrics.sparse_categorical_accuracy,
        targets=_integers,
    ),
    "one_hot": _classes(
        "categorical_crossentropy",
        metric=keras.metrics.categorical_accuracy,
        targets=lambda labels, outputs: keras.utils.to_categorical(labels, outputs).astype(
            "float32"
        ),
    ),
}
LOSSES = {  # of a regression
    "mse": _number("mean_squared_error", "mean squared error"),
    "mae": _number("mean_absolute_error", "mean absolute error"),
    "huber": _number("huber", "Huber loss"),
}


def head(fit) -> Head:
    """The head that this section asks for: `loss` is that of a regression, `labels` those of more than two classes."""
    if hasattr(fit, "loss"):
        return LOSSES[fit.loss]
    return LABELS[fit.labels] if hasattr(fit, "labels") else TWO_CLASSES


def build(section, shape: tuple[int, ...], outputs: int):
    """A compiled keras.Model for rows of this shape (without the axis of the rows).

    section: of params.yaml. outputs: units of the output layer. Exits where the file of the network
    gives something else than a value for each row and unit, is no chain and `fit.api` is sequential,
    or takes words in another way than by a Dense layer.
    """
    fit, last, encoding = section.fit, head(section.fit), section.preprocess.encoding
    inputs = keras.Input(shape, dtype="int32" if encoding == "sequence" else "float32")
    chosen = section.model.model_dump(exclude={"network"})
    known = {
        name: getattr(section.preprocess, "num_words", None)
        for name in takes(section.model.network)
    }
    module = importlib.import_module(f"stages.networks.{section.model.network}")
    try:
        body = module.build(inputs, **known, **chosen)
    except ValueError as error:  # how Keras refuses shapes and arguments
        raise SystemExit(
            f"{module.__name__} gives no network for rows of {shape}: {error}"
        ) from error
    if not isinstance(body, keras.KerasTensor) or len(body.shape) != 2:
        got = getattr(body, "shape", type(body).__name__)
        raise SystemExit(
            f"{module.__name__}: expected build to return (samples, values), got {got}"
        )
    network = keras.Model(inputs, keras.layers.Dense(outputs, activation=last.activation)(body))
    if encoding == "multi_hot" and not _begins_with_dense(network):
        raise SystemExit(
            f"{module.__name__}: expected a Dense layer, and nothing else, to take the inputs: words "
            "of the encoding multi_hot are sparse"
        )
    if fit.api == "sequential":
        if not _is_chain(network):
            raise SystemExit(
                f"{module.__name__} is no chain of layers: expected functional as fit.api, got sequential"
            )
        network = keras.Sequential(network.layers)
    network.compile(optimizer=_optimizer(fit), loss=last.loss)
    return network


def _taken(operation):
    """The tensors that a layer, or a function of `keras.ops`, takes in all of its calls."""
    return [tensor for node in operation._inbound_nodes for tensor in node.input_tensors]


def _is_chain(network) -> bool:
    """Whether each operation is a layer that takes what the one before it gives, and nothing else."""
    return all(
        isinstance(layer, keras.Layer)
        and [tensor is before.output for tensor in _taken(layer)] == [True]
        for before, layer in pairwise(network.operations)
    )


def _begins_with_dense(network) -> bool:
    takers = [
        operation
        for operation in network.operations
        for tensor in _taken(operation)
        if tensor is network.inputs[0]
    ]
    return len(takers) == 1 and isinstance(takers[0], keras.layers.Dense)


def _optimizer(fit):
    config = {"learning_rate": fit.learning_rate} | (
        {"momentum": fit.momentum} if fit.momentum else {}
    )
    return keras.optimizers.get({"class_name": fit.optimizer, "config": config})


def initial(network, seed: int) -> list[np.ndarray]:
    """New values of `network.variables`, as `keras.utils.set_random_seed(seed)` and a new build give them.

    Keras draws the seeds of initializers and of dropout from Python's `random`, which all threads of a process share;
    here they are drawn in the same order from another generator. Building the layers alone saves most of the time of a
    new network.
    """
    draw, values = partial(random.Random(seed).randint, 1, 10**9), {}
    for layer in network.layers:
        fresh = type(layer).from_config(_seeded(layer.get_config(), draw))
        if layer.variables:
            fresh.build_from_config(layer.get_build_config())
        pairs = zip(layer.variables, fresh.variables, strict=True)
        values |= {id(old): new.numpy() for old, new in pairs}
    return [values[id(variable)] for variable in network.variables]


def _seeded(config, draw):
    """A layer's config with a seed wherever nobody chose one."""
    if not isinstance(config, dict):
        return config
    return {
        key: draw() if key == "seed" and value is None else _seeded(value, draw)
        for key, value in config.items()
    }


def complete(network, fitted):
    """The network with these weights, for rows that are not weighted yet: what the fit learned of them is part of it.

    fitted: a replicas.Fitted. Factors alone become part of the first kernel; with means there is a layer in front.
    """
    mean, factor = fitted.learned
    network.set_weights(fitted.weights)
    if factor is None:
        return network
    if mean is None:
        network.set_weights([fitted.weights[0] * factor[:, None], *fitted.weights[1:]])
        return network
    normalize = keras.layers.Normalization(mean=mean, variance=1 / np.square(factor))
    inputs = keras.Input(network.input_shape[1:])
    return keras.Model(inputs, network(normalize(inputs)))


def summary(network) -> str:
    """`network.summary()` as text of a fixed width."""
    lines: list[str] = []
    network.summary(line_length=80, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines) + "\n"
