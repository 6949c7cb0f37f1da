"""Official files are read without running code; what is packed comes back."""

import builtins
import gzip
import io
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from samples import npz, objects

from stages.core.data import arrays


def zipped(member):
    """An .npz file with one member `x` of these bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", member)
    return file.getvalue()


def pickled(payload, shape=(2,)):
    """An .npz file with one object array `x`, whose pickle is this payload."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|O", "fortran_order": False, "shape": shape}
    )
    return zipped(file.getvalue() + payload)


DOCUMENTS = objects([1, 2], [], [5, 3, 3])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="int64").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype="float64").reshape(2, 3)),
        np.arange(5, dtype=">i4"),
        np.array(2.5, dtype="float32"),
        np.empty((0, 13)),
        np.array(["a", "bc"]),
        DOCUMENTS,
        objects([1, 2], [3, 4]),
        objects(np.array([1, 2]), [np.int64(3)]),
        np.array([[None, 1], ["a", (2.0, 3)]], dtype=object),
        objects(),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_reads_what_numpy_wrote(array):
    read = arrays.read_npz(npz(x=array, other=np.arange(3)))
    assert list(read) == ["x", "other"]
    assert read["other"].tolist() == [0, 1, 2]
    assert (read["x"].dtype, read["x"].shape) == (array.dtype, array.shape)
    assert str(read["x"].tolist()) == str(array.tolist())


@pytest.mark.parametrize(
    "module", [b"numpy.core.multiarray", b"numpy._core.multiarray"], ids=bytes.decode
)
def test_reads_object_arrays_of_either_numpy(module):
    payload = pickle.dumps(
        DOCUMENTS, protocol=3
    )  # names modules as lines of text, as the official files do
    assert b"numpy._core.multiarray\n" in payload
    read = arrays.read_npz(pickled(payload.replace(b"numpy._core.multiarray", module), (3,)))
    assert read["x"].tolist() == DOCUMENTS.tolist()


class Gadget:
    """Calls something when it is unpickled."""

    def __init__(self, call, *arguments):
        self.call = call, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "gadget",
    [
        lambda marker: Gadget(Path.touch, marker),
        lambda marker: Gadget(os.system, f"touch '{marker}'"),
        lambda marker: Gadget(builtins.exec, f"open({str(marker)!r}, 'w').close()"),
        lambda marker: Gadget(np.savetxt, str(marker), [1]),
    ],
    ids=["Path.touch", "os.system", "exec", "numpy.savetxt"],
)
@pytest.mark.parametrize("nested", [False, True])
def test_rejects_pickle_gadget(tmp_path, gadget, nested):
    def column(marker):
        return objects([1], [gadget(marker)] if nested else gadget(marker))

    live, marker = tmp_path / "live", tmp_path / "marker"
    assert len(pickle.loads(pickle.dumps(column(live)))) == 2
    assert live.exists(), "the gadget works where nothing stops it"
    with pytest.raises(arrays.UnreadableFile, match="which a data file has no use for"):
        arrays.read_npz(npz(y=np.arange(2), x=column(marker)))
    assert not marker.exists()


def test_rejects_a_numpy_module_that_runs_when_imported(monkeypatch):
    module = "numpy.f2py.__main__"  # to import it is to run f2py on the arguments of the process
    monkeypatch.setattr(sys, "argv", ["f2py", "-v"])
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(arrays.UnreadableFile, match=module):
        arrays.read_npz(pickled(f"c{module}\ndtype\n.".encode()))
    assert module not in sys.modules


WHOLE = npz(x=DOCUMENTS, y=np.arange(3))
MEMBER = zipfile.ZipFile(io.BytesIO(WHOLE)).read("x.npy")


def with_flipped_byte(content):
    place = content.index(b"NUMPY") + 150  # in the data of the first member: its checksum is wrong
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>404</html>",
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:-1],
        WHOLE[100:],
        with_flipped_byte(WHOLE),
        zipped(b""),
        zipped(b"1,2,3\n"),
        zipped(MEMBER[:20]),
        zipped(MEMBER[:-10]),
        zipped(MEMBER.replace(b"NUMPY\x01", b"NUMPY\x09")),
        zipped(MEMBER.replace(b"'shape': (3,)", b"'shape': (4,)")),
        zipped(MEMBER.replace(b"'shape': (3,)", b"'shape': 3   ")),
        zipped(MEMBER.replace(b"{'descr'", b"{'desrc'")),
        pickled(pickle.dumps([[1], [2]])),
        pickled(b"no pickle"),
    ],
    ids=[
        *[
            "empty",
            "a web page",
            "half",
            "a byte short",
            "no beginning",
            "flipped byte",
            "empty member",
            "text",
        ],
        *[
            "half a header",
            "half a pickle",
            "unknown version",
            "wrong shape",
            "shape no tuple",
            "misspelt header",
        ],
        *["a list", "no pickle"],
    ],
)
def test_says_that_a_damaged_file_is_unreadable(content):
    with pytest.raises(arrays.UnreadableFile):
        arrays.read_npz(content)


@pytest.mark.parametrize("column", [arrays.text, arrays.classes, arrays.features])
def test_names_the_array_that_is_missing_and_those_that_are_there(column):
    with pytest.raises(arrays.UnreadableFile, match=r"'x_train'.*got labels, x"):
        column({"x": DOCUMENTS, "labels": np.arange(3)}, "x_train")


def test_text_holds_the_ranks_of_each_document():
    read = arrays.text({"x": DOCUMENTS}, "x")
    assert len(read) == 3
    assert read.ranks.tolist() == [1, 2, 5, 3, 3]
    assert read.splits.tolist() == [0, 2, 2, 5]


@pytest.mark.parametrize(
    "column",
    [
        objects([1], [0]),
        objects([1, -3]),
        objects([2**31 - 1]),
        objects([2**70]),
        objects([1.5]),
        objects(["7"]),
        objects(["word"]),
        objects([[1]]),
        objects("123"),
        objects([1], None),
        np.arange(1, 4),
        objects([1])[0:1].reshape(()),
    ],
    ids=lambda column: str(column.tolist()),
)
def test_text_rejects_what_is_no_list_of_word_ranks(column):
    with pytest.raises(arrays.UnreadableFile, match="x: expected"):
        arrays.text({"x": column}, "x")


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, -1]),
        np.array([0.0, 1.0]),
        np.zeros((2, 1), "int64"),
        objects(1),
        np.array([2**32 + 1]),
    ],
)
def test_classes_rejects_what_is_no_class(labels):
    with pytest.raises(arrays.UnreadableFile, match="y: expected"):
        arrays.classes({"y": labels}, "y")


@pytest.mark.parametrize(
    "numbers",
    [np.array([np.nan]), np.array([np.inf]), np.array([1e300]), np.array(["1"]), objects(1)],
)
def test_features_rejects_what_is_no_finite_float32(numbers):
    with pytest.raises(arrays.UnreadableFile, match="x: expected finite numbers"):
        arrays.features({"x": numbers}, "x")


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(1, 4),
        slice(3, None),
        slice(None, None, -1),
        slice(0, 0),
        slice(2, 100),
        np.array([4, 0, 0, 2]),
        np.array([-1, 1]),
        np.array([], dtype="int64"),
        np.array([True, False, True, False, True]),
    ],
    ids=str,
)
def test_a_slice_of_text_holds_the_same_documents(rows):
    documents = objects([1, 2], [], [5, 3, 3], [7], [2, 9])
    chosen = arrays.text({"x": documents}, "x")[rows]
    expected = documents[rows].tolist()
    assert len(chosen) == len(expected)
    assert [part.tolist() for part in np.split(chosen.ranks, chosen.splits[1:-1])][
        : len(chosen)
    ] == expected


def saved(plain):
    """The same arrays after a turn through a file that holds no pickle."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **plain)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return dict(loaded)


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(7, 5), (1, 300), (3, 1), (0, 4)])
def test_a_packed_matrix_of_counts_comes_back(shape, density):
    random = np.random.default_rng(0)
    counts = (random.integers(1, 1000, shape) * (random.random(shape) < density)).astype("float32")
    back = arrays.unpack(
        "x", saved(arrays.pack("x", sp.csr_matrix(counts)) | arrays.pack("y", counts))
    )
    assert (type(back), back.dtype, back.shape) == (sp.csr_matrix, np.dtype("float32"), shape)
    np.testing.assert_array_equal(back.toarray(), counts)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_packed_dense_array_comes_back(dtype):
    array = np.arange(12).reshape(2, 3, 2).astype(dtype)
    back = arrays.unpack("x", saved(arrays.pack("x", array)))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("value", [0.5, 1.5, 0, -1])
def test_pack_refuses_a_matrix_of_other_numbers_than_counts(value):
    with pytest.raises(ValueError, match="x is no matrix of counts"):
        arrays.pack("x", sp.csr_matrix((np.array([2, value]), ([0, 1], [0, 0])), shape=(2, 1)))


@pytest.mark.parametrize(
    ("width", "smallest"),
    [
        (1, "uint8"),
        (256, "uint8"),
        (257, "uint16"),
        (10_000, "uint16"),
        (65_536, "uint16"),
        (65_537, "uint32"),
    ],
)
def test_columns_are_stored_in_the_smallest_unsigned_integers(width, smallest):
    matrix = sp.csr_matrix((np.ones(2, "float32"), ([0, 1], [0, width - 1])), shape=(2, width))
    packed = arrays.pack("x", matrix)
    assert packed["x.columns"].dtype == smallest
    assert (arrays.unpack("x", packed) != matrix).nnz == 0


@pytest.mark.parametrize(
    ("most", "smallest"),
    [(1, "uint8"), (255, "uint8"), (256, "uint16"), (65_535, "uint16"), (65_536, "uint32")],
)
def test_counts_are_stored_in_the_smallest_unsigned_integers(most, smallest):
    packed = arrays.pack("x", sp.csr_matrix(np.array([[1, most]], "float32")))
    assert packed["x.counts"].dtype == smallest
    assert arrays.unpack("x", packed).toarray().tolist() == [[1, most]]


TABLE = b"".join(b"%d,16,%d\n" % (row % 17, row % 10) for row in range(100))


def test_a_gzipped_table_has_a_row_for_each_line():
    table = arrays.gzipped_table(gzip.compress(TABLE), 3)
    assert (table.shape, table.dtype) == ((100, 3), "int64")
    assert table[:3].tolist() == [[0, 16, 0], [1, 16, 1], [2, 16, 2]]
    assert arrays.gzipped_table(gzip.compress(b"3,0,16"), 3).tolist() == [[3, 0, 16]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        gzip.compress(b""),
        gzip.compress(b"\n"),
        TABLE,
        gzip.compress(TABLE)[:-3],
        gzip.compress(TABLE)[:50],
        gzip.compress(TABLE)[:-6] + bytes(6),
        gzip.compress(TABLE)[:10] + b"\xff" * 50,
        gzip.compress(TABLE + b"1,2\n"),
        gzip.compress(TABLE + b"1,2,3,4\n"),
        gzip.compress(b"1,2\n"),
        gzip.compress(b"1,2,1.5\n"),
        gzip.compress(b"1,2,nan\n"),
        gzip.compress(b"1,2,three\n"),
        gzip.compress(b"1,2,\n"),
        gzip.compress(b"1,2,-1\n"),
        gzip.compress(b"\x00\xff\xfe"),
    ],
    ids=[
        *[
            "empty",
            "nothing in it",
            "a blank line",
            "not gzipped",
            "three bytes short",
            "half",
            "wrong checksum",
            "broken inside",
            "a short line",
            "a long line",
        ],
        *["few columns", "a fraction", "nan", "a word", "an empty cell", "too small", "no text"],
    ],
)
def test_says_that_what_is_no_such_table_is_unreadable(content):
    with pytest.raises(
        arrays.UnreadableFile, match=r"table of whole numbers|rows of 3 numbers from 0"
    ):
        arrays.gzipped_table(content, 3)
