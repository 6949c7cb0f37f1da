"""What a revision says of a data set: its metrics, by fold, by row, and what it is."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from stages.core.declared import sources, strict_yaml
from stages.core.declared.task import Task, chosen
from stages.core.judge import row_metrics, scores
from stages.core.judge.metrics import METRICS, Metric, loss, main_metric
from tools.review.revisions import Revision, Unreadable


@dataclass(frozen=True)
class Description:
    """What a data set is, as some revision says; metric: the main one."""

    source: sources.Source
    task: Task
    metric: Metric
    loss: Metric


def described(document: bytes | None, data: object, measured: str) -> Description | None:
    """What a data set is, or None where that cannot be told.

    document: its source file. data: `data` of its section. measured: what the loss measures.
    """
    try:
        source = sources.parse(document or b"")
        task = chosen(data["task"], data.get("metrics") or ())
        return Description(source, task, main_metric(task), loss(measured))
    except (strict_yaml.Wrong, KeyError, TypeError, AttributeError):
        return None


class ByRow(NamedTuple):
    """A metric of each row in the folds: values (repeats, seeds, rows), folds (repeats, rows) and
    groups (rows,) or None; or why it is not here.
    """

    absent: str
    values: np.ndarray | None = None
    folds: np.ndarray | None = None
    groups: np.ndarray | None = None


def _with_groups(found: dict, place: str, groups: tuple[str, ...]) -> dict:
    """The same, with groups that are mappings, as of names to values. Raises Unreadable."""
    for group in groups:
        if not isinstance(found.get(group) or {}, dict):
            raise Unreadable(
                f"{place}: expected names and values below {group}, got {found[group]!r}"
            )
    return {key: value or {} if key in groups else value for key, value in found.items()}


class Results:
    """What a revision says of one data set; None or empty where it does not. Raises Unreadable."""

    def __init__(self, revision: Revision, name: str):
        folder, self.revision, self._name = f"metrics/{name}", revision, name
        told, place = revision.json(f"{folder}.json"), f"{folder}.json of {revision.name}"
        groups = ("network", "kfold", "reference", "traps", "chosen_epochs")
        self.metrics = _with_groups(told, place, groups)
        _with_groups(self.metrics.get("kfold", {}), f"kfold in {place}", (*METRICS, "loss"))
        self.measured = self.metrics.get("network", {}).get("loss", "")  # by the loss
        section, place = revision.sections.get(name, {}), f"datasets.{name} in params.yaml"
        groups = ("data", "kfold", "review")
        self.section = _with_groups(section, f"{place} of {revision.name}", groups)
        self.split_seed = revision.yaml("params.yaml").get("split_seed")
        source = revision.read(f"data/sources/{name}.yaml")
        self.about = described(source, self.section.get("data"), self.measured)
        self.folds = revision.table(f"{folder}/folds.csv", ("repeat", "fold", "loss"))
        self.curves = revision.table(f"{folder}/fold_curves.csv")
        self.outcome = revision.table(f"{folder}/test.csv")
        rows = revision.table(f"{folder}/test_rows.csv")
        # The main metric of each test row: (seeds, rows).
        self.test_rows = None if rows is None else rows.to_numpy().T
        self.network = (revision.read(f"{folder}/network.txt") or b"").decode()
        inputs = revision.yaml("dvc.lock").get("stages", {}).get(f"preprocess@{name}") or {}
        hashes = {dep["path"]: dep.get("md5", "") for dep in inputs.get("deps", [])}
        self.data = hashes.get(f"data/raw/{name}", "")

    @property
    def equivalent_within(self) -> float | None:
        """Half the band of differences that are too small to matter. Raises Unreadable."""
        within = self.section.get("review", {}).get("equivalent_within")
        if within is None or (isinstance(within, (int, float)) and within > 0):
            return within
        place = f"params.yaml of {self.revision.name}: datasets.{self._name}.review"
        raise Unreadable(f"{place}.equivalent_within: expected a number above 0, got {within!r}")

    @property
    def cut_short(self) -> str:
        """That its folds might do better with more epochs than there were, for people; or ""."""
        return scores.cut_short(self.metrics.get("chosen_epochs", {}))

    def mean(self, metric: Metric) -> float | None:
        """The K-fold mean of a metric; None where there is none."""
        return self.metrics.get("kfold", {}).get(metric.name, {}).get("mean")

    def has(self, metric: str) -> bool:
        """Whether every fit has this metric."""
        values = None if self.folds is None else self.folds.get(metric)
        numbers = values is not None and pd.api.types.is_numeric_dtype(values)
        return numbers and bool(np.isfinite(values).all())

    @property
    def _keys(self):
        """Columns that tell fits apart; results of an older layout have no seeds."""
        return [key for key in ("repeat", "seed", "fold") if key in self.folds]

    @property
    def complete(self) -> bool:
        """Whether each fold of each repeat and seed is there once."""
        fits = self.folds[self._keys]
        return not fits.duplicated().any() and len(fits) == fits.nunique().prod()

    def of_fits(self, metric: str) -> np.ndarray:
        """A metric of each fit: (repeats, seeds, k).

        Where all repeats are alike, as in time, they are seeds of a single one.
        """
        sizes = {"seed": 1} | self.folds[self._keys].nunique().to_dict()
        shape = [sizes[key] for key in ("repeat", "seed", "fold")]
        values = self.folds.sort_values(self._keys)[metric].to_numpy("float64").reshape(shape)
        return values.reshape(1, -1, shape[2]) if self.alike else values

    def agrees(self, rows: ByRow) -> bool:
        """Whether metrics by row are those of the folds, but for their rounding."""
        values = self.folds.sort_values(self._keys)[self.judged].to_numpy("float64")
        shape, groups = (*rows.values.shape[:2], rows.folds.max() + 1), rows.groups
        same_rows = rows.folds.shape == rows.values[:, 0].shape
        if groups is not None:
            same_rows = same_rows and groups.shape == rows.folds[0].shape
        if not same_rows or values.size != np.prod(shape):
            return False  # such as a file that a merge took from another revision
        held_out = [
            [[of_seed[dealt == fold].mean() for fold in range(shape[2])] for of_seed in of_repeat]
            for of_repeat, dealt in zip(rows.values, rows.folds, strict=True)
        ]
        smallest = max(1e-12, rows.values.max() * 2.0**-38)  # what 16 bits tell beside an outlier
        return bool(np.allclose(np.ravel(held_out), values, rtol=1e-3, atol=smallest))

    @property
    def held_out(self) -> pd.DataFrame:
        """The fingerprint of each fold's rows: repeat, fold, held_out."""
        columns = ["repeat", "fold", "held_out"]
        return self.folds[columns].drop_duplicates(ignore_index=True)

    @property
    def alike(self) -> bool:
        """Whether all repeats hold out the same rows, fold by fold."""
        return bool((self.folds.groupby("fold")["held_out"].nunique() == 1).all())

    @property
    def judged(self) -> str:
        """The metric by which these results were judged: the first after the loss."""
        columns = [*self.folds.columns, ""]
        return columns[columns.index("loss") + 1]

    @property
    def in_time(self) -> bool:
        """Whether folds follow each other in time."""
        return self.metrics.get("split", "").startswith("time")

    @cached_property
    def by_row(self) -> ByRow:
        """The main metric of each row in the folds. Raises Unreadable."""
        folder = f"metrics/{self._name}"
        files = [self.revision.read(f"{folder}/{file}.npz") for file in ("fold_rows", "row_folds")]
        if None in files:
            return ByRow("does not say how each row fared in the folds")
        try:
            why = [row_metrics.absent(file) for file in files]
            if row_metrics.NOT_BY_ROW in why:
                return ByRow("is judged by a metric that is no mean over rows")
            if any(why):
                files = [self.revision.cached(f"data/rows/{self._name}.npz")] * 2
            if None in files:
                return ByRow("has too many rows for Git; `dvc pull` or `dvc repro` brings them")
            return ByRow("", row_metrics.unpack(files[0]), *row_metrics.unpack_folds(files[1]))
        except ValueError as error:
            files = f"{folder}/fold_rows.npz or row_folds.npz of {self.revision.name}"
            raise Unreadable(f"{files}: {error}; `dvc repro` makes them anew") from None
