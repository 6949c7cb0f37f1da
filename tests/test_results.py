"""The table of results, and what it says of files that it cannot use."""

import json
import shutil
import sys

import pytest
from samples import PROJECT, TASK_OF

from stages.core.declared import strict_yaml
from tools import results


@pytest.fixture
def metrics(tmp_path, monkeypatch):
    """The folder metrics/ of a project with results of all data sets."""
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["results"])
    (tmp_path / "metrics").mkdir()
    for name, task in TASK_OF.items():
        spread = {"mean": 0.5, "low": 0.4, "high": 0.6, "std": 0.1}
        content = {"baseline": {task.metric: 0.25}, "source": "official"}
        content |= {part: {task.metric: spread} for part in ("kfold", "test")}
        (tmp_path / f"metrics/{name}.json").write_text(json.dumps(content))
    return tmp_path / "metrics"


def test_each_data_set_has_a_line(metrics, capsys):
    results.main()
    lines = capsys.readouterr().out.splitlines()
    told = "0.2500 0.5000 (0.4000 to 0.6000) 0.5000 ± 0.1000"
    expected = {f"{name} {task.metric} {told}" for name, task in TASK_OF.items()}
    assert expected <= {" ".join(line.split()) for line in lines}


def test_a_network_that_beats_no_baseline_is_named(metrics, capsys):
    results.main()
    said = capsys.readouterr().out
    numbers = [name for name, task in TASK_OF.items() if not task.classifies]  # 0.5 is worse
    assert f"NO BETTER THAN THE BASELINE in the K-fold: {', '.join(numbers)}." in said


def test_the_main_metric_is_the_one_that_the_section_names_first(metrics, capsys):
    path = metrics.parent / "params.yaml"
    content = strict_yaml.read(path.read_bytes())
    content["datasets"]["imdb"]["data"]["metrics"] = ["log_loss", "accuracy"]
    path.write_text(strict_yaml.write(content))
    file = metrics / "imdb.json"
    file.write_text(file.read_text().replace("accuracy", "log_loss"))
    results.main()
    said = capsys.readouterr().out
    assert "imdb log_loss 0.2500 0.5000" in " ".join(said.split())
    assert "BASELINE in the K-fold: imdb, boston_housing" in said  # 0.5 is worse than 0.25


def test_metrics_of_another_task_are_said_to_be_that(metrics):
    path = metrics / "imdb.json"
    path.write_text(path.read_text().replace("accuracy", "mae"))
    with pytest.raises(
        SystemExit, match=r"imdb.json has no 'accuracy', which params.yaml .*dvc repro"
    ):
        results.main()


@pytest.mark.parametrize("content", ["<<<<<<< HEAD\n{}", "[]", ""])
def test_a_damaged_file_of_metrics_is_one_message(metrics, content):
    (metrics / "imdb.json").write_text(content)
    with pytest.raises(SystemExit, match=r"imdb.json is damaged, or in a merge; `dvc repro`"):
        results.main()
