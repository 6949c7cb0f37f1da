"""What each fit learns from its own training rows before it trains: weights of features, and of classes.

A replica never sees the rows that it holds out, so what is fitted here is fitted anew for each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Weighting:
    """How the features of a fit are weighted: (value - mean) * factor.

    values: all rows -> the rows as the fit takes them. learn: (training rows, their labels) -> mean, factor, each
        (features,) float32, or None for a mean of 0, as sparse rows need; None where there is nothing to learn.
    """

    values: Callable
    learn: Callable | None = None


def _as_they_are(rows):
    return rows


def _ones(rows):
    return _with_data(rows, np.ones_like(rows.data))


def _log_counts(rows):
    return _with_data(rows, 1 + np.log(rows.data))


def _with_data(rows, data):
    return sp.csr_matrix((data.astype("float32"), rows.indices, rows.indptr), shape=rows.shape)


def _standardize(rows, _):
    """Mean 0, standard deviation 1; a feature that is constant keeps its scale."""
    constant = rows.min(axis=0) == rows.max(
        axis=0
    )  # where rounding may leave a deviation that is not quite 0
    mean = np.where(constant, rows[0], rows.mean(axis=0))
    deviation = np.where(constant, 1, rows.std(axis=0))
    return mean.astype("float32"), (1 / deviation).astype("float32")


def _inverse_document_frequency(rows, _):
    """ln((1 + documents) / (1 + documents with the word)) + 1, as in scikit-learn."""
    documents = np.bincount(rows.indices, minlength=rows.shape[1])
    return None, (np.log((1 + rows.shape[0]) / (1 + documents)) + 1).astype("float32")


def _log_count_ratio(rows, labels):
    """How much more often documents of class 1 have the word than those of class 0 (Wang and Manning, 2012)."""
    one, zero = (
        1 + np.bincount(rows[labels == label].indices, minlength=rows.shape[1]) for label in (1, 0)
    )
    return None, np.log(one / one.sum() / (zero / zero.sum())).astype("float32")


WEIGHTINGS = {
    "none": Weighting(_as_they_are),
    "standardize": Weighting(_as_they_are, _standardize),
    "binary": Weighting(_ones),
    "tf_idf": Weighting(_log_counts, _inverse_document_frequency),
    "nb": Weighting(_ones, _log_count_ratio),
}


def scaler(name, rows, labels) -> Callable | None:
    """For this weighting, a function (numbers of training rows) -> (mean, factor); None where nothing is learned.

    rows: as `values` gave them. labels: (rows,).
    """
    learn = WEIGHTINGS[name].learn
    return learn and partial(_learned, learn, rows, labels)


def _learned(learn, rows, labels, training):
    return learn(rows[training], labels[training])


def balance(class_weights, labels) -> Callable | None:
    """For "balanced", a function (numbers of training rows) -> weight of each row, (rows,) float32; else None.

    Each class has the same share in the loss, as in scikit-learn: training rows / (classes * rows of the class).
    """
    return partial(_balanced, labels) if class_weights == "balanced" else None


def _balanced(labels, training):
    numbers = np.bincount(labels[training], minlength=labels.max() + 1)
    weights = len(training) / (np.count_nonzero(numbers) * np.maximum(numbers, 1))
    return weights[labels].astype("float32")
