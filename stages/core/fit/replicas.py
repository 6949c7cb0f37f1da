"""Train R copies of a Keras network at the same time, in one compiled program.

A *replica* is one training run: a seed, and a fold whose rows it never trains on. K folds, their repeats and the
seeds of a final fit are all replicas. A spread costs little more than a figure without one, because most of the
time of a small `model.fit` goes into starting batches and epochs, and that is done here once for all replicas.

How it works
- Every weight of the network becomes one variable that holds the values of all replicas. Keras'
  `stateless_call` is a pure function of (weights, state, inputs), so `tf.vectorized_map` runs it for all replicas
  in one call. Replicas share no weight, so the gradient of the *sum* of their losses is the gradient of each.
  A Keras optimizer works element by element and updates the stacked variables as they are.
- Rows come in *streams*. A stream is a shuffle of all rows, dealt from the folds in turn. A replica passes over
  the rows that it holds out and takes the others in order, `batch_size` at a time. So what a replica sees follows
  from its own seeds and folds, whichever replicas it runs beside.
- Dense rows are cheap to gather: replicas of any streams train together. Sparse rows (text) are dear to gather,
  so there the replicas of one stream train together: what they take in a step is mostly the same rows, because
  the stream is dealt from the folds, and each of these rows is gathered and multiplied once.
- Sparse rows are never made dense. The first Dense layer of all replicas is one sparse product, (batch, words)
  times (words, replicas x units), and its gradient is the transposed product.
- Many replicas are cut into slices that run one after the other through the same compiled program: sparse rows
  by stream, dense rows up to `SLICE` replicas at a time. This bounds the memory, and the same slice gives the same
  bytes each time, in this process or on a worker of a cluster (`cluster.py`).
"""

import math
import random
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from itertools import groupby

import numpy as np
import scipy.sparse as sp
from tqdm import tqdm

from stages.core.fit import cluster
from stages.core.run import memory
from stages.core.run.lean_keras import keras
from stages.core.run.lean_keras import tensorflow as tf

SLICE = 64  # replicas that train at the same time, at most
CHUNK = 4096  # rows that are predicted at the same time, at most
REMEDY = "a lower learning_rate is the usual remedy"
_ONE = threading.Lock()  # a worker of a cluster may have several threads


class Diverged(FloatingPointError):
    """The loss or a weight of a replica is no longer a number."""


@dataclass(frozen=True)
class Replica:
    """One training run.

    seed: initial weights and dropout masks.
    order: the shuffles, one an epoch; replicas with the same order and folds read the same stream.
    folds: (rows,) integers, the fold of each row; -1 for rows that no replica holds out.
    held_out: the fold that this replica never trains on; a fold that has no rows, to train on all.
    """

    seed: int
    order: int
    folds: np.ndarray
    held_out: int

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """Numbers of the rows that this replica never trains on, ascending."""
        return np.flatnonzero(self.folds == self.held_out)

    def epoch_shape(self, batch_size: int) -> tuple[int, int]:
        """Batches in an epoch, and rows in the largest: the same for every fold of the partition.

        Where folds differ by a row or two, the largest fold decides on the number of batches, and the last batch of
        the others may hold a row or two more than `batch_size`. A replica that had to wait a step while others
        train would need optimizer state of its own; one whose batches had another width, other dropout masks.
        """
        sizes = (
            np.bincount(self.folds[self.folds >= 0])
            if (self.folds >= 0).any()
            else np.zeros(1, int)
        )
        fewest, most = len(self.folds) - int(sizes.max()), len(self.folds) - int(sizes.min())
        steps = max(1, -(-fewest // batch_size))
        return steps, min(most, max(batch_size, most - (steps - 1) * batch_size))


@dataclass(frozen=True)
class Fitted:
    """One replica after training.

    weights: arrays in the order of `model.get_weights()`.
    mean, factor: (features,) float32, what the scaler gave for its training rows; None for 0 and for 1.
    history: (epochs,) float32 arrays under "loss", "metric" and, where rows are held out, "val_loss" and
        "val_metric": means over rows. The training figures are those of the batches as they were trained on, as
        in Keras. No loss contains the L1 or L2 penalty or weights of rows, so networks with and without compare.
    held_out: (held-out rows, outputs) float32, predictions after the last epoch, in the order of the rows.
    """

    weights: list[np.ndarray]
    mean: np.ndarray | None
    factor: np.ndarray | None
    history: dict[str, np.ndarray]
    held_out: np.ndarray


def fit(
    model,
    metric,
    rows,
    targets,
    replicas: Sequence[Replica],
    epochs,
    batch_size,
    title="",
    scaler=None,
    balance=None,
):
    """Train each replica from initial weights of its own; yield a `Fitted` for each, in their order.

    model: compiled Keras model: the network, its loss (by name) and its optimizer; itself left as it is.
    metric: function (targets, predictions) -> one figure a row, as in `keras.metrics`.
    rows: (n, ...) array, or (n, words) CSR matrix for a network that begins with a Dense layer.
    targets: (n, outputs) float32, or (n,) integers for sparse_categorical_crossentropy.
    title: what the progress bar says; there is no bar where the output is no terminal.
    scaler: function (numbers of the rows that a replica trains on) -> (mean, factor), each (features,) float32; its
        network sees (rows - mean) * factor. mean None is 0, and must be for sparse rows.
    balance: function (numbers of the rows that a replica trains on) -> (n,) float32, the weight of each row's loss.

    Raises Diverged, naming the replica and the epoch, when a loss or a weight is not finite, and MemoryError, before
    any training, when a slice of replicas is sure not to fit into memory.
    """
    slices = _slices(replicas, batch_size, by_stream=sp.issparse(rows))
    longest = max(len(replica.held_out_rows) for replica in replicas)
    trainer = _Trainer(model, metric, rows, targets, epochs, batch_size, scaler, balance, longest)
    if cluster.is_named():
        for fitted in cluster.each(_Trainer.train, trainer, slices, title):
            yield from fitted
        return
    with tqdm(
        total=len(slices) * epochs, desc=title, unit="epoch", disable=None, leave=False
    ) as bar:
        for members in slices:
            yield from trainer.train(members, bar)


def predict(model, fitted: Sequence[Fitted], rows) -> np.ndarray:
    """Predictions of each replica for all rows: (replicas, n, outputs) float32. Raises Diverged."""
    program = _Program(model, rows, len(fitted))
    program.restore(fitted)
    numbers = np.arange(rows.shape[0], dtype="int32")
    chunks = [
        program.predict(numbers[start : start + CHUNK]) for start in range(0, len(numbers), CHUNK)
    ]
    predictions = np.concatenate(chunks, axis=1)
    for number in np.flatnonzero(~np.isfinite(predictions).all(axis=(1, 2))):
        raise Diverged(
            f"replica {number} of {len(fitted)} predicts what is no number after its last epoch; {REMEDY}"
        )
    return predictions


def seed_of(seed: int, *purpose) -> int:
    """A seed for one purpose, such as ("kfold", repeat, fold): below 2**32, independent of those for others."""
    words = [zlib.crc32(str(word).encode()) for word in purpose]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])


def _slices(replicas, batch_size, by_stream):
    """Cut into lists that train at the same time: of equal epochs and, for sparse rows, of one stream."""

    def key(replica):
        return replica.epoch_shape(batch_size), by_stream and (
            replica.order,
            replica.folds.tobytes(),
        )

    groups = [list(members) for _, members in groupby(replicas, key)]
    return [
        list(part) for group in groups for part in np.array_split(group, -(-len(group) // SLICE))
    ]


def _stream(replica, epoch):
    """All row numbers in the order of this epoch: (n,), shuffled, then dealt from the folds in proportion."""
    shuffle = np.random.default_rng([replica.order, epoch]).permutation(len(replica.folds))
    folds = replica.folds[shuffle] + 1
    by_fold = np.argsort(folds, kind="stable")
    place = np.concatenate([(np.arange(size) + 0.5) / size for size in np.bincount(folds) if size])
    return shuffle[by_fold[np.argsort(place, kind="stable")]]


def _ahead(make, count):
    """make(0) to make(count - 1), each made while its predecessor is in use."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, 0)
        for number in range(1, count + 1):
            ready = coming.result()
            if number < count:
                coming = pool.submit(make, number)
            yield ready


def _batches(members, batch_size, sparse, epoch):
    """The batches of one epoch: four arrays, (steps, members, width) but for the third.

    rows: int32, which rows. taken: float32, 1 where the member trains on the row and 0 where the place is empty: each
    member exactly once on each row that it does not hold out, `batch_size` of them in a step but the last. gathered
    and place: for sparse rows as `_union` gives them, otherwise both are `rows`.
    """
    steps, width = members[0].epoch_shape(batch_size)
    place = np.arange(steps)[:, None] * batch_size + np.arange(
        width
    )  # among the rows that a member takes
    inside = (np.arange(width) < batch_size) | (np.arange(steps) == steps - 1)[:, None]
    streams, rows, taken = {}, [], []
    for member in members:
        key = member.order, id(member.folds)
        if key not in streams:
            streams[key] = _stream(member, epoch)
        own = streams[key][member.folds[streams[key]] != member.held_out]
        rows.append(own[np.minimum(place, len(own) - 1)])
        taken.append(inside & (place < len(own)))
    rows, taken = np.stack(rows, axis=1).astype("int32"), np.stack(taken, axis=1).astype("float32")
    return rows, taken, *(_union(rows) if sparse else (rows, rows))


def _union(rows):
    """The different rows of each step, and where each replica's are among them.

    rows: (steps, members, width). Returns (steps, different rows), padded, and (steps, members, width), both int32.
    """
    pairs = [np.unique(step, return_inverse=True) for step in rows]
    most = max(len(different) for different, _ in pairs)
    most = (
        -(-most // 16) * 16
    )  # rounded up, so that epochs have the same shape and share one compiled program
    union = np.stack(
        [np.pad(different, (0, most - len(different)), mode="edge") for different, _ in pairs]
    )
    return union.astype("int32"), np.stack(
        [place.reshape(rows.shape[1:]) for _, place in pairs]
    ).astype("int32")


def _stop_if_diverged(figures, epoch, members):
    """Raise Diverged for the first replica whose loss, or held-out loss, is not a number any more."""
    for name in figures.keys() & {"loss", "val_loss"}:
        for number in np.flatnonzero(~np.isfinite(figures[name])):
            _diverged(
                members[number], f"its {name} is {figures[name][number]} in epoch {epoch + 1}"
            )


def _diverged(member, what):
    fold = f", fold {member.held_out}" if len(member.held_out_rows) else ""
    raise Diverged(f"the replica with seed {member.seed}{fold}: {what}; {REMEDY}")


def _stop_if_too_large(model, members, batch, longest, sparse):
    """Raise MemoryError where the system would end the process in the middle of its work, without a word."""
    needed, free = _least_bytes(model, len(members), batch, longest, sparse), memory.free()
    if needed > free:
        networks = f"{len(members)} networks of {model.count_params():,} parameters at a time"
        raise MemoryError(
            f"{networks} need at least {needed / 2**30:,.1f} GiB with batches of {batch:,} rows and {longest:,} rows "
            f"held out, and {max(free, 0) / 2**30:,.1f} GiB are free"
        )


def _least_bytes(model, count, batch, longest, sparse):
    """Bytes that `count` replicas take for sure: of values that are there at the same time.

    These are the weights, and beside them either their gradients and new weights; or a batch and what each layer with
    weights makes of it, from which gradients are computed; or what one of them makes of all held-out rows.
    """
    weights = model.count_params()
    inputs = 0 if sparse else math.prod(model.input_shape[1:])
    outputs = [math.prod(layer.output.shape[1:]) for layer in model.layers if layer.weights]
    beside = max(2 * weights, batch * (inputs + sum(outputs)), longest * max(inputs, *outputs))
    return count * (weights + beside) * np.dtype("float32").itemsize


def _initial(model, seed):
    """New values for all variables of the model, as `keras.utils.set_random_seed(seed)` and a new build give them.

    Keras draws the seeds of initializers and of dropout from Python's `random`, which all threads of a process share;
    here they are drawn in the same order from a generator of their own. Building the layers alone saves most of the
    time of a new model.
    """
    draw, values = partial(random.Random(seed).randint, 1, 10**9), {}
    for layer in model.layers:
        fresh = type(layer).from_config(_seeded(layer.get_config(), draw))
        if layer.variables:
            fresh.build_from_config(layer.get_build_config())
        values.update(
            {
                id(old): new.numpy()
                for old, new in zip(layer.variables, fresh.variables, strict=True)
            }
        )
    return values


def _seeded(config, draw):
    """A layer's config with a seed wherever nobody chose one."""
    if not isinstance(config, dict):
        return config
    return {
        key: draw() if key == "seed" and value is None else _seeded(value, draw)
        for key, value in config.items()
    }


@dataclass
class _Trainer:
    """What the slices of a fit share, and a way to train one: arguments of `fit`, and the most rows held out.

    On a cluster each worker gets one of its own.
    """

    model: keras.Model
    metric: Callable
    rows: np.ndarray | sp.csr_matrix
    targets: np.ndarray
    epochs: int
    batch_size: int
    scaler: Callable | None
    balance: Callable | None
    longest: int

    def __post_init__(self):
        self.program = None  # of the last slice: those of the same size share what is compiled

    def __getstate__(self):
        return vars(self) | {
            "program": None,
            "model": keras.saving.serialize_keras_object(self.model),
        }

    def __setstate__(self, state):
        vars(self).update(state, model=keras.saving.deserialize_keras_object(state["model"]))

    def train(self, members, bar=None) -> list[Fitted]:
        """Train the replicas of one slice, one slice at a time in a process."""
        with _ONE:
            if self.program is None or self.program.count != len(members):
                _, batch = members[0].epoch_shape(self.batch_size)
                _stop_if_too_large(self.model, members, batch, self.longest, sp.issparse(self.rows))
                self.program = _Program(
                    self.model, self.rows, len(members), self.metric, self.targets
                )
            self.program.start(members, self.longest, self.scaler, self.balance)
            history = []
            batches = partial(_batches, members, self.batch_size, sp.issparse(self.rows))
            for epoch, own in enumerate(_ahead(batches, self.epochs)):
                history.append(self.program.epoch(*own))
                _stop_if_diverged(history[-1], epoch, members)
                if bar is not None:
                    bar.set_postfix(loss=f"{history[-1]['loss'].mean():.4f}", refresh=False)
                    bar.update()
            return self.program.finish(members, history)


class _SparseRows:
    """A CSR matrix from which TensorFlow takes rows: batch(rows) -> a sparse (rows, words) matrix."""

    def __init__(self, matrix):
        matrix = sp.csr_matrix(matrix)
        matrix.sum_duplicates()  # TensorFlow takes each row's words in ascending order, each once
        place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
        shift = np.zeros((matrix.nnz, 2), "int64")  # from (row, place in the row) to (row, word)
        shift[:, 1] = matrix.indices - place
        self.words = matrix.shape[1]
        self.splits, self.shift = tf.constant(matrix.indptr.astype("int64")), tf.constant(shift)
        self.values = (
            None if (matrix.data == 1).all() else tf.constant(matrix.data.astype("float32"))
        )

    def _gather(self, values, rows):
        return tf.raw_ops.RaggedGather(
            params_nested_splits=[self.splits],
            params_dense_values=values,
            indices=rows,
            OUTPUT_RAGGED_RANK=1,
        )

    def batch(self, rows):
        (splits,), shift = self._gather(self.shift, rows)
        values = (
            tf.ones(tf.shape(shift)[:1])
            if self.values is None
            else self._gather(self.values, rows)[1]
        )
        ragged = tf.raw_ops.RaggedTensorToSparse(rt_nested_splits=[splits], rt_dense_values=values)
        return tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=ragged.sparse_indices + shift,
            values=values,
            dense_shape=tf.stack([tf.size(rows, tf.int64), self.words]),
        )


def _product(sparse, kernel):
    """Sparse (rows, words) times kernel (words, columns), with the transposed product as its gradient."""

    @tf.custom_gradient
    def multiply(kernel):
        def gradient(upstream):
            transposed = tf.raw_ops.SparseMatrixTranspose(input=sparse, type=tf.float32)
            return tf.raw_ops.SparseMatrixMatMul(a=transposed, b=upstream)

        return tf.raw_ops.SparseMatrixMatMul(a=sparse, b=kernel), gradient

    return multiply(kernel)


class _Program:
    """`count` replicas of a model as one: the variables of all of them, and compiled functions that use them."""

    def __init__(self, model, rows, count, metric=None, targets=None):
        self.model, self.count, self.metric, self.sparse = model, count, metric, sp.issparse(rows)
        self.rows = _SparseRows(rows) if self.sparse else tf.constant(rows)
        # For sparse rows the network is cut behind its first Dense layer, which becomes the sparse product.
        self.first = (
            next(layer for layer in model.layers if layer.variables) if self.sparse else None
        )
        self.upper = self._behind_first() if self.sparse else model
        self.stacks = {
            id(v): self._stack(v) for v in model.trainable_variables + model.non_trainable_variables
        }
        self.trainable = [self.stacks[id(v)] for v in model.trainable_variables]
        self.state = [self.stacks[id(v)] for v in model.non_trainable_variables]
        self.place = {id(v): number for number, v in enumerate(model.trainable_variables)}
        if targets is not None:
            self.targets = tf.constant(targets)
            self.loss = keras.losses.get(model.loss)
            self.optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
            self.optimizer.build(self.trainable)
            self.optimizer_start = [v.numpy() for v in self.optimizer.variables]

    def _behind_first(self):
        identity = keras.layers.Identity()  # for a network whose first layer is its last
        if not isinstance(self.model, keras.Sequential):
            return keras.Model(self.first.output, identity(self.model.outputs[0]))
        hidden = keras.Input((self.first.units,))  # its layers may have outputs of earlier calls
        layers = self.model.layers[self.model.layers.index(self.first) + 1 :]
        return keras.Model(
            hidden, reduce(lambda tensor, layer: layer(tensor), layers, identity(hidden))
        )

    # XLA makes small dense networks faster, but one replica alone many times slower, and the sparse product slower;
    # recurrent layers and stacked convolutions fail under it. There, only the optimizer's update is compiled.
    @cached_property
    def _xla(self):
        dense = all(
            isinstance(layer, keras.layers.Dense) for layer in self.model.layers if layer.variables
        )
        return dense and not self.sparse and self.count > 1

    def _wide(self, variable):
        return self.sparse and variable is self.first.kernel

    def _stack(self, variable):
        """A variable for all replicas: (replicas, ...), or (words, replicas x units) for the sparse product."""
        shape = tuple(variable.shape)
        shape = (shape[0], self.count * shape[1]) if self._wide(variable) else (self.count, *shape)
        return keras.Variable(np.zeros(shape), dtype=variable.dtype, trainable=variable.trainable)

    def _assign(self, variable, values):
        self.stacks[id(variable)].assign(
            np.concatenate(values, 1) if self._wide(variable) else np.stack(values)
        )

    def _values(self, variable):
        stacked = self.stacks[id(variable)].numpy()
        return np.split(stacked, self.count, axis=1) if self._wide(variable) else list(stacked)

    def start(self, members, longest, scaler, balance):
        """Give each member its initial weights, what it learns of its training rows, and its held-out rows."""
        initial = [_initial(self.model, member.seed) for member in members]
        for variable in self.model.trainable_variables + self.model.non_trainable_variables:
            self._assign(variable, [values[id(variable)] for values in initial])
        for variable, value in zip(self.optimizer.variables, self.optimizer_start, strict=True):
            variable.assign(value)
        training = [np.flatnonzero(member.folds != member.held_out) for member in members]
        self._scale([scaler(own) if scaler else (None, None) for own in training])
        self.balance = balance and np.stack([balance(own) for own in training])
        held_out = [
            np.resize(member.held_out_rows, longest) if longest else [] for member in members
        ]
        self.held_out = np.stack(held_out).astype("int32")
        self.held_out_predictions = np.empty(
            (self.count, 0, *self.model.output_shape[1:]), "float32"
        )
        counts = np.array([len(member.held_out_rows) for member in members])
        self.counted = (np.arange(longest) < counts[:, None]).astype("float32")

    def restore(self, fitted):
        """Give each replica the weights and the scaler of a fitted one."""
        for variable, *values in zip(self.model.weights, *(f.weights for f in fitted), strict=True):
            self._assign(variable, values)
        self._scale([(one.mean, one.factor) for one in fitted])

    def _scale(self, scalers):
        """Keep each replica's mean and factor, and stack them: None, or means (replicas, features) and factors.

        For the sparse product the factors have the shape of the kernels: words are weighted there, not in the rows.
        """
        self.scalers, (means, factors) = scalers, zip(*scalers, strict=True)
        if factors[0] is None:
            self.scaler = None
        elif self.sparse:
            self.scaler = (
                None,
                tf.constant(np.repeat(np.stack(factors, axis=1), self.first.units, axis=1)),
            )
        else:
            self.scaler = np.stack(means), np.stack(factors)

    def finish(self, members, history):
        """What each member became: a list of Fitted."""
        weights = [self._values(variable) for variable in self.model.weights]
        held_out, fitted = self.held_out_predictions, []
        for number, member in enumerate(members):
            own = [values[number] for values in weights]
            if not all(np.isfinite(values).all() for values in own):
                _diverged(member, f"its weights are no numbers any more after epoch {len(history)}")
            one = Fitted(
                weights=own,
                mean=self.scalers[number][0],
                factor=self.scalers[number][1],
                history={
                    name: np.array([epoch[name][number] for epoch in history])
                    for name in history[0]
                },
                held_out=held_out[number, : len(member.held_out_rows)],
            )
            fitted.append(one)
        return fitted

    def epoch(self, rows, taken, gathered, place):
        """Train on one epoch's batches; returns the figures of the epoch: {"loss": (replicas,) float32, ...}."""
        share = taken / taken.sum(axis=2, keepdims=True)
        if self.balance is not None:
            share *= self.balance[np.arange(self.count)[:, None], rows]
        sums = self._train(*map(tf.constant, (rows, gathered, place, taken, share)), self.scaler)
        loss, metric = sums.numpy() / taken.sum(axis=(0, 2))
        figures = {"loss": loss, "metric": metric}
        if self.held_out.size:
            judged, predictions = self._judge(self.held_out, self.counted, self.scaler)
            self.held_out_predictions = predictions.numpy()
            figures |= {name: value.numpy() for name, value in judged.items()}
        return figures

    def predict(self, rows):
        """Predictions of all replicas for the rows with these numbers: (replicas, rows, outputs)."""
        return self._predict(tf.constant(rows), self.scaler).numpy()

    @cached_property
    def _train(self):
        return tf.function(self._train_epoch, jit_compile=self._xla, autograph=False)

    # Not under XLA: it runs once an epoch, and compiling it took longer than it saved.
    @cached_property
    def _judge(self):
        return tf.function(self._judge_held_out, autograph=False)

    @cached_property
    def _predict(self):
        return tf.function(self._predict_rows, autograph=False)

    @cached_property
    def _update(self):
        return tf.function(self._apply, jit_compile=True, autograph=False)

    def _apply(self, gradients):
        self.optimizer.apply(gradients, self.trainable)

    def _train_epoch(self, rows, gathered, place, taken, share, scaler):
        """Train on each step's rows in turn; returns the sums of loss and metric over an epoch: (2, replicas).

        taken: 1 where a row counts. share: of a row in the loss of its step.
        """

        def step(number, sums):
            targets = tf.gather(self.targets, rows[number])
            with tf.GradientTape() as tape:
                weights = _read(self.trainable)
                tape.watch(weights)
                inputs = self._inputs(gathered[number], place[number], weights, scaler)
                predictions, state = self._call(weights, _read(self.state), inputs, training=True)
                loss = self.loss(targets, predictions)  # (replicas, width)
                total = tf.reduce_sum(loss * share[number]) + self._penalty(weights)
            gradients = tape.gradient(total, weights)
            self._update([tf.convert_to_tensor(gradient) for gradient in gradients])
            for variable, value in zip(self.state, state, strict=True):
                variable.assign(value)
            figures = tf.stack([loss, self.metric(targets, predictions)])
            return number + 1, sums + tf.reduce_sum(figures * taken[number], 2)

        start = 0, tf.zeros((2, self.count))
        return tf.while_loop(lambda number, _: number < tf.shape(rows)[0], step, start)[1]

    def _judge_held_out(self, rows, counted, scaler):
        predictions = self._predict_held_out(rows, scaler)
        targets = tf.gather(self.targets, rows)
        loss, metric = (
            tf.reduce_sum(figure(targets, predictions) * counted, 1) / tf.reduce_sum(counted, 1)
            for figure in (self.loss, self.metric)
        )
        return {"val_loss": loss, "val_metric": metric}, predictions

    def _inputs(self, gathered, place, weights, scaler):
        """What enters `upper` for each replica's rows of a batch: (replicas, width, ...).

        gathered: row numbers, for sparse rows (different rows,) with each replica's at `place`, otherwise
        (replicas or 1, width).
        """
        if not self.sparse:
            return _scaled(tf.gather(self.rows, gathered), scaler)
        columns = _product(self.rows.batch(gathered), self._wide_kernel(weights, scaler))
        columns = tf.reshape(columns, (-1, self.count, self.first.units))
        hidden = tf.gather(tf.transpose(columns, (1, 0, 2)), place, batch_dims=1)
        return self._first_layer(hidden, weights)

    def _wide_kernel(self, weights, scaler):
        """The first kernels of all replicas, each word by its factor: (words, replicas x units)."""
        kernel = weights[self.place[id(self.first.kernel)]]
        return kernel if scaler is None else kernel * scaler[1]

    def _first_layer(self, hidden, weights):
        """Bias and activation of the first Dense layer, after its product: (replicas, width, units)."""
        if self.first.use_bias:
            hidden += weights[self.place[id(self.first.bias)]][:, None]
        return self.first.activation(hidden)

    def _call(self, weights, state, inputs, training):
        """Run all replicas: predictions (replicas, width, outputs) and new state."""
        own = [weights[self.place[id(variable)]] for variable in self.upper.trainable_variables]

        def one(replica):
            output, state = self.upper.stateless_call(*replica, training=training)
            return output, list(state)

        return tf.vectorized_map(one, (own, state, inputs), fallback_to_while_loop=True)

    def _penalty(self, weights):
        """L1 and L2 penalties of all replicas: a sum over weights, so the stacked ones will do."""
        pairs = zip(self.model.trainable_variables, weights, strict=True)
        return sum(
            (own.regularizer(stacked) for own, stacked in pairs if own.regularizer), tf.zeros(())
        )

    def _predict_held_out(self, rows, scaler):
        """Each replica's predictions for the rows that it holds out: (replicas, longest, outputs)."""
        weights = _read(self.trainable)
        if self.sparse:
            kernels = tf.split(self._wide_kernel(weights, scaler), self.count, axis=1)
            hidden = [
                _product(self.rows.batch(own), kernel)
                for own, kernel in zip(tf.unstack(rows), kernels, strict=True)
            ]
            inputs = tf.ensure_shape(tf.stack(hidden), (self.count, None, self.first.units))
            inputs = self._first_layer(inputs, weights)
        else:
            inputs = _scaled(tf.gather(self.rows, rows), scaler)
        return self._call(weights, _read(self.state), inputs, training=False)[0]

    def _predict_rows(self, rows, scaler):
        weights = _read(self.trainable)
        everywhere = tf.broadcast_to(tf.range(tf.size(rows)), (self.count, tf.size(rows)))
        inputs = self._inputs(
            rows if self.sparse else tf.gather(rows, everywhere), everywhere, weights, scaler
        )
        return self._call(weights, _read(self.state), inputs, training=False)[0]


def _read(variables):
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def _scaled(inputs, scaler):
    """Inputs (replicas or 1, width, features), each replica's by its own mean and factor."""
    return inputs if scaler is None else (inputs - scaler[0][:, None]) * scaler[1][:, None]
