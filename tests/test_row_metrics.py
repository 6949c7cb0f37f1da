"""Files of metrics by row and of folds: what goes in comes out, from few and equal bytes."""

import io
import zipfile

import numpy as np
import pytest

from stages.core.data.arrays import UnreadableFile
from stages.core.judge import row_metrics
from stages.core.judge.row_metrics import NOT_BY_ROW, TOO_LARGE, absent, pack, unpack, unpack_folds

FOLDS = np.array([[0, 1, 0, 1, 2, 2, 0], [2, 2, 1, 1, 0, 0, 1]], "int16")
RIGHT = np.random.default_rng(0).integers(0, 2, (2, 3, 7))
ERRORS = np.random.default_rng(0).exponential(5.0, (2, 3, 7))


def both(content):
    """The two files for Git, and the one for the cache twice, as (values' file, folds' file)."""
    git = content["fold_rows.npz"], content["row_folds.npz"]
    return [git, (content["rows.npz"], content["rows.npz"])]


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("kind", ["int64", "float64", "bool"])
def test_right_and_wrong_come_back_as_they_were_from_a_bit_each(seeds, kind):
    values = np.random.default_rng(1).integers(0, 2, (2, seeds, 7)).astype(kind)
    for rows, _ in both(pack(values, FOLDS)):
        found = unpack(rows)
        assert found.dtype == "float64"
        np.testing.assert_array_equal(found, values)
    many = np.ones((2, 4, 10_000))
    assert len(pack(many, np.zeros((2, 10_000), int))["fold_rows.npz"]) < 10_000 + 1_000


@pytest.mark.parametrize("scale", [1e-308, 1e-30, 1e-3, 1.0, 7e4, 1e30, 1e306])
def test_errors_come_back_with_three_digits_whatever_their_unit(scale):
    values = ERRORS * scale
    values[0, 0, 0], values[0, 0, 1] = 0, values.max() * 1e-8
    for rows, _ in both(pack(values, FOLDS)):
        np.testing.assert_allclose(unpack(rows), values, rtol=5e-4)


def test_tiny_errors_beside_large_ones_are_not_lost_in_their_mean():
    values = np.geomspace(1e-40, 1, 42).reshape(2, 3, 7)
    found = unpack(pack(values, FOLDS)["fold_rows.npz"])
    np.testing.assert_allclose(found, values, rtol=5e-4, atol=2e-12)
    assert found.mean() == pytest.approx(values.mean(), rel=5e-4)


@pytest.mark.parametrize("values", [np.zeros((2, 3, 7)), np.ones((2, 3, 7))], ids=["0", "1"])
def test_equal_values_come_back(values):
    np.testing.assert_array_equal(unpack(pack(values, FOLDS)["fold_rows.npz"]), values)


@pytest.mark.parametrize("wrong", [-0.5, np.nan, np.inf])
def test_what_no_metric_by_row_can_be_is_refused(wrong):
    values = ERRORS.copy()
    values[1, 2, 3] = wrong
    with pytest.raises(ValueError, match="expected a finite metric from 0"):
        pack(values, FOLDS)


@pytest.mark.parametrize("k", [3, 100, 300, 2**15])
def test_folds_come_back_also_those_before_the_first_and_many(k):
    folds = np.stack([np.arange(7) % k, np.arange(7)[::-1] % k]).astype("int16")
    folds[0, 0], folds[1, 1] = k - 1, -k
    for _, file in both(pack(None, folds)):
        found, groups = unpack_folds(file)
        np.testing.assert_array_equal(found, folds)
        assert groups is None


def test_rows_that_no_fold_holds_out_have_no_value():
    folds = FOLDS - 1
    errors = np.where(folds[:, None] < 0, np.nan, ERRORS)
    found = unpack(pack(errors, folds)["fold_rows.npz"])
    assert (found[np.broadcast_to(folds[:, None] < 0, found.shape)] == 0).all()
    assert (found[np.broadcast_to(folds[:, None] >= 0, found.shape)] > 0).all()


@pytest.mark.parametrize("first", [0, 70_000, -5])
def test_groups_come_back_as_the_same_rows_together(first):
    groups = first + np.array([3, 3, 0, 1, 1, 0, 300])
    for _, file in both(pack(RIGHT, FOLDS, groups)):
        found = unpack_folds(file)[1]
        assert found.dtype == "uint16"
        np.testing.assert_array_equal(found - found[2], groups - groups[2])


def test_equal_arrays_give_equal_bytes_without_a_date_and_uncompressed():
    first, again = (pack(ERRORS.copy(), FOLDS.copy(), np.arange(7)) for _ in range(2))
    assert first == again
    for content in first.values():
        infos = zipfile.ZipFile(io.BytesIO(content)).infolist()
        assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}


def test_the_file_of_folds_is_the_same_whatever_was_trained_on_them():
    files = [pack(values, FOLDS)["row_folds.npz"] for values in (RIGHT, ERRORS, None)]
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("values", [RIGHT, ERRORS, None], ids=["right", "errors", "not by row"])
def test_what_is_too_large_for_git_is_in_the_cache_alone(values, monkeypatch):
    small = pack(values, FOLDS, np.arange(7))
    monkeypatch.setattr(row_metrics, "LIMIT", max(map(len, small.values())) // 2)
    content = pack(values, FOLDS, np.arange(7))
    assert content["rows.npz"] == small["rows.npz"]
    (rows, folds), (everything, _) = both(content)
    assert (unpack(rows), absent(rows), unpack_folds(folds)) == (None, TOO_LARGE, None)
    np.testing.assert_array_equal(unpack_folds(everything)[0], FOLDS)
    assert absent(everything) == ("" if values is not None else NOT_BY_ROW)


def test_a_metric_that_is_no_mean_over_rows_has_folds_alone():
    for rows, folds in both(pack(None, FOLDS)):
        assert (unpack(rows), absent(rows)) == (None, NOT_BY_ROW)
        np.testing.assert_array_equal(unpack_folds(folds)[0], FOLDS)


def test_of_errors_and_bits_nothing_is_absent():
    for values in (RIGHT, ERRORS):
        assert [absent(rows) for rows, _ in both(pack(values, FOLDS))] == ["", ""]


@pytest.mark.parametrize("read", [unpack, unpack_folds, absent])
def test_damaged_content_is_refused_or_still_right(read):
    content = pack(ERRORS, FOLDS, np.arange(7))["rows.npz"]
    expected, random = repr(read(content)), np.random.default_rng(0)
    spoilt = [b"", b"PK", b"text", content[: len(content) // 2], content[100:]]
    for place in random.integers(0, len(content), 300):
        spoilt.append(
            content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        )
    refused = 0
    for each in spoilt:
        try:
            assert repr(read(each)) == expected
        except UnreadableFile:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("read", [unpack, unpack_folds])
def test_another_file_is_refused(read):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(3))
    with pytest.raises(ValueError, match="no readable file"):
        read(buffer.getvalue())
