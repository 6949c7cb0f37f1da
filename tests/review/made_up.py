"""Tiny repositories with made-up metrics, for the review: 4 folds x 2 repeats, one fit of each
unless a test asks for seeds, 3 final fits, 10 test rows, 2 epochs; and what a review of them says,
taken apart.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from samples import PROJECT, SOURCES, TASK_OF

from stages.core.declared.task import Task, chosen
from stages.core.judge import comparison
from tools.review import revisions, verdicts

ROOT = Path(__file__).parents[2]
NAMES = ["imdb", "reuters", "boston_housing"]
MEASURED = {
    "accuracy": "cross-entropy",
    "mae": "mean squared error",
}  # main metric -> what the loss measures
MAINS = {  # the least and the most of a fold
    "accuracy": (0.8, 0.9),
    "mae": (2, 3),
    "loss": (0.3, 0.4),
}
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
    for name in NAMES:
        sections[name]["data"] = {"task": TASK_OF[name].name}
    sections["boston_housing"]["review"]["equivalent_within"] = 0.05
    return {"source": "official", "seed": 0, "split_seed": 0, "datasets": sections}


def of_folds(k, repeats, held_out, changes):
    """folds.csv without seeds. changes: {metric: (mean, noise)} of what is added to it."""
    count = k * repeats
    noise = np.where(np.arange(count) % 2, 1, -1)
    folds = pd.DataFrame(
        {"repeat": np.repeat(np.arange(repeats) + 1, k), "fold": [*range(1, k + 1)] * repeats}
    )
    folds["rows"] = 100
    folds["held_out"] = [f"{held_out}{fold:04d}" for fold in range(count)]
    for metric, (mean, spread) in changes.items():
        folds[metric] = np.linspace(*MAINS.get(metric, (0.6, 0.7)), count) + mean + spread * noise
    return folds


def with_seeds(folds, seeds):
    """folds.csv with fits that differ by 0.001, around the same mean over the seeds."""
    fits = pd.concat([folds.assign(seed=seed, epoch=EPOCHS) for seed in range(1, seeds + 1)])
    metrics = folds.columns[folds.columns.get_loc("held_out") + 1 :]
    apart = 0.001 * (fits.seed - (seeds + 1) / 2)
    fits[metrics] = fits[metrics].add(apart, axis=0)
    order = ["repeat", "seed", "fold"]
    return fits.sort_values(order)[[*order, "epoch", "rows", "held_out", *metrics]]


class Project:
    """A repository with the files that a review reads, which begins the same in every test."""

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
            path = f"data/sources/{name}.yaml"
            self.put(path, (PROJECT / path).read_bytes())
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

    def told(self, name) -> Task:
        """The task with the metrics of params.yaml."""
        return chosen(TASK_OF[name].name, self.params["datasets"][name]["data"].get("metrics", ()))

    def change(self, name, edit, file="folds.csv"):
        """Write a table of a data set as edit(table) gives it."""
        path = self.folder / f"metrics/{name}/{file}"
        table = pd.read_csv(path, dtype={"held_out": str})
        self.put(f"metrics/{name}/{file}", edit(table))

    def results(
        self,
        name,
        main=(0, 0),
        loss=(0, 0),
        right=RIGHT,
        held_out="00ff",
        parameters=1000,
        measured=None,
        seeds=None,
        more=(),
    ):
        """Write the metrics of a data set.

        main, loss: (mean, noise) of what is added to the metrics of the folds.

        measured: by the loss, where it is not what MEASURED says. seeds: fits of each fold; without
        it folds.csv is of the layout that knew no seeds. more: {another metric: (mean, noise)}; NaN
        leaves its cells empty.
        """
        told, settings = self.told(name), self.params["datasets"][name]["kfold"]
        metric, k, repeats = told.metric, settings["k"], settings["repeats"]
        folds = of_folds(k, repeats, held_out, {"loss": loss, metric: main, **dict(more)})
        curves = folds[["repeat", "fold"]].loc[folds.index.repeat(EPOCHS)].reset_index(drop=True)
        curves["epoch"] = [*range(1, EPOCHS + 1)] * (k * repeats)
        for column, values in {"loss": folds.loss, TASK_OF[name].metric: folds[metric]}.items():
            curves[column] = curves[f"val_{column}"] = np.repeat(values.to_numpy(), EPOCHS)
        if TASK_OF[name].classifies:
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
            for column in (metric, "loss", *dict(more))
            if folds[column].notna().all()
        }
        tested = {"ensemble": 0.9, "mean": round(float(right.mean()), 4), "std": 0.0}
        content = {
            "baseline": {metric: 0.5},
            "kfold": {**spread, "replicas": k * repeats},
            "network": {
                "epochs": EPOCHS,
                "loss": measured or MEASURED[TASK_OF[name].metric],
                "parameters": parameters,
            },
            "source": self.params["source"],
            "test": {metric: tested},
        }
        self.put(f"metrics/{name}.json", json.dumps(content))
        self.put(f"metrics/{name}/folds.csv", with_seeds(folds, seeds) if seeds else folds)
        self.put(f"metrics/{name}/fold_curves.csv", curves)
        self.put(f"metrics/{name}/test.csv", outcome)
        self.put(
            f"metrics/{name}/test_rows.csv",
            pd.DataFrame(right.T, columns=[f"seed_{n}" for n in range(len(right))]),
        )
        self.put(f"metrics/{name}/network.txt", f"dense\noutput\nparameters: {parameters:,}\n")

    def texts(self, words, documents=ROWS):
        """Write data/ with these words in the index; a document is one of them and then all."""
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
    """A project in the present folder, with one commit on main, whatever Git is set to here."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder))
    project = Project(folder / "project")
    monkeypatch.chdir(project.folder)
    return project


def comparison_of(change, **settings) -> comparison.Comparison:
    """What is found where 4 folds x 2 repeats change by this (mean, noise)."""
    mean, noise = change
    head = mean + noise * np.array([-1, 1] * 4).reshape(2, 1, 4)
    return comparison.compare(np.zeros((2, 1, 4)), head, **{"higher_is_better": True, **settings})


def compared() -> list[verdicts.Reviewed]:
    """The review of the workspace against main."""
    return verdicts.review(revisions.resolve("main"), revisions.Revision("workspace"))


def cells(line) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def top(text) -> dict[str, list[str]]:
    """{data set: verdict, what is said of it} from the top of a review."""
    found, head = {}, text.split("## What changed")[0]
    for said in re.findall(r"^- \*\*(.+)$", head, re.MULTILINE):
        verdict, _, rest = said.partition("**")
        if verdict == "the same":
            found |= {name: ["the same", ""] for name in rest.removeprefix(": ").split(", ")}
            continue
        name, _, verdict = verdict.partition(": ")
        found[name] = [re.sub(r" by [\d.,]+\d", "", verdict), said.partition(": ")[2]]
    return found


def reason(said) -> str:
    """Why a data set is not comparable, from what `top` gives of it."""
    verdict, rest = said
    assert verdict == "not comparable"
    return rest.split(" → ")[1].partition(": ")[2]


def section(text, name) -> str:
    """The part of the review on one data set."""
    return text.split(f"## {SOURCES[name].title}\n")[1].split("\n## ")[0]


def metrics(text) -> dict[str, list[str]]:
    """{metric: base, head, difference, p} from the table of one data set."""
    rows = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    return {re.sub(" [↑↓]$", "", name): others for name, *others in rows}


# Mean and noise of the change of accuracy, where 0.005 is taken as none; of the error ten times as
# much, and negative.
VERDICTS = {
    "better": (0.03, 0.002),
    "worse": (-0.03, 0.002),
    "better, but negligible": (0.002, 0.0002),
    "worse, but negligible": (-0.002, 0.0002),
    "equivalent": (0, 0.0005),
    "no evidence": (0.002, 0.01),
}


def program(*command):
    """Run Python in the present folder with this repository's modules."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, encoding="utf-8"
    )


FLIPPED = RIGHT.copy()
FLIPPED[:, 2], FLIPPED[:, 7], FLIPPED[0, 8] = (
    0,
    1,
    1,
)  # row 2 goes wrong, row 7 right; row 8 in one seed alone
