"""Numbers and tables as metrics files hold them.

Metrics are rounded to four decimals: the last digits of a training differ between processors.
"""

import json

import numpy as np

DECIMALS = 4


def rounded(values):
    """Nested values, rounded, in the order of their names. Raises FloatingPointError for NaN."""
    if isinstance(values, dict):
        return {name: rounded(values[name]) for name in sorted(values)}
    if isinstance(values, (float, np.floating)):
        stop_if_not_finite(values)
        return round(float(values), DECIMALS) + 0.0  # no -0.0
    return values


def stop_if_not_finite(*values):
    """Raise FloatingPointError for the first number, or array, that is not finite."""
    for array in map(np.asarray, values):
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            raise FloatingPointError(
                f"a metric is no number but {array[~finite][0]}; `dvc repro --force` trains anew"
            )


def csv(frame) -> bytes:
    """The frame as CSV with numbers of six significant digits."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()


def as_json(found) -> bytes:
    """A metrics file."""
    return (json.dumps(found, indent=2, allow_nan=False) + "\n").encode()
