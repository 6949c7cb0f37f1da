"""The compiled program: a step that trains all replicas, and judging them.

A step has two parts, each written for one replica and mapped over all of them (`copies`). The
gradients are a function of a replica's weights and of its rows. The optimizer's update is one of
these gradients and of its state: elementwise work, whatever the network, and always compiled by
XLA. The steps of an epoch are a loop, which XLA compiles as a whole where a network is vectorized
and its rows are dense.
"""

from functools import partial

import numpy as np

from stages.core.fit import constructs
from stages.core.fit.copies import Copies
from stages.core.fit.pure import pure
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


class Program:
    """The training of `count` replicas; what is compiled serves all slices of this size."""

    def __init__(self, problem, count, steps):
        """steps: of the whole fit, on which a schedule of the learning rate depends."""
        model = problem.model
        self.copies = copies = Copies(model, problem.rows, count)
        self.padded = copies.elementwise and not constructs.looks_across_rows(model)
        self.targets, self.head = tf.constant(problem.targets), problem.blueprint.head
        self.loss = keras.losses.get(self.head.loss)
        self.optimizer = pure(problem.blueprint.new_optimizer(steps))
        self.optimizer.build(copies.trainable)
        copies.add(self.optimizer.variables)
        self.fresh = [variable.numpy() for variable in self.optimizer.variables]
        if copies.kernel is not None:
            config = self.optimizer.get_config()
            self.clipnorm = config.pop("clipnorm")  # its norm would be that of all replicas
            self.shared = type(problem.blueprint.new_optimizer(steps)).from_config(config)
            self.shared.build([copies.kernel])
            self.shared_fresh = [variable.numpy() for variable in self.shared.variables]
        self.xla = copies.elementwise and copies.kernel is None
        self._train = tf.function(self._steps, jit_compile=self.xla, autograph=False)
        self._traced = None
        self._update = tf.function(self._updated, jit_compile=True, autograph=False)
        # Not under XLA: it runs once an epoch, and compiling it took longer than it saved.
        self._judge = tf.function(self._judged, autograph=False)

    def start(self, initial):
        """Begin anew. initial: for each replica its values in the order of `model.variables`."""
        self.copies.assign(self.copies.model.variables, initial)
        self.copies.assign(self.optimizer.variables, [self.fresh] * self.copies.count)
        if self.copies.kernel is not None:
            for variable, value in zip(self.shared.variables, self.shared_fresh, strict=True):
                variable.assign(value)

    def epoch(self, parts, learned, row_weights):
        """Train on the batches of an epoch; returns means over rows: {"loss": (replicas,), ...}.

        parts: (rows, taken, batch) each; the first two as `streams.batches` gives them, batch as
        `rows.batches` makes it of the rows. row_weights: (replicas, n), or None.
        """
        sums, counts = 0, 0
        for rows, taken, batch in parts:
            share = taken / taken.sum(axis=2, keepdims=True)
            if row_weights is not None:
                share *= row_weights[np.arange(self.copies.count)[:, None], rows]
            arrays = tf.nest.map_structure(tf.constant, (rows, taken, share, [*batch]))
            sums += self._trained(*arrays, learned).numpy()
            counts += taken.sum(axis=(0, 2))
        loss, metric = sums / counts
        return {"loss": loss, "metric": metric}

    def judge(self, rows, counted, learned):
        """Means over held-out rows, {"val_loss": (replicas,) float32, ...}, and predictions.

        rows: (replicas, longest) int32. counted: as rows, float32, 1 where a row counts.
        """
        loss, metric, predictions = (value.numpy() for value in self._judge(rows, counted, learned))
        return {"val_loss": loss, "val_metric": metric}, predictions

    def _trained(self, *arguments):
        """What `_steps` gives. XLA compiles for each width; else one trace serves all of them."""
        if not self.xla and self._traced is None:
            specs = tf.nest.map_structure(_any_width, arguments[:-1])
            self._traced = self._train.get_concrete_function(*specs, arguments[-1])
        return (self._traced or self._train)(*arguments)

    def _steps(self, rows, taken, share, batch, learned):
        """Train on each step's rows in turn; returns sums of loss and metric: (2, replicas).

        share: of a row in the loss of its step.
        """
        copies = self.copies

        def step(number, sums):
            targets = tf.gather(self.targets, rows[number])
            with tf.GradientTape() as tape:
                kernel = None if copies.kernel is None else tf.convert_to_tensor(copies.kernel)
                tape.watch([] if kernel is None else kernel)
                inputs = copies.rows.inputs([array[number] for array in batch], kernel, learned)
                penalty = copies.rows.penalty(kernel)
            gradients, upstream, measured = self._gradients(inputs, targets, share[number])
            if kernel is not None:
                pulls = upstream, tf.ones(())
                kernel = tape.gradient((inputs, penalty), kernel, pulls)
            self._update(gradients, kernel)
            return number + 1, sums + tf.reduce_sum(measured * taken[number], 2)

        start = 0, tf.zeros((2, copies.count))
        return tf.while_loop(lambda number, _: number < tf.shape(rows)[0], step, start)[1]

    def _gradients(self, inputs, targets, share):
        """Of the weights and, where they come of sparse rows, of the inputs; and measurements.

        The last are (2, replicas, width): loss and metric. The state of layers is new afterwards.
        """
        copies, wanted = self.copies, self.copies.kernel is not None

        def forward(copy):
            weights, state, inputs, targets, share = copy
            predictions, state, penalty = copies.call(weights, state, inputs, training=True)
            loss = self.loss(targets, predictions)  # (width,)
            total = tf.reduce_sum(loss * share) + penalty
            state = [*map(tf.convert_to_tensor, state)]
            return total, (state, loss, self.head.metric(targets, predictions))

        def backward(function, arguments):
            sources = arguments[0], arguments[2] if wanted else []
            with tf.GradientTape() as tape:
                tape.watch(sources)
                totals, others = function(arguments)
            gradients, upstream = tape.gradient(totals, sources)
            return [*map(tf.convert_to_tensor, gradients)], upstream, others

        stacks = copies.read(copies.trainable), copies.read(copies.state)
        arguments = *stacks, inputs, targets, share
        if copies.vectorized and not copies.elementwise:
            # The gradient of a loop over time does not vectorize. Replicas share no weight, so that
            # of the sum of their losses is that of each.
            every = partial(tf.vectorized_map, forward, fallback_to_while_loop=True)
            gradients, upstream, others = backward(every, arguments)
        else:
            weights, state = ([tf.TensorSpec(v.shape[1:], v.dtype) for v in s] for s in stacks)
            row, upstream = tf.TensorSpec((None,)), tf.TensorSpec((None, *inputs.shape[2:]))
            kinds = weights, upstream if wanted else [], (state, row, row)
            gradients, upstream, others = copies.each(partial(backward, forward), arguments, kinds)
        state, loss, metric = others
        copies.write(copies.state, state)
        measured = tf.stack([tf.ensure_shape(each, share.shape) for each in (loss, metric)])
        return gradients, upstream, measured

    def _updated(self, gradients, kernel):
        """A step of the optimizer of each replica. kernel: gradient of the shared one, or None."""
        held = self.optimizer.variables, self.copies.trainable

        def one(copy):
            moments, gradients, weights = copy
            weights, moments = self.optimizer.stateless_apply(moments, gradients, weights)
            return [[*map(tf.convert_to_tensor, each)] for each in (moments, weights)]

        moments, weights = map(self.copies.read, held)
        new = tf.vectorized_map(one, (moments, gradients, weights), fallback_to_while_loop=True)
        for variables, values in zip(held, new, strict=True):
            self.copies.write(variables, values)
        if kernel is not None:
            self.shared.apply([self._clipped(kernel)])

    def _clipped(self, gradient):
        """The gradient of the shared kernel, (words, all units), clipped for each replica."""
        if not self.clipnorm:
            return gradient
        apart = tf.reshape(gradient, (gradient.shape[0], self.copies.count, -1))
        clipped = tf.clip_by_norm(apart, self.clipnorm, axes=[0, 2])
        return tf.reshape(clipped, gradient.shape)

    def _judged(self, rows, counted, learned):
        inputs = self.copies.rows.held_out_inputs(rows, self.copies.kernel, learned)
        predictions, targets = self.copies.predictions(inputs), tf.gather(self.targets, rows)
        loss, metric = (
            tf.reduce_sum(measure(targets, predictions) * counted, 1) / tf.reduce_sum(counted, 1)
            for measure in (self.loss, self.head.metric)
        )
        return loss, metric, predictions


def _any_width(array):
    """The kind of (steps, replicas, width) or (steps, width) arrays, for all widths and steps."""
    return tf.TensorSpec([None, *array.shape[1:-1], None], array.dtype)
