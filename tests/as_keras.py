"""What was read, held against what the Keras loaders and the tutorial make of the same file."""

from itertools import chain

import numpy as np
from samples import vectorize_sequences

from stages.core.data import encodings


def as_keras_ids(text, num_words):
    """Documents of ranks as the Keras loaders give them, one after the other, and the length of
    each.
    """
    ids = text.ranks + 3
    ids[ids >= num_words] = 2
    return np.insert(ids, text.splits[:-1], 1), np.diff(text.splits) + 1


def assert_same_documents(text, sequences, num_words):
    ids, lengths = as_keras_ids(text, num_words)
    np.testing.assert_array_equal(lengths, [len(sequence) for sequence in sequences])
    np.testing.assert_array_equal(ids, np.fromiter(chain.from_iterable(sequences), "int64"))


def assert_same_rows(text, sequences, num_words, first):
    """All rows count the ids that Keras gives; the first of them are above 0 where the
    tutorial's matrix has a 1.
    """
    matrix = encodings.counts(text, num_words)
    assert matrix.shape == (len(sequences), num_words)
    lengths = [len(sequence) for sequence in sequences]
    ids = np.fromiter(chain.from_iterable(sequences), "int64", sum(lengths))
    places = np.repeat(np.arange(len(sequences)), lengths) * num_words + ids
    expected, counts = np.unique(places, return_counts=True)
    rows, columns = matrix.nonzero()
    found = rows.astype("int64") * num_words + columns
    np.testing.assert_array_equal(np.sort(found), expected)
    np.testing.assert_array_equal(matrix.data[np.argsort(found)], counts)
    np.testing.assert_array_equal(
        matrix[:first].toarray() > 0, vectorize_sequences(sequences[:first], num_words)
    )


def assert_same_features(split, parts):
    for x, y, (expected_x, expected_y) in zip(
        (split.x_train, split.x_test), (split.y_train, split.y_test), parts, strict=True
    ):
        assert (x.dtype, y.dtype) == ("float32", "float32")
        np.testing.assert_array_equal(x, expected_x.astype("float32"))
        np.testing.assert_array_equal(y, expected_y.astype("float32"))
