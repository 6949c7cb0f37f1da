"""Constructs of Keras, each trained as replicas and alone by Keras: equal, or refused by name.

A construct is a line: its name and the body of a network, as `build` of a file in stages/networks.
Those that train in the same way stand side by side in one network. Three replicas of folds that
differ by a row train on batches that do not divide the rows. Slow: each construct in a network of
its own, one replica and batches that divide the rows, and recurrent layers.
"""

from functools import partial

import numpy as np
import pytest

from stages.core.declared.strict_yaml import Wrong
from stages.core.fit import constructs, learned, networks, replicas, streams
from stages.core.fit.problem import Problem
from stages.core.fit.program import pads
from stages.core.run.lean_keras import keras, tensorflow
from stages.networks import residual_mlp, text_cnn, transformer
from stages.train import save

L, ops = keras.layers, keras.ops
RANDOM = np.random.default_rng(0)
COUNT = 73
ROWS = {
    "numbers": RANDOM.normal(size=(COUNT, 12)).astype("float32"),
    "images": RANDOM.random((COUNT, 8, 8, 3)).astype("float32"),
    "words": RANDOM.integers(1, 30, (COUNT, 10)).astype("int32"),
}
ROWS["words"][np.arange(10) >= RANDOM.integers(3, 11, COUNT)[:, None]] = 0
LABELS = RANDOM.integers(0, 3, COUNT).astype("int32")
SGD = {"class_name": "sgd", "config": {"learning_rate": 0.02, "momentum": 0.9}}


def blueprint(body, kind, optimizer=SGD, sparse=False, schedule="constant"):
    head, words = networks.LABELS["integer"], kind == "words"
    shape = ROWS[kind].shape[1:]
    return networks.Blueprint(body, shape, 3, head, optimizer, schedule, words, sparse)


def serial(*layers):
    """A body that is a chain of new layers."""

    def body(x):
        for layer in layers:
            x = layer()(x)
        return x

    return body


class Scale(L.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, x):
        return x * self.scale


class Both(L.Layer):
    """Layers within a layer."""

    def __init__(self, units=8, **keys):
        super().__init__(**keys)
        self.units, self.first, self.second = units, L.Dense(units, "relu"), L.Dense(units)

    def build(self, shape):
        self.first.build(shape)
        self.second.build((None, self.units))

    def call(self, x):
        return self.second(self.first(x))

    def get_config(self):
        return super().get_config() | {"units": self.units}


class Means(L.Layer):
    """A state of batches, and a count of them."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.count.assign_add(1.0)
            self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x, axis=0))
        return x - self.mean


class Noise(L.Layer):
    def __init__(self, **keys):
        super().__init__(**keys)
        self.seeds = keras.random.SeedGenerator()

    def call(self, x, training=False):
        noise = keras.random.normal(ops.shape(x), seed=self.seeds)
        return x + 0.1 * noise if training else x


class AddsLoss(L.Layer):
    def call(self, x):
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        return x


class Small(keras.Model):
    def __init__(self, **keys):
        super().__init__(**keys)
        self.hidden, self.dropout = L.Dense(8, "relu"), L.Dropout(0.2)

    def build(self, shape):
        self.hidden.build(shape)
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x, training=False):
        return self.dropout(self.hidden(x), training=training) * self.factor


class Half(keras.regularizers.Regularizer):
    def __call__(self, weights):
        return 0.5 * ops.mean(ops.square(weights))

    def get_config(self):
        return {}


class Shrinks(keras.constraints.Constraint):
    def __call__(self, w):
        return ops.cond(ops.max(ops.abs(w)) > 0.4, lambda: w * 0.9, lambda: w)


for kind in (Scale, Both, Means, Noise, AddsLoss, Small, Half, Shrinks):
    keras.saving.register_keras_serializable("zoo")(kind)


def dense(units=8, activation="relu", **keys):
    return L.Dense(units, activation, **keys)


def pretrained(trainable):
    def body(x):
        layer = dense()
        y = layer(x)
        layer.set_weights([np.linspace(-1, 1, 96).reshape(12, 8), np.zeros(8)])
        layer.trainable = trainable
        return y

    return body


def frozen(x):
    layer = dense(trainable=False)
    return dense()(layer(x))


def adapted(x):
    layer = L.Normalization()
    layer.adapt(ROWS["numbers"] * 3 + 5)
    return dense()(layer(x))


def siamese(x):
    layer = dense(6)
    first, second = layer(x[:, :6]), layer(x[:, 6:])
    return L.Concatenate()([ops.abs(first - second), first * second])


def cross(x):
    y = x
    for _ in range(2):
        y = x * L.Dense(12)(y) + y
    return L.Concatenate()([L.BatchNormalization()(y), L.BatchNormalization()(dense()(x))])


def residual(x):
    y = dense()(x)
    return L.Add()([y, dense()(y)])


def doubled(x):
    y = dense()(x)
    return y * 2 + ops.mean(y, axis=-1, keepdims=True)


def called_twice(x):
    layer = dense(12)
    return layer(layer(x))


def nested_graph(x):
    inputs = keras.Input((12,))
    return keras.Model(inputs, residual(inputs))(x)


def attention_alone(x):
    y = L.Embedding(30, 6)(x)
    return L.GlobalMaxPooling1D()(L.Attention()([y, y]))


def categories(x):
    return L.CategoryEncoding(3, "multi_hot")(L.Discretization([-0.5, 0.5])(x))


def attention(x):
    y = L.Embedding(30, 8)(x)
    y = L.LayerNormalization()(y + L.MultiHeadAttention(2, 4)(y, y))
    return L.GlobalAveragePooling1D()(y)


def resnet(x):
    y = L.Conv2D(4, 3, padding="same")(x)
    z = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(y)))
    return L.GlobalAveragePooling2D()(L.Add()([y, z]))


def embedded(*layers):
    return serial(lambda: L.Embedding(30, 6), *layers)


def convolved(*layers):
    return serial(lambda: L.Conv2D(6, 3), *layers, L.Flatten)


# Numbers, all replicas in one call, by XLA; the last batch is padded.
COMPILED = {
    "Dense": serial(dense),
    "no hidden layer": lambda x: L.Identity()(x),
    "LayerNormalization": serial(lambda: L.Dense(8), L.LayerNormalization, L.ReLU),
    "UnitNormalization, RMSNormalization": serial(L.UnitNormalization, dense, L.RMSNormalization),
    "PReLU, LeakyReLU, ELU": serial(lambda: L.Dense(8), L.PReLU, dense, L.LeakyReLU, L.ELU),
    "kernel_regularizer": serial(lambda: dense(kernel_regularizer="l2", bias_regularizer="l1")),
    "OrthogonalRegularizer": serial(
        lambda: dense(kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.1))
    ),
    "MaxNorm": serial(lambda: dense(kernel_constraint=keras.constraints.MaxNorm(0.5))),
    "NonNeg, UnitNorm": serial(
        lambda: dense(kernel_constraint="non_neg"), lambda: dense(kernel_constraint="unit_norm")
    ),
    "Rescaling": serial(lambda: L.Rescaling(0.5, 0.1), dense),
    "Normalization, adapted": adapted,
    "Reshape, Flatten": serial(lambda: L.Reshape((3, 4)), dense, L.Flatten),
    "residual": residual,
    "Concatenate, Multiply": lambda x: L.Concatenate()(
        [L.Multiply()([dense(4)(x), dense(4)(x)]), x]
    ),
    "a layer of two calls": called_twice,
    "a nested functional model": nested_graph,
    "frozen": frozen,
    "pretrained, frozen": pretrained(False),
    "pretrained, tuned": pretrained(True),
    "seeds in initializers": serial(
        lambda: dense(kernel_initializer=keras.initializers.HeNormal(3)), dense
    ),
    "initializers": serial(
        *(
            (lambda name=name: dense(kernel_initializer=name))
            for name in ("orthogonal", "lecun_normal", "random_normal", "variance_scaling")
        )
    ),
}
# The same without padding: these look across the rows of a batch.
ACROSS_ROWS = {
    "BatchNormalization": serial(lambda: L.Dense(8), L.BatchNormalization, L.ReLU),
    "BatchNormalization, frozen": serial(dense, lambda: L.BatchNormalization(trainable=False)),
    "activity_regularizer": serial(lambda: dense(activity_regularizer=keras.regularizers.L2(0.1))),
    "ActivityRegularization": serial(dense, lambda: L.ActivityRegularization(l2=0.1)),
    "deep and cross": cross,
    "a nested Sequential": lambda x: keras.Sequential([dense(), L.BatchNormalization()])(x),
}
# Numbers, some replicas at a time.
MAPPED = {
    "a constraint of one's own": serial(lambda: dense(kernel_constraint=Shrinks())),
    "GroupNormalization": serial(dense, lambda: L.GroupNormalization(4)),
    "Discretization, CategoryEncoding": serial(lambda: categories, dense),
    "Average, Maximum, Minimum, Subtract, Dot": lambda x: L.Concatenate()(
        [
            kind()([dense(4)(x), dense(4)(x)])
            for kind in (L.Average, L.Maximum, L.Minimum, L.Subtract, lambda: L.Dot(1))
        ]
    ),
    "operators": doubled,
    "a shared layer": siamese,
    "a layer of one's own": serial(dense, Scale),
    "layers within a layer": serial(Both),
    "a state of one's own": serial(dense, Means),
    "add_loss": serial(dense, AddsLoss),
    "a subclassed model": serial(Small),
    "EinsumDense": serial(lambda: L.EinsumDense("ab,bc->ac", output_shape=8, bias_axes="c")),
    "a regularizer of one's own": serial(lambda: dense(kernel_regularizer=Half())),
    "noise of one's own": serial(dense, Noise),
}
IMAGES = {
    "Conv2D": convolved(lambda: L.MaxPooling2D(padding="same"), lambda: L.Conv2D(4, 2)),
    "Conv2D, BatchNormalization": convolved(
        L.BatchNormalization, L.ReLU, lambda: L.AveragePooling2D(2)
    ),
    "Conv2D, strides, dilation, groups": convolved(
        lambda: L.Conv2D(4, 2, strides=2, groups=2), lambda: L.Conv2D(4, 2, dilation_rate=2)
    ),
    "DepthwiseConv2D, SeparableConv2D": convolved(
        lambda: L.DepthwiseConv2D(2), lambda: L.SeparableConv2D(4, 2)
    ),
    "Conv2DTranspose, UpSampling2D": convolved(lambda: L.Conv2DTranspose(4, 2), L.UpSampling2D),
    "ZeroPadding2D, Cropping2D": convolved(L.ZeroPadding2D, lambda: L.Cropping2D(1)),
    "GlobalMaxPooling2D": serial(lambda: L.Conv2D(6, 3), L.GlobalMaxPooling2D),
    "GroupNormalization of images": convolved(lambda: L.GroupNormalization(3)),
    "ResNet": resnet,
    "Permute, TimeDistributed": serial(
        lambda: L.Permute((2, 1, 3)), lambda: L.TimeDistributed(dense(4)), L.Flatten
    ),
    "Conv1D of rows": serial(lambda: L.Reshape((8, 24)), lambda: L.Conv1D(4, 3), L.Flatten),
    "Conv2D, Dropout": convolved(lambda: L.Dropout(0.5)),
}
WORDS = {
    "Embedding, GlobalMaxPooling1D": embedded(lambda: L.Conv1D(4, 3), L.GlobalMaxPooling1D),
    "Embedding, mask_zero": serial(
        lambda: L.Embedding(30, 6, mask_zero=True), L.GlobalAveragePooling1D
    ),
    "Attention": attention,
    "Attention alone": attention_alone,
    "SeparableConv1D": embedded(lambda: L.SeparableConv1D(4, 3), L.GlobalMaxPooling1D),
    "Embedding, ops": lambda x: ops.mean(L.Embedding(30, 6)(x), axis=1),
    "SpatialDropout1D": embedded(lambda: L.SpatialDropout1D(0.3), L.Flatten),
}
# Words, all replicas in one call without XLA.
RECURRENT = {
    "Embedding, Flatten": embedded(L.Flatten),
    "SimpleRNN": embedded(lambda: L.SimpleRNN(4)),
}
# With many steps of their own: seconds to compile.
SLOW = {
    "LSTM": embedded(lambda: L.LSTM(4)),
    "LSTM on LSTM": embedded(lambda: L.LSTM(4, return_sequences=True), lambda: L.LSTM(4)),
    "GRU": embedded(lambda: L.GRU(4)),
    "Bidirectional": embedded(lambda: L.Bidirectional(L.GRU(3))),
    "LSTM, masked": serial(lambda: L.Embedding(30, 6, mask_zero=True), lambda: L.LSTM(4)),
    "RNN of cells": embedded(lambda: L.RNN([L.GRUCell(3), L.LSTMCell(3)])),
    "LSTM, dropout": embedded(lambda: L.LSTM(4, dropout=0.3, recurrent_dropout=0.3)),
}
SLOW_IMAGES = {
    "ConvLSTM1D": serial(lambda: L.ConvLSTM1D(3, 2), L.Flatten),
}
# These draw masks: XLA draws others than Keras without it.
DROPPED = {
    "Dropout": serial(dense, lambda: L.Dropout(0.5)),
    "GaussianNoise, GaussianDropout": serial(
        lambda: L.GaussianNoise(0.3), dense, lambda: L.GaussianDropout(0.3)
    ),
    "AlphaDropout": serial(lambda: dense(activation="selu"), lambda: L.AlphaDropout(0.3)),
    "Dropout in a nested model": lambda x: keras.Sequential([dense(), L.Dropout(0.5)])(x),
}
GROUPS = {
    "compiled": ("numbers", COMPILED),
    "across rows": ("numbers", ACROSS_ROWS),
    "mapped": ("numbers", MAPPED),
    "images": ("images", IMAGES),
    "words": ("words", WORDS),
    "recurrent": ("words", RECURRENT),
    "slow": ("words", SLOW),
    "slow images": ("images", SLOW_IMAGES),
}
ALL = [(group, name) for group, (_, bodies) in GROUPS.items() for name in bodies]
SIDE_BY_SIDE = 8  # constructs in a network


EPOCHS, FOLDS = 2, np.arange(COUNT) % 3


def by_keras(problem, members, compiled):
    """Weights and held-out predictions of each member, trained by `train_on_batch`.

    Initial weights and batches are those of the code under test; tests of `initial` and `streams`
    hold what these are.
    """
    model, start = problem.blueprint.build(members[-1].seed), problem.initial
    variables = model.variables  # those of the optimizer will join them
    padded = pads(model)
    steps = EPOCHS * streams.plan(members[0], problem.batch_size, padded).steps
    optimizer = problem.blueprint.new_optimizer(steps)
    model.compile(optimizer, problem.blueprint.head.loss, jit_compile=compiled)
    optimizer.build(model.trainable_variables)
    fresh = [variable.numpy() for variable in optimizer.variables]
    for member in members:
        values = [*start.values(member.seed), *fresh]
        for variable, value in zip([*variables, *optimizer.variables], values, strict=True):
            variable.assign(value)
        for epoch in range(EPOCHS):
            for parts in streams.batches([member], problem.batch_size, epoch, padded):
                for (chosen,), (taken,) in zip(*parts, strict=True):
                    batch = chosen[taken == 1]
                    model.train_on_batch(problem.rows[batch], LABELS[batch])
        yield model.get_weights(), model.predict_on_batch(problem.rows[member.held_out_rows])


def check(kind, body, count=3, folds=FOLDS, batch=20, compiled=False):
    members = [replicas.Replica(seed + 5, 7, folds, seed) for seed in range(count)]
    rows, labels = ROWS[kind][: len(folds)], LABELS[: len(folds)]
    weighting = learned.WEIGHTINGS["none"]
    problem = Problem(blueprint(body, kind), weighting, rows, labels, labels, batch)
    fitted = list(problem.fit(members, EPOCHS))
    alone = by_keras(problem, members, compiled)
    for replica, (weights, held_out) in zip(fitted, alone, strict=True):
        for ours, theirs, variable in zip(
            replica.weights, weights, problem.model.weights, strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5, err_msg=variable.path)
        np.testing.assert_allclose(replica.held_out, held_out, rtol=0, atol=1e-5)
    built = problem.blueprint.build(members[-1].seed).get_weights()
    pairs = zip(fitted[-1].weights, built, strict=True)
    assert max(np.abs(ours - first).max() for ours, first in pairs) > 1e-3, "nothing was trained"


def networks_of(group):
    """Bodies of networks that have the constructs of a group side by side."""
    bodies = [*GROUPS[group][1].values()]
    for start in range(0, len(bodies), SIDE_BY_SIDE):
        chosen = bodies[start : start + SIDE_BY_SIDE]
        yield lambda x, chosen=chosen: L.Concatenate()([L.Flatten()(body(x)) for body in chosen])


def is_slow(group):
    return [pytest.mark.slow] * group.startswith("slow")


@pytest.mark.parametrize("group", [pytest.param(each, marks=is_slow(each)) for each in GROUPS])
def test_constructs_train_as_in_keras(group):
    for body in networks_of(group):
        network = blueprint(body, GROUPS[group][0]).build(0)
        if not group.startswith("slow"):  # there, cells train in another way than layers
            compiled = group in ("compiled", "across rows")
            assert constructs.is_elementwise(network) == compiled
            assert constructs.is_vectorized(network) == (compiled or group == "recurrent")
        check(GROUPS[group][0], body)


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name"), ALL)
def test_a_construct_trains_as_in_keras(group, name):
    kind, bodies = GROUPS[group]
    check(kind, bodies[name])


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name"), ALL)
def test_a_construct_trains_as_in_keras_alone_and_on_batches_that_divide_the_rows(group, name):
    kind, bodies = GROUPS[group]
    check(kind, bodies[name], count=1, folds=np.arange(72) % 3, batch=16)


EXAMPLES = {
    "residual_mlp": ("numbers", partial(residual_mlp.build, units=8)),
    "text_cnn": ("words", partial(text_cnn.build, vocabulary=30, filters=4, widths=[2, 3])),
    "transformer": ("words", partial(transformer.build, vocabulary=30, embedding=8)),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_trains_as_in_keras_and_is_the_same_when_it_was_saved(name, tmp_path):
    kind, body = EXAMPLES[name]
    check(kind, body)
    network = blueprint(body, kind).build(0)
    save(network, tmp_path / "example.keras")
    loaded = keras.models.load_model(tmp_path / "example.keras", safe_mode=True)
    rows = ROWS[kind][:5]
    np.testing.assert_array_equal(loaded(rows), network(rows))


def test_the_places_of_words_are_trained():
    body = EXAMPLES["transformer"][1]
    assert (10, 8) in {weight.shape for weight in blueprint(body, "words").build(0).weights}


@pytest.mark.parametrize("name", DROPPED)
@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_masks_are_those_of_keras_under_xla(name, count):
    folds = np.arange(72) % 3  # masks depend on the width of a batch
    check("numbers", DROPPED[name], count=count, folds=folds, batch=16, compiled=True)


class Assigns(Scale):
    def call(self, x):
        self.scale.assign(self.scale * 0.9)
        return x * self.scale


class Unused(Scale):
    def call(self, x):
        return x


class Unseeded(L.Layer):
    def call(self, x):
        return x + tensorflow.random.normal(tensorflow.shape(x))


class Raw(L.Layer):
    def __init__(self, **keys):
        super().__init__(**keys)
        self.count = tensorflow.Variable(1.0)

    def call(self, x):
        return x * self.count


class Forgets(L.Layer):
    """No get_config for its argument."""

    def __init__(self, units):
        super().__init__()
        self.inner = L.Dense(units)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


class Unknown(Scale):
    """Registered nowhere."""


class Times(L.Layer):
    """Its get_config leaves an argument out."""

    def __init__(self, factor=1, **keys):
        super().__init__(**keys)
        self.factor, self.inner = factor, L.Dense(8)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.factor * self.inner(x)

    def get_config(self):
        return {"name": self.name}


class Restless(Noise):
    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seeds)


class Hidden(Means):
    @tensorflow.function
    def shifted(self, x):
        return x - self.mean

    def call(self, x, training=False):
        super().call(x, training)
        return self.shifted(x)


class Loop(L.Layer):
    def call(self, x):
        noise = tensorflow.random.normal
        return ops.fori_loop(0, 2, lambda _, y: y + noise(tensorflow.shape(y)), x)


class Drawn(Scale):
    def call(self, x, training=False):
        return x * self.scale * (np.random.random() if training else 1.0)


class Branch(Means):
    def call(self, x):
        grown = lambda: self.count.assign_add(1.0)  # noqa: E731
        return x + 0 * ops.cond(self.count < 3, grown, lambda: self.count.assign(0.0))


def shared_inside(x):
    layer, inputs = L.Dense(12), keras.Input((12,))
    return layer(keras.Model(inputs, layer(inputs))(x))


def second_output(x):
    inputs = keras.Input((12,))
    return keras.Model(inputs, [dense()(inputs), dense()(inputs)])(x)[0]


@keras.saving.register_keras_serializable("zoo")
def centred(x):
    return x - ops.mean(x, axis=0)


for each in (Assigns, Unused, Unseeded, Raw, Forgets, Times, Restless, Hidden, Loop, Drawn, Branch):
    keras.saving.register_keras_serializable("zoo")(each)

REFUSED = {  # what: body, what the message has
    "Lambda": (serial(lambda: L.Lambda(lambda x: x * 2), dense), "Lambda.* cannot be loaded"),
    "mixed precision": (serial(lambda: dense(dtype="mixed_float16")), "float32, got float16"),
    "float64": (serial(lambda: dense(dtype="float64")), "expected to compute in float32"),
    "masked rows": (serial(lambda: L.Masking(0.0), dense), "carries a mask of rows"),
    "SpectralNormalization": (
        serial(lambda: L.SpectralNormalization(dense())),
        "SpectralNormalization.*assigned when",
    ),
    "an assigned weight": (serial(dense, Assigns), "assigns.*assigned when the layer is called"),
    "an unused weight": (serial(dense, Unused), "unused.*: the loss does not depend on it"),
    "no gradient": (lambda x: ops.stop_gradient(dense()(x)), "the loss does not depend on it"),
    "unseeded noise": (serial(dense, Unseeded), "unseeded.*draws random numbers that no seed"),
    "a variable of TensorFlow": (serial(dense, Raw), "add_weight, got a variable of TensorFlow"),
    "no get_config": (serial(lambda: Forgets(4)), "cannot be saved and loaded again: .*get_config"),
    "not registered": (serial(dense, Unknown), "cannot be saved and loaded again: .*register"),
    "other predictions after loading": (
        serial(lambda: Times(3)),
        "something else when it is saved",
    ),
    "an activation that cannot be saved": (
        serial(lambda: dense(activation=lambda x: ops.square(x))),
        "cannot be saved and loaded again",
    ),
    "an activation that looks across rows": (
        serial(lambda: dense(activation=centred)),
        "depends on the other rows",
    ),
    "the axis of the rows": (
        serial(dense, lambda: L.UnitNormalization(axis=0)),
        "depends on the other rows",
    ),
    "weights in front of categories": (
        serial(dense, lambda: categories, dense),
        "the loss does not depend on it",
    ),
    "noise when it predicts": (serial(dense, Restless), "something else each time"),
    "a layer that is called on no input": (
        lambda x: dense()(x) + dense()(ops.ones((1, 2))),
        "draws random numbers that are no weights",
    ),
    "a mask from within": (
        serial(lambda: keras.Sequential([L.Masking(0.0), dense()])),
        "carries a mask of rows",
    ),
    "a random rate": (
        lambda x: dense()(L.Rescaling(np.random.random())(x)),
        "draws random numbers that are no weights",
    ),
    "a random number of units": (
        lambda x: dense(np.random.randint(4, 999))(x),
        "draws random numbers that are no weights",
    ),
    "an axis from the end": (
        serial(dense, lambda: L.UnitNormalization(axis=-2)),
        "depends on the other",
    ),
    "rows times rows": (
        lambda x: L.GlobalAveragePooling1D()(L.Reshape((1, 8))(dense()(x)) + dense()(x)),
        "depends on the other rows|expected a prediction for each row",
    ),
    "another number of rows": (
        lambda x: ops.reshape(dense()(x), (-1, 4)),
        "a prediction for each row, got 6 for 3",
    ),
    "a hidden state": (serial(dense, Hidden), "a @tf.function hides it"),
    "unseeded noise in a loop": (serial(dense, Loop), "draws random numbers that no seed"),
    "noise of NumPy": (serial(dense, Drawn), "random numbers of Python or NumPy"),
    "a state in a branch": (serial(dense, Branch), "within a branch or a loop"),
    "a layer inside and outside": (shared_inside, "cannot be saved and loaded again"),
    "a second output that nobody takes": (second_output, "the loss does not depend on it"),
    "what cannot be told": (
        serial(lambda: dense(activation=partial(ops.leaky_relu, negative_slope=0.3))),
        "cannot be saved and loaded again",
    ),
    "rows that depend on others": (
        lambda x: (lambda y: y - ops.mean(y, axis=0))(dense()(x)),
        "depends on the other rows",
    ),
    "other inputs": (lambda x: dense()(keras.Input((4,))), "gives no network for rows"),
    "two outputs": (lambda x: [dense()(x), dense()(x)], r"expected build to return \(samples"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_train_as_in_keras_is_refused_by_name(name):
    body, message = REFUSED[name]
    rows, weighting = ROWS["numbers"], learned.WEIGHTINGS["none"]
    problem = Problem(blueprint(body, "numbers"), weighting, rows, LABELS, LABELS, 20)
    with pytest.raises(Wrong, match=f"test_zoo.py.*{message}"):
        next(problem.fit([replicas.Replica(1, 0, FOLDS, 0)], 1))


SPARSE = {
    "activity_regularizer": lambda x: dense(activity_regularizer="l2")(x),
    "as regularizer": lambda x: dense(kernel_regularizer=Half())(x),
    "that trains": lambda x: dense(trainable=False)(x),
    "a Dense layer": lambda x: Both()(x),
    "one call": called_twice,
}


@pytest.mark.parametrize("name", SPARSE)
def test_a_layer_that_cannot_take_sparse_words_is_refused_by_name(name):
    plan = blueprint(SPARSE[name], "numbers", sparse=True)
    with pytest.raises(Wrong, match="sparse") as caught:
        Problem(plan, learned.WEIGHTINGS["none"], None, None, None, 20).model.summary()
    assert name in str(caught.value)
