"""New rows are encoded as the training data were, and what is wrong with them is said."""

import codecs
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import samples
from samples import SOURCES, split_of
from sklearn.datasets import load_digits

from stages.core.data import encodings, vocabulary
from stages.core.data.encodings import Encoding
from stages.core.data.tables import Column
from stages.core.declared import params
from tools.predict import __main__ as predict
from tools.predict import ensemble, rows, texts

PARAMS = params.parse(samples.PARAMS)
INDEX = {"the": 1, "film": 2, "good": 3, "rare": 50_000}
BOSTON = dict.fromkeys(SOURCES["boston_housing"].names, 1.0)


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_a_training_document_spelled_out_gets_the_words_that_it_had(mirror, name):
    index = json.loads((mirror / f"{name}_word_index.json").read_text())
    split = split_of(name, {f"{name}.npz": (mirror / f"{name}.npz").read_bytes()})
    word = {rank: word for word, rank in index.items()}
    documents = [
        " ".join(word[int(rank)] for rank in split.x_test[[row]].ranks) for row in range(200)
    ]
    back = vocabulary.as_text([vocabulary.words(document) for document in documents], index)
    same = [np.array_equal(back[[row]].ranks, split.x_test[[row]].ranks) for row in range(200)]
    assert (
        np.mean(same) > 0.95
    )  # a few words of the index have signs inside that no document can spell


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("naïve\r\n".encode(), "naïve\r\n"),
        ("naïve".encode("utf-8-sig"), "naïve"),
        (codecs.BOM_UTF16_LE + "naïve".encode("utf-16-le"), "naïve"),
        (codecs.BOM_UTF16_BE + "naïve".encode("utf-16-be"), "naïve"),
    ],
)
def test_bytes_are_read_as_their_mark_says(content, text):
    assert rows.decoded(content) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\nnaïve".encode("latin-1"), "line 2: expected UTF-8, got the byte 0xef"),
        (codecs.BOM_UTF8 + b"a\n\nb\xff", "line 3: .* 0xff"),
        ("a film".encode("utf-16-le"), "zero bytes"),
        (codecs.BOM_UTF16_LE + b"a", "line 1: expected UTF-16"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_the_place(content, message):
    with pytest.raises(rows.Refused, match=message):
        rows.decoded(content)


def test_only_a_newline_ends_a_line():
    signs = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
    assert rows.lines(f"a{signs}b\r\nc\n\nd\n") == [f"a{signs}b", "c", "", "d"]


def test_words_beyond_the_vocabulary_are_named_once_and_count_as_rare():
    documents = [vocabulary.words("the zyx film, the ZYX rare")]
    assert texts.unknown(documents[0], INDEX, range(10_000 - encodings.INDEX_FROM)) == [
        "zyx",
        "rare",
    ]
    counts = encodings.counts(vocabulary.as_text(documents, INDEX), 10_000).toarray()[0]
    assert {column: int(counts[column]) for column in np.flatnonzero(counts)} == {
        1: 1,
        2: 3,
        4: 2,
        5: 1,
    }


def test_an_unknown_word_makes_no_pair_of_the_vocabulary():
    text = vocabulary.as_text([["the", "film"]], INDEX)
    terms = encodings.terms(text, 10)
    assert encodings.term_counts(text, terms).sum() == 3
    assert (
        encodings.term_counts(vocabulary.as_text([["the", "zyx", "film"]], INDEX), terms).sum() == 2
    )


def test_two_classes_are_named_with_the_probability_of_the_one_that_is_meant():
    predicted = np.array([[[0.9], [0.2]], [[0.7], [0.2]]])  # (seeds, rows, outputs)
    assert ensemble.answers(SOURCES["imdb"].classes, predicted) == [
        {"class": "good", "probability": 0.8, "std": pytest.approx(0.1414)},
        {"class": "bad", "probability": 0.8, "std": 0.0},
    ]


def test_of_many_classes_the_first_three_are_named():
    predicted = np.full((1, 1, 46), 0.001)
    predicted[0, 0, [3, 4, 11]] = 0.6, 0.2, 0.1
    (answer,) = ensemble.answers(SOURCES["reuters"].classes, predicted)
    assert answer["class"] == "earn"
    assert [found["class"] for found in answer["next"]] == ["acq", "trade"]
    assert "std" not in answer
    assert ensemble.line(answer, "") == "earn  0.600; then acq  0.200, trade  0.100"


def test_a_number_has_its_unit_and_spread():
    (answer,) = ensemble.answers(None, np.array([[[20.0]], [[24.0]]]))
    assert ensemble.line(answer, "thousand dollars") == "22.00 ± 2.83 thousand dollars"


def test_columns_are_taken_by_name_in_any_order():
    values = {name: float(number) for number, name in enumerate(BOSTON)}
    backwards = dict(reversed(values.items()))
    content = f"{','.join(backwards)}\n{','.join(map(str, backwards.values()))}\n"
    numbers, found = rows.table(content, SOURCES["boston_housing"])
    assert numbers == [2]
    np.testing.assert_array_equal(found, [list(values.values())])


def test_rows_are_known_by_their_lines_and_blank_lines_are_none():
    content = f"\r\n{csv()}\n  \n{csv().splitlines()[1]}".replace("\n", "\r\n")
    assert rows.table(content, SOURCES["boston_housing"])[0] == [3, 6]


def csv(columns=BOSTON, **changes):
    row = columns | changes
    return f"{','.join(row)}\n{','.join(map(str, row.values()))}\n"


NAMES = ",".join(BOSTON)


def numbers(count):
    return ",".join(map(str, range(count)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "13 columns; missing: CRIM, ZN, INDUS and 10 more$"),
        (csv().split("\n")[0], "there is no row"),
        (csv(EXTRA=1), "13 columns; not expected: EXTRA$"),
        (csv().replace("LSTAT", "lstat"), "missing: LSTAT; not expected: lstat$"),
        (csv().replace("LSTAT", "RM"), "missing: LSTAT; not expected: RM$"),
        (
            csv().replace(",", ";"),
            "missing: CRIM, ZN, INDUS and 10 more; not expected: CRIM;ZN.{0,40}$",
        ),
        (f"{NAMES}\n{numbers(12)}\n", "line 2: expected 13 values"),
        (f"{NAMES}\n{numbers(14)}\n", "line 2: expected 13 values"),
        (f"{NAMES}\n{numbers(13)}\n{numbers(14)}\n", "line 3: expected 13 values"),
        (csv(RM="many"), "line 2, column RM: expected a finite number; got 'many'"),
        (csv(RM=""), "line 2, column RM: expected a finite number"),
        (csv(RM="inf"), "line 2, column RM: expected a finite number"),
        (csv(RM="1e300"), "line 2, column RM: expected a finite number"),
        (csv().replace("\n", "\r"), "line 1 is no CSV"),
        ('"a\n', "line 1 is no CSV"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(content, message):
    with pytest.raises(rows.Refused, match=message):
        rows.table(content, SOURCES["boston_housing"])


def test_a_long_name_and_signs_in_it_are_no_obstacle():
    long, quoted = "household_income_" * 4, 'it\'s "5\\10"'
    source = SOURCES["boston_housing"].model_copy(update={"columns": (long, quoted)})
    content = f'{long},"{quoted.replace(chr(34), chr(34) * 2)}"\n1,2\n'
    assert rows.table(content, source)[1].tolist() == [[1, 2]]
    with pytest.raises(rows.Refused, match=f"missing: {long[:40]}; not expected: a column with"):
        rows.table(f",{content.partition(',')[2]}", source)


DIGIT = dict.fromkeys(SOURCES["digits"].names, 16)


@pytest.mark.parametrize("encoding", ["features", "image"])
def test_images_as_scikit_learn_has_them_become_the_rows_that_training_has(encoding):
    frame, section = load_digits(as_frame=True).data, samples.section(encoding=encoding)
    (file,) = SOURCES["digits"].files
    split = split_of("digits", {file.name: Path(file.address).read_bytes()})
    order = np.arange(1_797)
    np.random.RandomState(113).shuffle(order)
    encoded, notes = rows.read_features(
        "digits", SOURCES["digits"], section, frame.iloc[order].to_csv(index=False)
    )
    training = Encoding(section.preprocess, SOURCES["digits"]).encode(split.x_train)
    assert (encoded.dtype, encoded.max(), notes[0]) == (training.dtype, 1, {"line": 2})
    np.testing.assert_array_equal(encoded[:1_437], training)


@pytest.mark.parametrize(
    ("pixel", "message"), [(17, "from 0 to 16.*got '17'"), (-1, "got '-1'"), (3.5, "got '3.5'")]
)
def test_values_that_no_pixel_has_are_refused_with_their_place(pixel, message):
    with pytest.raises(rows.Refused, match=f"line 2, column pixel_3_4: .*{message}"):
        rows.table(csv(DIGIT, pixel_3_4=pixel), SOURCES["digits"])


def test_pixels_divided_before_are_refused():
    with pytest.raises(rows.Refused, match=r"as measured and not divided; got '0\.0625'"):
        rows.table(csv(dict.fromkeys(DIGIT, 1 / 16)), SOURCES["digits"])


def test_a_header_that_is_all_wrong_is_answered_in_short():
    with pytest.raises(
        rows.Refused, match=r"64 columns; missing: .* and 61 more; not expected"
    ) as refused:
        rows.table(f"{numbers(64)}\n{numbers(64)}\n", SOURCES["digits"])
    assert len(str(refused.value)) < 200


def test_features_far_outside_the_training_rows_are_named_and_test_rows_are_not(mirror):
    split = split_of(
        "boston_housing", {"boston_housing.npz": (mirror / "boston_housing.npz").read_bytes()}
    )
    columns = SOURCES["boston_housing"].names
    assert rows.far(split.x_test, split.x_train, columns) == [[] for _ in split.x_test]
    changed = split.x_test[:2].copy()
    changed[1, [5, 12]] = 1e12, -1e38
    assert rows.far(changed, split.x_train, columns) == [
        [],
        [
            {"column": "RM", "value": 1e12, "training": [3.561, 8.725]},
            {"column": "LSTAT", "value": -1e38, "training": [1.73, 37.97]},
        ],
    ]


def test_a_feature_that_never_varied_is_far_from_training_where_it_does():
    training = np.full((3, 1), 0.1, "float32")
    assert rows.far(np.array([[0.1], [0.2]], "float32"), training, ["a"]) == [
        [],
        [{"column": "a", "value": 0.2, "training": [0.1, 0.1]}],
    ]


class Network:
    """Says for each row how much is in it."""

    def __init__(self, width):
        self.input_shape = (None, width)

    def __call__(self, rows, training):
        return rows.sum(axis=1, keepdims=True) / 10


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    """Ask predict in a tiny project: (arguments, standard input) -> its output."""

    def asked(*arguments, content=""):
        content = content if isinstance(content, bytes) else content.encode()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        monkeypatch.setattr(sys, "argv", ["predict", *arguments])
        predict.main()
        return capsys.readouterr()

    for folder in ("data/arrays", "data/raw/imdb"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "params.yaml").write_text(samples.PARAMS)
    (tmp_path / "data/raw/imdb/imdb_word_index.json").write_text(json.dumps(INDEX))
    learned = Encoding(PARAMS.datasets["imdb"].preprocess, SOURCES["imdb"]).pack()
    np.savez(tmp_path / "data/arrays/imdb.npz", **learned, **samples.SCHEMAS["imdb"].pack())
    np.savez(
        tmp_path / "data/arrays/boston_housing.npz",
        x_train=np.array([[0.0], [2.0]], "float32").repeat(13, 1),
    )
    words = PARAMS.datasets["imdb"].preprocess.num_words
    widths = {"imdb": words, "boston_housing": len(BOSTON)}
    monkeypatch.setattr(predict, "models", lambda folder, network: [Network(widths[folder.name])])
    monkeypatch.chdir(tmp_path)
    return asked


def test_each_line_has_its_answer_and_a_blank_one_none(ask):
    content = "the film\u2028good\n\n ... \ngood\n\n"
    told = ask("imdb", content=content).out.splitlines()
    assert [line[:11] for line in told] == ["bad  0.600", "", "", "bad  0.800"]
    found = json.loads(ask("imdb", "--json", content=content).out)
    assert [(answer["line"], answer["probability"]) for answer in found] == [(1, 0.6), (4, 0.8)]
    assert set(found[0]) == {"class", "probability", "line", "unknown"}
    with pytest.raises(SystemExit, match="no document with a word"):
        ask("imdb", content=" ... \n\n")


def test_a_byte_order_mark_is_no_part_of_a_word(ask, tmp_path):
    marked = codecs.BOM_UTF8 + b"good film"
    (tmp_path / "marked.txt").write_bytes(marked)
    found = (
        ask("imdb", content=marked),
        ask("imdb", "-", content=marked),
        ask("imdb", "--json", "marked.txt"),
    )
    assert found[0].out == found[1].out == "bad  0.700\n"
    assert json.loads(found[2].out)[0]["unknown"] == []
    assert ask("imdb", "--text", marked.decode()).out == "bad  0.700\n"


def test_a_value_far_outside_is_answered_with_a_warning(ask):
    content = csv() + csv(RM=1e12, ZN=5).splitlines()[1]
    found = ask("boston_housing", content=content)
    assert found.out.splitlines()[0] == "1.30 thousand dollars"
    assert "line 3 (ZN is 5, in training 0 to 2), line 3 (RM is 1e+12" in found.err
    near, far = json.loads(ask("boston_housing", "--json", content=content).out)
    assert set(near) == {"value", "line", "far"}
    assert [feature["column"] for feature in far["far"]] == ["ZN", "RM"]
    assert ask("boston_housing", content=csv()).err == ""


def test_a_lock_in_a_merge_and_a_closed_standard_input_are_said(ask, tmp_path, monkeypatch):
    (tmp_path / "dvc.lock").write_text("stages:\n<<<<<<< HEAD\n  a: 1\n")
    found = ask("imdb", "--text", "good")
    assert found.out
    assert "dvc.lock" in found.err
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "argv", ["predict", "imdb"])
    with pytest.raises(SystemExit, match="standard input"):
        predict.main()


def test_an_answer_that_is_no_number_is_refused(ask):
    content = csv() + csv(**dict.fromkeys(BOSTON, 3e38)).splitlines()[1]
    with pytest.raises(SystemExit, match="line 3: "), np.errstate(over="ignore"):
        ask("boston_housing", content=content)


def test_only_stages_of_its_data_set_make_a_model_old(ask, tmp_path):
    stages = {
        "preprocess@imdb": {"params": {"params.yaml": {"datasets.imdb.preprocess.num_words": 5}}},
        "preprocess@boston_housing": {},
    }
    (tmp_path / "dvc.lock").write_text(json.dumps({"stages": stages}))
    (tmp_path / "dvc.yaml").write_text("stages: {preprocess: {}}")
    assert "newer than the model" in ask("imdb", "--text", "good").err
    assert ask("boston_housing", content=csv()).err == ""


def test_a_missing_model_says_how_to_get_one(tmp_path):
    with pytest.raises(rows.Refused, match="dvc repro"):
        ensemble.models(tmp_path, "dense")


def test_rows_of_another_shape_than_the_model_takes_are_refused():
    from stages.core.run.lean_keras import keras

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(rows.Refused, match="dvc repro"):
        ensemble.outputs([network], np.zeros((1, 3), "float32"))


def test_a_file_that_is_not_there_is_one_clear_line(ask):
    with pytest.raises(SystemExit, match=r"^predict: no_such_file cannot be read: [^\n]+$"):
        ask("imdb", "no_such_file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["imdb", "x.txt", "--text", "good"], "got both"),
        (["imdb", "--text", "good", "x.txt"], "got both"),
        (["imdb", "--text", "good", "-"], "got both"),
        (["boston_housing", "--text", "x"], "takes a file"),
        (["nowhere"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, ask, capsys):
    with pytest.raises(SystemExit):
        ask(*arguments)
    assert message in capsys.readouterr().err


def test_large_numbers_are_told_as_they_were_measured():
    column = Column("second", "number", start="1700000000.0")
    found = [[], [{"column": "second", "value": 900.0, "training": [0.0, 60.0]}]]
    rows._measured(found, [column])
    assert found[1] == [
        {"column": "second", "value": 1_700_000_900, "training": [1_700_000_000, 1_700_000_060]}
    ]
