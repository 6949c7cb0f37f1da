"""Documents as words and as the ranks of words, by the word index of a data set."""

import unicodedata
from pathlib import Path

import numpy as np

from stages.core.data.arrays import Text, word_index
from stages.core.data.encodings import INDEX_FROM

APOSTROPHES = "'’‘‛ʼ′´＇"  # noqa: RUF001
UNKNOWN = 2**31 - 5  # rank of a word that the index does not have: rarer than any
SHOWN = 40  # words of a document


def arrays_of(name: str) -> Path:
    """The cached arrays of a data set."""
    return Path(f"data/arrays/{name}.npz")


def index_of(name: str, source) -> Path:
    """The word index of a data set of text."""
    return Path(f"data/raw/{name}") / source.reader.word_index


def spelled(name: str, source, rows, total: int) -> dict[int, str] | None:
    """{row: the first words of the test row}; None where data/ lacks them or has other test rows.

    total: how many test rows there are. A rank without a word is its Keras id, in brackets.
    """
    if not arrays_of(name).is_file() or not index_of(name, source).is_file():
        return None
    with np.load(arrays_of(name)) as file:
        if "words_test.ranks" not in file:
            return None
        text = Text(file["words_test.ranks"], file["words_test.splits"])
    if len(text) != total:
        return None
    word = {rank: word for word, rank in word_index(index_of(name, source).read_bytes()).items()}
    shown = {}
    for row in rows:
        ranks = text[[row]].ranks
        words = [word.get(int(rank), f"[{rank + INDEX_FROM}]") for rank in ranks[:SHOWN]]
        shown[row] = " ".join(words) + (" …" if len(ranks) > SHOWN else "")
    return shown


def words(document: str) -> list[str]:
    """The words of a document as the word indices have them: lower case, of signs only '.

    Their makers took the signs of ASCII for spaces; here those of all of Unicode are. Apostrophes
    of all forms are the one of ASCII, and letters of other forms (ligatures, full width, an accent
    apart) the usual ones. Marks of HTML stay words ("br"), as they are in the training documents.
    """
    document = _spaced(document.translate(dict.fromkeys(map(ord, APOSTROPHES), "'")))
    usual = _spaced(unicodedata.normalize("NFKC", document).lower())  # it spells ½ with a sign
    unseen = {ord(sign): None for sign in set(usual) if unicodedata.category(sign) in ("Cf", "Mn")}
    return usual.translate(unseen).split()  # without soft hyphens, marks left alone and the like


def _spaced(text):
    """Text with spaces for all signs but '."""
    signs = (sign for sign in set(text) - {"'"} if unicodedata.category(sign)[0] in "PS")
    return text.translate({ord(sign): " " for sign in signs})


def as_text(documents: list[list[str]], index: dict[str, int]) -> Text:
    """Documents as word ranks; those of unknown words are beyond any vocabulary."""
    ranks = [index.get(word, UNKNOWN) for document in documents for word in document]
    return Text(np.array(ranks, "int64"), np.cumsum([0, *map(len, documents)]))


def unknown(document: list[str], index: dict[str, int], known) -> list[str]:
    """The words whose rank is not in `known`, each once, in their order."""
    return [word for word in dict.fromkeys(document) if index.get(word, UNKNOWN) not in known]
