"""The weights that replicas start from are those of new networks."""

import random
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from stages.core.fit.initial import Initial
from stages.core.run.lean_keras import drawn_from, keras

L = keras.layers


def grown(body, shape, dtype="float32"):
    """The builder of networks with this body, and the seeds for which it was called."""
    calls = []

    def new():
        inputs = keras.Input(shape, dtype=dtype)
        return keras.Model(inputs, L.Dense(3)(body(inputs)))

    def build(seed):
        calls.append(seed)
        with drawn_from(seed):
            return new()

    return build, calls, new


def words(*layers):
    def body(x):
        for layer in (lambda: L.Embedding(30, 6), *layers):
            x = layer()(x)
        return x

    return body, (12,), "int32"


def pretrained(x):
    layer = L.Dense(4)
    y = layer(x)
    layer.set_weights([np.arange(28).reshape(7, 4), np.ones(4)])
    return y


def halved(x):
    """Weights that are drawn, and then changed by hand."""
    layer = L.Dense(4)
    y = layer(x)
    layer.set_weights([values / 2 for values in layer.get_weights()])
    return y


QUICK = {
    "dense": (lambda x: L.Dropout(0.5)(L.Dense(4, "relu")(x)), (7,)),
    "nested": (lambda x: keras.Sequential([L.Dense(4), L.Dropout(0.5)])(x), (7,)),
    "initializers": (
        lambda x: L.Dense(4, kernel_initializer="orthogonal", bias_initializer="normal")(x),
        (7,),
    ),
    "seeded": (lambda x: L.Dense(4, kernel_initializer=keras.initializers.HeNormal(3))(x), (7,)),
    "pretrained": (pretrained, (7,)),
    "conv2d": (lambda x: L.Flatten()(L.SeparableConv2D(4, 2)(x)), (5, 5, 2)),
    "lstm": words(lambda: L.LSTM(4, dropout=0.2)),
    "bidirectional": words(lambda: L.Bidirectional(L.GRU(4))),
}
BUILT = {
    "halved": (halved, (7,)),
    "attention": words(L.Flatten, lambda: L.Reshape((12, 6)), lambda: Attention(), L.Flatten),
}


class Attention(L.Layer):
    def __init__(self):
        super().__init__()
        self.attention = L.MultiHeadAttention(2, 3)

    def build(self, shape):
        self.attention.build(shape, shape)

    def call(self, x):
        return self.attention(x, x)


@pytest.mark.parametrize("name", [*QUICK, *BUILT])
def test_they_are_those_of_a_build_after_set_random_seed(name):
    build, calls, new = grown(*(QUICK | BUILT)[name])
    start = Initial(SimpleNamespace(build=build, name="it.py"), build(3), 3)
    drawn = {seed: start.values(seed) for seed in (3, 3, 4, 5, 2**32 - 1, 3)}
    assert len(calls) == (4 if name in QUICK else 7), "3 three times, 4; the others are drawn"
    for seed, values in drawn.items():
        keras.utils.set_random_seed(seed)
        for ours, variable in zip(values, new().variables, strict=True):
            np.testing.assert_array_equal(ours, variable.numpy())
            assert ours.dtype == variable.dtype


def test_no_other_thread_disturbs_the_draws():
    build, _, _ = grown(*QUICK["dense"])
    expected = [variable.numpy() for variable in build(3).variables]
    stop = threading.Event()

    def draw():
        while not stop.is_set():
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        found = [[variable.numpy() for variable in build(3).variables] for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    for values in found:
        assert all(map(np.array_equal, values, expected))
