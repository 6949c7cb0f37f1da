"""Train R copies of a Keras network at the same time, in one compiled program.

A *replica* is one training run: a seed, and a fold whose rows it never trains on. K folds, their
repeats and the seeds of a final fit are all replicas. A spread costs little more than a single
value, because most of the time of a small `model.fit` goes into starting batches and epochs, and
that is done here once for all replicas.

How it works
- `streams`: each replica reads its rows from a shuffle that depends on nothing but itself.
- `learned`: what a replica learns of its training rows before it trains, such as their mean.
- `initial`: the weights that a replica starts from are those of a new network of its seed.
- `copies`: a weight becomes one variable with the values of all replicas.
- `constructs`: which networks train in one call, and what is refused.
- `program`: a step trains all replicas.
- `sparse`: text is never made dense; the first layer of all replicas is one sparse product.
- `slices`: many replicas are cut into slices that run one after the other through the same compiled
  program: sparse rows by stream, dense rows, which are cheap to gather, up to `SLICE` replicas of
  any streams. This bounds the memory, and the same slice gives the same bytes each time, in this
  process or on a worker of a cluster (`cluster`).
"""

import threading
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from tqdm import tqdm

from stages.core.fit import cluster, slices, streams
from stages.core.fit.copies import Copies
from stages.core.fit.learned import Learned
from stages.core.fit.program import Program, pads

CHUNK = 4096  # rows that are predicted at the same time, at most
REMEDY = "a lower learning_rate is the usual remedy"


class Stopped(Exception):
    """Somebody set `stop`."""


class Diverged(FloatingPointError):
    """The loss or a weight of a replica is no longer a number."""


@dataclass(frozen=True)
class Replica:
    """One training run.

    seed: initial weights and dropout masks.
    order: the shuffles, one an epoch; replicas with the same order and folds read the same stream.
    folds: (rows,) integers, the fold of each row; -1 for rows that no replica holds out.
    held_out: the fold that this replica never trains on; a fold without rows means: train on all.
    window: where it is above 0, folds are blocks of time, and this replica trains on the rows of so
        many folds just before `held_out`. It leaves out all others: they are not judged either.
    numbers: its values of what replicas may differ in, as of `numbers.of`; those of the problem
        where there are none.

    Raises ValueError where there are no such folds, or no rows to train on.
    """

    seed: int
    order: int
    folds: np.ndarray
    held_out: int
    window: int = 0
    numbers: tuple[float, ...] = ()

    def __post_init__(self):
        if not 0 <= self.window <= self.held_out:
            got = f"window {self.window} and held_out {self.held_out}"
            raise ValueError(f"expected 0 <= window <= held_out, got {got}")
        if not self.trains.any():
            raise ValueError(f"no rows are left to train on where fold {self.held_out} is held out")

    @property
    def trains(self) -> np.ndarray:
        """Whether this replica trains on each row: (rows,) bool."""
        if not self.window:
            return self.folds != self.held_out
        return (self.held_out - self.window <= self.folds) & (self.folds < self.held_out)

    @property
    def held_out_rows(self) -> np.ndarray:
        """Numbers of the rows that this replica is judged on, ascending."""
        return np.flatnonzero(self.folds == self.held_out)

    @property
    def training_rows(self) -> np.ndarray:
        """Numbers of the rows that this replica trains on, ascending."""
        return np.flatnonzero(self.trains)


@dataclass(frozen=True)
class Fitted:
    """One replica after training.

    weights: arrays in the order of `model.get_weights()`.
    learned: of its training rows; its network sees (rows - mean) * factor.
    history: (epochs,) float32 arrays under "loss", "metric" and, where rows are held out,
        "val_loss" and "val_metric", which have those epochs alone that were asked for: means over
        rows, in training over the batches as they were trained on, as in Keras. No loss contains
        penalties or weights of rows, so that networks with and without compare.
    held_out: (held-out rows, outputs) float32, predictions for them after the last epoch; or
        (epochs, held-out rows, outputs) where epochs were asked for.
    """

    weights: list[np.ndarray]
    learned: Learned
    history: dict[str, np.ndarray]
    held_out: np.ndarray


def seed_of(seed: int, *purpose) -> int:
    """A seed for a purpose, such as ("kfold", repeat, fold): below 2**32, independent of others."""
    words = [zlib.crc32(str(word).encode()) for word in purpose]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])


def fit(
    problem,
    replicas: Sequence[Replica],
    epochs: int,
    title: str = "",
    *,
    told: Collection[int] = (),
    strict: bool = True,
    share: int = 1,
    stop: threading.Event | None = None,
) -> Iterator[Fitted]:
    """Train each replica of a `problem.Problem` from new weights; yield its Fitted, in their order.

    title: of the progress bar; there is no bar where the output is no terminal. told: the epochs,
    from 1, after which held-out rows are judged and their predictions kept; without any they are
    judged after each, and the predictions of the last are kept.
    Raises MemoryError, before any training, when a slice of replicas is sure not to fit into
    memory. strict: raise Diverged, naming the replica and the epoch, when a loss or a weight is not
    finite; else its Fitted has them, and the others go on. share: how many such fits share the
    memory. stop: when it is set, raise Stopped after the epoch.
    """
    longest = max(len(replica.held_out_rows) for replica in replicas)
    parts = slices.cut(problem, replicas, longest, share)
    present = np.any([replica.numbers or problem.numbers for replica in replicas], axis=0)
    trainer = _Trainer(problem, present, epochs, longest, told, strict, stop)
    if cluster.is_named():
        for fitted in cluster.each(_Trainer.train, trainer, parts, title):
            yield from fitted
        return
    total = len(parts) * epochs
    with tqdm(total=total, desc=title, unit="epoch", disable=None, leave=False) as bar:
        for part in parts:
            yield from trainer.train(part, bar)


def predict(model, fitted: Sequence[Fitted], rows) -> np.ndarray:
    """Predictions of each replica for all rows: (replicas, n, outputs) float32. Raises Diverged."""
    copies, numbers = Copies(model, rows, len(fitted)), np.arange(rows.shape[0], dtype="int32")
    copies.assign(model.weights, [replica.weights for replica in fitted])
    learned = copies.stack_learned([replica.learned for replica in fitted])
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    predictions = np.concatenate([copies.predict(chunk, learned) for chunk in chunks], axis=1)
    for number in np.flatnonzero(~np.isfinite(predictions).all(axis=(1, 2))):
        which = f"replica {number} of {len(fitted)}"
        raise Diverged(f"{which} predicts what is no number after its last epoch; {REMEDY}")
    return predictions


@dataclass
class _Trainer:
    """What the slices of a fit share, and a way to train one. Each worker of a cluster gets a copy.

    present: see `Program`. longest: the most rows that a replica holds out. told: epochs that are
    asked for; see `fit`. strict: whether one that diverges ends all. stop: see `fit`. program:
    serves all slices of its size. alone: taken by each slice, since a worker of a cluster may
    have several threads.
    """

    problem: object
    present: np.ndarray
    epochs: int
    longest: int
    told: Collection[int] = ()
    strict: bool = True
    stop: threading.Event | None = None
    program: Program | None = None
    alone: threading.Lock = field(default_factory=threading.Lock)

    def __reduce__(self):
        problem = replace(self.problem)  # its model does not travel
        rest = self.present, self.epochs, self.longest, self.told, self.strict
        return type(self), (problem, *rest)

    def train(self, part, bar=None) -> list[Fitted]:
        """Train the replicas of a slice, one slice at a time."""
        with self.alone:
            members = part.full
            padded, batch_size = pads(self.problem.model), self.problem.batch_size
            size = part.size, streams.plan(members[0], batch_size, padded).steps * self.epochs
            if self.program is None or not self.program.serves(*size):
                self.program = Program(self.problem, *size, self.present)
            learned = _each(
                lambda one: self.problem.learned(one.training_rows), members, _key_of_rows
            )
            history, predictions = self._epochs(members, learned, bar)
            fitted = []
            weights_of_all = self.program.copies.weights()
            for number, member in enumerate(part.members):
                weights = weights_of_all[number]
                if self.strict and not all(np.isfinite(values).all() for values in weights):
                    what = f"its weights are no numbers any more after epoch {self.epochs}"
                    raise _diverged(member, what)
                curves = {name: values[:, number] for name, values in history.items()}
                held_out = predictions[:, number, : len(member.held_out_rows)]
                held_out = held_out if self.told else held_out[-1]
                fitted.append(Fitted(weights, learned[number], curves, held_out))
            return fitted

    def _epochs(self, members, learned, bar):
        """Train; returns {"loss": (epochs, members), ...} and predictions for held-out rows.

        The latter are (epochs that are asked for, members, longest, outputs); so are the curves of
        held-out rows.
        """
        problem, program, rows = self.problem, self.program, self.program.copies.rows
        initial = _each(lambda one: problem.initial.values(one.seed), members, lambda one: one.seed)
        program.start(initial, [member.numbers or problem.numbers for member in members])
        learned = program.copies.stack_learned(learned)
        row_weights = problem.row_weights(members)
        sizes = np.array([len(member.held_out_rows) for member in members])
        counted = (np.arange(self.longest) < sizes[:, None]).astype("float32")
        held_out = [np.resize(member.held_out_rows, self.longest) for member in members]
        held_out = np.stack(held_out).astype("int32")
        kept = []

        def batches(epoch):
            parts = streams.batches(members, problem.batch_size, epoch, program.padded)
            return [(chosen, taken, rows.batches(chosen)) for chosen, taken in parts]

        history = []
        for epoch, made in enumerate(streams.ahead(batches, self.epochs)):
            if self.stop and self.stop.is_set():
                raise Stopped
            measured = program.epoch(made, learned, row_weights)
            if self.longest and epoch + 1 in (self.told or range(1, self.epochs + 1)):
                judged, predictions = program.judge(held_out, counted, learned)
                measured |= judged
                kept = [*kept, predictions] if self.told else [predictions]
            if self.strict:
                _stop_if_diverged(measured, epoch, members)
            history.append(measured)
            if bar is not None:
                bar.set_postfix(loss=f"{measured['loss'].mean():.4f}", refresh=False)
                bar.update()
        names = dict.fromkeys(chain(*history))
        curves = {
            name: np.stack([each[name] for each in history if name in each]) for name in names
        }
        nothing = np.empty((len(members), 0, *problem.model.output_shape[1:]), "float32")
        return curves, np.stack(kept or [nothing])


def _key_of_rows(member):
    """What the training rows of a member follow from."""
    return id(member.folds), member.held_out, member.window


def _each(make, members, key):
    """What is made of each member, once for all of a key: candidates share seeds and folds."""
    alike = {key(member): member for member in members}
    made = {which: make(member) for which, member in alike.items()}
    return [made[key(member)] for member in members]


def _stop_if_diverged(measured, epoch, members):
    """Raise Diverged for the first replica whose loss, or held-out loss, is no number any more."""
    for name in measured.keys() & {"loss", "val_loss"}:
        for number in np.flatnonzero(~np.isfinite(measured[name])):
            what = f"its {name} is {measured[name][number]} in epoch {epoch + 1}"
            raise _diverged(members[number], what)


def _diverged(member, what):
    fold = f", fold {member.held_out}" if len(member.held_out_rows) else ""
    return Diverged(f"the replica with seed {member.seed}{fold}: {what}; {REMEDY}")
