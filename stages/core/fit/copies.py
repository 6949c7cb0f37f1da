"""Copies of a network: the values of all replicas, and what one copy, or each, makes of its rows.

A variable of the network is held as one that has the values of all copies side by side. A copy is a
pure function of its values and of its rows. It is mapped over all of them: by `tf.vectorized_map`
where a network is made of what vectorizes (`constructs`), and elsewhere by `tf.map_fn`, as many at
a time as there are cores.
"""

import os

import numpy as np
import scipy.sparse as sp

from stages.core.fit import constructs, numbers
from stages.core.fit.learned import Learned, Target
from stages.core.fit.pure import Scope
from stages.core.fit.sparse import SparseRows
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


def at_a_time() -> int:
    """How many replicas train side by side where they do not train in one call."""
    return int(os.environ.get("TF_NUM_INTEROP_THREADS") or 0) or os.cpu_count() or 1


class DenseRows:
    """Dense rows on their way into a network. `SparseRows` stands in its place for sparse ones."""

    kernel = None  # the variable that is stacked along its last axis, (..., replicas x units)

    def __init__(self, model, rows):
        self.call, self.rows = model, tf.constant(rows)
        self.fills = rows.dtype.kind == "f" and bool(np.isnan(rows).any())

    def batches(self, rows):
        """Row numbers (steps, replicas, width) as `inputs` takes them: arrays of (steps, ...)."""
        return (rows,)

    def stack_learned(self, learned):
        """What all learned as `inputs` takes it: means and factors (replicas, features)."""
        if learned[0].factor is None:
            return Learned()
        pairs = (each[:2] for each in learned)
        return Learned(*(tf.constant(np.stack(each)) for each in zip(*pairs, strict=True)))

    def inputs(self, batch, kernel, learned):
        """What enters `call` for each replica's rows of a batch: (replicas, width, ...); and None
        in place of the gradient of a kernel apart.
        """
        return self.held_out_inputs(batch[0], kernel, learned), None

    def held_out(self, rows):
        """Row numbers (replicas, width) as `held_out_inputs` takes them."""
        return rows

    def held_out_inputs(self, held_out, kernel, learned):
        """The first of these for any rows."""
        inputs = tf.gather(self.rows, held_out)
        if learned.factor is not None:
            inputs = (inputs - learned.mean[:, None]) * learned.factor[:, None]
        return tf.where(tf.math.is_nan(inputs), 0.0, inputs) if self.fills else inputs


class Copies:
    """`count` copies of a model, for these rows: each variable holds the values of all copies."""

    def __init__(self, model, rows, count):
        self.model, self.count = model, count
        self.rows = (SparseRows if sp.issparse(rows) else DenseRows)(model, rows)
        self.elementwise = constructs.is_elementwise(model)
        self.vectorized = self.elementwise or constructs.is_vectorized(model)
        self.stacks = {
            id(variable): keras.Variable(
                _stack([variable.numpy()] * count, self._axis(variable)), dtype=variable.dtype
            )
            for variable in model.variables
        }
        self.trainable = [v for v in model.trainable_variables if v is not self.rows.kernel]
        self.trained = [*self.trainable, *(v for v in [self.rows.kernel] if v is not None)]
        self.state = model.non_trainable_variables
        self._predict = tf.function(self._predictions, autograph=False)

    def _axis(self, variable):
        return -1 if variable is self.rows.kernel else 0

    @property
    def kernel(self):
        """The stacked kernel of the layer that takes sparse rows, or None."""
        return self.stacks.get(id(self.rows.kernel))

    def assign(self, variables, values):
        """Give variables new values: for each copy a list of arrays in their order."""
        for variable, *each in zip(variables, *values, strict=True):
            self.stacks[id(variable)].assign(_stack(each, self._axis(variable)))

    def weights(self):
        """The weights of each copy: a list of arrays in the order of `model.get_weights()`."""

        def split(variable):
            stacked = self.stacks[id(variable)].numpy()
            return stacked if self._axis(variable) == 0 else np.split(stacked, self.count, -1)

        return [list(copy) for copy in zip(*map(split, self.model.weights), strict=True)]

    def read(self, variables):
        """Stacked values of these variables of the model, as tensors."""
        return [tf.convert_to_tensor(self.stacks[id(v)].value) for v in variables]

    def shaped(self, values, variable):
        """A number of each copy, (copies,), to multiply what is stacked as this variable is."""
        if self._axis(variable) == 0:
            return tf.reshape(values, (self.count, *[1] * len(variable.shape)))
        return tf.repeat(values, variable.shape[-1])

    def within(self, function, variable, stacked, values=None, mapped=tf.vectorized_map):
        """function(value) of each copy, stacked as this variable of the model is.

        values: (copies,) a number of each, where function takes (value, number). mapped: tf.map_fn
        for a function of one's own, which need not vectorize.
        """

        def each(stack):
            return mapped(function, stack if values is None else (stack, values))

        if self._axis(variable) == 0:
            return each(stacked)
        rows, columns = stacked.shape
        apart = tf.reshape(stacked, (rows, self.count, columns // self.count))
        found = each(tf.transpose(apart, (1, 0, 2)))
        return tf.reshape(tf.transpose(found, (1, 0, 2)), (rows, columns))

    def write(self, variables, values):
        """Give variables of the model new stacked values."""
        for variable, value in zip(variables, values, strict=True):
            self.stacks[id(variable)].assign(value)

    def call(self, weights, state, inputs, training, values=None):
        """What one copy makes of its inputs: predictions, new state, penalties of its layers.

        weights, state: of `trainable` and of `state`. inputs: of one copy, as `rows.inputs` gives.
        values: of the model's numbers, as `numbers.standing_in` takes them; without, its own.
        """
        with numbers.standing_in(values or {}):
            return self._called(weights, state, inputs, training)

    def _called(self, weights, state, inputs, training):
        pairs = [*zip(self.trainable, weights, strict=True), *zip(self.state, state, strict=True)]
        with Scope(pairs, collect_losses=True) as scope:
            predictions = self.rows.call(inputs, training=training)
        regularized = zip(self.trainable, weights, strict=True)
        losses = [v.regularizer(value) for v, value in regularized if v.regularizer is not None]
        penalty = sum(map(tf.reduce_sum, [*scope.losses, *losses]), tf.zeros(()))
        return predictions, [scope.get_current_value(v) for v in self.state], penalty

    def each(self, function, arguments, kinds):
        """function(arguments) of each copy. kinds: of what it returns."""
        if self.vectorized:
            return tf.vectorized_map(function, arguments, fallback_to_while_loop=True)
        return tf.map_fn(
            function, arguments, parallel_iterations=at_a_time(), fn_output_signature=kinds
        )

    def stack_learned(self, learned):
        """What all learned of their rows, as `rows.inputs` takes it, and of their targets."""
        targets = [each.target for each in learned]
        target = targets[0] and Target(*map(tf.stack, zip(*targets, strict=True)))
        return self.rows.stack_learned(learned)._replace(target=target)

    def predictions(self, inputs, target):
        """Of all copies for their inputs: (replicas, width, outputs). target: Learned's."""

        def told(copy):
            *values, target = copy
            predictions = self.call(*values, training=False)[0]
            return target.told(predictions) if target else predictions

        stacks = self.read(self.trainable), self.read(self.state), inputs, target
        return self.each(told, stacks, tf.TensorSpec((None, *self.model.output_shape[1:])))

    def predict(self, numbers, learned):
        """Predictions of all copies for the rows with these numbers: (replicas, rows, outputs)."""
        everywhere = np.broadcast_to(numbers, (1, self.count, len(numbers)))
        batch = [tf.constant(array[0]) for array in self.rows.batches(everywhere)]
        return self._predict(batch, learned).numpy()

    def _predictions(self, batch, learned):
        inputs, _ = self.rows.inputs(batch, self.kernel, learned)
        return self.predictions(inputs, learned.target)


def _stack(values, axis):
    return np.stack(values) if axis == 0 else np.concatenate(values, axis)
