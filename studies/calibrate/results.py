"""What was measured, judged: a score for each pair of networks and for each network by itself."""

from dataclasses import dataclass

import numpy as np

from studies import common
from studies.calibrate.judge import Judged, Score, fold_means, judged, score, shared_noise
from studies.calibrate.measure import measured
from studies.calibrate.scenarios import Setting, described


@dataclass(frozen=True)
class Scenario:
    """A pair of networks of a setting, or a network by itself, and how its intervals did."""

    setting: Setting
    label: str
    found: Judged
    score: Score


def share_of(setting) -> float:
    """The share of all rows that a sample has; 0 where samples are all rows."""
    if not setting.rows:
        return 0.0
    with np.load(common.ROOT / f"data/arrays/{setting.dataset}.npz") as file:
        return setting.rows / sum(len(file[f"y_{part}"]) for part in setting.parts)


def differences(setting, pair) -> tuple[list, np.ndarray]:
    """(values of head - base, folds) of each pair that is measured, and their true differences."""
    each, truths = [], []
    for at, other in setting.places(pair):
        base = measured(setting, pair.base, at)
        head = measured(setting, pair.head, other)
        if base and head:
            each.append((head.values.astype("f4") - base.values, base.folds))
            truths.append(head.outside - base.outside)
    return each, np.array(truths)


def singles(setting, name) -> tuple[list, np.ndarray]:
    """(values, folds) of each sample on which a network is measured, and its true metrics."""
    numbers = range(setting.samples(name))
    each = [measured(setting, name, number) for number in numbers]
    each = [found for found in each if found]
    return [(found.values, found.folds) for found in each], np.array([e.outside for e in each])


def truth_of(setting, same, found, truths) -> tuple[float, float]:
    """The true mean and its standard error.

    Of networks that differ by seeds, 0; else the mean on rows outside the samples or, where samples
    are all rows, the mean that is judged: there it is true of these rows alone.
    """
    if same:
        return 0.0, 0.0
    means = truths if setting.outside else found.estimates[:, 0]
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


def scenario(setting, label, same, each, truths) -> Scenario:
    """Judge each (values, folds). same: whether they are of networks that differ by seeds alone.

    To those no rows matter, so they vary as they would on other rows.
    """
    found = judged(each)
    truth = truth_of(setting, same, found, truths)
    share = 0.0 if same else share_of(setting)
    return Scenario(setting, label, found, score(found, *truth, share))


def pairs(setting) -> list[Scenario]:
    """A scenario for each pair of a setting of which three pairs or more are measured."""
    measured_so_far = [(pair, *differences(setting, pair)) for pair in setting.pairs]
    return [
        scenario(setting, pair.label, setting.alike(pair), each, truths)
        for pair, each, truths in measured_so_far
        if len(each) > 2
    ]


def networks(setting) -> list[Scenario]:
    """A scenario for each network of a setting with rows outside its samples."""
    names = setting.networks if setting.outside else ()
    measured_so_far = [(name, *singles(setting, name)) for name in names]
    return [
        scenario(setting, described(setting.networks[name]), False, each, truths)
        for name, each, truths in measured_so_far
        if len(each) > 2
    ]


def cuts(setting, sizes) -> dict[tuple[int, int], list[Scenario]]:
    """Scenarios as of `pairs`, by the first so many repeats and seeds: {(repeats, seeds): ...}."""
    rows = {size: [] for size in sizes}
    for pair in setting.pairs:
        each, truths = differences(setting, pair)
        for repeats, seeds in sizes if len(each) > 2 else ():
            some = [(values[:repeats, :seeds], folds[:repeats]) for values, folds in each]
            found = scenario(setting, pair.label, setting.alike(pair), some, truths)
            rows[repeats, seeds].append(found)
    return rows


def noise(setting) -> dict[str, tuple[float, float]]:
    """Correlation of folds that share an order, over seeds, and its error, as of `shared_noise`.

    Of the first network and of each pair that shares seeds, by label.
    """
    first = next(iter(setting.networks))
    of = {"a network": _together(setting, singles(setting, first)[0])}
    for pair in setting.pairs:
        if pair.apart == (0,) and not setting.alike(pair):
            of[pair.label] = _together(setting, differences(setting, pair)[0])
    return {label: shared_noise(means) for label, means in of.items() if means}


def _together(setting, each):
    """Means of folds, with the seeds of samples that have the same folds side by side."""
    means = [fold_means(values, folds) for values, folds in each]
    if setting.rows:
        return means
    found = [means[dealing :: setting.dealings] for dealing in range(setting.dealings)]
    return [np.concatenate(some, axis=1) for some in found if some]
