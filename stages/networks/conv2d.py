"""3 x 3 convolutions, each followed by a halving of both sides; then all values in a row."""

from stages.core.declared.arguments import Activation, Penalty, Share, Units
from stages.core.run.lean_keras import keras

AXES = ("samples", "height", "width", "channels")


def build(
    inputs,
    units: list[Units],
    activation: Activation = "relu",
    dropout: Share = 0.0,
    l1: Penalty = 0.0,
    l2: Penalty = 0.0,
):
    """All values of the last convolution: (samples, values). units: filters of each."""
    x = inputs
    for filters in units:
        penalty = keras.regularizers.L1L2(l1, l2)
        convolution = keras.layers.Conv2D(
            filters, 3, padding="same", activation=activation, kernel_regularizer=penalty
        )
        x = keras.layers.MaxPooling2D(padding="same")(convolution(x))
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Flatten()(x)
