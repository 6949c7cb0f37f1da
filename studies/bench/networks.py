"""Replicas beside `model.fit`: the CPU seconds that 20 replicas and 20 fits take for an epoch.

-> docs/replicas.md (`make replicas`): medians, each measured in a process of its own. Nothing else
must run meanwhile.
"""

import itertools
import os
import platform
import statistics
import sys
import time
from functools import partial

import numpy as np

from stages.core.fit import networks
from stages.core.fit.learned import WEIGHTINGS
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Replica
from stages.core.run.lean_keras import keras, tensorflow
from stages.core.run.stage import parser_of, tool
from stages.networks import conv2d, dense, lstm, text_cnn, transformer
from studies.bench.page import machine
from studies.bench.runs import RUNS, run
from studies.common import table, write

REPLICAS, WORDS, LAYERS = 20, 5000, keras.layers
WAYS = "together", "alone", "fit", "fit on one core"
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


def ways(name: str):
    """{way: (a fit of so many epochs, how often it stands for REPLICAS trainings)}."""
    make, body, _ = NETWORKS[name]
    random = np.random.default_rng(0)
    rows = make(random)
    labels = random.integers(0, 10, len(rows)).astype("int32")
    head, is_words = networks.LABELS["integer"], rows.dtype == "int32"
    plan = networks.Blueprint(body, rows.shape[1:], 10, head, RMSPROP, words=is_words)
    problem = Problem(plan, WEIGHTINGS["none"], rows, labels, labels, 32)
    folds = np.full(len(rows), -1)

    def replicas(count, epochs):
        members = [Replica(seed, seed, folds, 0) for seed in range(count)]
        return len(list(problem.fit(members, epochs)))

    def keras_fit(epochs):
        network = plan.build(0)
        network.compile("rmsprop", head.loss, metrics=["accuracy"])
        network.fit(rows, labels, 32, epochs, verbose=0)

    return {
        "together": (partial(replicas, REPLICAS), 1),
        "alone": (partial(replicas, 1), REPLICAS),
        "fit": (keras_fit, REPLICAS),
        "fit on one core": (keras_fit, REPLICAS),
    }


def measured(name: str, way: str) -> float:
    """CPU seconds of an epoch of REPLICAS trainings: what so many more than one take."""
    if way == "fit":  # as Keras comes
        tensorflow.config.threading.set_intra_op_parallelism_threads(os.cpu_count())
    (fit, times), epochs, seconds = ways(name)[way], NETWORKS[name][2], []
    for number in (1, 1, 1 + epochs):  # the first of all takes longer than its like
        start = time.process_time()
        fit(number)
        seconds.append(time.process_time() - start)
    return (seconds[2] - seconds[1]) / epochs * times


def said() -> str:
    """What was measured, and where."""
    return (
        f"Written by `make replicas`: CPU seconds of an epoch of {REPLICAS} trainings, compilation "
        f"apart, medians of {RUNS} runs on {machine()}; Python {platform.python_version()}. As "
        "replicas together, as replicas one after the other (*alone*), and by `model.fit` as Keras "
        "comes and with each operation *on one core*, as here. First what the others take over "
        "what replicas take together: above 1, together is faster."
    )


def rows_of(taken) -> str:
    """The table. taken: {network: {way: CPU seconds of an epoch}}."""
    row = "{0} | {1:.2f} | {2:.2f} | {3:.2f} | {together:.3f} | {alone:.3f} | {fit:.3f}"
    others = "fit", "fit on one core", "alone"
    rows = (
        row.format(name, *(seconds[other] / seconds["together"] for other in others), **seconds)
        for name, seconds in taken.items()
    )
    what = "`model.fit` | on one core | alone | together, s | alone, s | `model.fit`, s"
    return table(f"network | {what}", rows)


def main():
    """Measure each network and way and write the page; with arguments, be one that is measured."""
    parser = parser_of(main)
    parser.add_argument("name", nargs="?", metavar="NETWORK", choices=NETWORKS)
    parser.add_argument("way", nargs="?", metavar="WAY", choices=WAYS)
    chosen = parser.parse_args()
    if chosen.way:
        print(measured(chosen.name, chosen.way))
        return
    if chosen.name:
        parser.error(f"expected a way, one of {', '.join(WAYS)}")
    command = sys.executable, "-m", "studies.bench.networks"
    taken: dict = {name: {way: [] for way in WAYS} for name in NETWORKS}
    for _ in range(RUNS):
        for name, way in itertools.product(NETWORKS, WAYS):
            taken[name][way].append(float(run(*command, name, way)[0].splitlines()[-1]))
            print(f"{name}, {way}: {taken[name][way][-1]:.3f} s", file=sys.stderr)
    found = {name: {way: statistics.median(taken[name][way]) for way in WAYS} for name in NETWORKS}
    write("replicas", "# Replicas beside `model.fit`", said(), rows_of(found))


if __name__ == "__main__":
    tool(main)
