"""The compiled program: copies of a network, a step that trains all of them, and the judging of held-out rows.

Every weight of the network becomes one variable that holds the values of all replicas. Keras' `stateless_call` is a
pure function of (weights, state, inputs), so `tf.vectorized_map` runs it for all replicas in one call. Replicas share
no weight, so the gradient of the *sum* of their losses is the gradient of each. A Keras optimizer works element by
element and updates the stacked variables as they are.
"""

import numpy as np
import scipy.sparse as sp

from stages.core.fit.learned import Learned
from stages.core.fit.sparse import SparseRows
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


class DenseRows:
    """Dense rows on their way into the networks. They are cheap to gather: replicas of any streams train together."""

    by_stream = False

    def __init__(self, model, rows):
        self.network, self.rows = model, tf.constant(rows)
        # XLA makes small dense networks faster; recurrent layers and stacked convolutions fail under it.
        weighted = [layer for layer in model.layers if layer.variables]
        self.xla = all(isinstance(layer, keras.layers.Dense) for layer in weighted)

    def batches(self, rows):
        """What `inputs` takes: arrays with an axis of steps, made of row numbers (steps, replicas, width)."""
        return (rows,)

    def stack(self, variable, values):
        """A variable's values in each replica as one array: (replicas, ...)."""
        return np.stack(values)

    def split(self, variable, stacked):
        """The values of each replica, of what `stack` gave."""
        return list(stacked)

    def stack_learned(self, learned):
        """What each replica learned, as `inputs` takes it: means and factors (replicas, features)."""
        if learned[0].factor is None:
            return Learned()
        return Learned(*map(np.stack, zip(*learned, strict=True)))

    def inputs(self, batch, weights, learned):
        """What enters `network` for each replica's rows of a batch: (replicas, width, ...)."""
        inputs = tf.gather(self.rows, batch[0])
        if learned.factor is None:
            return inputs
        return (inputs - learned.mean[:, None]) * learned.factor[:, None]

    def held_out_inputs(self, rows, weights, learned):
        """The same for rows of which each belongs to one replica: numbers (replicas, width)."""
        return self.inputs((rows,), weights, learned)


def kind_of(rows):
    """The class for rows like these."""
    return SparseRows if sp.issparse(rows) else DenseRows


class Copies:
    """`count` copies of a model: each variable holds the values of all. They predict for these rows."""

    def __init__(self, model, rows, count):
        self.model, self.count, self.rows = model, count, kind_of(rows)(model, rows)
        self.stacks = {
            id(v): keras.Variable(
                self.rows.stack(v, [np.zeros(v.shape)] * count),
                dtype=v.dtype,
                trainable=v.trainable,
            )
            for v in model.variables
        }
        self.trainable = [self.stacks[id(v)] for v in model.trainable_variables]
        self.state = [self.stacks[id(v)] for v in model.non_trainable_variables]
        places = {id(v): place for place, v in enumerate(model.trainable_variables)}
        self.places = [places[id(v)] for v in self.rows.network.trainable_variables]
        self._predict = tf.function(self._predictions, autograph=False)

    def assign(self, variables, values):
        """Give these variables of the model each copy's values: a list of arrays, in their order, for each copy."""
        for variable, *each in zip(variables, *values, strict=True):
            self.stacks[id(variable)].assign(self.rows.stack(variable, each))

    def weights(self):
        """The weights of each copy: a list of arrays in the order of `model.get_weights()`."""
        stacked = [self.rows.split(v, self.stacks[id(v)].numpy()) for v in self.model.weights]
        return [list(weights) for weights in zip(*stacked, strict=True)]

    def predict(self, numbers, learned):
        """Predictions of all copies for the rows with these numbers: (replicas, rows, outputs)."""
        everywhere = np.broadcast_to(numbers, (1, self.count, len(numbers)))
        batch = [tf.constant(array[0]) for array in self.rows.batches(everywhere)]
        return self._predict(batch, learned).numpy()

    def _predictions(self, batch, learned):
        weights = read(self.trainable)
        return self.call(weights, self.rows.inputs(batch, weights, learned), training=False)[0]

    def call(self, weights, inputs, training):
        """Run all copies: predictions (replicas, width, outputs) and new state. weights: `read(trainable)`."""

        def network(copy):
            output, state = self.rows.network.stateless_call(*copy, training=training)
            return output, list(state)

        copies = [weights[place] for place in self.places], read(self.state), inputs
        return tf.vectorized_map(network, copies, fallback_to_while_loop=True)


class Program:
    """The training of `count` replicas of a problem. What is compiled serves all slices of this size."""

    def __init__(self, problem, count):
        model = problem.model
        self.copies = Copies(model, problem.rows, count)
        self.targets, self.metric = tf.constant(problem.targets), problem.head.metric
        self.loss = keras.losses.get(model.loss)
        self.optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
        self.optimizer.build(self.copies.trainable)
        self.optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        # One replica alone would be many times slower under XLA. There, as wherever XLA does harm, it
        # compiles the optimizer's update alone.
        xla = self.copies.rows.xla and count > 1
        self._train = tf.function(self._train_epoch, jit_compile=xla, autograph=False)
        self._update = tf.function(self._apply, jit_compile=True, autograph=False)
        # Not under XLA: it runs once an epoch, and compiling it took longer than it saved.
        self._judge = tf.function(self._judge_held_out, autograph=False)

    def start(self, initial):
        """Begin anew. initial: for each replica its values in the order of `model.variables`."""
        self.copies.assign(self.copies.model.variables, initial)
        for variable, value in zip(self.optimizer.variables, self.optimizer_start, strict=True):
            variable.assign(value)

    def epoch(self, rows, taken, batch, learned, row_weights):
        """Train on the batches of an epoch; returns its mean loss and metric: {"loss": (replicas,) float32, ...}.

        rows, taken: as `streams.batches` gives them. batch: as `rows.batches` does. row_weights: (replicas, n) or None.
        """
        share = taken / taken.sum(axis=2, keepdims=True)
        if row_weights is not None:
            share *= row_weights[np.arange(self.copies.count)[:, None], rows]
        sums = self._train(
            *map(tf.constant, (rows, taken, share)), [*map(tf.constant, batch)], learned
        )
        loss, metric = sums.numpy() / taken.sum(axis=(0, 2))
        return {"loss": loss, "metric": metric}

    def judge(self, rows, counted, learned):
        """Judge each replica on its held-out rows: {"val_loss": (replicas,) float32, ...} and its predictions.

        rows: (replicas, longest) int32. counted: the same, float32, 1 where a row counts.
        """
        judged, predictions = self._judge(rows, counted, learned)
        return {name: value.numpy() for name, value in judged.items()}, predictions.numpy()

    def _apply(self, gradients):
        self.optimizer.apply(gradients, self.copies.trainable)

    def _train_epoch(self, rows, taken, share, batch, learned):
        """Train on each step's rows in turn; returns the sums of loss and metric over an epoch: (2, replicas).

        share: of a row in the loss of its step.
        """
        copies = self.copies

        def step(number, sums):
            targets = tf.gather(self.targets, rows[number])
            with tf.GradientTape() as tape:
                weights = read(copies.trainable)
                tape.watch(weights)
                inputs = copies.rows.inputs([array[number] for array in batch], weights, learned)
                predictions, state = copies.call(weights, inputs, training=True)
                loss = self.loss(targets, predictions)  # (replicas, width)
                total = tf.reduce_sum(loss * share[number]) + self._penalty(weights)
            gradients = tape.gradient(total, weights)
            self._update([tf.convert_to_tensor(gradient) for gradient in gradients])
            for variable, value in zip(copies.state, state, strict=True):
                variable.assign(value)
            measured = tf.stack([loss, self.metric(targets, predictions)])
            return number + 1, sums + tf.reduce_sum(measured * taken[number], 2)

        start = 0, tf.zeros((2, copies.count))
        return tf.while_loop(lambda number, _: number < tf.shape(rows)[0], step, start)[1]

    def _penalty(self, weights):
        """L1 and L2 penalties of all replicas: a sum over weights, so the stacked ones will do."""
        pairs = zip(self.copies.model.trainable_variables, weights, strict=True)
        return sum((v.regularizer(stacked) for v, stacked in pairs if v.regularizer), tf.zeros(()))

    def _judge_held_out(self, rows, counted, learned):
        weights = read(self.copies.trainable)
        inputs = self.copies.rows.held_out_inputs(rows, weights, learned)
        predictions, _ = self.copies.call(weights, inputs, training=False)
        targets = tf.gather(self.targets, rows)
        loss, metric = (
            tf.reduce_sum(measure(targets, predictions) * counted, 1) / tf.reduce_sum(counted, 1)
            for measure in (self.loss, self.metric)
        )
        return {"val_loss": loss, "val_metric": metric}, predictions


def read(variables):
    """The values of these variables as tensors."""
    return [tf.convert_to_tensor(variable.value) for variable in variables]
