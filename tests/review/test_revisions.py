"""What Git holds of a revision, and what is said where it does not."""

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
from made_up import program, reason, top

from tools.review import results, revisions


def test_an_experiment_of_dvc_is_found_by_its_name(project, run):
    project.results("imdb", main=(0.03, 0.002))
    project.git("switch", "-qc", "scratch")
    project.commit("experiment")
    project.git("update-ref", "refs/exps/ab/cdef/my-exp", "HEAD")
    project.git("switch", "-q", "main")
    project.git("branch", "-qD", "scratch")
    text = run("main", "my-exp")
    assert text.startswith("# Review: main → my-exp\n")
    assert top(text)["imdb"][0] == "better"


@pytest.mark.parametrize("name", ["*", "my-???", "[m]y-exp", "^main"])
def test_what_is_no_name_means_no_experiment(project, refused, name):
    project.git("update-ref", "refs/exps/ab/cdef/my-exp", "HEAD")
    assert f"{name} is neither a Git revision nor" in refused("main", name)


@pytest.mark.parametrize("arguments", [("nowhere",), ("main", "nowhere")], ids=["base", "head"])
def test_an_unknown_revision_says_how_to_find_one(project, refused, arguments):
    message = refused(*arguments)
    assert "nowhere is neither a Git revision nor a DVC experiment that is here" in message
    assert "`dvc exp list`" in message
    assert "shallow" not in message


def test_a_fetch_is_suggested_for_names_that_a_server_can_know(project, refused):
    assert "`git fetch origin feature` may bring it as origin/feature" in refused("origin/feature")
    for name in ("HEAD~9", "main@{9}", "a..b"):
        assert "git fetch" not in refused(name)


def test_a_folder_that_is_no_repository_says_so(project, refused, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "not a git repository" in refused("main")


def test_a_machine_without_git_says_so(project, refused, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert refused("main") == "review: git is not installed"


@pytest.mark.parametrize("side", ["main", "workspace"])
def test_a_side_without_metrics_says_so(project, refused, side):
    project.git("switch", "-qc", "change")
    project.git("rm", "-rq", "metrics")
    if side == "main":
        project.commit()
        project.git("branch", "-f", "main", "HEAD")
        project.git("checkout", "-q", "HEAD~1", "--", "metrics")
    assert (
        refused("main") == f"review: {side} has no metrics/<dataset>.json; `dvc repro` makes them"
    )


def test_files_with_conflict_markers_say_so(project, refused):
    for path in ("metrics/imdb.json", "params.yaml"):
        content = (project.folder / path).read_text()
        project.put(path, f"<<<<<<< HEAD\n{content}=======\n{content}>>>>>>> change\n")
        assert path in refused("main")
        project.put(path, content)


def test_a_shallow_clone_says_what_to_fetch_and_that_is_enough(
    project, refused, run, tmp_path, monkeypatch
):
    project.git("switch", "-qc", "change")
    project.results("imdb", main=(0.03, 0.002))
    project.commit()
    address = project.folder.as_uri()
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", "-b", "change", address, tmp_path / "clone"],
        check=True,
    )
    monkeypatch.chdir(tmp_path / "clone")
    message = refused("HEAD~1")
    assert "This is a shallow clone" in message
    assert re.findall(r"`(git fetch [^`]*)`", message) == ["git fetch --unshallow"]
    for name in ("main", "origin/main"):
        message = refused(name)
        assert "This is a shallow clone" in message
        command = re.search(r"`(git fetch --depth=1 [^`]*)`", message)[1]
    subprocess.run([*command.split(), "-q"], check=True)
    assert top(run("origin/main"))["imdb"][0] == "better"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no table"),
        (b"\xff\xfe,\n", "no table"),
        (b"repeat,loss,accuracy\n1,0.5,0.5\n", "expected numbers under fold"),
        (b"<<<<<<< HEAD\nrepeat,fold,accuracy,loss\n", "expected numbers"),
    ],
)
def test_a_damaged_table_is_one_message(project, run, content, message):
    project.put("metrics/imdb/folds.csv", content)
    with pytest.raises(SystemExit, match=f"metrics/imdb/folds.csv of workspace.*{message}"):
        run("main")


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_task_that_was_changed_hides_no_other_data_set(project, run, tmp_path, task):
    project.params["datasets"]["imdb"]["data"]["task"] = task
    project.save()
    project.results("reuters", main=(0.03, 0.002))
    rows = top(run("main", "--html", str(tmp_path / "page.html")))
    assert rows["reuters"][0] == "better"
    assert rows["imdb"][0] == ("the same" if task == "multiclass" else "not comparable")
    if task == "multiclass":  # judged by the same metric
        return
    assert reason(rows["imdb"]).startswith("the folds of workspace have no numbers under mae")
    assert "`dvc repro`" in reason(rows["imdb"])
    path = project.folder / "metrics/imdb/folds.csv"
    path.write_text(path.read_text().replace("accuracy", "mae"))  # as `dvc repro` would
    assert "the main metric is accuracy in main and mae in workspace" in reason(
        top(run("main"))["imdb"]
    )


@pytest.mark.parametrize("there", [True, False])
def test_folds_without_numbers_of_the_metric_are_not_compared(project, run, there):
    table = pd.read_csv(project.folder / "metrics/imdb/folds.csv", dtype={"held_out": str})
    table = table.assign(accuracy="x") if there else table.drop(columns="accuracy")
    project.put("metrics/imdb/folds.csv", table)
    rows = top(run("main"))
    why = reason(rows["imdb"])
    assert why.startswith("the folds of workspace have no numbers under accuracy")
    assert rows["reuters"][0] == "the same"


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_folds_whose_metrics_are_no_numbers_are_not_compared(project, run, metric):
    project.change("imdb", lambda table: table.assign(**{metric: [np.nan, *table[metric][1:]]}))
    assert reason(top(run("main"))["imdb"]) == f"workspace has folds whose {metric} is no number"


def test_as_a_program_it_exits_with_1_and_one_message(project):
    done = program("-m", "tools.review", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"review: nowhere is neither .*\n", done.stderr)


def test_a_review_changes_nothing_in_the_project(project, run):
    project.results("imdb", main=(0.03, 0.002))
    before = project.git("status", "--porcelain", "--ignored")
    run("main")
    assert project.git("status", "--porcelain", "--ignored") == before


def test_names_of_classes_are_text_whatever_they_look_like(project):
    names = ["NA", "01"]
    frame = pd.DataFrame({"actual": [0, 1], "predicted": [0, 1], "rows": [6, 4]})
    project.put("metrics/imdb/test.csv", frame.assign(actual_name=names, predicted_name=names))
    found = results.Results(revisions.Revision("workspace"), "imdb").outcome
    assert found.actual_name.tolist() == found.predicted_name.tolist() == names


def test_a_data_set_that_neither_side_describes_is_not_passed_over(project, refused):
    project.put("data/sources/imdb.yaml", "title: [")
    project.commit()
    message = refused("main")
    assert "data/sources/imdb.yaml and datasets.imdb.data.task cannot be read in main" in message


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("kfold",), float("nan"), "below kfold, got nan"),
        (("kfold", "accuracy"), 0.9, "below accuracy, got 0.9"),
        (("network",), [], ""),
        (("reference",), "none", "below reference, got 'none'"),
    ],
)
def test_metrics_of_another_form_are_named(project, run, refused, keys, value, named):
    told = json.loads((project.folder / "metrics/imdb.json").read_text("utf-8"))
    inner = told
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    project.put("metrics/imdb.json", json.dumps(told))
    if not named:  # empty is as good as absent
        assert "imdb" in run("main")
        return
    said = refused("main")
    assert "metrics/imdb.json of workspace" in said
    assert named in said


@pytest.mark.parametrize("group", ["data", "kfold", "review"])
def test_a_section_of_another_form_is_named(project, refused, group):
    project.params["datasets"]["imdb"][group] = 5
    project.save()
    said = refused("main")
    assert (
        f"datasets.imdb in params.yaml of workspace: expected names and values below {group}"
        in said
    )
