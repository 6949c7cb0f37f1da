"""params + shape of rows -> compiled Keras network, built in either of the tutorial's two ways."""

import importlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from stages.core.declared.arguments import takes
from stages.core.run.lean_keras import keras


@dataclass(frozen=True)
class Head:
    """What follows from the task and the loss: the output layer, the metric, the form of targets.

    loss: Keras' name. quantity: what it measures, as metrics files and axes name it. metric:
    (targets, predictions) -> a value for each row. targets: (labels (rows,), outputs) -> what the
    loss takes.
    """

    loss: str
    quantity: str
    activation: str
    metric: Callable
    targets: Callable[[np.ndarray, int], np.ndarray]


def _binary_accuracy(targets, predictions):
    return keras.ops.mean(keras.metrics.binary_accuracy(targets, predictions), axis=-1)


def _accuracy_of_integers(targets, predictions):
    # Keras' own drops the axis of the rows where a batch has one alone.
    chosen = keras.ops.argmax(predictions, axis=-1)
    return keras.ops.cast(chosen == keras.ops.cast(targets, chosen.dtype), "float32")


def _column(labels, _):
    return labels.astype("float32")[:, None]


def _integers(labels, _):
    return labels.astype("int32")


def _one_hot(labels, outputs):
    return np.eye(outputs, dtype="float32")[labels]


def _of_numbers(loss, quantity):
    return Head(loss, quantity, "linear", keras.metrics.mean_absolute_error, _column)


def _of_classes(loss, metric, targets):
    return Head(loss, "cross-entropy", "softmax", metric, targets)


TWO_CLASSES = Head("binary_crossentropy", "cross-entropy", "sigmoid", _binary_accuracy, _column)
LABELS = {  # form of the labels of three classes and more
    "integer": _of_classes("sparse_categorical_crossentropy", _accuracy_of_integers, _integers),
    "one_hot": _of_classes(
        "categorical_crossentropy", keras.metrics.categorical_accuracy, _one_hot
    ),
}
LOSSES = {  # of a regression
    "mse": _of_numbers("mean_squared_error", "mean squared error"),
    "mae": _of_numbers("mean_absolute_error", "mean absolute error"),
    "huber": _of_numbers("huber", "Huber loss"),
}


def head(section) -> Head:
    """The head that follows from the task and the fit of a section of params.yaml."""
    if section.data.task == "regression":
        return LOSSES[section.fit.loss]
    return LABELS[section.fit.labels] if section.data.task == "multiclass" else TWO_CLASSES


def build(section, shape: tuple[int, ...], outputs: int):
    """A compiled keras.Model for rows of this shape (without the axis of the rows).

    section: of params.yaml. outputs: units of the output layer. Exits where the file of the network
    gives something else than a value for each row and unit, is no chain where `fit.api` is
    sequential, or takes words in another way than by a Dense layer.
    """
    fit, last = section.fit, head(section)
    words = section.preprocess.encoding == "sequence"
    inputs = keras.Input(shape, dtype="int32" if words else "float32")
    body = _body(section, inputs)
    network = keras.Model(inputs, keras.layers.Dense(outputs, activation=last.activation)(body))
    _check(network, section)
    if fit.api == "sequential":
        network = keras.Sequential(network.layers)
    momentum = {"momentum": fit.momentum} if fit.momentum else {}
    config = {"learning_rate": fit.learning_rate, **momentum}
    optimizer = keras.optimizers.get({"class_name": fit.optimizer, "config": config})
    network.compile(optimizer, loss=last.loss)
    return network


def _body(section, inputs):
    """What the file of the network makes of the inputs: (samples, values)."""
    known = getattr(section.preprocess, "num_words", None)
    arguments = dict.fromkeys(takes(section.model.network), known)
    arguments |= section.model.model_dump(exclude={"network"})
    module = importlib.import_module(f"stages.networks.{section.model.network}")
    try:
        body = module.build(inputs, **arguments)
    except ValueError as error:  # how Keras refuses shapes and arguments
        rows = f"rows of {inputs.shape[1:]}"
        raise SystemExit(f"{module.__name__} gives no network for {rows}: {error}") from error
    if not isinstance(body, keras.KerasTensor) or len(body.shape) != 2:
        expected, got = "(samples, values)", getattr(body, "shape", type(body).__name__)
        raise SystemExit(f"{module.__name__}: expected build to return {expected}, got {got}")
    return body


def _check(network, section):
    """Exit where the layers stand in another way than `fit.api` or the encoding needs."""
    name, layers = f"stages.networks.{section.model.network}", network.operations
    taken = {
        layer: [tensor for node in layer._inbound_nodes for tensor in node.input_tensors]
        for layer in layers  # or functions of `keras.ops`
    }
    first = [layer for layer in layers for each in taken[layer] if each is network.inputs[0]]
    dense = len(first) == 1 and isinstance(first[0], keras.layers.Dense)
    if section.preprocess.encoding == "multi_hot" and not dense:
        raise SystemExit(
            f"{name}: expected a Dense layer, and nothing else, to take the inputs: words of the "
            "encoding multi_hot are sparse"
        )
    chain = all(
        isinstance(layer, keras.Layer)
        and [each is before.output for each in taken[layer]] == [True]
        for before, layer in pairwise(layers)
    )
    if section.fit.api == "sequential" and not chain:
        expected = "expected functional as fit.api, got sequential"
        raise SystemExit(f"{name} is no chain of layers: {expected}")


def initial(network, seed: int) -> list[np.ndarray]:
    """New values of `network.variables`, those of `keras.utils.set_random_seed(seed)` and a build.

    Keras draws the seeds of initializers and of dropout from Python's `random`, which all threads
    of a process share; here they are drawn in the same order from another generator. Building the
    layers alone saves most of the time of a new network.
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
    """The network of a Fitted for rows that are not weighted yet: it weights them.

    Factors alone become part of the first kernel; with means there is a layer in front.
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
