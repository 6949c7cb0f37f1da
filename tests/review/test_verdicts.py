"""What can be compared, and the verdicts."""

import dataclasses
import re

import numpy as np
import pytest
import yaml
from made_up import NAMES, VERDICTS, comparison_of, metrics, reason, section, top
from samples import TASK_OF

from stages.core.judge import comparison, markdown
from tools.review import results


@pytest.mark.parametrize(("verdict", "change"), VERDICTS.items())
def test_the_top_line_has_the_verdict_on_each_data_set(project, run, verdict, change):
    mean, noise = change
    for name in NAMES:
        factor = 1 if TASK_OF[name].classifies else -10
        project.results(name, main=(factor * mean, factor * noise))
    assert {name: row[0] for name, row in top(run("main")).items()} == dict.fromkeys(NAMES, verdict)


def test_lower_is_better_for_errors_and_higher_for_accuracy(project, run):
    for change in (0.5, -0.5):
        for name in ("imdb", "boston_housing"):
            project.results(name, main=(change, 0.01))
        rows = top(run("main"))
        assert (rows["imdb"][0], rows["boston_housing"][0]) == (
            ("better", "worse") if change > 0 else ("worse", "better")
        )


def test_two_revisions_that_are_the_same_need_no_section(project, run):
    text = run("main", "HEAD")
    assert text.startswith("# Review: main → HEAD\n")
    assert re.findall(r"^- .+", text, re.MULTILINE) == [f"- **the same**: {', '.join(NAMES)}"]
    assert re.findall(r"^## .+", text, re.MULTILINE) == ["## What changed"]
    assert "|" not in text


def test_the_workspace_is_reviewed_where_no_head_is_named(project, run):
    project.results("imdb", main=(0.03, 0.002))
    assert run("main").startswith("# Review: main → workspace\n")
    project.git("switch", "-qc", "change")
    project.commit()
    project.git("switch", "-q", "main")
    assert {row[0] for row in top(run("main")).values()} == {"the same"}
    assert top(run("main", "change"))["imdb"][0] == "better"
    assert top(run("change", "main"))["imdb"][0] == "worse"


def held_out_missing(project):
    project.change("imdb", lambda folds: folds.drop(columns="held_out"))


OBSTACLES = {  # what is changed in the workspace -> the reason
    "source": (
        lambda project: project.params.update(source="synthetic"),
        "source is official in main and synthetic",
    ),
    "k": (
        lambda project: project.params["datasets"]["imdb"]["kfold"].update(k=5),
        "kfold.k is 4 in main and 5 in workspace",
    ),
    "repeats": (
        lambda project: project.params["datasets"]["imdb"]["kfold"].update(repeats=3),
        "kfold.repeats is 2 in main and 3",
    ),
    "split_seed": (
        lambda project: project.params.update(split_seed=1),
        "split_seed is 0 in main and 1 in workspace",
    ),
    "data": (lambda project: project.data.update(imdb="other.dir"), "the data files differ"),
}


@pytest.mark.parametrize(("change", "why"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_cannot_be_compared_says_why(project, run, change, why):
    change(project)
    project.results("imdb", main=(0.03, 0.002))
    project.save()
    text = run("main")
    found = top(text)["imdb"]
    assert "accuracy 0.8500 → 0.8800" in found[1]
    assert why in reason(found)
    assert f"Not comparable fold by fold: {reason(found)}." in section(text, "imdb")
    assert metrics(section(text, "imdb"))["kfold accuracy"][2:] == ["+0.0300", "-"]


def test_folds_that_stand_out_do_not_hide_what_happened_in_the_others(project, run):
    project.results("boston_housing", main=(0.3, 0.02))
    failed = 20 * (np.arange(8) == 2)  # a fit that never learned
    project.change("boston_housing", lambda folds: folds.assign(mae=folds.mae + failed))
    text = run("main")
    assert top(text)["boston_housing"][0] == "worse in the typical fold"
    assert "Some folds stand out, by +20.2800 at most" in section(text, "boston_housing")
    assert "Without the fifth of the folds at either end the difference is +0.3" in section(
        text, "boston_housing"
    )


def test_folds_that_hold_out_other_rows_cannot_be_compared(project, run):
    project.results("imdb", main=(0.03, 0.002), held_out="ff00")
    rows = top(run("main"))
    assert reason(rows["imdb"]) == "the folds hold out different rows"
    assert rows["reuters"][0] == "the same"


def test_fingerprints_that_look_like_numbers_are_not_read_as_numbers(project, run):
    # 00000010 and 10 are one number, and so are 1e100000 and 2e100000
    for before, after in (("000000", "0"), ("1e10", "2e10")):
        project.results("imdb", main=(0.03, 0.002), held_out=before)
        project.commit()
        project.results("imdb", main=(0.03, 0.002), held_out=after)
        assert reason(top(run("HEAD"))["imdb"]) == "the folds hold out different rows"


@pytest.mark.parametrize("side", ["main", "workspace"])
def test_a_side_without_fingerprints_is_named(project, run, side):
    if side == "main":
        held_out_missing(project)
        project.commit()
        project.git("switch", "-qc", "change")
    project.results("imdb", main=(0.03, 0.002))
    if side == "workspace":
        held_out_missing(project)
    missing = "does not say which rows its folds hold out; run `dvc repro` there"
    assert reason(top(run("main"))["imdb"]) == f"{side} {missing}"


def test_a_data_set_that_one_side_lacks_is_not_comparable(project, run):
    project.git("rm", "-rq", "metrics/reuters.json", "metrics/reuters")
    del project.params["datasets"]["reuters"]
    project.save()
    project.commit()
    for base, head in (("HEAD~1", "HEAD"), ("HEAD", "HEAD~1")):
        text = run(base, head)
        assert reason(top(text)["reuters"]) == "HEAD has no metrics for it"
        assert top(text)["imdb"][0] == "the same"


def test_a_base_of_an_older_layout_is_said_so(project, run):
    sections = project.params["datasets"]
    project.put("params.yaml", yaml.safe_dump(project.params | {"datasets": NAMES} | sections))
    project.commit()
    project.put("params.yaml", yaml.safe_dump(project.params))
    assert "older layout" in reason(top(run("HEAD"))["imdb"])


def test_main_metrics_are_corrected_for_their_number_and_all_others_for_theirs(project, run):
    change, noise = (0.0195, 0.01), (0, 0.01)
    main, other = comparison_of(change), comparison_of(noise)
    tests = [main.p, main.typical.p]  # of a fold with a single fit
    others = [other.p, other.typical.p]
    assert main.p < 0.05 < 2 * main.p

    def seen(metric="accuracy"):
        return metrics(section(run("main"), "imdb"))[f"kfold {metric}"][3]

    def first(tests):
        return markdown.share(comparison.holm(tests)[0])

    # Metrics that are the same are no further chances of an alarm.
    project.results("imdb", main=change)
    assert seen() == first(tests)
    project.results("imdb", main=change, loss=noise, more={"macro_f1": change})
    assert seen() == first(tests)
    project.results("reuters", main=noise)
    assert seen() == first(tests + others) != first(tests)
    # Of several seeds there is no typical fold.
    project.results("reuters")
    project.results("imdb", seeds=2)
    project.commit()
    project.results("imdb", main=change, seeds=2)
    assert metrics(section(run("HEAD"), "imdb"))["kfold accuracy"][3] == markdown.share(main.p)


def test_other_metrics_are_corrected_for_the_number_of_others(project, run):
    change, noise = (0.0195, 0.01), (0, 0.01)
    more = {"macro_f1": (0, 0), "roc_auc": (0, 0)}
    project.results("imdb", more=more)
    project.commit()
    project.results("imdb", main=(0.03, 0.01), loss=noise, more=more | {"macro_f1": change})
    found, lost = comparison_of(change), comparison_of(noise)
    tests = [found.p, found.typical.p, lost.p, lost.typical.p]
    text = section(run("HEAD"), "imdb")
    shown = metrics(text)
    assert shown["kfold macro_f1"][3] == markdown.share(comparison.holm(tests)[0])
    assert "kfold roc_auc" in text.split("The same in both: ")[1].split(".")[0]


def test_another_main_metric_is_not_compared(project, run, monkeypatch):
    known = results.described

    def by_loss_in_head(document, task, measured):
        about = known(document, task, measured)
        return dataclasses.replace(about, metric=about.loss) if measured == "new" else about

    monkeypatch.setattr(results, "described", by_loss_in_head)
    project.results("imdb", main=(0.03, 0.002), measured="new")
    why = reason(top(run("main"))["imdb"])
    assert why.startswith("the main metric is accuracy in main and loss in workspace; ")


@pytest.mark.parametrize("within", ["0,005", -0.005, 0])
def test_a_band_of_equivalence_that_is_no_number_above_0_is_refused(project, refused, within):
    project.params["datasets"]["imdb"]["review"]["equivalent_within"] = within
    project.save()
    said = refused("main")
    assert "params.yaml of workspace: datasets.imdb.review.equivalent_within" in said
    assert repr(within) in said
