"""The benchmark compares like with like, and its page says what was measured."""

import importlib.util
import json
import re

import numpy as np
import pytest
import scipy.sparse as sp

from stages.core.data import arrays
from studies import bench


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A task for text and one for features, on made-up rows: {"text": Task, "features": Task}."""
    random = np.random.default_rng(0)
    y = random.integers(2, size=200).astype("int32")
    x = (random.random((200, 40)) < 0.1 + 0.8 * (np.arange(40) < 20) * y[:, None]).astype("float32")
    numbers = random.normal(3, 5, (200, 4)).astype("float32")
    folder = tmp_path / "data/arrays"
    folder.mkdir(parents=True)
    np.savez(folder / "text.npz", **arrays.pack("x_train", sp.csr_matrix(x)), y_train=y)
    np.savez(folder / "features.npz", x_train=numbers, y_train=(numbers[:, 0] - 3) / 5)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "FOLDS", 2)
    return {
        "text": bench.Task("", "text", 16, 4, 6),
        "features": bench.Task("", "features", 32, 4, 10),
    }


def test_every_contender_gets_the_same_folds_and_each_row_is_held_out_once(small):
    x, y, folds, classes = bench.problem(small["text"])
    again = bench.problem(small["text"])
    np.testing.assert_array_equal(folds, again[2])
    assert classes == 2
    held_out = np.concatenate([own for *_, own in bench.splits(x, y, folds)])
    assert len(held_out) == len(y)


def test_a_regression_is_standardised_by_the_training_rows_alone(small):
    x, y, folds, classes = bench.problem(small["features"])
    assert classes == 0
    for inside, _, outside, _ in bench.splits(x, y, folds):
        np.testing.assert_allclose(inside.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(inside.std(axis=0), 1, atol=1e-5)
        assert np.abs(outside.mean(axis=0)).max() > 1e-3


def test_growth_draws_more_rows_of_the_same_kind(small):
    x, y, folds, _ = bench.problem(small["text"]._replace(rows=4))
    assert x.shape == (800, 40)
    assert folds.shape == (1, len(y)) == (1, 800)


@pytest.mark.parametrize("label", bench.CONTENDERS)
def test_every_contender_learns(small, label):
    contender, module, tasks = bench.CONTENDERS[label]
    if not importlib.util.find_spec(module):
        pytest.skip(f"{module} is not installed")
    figures = {}
    for kind, task in small.items():
        if kind == "features" or any(
            bench.TASKS[name].dataset == "imdb" for name in tasks if name in bench.TASKS
        ):
            steps = contender(task)
            next(steps)
            figures[kind] = float(next(steps))
    assert figures.get("text", 1) > 0.8
    assert figures["features"] < 0.5  # 0.8 is the mean's


def medians():
    run = {"import": 1.0, "compute": 10.0, "peak": 100.0, "figure": 0.5, "cache": 2.0}
    found = {name: {"other": run, "this project": run | {"compute": 4.0}} for name in bench.TASKS}
    return found | {name: {"this project": run} for name in bench.GROWTH}


def test_the_page_gives_ratios_to_this_project():
    whole = {"tutorial": 100.0, "default": 50.0, "same": 30.0, "nothing": 1.2}
    sets = {
        count: {"seconds": 9.0 * count, "nothing": 1.5, "peak": 700, "cache": 2.0 * count}
        for count in (1, 2, 4)
    }
    page = bench.page(medians(), whole, sets)
    assert "| 4 | 36.0 | 9.00 | 1.5 | 0.00 | 700 | 8.0 | 2.00 |" in page
    assert page.count("| other | 2.50 | 10.00 | 1.0 | 100 | 0.5000 |") == len(bench.TASKS)
    assert "everything, with K-fold and several seeds on all data sets | 0.50 | 50.0 |" in page
    assert "| `dvc repro` of the work that the scripts do | 0.30 | 30.0 |" in page
    # 10 s for 4 epochs of 400,000 rows on 4 replicas: 1.5625 microseconds a row
    assert "| IMDB | 400,000 | 4 | 10.00 | 1.56 | 100 | 0.0 | 2.0 | 0.0 |" in page
    assert len(re.findall(r"^- \*\*", page, re.MULTILINE)) == len(bench.CONTENDERS)


def test_one_run_prints_its_figures_as_json(small, monkeypatch, capsys):
    monkeypatch.setattr(bench, "TASKS", {"small": small["features"]})
    bench.run_one("scikit-learn MLP", "small")
    assert set(json.loads(capsys.readouterr().out)) == {
        "import",
        "compute",
        "peak",
        "figure",
        "cache",
    }
