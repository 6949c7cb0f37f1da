"""What can be compared, and the verdicts."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml
from made_up import NAMES, VERDICTS, metrics, section, top
from samples import TASK_OF

from stages.core.judge.comparison import interval
from tools.review import comparison, revisions


@pytest.mark.parametrize(("verdict", "change"), VERDICTS.items())
def test_the_top_line_has_the_verdict_on_each_data_set(project, run, verdict, change):
    mean, noise = change
    for name in NAMES:
        factor = 1 if TASK_OF[name].classifies else -10
        project.results(name, main=(factor * mean, factor * noise))
    assert {name: row[0] for name, row in top(run("main")).items()} == dict.fromkeys(NAMES, verdict)


def test_the_top_line_has_the_metrics(project, run):
    project.results("imdb", main=(0.03, 0.002))
    project.results("boston_housing", main=(0.3, 0.02))
    rows = top(run("main"))
    change = np.where(np.arange(8) % 2, 0.032, 0.028)
    low, high = interval(change, 4)
    told = f"+0.0300 (+{low:.4f} to +{high:.4f})"
    assert rows["imdb"] == ["better", "accuracy", "0.8500 → 0.8800", told, "8 of 8"]
    assert rows["reuters"] == [
        "the same",
        "accuracy",
        "0.8500 → 0.8500",
        "+0.0000 (+0.0000 to +0.0000)",
        "0 of 8",
    ]
    assert rows["boston_housing"][:3] == ["worse", "mae (thousand dollars)", "2.5000 → 2.8000"]
    assert rows["boston_housing"][4] == "0 of 8"


def test_lower_is_better_for_errors_and_higher_for_accuracy(project, run):
    for change in (0.5, -0.5):
        for name in ("imdb", "boston_housing"):
            project.results(name, main=(change, 0.01))
        rows = top(run("main"))
        assert (rows["imdb"][0], rows["boston_housing"][0]) == (
            ("better", "worse") if change > 0 else ("worse", "better")
        )


def test_two_revisions_that_are_the_same_need_no_table(project, run):
    text = run("main", "HEAD")
    assert text.startswith("# Review: main → HEAD\n")
    assert {row[0] for row in top(text).values()} == {"the same"}
    for name in NAMES:
        assert section(text, name).strip() == "Every metric is the same in both."


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
    path = project.folder / "metrics/imdb/folds.csv"
    path.write_text(pd.read_csv(path).drop(columns="held_out").to_csv(index=False))


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


@pytest.mark.parametrize(("change", "reason"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_cannot_be_compared_says_why(project, run, change, reason):
    change(project)
    project.results("imdb", main=(0.03, 0.002))
    project.save()
    text = run("main")
    verdict, _, means, difference, wins = top(text)["imdb"]
    assert (verdict, means, wins) == ("not comparable", "0.8500 → 0.8800", "-")
    assert reason in difference
    assert f"Not comparable fold by fold: {difference}." in section(text, "imdb")
    assert metrics(section(text, "imdb"))["kfold accuracy"][2:] == ["+0.0300", "-"]


def test_folds_that_stand_out_do_not_hide_what_happened_in_the_others(project, run):
    project.results("boston_housing", main=(0.3, 0.02))
    path = project.folder / "metrics/boston_housing/folds.csv"
    folds = pd.read_csv(path)
    folds.loc[2, "mae"] += 20  # a fit that never learned
    path.write_text(folds.to_csv(index=False))
    text = run("main")
    assert top(text)["boston_housing"][0] == "worse in the typical fold"
    assert "Some folds stand out, by +20.2800 at most" in section(text, "boston_housing")
    assert "Without the fifth of the folds at either end the difference is +0.3" in section(
        text, "boston_housing"
    )


def test_folds_that_hold_out_other_rows_cannot_be_compared(project, run):
    project.results("imdb", main=(0.03, 0.002), held_out="ff00")
    rows = top(run("main"))
    assert (rows["imdb"][0], rows["imdb"][3]) == (
        "not comparable",
        "the folds hold out different rows",
    )
    assert rows["reuters"][0] == "the same"


def test_fingerprints_that_look_like_numbers_are_not_read_as_numbers(project, run):
    # 00000010 and 10 are one number, and so are 1e100000 and 2e100000
    for before, after in (("000000", "0"), ("1e10", "2e10")):
        project.results("imdb", main=(0.03, 0.002), held_out=before)
        project.commit()
        project.results("imdb", main=(0.03, 0.002), held_out=after)
        assert top(run("HEAD"))["imdb"][3] == "the folds hold out different rows"


@pytest.mark.parametrize("side", ["main", "workspace"])
def test_a_side_without_fingerprints_is_named(project, run, side):
    if side == "main":
        held_out_missing(project)
        project.commit()
        project.git("switch", "-qc", "change")
    project.results("imdb", main=(0.03, 0.002))
    if side == "workspace":
        held_out_missing(project)
    assert (
        top(run("main"))["imdb"][3]
        == f"{side} does not say which rows its folds hold out; run `dvc repro` there"
    )


def test_a_data_set_that_one_side_lacks_is_not_comparable(project, run):
    project.git("rm", "-rq", "metrics/reuters.json", "metrics/reuters")
    del project.params["datasets"]["reuters"]
    project.save()
    project.commit()
    for base, head in (("HEAD~1", "HEAD"), ("HEAD", "HEAD~1")):
        text = run(base, head)
        assert top(text)["reuters"][0] == "not comparable"
        assert top(text)["reuters"][3] == "HEAD has no metrics for it"
        assert top(text)["imdb"][0] == "the same"


def test_a_base_of_an_older_layout_is_said_so(project, run):
    sections = project.params["datasets"]
    project.put("params.yaml", yaml.safe_dump(project.params | {"datasets": NAMES} | sections))
    project.commit()
    project.put("params.yaml", yaml.safe_dump(project.params))
    assert "older layout" in top(run("HEAD"))["imdb"][3]


def test_p_is_corrected_for_all_metrics_of_all_data_sets_that_differ(project, run):
    change = (0.0195, 0.01)
    raw = comparison.compare(np.zeros(8), change[0] + change[1] * np.array([-1, 1] * 4), 4, True).p
    assert 0.025 < raw < 0.04

    def seen():
        text = run("main")
        return top(text)["imdb"][0], metrics(section(text, "imdb"))["kfold accuracy"][3]

    project.results("imdb", main=change)
    assert seen() == (
        "better",
        f"{raw:.3f}",
    )  # metrics that are the same are no further chances of an alarm
    project.results("imdb", main=change, loss=(0, 0.01))
    assert seen() == ("no evidence", f"{2 * raw:.3f}")
    project.results("reuters", main=(0, 0.01), loss=(0, 0.01))
    assert seen() == ("no evidence", f"{4 * raw:.3f}")


def test_another_main_metric_is_not_compared(project, run, monkeypatch):
    known = revisions.described

    def by_loss_in_head(document, task, measured):
        about = known(document, task, measured)
        return dataclasses.replace(about, metric=about.loss) if measured == "new" else about

    monkeypatch.setattr(revisions, "described", by_loss_in_head)
    project.results("imdb", main=(0.03, 0.002), measured="new")
    rows = top(run("main"))
    assert rows["imdb"][0] == "not comparable"
    assert rows["imdb"][3] == (
        "the main metric is accuracy in main and loss in workspace; "
        "name a BASE with the same `data.task`"
    )
