"""What a fit needs, set up in one place: a network, rows, targets, and what is learned of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stages.core.fit import learned, networks, replicas
from stages.core.run.lean_keras import keras


@dataclass(frozen=True)
class Problem:
    """What all fits to the training rows of a data set share.

    model: compiled: the network, its loss (by name) and its optimizer; fits leave it as it is.
    head: metric and form of the targets. weighting: of the features, which rows to predict need too.
    rows: (n, ...) array, or (n, words) CSR matrix for a network that begins with a Dense layer, as weighting gave them.
    labels: (n,). targets: (n, outputs) float32, or (n,) int32 for sparse_categorical_crossentropy.
    balance: whether each class has the same share in the loss.
    """

    model: keras.Model
    head: networks.Head
    weighting: learned.Weighting
    rows: np.ndarray | sp.csr_matrix
    labels: np.ndarray
    targets: np.ndarray
    batch_size: int
    balance: bool = False

    @classmethod
    def of(cls, section, rows, labels, outputs: int) -> "Problem":
        """The problem that a section of params.yaml poses.

        rows: (n, ...) array or (n, words) CSR matrix of counts, as `preprocess` left them. labels: (n,)
        classes or numbers. outputs: units of the output layer.
        """
        fit, head = section.fit, networks.head(section.fit)
        weighting = learned.WEIGHTINGS[fit.weighting]
        rows = weighting.values(rows)
        model = networks.build(section, rows.shape[1:], outputs)
        targets = head.targets(labels, outputs)
        balance = getattr(fit, "class_weights", None) == "balanced"
        return cls(model, head, weighting, rows, labels, targets, fit.batch_size, balance)

    def learned(self, training) -> learned.Learned:
        """What a replica learns that trains on the rows with these numbers."""
        return self.weighting.learned(self.rows, self.labels, training)

    def row_weights(self, members) -> np.ndarray | None:
        """The weight of each row in the loss of each replica: (replicas, n) float32; None where all count the same."""
        if not self.balance:
            return None
        return np.stack([learned.balanced(self.labels, each.training_rows) for each in members])

    def fit(self, members, epochs: int, title: str = "") -> Iterator[replicas.Fitted]:
        """A Fitted for each member, in their order; see `replicas.fit`."""
        return replicas.fit(self, members, epochs, title)

    def predict(self, fitted, rows) -> np.ndarray:
        """Predictions for other rows: (replicas, rows, outputs) float32; see `replicas.predict`."""
        return replicas.predict(self.model, fitted, self.weighting.values(rows))
