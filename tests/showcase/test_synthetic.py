"""The generated stand-ins: schema, determinism, and statistics against the official files."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

from stages.core.data import arrays, readers, synthetic
from stages.core.declared import sources, stand_ins

SOURCES = {
    path.stem: sources.parse(path.read_bytes())
    for path in (Path(__file__).parents[2] / "data/sources").glob("*.yaml")
}
IMDB, REUTERS, BOSTON, DIGITS = (
    SOURCES[name].stand_in.model_dump() for name in ("imdb", "reuters", "boston_housing", "digits")
)
SMALL = IMDB | dict(splits={"_train": [1_500, 1_500], "_test": [1_000, 1_000]}, vocabulary=9_000)
FEW_WORDS = SMALL | dict(splits={"": [20, 30, 50]}, grouped=False, vocabulary=1_000)


def text(seed=0, **numbers):
    """The arrays and the word index of documents."""
    content, index = synthetic.text(stand_ins.Text(**numbers), seed)
    return arrays.read_npz(content), index


def features(seed=0, **numbers):
    """The arrays of rows of numbers."""
    return arrays.read_npz(synthetic.features(stand_ins.Features(**numbers), seed))


def images(seed=0, **numbers):
    """The file of images."""
    content = synthetic.images(stand_ins.Images(**numbers), seed)
    return {"digits.csv.gz": content}


@pytest.fixture(scope="module")
def small():
    """The arrays of a small IMDB."""
    return text(**SMALL)[0]


@pytest.fixture(scope="module")
def reuters():
    """The arrays of Reuters in full size."""
    return text(**REUTERS)[0]


@pytest.fixture(scope="module")
def boston():
    """The arrays of Boston Housing in full size."""
    return features(**BOSTON)


def digits(files):
    """The rows of digits as a network takes them."""
    scaled, split = (
        SOURCES["digits"].scaled,
        readers.read(SOURCES["digits"], SimpleNamespace(task="multiclass"), files),
    )
    return replace(split, x_train=scaled(split.x_train), x_test=scaled(split.x_test))


@pytest.fixture(scope="module")
def both_digits():
    """The stand-in for digits and the official ones, which come with scikit-learn."""
    official = {file.name: Path(file.address).read_bytes() for file in SOURCES["digits"].files}
    return digits(images(**DIGITS)), digits(official)


def digest(content):
    """One hash over all bytes."""
    return hashlib.sha256(content).hexdigest()


def small_files(seed=0):
    """The files that each generator makes, in little time."""
    yield b"".join(synthetic.text(stand_ins.Text(**FEW_WORDS), seed))
    yield synthetic.features(stand_ins.Features(**BOSTON), seed)
    yield from images(seed, **DIGITS).values()


def accuracy(x, y, x_test, y_test, inverse_penalty=0.03):
    """Test accuracy of a linear model on multi-hot rows."""
    hot, hot_test = (_multi_hot(part) for part in (x, x_test))
    return LogisticRegression(C=inverse_penalty, max_iter=500).fit(hot, y).score(hot_test, y_test)


def _multi_hot(documents):
    ranks = np.concatenate(documents)
    rows = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    kept = ranks < 10_000
    hot = sp.csr_matrix(
        (np.ones(kept.sum()), (rows[kept], ranks[kept])), shape=(len(documents), 10_000)
    )
    hot.data[:] = 1
    return hot


def test_same_seed_gives_same_bytes():
    assert list(small_files(seed=3)) == list(small_files(seed=3))


def test_another_process_with_another_hash_seed_gives_same_bytes():
    code = "import sys; sys.path.insert(0, 'tests/showcase'); from test_synthetic import *\n"
    code += "print(*map(digest, small_files()))"
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": "."}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [digest(files) for files in small_files()]


def test_another_seed_gives_other_rows():
    first, second = (text(**FEW_WORDS, seed=seed)[0] for seed in (0, 1))
    assert first["x"].tolist() != second["x"].tolist()
    first, second = (features(**BOSTON, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first["x"], second["x"])
    first, second = (digits(images(**DIGITS, seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first.x_train, second.x_train)


def test_text_has_the_official_schema(small):
    assert set(small) == {"x_train", "y_train", "x_test", "y_test"}
    assert small["x_train"].shape == small["y_train"].shape == (3_000,)
    assert small["x_train"].dtype == object
    assert small["y_train"].dtype == np.int64
    assert {type(document) for document in small["x_train"]} == {list}
    assert {type(rank) for rank in small["x_train"][0]} == {int}


def test_text_can_be_read_by_the_reader_of_official_files(small):
    file = text(**SMALL)[0]
    documents = arrays.text(file, "x_test")
    assert documents[np.array([7])].ranks.tolist() == small["x_test"][7]


def test_grouped_text_gives_the_last_class_first_and_other_text_mixes_classes(small, reuters):
    assert small["y_train"].tolist() == [1] * 1_500 + [0] * 1_500
    assert (np.diff(reuters["y"]) != 0).mean() > 0.7


def test_classes_have_their_counts(reuters):
    assert np.bincount(reuters["y"]).tolist() == REUTERS["splits"][""]


def test_every_rank_of_the_vocabulary_is_in_use(reuters):
    assert np.array_equal(np.unique(np.concatenate(reuters["x"])), np.arange(1, 30_979 + 1))


def test_frequencies_by_rank_are_the_official_ones(reuters):
    counts = np.bincount(np.concatenate(reuters["x"]))[1:]
    shares = np.add.reduceat(counts, [0, 10, 100, 1_000, 10_000]) / counts.sum()
    assert shares == pytest.approx([0.209, 0.271, 0.302, 0.191, 0.028], rel=0.08)


def test_document_lengths_are_the_official_ones(small, reuters):
    def tenth_median_ninetieth(documents):
        return np.percentile([len(document) for document in documents], [10, 50, 90])

    assert tenth_median_ninetieth(reuters["x"]) == pytest.approx([34, 94, 314], rel=0.1)
    assert tenth_median_ninetieth(small["x_train"]) == pytest.approx([91, 175, 456], rel=0.1)


def test_documents_hold_as_many_distinct_words_as_official_ones(reuters):
    assert np.mean([len(set(document)) for document in reuters["x"]]) == pytest.approx(
        83.6, rel=0.06
    )


def test_no_document_is_empty_or_longer_than_the_maximum():
    length = dict(median=2, sigma=3.0, shift=0, maximum=50)
    file = text(**FEW_WORDS | dict(length=length, vocabulary=100))[0]
    lengths = [len(document) for document in file["x"]]
    assert (min(lengths), max(lengths)) == (1, 50)


def test_classes_can_be_learnt_but_not_without_errors(small, reuters):
    # 3,000 of the 25,000 training rows: a linear model reaches 0.84 on the official ones.
    found = accuracy(small["x_train"], small["y_train"], small["x_test"], small["y_test"])
    assert 0.78 < found < 0.90
    # 3,000 of the 8,982: it reaches 0.76 there, 0.71 here, where rare classes are harder.
    x, y = reuters["x"], reuters["y"]
    assert 0.66 < accuracy(x[:3_000], y[:3_000], x[4_000:6_000], y[4_000:6_000]) < 0.80


def test_without_signal_nothing_can_be_learnt():
    signal = SMALL["signal"] | dict(spread=0)
    file = text(**SMALL | dict(signal=signal))[0]
    assert 0.45 < accuracy(file["x_train"], file["y_train"], file["x_test"], file["y_test"]) < 0.55


def test_word_index_gives_every_rank_one_word_of_letters():
    index = json.loads(text(**FEW_WORDS)[1])
    assert list(index.values()) == list(range(1, 1_001))
    assert all(word.isascii() and word.isalpha() and word.islower() for word in index)


def test_features_have_the_official_schema(boston):
    assert {key: (array.shape, array.dtype) for key, array in boston.items()} == {
        "x": ((506, 13), np.float64),
        "y": ((506,), np.float64),
    }


def test_columns_have_their_moments_and_limits(boston):
    mean, std, low, high = np.array(list(BOSTON["columns"].values())).T[:4]
    assert (boston["x"].mean(0) - mean) / std == pytest.approx(np.zeros(13), abs=0.15)
    assert boston["x"].std(0) / std == pytest.approx(np.ones(13), abs=0.2)
    assert (boston["x"] >= low - 1e-9).all()
    assert (boston["x"] <= high + 1e-9).all()


def test_a_column_of_zeros_and_ones_holds_nothing_else(boston):
    assert set(boston["x"][:, list(BOSTON["columns"]).index("chas")]) == {0, 1}


def test_target_is_distributed_as_the_official_one(boston):
    y = boston["y"]
    assert (y.mean(), y.std()) == pytest.approx((22.53, 9.19), rel=0.07)
    assert np.percentile(y, [10, 50, 90]) == pytest.approx([12.75, 21.2, 34.8], rel=0.05)
    assert y.min() >= 5
    assert y.max() == 50


def test_target_depends_on_columns_beyond_a_linear_effect(boston):
    x, y = (boston["x"] - boston["x"].mean(0)) / boston["x"].std(0), boston["y"]
    place = list(BOSTON["columns"]).index
    bent = np.column_stack([x, x**2, x[:, place("rm")] * x[:, place("lstat")]])

    def error(columns):
        return np.abs(
            LinearRegression().fit(columns[:400], y[:400]).predict(columns[400:]) - y[400:]
        ).mean()

    guess = np.abs(y[400:] - y[:400].mean()).mean()
    assert guess == pytest.approx(6.65, rel=0.12)
    assert error(x) == pytest.approx(3.6, rel=0.2)
    assert 1.5 < error(bent) < 0.85 * error(x)


def test_images_have_the_official_schema(both_digits):
    (content,) = images(**DIGITS).values()
    numbers = arrays.gzipped_table(content, 65)
    assert numbers.shape == (1_797, 65)
    assert (numbers.min(), numbers[:, :-1].max()) == (0, 16)
    made, official = both_digits
    assert (made.x_train.shape, made.x_test.shape) == (
        official.x_train.shape,
        official.x_test.shape,
    )


def test_classes_of_images_are_mixed_and_as_balanced_as_the_official_ones(both_digits):
    made, official = (np.concatenate([split.y_train, split.y_test]) for split in both_digits)
    assert np.bincount(made) == pytest.approx(np.bincount(official), rel=0.05)
    assert (np.diff(made) != 0).mean() > 0.7


def test_pixels_are_about_as_bright_as_the_official_ones(both_digits):
    made, official = (split.x_train for split in both_digits)
    assert made.mean() == pytest.approx(official.mean(), rel=0.15)


@pytest.mark.filterwarnings(
    "ignore:Stochastic Optimizer"
)  # it stops after 20 epochs, as params.yaml says
def test_images_can_be_learnt_about_as_well_as_the_official_ones(both_digits):
    def score(split):
        network = MLPClassifier((64, 64), batch_size=32, max_iter=20, random_state=0)
        flat, flat_test = (x.reshape(len(x), -1) for x in (split.x_train, split.x_test))
        return network.fit(flat, split.y_train).score(flat_test, split.y_test)

    made, official = map(score, both_digits)
    assert made == pytest.approx(official, abs=0.04)
    assert 0.93 < made < 0.99


def test_images_without_contrast_teach_nothing():
    split = digits(images(**DIGITS | dict(contrast=0)))
    flat, flat_test = (x.reshape(len(x), -1) for x in (split.x_train, split.x_test))
    model = LogisticRegression(C=0.01).fit(flat, split.y_train)
    assert 0.05 < model.score(flat_test, split.y_test) < 0.15
