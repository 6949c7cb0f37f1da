"""The words of a data set of text: its word index, and its test rows as people read them."""

from pathlib import Path

import numpy as np

from stages.core.data import encodings, vocabulary
from stages.core.data.arrays import Text, word_index
from stages.core.data.encodings import INDEX_FROM
from stages.core.data.vocabulary import UNKNOWN

SHOWN = 40  # words of a document


def arrays_of(name: str) -> Path:
    """The cached arrays of a data set."""
    return Path(f"data/arrays/{name}.npz")


def index_of(name: str, source, file) -> dict[str, int] | None:
    """{word: rank} of a data set of text: its word index, or the words of its training rows.

    file: its cached arrays. None where the word index is not here. Raises UnreadableFile.
    """
    if source.kind != "text":
        return vocabulary.ranked(encodings.unpacked_words(file))
    path = Path(f"data/raw/{name}") / source.reader.word_index
    return word_index(path.read_bytes()) if path.is_file() else None


def spelled(name: str, source, rows, total: int) -> dict[int, str] | None:
    """{row: the first words of the test row}; None where data/ lacks them or has other test rows.

    total: how many test rows there are. A rank without a word is its Keras id, in brackets.
    """
    if not arrays_of(name).is_file():
        return None
    with np.load(arrays_of(name)) as file:
        index = index_of(name, source, file)
        if "words_test.ranks" not in file or index is None:
            return None
        text = Text(file["words_test.ranks"], file["words_test.splits"])
    if len(text) != total:
        return None
    word = {rank: word for word, rank in index.items()}
    shown = {}
    for row in rows:
        ranks = text[[row]].ranks
        words = [word.get(int(rank), f"[{rank + INDEX_FROM}]") for rank in ranks[:SHOWN]]
        shown[row] = " ".join(words) + (" …" if len(ranks) > SHOWN else "")
    return shown


def unknown(document: list[str], index: dict[str, int], known) -> list[str]:
    """The words whose rank is not in `known`, each once, in their order."""
    return [word for word in dict.fromkeys(document) if index.get(word, UNKNOWN) not in known]
