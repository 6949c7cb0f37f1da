"""The review on tiny repositories with made-up metrics: 4 folds x 2 repeats, 3 seeds, 10 test rows, 2 epochs."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.text import Text

from stages.core.data.datasets import TABLE
from stages.core.judge import comparison, pictures
from tools import review
from tools.review import markdown, page, revisions, sentences, verdicts
from tools.shared import described, texts

ROOT = Path(__file__).parent.parent
NAMES = ["imdb", "reuters", "boston_housing"]
MEASURED = {
    "accuracy": "cross-entropy",
    "mae": "mean squared error",
}  # main metric -> what the loss measures
MAINS = {"accuracy": (0.8, 0.9), "mae": (2, 3)}  # the least and the most of a fold
SEEDS, ROWS, EPOCHS = 3, 10, 2
RIGHT = np.array(
    [[1, 1, 1, 1, 1, 1, 0, 0, 0, 0]] * SEEDS
)  # in base: which test rows each seed's model has right
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{who}_{what}": "test@example.com"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
}


def params() -> dict:
    """What a review reads of params.yaml."""
    section = {
        "preprocess": {"encoding": "multi_hot"},
        "model": {"units": [16, 16], "activation": "relu"},
        "fit": {"learning_rate": 0.001},
        "kfold": {"k": 4, "repeats": 2},
        "review": {"equivalent_within": 0.005},
    }
    sections = {name: json.loads(json.dumps(section)) for name in NAMES}
    sections["boston_housing"]["review"]["equivalent_within"] = 0.05
    return {"source": "official", "seed": 0, "split_seed": 0, "datasets": sections}


class Project:
    """A repository with the files that a review reads. Every data set begins with the same results in every test."""

    def __init__(self, folder):
        self.folder, self.params, self.data = (
            folder,
            params(),
            {name: f"{name}.dir" for name in NAMES},
        )
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.put("stages/kfold.py", "# deals the rows\n")
        self.put("dvc.yaml", yaml.safe_dump({"stages": {"preprocess": {}, "kfold": {}}}))
        for name in NAMES:
            self.results(name)
        self.save()
        self.commit()

    def put(self, path, content):
        """Write a file: text, bytes, or a frame as CSV."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content.to_csv(index=False) if isinstance(content, pd.DataFrame) else content
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def git(self, *command):
        done = subprocess.run(
            ["git", *command], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message="results"):
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def save(self, lock=True):
        """Write params.yaml and, as a `dvc repro` would, dvc.lock."""
        self.put("params.yaml", yaml.safe_dump(self.params, sort_keys=False))
        if not lock:
            return
        stages, code = {}, (self.folder / "stages/kfold.py").read_bytes()
        for name in self.params["datasets"]:
            section, at = self.params["datasets"][name], f"datasets.{name}"
            read = {f"{at}.{part}": section[part] for part in ("kfold", "model", "fit")}
            stages[f"preprocess@{name}"] = {
                "deps": [{"path": f"data/raw/{name}", "md5": self.data[name]}],
                "params": {"params.yaml": {f"{at}.preprocess": section["preprocess"]}},
            }
            stages[f"kfold@{name}"] = {
                "deps": [
                    {"path": f"data/arrays/{name}.npz", "md5": "0"},
                    {
                        "path": "stages/kfold.py",
                        "md5": hashlib.md5(code, usedforsecurity=False).hexdigest(),
                    },
                ],
                "params": {"params.yaml": {"split_seed": self.params["split_seed"], **read}},
            }
        self.put("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))

    def results(
        self,
        name,
        main=(0, 0),
        loss=(0, 0),
        right=RIGHT,
        held_out="00ff",
        parameters=1000,
        measured=None,
    ):
        """Write the metrics of a data set. main, loss: (mean, noise) of what is added to the metrics of the folds.

        measured: by the loss, where it is not what MEASURED says.
        """
        metric, settings = TABLE[name].task.metric, self.params["datasets"][name]["kfold"]
        k, repeats = settings["k"], settings["repeats"]
        noise = np.where(np.arange(k * repeats) % 2, 1, -1)
        folds = pd.DataFrame(
            {"repeat": np.repeat(np.arange(repeats) + 1, k), "fold": [*range(1, k + 1)] * repeats}
        )
        folds["rows"] = 100
        folds["held_out"] = [f"{held_out}{fold:04d}" for fold in range(k * repeats)]
        folds["loss"] = np.linspace(0.3, 0.4, k * repeats) + loss[0] + loss[1] * noise
        folds[metric] = np.linspace(*MAINS[metric], k * repeats) + main[0] + main[1] * noise
        curves = folds[["repeat", "fold"]].loc[folds.index.repeat(EPOCHS)].reset_index(drop=True)
        curves["epoch"] = [*range(1, EPOCHS + 1)] * (k * repeats)
        for column in ("loss", metric):
            curves[column] = curves[f"val_{column}"] = np.repeat(folds[column].to_numpy(), EPOCHS)
        if TABLE[name].task.classifies:
            outcome = pd.DataFrame({"actual": [0, 0, 1, 1], "predicted": [0, 1, 0, 1]})
            outcome["rows"] = [5, 0, ROWS - 5 - int(right[0].sum()) % 5, int(right[0].sum()) % 5]
        else:
            outcome = pd.DataFrame(
                {"actual": np.arange(ROWS) + 0.5, "predicted": np.arange(ROWS) + main[0]}
            )
            right = np.abs(right + main[0])
        spread = {
            column: {
                "high": 1.0,
                "low": 0.0,
                "mean": round(float(folds[column].mean()), 4),
                "std": 0.01,
            }
            for column in (metric, "loss")
        }
        tested = {"ensemble": 0.9, "mean": round(float(right.mean()), 4), "std": 0.0}
        content = {
            "baseline": {metric: 0.5},
            "kfold": {**spread, "replicas": k * repeats},
            "network": {
                "epochs": EPOCHS,
                "loss": measured or MEASURED[metric],
                "parameters": parameters,
            },
            "source": self.params["source"],
            "test": {metric: tested},
        }
        self.put(f"metrics/{name}.json", json.dumps(content))
        self.put(f"metrics/{name}/folds.csv", folds)
        self.put(f"metrics/{name}/fold_curves.csv", curves)
        self.put(f"metrics/{name}/test.csv", outcome)
        self.put(
            f"metrics/{name}/test_rows.csv",
            pd.DataFrame(right.T, columns=[f"seed_{n}" for n in range(len(right))]),
        )
        self.put(f"metrics/{name}/network.txt", f"dense\noutput\nparameters: {parameters:,}\n")

    def texts(self, words, documents=ROWS):
        """Write data/ with these words in the index; each document is one of them and then all, by rank."""
        index = {word: rank for rank, word in enumerate(words, start=1)}
        ranks = np.array(
            [[i % len(words) + 1, *range(1, len(words) + 1)] for i in range(documents)]
        )
        self.put("data/raw/imdb/imdb_word_index.json", json.dumps(index))
        (self.folder / "data/arrays").mkdir(parents=True)
        splits = np.arange(documents + 1) * ranks.shape[1]
        arrays = {"words_test.ranks": ranks.ravel(), "words_test.splits": splits}
        np.savez(self.folder / "data/arrays/imdb.npz", **arrays)


def made(folder, monkeypatch) -> Project:
    """A project in the present folder, with one commit on main, whatever the Git of this machine is set to."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder))
    project = Project(folder / "project")
    monkeypatch.chdir(project.folder)
    return project


@pytest.fixture
def project(tmp_path, monkeypatch):
    return made(tmp_path, monkeypatch)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the review as a person would, in this process: its arguments -> what it prints."""
    # Fewer draws, for the sake of time: tests/test_comparison.py has those of the interval.
    monkeypatch.setattr(comparison, "bootstrap", partial(comparison.bootstrap, draws=100))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["review", *arguments])
        capsys.readouterr()
        review.main()
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return run


@pytest.fixture
def refused(run, capsys):
    """Run the review where it must stop -> its message, which Python prints before it exits with status 1."""

    def refused(*arguments):
        with pytest.raises(SystemExit) as stopped:
            run(*arguments)
        assert capsys.readouterr().out == ""
        assert isinstance(stopped.value.code, str)
        assert stopped.value.code.startswith("review: ")
        return stopped.value.code

    return refused


def compared() -> list[verdicts.Reviewed]:
    """The review of the workspace against main."""
    return verdicts.review(revisions.resolve("main"), revisions.Revision("workspace"))


def cells(line) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def top(text) -> dict[str, list[str]]:
    """{data set: verdict, metric, base → head, difference, wins} from the table on top of a review."""
    rows = [
        cells(line)
        for line in text.split("## What changed")[0].splitlines()
        if line.startswith("| ")
    ]
    return {name: [verdict.strip("*"), *others] for name, verdict, *others in rows if name in TABLE}


def section(text, name) -> str:
    """The part of the review on one data set."""
    return text.split(f"## {TABLE[name].title}\n")[1].split("\n## ")[0]


def metrics(text) -> dict[str, list[str]]:
    """{metric: base, head, difference, p} from the table of one data set."""
    rows = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    return {name: others for name, *others in rows}


# mean and noise of the change of accuracy, where 0.005 is taken as none; of the error ten times as much, and negative
VERDICTS = {
    "better": (0.03, 0.002),
    "worse": (-0.03, 0.002),
    "better, but negligible": (0.002, 0.0002),
    "worse, but negligible": (-0.002, 0.0002),
    "equivalent": (0, 0.0005),
    "no evidence": (0.002, 0.01),
}


@pytest.mark.parametrize(("verdict", "change"), VERDICTS.items())
def test_the_top_line_has_the_verdict_on_each_data_set(project, run, verdict, change):
    mean, noise = change
    for name in NAMES:
        factor = 1 if TABLE[name].task.classifies else -10
        project.results(name, main=(factor * mean, factor * noise))
    assert {name: row[0] for name, row in top(run("main")).items()} == dict.fromkeys(NAMES, verdict)


def test_the_top_line_has_the_metrics(project, run):
    project.results("imdb", main=(0.03, 0.002))
    project.results("boston_housing", main=(0.3, 0.02))
    rows = top(run("main"))
    change = np.where(np.arange(8) % 2, 0.032, 0.028)
    low, high = comparison.interval(change, 4)
    interval = f"+0.0300 (+{low:.4f} to +{high:.4f})"
    assert rows["imdb"] == ["better", "accuracy", "0.8500 → 0.8800", interval, "8 of 8"]
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


def test_the_table_of_metrics_has_both_sides_difference_and_p(project, run):
    project.results("imdb", main=(0.03, 0.002), loss=(-0.1, 0.01), parameters=2000)
    rows = metrics(section(run("main"), "imdb"))
    assert rows["kfold accuracy"][:2] == ["0.8500 ± 0.0100", "0.8800 ± 0.0100"]
    assert re.fullmatch(r"\+0\.0300 \(\+0\.02\d\d to \+0\.03\d\d\)", rows["kfold accuracy"][2])
    assert re.fullmatch(r"-0\.1000 \(-0\.1\d{3} to -0\.0\d{3}\)", rows["kfold loss"][2])
    assert rows["kfold loss"][3] == "<0.001"
    assert rows["network parameters"] == ["1,000", "2,000", "+1,000", "-"]
    assert rows["baseline accuracy"] == ["0.5000", "0.5000", "same", "-"]
    assert rows["test accuracy, ensemble"] == ["0.9000", "0.9000", "same", "-"]


def test_sentences_say_what_can_be_seen_and_what_the_test_rows_and_the_seeds_say(project, run):
    random = np.random.default_rng(0)
    project.results("imdb", main=(0.002, 0.01), right=random.integers(0, 2, (5, ROWS)))
    text = section(run("main"), "imdb")
    found = comparison.compare(np.zeros(8), 0.002 + 0.01 * np.array([-1, 1] * 4), 4, True, 0.005)
    assert f"equivalent {found.equivalent:.3f}, better {found.better:.3f}" in text
    assert "a larger k goes further" in text
    assert (
        f"These 8 folds would find (4 times out of 5) a difference of {found.detectable:.4f} or more"
        in text
    )
    assert f"More repeats bring that down to {found.floor:.4f} at best" in text
    assert "more repeats would not change the verdict" in text
    assert re.search(
        r"On the fixed 10 test rows, .* \(95 % bootstrap interval .*; 3 and 5 seeds\)", text
    )
    assert re.search(r"seeds alone, on the fixed test rows, bring >99% of .*\(from 5 seeds\)", text)


def test_a_probability_or_a_share_never_looks_like_0_or_1():
    shown = {
        0: "<0.001",
        0.0004: "<0.001",
        0.001: "0.001",
        0.05: "0.050",
        0.999: "0.999",
        0.9996: ">0.999",
        1: ">0.999",
    }
    assert {value: markdown.share(value) for value in shown} == shown
    shown = {0: "<1%", 0.004: "<1%", 0.01: "1%", 0.99: "99%", 0.994: ">99%", 1: ">99%"}
    assert {value: markdown.share(value, ".0%", 0.01) for value in shown} == shown
    assert markdown.number(-1e-17, "+") == "+0.0000"


@pytest.mark.parametrize(
    ("change", "said"), [(0, "All 8 folds are the same"), (0.03, "All 8 folds differ by +0.03")]
)
def test_folds_without_noise_do_not_say_what_they_could_find(project, run, change, said):
    project.results("imdb", main=(change, 0), loss=(0.1, 0.01), right=1 - RIGHT)
    text = section(run("main"), "imdb")
    assert said in text
    assert "0.0000 or more" not in text


def test_seeds_that_bring_next_to_nothing_are_said_so(project, run):
    rows = np.vstack([np.repeat(RIGHT[:1], 2000, axis=1)] * SEEDS)  # 20,000 rows
    rows[0, 0] ^= 1
    project.results("imdb", main=(0.03, 0.002), right=rows)
    text = section(run("main"), "imdb")
    assert "bring <1% of the variance" in text
    assert "<1% to" not in text


def test_k_cannot_be_larger_than_the_rows(project, run):
    for path, noise in (("main", 0), ("workspace", 0.02)):
        project.results("boston_housing", main=(0, noise))
        folds = project.folder / "metrics/boston_housing/folds.csv"
        folds.write_text(
            pd.read_csv(folds, dtype={"held_out": str}).assign(rows=1).to_csv(index=False)
        )
        project.commit(path)
    text = section(run("HEAD~1", "HEAD"), "boston_housing")
    assert "More repeats" in text
    assert "larger k" not in text


def test_metrics_with_different_keys_stand_side_by_side(project, run):
    path = project.folder / "metrics/imdb.json"
    old = json.loads(path.read_text())
    del old["network"]
    old["kfold"]["f1"] = {"mean": 0.7}
    old["validation"] = {"best_epoch": 5}
    path.write_text(json.dumps(old))
    project.commit()
    project.results("imdb", main=(0.03, 0.002))
    text = run("main")
    assert top(text)["imdb"][0] == "better"
    rows = metrics(section(text, "imdb"))
    assert rows["kfold f1"] == ["0.7000", "-", "-", "-"]
    assert rows["validation best_epoch"] == ["5", "-", "-", "-"]
    assert rows["network parameters"] == ["-", "1,000", "-", "-"]


def test_losses_that_measure_different_things_are_not_compared(project, run, tmp_path):
    change = (-0.195, 0.1)
    project.results("boston_housing", main=change, loss=(0, 0.01), measured="mean absolute error")
    text = run("main", "--html", str(tmp_path / "page.html"))
    part = section(text, "boston_housing")
    assert (
        "- The losses measure different things (mean squared error, mean absolute error) and are not compared."
        in part
    )
    rows = metrics(part)
    assert rows["network loss"] == ["mean squared error", "mean absolute error", "-", "-"]
    assert rows["kfold loss"][3] == "-"
    raw = comparison.compare(np.zeros(8), change[0] + change[1] * np.array([-1, 1] * 4), 4, False).p
    assert 0.025 < raw < 0.04
    assert rows["kfold mae"][3] == f"{raw:.3f}", "no further chance of an alarm"
    assert top(text)["boston_housing"][0] == "better"
    drawn = re.findall(r'<img alt="([^"]+)"', (tmp_path / "page.html").read_text("utf-8"))
    assert drawn == ["Each fold&#x27;s difference", "K-fold curves", "Predicted against actual"]


def test_curves_are_drawn_of_metrics_that_mean_the_same_in_both(project, monkeypatch):
    asked = []
    monkeypatch.setattr(
        pictures, "compared_folds", lambda title, columns, labels: asked.append(labels) or b""
    )
    for measured in (None, "Huber loss"):
        project.results("boston_housing", main=(-0.3, 0.02), measured=measured)
        reviewed = compared()
        page.drawn(next(found for found in reviewed if found.name == "boston_housing"))
    mae = {"mae": "mean absolute error (thousand dollars)"}
    assert asked == [{"loss": "loss: mean squared error (thousand dollars squared)", **mae}, mae]


def test_a_base_that_does_not_say_what_its_loss_measures_is_compared(project, run):
    path = project.folder / "metrics/imdb.json"
    old = json.loads(path.read_text())
    del old["network"]["loss"]
    path.write_text(json.dumps(old))
    project.commit()
    project.results("imdb", main=(0.03, 0.002), loss=(0.1, 0.01))
    part = section(run("main"), "imdb")
    assert metrics(part)["kfold loss"][3] != "-"
    assert "different things" not in part


@pytest.mark.parametrize("side", ["base", "head"])
def test_a_side_without_test_rows_is_still_judged_by_its_folds(project, run, side):
    path = project.folder / "metrics/imdb/test_rows.csv"
    if side == "base":
        path.unlink()
        project.commit()
        project.git("switch", "-qc", "change")
    project.results("imdb", main=(0.03, 0.002))
    if side == "head":
        path.unlink()
    text = run("main")
    assert top(text)["imdb"][0] == "better"
    assert "No test rows to compare" in section(text, "imdb")
    assert "changed sides" not in section(text, "imdb")


@pytest.mark.parametrize("file", ["fold_curves.csv", "test.csv", "network.txt"])
def test_a_base_without_a_file_is_still_judged_and_drawn(project, run, tmp_path, file):
    (project.folder / "metrics/imdb" / file).unlink()
    project.commit()
    project.results("imdb", main=(0.03, 0.002))
    assert top(run("main", "--html", str(tmp_path / "page.html")))["imdb"][0] == "better"
    assert "Each fold&#x27;s difference" in (tmp_path / "page.html").read_text("utf-8")


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


def program(*command):
    """Run Python in the present folder with this repository's modules."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no table"),
        (b"\xff\xfe,\n", "no table"),
        (b"repeat,fold,loss\n1,1,0.5\n", "accuracy"),
        (b"<<<<<<< HEAD\nrepeat,fold,accuracy,loss\n", "expected numbers"),
    ],
)
def test_a_damaged_table_is_one_message(project, run, content, message):
    project.put("metrics/imdb/folds.csv", content)
    with pytest.raises(SystemExit, match=f"metrics/imdb/folds.csv of workspace.*{message}"):
        run("main")


def test_folds_whose_metrics_are_no_numbers_are_not_compared(project, run):
    path = project.folder / "metrics/imdb/folds.csv"
    table = pd.read_csv(path, dtype={"held_out": str})
    table.loc[0, "accuracy"] = np.nan
    project.put("metrics/imdb/folds.csv", table)
    assert top(run("main"))["imdb"][3] == "workspace has folds whose metrics are no numbers"


def test_as_a_program_it_exits_with_1_and_one_message(project):
    done = program("-m", "tools.review", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"review: nowhere is neither .*\n", done.stderr)


def test_a_review_changes_nothing_in_the_project(project, run):
    project.results("imdb", main=(0.03, 0.002))
    before = project.git("status", "--porcelain", "--ignored")
    run("main")
    assert project.git("status", "--porcelain", "--ignored") == before


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def test_programs_get_the_review_as_json(project, run, tmp_path):
    project.results("imdb", main=(0.03, 0.002), loss=(-0.1, 0.01))
    project.results("reuters", held_out="ff00")
    project.params["datasets"]["imdb"]["model"].update(units=[4], dropout=0.5)
    project.save(lock=False)
    path = tmp_path / "review.html"
    found = json.loads(run("main", "--json", "--html", str(path)), parse_constant=no_constant)
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
    main = project.git("rev-parse", "main")
    assert found["base"] == {"name": "main", "commit": main, "stale": []}
    assert found["head"] == {"name": "workspace", "commit": None, "stale": ["kfold@imdb"]}
    assert found["params"] == {
        "datasets.imdb.model.units": {"base": [16, 16], "head": [4]},
        "datasets.imdb.model.dropout": {"head": 0.5},
    }
    assert list(found["datasets"]) == NAMES
    imdb, reuters = found["datasets"]["imdb"], found["datasets"]["reuters"]
    assert (imdb["verdict"], imdb["metric"], imdb["obstacle"]) == ("better", "accuracy", None)
    directions = {name: found["higher_is_better"] for name, found in imdb["metrics"].items()}
    assert directions == {"accuracy": True, "loss": False}
    accuracy = imdb["metrics"]["accuracy"]
    assert (accuracy["verdict"], accuracy["base"], accuracy["head"]) == ("better", 0.85, 0.88)
    raw, *_ = compared()
    expected = dataclasses.asdict(raw.comparisons["accuracy"])
    holm, typical_holm = (
        accuracy["difference"].pop("p_holm"),
        accuracy["difference"]["typical"].pop("p_holm"),
    )
    assert accuracy["difference"] == expected
    assert (holm > expected["p"], typical_holm > expected["typical"]["p"]) == (True, True)
    assert (reuters["verdict"], reuters["obstacle"]) == (
        "not comparable",
        "the folds hold out different rows",
    )
    assert [found["difference"] for found in reuters["metrics"].values()] == [None, None]


def test_json_has_null_where_a_metric_is_no_number(project, run):
    path = project.folder / "metrics/imdb.json"
    project.results("imdb", main=(0.03, 0.002), loss=(np.nan, 0))
    path.write_text(path.read_text().replace("0.88", "NaN"))
    project.params["datasets"]["imdb"]["model"]["dropout"] = [np.inf]
    project.save()
    found = json.loads(run("main", "--json"), parse_constant=no_constant)
    assert found["params"]["datasets.imdb.model.dropout"] == {"head": [None]}
    assert found["datasets"]["imdb"]["metrics"]["accuracy"]["head"] is None
    assert found["datasets"]["imdb"]["metrics"]["loss"]["difference"] is None


@pytest.mark.parametrize(
    ("change", "fail_on", "fails"),
    [
        ("worse", [], False),
        ("worse", ["worse"], True),
        ("worse", ["not-comparable"], False),
        ("worse", ["not-comparable", "worse"], True),
        ("worse, but negligible", ["worse"], False),
        ("no evidence", ["worse", "not-comparable"], False),
        ("better", ["worse", "not-comparable"], False),
        ("not comparable", ["worse"], False),
        ("not comparable", ["not-comparable"], True),
        ("worse in the typical fold", ["worse"], True),
    ],
)
def test_the_exit_status_is_3_for_verdicts_that_somebody_named(
    project, run, capsys, change, fail_on, fails
):
    project.results(
        "imdb", *([VERDICTS["worse"]] if "typical" in change else [VERDICTS.get(change, (0, 0))])
    )
    folds = project.folder / "metrics/imdb/folds.csv"
    if change == "not comparable":
        folds.write_text(folds.read_text().replace("00ff", "ff00"))
    if "typical" in change:
        table = pd.read_csv(folds, dtype={"held_out": str})
        table.loc[2, "accuracy"] += 5
        folds.write_text(table.to_csv(index=False))
    arguments = ["main", *(argument for verdict in fail_on for argument in ("--fail-on", verdict))]
    if not fails:
        assert top(run(*arguments))["imdb"][0] == change
        return
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 3
    printed = capsys.readouterr()
    assert top(printed.out)["imdb"][0] == change
    assert f"imdb is {change}" in printed.err


def changed(text) -> str:
    return text.split("## What changed")[1].split("\n## ")[0]


def test_params_that_were_added_removed_and_changed_are_shown(project, run):
    model = project.params["datasets"]["imdb"]["model"]
    model.update(units=[4], dropout=0.5)
    del model["activation"]
    project.save()
    rows = metrics(changed(run("main")))
    assert rows["`datasets.imdb.model.units`"] == ["`[16, 16]`", "`[4]`"]
    assert rows["`datasets.imdb.model.dropout`"] == ["-", "`0.5`"]
    assert rows["`datasets.imdb.model.activation`"] == ["`relu`", "-"]
    assert sum(name.startswith("`") for name in rows) == 3


def test_networks_that_differ_are_shown_with_their_parameters(project, run):
    project.results("imdb", parameters=2000)
    text = changed(run("main"))
    assert "Network of imdb: 1,000 → 2,000 parameters" in text
    assert "-parameters: 1,000\n+parameters: 2,000" in text
    assert "Network of reuters" not in text


def test_code_that_differs_is_shown_and_other_files_are_not(project, run):
    project.put("stages/kfold.py", "# deals the rows anew\n")
    project.put("README.md", "read me\n")
    project.commit()
    project.put("stages/kfold.py", "# deals the rows once more\n")
    for text in (run("HEAD~1", "HEAD"), run("HEAD")):
        assert re.search(r"stages/kfold\.py \| 2 \+-", changed(text))
        assert "README" not in text


def test_nothing_that_differs_is_said_as_well(project, run):
    text = changed(run("main"))
    assert "No param differs." in text
    assert "No code of a stage differs." in text


@pytest.mark.parametrize("value", ["a|b", "a\nb", "a`b"], ids=["pipe", "line", "backtick"])
def test_a_param_cannot_break_the_table(project, run, tmp_path, value):
    project.params["datasets"]["imdb"]["model"]["activation"] = value
    project.save()
    text = run("main", "--html", str(tmp_path / "page.html"))
    assert len(metrics(changed(text))["`datasets.imdb.model.activation`"]) == 2
    cells_in_page = re.findall(
        r"<tr>\s*(.*?)\s*</tr>", (tmp_path / "page.html").read_text("utf-8"), re.DOTALL
    )
    row = next(row for row in cells_in_page if "datasets.imdb.model.activation" in row)
    assert row.count("<td>") == 3
    assert "b" in row.split("<td>")[3]


def out_of_date(text) -> list[str]:
    return re.findall(
        r"^> \*\*Out of date:\*\* in (\S+), .* the results of (.*)\.$", text, re.MULTILINE
    )


def test_params_newer_than_the_results_are_pointed_out(project, run):
    assert out_of_date(run("main")) == []
    project.params["datasets"]["imdb"]["model"]["units"] = [4]
    project.save(lock=False)
    assert out_of_date(run("main")) == [("workspace", "kfold@imdb")]
    project.save()
    assert out_of_date(run("main")) == []
    project.params["split_seed"] = 1
    project.params["datasets"]["imdb"]["preprocess"]["encoding"] = "other"
    project.save(lock=False)
    project.git("switch", "-qc", "change")
    project.commit()
    assert out_of_date(run("main", "change"))[0][1].split(", ") == ["kfold", "preprocess@imdb"]
    assert out_of_date(run("change", "main")) == [
        ("change", out_of_date(run("main", "change"))[0][1])
    ]


def test_code_newer_than_the_results_is_pointed_out(project, run):
    project.put("stages/kfold.py", "# deals the rows anew\n")
    assert out_of_date(run("main")) == [("workspace", "kfold")]  # of all data sets
    (project.folder / "stages/kfold.py").unlink()
    assert out_of_date(run("main")) == [("workspace", "kfold")]


def test_what_dvc_lock_keeps_of_data_sets_and_stages_that_left_is_not_out_of_date(project, run):
    del project.params["datasets"]["reuters"]
    project.save(lock=False)
    assert out_of_date(run("main")) == []
    project.put("dvc.yaml", yaml.safe_dump({"stages": {"preprocess": {}}}))
    (project.folder / "stages/kfold.py").unlink()
    assert out_of_date(run("main")) == []


def test_a_param_that_no_stage_has_recorded_makes_nothing_out_of_date(project, run):
    project.params["datasets"]["imdb"]["review"]["equivalent_within"] = 0.01
    project.save(lock=False)
    assert out_of_date(run("main")) == []


def test_a_number_that_yaml_reads_as_text_is_not_out_of_date(project, run):
    # params.py takes 1e-4, which PyYAML reads as text and DVC as the number that it then writes to dvc.lock as 0.0001
    project.params["datasets"]["imdb"]["fit"]["learning_rate"] = 0.0001
    project.save()
    content = (project.folder / "params.yaml").read_text()
    assert "learning_rate: 0.0001" in content
    project.put("params.yaml", content.replace("learning_rate: 0.0001", "learning_rate: 1e-4"))
    assert out_of_date(run("main")) == []


def test_a_width_that_yaml_reads_as_text_is_a_number(project, run):
    project.params["datasets"]["imdb"]["review"]["equivalent_within"] = (
        "5e-3"  # params.py takes it as 0.005
    )
    project.save()
    project.results("imdb", main=(0, 0.0005))
    assert top(run("main"))["imdb"][0] == "equivalent"


FLIPPED = RIGHT.copy()
FLIPPED[:, 2], FLIPPED[:, 7], FLIPPED[0, 8] = (
    0,
    1,
    1,
)  # row 2 goes wrong, row 7 right; row 8 in one seed alone


def test_without_data_the_flips_are_counted_and_it_says_how_to_get_the_texts(project, run):
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    project.results("boston_housing", main=(0.3, 0.02))
    text = run("main")
    assert "in at least 80 % of the seeds: 1 to right, 1 to wrong" in section(text, "imdb")
    assert "Their texts are not here: `dvc pull` or `dvc repro` brings data/." in section(
        text, "imdb"
    )
    assert "changed sides" not in section(text, "boston_housing")


def test_rows_without_a_text_are_not_missed(project, run, monkeypatch):
    project.results("imdb", main=(0.03, 0.002))
    assert section(run("main"), "imdb").rstrip().endswith("0 to right, 0 to wrong.")
    images = partial(dataclasses.replace, kind="images")
    known = described.described
    monkeypatch.setattr(revisions, "described", lambda *name: images(known(*name)))
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    assert section(run("main"), "imdb").rstrip().endswith("1 to right, 1 to wrong.")


def test_with_data_the_texts_of_flips_are_decoded(project, run):
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    words = [f"word{rank}" for rank in range(1, 11)]
    project.texts(words)
    text = section(run("main"), "imdb")
    assert f"- now right, row 7: word8 {' '.join(words)}\n" in f"{text}\n"
    assert f"- now wrong, row 2: word3 {' '.join(words)}\n" in f"{text}\n"
    assert text.count("- now") == 2


def test_long_texts_are_cut_and_words_without_an_entry_keep_their_id(project, run):
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    project.texts([f"word{rank}" for rank in range(1, 101)])
    index = project.folder / "data/raw/imdb/imdb_word_index.json"
    index.write_text(
        json.dumps(
            {word: rank for word, rank in json.loads(index.read_text()).items() if rank != 1}
        )
    )
    line = re.search(r"- now right, row 7: (.*)", run("main"))[1].replace(
        "\\", ""
    )  # Markdown may escape brackets
    assert line.startswith("word8 [4] word2 ")  # rank 1 is id 4 of the Keras loaders
    assert line.endswith(" word39 …")
    assert len(line.split()) == texts.SHOWN + 1


def test_at_most_so_many_texts_are_shown_each_way(project, run):
    project.results("imdb", main=(0.03, 0.002), right=1 - RIGHT)
    project.texts([f"word{rank}" for rank in range(1, 11)])
    text = section(run("main"), "imdb")
    assert "4 to right, 6 to wrong" in text
    assert (text.count("- now right"), text.count("- now wrong")) == (4, sentences.SHOWN)


def test_texts_of_other_data_are_not_shown(project, run):
    # data/ is that of a run on something else: here it has fewer test rows than the two that are compared
    project.results("imdb", main=(0.03, 0.002), right=FLIPPED)
    project.texts(["one", "two"], documents=3)
    text = section(run("main"), "imdb")
    assert "1 to right, 1 to wrong" in text
    assert "- now" not in text


def test_flips_are_found_between_different_numbers_of_seeds(project, run):
    project.results("imdb", main=(0.03, 0.002), right=np.vstack([FLIPPED, FLIPPED]))
    assert "1 to right, 1 to wrong" in section(run("main"), "imdb")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A review by a process of its own, all data sets changed, hostile words and names: page, Markdown, modules."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = made(folder, monkeypatch)
        for name in NAMES:
            project.results(name, main=(0.03, 0.002), right=FLIPPED)
        project.texts(
            [
                "<script>alert(1)</script>",
                "![x](https://example.com/x.png)",
                "[y](https://example.com/y)",
            ]
        )
        project.params["datasets"]["imdb"]["model"]["activation"] = "<b onload=alert(2)>"
        project.save()
        code = "import sys; from tools import review; review.main(); print(*sys.modules, file=sys.stderr)"
        done = program("-c", code, "main", "--html", str(folder / "new" / "review.html"))
        assert done.returncode == 0, done.stderr
        return (folder / "new" / "review.html").read_text("utf-8"), done.stdout, done.stderr.split()


def test_a_review_imports_no_tensorflow(opened):
    _, _, modules = opened
    assert "tools.review" in modules
    assert not {"tensorflow", "keras"} & set(modules)


def test_the_page_says_what_the_markdown_says(opened):
    content, text, _ = opened
    for name in NAMES:
        assert f"<h2>{TABLE[name].title}</h2>" in content
    assert content.startswith("<!DOCTYPE html>")
    assert "<title>Review: main → workspace</title>" in content
    assert content.count("<tr>") == len(re.findall(r"^\| (?!---)", text, re.MULTILINE))


def test_the_page_runs_no_script(opened):
    content, text, _ = opened
    assert "alert(1)" in text.replace("\\", "")  # Markdown may escape what it shows
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert not re.search(r"<script|<iframe|<b onload", content, re.IGNORECASE)


def test_the_page_needs_no_network(opened):
    content, text, _ = opened
    assert "example.com" in text
    assert not re.search(r"<link|@import|url\(", content, re.IGNORECASE)
    sources = re.findall(r"<[^>]*\b(?:src|href)\s*=\s*[\"']?([^\"'\s>]*)", content)
    assert sources
    assert {source[:22] for source in sources} == {"data:image/png;base64,"}


def test_the_page_has_a_picture_with_words_for_each_thing_drawn(opened):
    content, _, _ = opened
    pictures_in_page = re.findall(
        r'<figure><img alt="([^"]+)" src="data:image/png;base64,iVBORw0K[^"]+"></figure>', content
    )
    shown = ["Each fold&#x27;s difference", "K-fold curves"]
    classes = [*shown, "Confusion, head - base"]
    assert pictures_in_page == [*classes, *classes, *shown, "Predicted against actual"]
    first_section = content.split("<h2>")[2]
    assert first_section.rindex("<figure>") < first_section.index("changed sides")


def test_data_sets_that_are_the_same_or_not_comparable_have_no_pictures(project, run, tmp_path):
    project.results("imdb", main=(0.03, 0.002), held_out="ff00")
    run("main", "--html", str(tmp_path / "page.html"))
    assert "<img" not in (tmp_path / "page.html").read_text("utf-8")


def test_folds_that_all_differ_by_the_same_are_drawn(project, run, tmp_path):
    project.results("imdb", main=(0.03, 0), loss=(0.5, 0))
    project.results("reuters", loss=(0.5, 0.1))  # the accuracy of every fold is the same
    rows = top(run("main", "--html", str(tmp_path / "page.html")))
    assert (rows["imdb"][0], rows["reuters"][0]) == ("better", "the same")


def test_the_page_takes_the_place_of_a_file_and_never_of_a_folder(project, run, tmp_path):
    path = tmp_path / "review.html"
    path.write_text("old")
    run("main", "--html", str(path))
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(SystemExit):
        run("main", "--html", "metrics")
    assert (project.folder / "metrics/imdb.json").is_file()


RANDOM = np.random.default_rng(0)
CURVES = {
    side: {name: RANDOM.random((8, 3)) for name in ("val_loss", "val_mae")}
    for side in ("base: a", "head: b")
}
COUNTS, MORE_COUNTS = RANDOM.integers(0, 50, (2, 3, 3)), RANDOM.integers(0, 50, (2, 46, 46))
PREDICTED = {"base: a": RANDOM.normal(20, 5, 30), "head: b": RANDOM.normal(20, 5, 30)}
DRAWINGS = {
    "compared_folds": (CURVES, {"loss": "loss", "mae": "error (m)"}),
    "fold_differences": (RANDOM.normal(0, 1, (2, 4)), (-2, 2), 0.1, "accuracy", "higher"),
    "fold_differences without a band": (
        RANDOM.normal(0, 1, (30, 4)),
        (-2, 2),
        None,
        "error",
        "lower",
    ),
    "confusion_difference": tuple(COUNTS),
    "confusion_difference of many classes": tuple(MORE_COUNTS),
    "predicted_against_actual": (RANDOM.normal(20, 5, 30), PREDICTED, "m"),
}


@pytest.mark.parametrize(("name", "arguments"), DRAWINGS.items(), ids=DRAWINGS)
def test_pictures_have_the_same_bytes_each_time(name, arguments):
    draw = getattr(pictures, name.split()[0])
    picture = draw("title", *arguments)
    assert picture.startswith(b"\x89PNG")
    assert b"matplotlib" not in picture.lower()
    assert picture == draw("title", *arguments)
    assert picture != draw("another title", *arguments)


@pytest.mark.parametrize(("name", "arguments"), DRAWINGS.items(), ids=DRAWINGS)
def test_each_picture_says_which_side_is_better(monkeypatch, name, arguments):
    monkeypatch.setattr(
        pictures, "png", lambda figure: [text.get_text() for text in figure.findobj(Text)]
    )
    words = " ".join(getattr(pictures, name.split()[0])("title", *arguments))
    assert re.search("better|right", words)
    if name.startswith("fold_differences"):
        assert ("head is better →" in words) == (arguments[-1] == "higher")
        assert "nobody" not in words


def test_what_each_fold_shows_is_called_a_difference(project, monkeypatch):
    asked = []
    monkeypatch.setattr(
        pictures, "fold_differences", lambda *arguments: asked.append(arguments) or b""
    )
    project.results("imdb", main=(0.03, 0.002))
    project.results("boston_housing", main=(0.3, 0.02))
    for dataset in compared():
        page.drawn(dataset)
    assert [(name.startswith(TABLE["imdb"].title), better) for name, *_, better in asked] == [
        (True, "higher"),
        (False, "lower"),
    ]
    assert all("difference" in title for title, *_ in asked)
