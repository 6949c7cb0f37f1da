"""The compiled program: copies of a network, a step that trains all, and judging them.

Every weight of the network becomes one variable that holds the values of all replicas. Keras'
`stateless_call` is a pure function of (weights, state, inputs), so `tf.vectorized_map` runs it for
all replicas in one call. Replicas share no weight, so the gradient of the *sum* of their losses is
the gradient of each. A Keras optimizer works element by element and updates the stacked variables.
"""

import numpy as np
import scipy.sparse as sp

from stages.core.fit.learned import Learned
from stages.core.fit.sparse import SparseRows
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


class DenseRows:
    """Dense rows on their way into `network`. `SparseRows` stands in its place for sparse ones."""

    wide = None  # the variable that is stacked along its last axis, (..., replicas x units)

    def __init__(self, model, rows):
        self.network, self.rows = model, tf.constant(rows)
        # XLA makes small dense networks faster; recurrent layers and stacked convolutions fail.
        weighted = [layer for layer in model.layers if layer.variables]
        self.xla = all(isinstance(layer, keras.layers.Dense) for layer in weighted)

    def batches(self, rows):
        """Row numbers (steps, replicas, width) as `inputs` takes them: arrays of (steps, ...)."""
        return (rows,)

    def stack_learned(self, learned):
        """What all learned as `inputs` takes it: means and factors (replicas, features)."""
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
        """The same for rows that the replicas do not share: numbers (replicas, width)."""
        return self.inputs((rows,), weights, learned)


class Copies:
    """`count` copies of a model, for these rows: each variable holds the values of all copies."""

    def __init__(self, model, rows, count):
        self.model, self.count = model, count
        self.rows = (SparseRows if sp.issparse(rows) else DenseRows)(model, rows)
        self.stacks = {
            id(v): keras.Variable(
                self._stack(v, [np.zeros(v.shape, v.dtype)] * count),
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

    def _stack(self, variable, values):
        return np.concatenate(values, -1) if variable is self.rows.wide else np.stack(values)

    def assign(self, variables, values):
        """Give variables of the model new values: for each copy a list of arrays in their order."""
        for variable, *each in zip(variables, *values, strict=True):
            self.stacks[id(variable)].assign(self._stack(variable, each))

    def weights(self):
        """The weights of each copy: a list of arrays in the order of `model.get_weights()`."""

        def split(variable):
            stacked = self.stacks[id(variable)].numpy()
            return np.split(stacked, self.count, -1) if variable is self.rows.wide else stacked

        return [list(copy) for copy in zip(*map(split, self.model.weights), strict=True)]

    def read(self):
        """The trainable variables as tensors."""
        return [tf.convert_to_tensor(variable.value) for variable in self.trainable]

    def call(self, weights, inputs, training):
        """Predictions of all copies, (replicas, width, outputs), and new state.

        weights: as `read` gives them. inputs: as `rows.inputs` does.
        """

        def run(copy):
            output, state = self.rows.network.stateless_call(*copy, training=training)
            return output, list(state)

        state = [tf.convert_to_tensor(variable.value) for variable in self.state]
        copies = [weights[place] for place in self.places], state, inputs
        return tf.vectorized_map(run, copies, fallback_to_while_loop=True)

    def predict(self, numbers, learned):
        """Predictions of all copies for the rows with these numbers: (replicas, rows, outputs)."""
        everywhere = np.broadcast_to(numbers, (1, self.count, len(numbers)))
        batch = [tf.constant(array[0]) for array in self.rows.batches(everywhere)]
        return self._predict(batch, learned).numpy()

    def _predictions(self, batch, learned):
        weights = self.read()
        return self.call(weights, self.rows.inputs(batch, weights, learned), training=False)[0]


class Program:
    """The training of `count` replicas; what is compiled serves all slices of this size."""

    def __init__(self, problem, count):
        model = problem.model
        self.copies = Copies(model, problem.rows, count)
        self.targets, self.metric = tf.constant(problem.targets), problem.head.metric
        self.loss = keras.losses.get(model.loss)
        self.optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
        self.optimizer.build(self.copies.trainable)
        self.optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        # One replica alone is many times slower under XLA. Then it compiles the update alone.
        xla = self.copies.rows.xla and count > 1
        self._train = tf.function(self._steps, jit_compile=xla, autograph=False)
        self._update = tf.function(self.optimizer.apply, jit_compile=True, autograph=False)
        # Not under XLA: it runs once an epoch, and compiling it took longer than it saved.
        self._judge = tf.function(self._judged, autograph=False)

    def start(self, initial):
        """Begin anew. initial: for each replica its values in the order of `model.variables`."""
        self.copies.assign(self.copies.model.variables, initial)
        for variable, value in zip(self.optimizer.variables, self.optimizer_start, strict=True):
            variable.assign(value)

    def epoch(self, rows, taken, batch, learned, row_weights):
        """Train on the batches of an epoch; returns means over rows: {"loss": (replicas,), ...}.

        rows, taken: as `streams.batches` gives them. batch: as `rows.batches` makes it of the rows.
        row_weights: (replicas, n), or None.
        """
        share = taken / taken.sum(axis=2, keepdims=True)
        if row_weights is not None:
            share *= row_weights[np.arange(self.copies.count)[:, None], rows]
        steps = map(tf.constant, (rows, taken, share))
        sums = self._train(*steps, [tf.constant(array) for array in batch], learned)
        loss, metric = sums.numpy() / taken.sum(axis=(0, 2))
        return {"loss": loss, "metric": metric}

    def judge(self, rows, counted, learned):
        """Means over held-out rows, {"val_loss": (replicas,) float32, ...}, and predictions.

        rows: (replicas, longest) int32. counted: as rows, float32, 1 where a row counts.
        """
        loss, metric, predictions = (value.numpy() for value in self._judge(rows, counted, learned))
        return {"val_loss": loss, "val_metric": metric}, predictions

    def _steps(self, rows, taken, share, batch, learned):
        """Train on each step's rows in turn; returns sums of loss and metric: (2, replicas).

        share: of a row in the loss of its step.
        """
        copies = self.copies

        def step(number, sums):
            targets = tf.gather(self.targets, rows[number])
            with tf.GradientTape() as tape:
                weights = copies.read()
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

    def _judged(self, rows, counted, learned):
        weights = self.copies.read()
        inputs = self.copies.rows.held_out_inputs(rows, weights, learned)
        predictions, _ = self.copies.call(weights, inputs, training=False)
        targets = tf.gather(self.targets, rows)
        loss, metric = (
            tf.reduce_sum(measure(targets, predictions) * counted, 1) / tf.reduce_sum(counted, 1)
            for measure in (self.loss, self.metric)
        )
        return loss, metric, predictions
