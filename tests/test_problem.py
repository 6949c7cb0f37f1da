"""What a fit needs, set up from a section of params.yaml."""

import numpy as np
import pytest
import scipy.sparse as sp
from samples import section

from stages.core.fit import replicas
from stages.core.fit.learned import WEIGHTINGS
from stages.core.fit.problem import Problem

RANDOM = np.random.default_rng(0)
LABELS = np.arange(40) % 2
FOLDS = np.arange(40) // 20
NUMBERS = RANDOM.normal(5, 3, (40, 6)).astype("float32")
COUNTS = sp.csr_matrix(RANDOM.poisson(0.8, (40, 6)).astype("float32"))  # many words come twice
HOLED = np.where(RANDOM.random(NUMBERS.shape) < 0.2, np.nan, NUMBERS).astype("float32")
ROWS = {
    "none": NUMBERS,
    "standardize": NUMBERS,
    "tabular": HOLED,
    "binary": COUNTS,
    "tf_idf": COUNTS,
    "nb": COUNTS,
}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_rows_to_predict_are_weighted_as_the_training_rows_of_each_replica(weighting):
    rows, chosen = ROWS[weighting], section(weighting=weighting, learning_rate=0.01)
    problem = Problem.of(chosen, rows, LABELS, 1)
    members = [replicas.Replica(fold, fold, FOLDS, fold) for fold in range(2)]
    fitted = list(problem.fit(members, 1))
    predictions = problem.predict(fitted, rows)
    assert predictions.shape == (2, 40, 1)
    for member, replica, predicted in zip(members, fitted, predictions, strict=True):
        np.testing.assert_allclose(predicted[member.held_out_rows], replica.held_out, atol=1e-6)


@pytest.mark.parametrize(
    "changes", [{"class_weights": "equal"}, {"loss": "mse"}], ids=["classes", "numbers"]
)
def test_without_balance_rows_have_no_weights(changes):
    problem = Problem.of(section(**changes), NUMBERS, LABELS, 1)
    assert problem.row_weights([replicas.Replica(0, 0, FOLDS, 0)]) is None


@pytest.mark.parametrize("labels", ["integer", "one_hot"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_may_have_a_row_alone(labels, count):
    problem = Problem.of(section(labels=labels, batch_size=1), NUMBERS, np.arange(40) % 3, 3)
    folds = np.arange(40) // 39  # the second fold is a row
    fitted = list(problem.fit([replicas.Replica(seed, 0, folds, 1) for seed in range(count)], 1))
    for replica in fitted:
        assert 0 <= replica.history["metric"][0] <= 1
        right = replica.held_out.argmax() == np.arange(40)[39] % 3
        assert replica.history["val_metric"].tolist() == [float(right)]
