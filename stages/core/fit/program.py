"""The compiled program: a step that trains all replicas, and judging them.

A step has two parts. The loss is a function of a replica's weights and of its rows, mapped over all
replicas (`copies`); the gradients follow. The optimizer's update is elementwise work, whatever the
network: one optimizer updates the weights of all replicas, which lie side by side, compiled by XLA.
The steps of an epoch are a loop, which XLA compiles as a whole where a network is made of
elementwise parts and its rows are dense.
"""

from functools import partial

import numpy as np

from stages.core.fit import constructs, numbers
from stages.core.fit.copies import Copies
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf


def pads(network) -> bool:
    """Whether batches of a network may have empty places: it is known to look at rows alone."""
    return constructs.is_elementwise(network) and not constructs.looks_across_rows(network)


class Program:
    """The training of `count` replicas; what is compiled serves the slices of this size."""

    def __init__(self, problem, count, steps, present):
        """steps: of the whole fit, on which a schedule of the learning rate depends.

        present: (numbers,) bool, which of `problem.numbers` is not 0 for some replica.
        """
        model = problem.model
        self.copies = copies = Copies(model, problem.rows, count)
        self.padded = pads(model)
        self.targets, self.head = tf.constant(problem.targets), problem.blueprint.head
        self.loss = keras.losses.get(self.head.loss)
        self.blueprint, self.steps = problem.blueprint, steps
        self.optimizer = self.blueprint.new_optimizer(steps)
        keys = numbers.keys(self.blueprint, model)
        self.present = np.flatnonzero(present)
        own = [keys[number] for number in self.present]
        self.names = [key for key in own if isinstance(key, str)]
        self.places = own[len(self.names) :]
        self.zeros = {key: 0.0 for key in keys if not isinstance(key, str)}
        # (numbers that are present, replicas): those with names, then those of layers by place.
        self.values = tf.Variable(np.zeros((len(self.present), count)))
        self.optimizer.build([copies.stacks[id(variable)] for variable in copies.trained])
        self.fresh = [variable.numpy() for variable in self.optimizer.variables]
        self.xla = copies.elementwise and copies.kernel is None
        self.any_steps = self.blueprint.schedule == "constant"
        self._train = tf.function(self._steps, jit_compile=self.xla, autograph=False)
        self._traced = None
        self._update = tf.function(self._updated, jit_compile=True, autograph=False)
        # Not under XLA: it runs once an epoch, and compiling it took longer than it saved.
        self._judge = tf.function(self._judged, autograph=False)

    def serves(self, count, steps) -> bool:
        """Whether so many replicas can train with it, for so many steps in the whole fit."""
        return count == self.copies.count and (self.any_steps or steps == self.steps)

    def start(self, initial, numbers):
        """Begin anew. initial: for each replica its values in the order of `model.variables`.

        numbers: for each replica its values in the order of `problem.numbers`.
        """
        self.values.assign(np.transpose(numbers)[self.present])
        self.copies.assign(self.copies.model.variables, initial)
        for variable, value in zip(self.optimizer.variables, self.fresh, strict=True):
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
        arguments = self.copies.rows.held_out(rows), rows, counted, learned
        loss, metric, predictions = (value.numpy() for value in self._judge(*arguments))
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
            kernel = None if copies.kernel is None else tf.convert_to_tensor(copies.kernel)
            now = [array[number] for array in batch]
            inputs, pull = copies.rows.inputs(now, kernel, learned)
            gradients, upstream, measured = self._gradients(
                inputs, targets, share[number], learned.target
            )
            if kernel is not None:
                gradients.append(pull(upstream))
            self._update(gradients)
            return number + 1, sums + tf.reduce_sum(measured * taken[number], 2)

        start = 0, tf.zeros((2, copies.count))
        return tf.while_loop(lambda number, _: number < tf.shape(rows)[0], step, start)[1]

    def _gradients(self, inputs, targets, share, target):
        """Of the weights and, where they come of sparse rows, of the inputs; and measurements.

        The last are (2, replicas, width): loss and metric. The state of layers is new afterwards.
        """
        copies, wanted = self.copies, self.copies.kernel is not None

        def forward(copy):
            weights, state, inputs, targets, share, target, values, smoothing = copy
            values = self.zeros | dict(zip(self.places, values, strict=True))
            predictions, state, penalty = copies.call(weights, state, inputs, True, values)
            seen = target.seen(targets) if target else targets
            if smoothing:
                seen = _smoothed(targets, *smoothing)
            loss = self.loss(seen, predictions)  # (width,)
            total = tf.reduce_sum(loss * share) + penalty
            if target:
                predictions = target.told(predictions)
                loss = self.loss(targets, predictions)
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
        smoothing = [each for name, each in self._named().items() if name == "label_smoothing"]
        arguments = *stacks, inputs, targets, share, target, self._of_layers(), smoothing
        if copies.vectorized and not self.xla:
            # The gradient of a loop over time does not vectorize. Replicas share no weight, so that
            # of the sum of their losses is that of each. XLA makes that of each alone much faster.
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

    def _updated(self, gradients):
        """A step of the optimizer. gradients: those of all replicas, in the order of `trained`."""
        copies = self.copies
        own = self._named()
        initial = tf.cast(own["learning_rate"], tf.float32)
        own["learning_rate"] = self.blueprint.rates(initial, self.steps, self.optimizer.iterations)
        for weight, gradient in zip(copies.trained, gradients, strict=True):
            stack = copies.stacks[id(weight)].value
            if weight is copies.rows.kernel:
                gradient = self._penalized(gradient, stack)
            shaped = {name: copies.shaped(each, weight) for name, each in own.items()}
            if "clipnorm" in own:
                gradient = copies.within(_clipped, weight, gradient, own["clipnorm"])
            if "weight_decay" in own:
                decay = tf.cast(shaped["weight_decay"], tf.float32)
                stack.assign_sub(stack * decay * shaped["learning_rate"])
            if "momentum" in own:
                numbers.give_momentum(self.optimizer, shaped["momentum"])
            self.optimizer.update_step(gradient, stack, shaped["learning_rate"])
            if weight.constraint is not None:
                values = tf.convert_to_tensor(stack)
                stack.assign(copies.within(weight.constraint, weight, values, mapped=tf.map_fn))
        self.optimizer.iterations.assign_add(1)

    def _penalized(self, gradient, stack):
        """The gradient of the kernel of sparse rows with that of its penalties, which no copy sees.

        Made where XLA makes one pass over the kernel of this and of the optimizer's work.
        """
        kernel = tf.convert_to_tensor(stack)
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            penalty = self.copies.rows.penalty(kernel, self._factors())
        decay = tape.gradient(penalty, kernel)
        return gradient if decay is None else gradient + decay

    def _named(self):
        """The numbers of the optimizer and the loss by name: (replicas,) each."""
        return dict(zip(self.names, tf.unstack(self.values), strict=False))

    def _of_layers(self):
        """The numbers of layers by place: (replicas,) each."""
        return tf.unstack(self.values)[len(self.names) :]

    def _factors(self):
        """Those of the regularizer of the stacked kernel by name, for each of its columns."""
        copies, kernel = self.copies, self.copies.rows.kernel
        return {
            name: tf.cast(copies.shaped(values, kernel), tf.float32)
            for (owner, name), values in zip(self.places, self._of_layers(), strict=True)
            if kernel is not None and owner is kernel.regularizer
        }

    def _judged(self, held_out, rows, counted, learned):
        inputs = self.copies.rows.held_out_inputs(held_out, self.copies.kernel, learned)
        predictions = self.copies.predictions(inputs, learned.target)
        targets = tf.gather(self.targets, rows)
        loss, metric = (
            tf.reduce_sum(measure(targets, predictions) * counted, 1) / tf.reduce_sum(counted, 1)
            for measure in (self.loss, self.head.metric)
        )
        return loss, metric, predictions


def _smoothed(targets, share):
    """Targets of classes, (rows, outputs), as Keras' losses smooth them."""
    share = tf.cast(share, targets.dtype)
    return targets * (1.0 - share) + share / max(2, targets.shape[-1])


def _clipped(value):
    gradient, longest = value
    return tf.clip_by_norm(gradient, tf.cast(longest, tf.float32))


def _any_width(array):
    """The kind of (steps, replicas, width) or (steps, width) arrays, for all widths and steps."""
    return tf.TensorSpec([None, *array.shape[1:-1], None], array.dtype)
