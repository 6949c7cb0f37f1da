"""New rows are encoded as the training data were, and what is wrong with them is said."""

import json
import subprocess
import sys

import numpy as np
import pytest

from stages.core import encodings, params
from stages.core.datasets import TABLE
from tools import predict

PARAMS = params.load()
INDEX = {"the": 1, "film": 2, "good": 3, "rare": 50_000}
BOSTON = dict.fromkeys(TABLE["boston_housing"].columns, 1.0)


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_a_training_document_spelled_out_gets_the_words_that_it_had(mirror, name):
    index = json.loads((mirror / f"{name}_word_index.json").read_text())
    split = TABLE[name].read({file.name: (mirror / file.name).read_bytes() for file in TABLE[name].files})
    word = {rank: word for word, rank in index.items()}
    documents = [" ".join(word[int(rank)] for rank in split.x_test[[row]].ranks) for row in range(200)]
    back = predict.as_text([predict.words(document) for document in documents], index)
    same = [np.array_equal(back[[row]].ranks, split.x_test[[row]].ranks) for row in range(200)]
    assert np.mean(same) > 0.95  # a few words of the index have signs inside that no document can spell


def test_words_are_lower_case_and_without_punctuation():
    assert predict.words("What a FILM -- it's (very) good!") == ["what", "a", "film", "it's", "very", "good"]


def test_words_beyond_the_vocabulary_are_named_once_and_count_as_rare():
    documents = [predict.words("the zyx film, the ZYX rare")]
    assert predict.unknown(documents, INDEX, predict._below(10_000)) == [["zyx", "rare"]]
    counts = encodings.counts(predict.as_text(documents, INDEX), 10_000).toarray()[0]
    assert {column: int(counts[column]) for column in np.flatnonzero(counts)} == {1: 1, 2: 3, 4: 2, 5: 1}


def test_an_unknown_word_makes_no_pair_of_the_vocabulary():
    text = predict.as_text([["the", "film"]], INDEX)
    terms = encodings.terms(text, 10)
    assert encodings.term_counts(text, terms).sum() == 3
    assert encodings.term_counts(predict.as_text([["the", "zyx", "film"]], INDEX), terms).sum() == 2


def test_two_classes_are_named_with_the_probability_of_the_one_that_is_meant():
    predicted = np.array([[[0.9], [0.2]], [[0.7], [0.2]]])  # (seeds, rows, outputs)
    assert predict.answers(TABLE["imdb"], predicted) == [
        {"class": "good", "probability": 0.8, "std": pytest.approx(0.1414)},
        {"class": "bad", "probability": 0.8, "std": 0.0},
    ]


def test_of_many_classes_the_first_three_are_named():
    predicted = np.full((1, 1, 46), 0.001)
    predicted[0, 0, [3, 4, 11]] = 0.6, 0.2, 0.1
    (answer,) = predict.answers(TABLE["reuters"], predicted)
    assert answer["class"] == "earn"
    assert [own["class"] for own in answer["next"]] == ["acq", "trade"]
    assert "std" not in answer
    assert predict.line(answer, "") == "earn  0.600; then acq  0.200, trade  0.100"


def test_a_number_has_its_unit_and_spread():
    (answer,) = predict.answers(TABLE["boston_housing"], np.array([[[20.0]], [[24.0]]]))
    assert predict.line(answer, "thousand dollars") == "22.00 ± 2.83 thousand dollars"


def test_columns_are_taken_by_name_in_any_order():
    values = {name: float(number) for number, name in enumerate(BOSTON)}
    backwards = dict(reversed(values.items()))
    content = f"{','.join(backwards)}\n{','.join(map(str, backwards.values()))}\n"
    np.testing.assert_array_equal(predict.table(content, tuple(BOSTON)), [list(values.values())])


def csv(**changes):
    row = BOSTON | changes
    return f"{','.join(row)}\n{','.join(map(str, row.values()))}\n"


NAMES = ",".join(BOSTON)


def numbers(count):
    return ",".join(map(str, range(count)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the rows are no CSV"),
        (csv().split("\n")[0], "there is no row"),
        (csv(EXTRA=1), "with EXTRA"),
        (csv().replace("LSTAT", "lstat"), "without LSTAT and with lstat"),
        (f"{NAMES}\n{numbers(14)}\n", "expected 13 values in each row"),
        (f"{NAMES}\n{numbers(15)}\n", "expected 13 values in each row"),
        (f"{NAMES}\n{numbers(13)}\n{numbers(14)}\n", "the rows are no CSV"),
        (f"{NAMES}\n{numbers(12)}\n", "row 1, column LSTAT: expected a finite number"),
        (csv(RM="many"), "row 1, column RM: expected a finite number, got 'many'"),
        (csv(RM=""), "row 1, column RM: expected a finite number"),
        (csv(RM="inf"), "row 1, column RM: expected a finite number"),
        (csv(RM="1e300"), "row 1, column RM: expected a finite number"),
        ('"a\n', "the rows are no CSV"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(content, message):
    with pytest.raises(predict.Refused, match=message):
        predict.table(content, tuple(BOSTON))


@pytest.mark.parametrize(("content", "message"), [("", "there is no document"), ("a film\n ...\n", "document 2 of 2")])
def test_an_empty_document_is_refused(content, message):
    with pytest.raises(predict.Refused, match=message):
        predict.read_documents("imdb", PARAMS.sections["imdb"].preprocess, content)


def test_a_missing_model_says_how_to_get_one(tmp_path):
    with pytest.raises(predict.Refused, match="dvc repro"):
        predict.models(tmp_path)


def test_rows_of_another_shape_than_the_model_takes_are_refused():
    from stages.core.lean_keras import keras

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(predict.Refused, match="dvc repro"):
        predict.outputs([network], np.zeros((1, 3), "float32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["imdb", "no_such_file"], "no_such_file cannot be read"),
        (["boston_housing", "--text", "x"], "takes a CSV file"),
        (["nowhere"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments, message):
    done = subprocess.run([sys.executable, "-m", "tools.predict", *arguments], capture_output=True, text=True)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
