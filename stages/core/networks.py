"""params + shape of the rows -> compiled Keras network, built in either of the tutorial's two ways."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from stages.core.lean_keras import keras


@dataclass(frozen=True)
class Head:
    """What follows from the task: the output layer, the loss, the metric and the form of the targets.

    metric: function (targets, predictions) -> one figure a row. targets: labels (rows,) -> what the loss takes.
    """

    activation: str
    loss: str
    metric: Callable
    targets: Callable[[np.ndarray], np.ndarray]


def _binary_accuracy(targets, predictions):
    return keras.ops.mean(keras.metrics.binary_accuracy(targets, predictions), axis=-1)


def _column(labels):
    return labels.astype("float32")[:, None]


HEADS = {
    "binary": Head("sigmoid", "binary_crossentropy", _binary_accuracy, _column),
    "multiclass": Head(
        "softmax",
        "sparse_categorical_crossentropy",
        keras.metrics.sparse_categorical_accuracy,
        lambda labels: labels.astype("int32"),
    ),
    "regression": Head("linear", "mean_squared_error", keras.metrics.mean_absolute_error, _column),
}


def build(model, fit, head: Head, shape: tuple[int, ...], outputs: int):
    """A compiled keras.Model for rows of this shape (without the axis of the rows).

    model, fit: the sections of params.yaml. outputs: units of the output layer.
    """
    layers = [*NETWORKS[model.network](model), keras.layers.Dense(outputs, activation=head.activation)]
    inputs = keras.Input(shape)
    if model.api == "sequential":
        network = keras.Sequential([inputs, *layers])
    else:
        network = keras.Model(inputs, reduce(lambda tensor, layer: layer(tensor), layers, inputs))
    optimizer = keras.optimizers.get({"class_name": fit.optimizer, "config": {"learning_rate": fit.learning_rate}})
    network.compile(optimizer=optimizer, loss=head.loss)
    return network


def _dense(model):
    """Hidden layers on rows of shape (features,): Dense, each with its dropout behind it."""
    for units in model.units:
        # Keras keeps a reference to the regularizer, so each layer gets one of its own.
        regularizer = keras.regularizers.L1L2(l1=model.l1, l2=model.l2) if model.l1 or model.l2 else None
        yield keras.layers.Dense(units, activation=model.activation, kernel_regularizer=regularizer)
        if model.dropout:
            yield keras.layers.Dropout(model.dropout)


NETWORKS = {"dense": _dense}


def standardized(network, mean, scale):
    """A network that takes rows as they are: one layer that standardises, then the layers of `network`."""
    normalize = keras.layers.Normalization(mean=mean, variance=np.square(scale))
    inputs = keras.Input(network.input_shape[1:])
    return keras.Model(inputs, network(normalize(inputs)))


def summary(network) -> str:
    """`network.summary()` as text of a fixed width."""
    lines: list[str] = []
    network.summary(line_length=80, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines) + "\n"
