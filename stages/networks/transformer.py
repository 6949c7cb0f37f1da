"""Words and their places, blocks of self-attention, and the mean over all words."""

from stages.core.declared.arguments import Share, Units
from stages.core.run.lean_keras import keras

AXES = ("samples", "timesteps")


def build(
    inputs,
    vocabulary: int,
    embedding: Units = 32,
    heads: Units = 2,
    blocks: Units = 1,
    dropout: Share = 0.0,
):
    """(samples, embedding). inputs: word ids below `vocabulary`."""
    layers = keras.layers
    x = layers.Embedding(vocabulary, embedding)(inputs)
    places = keras.ops.cumsum(keras.ops.ones_like(inputs), axis=1) - 1
    x = x + layers.Embedding(inputs.shape[1], embedding)(places)
    for _ in range(blocks):
        y = layers.MultiHeadAttention(heads, embedding // heads, dropout=dropout)(x, x)
        x = layers.LayerNormalization()(x + y)
        y = layers.Dense(embedding)(layers.Dense(2 * embedding, activation="relu")(x))
        x = layers.LayerNormalization()(x + layers.Dropout(dropout)(y))
    return layers.GlobalAveragePooling1D()(x)
