"""Does the review keep its word? Pairs whose true difference is known -> docs/calibration.md.

- Same network, other seeds (Boston Housing): "better" or "worse" is a false alarm.
- Two networks on many small samples of IMDB: the difference in truth is, near enough, what both
  reach on thousands of rows outside the samples, averaged over the samples; an interval that leaves
  it out is wrong. This has the noise of the sample in it, and not that of training alone.
- 64, 64 units against 4, 4, and 80 epochs against 20 (Boston Housing): differences to be found.

Beside each, what the mean of the folds finds alone, and the paired t-test that ignores the rows
that folds share. `make calibrate` needs the arrays that `make repro` leaves in data/arrays/, and
half an hour to an hour.
"""

import numpy as np
from scipy import stats
from tqdm import tqdm

from stages import kfold
from stages.core.declared import params
from stages.core.fit.problem import Problem
from stages.core.judge.comparison import LEVEL, interval
from stages.core.run.stage import parser_of, tool
from studies.common import changed, load, table, write
from tools.review.comparison import typical

SAME, POWER, SAMPLES = 200, 50, 100  # pairs
SAMPLE, OUTSIDE = 1000, 10_000  # rows of a sample, and rows outside it that are judged
BATCH, EPOCHS = 64, 10  # of the fits on a sample
HEADER = "pairs | what is counted | the review | of these by the mean | paired t-test over folds"


def boston(section, seeds, units) -> np.ndarray:
    """K-fold MAE of the network with these hidden units: (seeds, k x repeats, epochs)."""
    x, y = load("boston_housing", "train")
    settings, problem = section.kfold, Problem.of(changed(section, "model", units=units), x, y, 1)
    folds = kfold.deal(y, settings.k, settings.repeats, 0, classifies=False)
    members = [member for seed in seeds for member in kfold.members(folds, seed)]
    fits = problem.fit(members, settings.epochs, f"Boston Housing, {units}")
    curves = np.array([fitted.history["val_metric"] for fitted in fits])
    return curves.reshape(len(seeds), -1, settings.epochs)


def imdb(section, dropouts) -> tuple[np.ndarray, np.ndarray]:
    """Networks on small samples: their K-fold accuracy, and that on other rows.

    (samples, networks, k x repeats), (samples, networks).
    """
    (x, y), settings = load("imdb", "train", "test"), section.kfold
    section = changed(section, "fit", batch_size=BATCH)
    inside = np.empty((SAMPLES, len(dropouts), settings.k * settings.repeats))
    outside = np.empty((SAMPLES, len(dropouts)))
    for sample in tqdm(range(SAMPLES), desc="IMDB samples", disable=None):
        drawn = np.random.default_rng(sample).permutation(len(y))
        rows, others = drawn[:SAMPLE], drawn[SAMPLE : SAMPLE + OUTSIDE]
        folds = kfold.deal(y[rows], settings.k, settings.repeats, sample, classifies=True)
        for number, dropout in enumerate(dropouts):
            variant = changed(section, "model", dropout=dropout)
            problem = Problem.of(variant, x[rows], y[rows], 1)
            fits = list(problem.fit(kfold.members(folds, sample), EPOCHS))
            inside[sample, number] = [fitted.history["val_metric"][-1] for fitted in fits]
            predicted = problem.predict(fits, x[others])[:, :, 0] > 0.5
            outside[sample, number] = (predicted == y[others]).mean()
    return inside, outside


def alarms(pairs, k, truth=0.0) -> np.ndarray:
    """How many pairs (base, head) have a 95 % interval of head - base that leaves out the truth.

    (3,) counts: by the mean of the folds or the typical fold, as the review judges; by the mean;
    by the naive paired t-test.
    """
    counts = np.zeros(3, int)
    for base, head in pairs:
        middle, (low, high) = typical(head - base, k), interval(head - base, k)
        by_mean = not low <= truth <= high
        by_typical = not middle.low <= truth <= middle.high
        naive = stats.ttest_1samp(head - base, truth).pvalue < LEVEL
        counts += [by_mean or by_typical, by_mean, naive]
    return counts


def found(base, head, k) -> np.ndarray:
    """Pairs in which head is seen to have the larger error, counted as by `alarms`."""
    pairs = zip(base, head, strict=True)
    return alarms([pair for pair in pairs if pair[1].mean() > pair[0].mean()], k)


def share(count, total) -> str:
    """A share with its exact 95 % interval."""
    low, high = stats.binomtest(int(count), total).proportion_ci()
    return f"{count / total:.1%} ({low:.1%} to {high:.1%})"


def page(same, samples, truth, power):
    """Write the page. same, samples: of `alarms`; power: {change: (counts, differences)}."""
    judged = [
        (SAME, "Boston Housing, other seeds alone", "false alarms", same),
        (SAMPLES, f"IMDB, samples of {SAMPLE:,} rows", "intervals without the truth", samples),
        *((POWER, f"Boston Housing, {what}", "found worse", n) for what, (n, _) in power.items()),
    ]
    rows = []
    for total, pairs, what, counts in judged:
        shares = " | ".join(share(count, total) for count in counts)
        rows.append(f"{total}, {pairs} | {what} | {shares}")
    networks = "The networks of the IMDB samples are 16, 16 without and with dropout 0.5"
    sentences = [f"{networks}; the truth is {truth:+.4f}."]
    for change, (_, difference) in power.items():
        worse, by_ten = (difference > 0).mean(), (difference > 10).mean()
        sentences.append(
            f"{change}: mean difference {difference.mean():+.3f} thousand dollars, {worse:.1%} of "
            f"the folds worse, {by_ten:.1%} by more than 10."
        )
    write(
        "calibration",
        "# Calibration",
        "Written by `make calibrate`: pairs of experiments whose true difference is known, "
        "judged as `make review` judges one metric of one data set: by the mean of all folds or, "
        "where that says nothing, by the typical fold. In brackets, the 95 % interval of the "
        "share.",
        table(HEADER, rows),
        "\n".join(sentences),
    )


def main():
    """Train all pairs and write the page."""
    parser_of(main).parse_args()
    sections = params.load().datasets
    section, text = sections["boston_housing"], sections["imdb"]
    k = section.kfold.k
    curves = boston(section, range(2 * SAME), [64, 64])
    large, short = curves[:, :, -1], curves[:, :, 19]
    same = alarms(zip(large[::2], large[1::2], strict=True), k)
    tiny = boston(section, range(POWER), [4, 4])[:, :, -1]
    base = large[POWER : 2 * POWER]  # base and head have no seed in common
    changes = {"64, 64 units against 4, 4": tiny, "80 epochs against 20": short[:POWER]}
    power = {change: (found(base, head, k), head - base) for change, head in changes.items()}
    inside, outside = imdb(text, dropouts=(0.0, 0.5))
    truth = float(np.diff(outside.mean(axis=0))[0])
    page(same, alarms(inside, text.kfold.k, truth), truth, power)


if __name__ == "__main__":
    tool(main)
