"""What a fit learns of its training rows is what scikit-learn, NumPy or a hand gets from them."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.utils.class_weight import compute_sample_weight

from stages.core.fit.learned import WEIGHTINGS, Learned, balanced, standardized

RANDOM = np.random.default_rng(0)
COUNTS = sp.csr_matrix(RANDOM.poisson(0.3, (80, 12)).astype("float32"))
NUMBERS = RANDOM.normal(5, 3, (80, 12)).astype("float32")
LABELS = RANDOM.choice(3, 80, p=[0.6, 0.3, 0.1])
ALL, SOME = np.arange(80), np.arange(10, 50)


@pytest.mark.parametrize("training", [ALL, SOME, np.arange(3)], ids=["all", "some", "three"])
def test_tf_idf_is_that_of_scikit_learn_fitted_on_the_training_rows(training):
    values = WEIGHTINGS["tf_idf"].values(COUNTS)
    mean, factor, _ = WEIGHTINGS["tf_idf"].learned(values, LABELS, training)
    transformer = TfidfTransformer(norm=None, sublinear_tf=True, smooth_idf=True).fit(
        COUNTS[training]
    )
    assert mean is None
    assert (values.dtype, factor.dtype) == ("float32", "float32")
    np.testing.assert_allclose(factor, transformer.idf_, rtol=1e-6)
    np.testing.assert_allclose(
        values.toarray() * factor, transformer.transform(COUNTS).toarray(), rtol=1e-6
    )


def test_the_log_count_ratio_is_that_worked_by_hand():
    counts = sp.csr_matrix(np.array([[2, 1, 0], [1, 0, 0], [0, 4, 1], [9, 9, 9]], "float32"))
    values = WEIGHTINGS["nb"].values(counts)
    labels, training = np.array([1, 1, 0, 0]), np.array([0, 1, 2])
    mean, factor, _ = WEIGHTINGS["nb"].learned(values, labels, training)
    assert mean is None
    # Documents with each word, and one more: 3, 2, 1 of 6 in class 1; 1, 2, 2 of 5 in class 0.
    np.testing.assert_allclose(
        factor, np.log([(3 / 6) / (1 / 5), (2 / 6) / (2 / 5), (1 / 6) / (2 / 5)]), rtol=1e-6
    )


def test_standardize_gives_mean_0_and_deviation_1_on_the_training_rows():
    mean, factor, _ = WEIGHTINGS["standardize"].learned(NUMBERS, LABELS, SOME)
    assert (mean.dtype, factor.dtype) == ("float32", "float32")
    np.testing.assert_allclose(mean, NUMBERS[SOME].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(factor, 1 / NUMBERS[SOME].std(axis=0), rtol=1e-6)


@pytest.mark.parametrize("value", [0, 7, 0.25])
def test_a_feature_that_is_constant_in_the_training_rows_keeps_its_scale(value):
    constant = NUMBERS.copy()
    constant[SOME, 3] = value
    mean, factor, _ = WEIGHTINGS["standardize"].learned(constant, LABELS, SOME)
    assert (mean[3], factor[3]) == (value, 1)


@pytest.mark.parametrize("name", ["binary", "nb"])
def test_words_that_are_there_are_ones_and_counts_stay_as_they_were(name):
    before = COUNTS.copy()
    values = WEIGHTINGS[name].values(COUNTS)
    np.testing.assert_array_equal(values.toarray(), before.toarray() > 0)
    assert (before != COUNTS).nnz == 0


def test_none_leaves_rows_as_they_are():
    assert WEIGHTINGS["none"].values(NUMBERS) is NUMBERS


@pytest.mark.parametrize("name", ["none", "binary"])
def test_where_nothing_is_to_be_learned_means_are_0_and_factors_1(name):
    assert WEIGHTINGS[name].learned(COUNTS, LABELS, ALL) == Learned(None, None)


HOLED = np.where(RANDOM.random(NUMBERS.shape) < 0.2, np.nan, NUMBERS).astype("float32")
HOLED[:, 4] = np.where(np.isnan(HOLED[:, 4]), np.nan, HOLED[:, 4] > 5)  # a flag, often missing


def test_tabular_standardizes_the_numbers_that_are_there_and_leaves_flags():
    mean, factor, _ = WEIGHTINGS["tabular"].learned(HOLED, LABELS, SOME)
    assert (mean.dtype, factor.dtype) == ("float32", "float32")
    numbers = np.delete(np.arange(12), 4)
    inside = HOLED[SOME].astype("float64")
    np.testing.assert_allclose(mean[numbers], np.nanmean(inside, axis=0)[numbers], rtol=1e-6)
    np.testing.assert_allclose(factor[numbers], 1 / np.nanstd(inside, axis=0)[numbers], rtol=1e-6)
    assert (mean[4], factor[4]) == (0, 1)


@pytest.mark.parametrize("value", [np.nan, 7, 3e38])
def test_a_column_without_a_value_or_with_a_single_one_does_no_harm(value):
    rows = HOLED.copy()
    rows[SOME, 3] = value
    mean, factor, _ = WEIGHTINGS["tabular"].learned(rows, LABELS, SOME)
    assert (mean[3], factor[3]) == (np.nan_to_num(np.float32(value)), 0)


def test_targets_are_standardized_by_the_training_rows_and_told_in_their_unit():
    targets = (RANDOM.normal(size=(30, 1)) * 40000 + 2e5).astype("float32")
    target = standardized(targets)
    seen = target.seen(targets)
    np.testing.assert_allclose([seen.mean(), seen.std()], [0, 1], atol=1e-5)
    np.testing.assert_allclose(target.told(seen), targets, rtol=1e-5)
    assert standardized(np.full((5, 1), 3, "float32")) == (3, 1)


@pytest.mark.parametrize("name", ["standardize", "tabular", "tf_idf", "nb"])
def test_rows_and_labels_outside_the_training_rows_move_nothing_that_is_learned(name):
    rows = NUMBERS if name in ("standardize", "tabular") else COUNTS
    inside = np.isin(ALL, SOME)
    moved, other = rows[np.where(inside, ALL, 0)], np.where(inside, LABELS, 2 - LABELS)
    learned = WEIGHTINGS[name].learned
    before, after = learned(rows, LABELS, SOME), learned(moved, other, SOME)
    np.testing.assert_array_equal(before.factor, after.factor)
    np.testing.assert_array_equal(before.mean, after.mean)
    assert (learned(rows, LABELS, ALL).factor != learned(moved, other, ALL).factor).any()


@pytest.mark.parametrize(
    "training", [ALL, SOME, np.flatnonzero(LABELS != 1)], ids=["all", "some", "a class missing"]
)
def test_balanced_weights_are_those_of_scikit_learn(training):
    weights = balanced(LABELS, training)
    assert (weights.shape, weights.dtype) == (LABELS.shape, "float32")
    np.testing.assert_allclose(
        weights[training], compute_sample_weight("balanced", LABELS[training]), rtol=1e-6
    )


def test_labels_outside_the_training_rows_move_no_weight_of_a_training_row():
    other = np.where(np.isin(ALL, SOME), LABELS, 2 - LABELS)
    before, after = (balanced(labels, SOME)[SOME] for labels in (LABELS, other))
    np.testing.assert_array_equal(before, after)
