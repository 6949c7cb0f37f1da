"""What a fit needs, set up in one place: a network, rows, targets, and what is learned of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stages.core.fit import networks, replicas
from stages.core.fit.learned import WEIGHTINGS, Learned, Weighting, balanced
from stages.core.run.lean_keras import keras


@dataclass(frozen=True)
class Problem:
    """What all fits to the training rows of a data set share.

    model: compiled: the network, its loss (by name) and its optimizer; fits leave it as it is.
    head: the metric and the form of the targets. weighting: of features, in rows to predict too.
    rows: as the weighting gave them: (n, ...) array, or (n, words) CSR matrix for a network that
    begins with a Dense layer. labels: (n,). targets: (n, outputs) float32, or (n,) int32 for
    sparse_categorical_crossentropy. balance: whether each class has the same share in the loss.
    """

    model: keras.Model
    head: networks.Head
    weighting: Weighting
    rows: np.ndarray | sp.csr_matrix
    labels: np.ndarray
    targets: np.ndarray
    batch_size: int
    balance: bool = False

    @classmethod
    def of(cls, section, rows, labels, outputs: int) -> "Problem":
        """The problem that a section of params.yaml poses.

        rows: (n, ...) array or (n, words) CSR matrix of counts, as `preprocess` left them.
        labels: (n,) classes or numbers. outputs: units of the output layer.
        """
        fit, head = section.fit, networks.head(section)
        weighting = WEIGHTINGS[fit.weighting]
        rows, targets = weighting.values(rows), head.targets(labels, outputs)
        model = networks.build(section, rows.shape[1:], outputs)
        balance = getattr(fit, "class_weights", None) == "balanced"
        return cls(model, head, weighting, rows, labels, targets, fit.batch_size, balance)

    def learned(self, training) -> Learned:
        """What a replica learns that trains on the rows with these numbers."""
        return self.weighting.learned(self.rows, self.labels, training)

    def row_weights(self, members) -> np.ndarray | None:
        """Weights of rows in the loss of each member: (members, n) float32; None for equal ones."""
        if not self.balance:
            return None
        return np.stack([balanced(self.labels, member.training_rows) for member in members])

    def fit(self, members, epochs: int, title: str = "") -> Iterator[replicas.Fitted]:
        """A Fitted for each member, in their order; see `replicas.fit`."""
        return replicas.fit(self, members, epochs, title)

    def predict(self, fitted, rows) -> np.ndarray:
        """Predictions for other rows: (replicas, rows, outputs) float32; see `replicas.predict`."""
        return replicas.predict(self.model, fitted, self.weighting.values(rows))
