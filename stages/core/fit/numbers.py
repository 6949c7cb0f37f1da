"""Numbers of which each replica of a program may have its own: a learning rate, a penalty, ...

Replicas whose networks and optimizers differ in these alone train in one program, which holds a
value of each number for each replica. What is 0 for all of them is left out, so last digits may
hang on whether it is 0 for the others too. A momentum, a clipnorm and dropout of 0 are other
structures, as they are in Keras. Values are computed as Keras computes those of a single network:
as Python's float64, rounded where they meet float32.
"""

import copy
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from stages.core.fit.constructs import config_of, is_plain
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf

OF_UPDATES = "learning_rate", "momentum", "weight_decay", "clipnorm"  # in the optimizer's config
NONE_AT_0 = "momentum", "clipnorm"  # 0 is another structure
PENALTIES = {
    keras.regularizers.L1: ("l1",),
    keras.regularizers.L2: ("l2",),
    keras.regularizers.L1L2: ("l1", "l2"),
}
ANY = 0.5  # which each of them may be

Place = tuple[object, str]  # an object of the network, and the attribute that is the number


class _Given:
    """In place of a number that is not 0 for all, where Keras compares it, then takes a tensor."""

    def __init__(self, value):
        self.value = value  # float64 tensor

    def __ne__(self, other):
        return True

    def __tf_tensor__(self, dtype=None, name=None):
        return tf.cast(self.value, dtype or tf.float32)


def places(network: keras.Model) -> list[Place]:
    """Where a network has such numbers: shares that are dropped, and penalties on weights."""
    drops = [
        (layer, "rate")
        for layer in network._flatten_layers()
        if type(layer) is keras.layers.Dropout and 0 < layer.rate < 1 and not layer.noise_shape
    ]
    regularizers = [variable.regularizer for variable in network.trainable_variables]
    penalties = [
        (regularizer, name)
        for regularizer in {id(each): each for each in regularizers}.values()
        for name in PENALTIES.get(type(regularizer), ())
    ]
    return drops + penalties


def apart(network: keras.Model) -> keras.Model:
    """The network with penalties of its own: a body may give one object to several networks, and
    those of two programs are traced at the same time, each with other values in `standing_in`.
    """
    own = {}
    for variable in network.trainable_variables:
        if type(penalty := variable.regularizer) in PENALTIES:
            variable.regularizer = own.setdefault(id(penalty), copy.copy(penalty))
    return network


def keys(blueprint, network: keras.Model) -> list[str | Place]:
    """What the values are of: the names of `named`, and `places`."""
    return [*named(blueprint), *places(network)]


def of(blueprint, network: keras.Model) -> tuple[float, ...]:
    """The values, in the order of `keys`."""
    of_layers = (float(getattr(*place)) for place in places(network))
    return (*named(blueprint).values(), *of_layers)


def named(blueprint) -> dict[str, float]:
    """The numbers of the optimizer and of the loss; those of NONE_AT_0 where they are not 0."""
    defaults = keras.optimizers.get(blueprint.optimizer).get_config()  # such as the decay of adamw
    config = defaults | blueprint.optimizer["config"]
    found = {name: config.get(name) for name in OF_UPDATES}
    found["label_smoothing"] = blueprint.label_smoothing
    numbers = {name: float(value or 0) for name, value in found.items()}
    return {name: value for name, value in numbers.items() if value or name not in NONE_AT_0}


def structure(blueprint, network: keras.Model) -> tuple:
    """What is equal for blueprints that differ in such numbers alone.

    network: that of the blueprint, new, of the same seed for all that are compared. Weights that a
    body sets by hand stand in no config, and what layers of one's own hold need not: there the
    arguments of the body decide.
    """
    optimizer, config = blueprint.optimizer, blueprint.optimizer["config"]
    fixed = {name: value for name, value in config.items() if name not in OF_UPDATES}
    values = b"".join(variable.numpy().tobytes() for variable in network.variables)
    with _set((place, ANY) for place in places(network)):
        said = config_of(network) if is_plain(network) else repr(blueprint.body)
    update = optimizer["class_name"], [*named(blueprint)], fixed, blueprint.schedule
    return repr(update), blueprint.head.loss, blueprint.sequential, said, zlib.crc32(values)


@contextmanager
def standing_in(values: dict[Place, object]) -> Iterator[None]:
    """In the block the network has these values in place of its own: float64 tensors, or 0.0."""
    drops = [(layer, rate) for (layer, name), rate in values.items() if name == "rate"]
    calls = [((layer, "call"), _dropout(layer, rate)) for layer, rate in drops]
    others = [
        (place, _Given(value) if tf.is_tensor(value) else value)
        for place, value in values.items()
        if place[1] != "rate"
    ]
    with _set(calls + others):
        yield


def give_momentum(optimizer, value):
    """Let a Keras optimizer take this momentum: a float64 tensor that multiplies a variable."""
    optimizer.momentum = _Given(value)


@contextmanager
def _set(pairs):
    """Set attributes, and afterwards set them back, or remove those that are of the class."""
    before = []
    try:
        for (owner, name), value in pairs:
            before.append((owner, name, vars(owner).get(name)))
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _dropout(layer, rate):
    """The call of a Dropout layer that drops this share: Keras' own takes no tensor for it."""

    def call(inputs, training=False):
        if not training:
            return inputs
        seed = layer.seed_generator.next()
        seed = tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)  # as Keras casts it
        kept = tf.random.stateless_uniform(tf.shape(inputs), seed) >= tf.cast(rate, tf.float32)
        return tf.where(kept, inputs * tf.cast(1 / (1 - rate), tf.float32), 0.0)

    return call
