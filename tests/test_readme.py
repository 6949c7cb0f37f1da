"""What the README states is what the repository holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stages.core.data.datasets import TABLE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_table_of_results_is_the_one_that_a_run_ends_with():
    command = [sys.executable, "-m", "tools.results", "--markdown"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    table = shown.partition("\n\n")[0]
    assert len(table.splitlines()) == 2 + len(TABLE)
    assert "SYNTHETIC" not in table
    assert table in README


def test_every_path_in_the_readme_exists():
    tree = re.search(r"## What is where\n\n```\n(.*?)```", README, re.DOTALL)[1]
    folders = []
    for indent, name in re.findall(r"^( *)(\S+)", tree, re.MULTILINE):
        folders = [*folders[: len(indent) // 2], name]
        assert ROOT.joinpath(*folders).exists(), folders
    for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file()


def test_the_tree_names_every_module():
    folders = "stages", "stages/core", "stages/core/*", "stages/networks", "tools", "studies"
    for path in (path for folder in folders for path in ROOT.glob(f"{folder}/*.py")):
        assert path.name == "__init__.py" or re.search(rf"[ ]{path.name}[ ,]", README), path


def test_the_counts_of_rows_are_those_of_the_table():
    assert f"{TABLE['imdb'].rows * 2:,} film reviews" in README
    assert f"on {TABLE['reuters'].outputs} topics" in README


def test_make_targets_in_the_readme_exist():
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def tried():
    """docs/reliability.md: (fault, how often it was tried, outcome) of each row."""
    text = (ROOT / "docs/reliability.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \| ([^|]+) \|$", text, re.MULTILINE)
    return [(fault, int(times.replace(",", "")), outcome) for fault, times, outcome in rows]


def test_the_counts_of_faults_are_those_of_the_page():
    kills = sum(
        times for fault, times, _ in tried() if fault.endswith("at a random moment of a stage")
    )
    refused = sum(
        times
        for fault, times, outcome in tried()
        if "params.yaml" in fault and "path of the key" in outcome
    )
    assert f"runs were killed at\n{kills} random moments" in README
    assert f"and {refused:,} spoilt `params.yaml` were refused with the key or the line" in README


def measured():
    """docs/benchmark.md: {title of a task: {contender: how many times slower}}, and the shares of whole runs."""
    text = (ROOT / "docs/benchmark.md").read_text()
    tasks = {}
    for section in text.split("\n## ")[1:]:
        rows = re.findall(
            r"^\| ([^|]+) \| ([\d.]+) \| [\d.]+ \| [\d.]+ \| \d+ \| [\d.]+ \|$",
            section,
            re.MULTILINE,
        )
        if rows:
            tasks[section.splitlines()[0]] = dict(rows)
    shares = dict(
        re.findall(r"^\| ([^|]*dvc repro[^|]*) \| ([\d.]+) \| [\d.]+ \|$", text, re.MULTILINE)
    )
    return tasks, shares


def test_the_figures_of_speed_are_those_of_the_benchmark():
    tasks, shares = measured()
    contenders = [
        "the tutorial's loop",
        "Keras loop with tf.data",
        "scikit-learn MLP",
        "PyTorch loop",
    ]
    contenders += ["PyTorch, folds batched by hand", "JAX vmap"]
    assert f"| times this project's compute | {' | '.join(contenders)} |" in README
    assert len(tasks) == 4
    for title, slower in tasks.items():
        assert (
            f"| {title} | "
            + " | ".join(slower.get(contender, "-") for contender in contenders)
            + " |"
            in README
        )
    everything, same, _ = shares.values()
    assert (
        f"takes {everything} of the time of the tutorial's three scripts, and {same} of it"
        in README
    )


@pytest.mark.parametrize("page", ["calibration", "demo", "study"])
def test_tables_and_commands_in_the_readme_are_as_written_by_their_tools(page):
    lines = (ROOT / f"docs/{page}.md").read_text().splitlines()
    figures = [
        line for line in lines if line.startswith(("| ", "dvc exp run", "    -S", "scikit-learn's"))
    ]
    assert len(figures) >= 5
    assert [line for line in figures if line not in README.splitlines()] == []


def test_what_the_readme_says_of_the_calibration_is_what_it_measured():
    page = (ROOT / "docs/calibration.md").read_text()
    assert re.search(r"64, 64 units against 4, 4: .* 4\.3% by more than 10", page)
    assert "in 4.3% of the folds the small network never learns" in " ".join(README.split())


def test_what_the_readme_says_of_the_study_is_what_it_measured():
    rows = {
        line.split(" | ")[0].strip("| "): line
        for line in (ROOT / "docs/study.md").read_text().splitlines()
        if line.startswith("| ") and "±" in line
    }
    assert not any("**better**" in line for line in rows.values())
    assert all(rows[name].count("**equivalent**") == 1 for name in ("l1", "l2", "l1_l2"))
    assert rows["l1"].count("**worse**") == 2
    assert [name for name in rows if re.search(r"\*\*worse\*\*", rows[name].split(" | ")[2])] == [
        "smaller",
        "l1",
        "l2",
        "l1_l2",
        "dropout",
    ]


def growth():
    """The last step of each kind of growth in docs/benchmark.md: {kind: its cells}."""
    text = (ROOT / "docs/benchmark.md").read_text()
    rows = [
        line.strip("| ").split(" | ")
        for line in text.splitlines()
        if line.startswith(("| IMDB |", "| Boston"))
    ]
    rows = {(cells[0], cells[1], cells[2]): cells for cells in rows if len(cells) == 9}
    sets = [
        line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| 8 | ")
    ]
    return {
        "rows of text (IMDB)": rows["IMDB", "400,000", "4"],
        "replicas on text": rows["IMDB", "25,000", "64"],
        "rows of numbers (Boston Housing)": rows["Boston Housing", "6,464", "4"],
        "replicas on numbers": rows["Boston Housing", "404", "64"],
        "data sets": sets[0],
    }


def test_what_is_said_of_growth_is_reckoned_from_the_benchmark():
    page, measured = (ROOT / "docs/scaling.md").read_text(), growth()
    lines = {
        line.split(" | ")[0].strip("| "): line
        for line in page.splitlines()
        if line.startswith("| ")
    }
    sets = measured.pop("data sets")
    for kind, (_, _, _, _, milliseconds, _, memory, _, cache) in measured.items():
        for figure in (f"{milliseconds} ms", f"| {memory} KiB a", f"| {cache} KiB a"):
            assert figure in lines[kind], kind
    for figure in (
        f"{sets[2]} s for each further one",
        f"{sets[4]} s with nothing to do",
        f"{sets[7]} MiB",
    ):
        assert figure in lines["data sets"]
    *_, milliseconds, _, memory, _, cache = measured["rows of text (IMDB)"]
    full = 24 * 2**20 / float(memory)  # rows that fill 24 GiB
    assert f"full at {full / 1e6:.1f} million reviews" in page
    seconds = 20 * 4 * float(milliseconds) / 1e6  # of a row in the K-fold of params.yaml
    assert f"would take {full * seconds / 60:.0f} minutes" in page
    assert f"{25e6 * float(memory) / 2**20:.0f} GiB of memory" in page
    assert f"{25e6 * seconds / 3600:.1f} hours" in page
    assert f"{25e6 * float(cache) / 2**20:.0f} GiB of cache" in page
