"""docs/calibration.md, from what is measured so far."""

import numpy as np
from scipy import stats

from stages.core.judge import variance
from studies import common
from studies.calibrate import judge, results
from studies.calibrate.judge import AVERAGED, FEWEST, KAPPAS, METHODS, PARTS, SINGLE, kept
from studies.calibrate.scenarios import SETTINGS
from studies.calibrate.simulated import simulated

RECIPE, OF_ONE = (KAPPAS.index(kappa) for kappa in (variance.KAPPA, variance.SINGLE))
SIZES = ((5, 5), (4, 5), (3, 5), (5, 3), (4, 3), (3, 3), (5, 2))  # repeats, seeds
INTRODUCTION = """\
Written by `make calibrate`: pairs of experiments whose true difference is known, and what the
review says of them. Samples stand for the data that a person has, and thousands of rows of the
same data set outside the sample for the truth: the true difference is the mean, over all samples,
of what the fits reach there. Networks that differ by seeds alone have a true difference of 0. An
interval of the 95 % kind that leaves out the truth is a miss; a verdict on a pair whose true
difference is 0, or below a quarter of the estimate's standard deviation, is false. In brackets,
the 95 % interval of a share."""
METHODS_ARE = """\
"kappa" are the intervals of `variance.by_parts`, "folds" the test of Nadeau and Bengio on folds
averaged over seeds, "folds of a seed" the same with a single seed, as the review judged before
there were seeds, and "paired t-test" the test that takes the folds of a seed for independent. The
best possible width is that of an interval from the standard deviation of the estimate over
samples, which nobody knows who has a single one. Where a sample has a large share of all rows,
estimates vary less than they would on new rows: here, by what that share accounts for, they are
taken to be further from the truth."""
UNITS = """\
Differences and half widths are in points of accuracy, those of Boston Housing in thousand dollars.
Samples train in smaller batches, or faster, than the data sets that they are drawn from (see
`studies/calibrate/scenarios.py`). On all of Boston Housing's training rows an experiment with other
seeds is compared with up to four others, so those pairs are not quite independent."""
POWER = """\
How often a true difference is found, in the right direction. On all of Boston Housing's training
rows the true difference is the mean over the pairs, which all have the same rows; so no misses
are counted there."""
SIMULATION = """\
Learners that are solved in closed form, ridge regression on a hidden layer of random weights, on so
many data sets that the share of misses is known to a percent (`studies/calibrate/simulated.py`). In
the unit of the target, or in points of accuracy."""
A_NETWORK = f"""\
The same for the accuracy, or the error, of a network by itself, on all samples. Intervals of
`metrics/*.json` take kappa = {variance.SINGLE:g}: what training sets have in common cancels in a
difference, and stays in a single figure."""
BOUNDS = (
    f"at most 7 % missed, 10 % in a scenario of {FEWEST} pairs or more, 7 % false verdicts, 5 % "
    "with seeds alone"
)
FITS = "Misses and mean half widths, from the first repeats and seeds of the same fits."
PARTS_OF = """\
What the variance of the estimate over samples (= 1) consists of, by the means of what `by_parts`
measures in each sample, and what is left: training rows that all training sets of a sample have in
common. kappa times the variance between training sets stands for it. A variance below 0 counts
as 0 in a sample, so its mean is too large where there is little of it, and the kappa asked for
too small."""
ORDERS = """\
The folds of a repeat and a seed share the order of their rows. Do they share noise? The
correlation of the held-out metrics of two such folds, over seeds (± its standard error if there
were none): where it is above 0, the noise of seeds must be taken from the mean of a repeat's
folds, as `by_parts` does. Of differences, since two networks with the same seed share the order
as well: it cancels in part."""


def share(count, total) -> str:
    """A share with its exact 95 % interval."""
    if not total:
        return "-"
    low, high = stats.binomtest(int(count), int(total)).proportion_ci()
    return f"{count / total:.1%} ({low:.1%} to {high:.1%})"


def number(value, setting, sign="") -> str:
    """A difference or a width: in points of accuracy, or in the unit of the target."""
    return f"{value:{sign}.3f}" if setting.unit else f"{100 * value:{sign}.2f}"


def named(scenario) -> str:
    """Data and change of a scenario."""
    return f"{scenario.setting.title}: {scenario.label}"


def truth(scenario) -> str:
    """The true difference with its standard error; 0 is exact."""
    done = scenario.score
    error = f" ± {number(done.error, scenario.setting)}" if done.error else ""
    return number(done.truth, scenario.setting, "+") + error if error else "0"


def _kept(scenarios, place):
    outside = [bool(each.setting.outside) for each in scenarios]
    return kept([each.score for each in scenarios], outside, place)


def summary(scenarios) -> str:
    """A line for each method: all intervals for which a truth is known, and all equal pairs."""
    rows = []
    for place, method in enumerate(METHODS):
        done = _kept(scenarios, place)
        cells = (
            f"{share(done.missed, done.intervals)} | {done.worst:.1%}",
            f"{share(done.false, done.equal)} | {share(done.alone, done.seeds)}",
            f"{done.best:.2f} | {done.single:.2f}",
        )
        rows.append(f"{method} | {' | '.join(cells)}")
    head = "method | missed | in the worst scenario | false verdicts | of these, seeds alone"
    return common.table(f"{head} | width, best possible = 1 | folds of a seed = 1", rows)


def in_short(scenarios, made_up, networks) -> str:
    """What the page says, in a few lines."""
    done, of_one = _kept(scenarios, RECIPE), _kept(networks, OF_ONE)
    scores = [each.score for each in scenarios if each.score.false is None]
    power = [[each.found[place] / each.count for each in scores] for place in (RECIPE, SINGLE)]
    found = [f"{min(shares, default=0):.0%} to {max(shares, default=0):.0%}" for shares in power]
    rows = [f"{each.setting.rows:,}" for each in scenarios if each.setting.outside]
    said = [
        f"**Intervals of a difference**: {share(done.missed, done.intervals)} of "
        f"{done.intervals:,} miss the truth; most in {_worst(scenarios, RECIPE)}.",
        f"**Verdicts on equals**: {share(done.false, done.equal)} of {done.equal:,} are false; of "
        f"those that differ by seeds alone, {share(done.alone, done.seeds)} of {done.seeds:,}.",
        f"**Width**: {done.best:.2f} of the best possible, {done.single:.2f} of the width from the "
        "folds of a single seed.",
        f"**Power**: true differences are found in {found[0]} of pairs, by their size "
        f"([each](#what-is-found)); by the folds of a single seed in {found[1]}.",
        f"**Intervals of a single network**, as in `metrics/*.json`: "
        f"{share(of_one.missed, of_one.intervals)} of {of_one.intervals:,} miss the truth; most in "
        f"{_worst(networks, OF_ONE)}.",
        choice(scenarios, made_up),
        "**What it does not say**: the truth needs rows outside a sample, so samples have "
        f"{', '.join(dict.fromkeys(rows))} rows. With more rows, shares were not measured.",
    ]
    return "\n".join(f"- {line}" for line in said)


def _worst(scenarios, place):
    """The scenario with the most misses, and their share."""
    known = [each for each in scenarios if each.setting.outside]
    if not known:
        return "none"
    most = max(known, key=lambda each: each.score.missed[place] / each.score.count)
    return f"{named(most)}, {share(most.score.missed[place], most.score.count)}"


def choice(scenarios, made_up) -> str:
    """The smallest kappa that keeps the bounds."""
    worst = np.max([each.score.missed / each.score.count for each in made_up], axis=0)[: len(PARTS)]
    safe = [f"{kappa:g}" for kappa, missed in zip(KAPPAS, worst, strict=True) if missed <= 0.07]
    good = [place for place in range(len(PARTS)) if _kept(scenarios, place).holds]
    return (
        f"**kappa**: the review takes {variance.KAPPA:g}. Bounds were set before anything was "
        f"measured: {BOUNDS}. The smallest that keeps them on these pairs, by which it was chosen: "
        f"{f'{KAPPAS[good[0]]:g}' if good else 'none'}. The smallest with which none of the "
        f"simulated scenarios misses more than 7 %: {safe[0] if safe else 'none'}."
    )


def pairs(scenarios) -> str:
    """A line for each scenario, as the review judges it."""
    rows = []
    for each in scenarios:
        done, setting = each.score, each.setting
        missed = share(done.missed[RECIPE], done.count) if setting.outside else "-"
        false = "-" if done.false is None else share(done.false[RECIPE], done.count)
        best = f"{done.width[RECIPE] / done.best:.2f}" if setting.outside else "-"
        width = f"{number(done.width[RECIPE], setting)} | {best}"
        single = f"{done.width[RECIPE] / done.width[SINGLE]:.2f}"
        found = [f"{done.found[place] / done.count:.0%}" for place in (RECIPE, SINGLE)]
        found = " | ".join(found if done.false is None else "--")
        cells = f"{done.count} | {truth(each)} | {missed} | {false} | {width} | {single} | {found}"
        rows.append(f"{named(each)} | {cells}")
    head = "scenario | pairs | true difference | missed | false verdicts | half width"
    head += " | best possible = 1 | folds of a seed = 1"
    return common.table(f"{head} | found | found by folds of a seed", rows)


def methods(scenarios) -> str:
    """Misses (false verdicts where all rows are in each sample) and widths, by method."""
    rows = []
    for each in scenarios:
        done = each.score
        wrong = done.missed if each.setting.outside else done.false
        if wrong is not None:
            both = zip(wrong / done.count, done.width / done.best, strict=True)
            cells = [f"{part:.1%}, {width:.2f}" for part, width in both]
            rows.append(f"{named(each)} | {' | '.join(cells)}")
    return common.table("scenario | " + " | ".join(METHODS), rows)


def power(scenarios) -> str:
    """The share of true differences that each valid method finds."""
    chosen = (*range(len(PARTS)), AVERAGED, SINGLE)
    rows = []
    for each in scenarios:
        done = each.score
        if done.false is None:
            cells = " | ".join(f"{done.found[place] / done.count:.0%}" for place in chosen)
            rows.append(f"{named(each)} | {done.count} | {truth(each)} | {cells}")
    head = " | ".join(METHODS[place] for place in chosen)
    return common.table(f"scenario | pairs | true difference | {head}", rows)


def parts(scenarios) -> str:
    """What the variance of the estimate consists of, and the kappa that explains its rest."""
    rows = []
    for each in scenarios:
        shares, error = judge.shares(each.found, each.score), np.sqrt(2 / (each.score.count - 1))
        cells = " | ".join(f"{part:.2f}" for part in shares[:3])
        rest, between = f"{shares[3]:+.2f} ± {error:.2f}", shares[4]
        asked = f"{shares[3] / between:+.2f}" if between else "-"
        rows.append(f"{named(each)} | {cells} | {rest} | {between:.2f} | {asked}")
    head = "scenario | rows | seeds | training sets drawn | rest | between training sets"
    return common.table(f"{head} | kappa asked for", rows)


def cuts(settings) -> str:
    """Repeats and seeds: misses and widths of the recipe, over all pairs of these settings."""
    rows = []
    for setting in settings:
        sizes = [size for size in SIZES if size[0] <= setting.repeats and size[1] <= setting.seeds]
        for (repeats, seeds), done in results.cuts(setting, sizes).items():
            scores = [each.score for each in done]
            if not scores:
                continue
            total = sum(each.count for each in scores)
            missed = sum(each.missed for each in scores)[: len(PARTS)] / total
            width = np.mean([each.width[: len(PARTS)] for each in scores], axis=0)
            both = zip(missed, width, strict=True)
            cells = " | ".join(f"{part:.1%}, {number(wide, setting)}" for part, wide in both)
            best = number(np.mean([each.best for each in scores]), setting)
            fits = f"{repeats} x {seeds} | {setting.k * repeats * seeds} | {total} | {best}"
            rows.append(f"{setting.title} | {fits} | {cells}")
    head = "data | repeats x seeds | fits | intervals | best possible | "
    return common.table(head + " | ".join(PARTS), rows)


def orders(settings) -> str:
    """Do folds that share an order of rows share noise?"""
    measured = {
        f"{setting.title}: {label}": found
        for setting in settings
        for label, found in results.noise(setting).items()
    }
    rows = [f"{label} | {value:+.2f} ± {error:.2f}" for label, (value, error) in measured.items()]
    return common.table("of what | correlation", rows)


def write():
    """Write the page."""
    outside = [setting for setting in SETTINGS if setting.outside]
    main = [setting for setting in SETTINGS if not setting.extra]
    compared = [each for setting in main for each in results.pairs(setting)]
    alone = [each for setting in main for each in results.networks(setting)]
    known = [each for each in compared if each.setting.outside]
    made_up = simulated()
    common.write(
        "calibration",
        *("# Calibration", INTRODUCTION, in_short(compared, made_up, alone)),
        *("## By method", METHODS_ARE, summary(compared)),
        *("## Each pair, as the review judges it", UNITS, pairs(compared)),
        *("## Each pair, by method", "Missed, and width (best possible = 1).", methods(compared)),
        *("## What is found", POWER, power(compared)),
        *("## Simulated pairs", SIMULATION, methods(made_up)),
        *("## A single network", A_NETWORK, summary(alone), methods(alone)),
        *("## What kappa stands for", PARTS_OF, parts([*known, *alone])),
        *(
            "## How many repeats and seeds",
            FITS,
            cuts(outside),
        ),
        *("## Noise that folds share", ORDERS, orders(SETTINGS)),
    )
