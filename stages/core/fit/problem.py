"""What a fit needs, set up in one place: a network, rows, targets, and what is learned of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from stages.core.fit import networks, numbers, refused, replicas
from stages.core.fit.initial import Initial
from stages.core.fit.learned import WEIGHTINGS, Learned, Weighting, balanced, standardized
from stages.core.run.lean_keras import keras

SEED = 0  # of the network that fits leave as it is


@dataclass(frozen=True)
class Problem:
    """What all fits to the training rows of a data set share.

    blueprint: of the network, its loss and its optimizer. weighting: of features, in rows to
    predict too.
    rows: as the weighting gave them: (n, ...) array, or (n, words) CSR matrix for a network that
    begins with a Dense layer. labels: (n,). targets: (n, outputs) float32, or (n,) int32 for
    sparse_categorical_crossentropy. balance: whether each class has the same share in the loss.
    standardize: whether networks learn targets with mean 0 and deviation 1; what is told of them,
    and what they predict, stays in the unit of the targets.
    """

    blueprint: networks.Blueprint
    weighting: Weighting
    rows: np.ndarray | sp.csr_matrix
    labels: np.ndarray
    targets: np.ndarray
    batch_size: int
    balance: bool = False
    standardize: bool = False

    @classmethod
    def of(cls, section, rows, labels, outputs: int) -> "Problem":
        """The problem that a section of params.yaml poses.

        rows: (n, ...) array or (n, words) CSR matrix of counts, as `preprocess` left them.
        labels: (n,) classes or numbers. outputs: units of the output layer.
        """
        fit = section.fit
        weighting = WEIGHTINGS[fit.weighting]
        rows = weighting.values(rows)
        blueprint = networks.Blueprint.of(section, rows, outputs)
        targets = blueprint.head.targets(labels, outputs)
        balance = getattr(fit, "class_weights", None) == "balanced"
        standardize = getattr(fit, "target", None) == "standardized"
        shared = blueprint, weighting, rows, labels, targets, fit.batch_size
        return cls(*shared, balance, standardize)

    @cached_property
    def model(self) -> keras.Model:
        """The network; fits leave it as it is. Raises Wrong."""
        graph = self.blueprint.graph(SEED)
        refused.refuse(graph, self.blueprint)
        return numbers.apart(self.blueprint.finished(graph))

    @cached_property
    def initial(self) -> Initial:
        """The weights that replicas start from. Its `values` raises Wrong."""
        return Initial(self.blueprint, self.model, SEED)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The numbers of which each replica may have its own; see `numbers.of`."""
        return numbers.of(self.blueprint, self.model)

    def signature(self) -> tuple[tuple, tuple[float, ...]]:
        """What is equal for problems that one program can train, and `numbers`.

        It says nothing of whether the network trains as in Keras, so it is cheap.
        """
        network = self.blueprint.build(SEED)
        alike = numbers.structure(self.blueprint, network), id(self.rows), self.weighting
        rest = self.batch_size, self.balance, self.standardize
        return (*alike, *rest), numbers.of(self.blueprint, network)

    def learned(self, training) -> Learned:
        """What a replica learns that trains on the rows with these numbers."""
        learned = self.weighting.learned(self.rows, self.labels, training)
        if self.standardize:
            return learned._replace(target=standardized(self.targets[training]))
        return learned

    def row_weights(self, members) -> np.ndarray | None:
        """Weights of rows in the loss of each member: (members, n) float32; None for equal ones."""
        if not self.balance:
            return None
        return np.stack([balanced(self.labels, member.training_rows) for member in members])

    def fit(self, members, epochs: int, title="", **how) -> Iterator[replicas.Fitted]:
        """A Fitted for each member, in their order; how: see `replicas.fit`."""
        return replicas.fit(self, members, epochs, title, **how)

    def predict(self, fitted, rows) -> np.ndarray:
        """Predictions for other rows: (replicas, rows, outputs) float32; see `replicas.predict`."""
        return replicas.predict(self.model, fitted, self.weighting.values(rows))

    def complete(self, fitted) -> keras.Model:
        """A network that takes rows as `preprocess` left them; see `networks.complete`."""
        return networks.complete(self.model, fitted, self.weighting.fills)
