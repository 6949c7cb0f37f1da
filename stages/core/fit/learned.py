"""What a fit learns of its training rows before it trains: weights of features, and of targets.

A replica never sees the rows that it holds out, so all this is learned anew for each replica.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class Target(NamedTuple):
    """What a network predicts: (target - centre) / scale, both (outputs,) float32."""

    centre: np.ndarray
    scale: np.ndarray

    def seen(self, targets):
        """Targets as the network learns them."""
        return (targets - self.centre) / self.scale

    def told(self, predictions):
        """Predictions in the unit of the targets."""
        return predictions * self.scale + self.centre


class Learned(NamedTuple):
    """How a network sees its rows: (row - mean) * factor, each (features,) float32.

    None stands for a mean of 0, which sparse rows need to stay sparse, and for a factor of 1.
    target: how it sees its targets; () for targets as they are.
    """

    mean: np.ndarray | None = None
    factor: np.ndarray | None = None
    target: Target | tuple[()] = ()


@dataclass(frozen=True)
class Weighting:
    """How features are weighted.

    values: all rows -> the rows as a fit takes them. learn: (training rows, their labels) ->
    Learned; None where there is nothing to learn. fills: whether a value that is missing (NaN) is 0
    afterwards, which is the mean.
    """

    values: Callable
    learn: Callable | None = None
    fills: bool = False

    def learned(self, rows, labels, training) -> Learned:
        """What is learned of the rows, as `values` gave them, with the numbers `training`."""
        return self.learn(rows[training], labels[training]) if self.learn else Learned()


def _ones(rows):
    return rows.sign()


def _log_counts(rows):
    return sp.csr_matrix((1 + np.log(rows.data), rows.indices, rows.indptr), shape=rows.shape)


def _standardize(rows, _):
    """Mean 0, standard deviation 1; a feature that is constant keeps its scale."""
    # A comparison, since rounding may leave a deviation that is not quite 0.
    constant = rows.min(axis=0) == rows.max(axis=0)
    mean = np.where(constant, rows[0], rows.mean(axis=0))
    deviation = np.where(constant, 1, rows.std(axis=0))
    return Learned(mean.astype("float32"), (1 / deviation).astype("float32"))


def _tabular(rows, _):
    """Mean 0, standard deviation 1 of the values that are not missing. Flags, 0 or 1, stay."""
    missing = np.isnan(rows)
    values = np.ma.array(rows.astype("float64"), mask=missing)
    flags = ((rows == 0) | (rows == 1) | missing).all(axis=0)
    mean, deviation = values.mean(axis=0).filled(0), values.std(axis=0).filled(0)
    constant = values.min(axis=0).filled(0) == values.max(axis=0).filled(0)
    mean = np.where(flags & ~constant, 0, mean)
    # Of a value that is new to a constant column nothing was learned.
    factor = np.where(constant, 0, 1 / np.where(flags | constant, 1, deviation))
    return Learned(mean.astype("float32"), factor.astype("float32"))


def standardized(targets) -> Target:
    """Mean and standard deviation of training targets: (rows, outputs) float32."""
    deviation = targets.std(axis=0, dtype="float64")
    scale = np.where(deviation > 0, deviation, 1)
    return Target(targets.mean(axis=0, dtype="float64").astype("float32"), scale.astype("float32"))


def _inverse_document_frequency(rows, _):
    """ln((1 + documents) / (1 + documents with the word)) + 1, as in scikit-learn."""
    documents = np.bincount(rows.indices, minlength=rows.shape[1])
    factor = np.log((1 + rows.shape[0]) / (1 + documents)) + 1
    return Learned(factor=factor.astype("float32"))


def _log_count_ratio(rows, labels):
    """How much more often documents of class 1 have the word (Wang and Manning, 2012)."""
    good, bad = (
        1 + np.bincount(rows[labels == i].indices, minlength=rows.shape[1]) for i in (1, 0)
    )
    return Learned(factor=np.log(good / good.sum() / (bad / bad.sum())).astype("float32"))


WEIGHTINGS = {
    "none": Weighting(np.asarray),
    "standardize": Weighting(np.asarray, _standardize),
    "tabular": Weighting(np.asarray, _tabular, fills=True),
    "binary": Weighting(_ones),
    "tf_idf": Weighting(_log_counts, _inverse_document_frequency),
    "nb": Weighting(_ones, _log_count_ratio),
}


def balanced(labels, training) -> np.ndarray:
    """The weight of each row in the loss where classes have equal shares: (rows,) float32.

    As in scikit-learn: training rows / (classes * training rows of the class).
    """
    numbers = np.bincount(labels[training], minlength=labels.max() + 1)
    weights = len(training) / (np.count_nonzero(numbers) * np.maximum(numbers, 1))
    return weights[labels].astype("float32")
