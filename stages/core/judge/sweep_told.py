"""What a sweep found as a table, as numbers and in a line."""

import json
import shlex
import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.core.declared import strict_yaml
from stages.core.declared.sources import Source
from stages.core.declared.sweeps import Candidate
from stages.core.judge.comparison import Comparison
from stages.core.judge.sweep import Found, Judge, simplest

ENDS = "", "_low", "_high"  # of the names of columns: a difference and its interval


@dataclass(frozen=True)
class Sweep:
    """All that is told of a sweep.

    name, source: of the data set. tried: as of `sweeps.candidates`. parameters: of the network of
    each. found: by the candidates that did not diverge. trained: fits for the choice. again: the
    difference of the best to the first in fits to fresh folds with fresh seeds, corrected for how
    many it was chosen from, and the means of both; None where the first is the best, or one of the
    two diverged. fresh_folds: whether those folds hold out other rows; in time they do not.
    """

    name: str
    source: Source
    judge: Judge
    tried: list[Candidate]
    parameters: list[int]
    found: Found
    trained: int
    again: tuple[Comparison, float, float] | None
    fresh_folds: bool = True

    @property
    def saved(self) -> int:
        """Fits that all candidates as experiments of their own would train beside: of what stops
        or diverges, and of what others have trained as well.
        """
        return len(self.tried) * self.found.reached[0].values.size - self.trained

    @property
    def optimism(self) -> float | None:
        """How much better the best looks than it is, by the bootstrap; above 0: better."""
        if not self.found.chosen:
            return None
        more = self.found.chosen.naive - self.found.chosen.mean
        return more if self.judge.metric.higher_is_better else -more

    @property
    def cut_short(self) -> list[int]:
        """The candidates some folds of which are judged after the last epoch that they might
        choose, so that more might be better.
        """
        return [number for number, each in self.found.reached.items() if each.at_limit]

    @property
    def simplest(self) -> int:
        """The simplest candidate of the best group that is close to the best: what is in the group
        for want of evidence may be far from it.
        """
        found, within = self.found, self.judge.within
        best = found.reached[found.best].mean
        apart = {number: abs(found.reached[number].mean - best) for number in found.group}
        close = sorted((n for n in apart if apart[n] <= within), key=apart.get)
        sections = {number: each.section for number, each in enumerate(self.tried)}
        return simplest(sections, self.parameters, close)


def text(value) -> str:
    """A value for people, as params.yaml takes it: text that would be something else has quotes."""
    if isinstance(value, str):
        return strict_yaml.write([value])[2:-1]
    return json.dumps(value, separators=(",", ":"))


def is_number(value) -> bool:
    """Whether a value is one, and not true or false."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def varied(told: Sweep) -> list[str]:
    """The paths that differ between candidates."""
    paths = told.tried[0].values
    return [path for path in paths if len({text(each.values[path]) for each in told.tried}) > 1]


def frame(told: Sweep) -> pd.DataFrame:
    """A line for each candidate; 0 is params.yaml. The best mean is first; what stopped comes after
    what did not, and what diverged is last.
    """
    found, lines = told.found, []
    for number, candidate in enumerate(told.tried):
        reached = found.reached.get(number)
        line = {"candidate": number} | {path: text(candidate.values[path]) for path in varied(told)}
        line |= {"parameters": told.parameters[number], "repeats": 0, "mean": np.nan}
        if reached is not None:
            line |= {"repeats": len(reached.values), "mean": reached.mean}
        if told.cut_short:
            line["folds_at_limit"] = reached.at_limit if reached is not None else 0
        for name, found_of in (("to_base", found.to_base), ("to_best", found.to_best)):
            each = found_of.get(number)
            values = (each.mean, each.low, each.high) if each else [np.nan] * 3
            line |= {name + end: value for end, value in zip(ENDS, values, strict=True)}
        verdict = "diverged" if reached is None else "base"
        if number in found.to_base:
            verdict = told.judge.verdict(found.to_base[number])
        line |= {"verdict": verdict, "best_group": int(number in found.group)}
        lines.append(line)
    sign = -1 if told.judge.metric.higher_is_better else 1
    lines.sort(key=lambda line: (-line["repeats"], line["repeats"] and sign * line["mean"]))
    return pd.DataFrame(lines)


def numbers(told: Sweep) -> dict:
    """What a metrics file says of it."""
    found, metric = told.found, told.judge.metric
    naive, chosen = found.reached[found.best].mean, found.chosen
    said = {
        "candidates": len(told.tried),
        "fits": told.trained,
        "fits_saved": told.saved,
        "best": told.tried[found.best].said,
        "simplest": told.tried[told.simplest].said,
        metric.name: {"base": found.reached[0].mean, "best": naive},
    }
    if chosen:
        judged = {"mean": chosen.mean, "low": chosen.low, "high": chosen.high}
        said["on_other_rows"] = judged | {"optimism": told.optimism}
    if told.again:
        difference, base, best = told.again
        ends = {"difference": difference.mean, "low": difference.low, "high": difference.high}
        verdict = {"p": difference.p, "verdict": told.judge.verdict(difference)}
        said["trained_again"] = {"base": base, "best": best} | ends | verdict
    return said


def command(told: Sweep, number: int, which: str) -> str:
    """The line that makes a candidate an experiment."""
    changes = [*told.tried[number].settings, f"~sweeps.{told.name}"]  # it needs no sweep of its own
    options = [word for setting in changes for word in ("-S", setting)]
    mark = zlib.crc32(" ".join(changes).encode()) % 16**4  # that of another sweep has another name
    name = f"{told.name}-{which}-{mark:04x}"
    return shlex.join(["dvc", "exp", "run", "--name", name, *options])


def summary(told: Sweep) -> str:
    """What the terminal says, in a line."""
    metric, found = told.judge.metric, told.found
    said = f"best of {len(told.tried)}: {told.tried[found.best].said}, {metric.name} "
    said += f"{found.reached[found.best].mean:.4f}, params.yaml {found.reached[0].mean:.4f}"
    if told.again:
        difference, *_ = told.again
        said += f"; trained again {difference.mean:+.4f}: {told.judge.verdict(difference)}"
    return f"{said}; {told.trained:,} fits for the choice, {told.saved:,} saved"
