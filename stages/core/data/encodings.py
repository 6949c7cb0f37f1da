"""Rows as networks take them: text as counts of words or as sequences, tables, images."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from stages.core.data import arrays, images, tables, vocabulary
from stages.core.data.arrays import Text
from stages.core.declared.sections import Section
from stages.core.declared.sources import Source

# Ids of the Keras loaders: 0 pads, 1 begins a document, 2 is a rare word, r + 3 the word of rank r.
START, OUT_OF_VOCABULARY, INDEX_FROM = 1, 2, 3
PAIR = 2**31  # a pair of words as one number: the first word's rank times this, plus the second's


@dataclass(frozen=True)
class Encoding:
    """How rows become what a network takes: what was chosen, and what was learned.

    It is learned of the training rows, with no look at any target, so that rows of all folds are
    equally wide. section: `preprocess` of params.yaml. columns: of a table. words: those of all
    documents, from the commonest, where the data have text and no ranks. terms: the words and
    pairs that count, where pairs do.
    """

    section: Section
    source: Source
    columns: tuple[tables.Column, ...] = ()
    words: tuple[str, ...] = ()
    terms: np.ndarray | None = None

    @classmethod
    def learn(cls, section, source, x) -> "Encoding":
        """What the training rows x say. Raises UnreadableFile."""
        if section.encoding == "table":
            return cls(section, source, columns=tables.learn(x, source.reader, section))
        words = ()
        if isinstance(x, pd.DataFrame):
            words = vocabulary.learn(_words(x), arrays.RANKS_END)
            x = _text(x, words)
        pairs = section.encoding == "multi_hot" and section.ngrams == 2
        return cls(section, source, (), words, terms(x, section.num_words) if pairs else None)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, where they have some."""
        of_columns = tuple(each for column in self.columns for each in column.features)
        return of_columns or (self.source.names if self.source.kind != "table" else ())

    def documents(self, x) -> Text | None:
        """The words of rows in order, where networks see words."""
        if self.section.encoding not in ("multi_hot", "sequence"):
            return None
        return _text(x, self.words) if isinstance(x, pd.DataFrame) else x

    def encode(self, x) -> np.ndarray | sp.csr_matrix:
        """Rows of the data set, as `readers` gives them. Raises UnreadableFile."""
        section = self.section
        if section.encoding == "table":
            return tables.encode(x, self.columns, self.source.reader)
        if section.encoding == "multi_hot":
            text, chosen = self.documents(x), self.terms
            return counts(text, section.num_words) if chosen is None else term_counts(text, chosen)
        if section.encoding == "sequence":
            return sequences(self.documents(x), section.num_words, section.length)
        if self.source.kind == "image_folders":
            x = images.stack(x, (section.height, section.width), section.channels)
        x = self.source.scaled(x)
        return x.reshape(len(x), -1) if section.encoding == "features" else x

    def pack(self) -> dict[str, np.ndarray]:
        """What was learned as plain arrays."""
        found = {"encoding.columns": np.array(tables.packed(self.columns))}
        found["encoding.words"] = np.frombuffer("\n".join(self.words).encode(), "uint8")
        return found | ({} if self.terms is None else {"terms": self.terms})

    @classmethod
    def unpack(cls, file, section, source) -> "Encoding":
        """What `pack` made plain, from a mapping such as the one that np.load gives.

        Raises UnreadableFile where it comes from other code.
        """
        if "encoding.columns" not in file:
            raise arrays.UnreadableFile("its arrays are those of older code; run `dvc repro`")
        columns = tables.unpack(str(file["encoding.columns"]))
        return cls(section, source, columns, unpacked_words(file), file.get("terms"))


def unpacked_words(file) -> tuple[str, ...]:
    """The words that `Encoding.pack` made plain."""
    return tuple(filter(None, file["encoding.words"].tobytes().decode().split("\n")))


def _words(frame: pd.DataFrame) -> list[list[str]]:
    """The words of the only column, of each row; a missing text has none."""
    return [vocabulary.words(text) for text in frame.iloc[:, 0].fillna("")]


def _text(frame, words):
    return vocabulary.as_text(_words(frame), vocabulary.ranked(words))


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
