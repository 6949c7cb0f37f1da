"""Blocks of two Dense layers with batch normalisation, each with a short cut around it."""

from stages.core.declared.arguments import Share, Units
from stages.core.run.lean_keras import keras

AXES = ("samples", "features")


def build(inputs, units: Units, blocks: Units = 2, dropout: Share = 0.0):
    """The last block's output: (samples, units)."""
    x = keras.layers.Dense(units)(inputs)
    for _ in range(blocks):
        y = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        y = keras.layers.BatchNormalization()(keras.layers.Dense(units)(y))
        y = keras.layers.Dropout(dropout)(keras.layers.ReLU()(y))
        x = keras.layers.Add()([x, keras.layers.Dense(units)(y)])
    return keras.layers.ReLU()(x)
