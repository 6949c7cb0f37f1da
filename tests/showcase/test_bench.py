"""The benchmark compares like with like, and its page says what was measured."""

import importlib.util
import json
import re
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
import yaml

from stages.core.data import arrays
from stages.core.declared import params, strict_yaml

pytest.importorskip("studies", reason="studies/ was deleted")
from studies import common, searches
from studies.bench import contenders, networks, page, runs, tasks


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A task for text and one for features, on made-up rows: {"text": Task, "features": Task}."""
    random = np.random.default_rng(0)
    y = random.integers(2, size=200).astype("int32")
    x = (random.random((200, 40)) < 0.1 + 0.8 * (np.arange(40) < 20) * y[:, None]).astype("float32")
    numbers = random.normal(3, 5, (200, 4)).astype("float32")
    folder = tmp_path / "data/arrays"
    folder.mkdir(parents=True)
    np.savez(folder / "imdb.npz", **arrays.pack("x_train", sp.csr_matrix(3 * x)), y_train=y)
    np.savez(folder / "boston_housing.npz", x_train=numbers, y_train=(numbers[:, 0] - 3) / 5)
    monkeypatch.setattr(common, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "FOLDS", 2)
    monkeypatch.setattr(contenders, "FOLDS", 2)
    return {
        "text": tasks.Task("", "imdb", 16, 4, 6),
        "features": tasks.Task("", "boston_housing", 32, 4, 10),
    }


def test_every_contender_gets_the_same_folds_and_each_row_is_held_out_once(small):
    x, y, folds, classes = tasks.problem(small["text"])
    again = tasks.problem(small["text"])
    np.testing.assert_array_equal(folds, again[2])
    assert classes == 2
    assert set(x.data) == {1}, "words that are there, however often"
    held_out = np.concatenate([targets for *_, targets in tasks.splits(x, y, folds)])
    assert len(held_out) == len(y)


def test_a_regression_is_standardised_by_the_training_rows_alone(small):
    x, y, folds, classes = tasks.problem(small["features"])
    assert classes == 0
    for inside, _, outside, _ in tasks.splits(x, y, folds):
        np.testing.assert_allclose(inside.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(inside.std(axis=0), 1, atol=1e-5)
        assert np.abs(outside.mean(axis=0)).max() > 1e-3


def test_growth_draws_more_rows_of_the_same_kind(small):
    x, y, folds, _ = tasks.problem(small["text"]._replace(rows=4))
    assert x.shape == (800, 40)
    assert folds.shape == (1, len(y)) == (1, 800)


@pytest.mark.parametrize("label", contenders.CONTENDERS)
def test_every_contender_learns(small, label):
    train, module, names = contenders.CONTENDERS[label]
    if not importlib.util.find_spec(module):
        pytest.skip(f"{module} is not installed")
    texts = {name for name, task in tasks.TASKS.items() if task.dataset == "imdb"}
    means = {}
    for kind, task in small.items():
        if kind == "features" or texts & set(names):
            metrics, kept = train(task)
            assert len(metrics) == 2
            assert (kept > 0) == (label == "this project")
            means[kind] = np.mean(metrics)
    assert means.get("text", 1) > 0.8
    assert means["features"] < 0.5  # 0.8 is the mean's


def medians():
    run = {"import": 1.0, "compute": 10.0, "peak": 100.0, "metric": 0.5, "cache": 2.0}
    found = {name: {"other": run, "this project": run | {"compute": 4.0}} for name in tasks.TASKS}
    rows = {"imdb": 25_000, "boston_housing": 404}
    for name, task in tasks.GROWTH.items():
        found[name] = {"this project": run | {"rows": rows[task.dataset]}}
    return found


def test_the_page_gives_ratios_to_this_project(monkeypatch, tmp_path):
    monkeypatch.setattr(common, "ROOT", tmp_path)
    whole = {"tutorial": 100.0, "default": 50.0, "chains": 40.0, "seed": 45.0}
    whole |= {"seed_chains": 35.0, "same": 30.0, "nothing": 1.2}
    sets = {
        count: {"seconds": 9.0 * count, "nothing": 1.5, "peak": 700, "cache": 2.0 * count}
        for count in (1, 2, 4)
    }
    page.page(medians(), whole, sets)
    text = (tmp_path / "docs/benchmark.md").read_text()
    assert "| 1 | 9.0 | - | 1.5 | - | 700 | 2.0 | - |" in text
    assert "| 4 | 36.0 | 9.00 | 1.5 | 0.00 | 700 | 8.0 | 2.00 |" in text
    assert text.count("| other | 2.50 | 10.00 | 1.0 | 100 | 0.5000 |") == len(tasks.TASKS)
    assert "everything, with K-fold and several seeds on all data sets | 0.50 | 50.0 |" in text
    assert "| `dvc repro` of the work that the scripts do | 0.30 | 30.0 |" in text
    assert "| IMDB | 25,000 | 4 | 10.00 | 25.00 | 100 | - | 2.0 | - |" in text
    # 10 s for 4 epochs of 400,000 rows on 4 replicas: 1.5625 microseconds a row
    assert "| IMDB | 400,000 | 4 | 10.00 | 1.56 | 100 | 0.0 | 2.0 | 0.0 |" in text
    assert len(re.findall(r"^- \*\*", text, re.MULTILINE)) == len(contenders.CONTENDERS)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert not [line for line in lines if "|  |" in line]


def test_networks_are_compared_with_replicas_together():
    seconds = {"a network": {"together": 2.0, "alone": 4.0, "fit": 6.0, "fit on one core": 5.0}}
    assert "| a network | 3.00 | 2.50 | 2.00 | 2.000 | 4.000 | 6.000 |" in networks.rows_of(seconds)


def test_a_sweep_is_compared_with_the_queue():
    found = {"imdb": (50.0, 250.0)}
    assert "| imdb | 12 | 0.20 | 50 | 250 |" in searches.table_of(found)


def test_one_run_prints_its_metrics_as_json(small, monkeypatch, capsys):
    monkeypatch.setattr(runs, "TASKS", {"small": small["features"]})
    runs.measure("scikit-learn MLP", "small")
    taken = json.loads(capsys.readouterr().out)
    assert set(taken) == {"import", "compute", "peak", "metric", "cache", "rows"}


def test_params_are_changed_as_the_project_reads_them(monkeypatch, tmp_path):
    def run(*command):  # in place of git clone
        command[-1].mkdir()
        (command[-1] / "params.yaml").write_text("rate: 1e-4\ncount: 010\nsource: no\n")

    monkeypatch.setattr(runs, "run", run)
    with runs.cloned() as (clone, tree):
        assert tree == {"rate": 1e-4, "count": 10, "source": "no"}
        runs.write_params(clone, tree)
        assert strict_yaml.read((clone / "params.yaml").read_bytes()) == tree


def test_contenders_take_turns_and_find_what_was_installed_for_them(monkeypatch):
    asked = []

    def run(*command, **environment):
        asked.append((*command[-2:], *environment))
        return f'what it says\n{{"compute": {len(asked)}}}', 1.0

    labels = {"a": (None, "json", ["x", "y"]), "b": (None, "jax", ["y"])}
    monkeypatch.setattr(runs, "CONTENDERS", labels)
    monkeypatch.setattr(runs, "TASKS", {"x": None, "y": None})
    monkeypatch.setattr(runs, "GROWTH", {})
    monkeypatch.setattr(runs, "run", run)
    assert runs.side_by_side() == {
        "x": {"a": {"compute": 4}},
        "y": {"a": {"compute": 5}, "b": {"compute": 6}},
    }
    assert asked == 3 * [("a", "x"), ("a", "y"), ("b", "y", "PYTHONPATH")]


def test_no_contender_finds_imported_what_its_import_is_measured_of():
    command = "import sys, studies.bench.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"tensorflow", "keras", "torch", "jax", "sklearn"} & {*done.stdout.split()}


def test_the_queue_gets_the_candidates_of_the_sweep():
    for name, (varied, kfold) in searches.SEARCHES.items():
        shipped = strict_yaml.read((common.ROOT / "params.yaml").read_bytes())
        shipped["datasets"][name]["kfold"] |= kfold
        shipped["sweeps"] = {name: searches.tree_of(varied)}
        chosen = params.parse(yaml.safe_dump(shipped))
        grid = [dict(zip(varied, each, strict=True)) for each in product(*varied.values())]
        swept = [candidate.values for candidate in chosen.sweeps[name]]
        assert [each for each in swept if each not in grid] == []
        assert len(swept) == len(grid)
    assert searches.choices("imdb", {"model.units": [[16], [4, 4]], "fit.rate": [0.1, 1]}) == [
        "--set-param=datasets.imdb.model.units=choice([16],[4, 4])",
        "--set-param=datasets.imdb.fit.rate=choice(0.1,1)",
    ]
