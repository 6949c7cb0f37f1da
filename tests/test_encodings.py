"""Text becomes the tutorial's rows, scikit-learn's counts or Keras' padded sequences."""

import numpy as np
import pytest
import scipy.sparse as sp
from samples import SOURCES, objects, section, vectorize_sequences
from sklearn.feature_extraction.text import CountVectorizer

from stages.core.data import arrays, encodings
from stages.core.data.encodings import Encoding
from stages.core.declared import dataset
from stages.core.fit.learned import WEIGHTINGS
from stages.core.run.lean_keras import keras


def text(documents):
    return arrays.text({"x": objects(*documents)}, "x")


def documents_of(text):
    return [part.tolist() for part in np.split(text.ranks, text.splits[1:-1])]


def keras_ids(documents, num_words):
    """What the Keras loaders make of word ranks.

    1 begins, 2 stands for a rare word, others move up by 3.
    """
    return [
        [1] + [rank + 3 if rank + 3 < num_words else 2 for rank in document]
        for document in documents
    ]


RANDOM = np.random.default_rng(0)
DOCUMENTS = [RANDOM.integers(1, 41, length).tolist() for length in (3, 0, 1, 50, 10)] + [
    [40],
    [1] * 9,
]
FEW_WORDS = [
    RANDOM.integers(1, 6, length).tolist() for length in (3, 0, 1, 30, 10, 10)
]  # where pairs come twice


@pytest.mark.parametrize("num_words", [4, 5, 20, 43, 44, 100])
def test_counts_are_those_of_keras_ids_and_above_0_where_the_tutorial_has_1(num_words):
    documents = [*DOCUMENTS, [num_words]]
    ranks = text(documents)
    matrix, ids = encodings.counts(ranks, num_words), keras_ids(documents, num_words)
    assert (type(matrix), matrix.dtype) == (sp.csr_matrix, np.dtype("float32"))
    assert matrix.has_canonical_format
    np.testing.assert_array_equal(matrix.toarray() > 0, vectorize_sequences(ids, num_words))
    expected = [np.bincount(document, minlength=num_words) for document in ids]
    np.testing.assert_array_equal(matrix.toarray(), expected)
    assert documents_of(ranks) == documents, "text is left as it was"


@pytest.mark.parametrize("length", [1, 2, 10, 11, 50, 51, 60])
@pytest.mark.parametrize("num_words", [20, 100])
def test_sequences_are_keras_ids_padded_by_keras(num_words, length):
    rows = encodings.sequences(text(DOCUMENTS), num_words, length)
    expected = keras.utils.pad_sequences(
        keras_ids(DOCUMENTS, num_words), maxlen=length, padding="pre", truncating="pre"
    )
    assert rows.dtype == "int32"
    np.testing.assert_array_equal(rows, expected)


def by_scikit_learn(documents):
    """The project's number of each word and of each pair of neighbours, and their counts."""
    vectorizer = CountVectorizer(ngram_range=(1, 2), tokenizer=str.split, token_pattern=None)
    matrix = vectorizer.fit_transform(
        " ".join(map(str, document)) for document in documents
    ).toarray()
    words = [[int(word) for word in term.split()] for term in vectorizer.get_feature_names_out()]
    numbers = np.array([term[0] if len(term) == 1 else term[0] * 2**31 + term[1] for term in words])
    return np.sort(numbers), matrix[:, np.argsort(numbers)]


@pytest.mark.parametrize("documents", [DOCUMENTS, FEW_WORDS], ids=["many words", "few words"])
def test_a_large_vocabulary_and_its_counts_are_those_of_scikit_learn(documents):
    numbers, counts = by_scikit_learn(documents)
    chosen = encodings.terms(text(documents), 10_000)
    np.testing.assert_array_equal(chosen, numbers)
    matrix = encodings.term_counts(text(documents), chosen)
    assert (type(matrix), matrix.dtype) == (sp.csr_matrix, np.dtype("float32"))
    assert matrix.has_canonical_format
    np.testing.assert_array_equal(matrix.toarray(), counts)


@pytest.mark.parametrize("num_words", [1, 4, 7, 20])
def test_a_small_vocabulary_has_the_most_frequent_terms_and_of_equal_terms_the_smaller(
    num_words,
):
    numbers, counts = by_scikit_learn(FEW_WORDS)
    ranking = sorted(zip(-counts.sum(axis=0), numbers, strict=True))
    expected = sorted(number for _, number in ranking[:num_words])
    np.testing.assert_array_equal(encodings.terms(text(FEW_WORDS), num_words), expected)


def test_the_smaller_number_wins_a_tie():
    assert encodings.terms(text([[9, 7], [7, 8], [9, 8]]), 3).tolist() == [7, 8, 9]
    assert encodings.terms(text([[9], [7], [8]]), 2).tolist() == [7, 8]


def test_no_pair_reaches_over_the_end_of_a_document():
    chosen = encodings.terms(text([[1, 2], [], [3], [4, 5]]), 100)
    assert chosen.tolist() == [1, 2, 3, 4, 5, 2**31 + 2, 4 * 2**31 + 5]


def test_terms_that_were_not_chosen_are_not_counted():
    chosen = encodings.terms(text([[2, 3, 2, 3]]), 3)
    assert chosen.tolist() == [2, 3, 2 * 2**31 + 3]
    unknown = [[1], [4, 9], [3, 2, 9, 2, 3], [], [2**31 - 5] * 2]
    matrix = encodings.term_counts(text(unknown), chosen)
    assert matrix.toarray().tolist() == [[0, 0, 0], [0, 0, 0], [2, 2, 1], [0, 0, 0], [0, 0, 0]]


def test_pairs_of_the_rarest_words_are_told_apart():
    rarest = 2**31 - 5  # the reader of official files lets no higher rank through
    chosen = encodings.terms(text([[rarest, rarest], [rarest - 1, rarest]]), 100)
    assert chosen.tolist() == [
        rarest - 1,
        rarest,
        (rarest - 1) * 2**31 + rarest,
        rarest * 2**31 + rarest,
    ]


IMAGES = RANDOM.random((5, 4, 3, 1)).astype("float32")
SOURCE = SOURCES["boston_housing"]  # whose rows are not scaled
ENCODED = {  # encoding -> keys of params.yaml, rows of a data set, what becomes of them
    "multi_hot": (
        {"num_words": 30},
        text(DOCUMENTS),
        lambda rows: encodings.counts(rows, 30).toarray(),
    ),
    "sequence": (
        {"num_words": 30, "length": 12},
        text(DOCUMENTS),
        lambda rows: encodings.sequences(rows, 30, 12),
    ),
    "features": ({}, IMAGES, lambda rows: [image.ravel() for image in rows]),
    "image": ({}, IMAGES, lambda rows: rows),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_rows_become_what_their_encoding_says_and_have_its_axes(encoding):
    keys, rows, expected = ENCODED[encoding]
    chosen = section(encoding=encoding, **keys).preprocess
    encoded = Encoding(chosen, SOURCE).encode(rows)
    np.testing.assert_array_equal(
        encoded.toarray() if sp.issparse(encoded) else encoded, expected(rows)
    )
    assert encoded.ndim == len(chosen.axes)


def test_rows_of_features_stay_as_they_are():
    rows = IMAGES.reshape(5, 12)
    np.testing.assert_array_equal(
        Encoding(section(encoding="features").preprocess, SOURCE).encode(rows), rows
    )


def test_chosen_terms_take_the_place_of_words():
    chosen = encodings.terms(text(FEW_WORDS), 12)
    chosen_section = section(encoding="multi_hot", num_words=12, ngrams=2).preprocess
    encoding = Encoding.learn(chosen_section, SOURCE, text(FEW_WORDS))
    np.testing.assert_array_equal(encoding.terms, chosen)
    encoded = encoding.encode(text(DOCUMENTS))
    assert encoded.shape == (len(DOCUMENTS), 12)
    assert (encoded != encodings.term_counts(text(DOCUMENTS), chosen)).nnz == 0


def test_every_encoding_names_weightings_that_there_are():
    for kind in (dataset.MultiHot, dataset.Sequence, dataset.Features, dataset.Image):
        assert set(kind.weightings) <= set(WEIGHTINGS)
