"""Word ranks and the words that they stand for, from what the stages left in data/."""

from pathlib import Path

import numpy as np

from stages.core.data.arrays import Text, word_index
from stages.core.data.encodings import INDEX_FROM

SHOWN = 40  # words of a document


def arrays_of(name: str) -> Path:
    """The cached arrays of a data set."""
    return Path(f"data/arrays/{name}.npz")


def index_of(name: str) -> Path:
    """The word index of a data set of text."""
    return Path(f"data/raw/{name}/{name}_word_index.json")


def spelled(name: str, rows, total: int) -> dict[int, str] | None:
    """{row: the first words of the test row}; None where data/ lacks them or has other test rows.

    total: how many test rows there are. A rank without a word is its Keras id, in brackets.
    """
    if not arrays_of(name).is_file() or not index_of(name).is_file():
        return None
    with np.load(arrays_of(name)) as file:
        if "words_test.ranks" not in file:
            return None
        text = Text(file["words_test.ranks"], file["words_test.splits"])
    if len(text) != total:
        return None
    word = {rank: word for word, rank in word_index(index_of(name).read_bytes()).items()}
    shown = {}
    for row in rows:
        ranks = text[[row]].ranks
        words = [word.get(int(rank), f"[{rank + INDEX_FROM}]") for rank in ranks[:SHOWN]]
        shown[row] = " ".join(words) + (" …" if len(ranks) > SHOWN else "")
    return shown
