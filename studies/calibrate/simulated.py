"""Pairs of learners on rows that are made up: a thousand data sets of each, to choose kappa by.

Networks cannot be trained so often. These learners are solved in closed form: ridge regression on
a hidden layer whose random weights stay as they are, so rows, seeds and training sets all matter.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from studies.calibrate.judge import judged, score
from studies.calibrate.results import Scenario

K, REPEATS, SEEDS = 4, 5, 3
FEATURES, OUTSIDE = 10, 2000
FAILING = 0.04  # of the fits


@dataclass(frozen=True)
class Simulated:
    """Two learners, as numbers of hidden units, on so many rows; fewer ridge, more overfitting.

    classes: whether they predict the sign, else the number. groups: of about five rows, of which
    new ones are judged. failing: fits that predict nothing.
    """

    label: str
    rows: int
    base: int
    head: int
    ridge: float = 1.0
    classes: bool = False
    groups: bool = False
    failing: bool = False
    count: int = 1000
    outside: bool = True
    unit: str = "units"  # of the target

    @property
    def title(self) -> str:
        """For tables."""
        return f"Simulated, {self.rows} rows"


SIMULATED = (
    Simulated("5 → 20 hidden units", 60, 5, 20),
    Simulated("10 → 30 hidden units, little ridge", 60, 10, 30, ridge=0.1),
    Simulated("10 → 30 hidden units", 200, 10, 30),
    Simulated("10 → 30 hidden units, two classes", 200, 10, 30, classes=True),
    Simulated("5 → 20 hidden units, groups of rows", 100, 5, 20, groups=True, count=2000),
    Simulated("20 hidden units, other seeds alone", 200, 20, 20),
    Simulated("20 hidden units, fits that fail", 200, 20, 20, failing=True),
)


def drawn(setting, random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, targets and groups of the rows, and of OUTSIDE more, each in a group of its own."""
    total = setting.rows + OUTSIDE
    groups = np.arange(total)
    if setting.groups:
        of_rows = random.choice(setting.rows // 5, setting.rows)
        groups = np.append(np.unique(of_rows, return_inverse=True)[1], groups[setting.rows :])
    shared = random.normal(size=(total, FEATURES))[groups]
    x = 0.8 * shared + 0.6 * random.normal(size=(total, FEATURES))
    noise = 0.8 * random.normal(size=total)[groups] + 0.5 * random.normal(size=total)
    y = x[:, 0] + 0.7 * x[:, 1] * x[:, 2] + np.sin(2 * x[:, 3]) + 0.5 * x[:, 4] + noise
    return x, np.where(y > 0, 1.0, -1.0) if setting.classes else y, groups


def dealt(groups, random) -> np.ndarray:
    """The fold of each row in each repeat: (repeats, rows). Groups stay whole."""
    names = np.unique(groups)
    deals = [random.permutation(len(names)) % K for _ in range(REPEATS)]
    return np.stack(deals)[:, np.searchsorted(names, groups)]


def metric(setting, hidden, x, y, folds, random) -> np.ndarray:
    """The metric of each row by each fit: (repeats, seeds, K, rows inside and outside)."""
    rows = folds.shape[1]
    train = folds[:, None, None] != np.arange(K)[:, None]
    train = np.broadcast_to(train, (REPEATS, SEEDS, K, rows)).reshape(-1, rows)
    weights = 0.6 * random.normal(size=(len(train), FEATURES + 1, hidden))
    layer = np.tanh(np.c_[x, np.ones(len(x))] @ weights)
    inside = layer[:, :rows]
    seen = (inside * train[..., None]).swapaxes(1, 2)
    solved = np.linalg.solve(seen @ inside + setting.ridge * np.eye(hidden), seen @ y[:rows, None])
    predicted = (layer @ solved)[..., 0]
    if setting.failing:
        predicted[random.random(len(train)) < FAILING] = y[:rows].mean()
    values = predicted * y > 0 if setting.classes else abs(predicted - y)
    return values.reshape(REPEATS, SEEDS, K, -1).astype("float64")


def pair(setting, number) -> tuple[tuple, float]:
    """(differences by held-out row, folds, groups) of a data set, and the mean on rows outside."""
    random = np.random.default_rng(number)
    x, y, groups = drawn(setting, random)
    folds = dealt(groups[: setting.rows], random)
    base, head = (
        metric(setting, hidden, x, y, folds, random) for hidden in (setting.base, setting.head)
    )
    apart = head - base
    inside = np.take_along_axis(apart[..., : setting.rows], folds[:, None, None], axis=2)[:, :, 0]
    return (inside, folds, groups[: setting.rows]), float(apart[..., setting.rows :].mean())


def simulated() -> list[Scenario]:
    """All pairs of each setting, judged; in two processes."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return list(pool.map(_judged, SIMULATED))


def _judged(setting):
    each, truths = zip(*(pair(setting, number) for number in range(setting.count)), strict=True)
    found, truth = judged(each), (0.0, 0.0)
    if setting.base != setting.head:
        truth = np.mean(truths), np.std(truths, ddof=1) / np.sqrt(len(truths))
    return Scenario(setting, setting.label, found, score(found, *truth))
