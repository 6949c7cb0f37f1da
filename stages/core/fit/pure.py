"""Keras' layers as pure functions, which a step of one replica needs."""

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
