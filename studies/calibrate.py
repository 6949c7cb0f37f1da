"""Does the review's verdict keep its word? Pairs of experiments whose true difference is known -> docs/calibration.md.

- Same network, other seeds (Boston Housing): there is no difference, so "better" or "worse" is a false alarm.
- Two networks on many small samples of IMDB: what both reach on thousands of rows outside the samples, averaged over
  the samples, is the difference in truth, near enough; an interval that leaves it out is wrong. This has the noise of
  the sample in it, and not that of training alone.
- 64, 64 units against 4, 4, and 80 epochs against 20 (Boston Housing): differences that must be found.

Beside each, what the mean of the folds finds alone, and the paired t-test that ignores the rows that folds share.

`make calibrate` needs the arrays that `make repro` leaves in data/arrays/, and half an hour to an hour.
"""

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy import stats
from tqdm import tqdm

from stages import kfold
from stages.core.declared import params
from stages.core.data import arrays
from stages.core.fit.problem import Problem
from stages.core.judge import comparison
from stages.core.run.stage import parser_of, tool

SAME, POWER, SAMPLES = 200, 50, 100  # pairs
SAMPLE, OUTSIDE = 1000, 10_000  # rows of a sample, and rows outside it that are judged
SMALL = {"batch_size": 64, "epochs": 10}  # fits on a sample
ROOT = Path(__file__).parent.parent


def load(name, *parts):
    """Rows and labels of these parts of a data set, one below the other."""
    with np.load(ROOT / f"data/arrays/{name}.npz") as file:
        x = [arrays.unpack(f"x_{part}", file) for part in parts]
        y = np.hstack([file[f"y_{part}"] for part in parts])
    return (sp.vstack(x, format="csr") if sp.issparse(x[0]) else np.vstack(x)), y


def changed(section, part, **keys):
    """The section with these keys of one of its groups changed."""
    return section.model_copy(update={part: getattr(section, part).model_copy(update=keys)})


def boston(section, seeds, units) -> np.ndarray:
    """K-fold MAE of the network with these hidden units: (seeds, k x repeats, epochs)."""
    x, y = load("boston_housing", "train")
    settings, problem = section.kfold, Problem.of(changed(section, "model", units=units), x, y, 1)
    folds = kfold.deal(y, settings.k, settings.repeats, 0, classifies=False)
    members = [member for seed in seeds for member in kfold.members(folds, seed)]
    fits = problem.fit(members, settings.epochs, f"Boston Housing, {units}")
    return np.array([fitted.history["val_metric"] for fitted in fits]).reshape(
        len(seeds), -1, settings.epochs
    )


def imdb(section, variants, samples) -> tuple[np.ndarray, np.ndarray]:
    """Two networks on small samples: (samples, 2, k x repeats) K-fold accuracy, (samples, 2) accuracy outside."""
    (x, y), settings = load("imdb", "train", "test"), section.kfold
    section = changed(section, "fit", batch_size=SMALL["batch_size"])
    inside, outside = np.empty((samples, 2, settings.k * settings.repeats)), np.empty((samples, 2))
    for sample in tqdm(range(samples), desc="IMDB samples", disable=None):
        drawn = np.random.default_rng(sample).permutation(len(y))
        rows, others = drawn[:SAMPLE], drawn[SAMPLE : SAMPLE + OUTSIDE]
        members = kfold.members(
            kfold.deal(y[rows], settings.k, settings.repeats, sample, True), sample
        )
        for number, variant in enumerate(variants):
            problem = Problem.of(changed(section, "model", **variant), x[rows], y[rows], 1)
            fits = list(problem.fit(members, SMALL["epochs"]))
            inside[sample, number] = [fitted.history["val_metric"][-1] for fitted in fits]
            predicted = problem.predict(fits, x[others])[:, :, 0] > 0.5
            outside[sample, number] = (predicted == y[others]).mean()
    return inside, outside


def alarms(pairs, k, truth=0.0) -> tuple[int, int, int]:
    """Pairs (base, head) whose 95 % interval of head - base leaves out the truth.

    By the mean of the folds; by that or by the typical fold, as the review judges; by the naive paired t-test.
    """
    by_mean = by_either = naive = 0
    for base, head in pairs:
        typical, (low, high) = (
            comparison.typical(head - base, k),
            comparison.interval(head - base, k),
        )
        outside = not low <= truth <= high
        by_mean += outside
        by_either += outside or not typical.low <= truth <= typical.high
        naive += stats.ttest_1samp(head - base, truth).pvalue < comparison.LEVEL
    return by_mean, by_either, naive


def share(count, total) -> str:
    """A share with its exact 95 % interval."""
    low, high = stats.binomtest(count, total).proportion_ci()
    return f"{count / total:.1%} ({low:.1%} to {high:.1%})"


def found(base, head, k) -> tuple[int, int, int]:
    """Pairs in which head is seen to have the larger figure, counted as by `alarms`."""
    return alarms(
        [pair for pair in zip(base, head, strict=True) if pair[1].mean() > pair[0].mean()], k
    )


def page(same, samples, truth, power) -> str:
    """The figures as Markdown. same, samples: counts of `alarms`; power: (change, counts, differences)s."""
    lines = [
        "# Calibration",
        "",
        "Written by `make calibrate`: pairs of experiments whose true difference is known, judged as `make review` "
        "judges one figure of one data set: by the mean of all folds or, where that says nothing, by the typical fold. "
        "In brackets, the 95 % interval of the share.",
        "",
        "| pairs | what is counted | the review | of these by the mean | paired t-test over folds |",
        "|---|---|---|---|---|",
    ]
    for what, counted, counts, total in [
        (f"{SAME}, Boston Housing, other seeds alone", "false alarms", same, SAME),
        (
            f"{SAMPLES}, IMDB, samples of {SAMPLE:,} rows",
            "intervals without the truth",
            samples,
            SAMPLES,
        ),
        *(
            (f"{POWER}, Boston Housing, {change}", "found worse", counts, POWER)
            for change, counts, _ in power
        ),
    ]:
        by_mean, by_either, naive = (share(count, total) for count in counts)
        lines.append(f"| {what} | {counted} | {by_either} | {by_mean} | {naive} |")
    lines += [
        "",
        f"The networks of the IMDB samples are 16, 16 without and with dropout 0.5; the truth is {truth:+.4f}.",
    ]
    for change, _, differences in power:
        lines.append(
            f"{change[0].upper()}{change[1:]}: mean difference {differences.mean():+.3f} thousand dollars, "
            f"{(differences > 0).mean():.1%} of the folds worse, {(differences > 10).mean():.1%} by more than 10."
        )
    return "\n".join(lines) + "\n"


def main():
    """Train all pairs and write the page."""
    parser_of(main).parse_args()
    sections = params.load(ROOT / "params.yaml").datasets
    section = sections["boston_housing"]
    k, seeds = section.kfold.k, range(2 * SAME)
    curves = boston(section, seeds, [64, 64])
    large, short = curves[:, :, -1], curves[:, :, 19]
    same = alarms(zip(large[::2], large[1::2], strict=True), k)
    tiny = boston(section, range(POWER), [4, 4])[:, :, -1]
    # Base and head have no seed in common.
    base = large[POWER : 2 * POWER]
    power = [
        (change, found(base, head, k), head - base)
        for change, head in [
            ("64, 64 units against 4, 4", tiny),
            ("80 epochs against 20", short[:POWER]),
        ]
    ]
    inside, outside = imdb(sections["imdb"], ({"dropout": 0.0}, {"dropout": 0.5}), SAMPLES)
    truth = float(np.diff(outside.mean(axis=0))[0])
    samples = alarms(inside, sections["imdb"].kfold.k, truth)
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs/calibration.md").write_text(page(same, samples, truth, power), "utf-8")


if __name__ == "__main__":
    tool(main)
