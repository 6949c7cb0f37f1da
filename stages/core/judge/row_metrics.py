"""The main metric of each row and the fold that held it out, as small files for Git.

`values` are (repeats, seeds, rows), and `folds` (repeats, rows) with the group of each row. What a
fit says of a row takes a bit where the metric is 0 or 1, as of accuracy, and 16 where it is an
error. Equal arrays give equal bytes, and nothing in the files is compressed: Git does that, and
other versions of zlib give other bytes. Where they would be large, they hold a mark alone, and the
arrays are in DVC's cache. For 25,000 rows in 5 repeats with 3 seeds, Git keeps 15 kB of bits and
37 kB of folds; errors with three digits are as good as noise and hardly shrink from 750 kB.
"""

import io
import math
import zipfile

import numpy as np

from stages.core.data.arrays import read_npz, readable

# Bytes of a file, before Git compresses it. Every commit of results adds that much to each clone
# for good. 70,000 errors in 15 fits reach it; where there are bits, the folds of 400,000 rows in 5
# repeats do.
LIMIT = 2**21
TOO_LARGE, NOT_BY_ROW = "too large for Git", "no mean over rows"
DIGITS = 15  # float16 ends at 2^16


def pack(values: np.ndarray | None, folds, groups=None) -> dict[str, bytes]:
    """Files by name: fold_rows.npz with the values, row_folds.npz with the folds, both for Git, and
    rows.npz with all of it, however large.

    values: (repeats, seeds, rows) numbers from 0, or None of a metric that is no mean over rows;
    what is not 0 or 1 keeps three digits, down to 1e-8 of the largest. folds: (repeats, rows) ints,
    of time also below 0; values are kept as 0 there. groups: (rows,) ints, or None.
    Raises ValueError for other values.
    """
    folds = np.asarray(folds)
    parts = _values(values, folds), _folds(folds, groups)
    files = [_npz(part) for part in parts]
    if max(map(len, files)) > LIMIT:
        files = [_npz({"absent": np.array(TOO_LARGE)})] * 2
    names = "fold_rows.npz", "row_folds.npz", "rows.npz"
    return dict(zip(names, [*files, _npz(parts[0] | parts[1])], strict=True))


def unpack(content: bytes) -> np.ndarray | None:
    """The values, (repeats, seeds, rows) float64, of fold_rows.npz or rows.npz.

    None where there are none; `absent` says why. Raises ValueError for damaged content.
    """
    with readable("file of metrics by row"):
        file = _read(content)
        if "absent" in file:
            return None
        repeats, seeds, rows = map(int, file["shape"])
        if "bits" in file:
            table = np.unpackbits(file["bits"], axis=1, count=repeats * seeds).astype("float64")
        else:
            table = np.ldexp(file["errors"].astype("float64"), int(file["exponent"]) - DIGITS)
        return np.ascontiguousarray(table.T).reshape(repeats, seeds, rows)


def unpack_folds(content: bytes) -> tuple[np.ndarray, np.ndarray | None] | None:
    """The folds (repeats, rows) int64 of row_folds.npz or rows.npz, and the groups (rows,), if any.

    None where it is too large. Raises ValueError for damaged content.
    """
    with readable("file of folds"):
        file = _read(content)
        if file.get("absent") == TOO_LARGE:
            return None
        return file["folds"].astype("int64") + int(file["first"]), file.get("groups")


def absent(content: bytes) -> str:
    """Why there are no values in it: TOO_LARGE or NOT_BY_ROW; "" where there are some.

    Raises ValueError for damaged content.
    """
    with readable("file of metrics by row"):
        return str(_read(content).get("absent", ""))


def _values(values, folds):
    """The values as plain arrays, a line for each row: fits agree on most rows, so lines repeat."""
    if values is None:
        return {"absent": np.array(NOT_BY_ROW)}
    values = np.where(folds[:, None] >= 0, values, 0)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError("expected a finite metric from 0 of each row that is held out, got others")
    table, shape = values.reshape(-1, values.shape[2]).T, np.array(values.shape)
    if np.isin(table, (0, 1)).all():
        return {"shape": shape, "bits": np.packbits(table.astype(bool), axis=1)}
    exponent = math.frexp(table.max())[1]
    errors = np.ascontiguousarray(np.ldexp(table, DIGITS - exponent), "<f2")
    return {"shape": shape, "errors": errors, "exponent": np.array(exponent)}


def _folds(folds, groups):
    found = {"first": np.array(int(folds.min())), "folds": _small(folds)}
    return found if groups is None else found | {"groups": _small(groups)}


def _small(numbers):
    """Whole numbers from 0 of the smallest type: how far each is above the least."""
    above = np.asarray(numbers, "int64") - np.min(numbers)
    return above.astype(np.min_scalar_type(int(above.max())).newbyteorder("<"))


def _npz(arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _read(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if name := archive.testzip():  # an array that says it is shorter is else not found out
            raise ValueError(f"the checksum of {name} is wrong")
    return read_npz(content)
