"""What the top of a review says of each data set."""

import re

import numpy as np
import pytest
from made_up import NAMES, comparison_of, top

from stages.core.judge import comparison, markdown

UP, DOWN = (("imdb", "accuracy", True), ("boston_housing", "mae (thousand dollars)", False))
STARTS = {"imdb": 0.85, "boston_housing": 2.5}  # K-fold means in base
both_directions = pytest.mark.parametrize(
    ("name", "label", "higher"), [UP, DOWN], ids=["up", "down"]
)


def lines(text) -> list[str]:
    return re.findall(r"^- (.+)$", text.split("## What changed")[0], re.MULTILINE)


def line(text, name) -> str:
    """The headline of a data set."""
    (found,) = [said for said in lines(text) if said.startswith(f"**{name}: ")]
    return found


def scaled(name, change):
    """A change of accuracy as one of the error, which is 10 times as much and of other direction."""
    return change if name == "imdb" else tuple(-10 * part for part in change)


def means(name, change) -> str:
    return f"{STARTS[name]:.4f} → {STARTS[name] + change:.4f}"


def sizes(low, high) -> str:
    """An interval of a size, whatever its direction."""
    ends = sorted((abs(low), abs(high)))
    return f"({ends[0]:.4f} to {ends[1]:.4f})"


@both_directions
@pytest.mark.parametrize("word", ["better", "worse"])
def test_a_difference_is_said_by_its_size_folds_and_p(project, run, name, label, higher, word):
    mean, noise = scaled(name, (0.03 if word == "better" else -0.03, 0.002))
    project.results(name, main=(mean, noise))
    found = comparison_of((mean, noise), higher_is_better=higher)
    assert line(run("main"), name) == (
        f"**{name}: {word} by {abs(mean):.4f}** {sizes(found.low, found.high)}, "
        f"{label} {means(name, mean)}, in all 8 folds; sure"
    )


@both_directions
@pytest.mark.parametrize("word", ["better", "worse"])
def test_folds_that_agree_are_counted(project, run, name, label, higher, word):
    up = word == "better"
    mean, noise = scaled(name, (0.03 if up else -0.03, 0.002))
    project.results(name, main=(mean, noise))
    metric, before = label.split()[0], np.linspace(*((0.8, 0.9) if higher else (2, 3)), 8)
    for change, folds in ((-0.05 * mean, "7 of 8"), (0, "7 of 8")):  # the other way, and neither
        kept = np.arange(8) != 3
        project.change(
            name,
            lambda table, change=change, kept=kept: table.assign(
                **{metric: np.where(kept, table[metric], before + change)}
            ),
        )
        said = line(run("main"), name)
        assert said.startswith(f"**{name}: {word} by ")
        assert f", in {folds} folds; p 0.0" in said


@both_directions
def test_p_is_said_where_a_difference_is_not_sure(project, run, name, label, higher):
    change = scaled(name, (0.021, 0.01))
    project.results(name, main=change)
    found = comparison_of(change, higher_is_better=higher)
    p = comparison.holm([found.p, found.typical.p])[0]
    assert 0.001 < p < 0.05
    assert line(run("main"), name).endswith(f" folds; p {markdown.share(p)}")


@both_directions
@pytest.mark.parametrize("change", [(0.002, 0.01), (-0.002, 0.01)], ids=["better", "worse"])
def test_no_evidence_names_both_ends_of_the_interval(project, run, name, label, higher, change):
    mean, noise = scaled(name, change)
    project.results(name, main=(mean, noise))
    found = comparison_of((mean, noise), higher_is_better=higher)
    worse, better = (abs(found.low), found.high) if higher else (found.high, abs(found.low))
    p = markdown.share(comparison.holm([found.p, found.typical.p])[0])
    assert line(run("main"), name) == (
        f"**{name}: no evidence** ({worse:.4f} worse to {better:.4f} better), "
        f"{label} {means(name, mean)}, better in 4 of 8 folds; p {p}"
    )


@both_directions
@pytest.mark.parametrize("sign", [1, -1], ids=["better", "worse"])
def test_an_interval_that_leaves_out_0_says_why_it_is_no_evidence(
    project, run, name, label, higher, sign
):
    change = scaled(name, (sign * 0.0195, 0.01))
    project.results(name, main=change)
    project.results("reuters", main=(0, 0.01))
    found, other = comparison_of(change, higher_is_better=higher), comparison_of((0, 0.01))
    assert found.low > 0 or found.high < 0
    tests = (found.p, found.typical.p, other.p, other.typical.p)
    p, word = comparison.holm(tests)[0], "better" if sign == 1 else "worse"
    ends = sorted((abs(found.low), abs(found.high)), reverse=sign == -1)
    said = line(run("main"), name)
    span = " to ".join(f"{end:.4f} {word}" for end in ends)
    assert said.startswith(f"**{name}: no evidence** ({span}), ")
    assert said.endswith(f"; p {markdown.share(p)}, corrected for all that is decided here")
    assert "corrected" not in line(run("main"), "reuters")


@both_directions
def test_equivalent_names_both_ends_of_the_interval(project, run, name, label, higher):
    change = scaled(name, (0, 0.0005))
    project.results(name, main=change)
    within = project.params["datasets"][name]["review"]["equivalent_within"]
    found = comparison_of(change, within=within)
    end, p = f"{found.high:.4f}", markdown.share(found.equivalent)
    assert line(run("main"), name) == (
        f"**{name}: equivalent** ({end} worse to {end} better), "
        f"{label} {means(name, 0)}, better in 4 of 8 folds; within {within:g} with a probability of {p}"
    )


@both_directions
def test_an_end_that_rounds_to_0_has_no_direction(project, run, name, label, higher):
    half = comparison_of((0, 0.002)).high  # of the interval's width
    project.results(name, main=(half + 1e-6 if higher else -half - 1e-6, 0.002))
    project.results("reuters", main=(0, 0.01))
    assert f"**{name}: " in line(run("main"), name)
    assert "(0 to " in line(run("main"), name)
    assert "0.0000" not in line(run("main"), name)


@both_directions
@pytest.mark.parametrize("word", ["better", "worse"])
def test_a_difference_that_is_too_small_to_matter_says_so(project, run, name, label, higher, word):
    mean, noise = scaled(name, (0.002 if word == "better" else -0.002, 0.0002))
    project.results(name, main=(mean, noise))
    assert f"**{name}: {word} by {abs(mean):.4f}, but negligible** (" in line(run("main"), name)


@both_directions
@pytest.mark.parametrize("word", ["better", "worse"])
def test_the_typical_fold_has_its_size_interval_and_p(project, run, name, label, higher, word):
    mean, noise = scaled(name, (0.03 if word == "better" else -0.03, 0.002))
    project.results(name, main=(mean, noise))
    metric, failed = label.split()[0], 20 * (np.arange(8) == 2)
    # A fit that stands out, so far that the mean says nothing.
    project.change(name, lambda table: table.assign(**{metric: table[metric] + failed}))
    change = mean + noise * np.array([-1, 1] * 4) + failed
    ordered = np.zeros((2, 1, 4)), change.reshape(2, 1, 4)
    bounds = (0, 1) if higher else (0, np.inf)
    found = comparison.compare(*ordered, higher, bounds=bounds)
    assert found.p > 0.05
    p = comparison.holm([found.typical.p, found.p])[0]
    assert line(run("main"), name) == (
        f"**{name}: {word} by {abs(found.typical.mean):.4f} in the typical fold** "
        f"{sizes(found.typical.low, found.typical.high)}, "
        f"{label} {means(name, mean)}; "
        f"{'sure' if p < 0.001 else f'p {markdown.share(p)}'}"
    )


@both_directions
def test_what_is_not_comparable_says_the_means_and_why(project, run, name, label, higher):
    mean, noise = scaled(name, (0.03, 0.002))
    project.results(name, main=(mean, noise), held_out="ff00")
    assert line(run("main"), name) == (
        f"**{name}: not comparable**, {label} {means(name, mean)}: "
        "the folds hold out different rows"
    )


@pytest.mark.parametrize("changed", [(), ("reuters",), ("imdb", "boston_housing"), NAMES])
def test_data_sets_that_differ_come_first_and_all_others_share_a_line(project, run, changed):
    for name in changed:
        project.results(name, main=(0.03, 0.002))
    text = run("main")
    same = [name for name in NAMES if name not in changed]
    shown = [said.split(":")[0].strip("*") for said in lines(text)]
    assert shown == [name for name in NAMES if name in changed] + ["the same"] * bool(same)
    if same:
        assert lines(text)[-1] == f"**the same**: {', '.join(same)}"
    assert list(top(text)) == [*(name for name in NAMES if name in changed), *same]


def test_a_metric_that_is_the_same_is_so_whatever_else_differs(project, run):
    project.results("imdb", loss=(0.1, 0.01), parameters=2000)
    text = run("main")
    assert lines(text) == [f"**the same**: {', '.join(NAMES)}"]
    assert text.count("\n## ") == 3, "what changed, the section of imdb, and networks"


@pytest.mark.parametrize(
    ("metric", "label"),
    [("rmse", "rmse (thousand dollars)"), ("r2", "r2"), ("mape", "mape")],
)
def test_a_metric_has_the_unit_of_the_target_where_it_is_measured_in_it(
    project, run, metric, label
):
    project.params["datasets"]["boston_housing"]["data"]["metrics"] = [metric]
    project.results("boston_housing")
    project.save()
    project.commit()
    project.results("boston_housing", main=(0.3, 0.02))
    said = line(run("HEAD"), "boston_housing")
    assert f"), {label} 0.6500 → 0.9500, in all 8 folds" in said
    assert said.startswith(f"**boston_housing: {'better' if metric == 'r2' else 'worse'} by 0.3000")
