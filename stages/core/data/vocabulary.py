"""Documents of text -> words -> ranks of words, for any alphabet."""

import heapq
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import chain

import numpy as np

from stages.core.data.arrays import Text

APOSTROPHES = "'’‘‛ʼ′´＇"  # noqa: RUF001
UNKNOWN = 2**31 - 5  # rank of a word that the index does not have: rarer than any
# Marks that people may leave out (accents that no letter took, harakat, niqqud) by how their names
# begin. Others, such as the vowel signs of Devanagari and the tones of Thai, tell words apart.
OPTIONAL = "COMBINING ", "VARIATION SELECTOR", "HEBREW ", "ARABIC ", "SYRIAC "

# Scripts that put no spaces between words, as the insides of character classes.
IDEOGRAPHS = (
    "\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
HIRAGANA = "\u3041-\u3096\u309d-\u309f"
KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
STACKERS = "\u1039\u17d2"  # the next letter stands below: Myanmar, Khmer
SOUTH_EAST = (
    range(0xE00, 0xF00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar, which has the last two, too
    range(0x1780, 0x1800),  # Khmer
    range(0xA9E0, 0xAA00),
    range(0xAA60, 0xAA80),
)
# More than 30 marks in a row, where signs are spaces: Unicode's stream-safe text has no more, and
# normalization, which sorts them, takes the square of their number.
HEAPS = re.compile(r"([^\w\s']{30})[^\w\s']+")


class _Signs(dict):
    """A table for str.translate, filled as characters are met."""

    def __init__(self, becomes):
        self.becomes = becomes

    def __missing__(self, code):
        self[code] = self.becomes(chr(code))
        return self[code]


def _without_signs(sign):
    if sign in APOSTROPHES:
        return "'"
    if sign in "\uff9e\uff9f":  # marks of halfwidth katakana
        return unicodedata.normalize("NFKC", sign)
    return " " if unicodedata.category(sign)[0] in "PS" else sign


def _usual(sign):
    category = unicodedata.category(sign)
    optional = category == "Mn" and unicodedata.name(sign, "").startswith(OPTIONAL)
    if category == "Cf" or optional:
        return None
    return " " if sign != "'" and category[0] in "PS" else sign


SIGNS, USUAL = _Signs(_without_signs), _Signs(_usual)


def words(document: str) -> list[str]:
    """The words of a document as the word indices have them: lower case, of signs only '.

    Their makers took the signs of ASCII for spaces; here those of all of Unicode are. Apostrophes
    of all forms are the one of ASCII, and letters of other forms (ligatures, full width, an accent
    apart) the usual ones. Marks of HTML stay words ("br"), as they are in the training documents.

    Scripts without spaces: an ideograph is a word, a hiragana is, and a run of katakana is, as in
    Unicode's word boundaries (UAX 29). The words of Thai, Lao, Khmer and Myanmar can be told apart
    only with a dictionary: there a letter with its marks is a word.
    """
    spaced = document.translate(SIGNS)
    if spaced.isascii():
        return spaced.lower().split()
    spaced = HEAPS.sub(r"\1", spaced)
    usual = unicodedata.normalize("NFKC", spaced).lower()
    alone = _without_spaces()
    if not alone.search(usual):
        return usual.translate(USUAL).split()
    parted = usual.replace("\N{ZERO WIDTH SPACE}", " ").translate(USUAL)
    return alone.sub(r" \g<0> ", parted).split()


@cache
def _without_spaces():
    """A word of a script without spaces, in normalized text."""
    letters, marks = (_of(category, chain(*SOUTH_EAST)) for category in "LM")
    lower = f"(?<=[{STACKERS}])[{letters}]"
    return re.compile(f"[{IDEOGRAPHS}{HIRAGANA}]|[{KATAKANA}]+|[{letters}](?:[{marks}]|{lower})*")


def _of(category, codes):
    return "".join(chr(code) for code in codes if unicodedata.category(chr(code))[0] == category)


def learn(documents: Iterable[list[str]], most: int) -> tuple[str, ...]:
    """The words of these documents, at most `most`, the commonest first, equal counts by word."""
    counts = Counter(chain.from_iterable(documents))
    return tuple(heapq.nsmallest(most, counts, key=lambda word: (-counts[word], word)))


def ranked(vocabulary: Iterable[str]) -> dict[str, int]:
    """The ranks of these words: {word: rank from 1}."""
    return {word: rank for rank, word in enumerate(vocabulary, 1)}


def as_text(documents: Iterable[list[str]], index: dict[str, int]) -> Text:
    """Documents as word ranks; those of unknown words are beyond any vocabulary."""
    ranks, splits = array("q"), [0]
    for document in documents:
        ranks.extend([index.get(word, UNKNOWN) for word in document])
        splits.append(len(ranks))
    return Text(np.array(ranks, "int64"), np.array(splits))
