"""What the README states is what the repository holds."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from stages.core import params
from stages.core.datasets import TABLE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", params.load(ROOT / "params.yaml").datasets)
def test_the_table_of_results_is_read_from_metrics(name):
    figures, metric = json.loads((ROOT / f"metrics/{name}.json").read_text()), TABLE[name].task.metric
    folds, tested = figures["kfold"][metric], figures["test"][metric]
    row = (
        f"| {name} | {metric} | {figures['baseline'][metric]:.4f} "
        f"| {folds['mean']:.4f} ({folds['low']:.4f} to {folds['high']:.4f}) | {figures['kfold']['replicas']} "
        f"| {tested['mean']:.4f} ± {tested['std']:.4f} | {tested['ensemble']:.4f} |"
    )
    assert row in README
    assert figures["source"] == "official"


def test_the_table_says_how_many_seeds():
    assert {section.fit.seeds for section in params.load(ROOT / "params.yaml").sections.values()} == {3}
    assert "mean ± std of 3 seeds" in README


def test_every_path_in_the_readme_exists():
    tree = re.search(r"## What is where\n\n```\n(.*?)```", README, re.DOTALL)[1]
    folders = []
    for indent, name in re.findall(r"^( *)(\S+)", tree, re.MULTILINE):
        folders = [*folders[: len(indent) // 2], name]
        assert ROOT.joinpath(*folders).exists(), folders
    for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file()


def test_the_tree_names_every_module():
    for path in [*ROOT.glob("stages/*.py"), *ROOT.glob("stages/core/*.py")]:
        assert path.name == "__init__.py" or f" {path.name} " in README, path


def test_the_counts_of_rows_are_those_of_the_table():
    assert f"{TABLE['imdb'].rows * 2:,} film reviews" in README
    assert f"on {TABLE['reuters'].outputs} topics" in README


def test_make_targets_in_the_readme_exist():
    for target in re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
