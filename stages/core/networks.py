"""params + shape of the rows -> compiled Keras network, built in either of the tutorial's two ways."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from stages.core.lean_keras import keras


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
        "sparse_categorical_crossentropy", metric=keras.metrics.sparse_categorical_accuracy, targets=_integers
    ),
    "one_hot": _classes(
        "categorical_crossentropy",
        metric=keras.metrics.categorical_accuracy,
        targets=lambda labels, outputs: keras.utils.to_categorical(labels, outputs).astype("float32"),
    ),
}
LOSSES = {  # of a regression
    "mse": _number("mean_squared_error", "mean squared error"),
    "mae": _number("mean_absolute_error", "mean absolute error"),
    "huber": _number("huber", "Huber loss"),
}


def head(model) -> Head:
    """The head that this section asks for: `loss` is that of a regression, `labels` those of more than two classes."""
    return LOSSES[model.loss] if model.loss else LABELS[model.labels] if model.labels else TWO_CLASSES


def build(section, shape: tuple[int, ...], outputs: int):
    """A compiled keras.Model for rows of this shape (without the axis of the rows).

    section: of params.yaml. outputs: units of the output layer.
    """
    model, own = section.model, head(section.model)
    layers = [*NETWORKS[model.network](section), keras.layers.Dense(outputs, activation=own.activation)]
    inputs = keras.Input(shape, dtype="int32" if section.preprocess.encoding == "sequence" else "float32")
    if model.api == "sequential":
        network = keras.Sequential([inputs, *layers])
    else:
        network = keras.Model(inputs, reduce(lambda tensor, layer: layer(tensor), layers, inputs))
    network.compile(optimizer=_optimizer(section.fit), loss=own.loss)
    return network


def _optimizer(fit):
    config = {"learning_rate": fit.learning_rate} | ({"momentum": fit.momentum} if fit.momentum else {})
    return keras.optimizers.get({"class_name": fit.optimizer, "config": config})


def _regularizer(model):
    """A penalty on a hidden kernel. Keras keeps a reference to it, so each layer gets one of its own."""
    return keras.regularizers.L1L2(l1=model.l1, l2=model.l2) if model.l1 or model.l2 else None


def _dropout(model):
    return [keras.layers.Dropout(model.dropout)] if model.dropout else []


def _dense(section):
    """Hidden layers on rows of shape (features,): Dense, each with its dropout behind it."""
    model = section.model
    for units in model.units:
        yield keras.layers.Dense(units, activation=model.activation, kernel_regularizer=_regularizer(model))
        yield from _dropout(model)


def _lstm(section):
    """Hidden layers on word ids of shape (timesteps,): an embedding, then LSTM, the last of which gives its last step.

    They keep the activations of their gates, whatever `activation` says.
    """
    model = section.model
    yield keras.layers.Embedding(section.preprocess.num_words, model.embedding)
    for number, units in enumerate(model.units, 1):
        each_step = number < len(model.units)
        yield keras.layers.LSTM(units, return_sequences=each_step, kernel_regularizer=_regularizer(model))
        yield from _dropout(model)


def _conv2d(section):
    """Hidden layers on images (height, width, channels): 3 x 3 convolutions, each halved; then flat."""
    model = section.model
    for filters in model.units:
        yield keras.layers.Conv2D(
            filters, 3, padding="same", activation=model.activation, kernel_regularizer=_regularizer(model)
        )
        yield keras.layers.MaxPooling2D(padding="same")
        yield from _dropout(model)
    yield keras.layers.Flatten()


NETWORKS = {"dense": _dense, "lstm": _lstm, "conv2d": _conv2d}


def complete(network, fitted):
    """The network with these weights, for rows that are not weighted yet: what the fit learned of them is part of it.

    fitted: a replicas.Fitted. Factors alone become part of the first kernel; with means there is a layer in front.
    """
    network.set_weights(fitted.weights)
    if fitted.factor is None:
        return network
    if fitted.mean is None:
        network.set_weights([fitted.weights[0] * fitted.factor[:, None], *fitted.weights[1:]])
        return network
    normalize = keras.layers.Normalization(mean=fitted.mean, variance=1 / np.square(fitted.factor))
    inputs = keras.Input(network.input_shape[1:])
    return keras.Model(inputs, network(normalize(inputs)))


def summary(network) -> str:
    """`network.summary()` as text of a fixed width."""
    lines: list[str] = []
    network.summary(line_length=80, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines) + "\n"
