"""Train R copies of a Keras network at the same time, in one compiled program.

A *replica* is one training run: a seed, and a fold whose rows it never trains on. K folds, their repeats and the
seeds of a final fit are all replicas. A spread costs little more than a single value, because most of the time of a
small `model.fit` goes into starting batches and epochs, and that is done here once for all replicas.

How it works
- `streams`: every replica reads its rows from a shuffle of all rows, in an order that depends on nothing but itself.
- `learned`: what a replica learns of its training rows before it trains, such as their mean and deviation.
- `program`: each weight becomes one variable with the values of all replicas; a step trains all of them.
- `sparse`: rows of text are never made dense; the first layer of all replicas is one sparse product.
- Here: many replicas are cut into slices that run one after the other through the same compiled program, sparse rows
  by stream, dense rows up to `SLICE` replicas at a time. This bounds the memory, and the same slice gives the same
  bytes each time, in this process or on a worker of a cluster (`cluster`).
"""

import math
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np
import scipy.sparse as sp
from tqdm import tqdm

from stages.core.fit import cluster, networks, streams
from stages.core.fit.learned import Learned
from stages.core.fit.program import Copies, Program, kind_of
from stages.core.run import memory
from stages.core.run.lean_keras import keras

SLICE = 64  # replicas that train at the same time, at most
CHUNK = 4096  # rows that are predicted at the same time, at most
REMEDY = "a lower learning_rate is the usual remedy"
_ALONE = threading.Lock()  # a worker of a cluster may have several threads


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

    @cached_property
    def training_rows(self) -> np.ndarray:
        """Numbers of the others."""
        return np.flatnonzero(self.folds != self.held_out)


@dataclass(frozen=True)
class Fitted:
    """One replica after training.

    weights: arrays in the order of `model.get_weights()`.
    learned: of its training rows; its network sees (rows - mean) * factor.
    history: (epochs,) float32 arrays under "loss", "metric" and, where rows are held out, "val_loss" and
        "val_metric": means over rows. Those of the training are of the batches as they were trained on, as
        in Keras. No loss contains the L1 or L2 penalty or weights of rows, so networks with and without compare.
    held_out: (held-out rows, outputs) float32, predictions after the last epoch, in the order of the rows.
    """

    weights: list[np.ndarray]
    learned: Learned
    history: dict[str, np.ndarray]
    held_out: np.ndarray


def seed_of(seed: int, *purpose) -> int:
    """A seed for one purpose, such as ("kfold", repeat, fold): below 2**32, independent of those for others."""
    words = [zlib.crc32(str(word).encode()) for word in purpose]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])


def fit(problem, replicas: Sequence[Replica], epochs: int, title="") -> Iterator[Fitted]:
    """Train each replica of a `problem.Problem` from its initial weights; yield a Fitted for each, in their order.

    title: what the progress bar says; there is no bar where the output is no terminal.

    Raises Diverged, naming the replica and the epoch, when a loss or a weight is not finite, and MemoryError, before
    any training, when a slice of replicas is sure not to fit into memory.
    """
    slices = _slices(replicas, problem.batch_size, kind_of(problem.rows).by_stream)
    trainer = _Trainer(problem, epochs, max(len(replica.held_out_rows) for replica in replicas))
    if cluster.is_named():
        for fitted in cluster.each(_Trainer.train, trainer, slices, title):
            yield from fitted
        return
    steps = len(slices) * epochs
    with tqdm(total=steps, desc=title, unit="epoch", disable=None, leave=False) as bar:
        for members in slices:
            yield from trainer.train(members, bar)


def predict(model, fitted: Sequence[Fitted], rows) -> np.ndarray:
    """Predictions of each replica for all rows: (replicas, n, outputs) float32. Raises Diverged."""
    copies, numbers = Copies(model, rows, len(fitted)), np.arange(rows.shape[0], dtype="int32")
    copies.assign(model.weights, [replica.weights for replica in fitted])
    learned = copies.rows.stack_learned([replica.learned for replica in fitted])
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    predictions = np.concatenate([copies.predict(chunk, learned) for chunk in chunks], axis=1)
    for number in np.flatnonzero(~np.isfinite(predictions).all(axis=(1, 2))):
        which = f"replica {number} of {len(fitted)}"
        raise Diverged(f"{which} predicts what is no number after its last epoch; {REMEDY}")
    return predictions


def _slices(replicas, batch_size, by_stream):
    """Cut into lists that train at the same time: of equal epochs and, for sparse rows, of one stream."""

    def key(replica):
        stream = (replica.order, replica.folds.tobytes()) if by_stream else ()
        return streams.shape(replica.folds, batch_size), stream

    groups = [list(members) for _, members in groupby(replicas, key)]
    parts = [np.array_split(group, -(-len(group) // SLICE)) for group in groups]
    return [list(part) for split in parts for part in split]


@dataclass
class _Trainer:
    """What the slices of a fit share, and a way to train one. On a cluster each worker gets a copy.

    longest: the most rows that a replica holds out. program: of the last slice; those of the same size share it.
    """

    problem: object
    epochs: int
    longest: int
    program: Program | None = None

    def __getstate__(self):
        model = keras.saving.serialize_keras_object(self.problem.model)
        return vars(self) | {"problem": replace(self.problem, model=model), "program": None}

    def __setstate__(self, state):
        model = keras.saving.deserialize_keras_object(state["problem"].model)
        vars(self).update(state, problem=replace(state["problem"], model=model))

    def train(self, members, bar=None) -> list[Fitted]:
        """Train the replicas of one slice, one slice at a time in a process."""
        with _ALONE:
            if self.program is None or self.program.copies.count != len(members):
                _stop_if_too_large(self.problem, members, self.longest)
                self.program = Program(self.problem, len(members))
            return _train(self.program, self.problem, members, self.epochs, self.longest, bar)


def _train(program, problem, members, epochs, longest, bar):
    """A Fitted for each member. The rows of an epoch are made while the program trains on those of the one before."""
    rows = program.copies.rows
    program.start([networks.initial(problem.model, member.seed) for member in members])
    learned = [problem.learned(member.training_rows) for member in members]
    stacked, row_weights = rows.stack_learned(learned), problem.row_weights(members)
    held_out, counted = _held_out(members, longest)
    predictions = np.empty((len(members), 0, *problem.model.output_shape[1:]), "float32")

    def made(epoch):
        chosen, taken = streams.batches(members, problem.batch_size, epoch)
        return chosen, taken, rows.batches(chosen)

    history = []
    for epoch, batches in enumerate(streams.ahead(made, epochs)):
        measured = program.epoch(*batches, stacked, row_weights)
        if longest:
            judged, predictions = program.judge(held_out, counted, stacked)
            measured |= judged
        _stop_if_diverged(measured, epoch, members)
        history.append(measured)
        if bar is not None:
            bar.set_postfix(loss=f"{measured['loss'].mean():.4f}", refresh=False)
            bar.update()

    fitted = []
    for number, (member, weights) in enumerate(zip(members, program.copies.weights(), strict=True)):
        if not all(np.isfinite(values).all() for values in weights):
            _diverged(member, f"its weights are no numbers any more after epoch {epochs}")
        curves = {name: np.array([each[name][number] for each in history]) for name in measured}
        own = predictions[number, : len(member.held_out_rows)]
        fitted.append(Fitted(weights, learned[number], curves, own))
    return fitted


def _held_out(members, longest):
    """Each member's held-out rows, repeated up to `longest`, and 1 where a row counts: both (members, longest)."""
    rows = [np.resize(member.held_out_rows, longest) for member in members]
    counts = np.array([len(member.held_out_rows) for member in members])
    return np.stack(rows).astype("int32"), (np.arange(longest) < counts[:, None]).astype("float32")


def _stop_if_diverged(measured, epoch, members):
    """Raise Diverged for the first replica whose loss, or held-out loss, is not a number any more."""
    for name in measured.keys() & {"loss", "val_loss"}:
        for number in np.flatnonzero(~np.isfinite(measured[name])):
            value = measured[name][number]
            _diverged(members[number], f"its {name} is {value} in epoch {epoch + 1}")


def _diverged(member, what):
    fold = f", fold {member.held_out}" if len(member.held_out_rows) else ""
    raise Diverged(f"the replica with seed {member.seed}{fold}: {what}; {REMEDY}")


def _stop_if_too_large(problem, members, longest):
    """Raise MemoryError where the system would end the process in the middle of its work, without a word.

    The least that the replicas take are values that are there at the same time: the weights, and beside them either
    their gradients and new weights; or a batch and what each layer with weights makes of it, from which gradients are
    computed; or what one of them makes of all held-out rows.
    """
    model, (_, batch) = problem.model, streams.shape(members[0].folds, problem.batch_size)
    weights = model.count_params()
    inputs = 0 if sp.issparse(problem.rows) else math.prod(model.input_shape[1:])
    outputs = [math.prod(layer.output.shape[1:]) for layer in model.layers if layer.weights]
    beside = max(2 * weights, batch * (inputs + sum(outputs)), longest * max(inputs, *outputs))
    needed = len(members) * (weights + beside) * np.dtype("float32").itemsize
    if needed > (free := memory.free()):
        raise MemoryError(
            f"{len(members)} networks of {weights:,} parameters at a time need at least {needed / 2**30:,.1f} GiB "
            f"with batches of {batch:,} rows and {longest:,} rows held out, and {max(free, 0) / 2**30:,.1f} GiB are free"
        )
