"""params + shape of rows -> compiled Keras network, built in either of the tutorial's two ways."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp

from stages.core.declared.arguments import takes
from stages.core.declared.strict_yaml import Wrong
from stages.core.run.lean_keras import drawn_from, keras


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


@dataclass(frozen=True)
class Blueprint:
    """All that a network and its optimizer are built from, as often as one is needed.

    body: the inputs -> (samples, values), as the file of a network says. shape: of a row. outputs:
    units of the output layer. words: whether rows are ids of words. sparse: whether they come as a
    CSR matrix. optimizer: Keras' config. schedule: how its learning rate falls. label_smoothing:
    the share of each target that is spread over all classes in training.
    """

    body: Callable
    shape: tuple[int, ...]
    outputs: int
    head: Head
    optimizer: dict
    schedule: str = "constant"
    words: bool = False
    sparse: bool = False
    sequential: bool = False
    label_smoothing: float = 0.0

    @classmethod
    def of(cls, section, rows, outputs: int) -> "Blueprint":
        """The blueprint that a section of params.yaml gives for rows such as these.

        rows: (n, ...) array or (n, words) CSR matrix. outputs: units of the output layer.
        """
        fit = section.fit
        known = getattr(section.preprocess, "num_words", None)
        arguments = dict.fromkeys(takes(section.model.network), known)
        arguments |= section.model.model_dump(exclude={"network"})
        module = importlib.import_module(f"stages.networks.{section.model.network}")
        return cls(
            partial(module.build, **arguments),
            rows.shape[1:],
            outputs,
            head(section),
            _optimizer(fit),
            fit.schedule,
            words=section.preprocess.encoding == "sequence",
            sparse=sp.issparse(rows),
            sequential=fit.api == "sequential",
            label_smoothing=getattr(fit, "label_smoothing", 0.0),
        )

    @property
    def name(self) -> str:
        """The file that the body comes from."""
        return getattr(self.body, "func", self.body).__module__.replace(".", "/") + ".py"

    def build(self, seed: int) -> keras.Model:
        """A new network, as after `keras.utils.set_random_seed(seed)`; see `graph`."""
        return self.finished(self.graph(seed))

    def finished(self, graph: keras.Model) -> keras.Model:
        """The network of a graph, as `fit.api` says."""
        return keras.Sequential(graph.layers) if self.sequential else graph

    def graph(self, seed: int) -> keras.Model:
        """A new network as a graph of layers, as after `keras.utils.set_random_seed(seed)`.

        Raises Wrong where the body gives something else than values for each row.
        """
        inputs = keras.Input(self.shape, dtype="int32" if self.words else "float32")
        with drawn_from(seed):
            return self._from(inputs)

    def _from(self, inputs):
        try:
            body = self.body(inputs)
            if not isinstance(body, keras.KerasTensor) or len(body.shape) != 2:
                expected, got = "(samples, values)", getattr(body, "shape", type(body).__name__)
                how = "end with a Flatten or a pooling layer after convolutions"
                raise Wrong(f"{self.name}: expected build to return {expected}, got {got}; {how}")
            last = keras.layers.Dense(self.outputs, activation=self.head.activation)
            return keras.Model(inputs, last(body))
        except Wrong:
            raise
        except ValueError as error:  # how Keras refuses shapes and arguments
            raise Wrong(
                f"{self.name} gives no network for rows of {self.shape}: {error}"
            ) from error

    def rates(self, initial, steps: int, step):
        """The learning rate in a step, from 0, of a fit of so many: in the shape of `initial`."""
        rate = SCHEDULES[self.schedule](initial, steps)
        return rate(step) if callable(rate) else rate

    def new_optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """The optimizer of a fit of so many steps."""
        config = dict(self.optimizer["config"])
        config["learning_rate"] = SCHEDULES[self.schedule](config["learning_rate"], steps)
        return keras.optimizers.get(self.optimizer | {"config": config})


# The learning rate of a fit: as it is; along half a cosine to 0; by a factor to a hundredth.
SCHEDULES = {
    "constant": lambda rate, steps: rate,
    "cosine": keras.optimizers.schedules.CosineDecay,
    "exponential": partial(keras.optimizers.schedules.ExponentialDecay, decay_rate=0.01),
}


def _optimizer(fit):
    """Keras' config of the optimizer that params name."""
    chosen = {name: getattr(fit, name) for name in ("momentum", "weight_decay", "clipnorm")}
    config = {"learning_rate": fit.learning_rate} | {k: v for k, v in chosen.items() if v}
    if fit.optimizer == "adamw":  # whose own decay is not 0
        config["weight_decay"] = fit.weight_decay
    return {"class_name": fit.optimizer, "config": config}


def complete(network, fitted, fills=False):
    """The network of a Fitted for rows that are not weighted yet: it weights them.

    Factors alone become part of the first kernel; with means there is a layer in front, and one
    behind where it learned its targets in another unit. fills: what is missing becomes the mean.
    """
    mean, factor, target = fitted.learned
    network.set_weights(fitted.weights)
    if factor is not None and mean is None:
        network.set_weights([fitted.weights[0] * factor[:, None], *fitted.weights[1:]])
    if mean is None and not target and not fills:
        return network
    rows = inputs = keras.Input(network.input_shape[1:])
    if fills:  # factors may be 0, and so small or large that a variance is none
        rows = keras.layers.Rescaling(1.0, (-mean).tolist())(rows)
        rows = keras.layers.Rescaling(factor.tolist())(rows)
        rows = keras.ops.where(keras.ops.isnan(rows), 0.0, rows)
    elif mean is not None:
        rows = keras.layers.Normalization(mean=mean, variance=1 / np.square(factor))(rows)
    outputs = network(rows)
    if target:
        outputs = keras.layers.Rescaling(float(target.scale[0]), float(target.centre[0]))(outputs)
    return keras.Model(inputs, outputs)


def summary(network) -> str:
    """`network.summary()` as text of a fixed width."""
    lines: list[str] = []
    network.summary(line_length=80, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines) + "\n"
