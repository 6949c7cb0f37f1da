"""What the README and the guides state is what the repository holds."""

import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = "imdb", "reuters", "boston_housing", "digits"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()
IN_README = " ".join(README.split())  # wherever its lines end


def guide(name):
    """The text of a guide, wherever its lines end."""
    return " ".join((ROOT / f"docs/{name}.md").read_text().split())


def table_of_results():
    command = [sys.executable, "-m", "tools.results", "--markdown"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return shown.partition("\n\n")[0]


def test_the_table_of_results_is_the_one_that_a_run_ends_with():
    head, _, *rows = table_of_results().splitlines()
    assert not any("SYNTHETIC" in row for row in rows)
    shipped = [row for row in rows if row.split()[1] in SHIPPED]
    assert len(shipped) == len(SHIPPED)
    for row in (head, *shipped):  # a longer name of another data set makes columns wider
        assert row.split() in [line.split() for line in README.splitlines()]


def test_the_readme_is_short_and_leads_to_every_page():
    assert len(README.split()) <= 1200
    pages = [page.relative_to(ROOT).as_posix() for page in PAGES[1:]]
    assert [page for page in pages if f"]({page})" not in README] == []


def anchors(page):
    """The headings of a page, as links name them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)", text, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_and_picture_is_there(page):
    text = page.read_text()
    links = re.findall(r"\]\((?!http)([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for path, _, anchor in (link.partition("#") for link in links):
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize(
    ("page", "title"),
    [("README.md", "Where things are"), ("docs/contributing.md", "What is where")],
)
def test_every_path_in_a_tree_exists(page, title):
    tree = re.search(rf"## {title}\n\n```\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)[1]
    folders = []
    for indent, name in re.findall(r"^( *)(\S+)", tree, re.MULTILINE):
        folders = [*folders[: len(indent) // 2], name]
        assert ROOT.joinpath(*folders).exists(), folders


def test_the_tree_names_every_module():
    tree = (ROOT / "docs/contributing.md").read_text()
    folders = (
        "stages",
        "stages/core",
        "stages/core/*",
        "stages/networks",
        "tools",
        "tools/*",
        "studies",
        "studies/*",
    )
    for path in (path for folder in folders for path in ROOT.glob(f"{folder}/*.py")):
        assert path.name.startswith("__") or re.search(rf"[ ]{path.name}[ ,]", tree), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_make_targets_exist(page):
    named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    for target in dict.fromkeys(named):
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
    said = guide("when-something-goes-wrong")
    assert f"{kills} random moments" in said
    assert f"{refused:,} spoilt `params.yaml`" in said


def test_the_speed_of_whole_runs_is_that_of_the_benchmark():
    text = (ROOT / "docs/benchmark.md").read_text()
    shares = re.findall(r"^\| `[^|]* \| ([\d.]+) \| [\d.]+ \|$", text, re.MULTILINE)
    _, everything, _, seed, same, _ = shares
    assert f"takes {everything} of the time of its three scripts" in IN_README
    assert f"{seed} with one seed in the K-fold" in IN_README
    assert f"and {same} for the work that the scripts do" in IN_README


def test_the_review_in_the_readme_is_that_of_the_demo():
    said = re.findall(r"^> - (\*\*\w+: .+)", README, re.MULTILINE)
    assert said
    for line in said:
        assert f"| {line} |" in (ROOT / "docs/demo.md").read_text()


def test_the_sizes_of_metrics_by_row_are_those_of_the_files():
    said = guide("how-a-metric-is-made")
    for name, words in {
        "imdb": "",
        "reuters": " for Reuters",
        "boston_housing": " for Boston",
    }.items():
        files = [ROOT / f"metrics/{name}/{file}.npz" for file in ("fold_rows", "row_folds")]
        sizes = [round(len(zlib.compress(file.read_bytes())) / 1000) for file in files]
        assert f"{sizes[0]} and {sizes[1]}{words}" in said


def test_what_is_said_of_the_calibration_is_what_it_measured():
    page = " ".join((ROOT / "docs/calibration.md").read_text().split())
    share = r"([\d.]+%) \([^)]*\) of "
    missed, number = re.search(rf"a difference\*\*: {share}([\d,]+) miss", page).groups()
    (false,) = re.search(rf"on equals\*\*: {share}\d+ are false", page).groups()
    (width,) = re.search(r"Width\*\*: [\d.]+ of the best possible, ([\d.]+) of", page).groups()
    said = guide("reading-a-review")
    assert f"{missed} of {number} intervals missed the truth" in said
    assert f"{false} of the verdicts on equal experiments were false" in said
    assert f"{width} of the width" in " ".join(said.split())
    shares = re.findall(
        r"^\|[^|]+: [^|]+\| (\d+) \|[^|]+\| ([\d.]+)% \(",
        (ROOT / "docs/calibration.md").read_text(),
        re.MULTILINE,
    )
    worst = max(shares, key=lambda share: float(share[1]))
    assert f"in the worst scenario, {worst[1]}% of {worst[0]})" in said
    alone = rf"single network\*\*, .*?: {share}([\d,]+) miss the truth; most in .*?, ([\d.]+%)"
    missed, number, worst = re.search(alone, page).groups()
    said = f"{missed} of {number} intervals by rows, seeds and training sets missed the truth, "
    assert f"{said}{worst} in the worst scenario" in " ".join(guide("how-a-metric-is-made").split())


def test_what_is_said_of_the_study_is_what_it_measured():
    rows = {
        line.split(" | ")[0].strip("| "): line
        for line in (ROOT / "docs/study.md").read_text().splitlines()
        if line.startswith("| ") and "±" in line
    }
    told = {
        name: dict(
            zip(("imdb", "reuters", "boston"), line.strip("| ").split(" | ")[1:], strict=True)
        )
        for name, line in rows.items()
    }
    assert not any("**better**" in line for line in rows.values())
    verdicts = {
        name: {data: re.findall(r"\*\*(.*)\*\*", cell) for data, cell in cells.items()}
        for name, cells in told.items()
    }

    def those(data, verdict):
        return {name for name, found in verdicts.items() if found[data] == [verdict]}

    assert those("imdb", "equivalent") == {"l2", "dropout"}
    assert those("imdb", "no evidence") == {"smaller"}
    assert those("imdb", "worse") == {"larger", "l1", "l1_l2"}
    assert those("reuters", "worse") == {*told} - {"original", "l2"}
    assert those("boston", "worse") == {"smaller"}
    assert those("boston", "equivalent") == {"l1", "l2", "l1_l2"}
    means = {name: float(cells["reuters"].split()[0]) for name, cells in told.items()}
    assert min(means, key=means.get) == "smaller"
    epochs = [told[name]["imdb"].split(" at ")[1].split()[0] for name in ("smaller", "original")]
    assert "needs {} epochs on IMDB, not {}".format(*epochs) in IN_README


def test_what_is_said_of_the_knobs_is_what_the_sweeps_found():
    text = (ROOT / "docs/knobs.md").read_text()
    pattern = r"^\| ([^|]+) \| (\d+) \| [^|]+ \| [^|]+ \| (\S+) \(([^|]*)\) \| \*\*(.*)\*\* \|$"
    rows = {row[0].split()[0]: row[1:] for row in re.findall(pattern, text, re.MULTILINE)}
    assert {name: row[3] for name, row in rows.items()} == {
        "IMDB": "no evidence",
        "Reuters": "better",
        "Boston": "no evidence",
    }
    gained = f"better by {rows['Reuters'][1].lstrip('+')}"
    (best,) = re.findall(r"^- \*\*Reuters .*: best (.*); simplest ", text, re.MULTILINE)
    values = "`model.units=[128,128]`", "`model.dropout=0.5`", "`kfold.epochs=20`"
    assert [value for value in values if value not in best] == []
    said = guide("experiments-and-sweeps")
    assert f"trained again, is {gained}" in IN_README
    assert f"trained again, it is {gained}" in said
    for name in ("IMDB", "Boston"):
        count, difference, ends, _ = rows[name]
        assert f"best of {count} on {name}" in said
        assert f"{difference} ({ends})" in said


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
    seconds = 60 * 4 * float(milliseconds) / 1e6  # of a row in the K-fold of params.yaml
    assert f"would take {full * seconds / 60:.0f} minutes" in page
    assert f"{25e6 * float(memory) / 2**20:.0f} GiB of memory" in page
    assert f"{25e6 * seconds / 3600:.1f} hours" in page
    assert f"{25e6 * float(cache) / 2**20:.0f} GiB of cache" in page
