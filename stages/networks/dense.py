"""Hidden Dense layers, each with its dropout behind it."""

from stages.core.declared.arguments import Activation, Penalty, Share, Units
from stages.core.run.lean_keras import keras

AXES = ("samples", "features")


def build(
    inputs,
    units: list[Units],
    activation: Activation = "relu",
    dropout: Share = 0.0,
    l1: Penalty = 0.0,
    l2: Penalty = 0.0,
):
    """The last hidden layer's output: (samples, units)."""
    x = inputs
    for size in units:
        penalty = keras.regularizers.L1L2(l1, l2)
        x = keras.layers.Dense(size, activation, kernel_regularizer=penalty)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return x
