"""Many experiments against a base in one table."""

import json
import re
import sys

import pytest
from made_up import metrics

from tools import compare


@pytest.fixture
def run(monkeypatch, capsys):
    """Its arguments -> what it prints."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *arguments])
        compare.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def experiments(project):
    """Branches whose accuracy on IMDB, or error on Boston Housing, differs from that of main."""
    changes = {
        "much": {"imdb": (0.03, 0.002)},
        "little": {"imdb": (0.0295, 0.006)},
        "noise": {"imdb": (0.0195, 0.01), "boston_housing": (-0.3, 0.02)},
        "noisier": {"imdb": (-0.025, 0.03)},
        "worse": {"imdb": (-0.03, 0.002)},
    }
    for name, sets in changes.items():
        project.git("switch", "-q", "-c", name, "main")
        project.params["datasets"]["imdb"]["model"]["activation"] = name
        project.save()
        for dataset, main in sets.items():
            project.results(dataset, main=main)
        project.commit(name)
        project.git("switch", "-q", "main")
    return [*changes]


def tables(text):
    """{data set: {experiment: best group, verdict, mean, difference, p}}"""
    parts = re.split(r"^## (\w+)", text, flags=re.MULTILINE)
    return {name: metrics(part) for name, part in zip(parts[1::2], parts[2::2], strict=True)}


def test_experiments_stand_by_their_mean_with_the_base_among_them(experiments, run):
    text = run("main", *experiments)
    found = tables(text)
    assert [*found] == ["imdb", "boston_housing"]
    names = [name for name in found["imdb"] if name not in ("experiment", "---")]
    assert names == ["much", "little", "noise", "main", "noisier", "worse"]
    assert found["imdb"]["much"][1:3] == ["**better**", "0.8800"]
    assert found["imdb"]["main"][1:] == ["base", "0.8500", "-", "-"]
    assert found["imdb"]["noise"][1] == "**no evidence**"
    assert found["imdb"]["worse"][1] == "**worse**"
    boston = [name for name in found["boston_housing"] if name not in ("experiment", "---")]
    assert boston == ["noise", "main"]
    assert "The same as the base: much, little, noisier, worse." in text


def test_the_best_group_has_what_the_best_does_not_beat(experiments, run):
    found = tables(run("main", *experiments))
    group = {name for name, cells in found["imdb"].items() if cells[0] == "●"}
    assert group == {"much", "little", "noise", "noisier"}  # the last varies too much to be beaten
    assert {name for name, cells in found["boston_housing"].items() if cells[0] == "●"} == {"noise"}


def test_the_best_group_is_corrected_for_what_the_best_is_compared_with(project, run):
    changes = {"best": (0.06, 0.002), "good": (0.04, 0.0097)} | {
        f"bad{n}": (0, 0.02) for n in "123"
    }
    for name, main in changes.items():
        project.git("switch", "-q", "-c", name, "main")
        project.results("imdb", main=main)
        project.commit(name)
    groups = [
        {name for name, cells in tables(run("main", *names))["imdb"].items() if cells[0] == "●"}
        for names in (["best", "good"], changes)
    ]
    assert groups == [{"best"}, {"best", "good"}]


def test_equivalence_is_corrected_for_the_number_of_experiments(project, run):
    verdicts = []
    for name, main in {"same": (0, 0.00235), "a": (0.03, 0.002), "b": (-0.03, 0.002)}.items():
        project.git("switch", "-q", "-c", name, "main")
        project.results("imdb", main=main)
        project.commit(name)
    for names in (["same"], ["same", "a", "b"]):
        verdicts.append(tables(run("main", *names))["imdb"]["same"][1])
    assert verdicts == ["**equivalent**", "**no evidence**"]


def test_p_is_corrected_for_the_number_of_experiments(experiments, run):
    p = {}
    for names in (["noise"], experiments):
        p[len(names)] = float(tables(run("main", *names))["imdb"]["noise"][4])
    # Each fold has a single fit, so that two tests are made of each experiment that differs.
    assert p[5] == pytest.approx(5 * p[1], abs=0.003)
    assert p[1] > 0.03


def test_intervals_and_p_of_a_table_say_the_same(experiments, run):
    narrow, wide = (
        tables(run("main", *names))["imdb"]["much"][3] for names in (["much"], experiments)
    )
    ends = [[float(end) for end in re.findall(r"[+-][\d.]+", text)] for text in (narrow, wide)]
    assert ends[0][0] == ends[1][0]
    assert ends[1][1] < ends[0][1] < ends[0][2] < ends[1][2]
    for cells in tables(run("main", *experiments))["imdb"].values():
        if cells[1] in ("**better**", "**worse**", "**no evidence**"):
            _, low, high = (float(end) for end in re.findall(r"[+-][\d.]+", cells[3]))
            assert (float(cells[4].strip("<>")) < 0.05) == (low > 0 or high < 0), cells


def test_a_table_is_corrected_for_its_own_experiments_alone(experiments, run):
    boston = tables(run("main", *experiments))["boston_housing"]
    assert tables(run("main", "noise"))["boston_housing"] == boston


def test_what_is_the_same_in_all_and_what_was_changed_take_a_line_each(experiments, run):
    text = run("main", "much", "worse")
    assert "**the same in all**: reuters, boston_housing" in text
    assert "- much: `datasets.imdb.model.activation=much`" in text


def test_an_experiment_that_does_not_compare_says_why_and_is_in_no_group(project, run):
    project.results("imdb", main=(0.3, 0.002), held_out="ff00")
    found = tables(run("main", "workspace"))
    assert found["imdb"]["workspace"][:2] == ["", "**not comparable**"]
    assert "hold out different rows" in found["imdb"]["workspace"][3]


def test_where_none_is_named_all_experiments_of_the_base_are_shown(project, experiments, run):
    with pytest.raises(SystemExit, match="compare: main has no experiments on top of it; name"):
        run("main")
    commit = project.git("rev-parse", "main")
    ours, others = f"refs/exps/{commit[:2]}/{commit[2:]}", "refs/exps/00/11"
    project.git("update-ref", f"{ours}/little", "much")  # a branch has its name
    project.git("update-ref", f"{ours}/better", "worse")
    project.git("update-ref", f"{others}/better", "much")  # of another base, with the same name
    project.git("update-ref", f"{others}/other", "much")
    found = tables(run("main"))["imdb"]
    assert found.keys() - {"experiment", "---"} == {"little", "better", "main"}
    assert [found[name][2] for name in ("little", "better")] == ["0.8800", "0.8200"]


def test_an_experiment_whose_epochs_were_too_few_is_marked(project, experiments, run):
    project.git("switch", "-q", "much")
    path = project.folder / "metrics/imdb.json"
    found = json.loads(path.read_text()) | {
        "chosen_epochs": {"folds": 8, "folds_at_limit": 3, "limit": 20}
    }
    path.write_text(json.dumps(found))
    text = run("main", "workspace", "worse")
    assert "> **Take care**, workspace: 3 of 8 folds" in text
    assert "**Take care**, worse" not in text


def test_an_experiment_that_cannot_be_read_is_left_out_and_named(project, experiments, run):
    project.put("metrics/imdb.json", "{")
    text = run("main", "much", "workspace")
    assert "> **Left out**, workspace: metrics/imdb.json of workspace is no JSON" in text
    assert tables(text)["imdb"].keys() - {"experiment", "---"} == {"much", "main"}
    with pytest.raises(SystemExit, match=r"compare: metrics/imdb\.json of workspace is no JSON"):
        run("main", "workspace")


def test_an_unknown_experiment_is_named(project, run):
    with pytest.raises(SystemExit, match="compare: nobody is neither"):
        run("main", "nobody")


def test_a_data_set_that_the_base_lacks_is_compared_by_nobody(project, run):
    project.git("rm", "-rq", "metrics/reuters.json", "metrics/reuters")
    project.commit()
    found = tables(run("HEAD", "HEAD~1"))["reuters"]
    assert (found["HEAD~1"][0], found["HEAD~1"][1]) == ("", "**not comparable**")
    del project.params["datasets"]["reuters"]
    project.save()
    project.commit()
    assert tables(run("HEAD", "HEAD~2"))["reuters"]["HEAD~2"][1] == "**not comparable**"


def test_the_metric_is_that_of_the_base(project, experiments, run):
    project.git("switch", "-q", "much")
    project.params["datasets"]["imdb"]["data"]["metrics"] = ["log_loss"]
    project.save()
    project.commit()
    text = run("main", "HEAD", "little")
    assert "## imdb: accuracy, higher is better ↑" in text
    found = tables(text)["imdb"]
    assert (found["little"][0], found["main"][0], found["HEAD"][0]) == ("●", "", "")
    assert "not comparable" in found["HEAD"][1]
