"""An embedding of words, convolutions over neighbours, and the largest value of each filter."""

from stages.core.declared.arguments import Share, Units
from stages.core.run.lean_keras import keras

AXES = ("samples", "timesteps")


def build(
    inputs,
    vocabulary: int,
    filters: Units,
    widths: list[Units],
    embedding: Units = 32,
    dropout: Share = 0.0,
):
    """(samples, filters x widths). inputs: word ids below `vocabulary`."""
    x = keras.layers.Embedding(vocabulary, embedding)(inputs)
    found = [
        keras.layers.GlobalMaxPooling1D()(keras.layers.Conv1D(filters, width, activation="relu")(x))
        for width in widths
    ]
    x = keras.layers.Concatenate()(found) if len(found) > 1 else found[0]
    return keras.layers.Dropout(dropout)(x)
