"""Keras' layers and optimizers as pure functions, which a step of one replica needs."""

from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


class Scope(keras.StatelessScope):
    """Values in place of variables.

    No gradient passes through what a layer assigns to a variable, since none passes through a
    variable. assigned: by id, the variables to which something was.
    """

    assigned: frozenset[int] = frozenset()

    def add_update(self, update):
        """As Keras calls it: a variable and its new value."""
        variable, value = update
        self.assigned |= {id(variable)}
        super().add_update((variable, tf.stop_gradient(value)))


def pure(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The same optimizer with a `stateless_apply` that runs in a mapped function.

    The versions of Keras' optimizers for TensorFlow replace some of their methods by those that
    `tf.distribute` needs, which assign to variables and are no functions. Here the general ones
    take their place again. No public name gives them, so a test holds which methods these are.
    """
    kind = type(optimizer)
    return type(kind.__name__, (kind,), general(kind)).from_config(optimizer.get_config())


def general(kind: type) -> dict:
    """The methods of Keras' optimizers that those for TensorFlow replace, by name."""
    special, base = (
        next(each for each in kind.__mro__ if each.__name__ == name)
        for name in ("TFOptimizer", "BaseOptimizer")
    )
    replaced = (vars(special).keys() & vars(base).keys()) - {"__init__", "__module__", "__doc__"}
    return {name: vars(base)[name] for name in sorted(replaced)}
