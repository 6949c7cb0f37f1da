"""Rows as networks take them: text as counts of words or as sequences, images flat or not."""

import itertools

import numpy as np
import scipy.sparse as sp

from stages.core.data.arrays import Text

# Ids of the Keras loaders: 0 pads, 1 begins a document, 2 is a rare word, r + 3 the word of rank r.
START, OUT_OF_VOCABULARY, INDEX_FROM = 1, 2, 3
PAIR = 2**31  # a pair of words as one number: the first word's rank times this, plus the second's


def encode(x, section, pairs=None):
    """Rows of a data set (text, features or images) as `section`, a `preprocess`, says.

    pairs: where `section.ngrams` is 2, the terms that `terms` chose.
    """
    if section.encoding == "multi_hot":
        return counts(x, section.num_words) if pairs is None else term_counts(x, pairs)
    if section.encoding == "sequence":
        return sequences(x, section.num_words, section.length)
    return x.reshape(len(x), -1) if section.encoding == "features" else x


def word_ids(documents: Text, num_words: int) -> np.ndarray:
    """The Keras id of each word of all documents; ids of num_words or more become id 2."""
    ids = documents.ranks + INDEX_FROM
    ids[ids >= num_words] = OUT_OF_VOCABULARY
    return ids


def counts(documents: Text, num_words: int) -> sp.csr_matrix:
    """How often each document has each Keras id: (documents, num_words) float32 CSR.

    Every document begins with id 1. Counts are above 0 where the tutorial has a 1.
    """
    number = np.arange(len(documents))
    rows = np.concatenate([np.repeat(number, np.diff(documents.splits)), number])
    ids = np.concatenate([word_ids(documents, num_words), np.full(len(documents), START)])
    return _counted(rows, ids, (len(documents), num_words))


def terms(documents: Text, num_words: int) -> np.ndarray:
    """The num_words most frequent words and pairs of neighbours: ascending int64, a word its rank.

    Of equally frequent terms, those with the smaller numbers are taken.
    """
    different, frequency = np.unique(_terms(documents)[1], return_counts=True)
    return np.sort(different[np.argsort(-frequency, kind="stable")[:num_words]])


def term_counts(documents: Text, chosen: np.ndarray) -> sp.csr_matrix:
    """How often each document has each of these terms: (documents, terms) float32 CSR."""
    rows, found = _terms(documents)
    place = np.minimum(np.searchsorted(chosen, found), len(chosen) - 1)
    known = chosen[place] == found
    return _counted(rows[known], place[known], (len(documents), len(chosen)))


def _terms(documents):
    """Document and term of each word and of each pair of neighbours."""
    rows, ranks = np.repeat(np.arange(len(documents)), np.diff(documents.splits)), documents.ranks
    neighbours = rows[1:] == rows[:-1]
    pairs = ranks[:-1][neighbours] * PAIR + ranks[1:][neighbours]
    return np.concatenate([rows, rows[1:][neighbours]]), np.concatenate([ranks, pairs])


def _counted(rows, columns, shape):
    return sp.csr_matrix((np.ones(len(rows), "float32"), (rows, columns)), shape=shape)


def sequences(documents: Text, num_words: int, length: int) -> np.ndarray:
    """The last `length` words of each document as Keras ids: (documents, length) int32.

    Shorter documents begin with id 1, after zeros.
    """
    ids, splits = word_ids(documents, num_words), documents.splits
    padded = np.zeros((len(documents), length), "int32")
    for row, (start, end) in enumerate(itertools.pairwise(splits)):
        words = np.concatenate([[START], ids[start:end]])[-length:]
        padded[row, length - len(words) :] = words
    return padded
