"""Metrics that params.yaml names, and fits with several seeds: what of them is compared."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import FLIPPED, compared, comparison_of, metrics, reason, section, top

from stages.core.judge import comparison
from tools.review import drawings, verdicts
from tools.review.results import ByRow

NONE = (np.nan, 0)  # of a metric that is not defined


def named(project, *names):
    project.params["datasets"]["imdb"]["data"]["metrics"] = [*names]
    project.save()


def imdb():
    return next(found for found in compared() if found.name == "imdb")


def test_all_metrics_that_both_sides_have_are_compared_the_main_first(project, run):
    more = {"roc_auc": (0, 0), "macro_f1": (0, 0)}
    project.results("imdb", more=more)
    project.commit()
    project.results("imdb", main=(0.03, 0.002), more=more | {"macro_f1": (-0.05, 0.004)})
    found = imdb()
    assert found.about.metric.name == "accuracy"
    assert [metric.name for metric in found.metrics] == ["accuracy", "loss", "macro_f1", "roc_auc"]
    assert [found.verdict(metric) for metric in found.metrics] == [
        "better",
        "the same",
        "worse",
        "the same",
    ]
    shown = metrics(section(run("main"), "imdb"))
    assert shown["kfold macro_f1"][2].startswith("-0.0500 (-0.0")
    assert shown["kfold macro_f1"][3] != "-"


def test_the_band_of_equivalence_is_that_of_the_main_metric(project):
    project.results("imdb", more={"macro_f1": (0, 0)})
    project.commit()
    project.results("imdb", main=(0, 0.0005), more={"macro_f1": (0, 0.0005)})
    found = imdb()
    assert (found.verdict(), found.verdict(found.metrics[-1])) == ("equivalent", "no evidence")


@pytest.mark.parametrize("name", ["macro_f1", "roc_auc", "log_loss"])
def test_the_first_metric_of_params_is_the_main_one(project, run, name):
    named(project, name, "accuracy")
    project.results("imdb", more={"accuracy": (0, 0)})
    project.commit()
    project.results("imdb", main=(0.03, 0.002), more={"accuracy": (-0.03, 0.002)})
    text = run("HEAD")
    assert top(text)["imdb"][0] == ("worse" if name == "log_loss" else "better")
    assert f", {name} 0.6500 → 0.6800, " in top(text)["imdb"][1]
    told = json.loads(run("HEAD", "--json"))["datasets"]["imdb"]
    assert told["metric"] == name
    second = "accuracy" if name == "log_loss" else "loss"  # which is log loss by another name
    assert list(told["metrics"])[:2] == [name, second]
    assert told["metrics"]["accuracy"]["verdict"] == "worse"


def test_another_first_metric_is_another_main_metric(project, run):
    named(project, "macro_f1", "accuracy")
    project.results("imdb", more={"accuracy": (0, 0)})
    why = reason(top(run("main"))["imdb"])
    assert why.startswith("the main metric is accuracy in main and macro_f1 in workspace")
    assert "and name that commit as BASE" in why


@pytest.mark.parametrize("side", ["base", "head"])
def test_a_metric_that_one_side_lacks_or_does_not_define_is_not_compared(project, run, side):
    there, gone = {"roc_auc": (0.1, 0.01), "macro_f1": (0, 0)}, {"roc_auc": NONE}
    project.results("imdb", more=gone if side == "base" else there)
    project.commit()
    project.results("imdb", main=(0.03, 0.002), more=gone if side == "head" else there)
    text = run("HEAD")
    assert top(text)["imdb"][0] == "better"
    shown = metrics(section(text, "imdb"))
    for name, value in {"roc_auc": "0.7500 ± 0.0100", "macro_f1": "0.6500 ± 0.0100"}.items():
        values = [value, "-"] if side == "head" else ["-", value]
        assert shown[f"kfold {name}"] == [*values, "-", "-"]
    assert list(json.loads(run("HEAD", "--json"))["datasets"]["imdb"]["metrics"]) == [
        "accuracy",
        "loss",
    ]


def test_a_metric_that_a_single_fold_does_not_define_is_not_compared(project, run):
    project.results("imdb", more={"roc_auc": (0, 0)})
    project.commit()
    project.results("imdb", main=(0.03, 0.002), more={"roc_auc": (0.1, 0.01)})
    project.change("imdb", lambda table: table.assign(roc_auc=[np.nan, *table.roc_auc[1:]]))
    text = run("HEAD")
    assert top(text)["imdb"][0] == "better"
    assert metrics(section(text, "imdb"))["kfold roc_auc"][2:] == ["+0.1000", "-"]


def test_a_main_metric_that_is_not_defined_is_an_obstacle(project, run):
    named(project, "roc_auc")
    project.results("imdb")
    project.commit()
    project.results("imdb", main=NONE)
    expected = "workspace has folds whose roc_auc is no number"
    assert top(run("HEAD"))["imdb"][1].endswith(f"roc_auc 0.6500 → -: {expected}")


@pytest.mark.parametrize(("name", "told"), [("accuracy", True), ("log_loss", False)])
def test_test_rows_change_sides_where_they_are_right_or_wrong(project, run, name, told):
    named(project, name)
    project.results("imdb")
    project.commit()
    rows = FLIPPED if told else 3 * FLIPPED  # 3 nats are far from right
    project.results("imdb", main=(0.03, 0.002), right=rows)
    part = section(run("HEAD"), "imdb")
    assert ("1 to right, 1 to wrong" in part) == ("changed sides" in part) == told
    assert f"On the fixed 10 test rows, {name} of single models" in part


@pytest.mark.parametrize("wrong", ["accuracy", ["acuracy"], [["accuracy"]], 5, ["mae"]])
def test_metrics_that_are_none_stop_no_review(project, run, wrong):
    project.params["datasets"]["imdb"]["data"]["metrics"] = wrong
    project.save()
    project.results("reuters", main=(0.03, 0.002))
    found = top(run("main"))
    assert found["reuters"][0] == "better"
    assert found["imdb"][0] in ("the same", "not comparable")


def test_a_page_draws_the_metrics_that_have_curves(project, run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        drawings, "compared_folds", lambda title, columns, axes: asked.append([*axes]) or b""
    )
    for change in (0, 0.03):
        project.results("imdb", main=(change, 0.002), more={"macro_f1": (change, 0.002)})
        project.commit()
    run("HEAD~1", "HEAD", "--html", str(tmp_path / "page.html"))
    assert asked == [["loss", "accuracy"]]
    named(project, "macro_f1")  # the curves keep the metric of the task
    for change in (0, 0.03):
        project.results("imdb", main=(change, 0.002))
        project.commit()
    run("HEAD~1", "HEAD", "--html", str(tmp_path / "page.html"))
    assert asked[1:] == [["loss", "accuracy"]]
    assert "Each fold&#x27;s difference" in (tmp_path / "page.html").read_text("utf-8")


def test_folds_with_seeds_are_judged_by_their_means(project, run):
    project.results("imdb", seeds=3)
    project.commit()
    project.results("imdb", main=(0.03, 0.002), seeds=3)
    found, expected = imdb().comparisons["accuracy"], comparison_of((0.03, 0.002))
    assert (found.fits, found.folds, found.typical) == (3, 8, None)
    assert (found.mean, found.p) == pytest.approx((expected.mean, expected.p))
    text = run("main")
    assert top(text)["imdb"] == [
        "better",
        f"better by 0.0300** ({found.low:.4f} to {found.high:.4f}), accuracy 0.8500 → 0.8800, "
        "in all 8 folds; sure",
    ]
    assert "These 8 folds x 3 seeds would find" in section(text, "imdb")
    told = json.loads(run("main", "--json"))["datasets"]["imdb"]["metrics"]["accuracy"]
    assert (told["difference"]["typical"], told["difference"]["fits"]) == (None, 3)
    assert told["difference"]["p_holm"] == found.p


def test_a_fit_that_failed_hides_no_fold_of_several_seeds(project, run):
    project.results("imdb", seeds=3)
    project.commit()
    project.results("imdb", main=(0.03, 0.002), seeds=3)
    failed = 5 * (np.arange(24) == 2)
    project.change("imdb", lambda table: table.assign(accuracy=table.accuracy + failed))
    assert top(run("HEAD"))["imdb"][0] == "no evidence"


@pytest.mark.parametrize("seeds", [(None, 3), (3, None), (2, 3), (1, None), (1, 2)], ids=str)
def test_seeds_that_differ_are_compared_by_their_means(project, run, seeds, tmp_path):
    for count, change in zip(seeds, (0, -0.03), strict=True):
        project.params["datasets"]["imdb"]["kfold"]["seeds"] = count
        project.save()
        project.results("imdb", main=(change, 0.002), seeds=count)
        project.commit()
    text = run("HEAD~1", "HEAD", "--html", str(tmp_path / "page.html"))
    assert top(text)["imdb"][0] == "worse"
    assert "in all 8 folds; sure" in top(text)["imdb"][1]
    assert "These 8 folds would find" in section(text, "imdb") or "All 8 folds" in text
    with pytest.raises(SystemExit, match="3"):
        run("HEAD~1", "HEAD", "--fail-on", "worse")


DAMAGES = {  # to a line of folds.csv, which is that of fold 2 in another repeat or seed than line 1
    "missing": lambda table: table.drop(5),
    "twice": lambda table: table.iloc[[*range(5), 1, *range(6, len(table))]],
}


@pytest.mark.parametrize("seeds", [None, 3])
@pytest.mark.parametrize("side", ["main", "workspace"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_folds_that_lack_a_fit_are_not_compared(project, run, side, seeds, damage):
    for here in ("main", "workspace"):
        project.results("imdb", main=(0.03 * (here == "workspace"), 0.002), seeds=seeds)
        if here == side:
            project.change("imdb", DAMAGES[damage])
        if here == "main":
            project.commit()
            project.git("switch", "-qc", "change")
    why = reason(top(run("main"))["imdb"])
    assert why.startswith(f"{side} does not have each fold")


def in_time(project, seeds, **changes):
    """Results whose folds follow each other in time: the same rows in both repeats."""
    project.results("imdb", seeds=seeds, **changes)
    path = project.folder / "metrics/imdb.json"
    found = json.loads(path.read_text()) | {"split": "time day"}
    path.write_text(json.dumps(found))
    project.change("imdb", lambda table: table.assign(held_out=[f"{n:08d}" for n in table.fold]))


@pytest.mark.parametrize("seeds", [None, 3])
def test_repeats_in_time_are_further_seeds(project, run, seeds, tmp_path):
    in_time(project, seeds)
    project.commit()
    in_time(project, seeds, main=(0.03, 0.002))
    found = imdb().comparisons["accuracy"]
    assert (found.folds, found.fits, found.typical) == (4, 2 * (seeds or 1), None)
    text = run("main", "--html", str(tmp_path / "page.html"))
    assert "in all 4 folds" in top(text)["imdb"][1]
    assert "More repeats" not in text


def rows_of(shift, seeds=3, repeats=2, differing=200):
    """Values by row, as `Results.by_row` gives them, of a side that is better by so much."""
    random = np.random.default_rng(0)
    values = random.random((repeats, seeds, 200))
    values[:, :, :differing] += shift
    return values


def sides(*values, dealt=True):
    """Two sides that say how each row fared: `Results` of which `by_row` reads these alone."""
    random = np.random.default_rng(1)
    folds = np.stack([random.permutation(np.arange(200) % 4) for _ in range(2)])
    folds = folds if dealt else folds[[0, 0]]
    return [
        SimpleNamespace(
            by_row=ByRow(each) if isinstance(each, str) else ByRow("", each, folds),
            agrees=lambda rows: True,
            revision=SimpleNamespace(name=name),
        )
        for each, name in zip(values, ("main", "workspace"), strict=True)
    ]


def test_the_reason_why_folds_alone_decide_names_its_side():
    there, gone = rows_of(0), "does not say"
    assert verdicts.rows_of_both(*sides(gone, there)) == (None, "main does not say")
    assert verdicts.rows_of_both(*sides(there, gone)) == (None, "workspace does not say")
    rows, why = verdicts.rows_of_both(*sides(there, rows_of(0, seeds=2)))
    assert (rows, "3 and 2" in why, "`kfold.seeds`" in why) == (None, True, True)
    for few in ({"seeds": 1}, {"seeds": 2}):
        rows, why = verdicts.rows_of_both(*sides(rows_of(0, **few), rows_of(0, **few)))
        assert (rows, "2 repeats" in why, "seeds" in why) == (None, True, True)
    rows, why = verdicts.rows_of_both(*sides(there, rows_of(1)))
    assert (why, rows.head.shape, rows.folds.shape) == ("", (2, 3, 200), (2, 200))
    assert (rows.head - rows.base).mean() == pytest.approx(1)


@pytest.fixture
def with_rows(project, monkeypatch):
    """Give both sides of imdb values by row, in place of those that Git holds -> its review."""

    def give(**settings):
        base, head = sides(rows_of(0), rows_of(0.03, **settings))
        rows = comparison.Rows(base.by_row.values, head.by_row.values, head.by_row.folds)
        monkeypatch.setattr(verdicts, "rows_of_both", lambda base, head: (rows, ""))
        project.results("imdb", seeds=3)
        project.commit()
        project.results("imdb", main=(0.03, 0.002), seeds=3)
        return imdb()

    return give


def test_rows_tell_where_the_noise_comes_from(with_rows, run):
    found = with_rows()
    main, loss = found.comparisons["accuracy"], found.comparisons["loss"]
    assert (main.test, loss.test, found.folds_alone) == ("parts", "folds", "")
    text = section(run("main"), "imdb")
    assert "by the folds alone" not in text
    (shares,) = re.findall(r"the rows (\S+)%, training sets (\S+)%, seeds (\S+)%", text)
    parts = [main.rows, main.training, main.seeds]
    for said, part in zip(shares, parts, strict=True):
        percent = 100 * part / main.error**2
        assert float(said.strip("<>")) == pytest.approx(np.clip(percent, 1, 99), abs=0.51)
    told = json.loads(run("main", "--json"))["datasets"]["imdb"]
    assert told["folds_alone"] is None
    difference = told["metrics"]["accuracy"]["difference"]
    parts = sum(difference[part] for part in ("rows", "seeds", "training"))
    assert difference["error"] ** 2 == pytest.approx(parts)
    assert told["metrics"]["loss"]["difference"]["rows"] is None


@pytest.mark.parametrize(("differing", "few"), [(1, True), (5, True), (6, False), (200, False)])
def test_few_rows_that_differ_are_said_to_be_no_evidence(with_rows, run, differing, few):
    found = with_rows(differing=differing)
    main = found.comparisons["accuracy"]
    assert main.differing == differing
    text = run("main")
    assert (f"The two differ on {differing} rows" in section(text, "imdb")) == few
    if few:
        assert top(text)["imdb"][0] in ("no evidence", "equivalent")


def test_rows_that_tell_no_parts_apart_leave_the_folds():
    rows, why = verdicts.rows_of_both(*sides(rows_of(0), rows_of(1), dealt=False))
    assert (rows, why) == (None, "all repeats hold out the same rows")
