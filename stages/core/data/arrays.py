"""The cached arrays: read official files safely, write and read .npz files."""

import gzip
import io
import json
import pickle
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import scipy.sparse as sp

RANKS_END = 2**31 - 4  # word ranks are below: their Keras ids, 3 more, are int32


class UnreadableFile(ValueError):
    """A data file does not hold what it should."""


@contextmanager
def readable(what: str):
    """Raise UnreadableFile for any error in the block: a damaged file fails in many ways.

    what: the file should be, for people.
    """
    try:
        yield
    except (UnreadableFile, MemoryError):
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise UnreadableFile(f"it is no readable {what} ({why})") from error


@dataclass(frozen=True)
class Text:
    """Documents as word ranks, from 1 for the commonest word.

    Document i is ranks[splits[i]:splits[i + 1]].
    """

    ranks: np.ndarray  # (words in all documents,) integers
    splits: np.ndarray  # (documents + 1,) integers

    def __len__(self):
        return len(self.splits) - 1

    def __getitem__(self, rows):
        """The documents with these numbers (an index array or a slice), as a Text."""
        rows = np.arange(len(self))[rows]
        lengths = np.diff(self.splits)[rows]
        splits = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(splits[-1]) + np.repeat(self.splits[rows] - splits[:-1], lengths)
        return Text(self.ranks[places], splits)


class _NumpyOnly(pickle.Unpickler):
    """Object arrays are pickles, which may call anything; this class only makes NumPy arrays."""

    functions = {  # noqa: RUF012
        "_reconstruct": np.empty(0).__reduce__()[0],
        "scalar": np.int64(0).__reduce__()[0],
        "ndarray": np.ndarray,
        "dtype": np.dtype,
    }
    modules = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")

    def find_class(self, module, name):
        if module in self.modules and name in self.functions:
            return self.functions[name]
        asked = f"{module}.{name}"
        raise UnreadableFile(f"its object array asks for {asked}, which a data file has no use for")


def read_npz(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Object arrays are read without letting their pickle run code.

    Raises UnreadableFile for anything else than a well-formed file.
    """
    if content and b"\0" not in content[:1000]:
        hint = "`format: table` reads CSV, and `python -m tools.add` adds it"
        raise UnreadableFile(f"it is no readable .npz file: it looks like text; {hint}")
    with readable(".npz file"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if paths := [name for name in names if "/" in name or "\\" in name]:
            raise UnreadableFile(f"expected the names of arrays, got a path: {paths[0][:60]!r}")
        return {name.removesuffix(".npy"): _read_npy(archive.open(name)) for name in names}


def _read_npy(file):
    npy = np.lib.format
    headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, _, dtype = headers[npy.read_magic(file)](file)
    if not dtype.hasobject:
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)
    array = _NumpyOnly(file).load()
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise UnreadableFile(f"its header says shape {shape}, its object array is something else")
    return array


def _column(file, key):
    if key not in file:
        raise UnreadableFile(f"expected an array {key!r}, got {', '.join(sorted(file)) or 'none'}")
    if not file[key].ndim:
        raise UnreadableFile(f"{key}: expected a value for each row, got a single one")
    return file[key]


def text(file, key) -> Text:
    """The object array of lists of word ranks under this key, as Text."""
    documents = _column(file, key)
    lists = documents.dtype == object and documents.ndim == 1
    if not lists or not all(type(document) is list for document in documents):
        got = documents.dtype
        raise UnreadableFile(f"{key}: expected a list of word ranks for each row, got {got}")
    lengths = np.array([len(document) for document in documents], "int64")
    try:
        ranks = np.array(list(chain.from_iterable(documents)))
    except ValueError as error:
        raise UnreadableFile(f"{key}: expected lists of word ranks, got lists of lists") from error
    integers = not len(ranks) or (ranks.dtype.kind == "i" and ranks.ndim == 1)
    if not integers or ranks.min(initial=1) < 1 or ranks.max(initial=1) >= RANKS_END:
        got = f"{ranks.min()} to {ranks.max()}" if integers else f"{ranks.dtype} {ranks.shape}"
        raise UnreadableFile(f"{key}: expected whole word ranks from 1 below 2**31 - 4, got {got}")
    return Text(ranks.astype("int64"), np.concatenate([[0], np.cumsum(lengths)]))


def classes(file, key) -> np.ndarray:
    """The class of each row under this key: (rows,) int32 from 0."""
    labels = _column(file, key)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        got = f"{labels.dtype} {labels.shape}"
        raise UnreadableFile(f"{key}: expected a class for each row, got {got}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < 2**31:
        got = f"{labels.min()} to {labels.max()}"
        raise UnreadableFile(f"{key}: expected classes from 0, got {got}")
    return labels.astype("int32")


def features(file, key) -> np.ndarray:
    """The numbers under this key as float32, all finite."""
    numbers = _column(file, key)
    if numbers.dtype.kind in "iuf":
        with np.errstate(over="ignore"):
            narrow = numbers.astype("float32")
        if np.isfinite(narrow).all():
            return narrow
    got = f"{numbers.dtype} {numbers.shape}"
    if numbers.dtype.kind in "iuf":
        place = np.argwhere(~np.isfinite(narrow))[0]
        at = ", ".join(f"{kind} {n}" for kind, n in zip(("row", "column"), place, strict=False))
        got = f"{numbers[tuple(place)]} in {at}, counted from 0"
    hint = "; missing values belong in a table (python -m tools.add)" * ("nan" in got)
    raise UnreadableFile(f"{key}: expected finite numbers (as float32), got {got}{hint}")


def word_index(content: bytes) -> dict[str, int]:
    """The word index of a data set: {word: rank from 1}."""
    try:
        index = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"the word index is no JSON ({error})") from error
    ranks = index.values() if isinstance(index, dict) else ()
    if not ranks or not all(type(rank) is int and 1 <= rank < RANKS_END for rank in ranks):
        expected = "expected words with whole ranks from 1 below 2**31 - 4"
        raise UnreadableFile(f"the word index: {expected}")
    return index


def gzipped_table(content: bytes, columns: int) -> np.ndarray:
    """Whole numbers from 0, a line of `columns` of them for each row: (rows, columns) int64."""
    try:
        lines = gzip.decompress(content).strip()
        if not lines:  # of which loadtxt only warns
            raise ValueError("it is empty")
        numbers = np.loadtxt(io.BytesIO(lines), delimiter=",", dtype="int64", ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UnreadableFile(f"it is no gzipped table of whole numbers ({error})") from error
    if numbers.shape[1] != columns or numbers.min() < 0:
        got = f"{numbers.shape[1]} from {numbers.min()}"
        raise UnreadableFile(f"expected rows of {columns} numbers from 0, got {got}")
    return numbers


def stored(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file that a stage wrote.

    Raises UnreadableFile, and OSError where it cannot be opened.
    """
    try:
        return read_npz(path.read_bytes())
    except UnreadableFile as error:
        repair = "remove it and run make repro"
        raise UnreadableFile(f"{path} is damaged ({error}); {repair}") from error


def pack(name: str, array) -> dict[str, np.ndarray]:
    """An array, or a CSR matrix of counts, as plain arrays of the smallest integers."""
    if not sp.issparse(array):
        return {name: array}
    counts = array.data
    if (counts < 1).any() or (counts != counts.astype("int64")).any():
        raise ValueError(f"{name} is no matrix of counts")
    return {
        f"{name}.columns": array.indices.astype(np.min_scalar_type(array.shape[1] - 1)),
        f"{name}.counts": counts.astype(np.min_scalar_type(int(counts.max(initial=1)))),
        f"{name}.splits": array.indptr,
        f"{name}.shape": np.array(array.shape),
    }


def unpack(name: str, file) -> np.ndarray | sp.csr_matrix:
    """What `pack` made plain, from a mapping such as what np.load gives; counts are float32."""
    if name in file:
        return file[name]
    counts, columns = file[f"{name}.counts"].astype("float32"), file[f"{name}.columns"]
    parts = counts, columns.astype("int32"), file[f"{name}.splits"]
    return sp.csr_matrix(parts, shape=tuple(file[f"{name}.shape"]))
