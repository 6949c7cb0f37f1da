"""An embedding of words, then LSTM layers, the last of which gives its last step."""

from stages.core.declared.arguments import Penalty, Share, Units
from stages.core.run.lean_keras import keras

AXES = ("samples", "timesteps")


def build(
    inputs,
    vocabulary: int,
    units: list[Units],
    embedding: Units = 32,
    dropout: Share = 0.0,
    l1: Penalty = 0.0,
    l2: Penalty = 0.0,
):
    """The last step of the last layer: (samples, units). inputs: word ids below `vocabulary`."""
    x = keras.layers.Embedding(vocabulary, embedding)(inputs)
    for number, size in enumerate(units, 1):
        each_step = number < len(units)
        penalty = keras.regularizers.L1L2(l1, l2)
        x = keras.layers.LSTM(size, return_sequences=each_step, kernel_regularizer=penalty)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return x
