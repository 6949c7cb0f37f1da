"""A review that knows the metric of each row in the folds."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import section, top

from stages.core.judge import row_metrics
from tools.review import results

REPEATS, SEEDS, K, ROWS = 3, 3, 4, 400


@pytest.fixture
def folds():
    random = np.random.default_rng(0)
    return np.stack([random.permutation(np.arange(ROWS) % K) for _ in range(REPEATS)])


@pytest.fixture
def values():
    """Right or wrong: rows differ much, fits a little."""
    random = np.random.default_rng(1)
    chance = random.choice([0.02, 0.5, 0.98], p=[0.1, 0.1, 0.8], size=ROWS)
    return (random.random((REPEATS, SEEDS, ROWS)) < chance).astype(int)


def put(project, values, folds, groups=None, name="imdb", metric="accuracy"):
    """Write what `evaluate` would of a data set in which fits fared so on each row."""
    lines = []
    for repeat, dealt in enumerate(folds):
        for seed in range(values.shape[1]):
            for fold in range(K):
                held = dealt == fold
                line = {"repeat": repeat + 1, "seed": seed + 1, "fold": fold + 1, "epoch": 4}
                line |= {"rows": held.sum(), "held_out": f"{repeat}{fold:07d}", "loss": 0.5}
                lines.append(line | {metric: values[repeat, seed, held].mean()})
    frame = pd.DataFrame(lines)
    project.params["datasets"][name]["kfold"] |= {"repeats": REPEATS, "seeds": values.shape[1]}
    project.save()
    project.results(name)
    project.put(f"metrics/{name}/folds.csv", frame)
    path = project.folder / f"metrics/{name}.json"
    content = json.loads(path.read_text())
    content["kfold"][metric]["mean"] = round(frame[metric].mean(), 4)
    path.write_text(json.dumps(content))
    files = row_metrics.pack(values, folds, groups)
    project.put(f"data/rows/{name}.npz", files.pop("rows.npz"))
    for file, packed in files.items():
        project.put(f"metrics/{name}/{file}", packed)
    project.put(".gitignore", "data/rows/\n")


def changed(values, random, worse):
    """The same fits with this share of their right answers wrong, the same rows in each."""
    lost = random.random(ROWS) < worse
    return np.where(lost, 0, values)


@pytest.fixture
def pair(project, values, folds):
    """A base, committed, and a head in the workspace that loses 3 % of the rows."""
    put(project, values, folds)
    project.commit()
    put(project, changed(values, np.random.default_rng(2), 0.03), folds)
    return project


def test_a_difference_by_row_is_found_and_its_noise_told_in_parts(pair, run):
    text = run("HEAD")
    verdict, said = top(text)["imdb"]
    assert verdict == "worse"
    assert "in 11 of 12 folds" in said
    part = section(text, "imdb")
    assert "Where the noise of the difference comes from: " in part
    assert "the rows >99%" in part or "the rows 9" in part
    assert "12 folds x 3 seeds" in part
    found = json.loads(run("HEAD", "--json"))["datasets"]["imdb"]
    difference = found["metrics"]["accuracy"]["difference"]
    assert found["folds_alone"] is None
    assert difference["test"] == "parts"
    assert difference["typical"] is None
    parts = [difference[name] for name in ("rows", "seeds", "training")]
    assert sum(parts) == pytest.approx(difference["error"] ** 2)


def test_folds_alone_see_less(pair, run):
    sharp = json.loads(run("HEAD", "--json"))["datasets"]["imdb"]["metrics"]["accuracy"]
    (pair.folder / "metrics/imdb/fold_rows.npz").unlink()
    blunt = json.loads(run("HEAD", "--json"))["datasets"]["imdb"]
    assert "workspace does not say how each row fared" in blunt["folds_alone"]
    sharp, blunt = sharp["difference"], blunt["metrics"]["accuracy"]["difference"]
    assert blunt["test"] == "folds"
    assert blunt["error"] > sharp["error"]
    assert blunt["mean"] == pytest.approx(sharp["mean"])
    assert "which is mostly less sharp: workspace" in section(run("HEAD"), "imdb")


def test_rows_that_are_too_many_for_git_are_read_from_the_cache(
    pair, run, values, folds, monkeypatch
):
    before = json.loads(run("HEAD", "--json"))["datasets"]["imdb"]["metrics"]["accuracy"]
    monkeypatch.setattr(row_metrics, "LIMIT", 100)
    monkeypatch.setattr(results.Revision, "cached", lambda self, path: contents[self.name])
    contents = {}
    for name, side in {"HEAD": values, "workspace": None}.items():
        if side is None:
            side = changed(values, np.random.default_rng(2), 0.03)
        contents[name] = row_metrics.pack(side, folds)["rows.npz"]
    put(pair, values, folds)
    pair.commit()
    put(pair, changed(values, np.random.default_rng(2), 0.03), folds)
    after = json.loads(run("HEAD", "--json"))["datasets"]["imdb"]["metrics"]["accuracy"]
    assert after == before
    contents["HEAD"] = None
    assert "HEAD has too many rows for Git; `dvc pull`" in section(run("HEAD"), "imdb")


def test_the_cache_is_asked_for_what_dvc_lock_names(pair, run, tmp_path, monkeypatch):
    revision = results.Revision("main", pair.git("rev-parse", "HEAD"))
    lock = {"stages": {"evaluate@imdb": {"outs": [{"path": "data/rows/imdb.npz", "md5": "abcd"}]}}}
    monkeypatch.setattr(results.Revision, "yaml", lambda self, path: lock)
    monkeypatch.setattr("tools.review.revisions.output", lambda *command: f"{tmp_path}\n".encode())
    assert revision.cached("data/rows/imdb.npz") is None
    (tmp_path / "files/md5/ab").mkdir(parents=True)
    (tmp_path / "files/md5/ab/cd").write_bytes(b"content")
    assert revision.cached("data/rows/imdb.npz") == b"content"
    assert revision.cached("data/rows/other.npz") is None
    workspace = results.Revision("workspace")
    assert workspace.cached("data/rows/imdb.npz").startswith(b"PK")


def test_rows_of_a_group_count_together(pair, run, values, folds):
    groups = np.arange(ROWS) // 2 * 2  # pairs that share a fold
    folds = folds[:, groups]
    head = changed(values, np.random.default_rng(2), 0.3)
    for side, commit in ((values, True), (head, False)):
        put(pair, side, folds, groups)
        if commit:
            pair.commit()
    found = json.loads(run("HEAD", "--json"))["datasets"]["imdb"]["metrics"]["accuracy"]
    assert found["difference"]["test"] == "parts"
    rows = (head != values).any(axis=(0, 1))
    assert found["difference"]["differing"] == len({*groups[rows]}) < rows.sum()


def test_a_few_rows_that_differ_are_no_evidence(pair, run, values, folds):
    head = values.copy()
    right = np.flatnonzero((values == 1).all(axis=(0, 1)))[:4]
    head[:, :, right] = 0
    put(pair, head, folds)
    text = run("HEAD")
    assert top(text)["imdb"][0] != "worse"
    assert "differ on 4 rows (or groups) at all: too few" in section(text, "imdb")


def test_other_numbers_of_seeds_are_compared_by_folds(pair, run, values, folds):
    put(pair, values[:, :2], folds)
    part = section(run("HEAD"), "imdb")
    assert "a fold has 3 and 2 fits; the same `kfold.seeds` in both would be sharper" in part


def test_a_damaged_file_of_rows_is_named(pair, refused):
    path = pair.folder / "metrics/imdb/fold_rows.npz"
    path.write_bytes(path.read_bytes()[:-40])
    assert "fold_rows.npz or row_folds.npz of workspace" in refused("HEAD")


def test_a_metric_that_is_no_mean_over_rows_is_judged_by_folds(pair, run, folds):
    for file, packed in row_metrics.pack(None, folds).items():
        if file != "rows.npz":
            pair.put(f"metrics/imdb/{file}", packed)
    assert "workspace is judged by a metric that is no mean over rows" in section(
        run("HEAD"), "imdb"
    )


def test_rows_that_are_not_those_of_the_folds_are_left_out(pair, run, values, folds):
    for file, packed in row_metrics.pack(values[::-1], folds).items():
        if file != "rows.npz":
            pair.put(f"metrics/imdb/{file}", packed)
    part = section(run("HEAD"), "imdb")
    assert "workspace's metrics by row are not those of its folds.csv" in part


def test_small_errors_beside_an_outlier_are_those_of_the_folds(project, run, folds):
    random = np.random.default_rng(0)
    errors = random.random((REPEATS, SEEDS, ROWS))
    errors[0, 0, 7] = 1e12  # a fit that failed; beside it 16 bits tell no errors around 1
    for factor, commit in ((1, True), (1.1, False)):
        put(project, factor * errors, folds, name="boston_housing", metric="mae")
        if commit:
            project.commit()
    assert json.loads(run("HEAD", "--json"))["datasets"]["boston_housing"]["folds_alone"] is None


@pytest.mark.parametrize("part", ["rows", "repeats", "groups"])
def test_files_of_other_rows_or_repeats_are_left_out(pair, run, values, folds, part):
    groups = np.arange(ROWS - 1) if part == "groups" else None
    other = {"rows": folds[:, :-1], "repeats": folds[:-1], "groups": folds}[part]
    packed = row_metrics.pack(values[: len(other), :, : other.shape[1]], other, groups)
    pair.put("metrics/imdb/row_folds.npz", packed["row_folds.npz"])
    part = section(run("HEAD"), "imdb")
    assert "workspace's metrics by row are not those of its folds.csv" in part


def test_results_that_are_judged_by_another_metric_are_not_compared(pair, run):
    pair.params["datasets"]["imdb"]["data"]["metrics"] = ["log_loss", "accuracy"]
    pair.save()
    frame = pd.read_csv(pair.folder / "metrics/imdb/folds.csv", dtype={"held_out": str})
    pair.put("metrics/imdb/folds.csv", frame.assign(log_loss=0.5))  # evaluated before
    pair.commit()
    said = top(run("HEAD"))["imdb"]
    assert said[0] == "not comparable"
    assert "the results of HEAD are judged by accuracy, its params by log_loss" in said[1]


def test_a_mark_in_one_of_the_two_files_alone_asks_for_both(pair, run, monkeypatch):
    monkeypatch.setattr(row_metrics, "LIMIT", 1)
    mark = row_metrics.pack(None, np.zeros((1, 4), int))["row_folds.npz"]
    pair.put("metrics/imdb/row_folds.npz", mark)
    (pair.folder / "data/rows/imdb.npz").unlink()
    assert "workspace has too many rows for Git" in section(run("HEAD"), "imdb")
