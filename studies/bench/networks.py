"""Replicas beside `model.fit`: the CPU seconds that 20 replicas and 20 fits take for an epoch."""

import time
from functools import partial

import numpy as np

from stages.core.fit import networks
from stages.core.fit.learned import WEIGHTINGS
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Replica
from stages.core.run.lean_keras import keras
from stages.networks import conv2d, dense, lstm, text_cnn, transformer

REPLICAS, WORDS, LAYERS = 20, 5000, keras.layers
RMSPROP = {"class_name": "rmsprop", "config": {"learning_rate": 0.001}}


def normalized(inputs, units):
    """Dense layers with batch normalisation."""
    for size in units:
        inputs = LAYERS.ReLU()(LAYERS.BatchNormalization()(LAYERS.Dense(size)(inputs)))
    return inputs


def bidirectional(inputs):
    """A GRU that reads words both ways."""
    return LAYERS.Bidirectional(LAYERS.GRU(32))(LAYERS.Embedding(WORDS, 32)(inputs))


def resnet(inputs):
    """Three stages of two residual blocks each, with batch normalisation."""
    x = LAYERS.Conv2D(16, 3, padding="same")(inputs)
    for filters in (16, 32, 64):
        for _ in range(2):
            stride = 1 if x.shape[-1] == filters else 2
            y = LAYERS.Conv2D(filters, 3, stride, padding="same", use_bias=False)(x)
            y = LAYERS.ReLU()(LAYERS.BatchNormalization()(y))
            y = LAYERS.Conv2D(filters, 3, padding="same", use_bias=False)(y)
            if stride > 1:
                x = LAYERS.Conv2D(filters, 1, stride)(x)
            x = LAYERS.ReLU()(LAYERS.Add()([x, LAYERS.BatchNormalization()(y)]))
    return LAYERS.GlobalAveragePooling2D()(x)


def numbers(random):
    """Rows as those of digits."""
    return random.random((1437, 64), "float32")


def words(random):
    """Sequences of word ids."""
    return random.integers(1, WORDS, (1024, 64)).astype("int32")


def images(side, channels, count, random):
    """Random pixels."""
    return random.random((count, side, side, channels), "float32")


small, large = partial(images, 8, 1, 1437), partial(images, 32, 3, 256)
NETWORKS = {  # rows, network, epochs that are timed
    "dense [64, 64]": (numbers, partial(dense.build, units=[64, 64]), 40),
    "dense [64, 64], dropout": (numbers, partial(dense.build, units=[64, 64], dropout=0.5), 20),
    "dense [64, 64], batch normalisation": (numbers, partial(normalized, units=[64, 64]), 40),
    "conv2d [32, 64], 8 x 8": (small, partial(conv2d.build, units=[32, 64]), 4),
    "text_cnn, 64 words": (
        words,
        partial(text_cnn.build, vocabulary=WORDS, filters=32, widths=[3]),
        2,
    ),
    "lstm [32], 64 words": (words, partial(lstm.build, vocabulary=WORDS, units=[32]), 2),
    "bidirectional GRU, 64 words": (words, bidirectional, 2),
    "transformer, 64 words": (words, partial(transformer.build, vocabulary=WORDS), 2),
    "ResNet, 32 x 32": (large, resnet, 2),
}


def measured(name: str) -> dict[str, float]:
    """CPU seconds of an epoch, compilation apart, of REPLICAS replicas and of as many fits."""
    make, body, epochs = NETWORKS[name]
    random = np.random.default_rng(0)
    rows, labels = make(random), random.integers(0, 10, len(make(random))).astype("int32")
    head, is_words = networks.LABELS["integer"], rows.dtype == "int32"
    plan = networks.Blueprint(body, rows.shape[1:], 10, head, RMSPROP, words=is_words)
    problem = Problem(plan, WEIGHTINGS["none"], rows, labels, labels, 32)
    folds = np.full(len(rows), -1)

    def together(epochs):
        members = [Replica(seed, seed, folds, 0) for seed in range(REPLICAS)]
        return len(list(problem.fit(members, epochs)))

    network = plan.build(0)
    network.compile("rmsprop", head.loss, metrics=["accuracy"])

    def alone(epochs):
        network.fit(rows, labels, 32, epochs, verbose=0)

    alone(1)
    return {"replicas": per_epoch(together, epochs), "fits": per_epoch(alone, epochs) * REPLICAS}


def per_epoch(fit, epochs):
    """CPU seconds of an epoch: what so many more than one take."""
    seconds = []
    for number in (1, 1 + epochs):
        start = time.process_time()
        fit(number)
        seconds.append(time.process_time() - start)
    return (seconds[1] - seconds[0]) / epochs
