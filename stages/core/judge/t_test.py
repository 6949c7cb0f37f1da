"""How sure the mean of a metric is, over the folds of a repeated K-fold evaluation.

The folds share training rows, so their metrics move together, and a t-test that takes them for
independent finds differences where there are none. Nadeau and Bengio (2003) widen the variance of
the mean from variance / J to variance x (1 / J + test rows / training rows); Bouckaert and Frank
(2004) use it for repeated K-fold, where J is k x repeats and the second term 1 / (k - 1). More
repeats shrink the first term and leave the second.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05  # of tests, and the complement of what intervals ask for
ANY = (-np.inf, np.inf)  # bounds of a metric of which nothing is known


@dataclass(frozen=True)
class Mean:
    """A mean, its 95 % interval, and p of the two-sided test that it is 0."""

    mean: float
    low: float
    high: float
    p: float


def standard_error(values, k) -> float:
    """Of the mean over all folds, corrected for the training rows that folds share.

    values: (k x repeats,) a metric, or a difference, of each fold.
    """
    return float(np.std(values, ddof=1) * np.sqrt(1 / len(values) + 1 / (k - 1)))


def t_test(mean, error, freedom, bounds) -> Mean:
    """Student's t-test of a mean with this standard error.

    bounds: the least and the most that the mean can be; the interval is clipped there and holds the
    truth, which is between them, exactly as often. (A logit scale would keep to them too, but is
    not defined for a fold at a bound, and moves every other interval.)
    """
    half = stats.t.ppf(1 - LEVEL / 2, freedom) * error
    low, high = np.clip([mean - half, mean + half], *bounds)
    p = 2 * stats.t.sf(abs(mean) / error, freedom) if error else mean == 0
    return Mean(*map(float, (mean, low, high, p)))
