"""What a fit needs, set up in one place: a network, rows, targets, and what is learned of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stages.core.fit import networks, replicas, weightings
from stages.core.run.lean_keras import keras


@dataclass(frozen=True)
class Problem:
    """What all fits to the training rows of a data set share.

    model, rows, targets, batch_size, scaler, balance: as `replicas.fit` takes them. head: the loss,
    the metric and the form of the targets. weighting: of the features, which rows to predict need too.
    """

    model: keras.Model
    head: networks.Head
    weighting: weightings.Weighting
    rows: np.ndarray
    targets: np.ndarray
    batch_size: int
    scaler: Callable | None
    balance: Callable | None

    @classmethod
    def of(cls, section, rows, labels, outputs: int) -> "Problem":
        """The problem that a section of params.yaml poses.

        rows: (n, ...) array or (n, words) CSR matrix of counts, as `preprocess` left them. labels: (n,)
        classes or numbers. outputs: units of the output layer.
        """
        fit, head = section.fit, networks.head(section.fit)
        weighting = weightings.WEIGHTINGS[fit.weighting]
        rows = weighting.values(rows)
        return cls(
            networks.build(section, rows.shape[1:], outputs),
            head,
            weighting,
            rows,
            head.targets(labels, outputs),
            fit.batch_size,
            weightings.scaler(fit.weighting, rows, labels),
            weightings.balance(getattr(fit, "class_weights", None), labels),
        )

    def fit(self, members, epochs: int, title: str = "") -> Iterator[replicas.Fitted]:
        """A Fitted for each member, in their order; see `replicas.fit`."""
        return replicas.fit(
            self.model,
            self.head.metric,
            self.rows,
            self.targets,
            members,
            epochs,
            self.batch_size,
            title,
            scaler=self.scaler,
            balance=self.balance,
        )

    def predict(self, fitted, rows) -> np.ndarray:
        """Predictions for other rows: (replicas, rows, outputs) float32; see `replicas.predict`."""
        return replicas.predict(self.model, fitted, self.weighting.values(rows))
