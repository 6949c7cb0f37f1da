"""Documents of any alphabet become words, and words ranks."""

# ruff: noqa: RUF001

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.data import vocabulary
from stages.core.data.vocabulary import words

APOSTROPHES = "'’‘‛ʼ′´＇"


def by_definition(document):
    """Words by one rule after the other, for alphabets that put spaces between them."""
    document = spaced("".join("'" if sign in APOSTROPHES else sign for sign in document))
    usual = spaced(unicodedata.normalize("NFKC", document).lower())
    return "".join(sign for sign in usual if unicodedata.category(sign) not in ("Cf", "Mn")).split()


def spaced(text):
    return "".join(
        " " if sign != "'" and unicodedata.category(sign)[0] in "PS" else sign for sign in text
    )


# Latin, Greek, Cyrillic, Hebrew, Arabic; signs and symbols; ligatures; variants; full width.
RANGES = [(0, 0x6FF), (0x1E00, 0x2BFF), (0xFB00, 0xFB4F), (0xFE00, 0xFE0F), (0xFF01, 0xFF5E)]
LETTERS = st.one_of(*(st.characters(min_codepoint=low, max_codepoint=high) for low, high in RANGES))


@given(st.text(LETTERS, max_size=60))
def test_words_are_those_of_the_rules(document):
    assert words(document) == by_definition(document)


@given(st.text(st.characters(max_codepoint=0x24F), max_size=60))
def test_words_of_latin_letters_are_those_of_the_rules(document):
    assert words(document) == by_definition(document)


@given(st.text(max_size=60))
def test_words_of_any_text_have_no_sign_and_no_space(document):
    for word in words(document):
        assert word
        assert word.split() == [word]
        assert all(sign == "'" or unicodedata.category(sign)[0] not in "PS" for sign in word)


def test_words_are_lower_case_and_without_punctuation():
    found = words("What a FILM -- it's (very) good!")
    assert found == ["what", "a", "film", "it's", "very", "good"]
    makers = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~', " "))
    every_sign = "a".join(map(chr, range(1, 127)))
    assert words(every_sign) == every_sign.translate(makers).lower().split()


@pytest.mark.parametrize(
    ("typographic", "plain"),
    [
        ("I didn’t. It wasnʼt, couldn´t, isn＇t", "I didn't. It wasn't, couldn't, isn't"),
        ("‘Superb’", "'Superb'"),
        ("“Superb”—a film… „good“ «better»–best‐of", "superb a film good better best of"),
        ("a\N{NO-BREAK SPACE}film\N{LINE SEPARATOR}a\N{NEXT LINE}hit", "a film a hit"),
        ("Ｆｉｌｍ ﬁlm cliche\N{COMBINING ACUTE ACCENT}", "film film cliché"),
        ("won\N{SOFT HYPHEN}der\N{ZERO WIDTH JOINER}ful\N{BYTE ORDER MARK}", "wonderful"),
        ("Oscar™ ❤️film £5 5€ 8½", "oscar film 5 5 81 2"),
        ("a film.<br /><br />Good", "a film br br good"),
    ],
)
def test_typographic_signs_give_the_words_that_plain_ones_give(typographic, plain):
    assert words(typographic) == words(plain)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("Ёлка, ЗАМО\N{COMBINING ACUTE ACCENT}К и чай", "ёлка замок и чай"),
        ("Ελληνικά: ΌΧΙ ο άνθρωπος", "ελληνικά όχι ο άνθρωπος"),
        ("Tiếng Việt, tiê\N{COMBINING ACUTE ACCENT}ng", "tiếng việt tiếng"),
        ("اللُّغَةُ العَرَبِيّة؟ اللغة", "اللغة العربية اللغة"),
        ("می\N{ZERO WIDTH NON-JOINER}خواهم", "میخواهم"),
        ("שָׁלוֹם, שלום", "שלום שלום"),
        ("हिन्दी में लिखा है। मैं हूँ", "हिन्दी में लिखा है मैं हूँ"),
        ("தமிழ் மொழி", "தமிழ் மொழி"),
        ("বাংলা ভাষা", "বাংলা ভাষা"),
        ("한국어 단어 \u1112\u1161\u11ab", "한국어 단어 한"),
        ("བོད་ཡིག", "བོད ཡིག"),
    ],
    ids=[
        "Russian", "Greek", "Vietnamese", "Arabic", "Persian", "Hebrew", "Hindi", "Tamil",
        "Bengali", "Korean", "Tibetan",
    ],
)  # fmt: skip
def test_words_of_alphabets_with_spaces_stay_whole(document, expected):
    assert words(document) == expected.split(" ")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("我爱北京。iPhone15手机𠀀", "我 爱 北 京 iphone15 手 机 𠀀"),
        ("私はコンピュータが好き、ＣＤﾌﾟﾚｰﾔｰ々", "私 は コンピュータ が 好 き cd プレーヤー 々"),
        ("ฉันรัก ที่นี่ film", "ฉั น รั ก ที่ นี่ film"),
        ("ພາສາ", "ພ າ ສ າ"),
        ("ភាសា\N{ZERO WIDTH SPACE}ខ្មែរ", "ភា សា ខ្មែ រ"),
        ("မြန်မာ တက္က", "မြ န် မာ တ က္က"),
    ],
    ids=["Chinese", "Japanese", "Thai", "Lao", "Khmer", "Burmese"],
)
def test_scripts_without_spaces_are_cut_into_characters_with_their_marks(document, expected):
    assert words(document) == expected.split(" ")


def test_a_zero_width_space_parts_words_of_scripts_that_use_it_and_no_others():
    assert words("won\N{ZERO WIDTH SPACE}der") == ["wonder"]
    assert words("๑๒\N{ZERO WIDTH SPACE}๓ ก") == ["๑๒", "๓", "ก"]


def test_a_letter_under_a_heap_of_marks_is_read_without_sorting_them_all():
    marks = "\N{COMBINING ACUTE ACCENT}\N{COMBINING DOT BELOW}"
    assert words("o" + marks * 1_000_000 + "k " + "\uff9e\u0327" * 1_000_000) == ["ọk"]


def test_the_commonest_words_are_learned_and_equal_counts_go_by_word():
    documents = [["the", "film", "a"], ["the", "b"], ["the", "a", "film", "c"]]
    assert vocabulary.learn(documents, 10) == ("the", "a", "film", "b", "c")
    assert vocabulary.learn(iter(documents), 2) == ("the", "a")
    assert vocabulary.learn([], 2) == ()


def test_documents_become_ranks_from_1_and_unknown_words_are_beyond_any_vocabulary():
    known = vocabulary.ranked(("the", "film"))
    assert known == {"the": 1, "film": 2}
    found = vocabulary.as_text(iter([["film", "zyx", "the"], [], ["the"]]), known)
    assert found.ranks.tolist() == [2, vocabulary.UNKNOWN, 1, 1]
    assert found.splits.tolist() == [0, 3, 3, 4]
    assert (found.ranks.dtype, len(found)) == (np.dtype("int64"), 3)
    assert len(vocabulary.as_text([], known)) == 0
