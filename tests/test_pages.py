"""The pages that people open, drawn by a browser without network."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"),  # what is not in the page is nowhere
    *("--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom"),
]
GRAPH, PARAMS = (yaml.safe_load((ROOT / name).read_text()) for name in ("dvc.yaml", "params.yaml"))
PLOTS = {
    path.replace("${item.dataset}", name)
    for stage in GRAPH["stages"].values()
    for plot in stage.get("plots", [])
    for path in plot
    for name in PARAMS["datasets"]
}

pytestmark = pytest.mark.skipif(not BROWSER, reason="no browser: install Chromium (chromium or google-chrome in PATH)")


def open_page(path):
    """The page once all its scripts have run, as HTML, and the lines that they wrote to the console."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [BROWSER, *FLAGS, f"--user-data-dir={profile}", Path(path).resolve().as_uri()],
            capture_output=True,
            check=True,
            encoding="utf-8",
            timeout=120,
        )
    return done.stdout, re.findall(r":CONSOLE[:(]\d+\)?\] (.*)", done.stderr)


def plots_in(dom):
    """The drawing of each plot under the id that DVC gives it."""
    drawn = re.findall(
        r'<div id="(\w+)"[^>]*><div class="chart-wrapper.*?(<svg [^>]*class="marks".*?</svg>)', dom, re.S
    )
    assert len(dict(drawn)) == len(drawn) == dom.count('class="marks"')
    return dict(drawn)


def marks(svg):
    """How many lines, points and cells a drawing has; axes and legends do not count."""
    return len(re.findall(r'aria-roledescription="(?:line mark|errorband|point|circle|rect mark)"', svg))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What `dvc plots show` and `dvc plots diff HEAD` write in a repository that has the metrics and nothing else."""
    folder = tmp_path_factory.mktemp("pages")
    for name in (".dvc/config", "dvc.yaml", "dvc.lock", "params.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in (".dvc/plots", "metrics"):
        shutil.copytree(ROOT / name, folder / name)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (
        ["git", "init", "-q"],
        ["git", "add", "-A"],
        ["git", *identity, "commit", "-qm", "metrics"],
        ["dvc", "plots", "show", "-o", "show"],
        ["dvc", "plots", "diff", "HEAD", "-o", "diff"],
    ):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    return {name: folder / name / "index.html" for name in ("show", "diff")}


@pytest.fixture(scope="module")
def opened(pages):
    return {name: open_page(page) for name, page in pages.items()}


@pytest.mark.parametrize("name", ["show", "diff"])
def test_every_plot_of_the_graph_is_drawn(opened, name):
    drawn = plots_in(opened[name][0])
    assert set(drawn) == {re.sub(r"\W", "_", path) for path in PLOTS}
    assert min(map(marks, drawn.values())) > 0


def test_both_revisions_are_drawn(opened):
    shown, compared = (plots_in(opened[name][0]) for name in ("show", "diff"))
    for plot, svg in compared.items():
        assert {"workspace", "HEAD"} <= set(re.findall(r">([^<]+)</text>", svg)), plot
        assert marks(svg) == 2 * marks(shown[plot]), plot


@pytest.mark.parametrize("name", ["show", "diff"])
def test_nothing_comes_from_the_network(pages, opened, name):
    for text in (pages[name].read_text("utf-8"), opened[name][0]):
        assert not re.search(r"<script[^>]*\ssrc\s*=|<link\b|@import|<img[^>]*src=.?https?:", text, re.IGNORECASE)


@pytest.mark.parametrize("name", ["show", "diff"])
def test_the_console_is_clean(opened, name):
    # outcome.json has a layer for classes and one for numbers; Vega says of the other one that it has no extent.
    assert [line for line in opened[name][1] if "WARN Infinite extent" not in line] == []
