"""Values by row of a network on a sample, trained once -> data/calibration/.

What is there is not trained again, so a run that was stopped goes on. The folder's name holds what
the values depend on, but for the code: after a change of the code that trains, remove the folder.
"""

import warnings
import zlib
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import scipy.sparse as sp

from stages import kfold
from stages.core.declared import params
from stages.core.fit.problem import Problem
from stages.core.fit.replicas import Replica
from stages.core.judge.metrics import METRICS
from stages.core.run.files import whole
from studies import common
from studies.calibrate.scenarios import Setting


@dataclass(frozen=True)
class Measured:
    """The main metric of a network on a sample.

    values: (repeats, seeds, rows), of each row by the fit that holds it out; bool for accuracy,
    else float32. folds: (repeats, rows). outside: mean over all fits on the rows outside the
    sample; NaN where there are none.
    """

    values: np.ndarray
    folds: np.ndarray
    outside: float


def measured(setting: Setting, name: str, number: int) -> Measured | None:
    """A network of a setting on the sample with this number; None where it was not trained yet."""
    path = _path(setting, name, number)
    if not path.exists():
        return None
    with np.load(path) as file:
        return Measured(file["values"], file["folds"], float(file["outside"]))


def train(setting: Setting, name: str, numbers) -> None:
    """Train a network on the samples with these numbers, but for those that are there."""
    missing = [number for number in numbers if not _path(setting, name, number).exists()]
    x, _ = _load(setting.dataset, *setting.parts)
    # Dense rows of all samples fit in one compiled program; sparse ones share streams in a sample.
    at_once = 1 if sp.issparse(x) else max(1, len(missing))
    for start in range(0, len(missing), at_once):
        some = missing[start : start + at_once]
        for number, found in zip(some, _trained(setting, name, some), strict=True):
            with whole(_path(setting, name, number)) as part, part.open("wb") as file:
                np.savez_compressed(file, **vars(found))


def _path(setting, name, number):
    network, section = setting.networks[name], _section(setting, name)
    told = setting.rows, setting.outside, setting.repeats, setting.seeds, setting.dealings, network
    digest = zlib.crc32(repr((section.preprocess, section.model, section.fit, told)).encode())
    folder = f"data/calibration/{setting.name}/{name}-{digest:08x}"
    return common.ROOT / folder / f"{number}.npz"


def _section(setting, name):
    section = common.changed(params.load().datasets[setting.dataset], "fit", **setting.fit)
    for part, keys in setting.networks[name].changes.items():
        section = common.changed(section, part, **keys)
    return section


_load = cache(common.load)


def drawn(setting, number, total) -> tuple[np.ndarray, np.ndarray, int]:
    """Numbers of the rows of a sample, of rows outside it, and the seed of its folds."""
    if not setting.rows:
        return np.arange(total), np.empty(0, int), number % setting.dealings
    order = np.random.default_rng(number).permutation(total)
    return order[: setting.rows], order[setting.rows :][: setting.outside], number


def within(member, rows, total) -> Replica:
    """A replica that trains on rows of a sample, among all rows: it reads no row outside it."""
    folds = np.full(total, -1, "int16")
    folds[rows] = member.folds == member.held_out
    return replace(member, folds=folds, held_out=1, window=1)


@dataclass(frozen=True)
class _Sample:
    """rows, others: numbers of rows, outside too. folds: of `rows`. members: a replica for each."""

    rows: np.ndarray
    others: np.ndarray
    folds: np.ndarray
    members: list[Replica]


def _sample(setting, name, number, task, labels, among_all) -> _Sample:
    rows, others, split_seed = drawn(setting, number, len(labels))
    with warnings.catch_warnings():  # of topics with fewer rows than folds
        warnings.simplefilter("ignore", UserWarning)
        folds = kfold.deal(labels[rows], setting.k, setting.repeats, split_seed, task.classifies)
    members = kfold.members(folds, number + setting.networks[name].shift, setting.seeds)
    if among_all:
        members = [within(member, rows, len(labels)) for member in members]
    return _Sample(rows, others, folds.astype("int8"), members)


def _trained(setting, name, numbers) -> list[Measured]:
    """A Measured for each of these samples, trained together; of sparse rows a single sample."""
    x, y = _load(setting.dataset, *setting.parts)
    task, among_all = common.task_of(setting.dataset), bool(setting.rows) and not sp.issparse(x)
    samples = [_sample(setting, name, number, task, y, among_all) for number in numbers]
    taken = np.arange(len(y)) if among_all else samples[0].rows
    section, outputs = _section(setting, name), task.outputs(int(y.max()) + 1)
    problem = Problem.of(section, x[taken], y[taken], outputs)
    planned = [member for sample in samples for member in sample.members]
    fits = list(problem.fit(planned, setting.networks[name].epochs or setting.epochs))
    beyond = np.arange(len(y)) if among_all else samples[0].others
    predicted = problem.predict(fits, x[beyond]) if setting.outside else None
    measure, found = METRICS[task.metric].rows, []
    for place, sample in enumerate(samples):
        size = len(sample.members)
        some = slice(place * size, (place + 1) * size)
        values = _values(sample.members, fits[some], y[taken], task, measure)
        values = values.reshape(setting.repeats, setting.seeds, setting.k, len(taken))
        values = values.sum(axis=2, dtype=values.dtype)  # folds hold out other rows
        values = values[..., sample.rows] if among_all else values
        outside = float("nan")
        if setting.outside:
            at = np.isin(beyond, sample.others)
            outside = [measure(y[beyond[at]], each[at]).mean() for each in predicted[some]]
        found.append(Measured(values, sample.folds, float(np.mean(outside))))
    return found


def _values(members, fits, labels, task, measure) -> np.ndarray:
    """The metric of each row that a fit holds out, 0 of others: (fits, rows)."""
    values = np.zeros((len(fits), len(labels)), bool if task.classifies else "float32")
    for row, member, fitted in zip(values, members, fits, strict=True):
        held_out = member.held_out_rows
        row[held_out] = measure(labels[held_out], fitted.held_out)
    return values
