"""The pages that people open, drawn by a browser without network."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from samples import SCHEMAS, SOURCES

from stages import evaluate
from stages.core.judge import markdown, pictures
from tools.review import page, revisions, side_by_side, verdicts

ROOT = Path(__file__).parents[2]
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
    ),
    *(
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--proxy-server=127.0.0.1:9",
    ),  # what is not in the page is nowhere
    *("--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom"),
]
GRAPH, PARAMS = (yaml.safe_load((ROOT / name).read_text()) for name in ("dvc.yaml", "params.yaml"))
PLOTS = {
    path.replace("${key}", name)
    for stage in GRAPH["stages"].values()
    for plot in stage["do"].get("plots", [])
    for path in plot
    for name in PARAMS[stage["foreach"][2:-1]]
}

OUTCOMES = {  # rows and predictions in place of those of the metrics: what is drawn is known
    "imdb": (np.array([0, 0, 0, 0, 1]), np.array([[[0.1], [0.2], [0.3], [0.9], [0.8]]])),
    "reuters": (np.array([0, 5]), np.eye(46)[None, [0, 1]]),  # most topics have no row
}

pytestmark = pytest.mark.skipif(
    not BROWSER, reason="no browser: install Chromium (chromium or google-chrome in PATH)"
)


def open_page(path):
    """The page once all its scripts have run, as HTML, and what they wrote to the console."""
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
        r'<div id="(\w+)"[^>]*><div class="chart-wrapper.*?(<svg [^>]*class="marks".*?</svg>)',
        dom,
        re.S,
    )
    assert len(dict(drawn)) == len(drawn) == dom.count('class="marks"')
    return dict(drawn)


def texts_in(svg):
    """Where each text of a drawing stands: [(text, x, y)]."""
    found = re.findall(
        r'<text[^>]*transform="translate\(([-\d.]+),([-\d.]+)\)[^>]*>([^<]+)</text>', svg
    )
    return [(text, float(x), float(y)) for x, y, text in found]


def marks(svg):
    """How many lines, points and cells a drawing has; axes and legends do not count."""
    return len(
        re.findall(r'aria-roledescription="(?:line mark|errorband|point|circle|rect mark)"', svg)
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What `dvc plots show` and `dvc plots diff HEAD` write where there are metrics alone."""
    folder = tmp_path_factory.mktemp("pages")
    for name in (".dvc/config", "dvc.yaml", "dvc.lock", "params.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in (".dvc/plots", "metrics"):
        shutil.copytree(ROOT / name, folder / name)
    for name, (actual, predictions) in OUTCOMES.items():
        content = evaluate.csv(evaluate.outcome(SCHEMAS[name], actual, predictions))
        (folder / f"metrics/{name}/test.csv").write_bytes(content)
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
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
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
        assert not re.search(
            r"<script[^>]*\ssrc\s*=|<link\b|@import|<img[^>]*src=.?https?:", text, re.IGNORECASE
        )


@pytest.mark.parametrize("name", ["show", "diff"])
def test_the_console_is_clean(opened, name):
    # outcome.json has a layer for classes and one for numbers; of the other, Vega says it is empty
    assert [line for line in opened[name][1] if "WARN Infinite extent" not in line] == []


def test_a_matrix_has_names_on_its_axes_and_the_diagonal_of_the_pictures(opened):
    drawn = plots_in(opened["show"][0])["metrics_reuters_test_csv"]
    names, places = SOURCES["reuters"].classes, {}
    for text, x, y in texts_in(drawn):
        places.setdefault(text, []).append((x, y))
    across, down = zip(
        *(sorted(places[name], key=lambda place: -place[0]) for name in names), strict=True
    )
    assert [x for x, _ in across] == sorted({x for x, _ in across}), "predicted ones to the right"
    assert [y for _, y in down] == sorted({y for _, y in down}), "actual ones downwards"
    assert len({y for _, y in across}) == len({x for x, _ in down}) == 1


def test_the_cells_of_a_matrix_have_numbers(opened):
    drawn = plots_in(opened["show"][0])["metrics_imdb_test_csv"]
    assert {"0.750", "3 rows", "0.250", "1 rows", "1.000", "bad", "good"} <= set(
        re.findall(r">([^<>]+)<", drawn)
    )


def test_numbers_are_drawn_over_the_axes_of_the_pictures(opened):
    texts = texts_in(plots_in(opened["show"][0])["metrics_boston_housing_test_csv"])
    (across,), (down,) = (
        [(x, y) for text, x, y in texts if text == name] for name in ("actual", "predicted")
    )
    assert across[0] > 0 > down[0]


def test_templates_and_pictures_share_colours_and_the_band():
    folds, outcome = (
        json.loads((ROOT / f".dvc/plots/{name}.json").read_text()) for name in ("folds", "outcome")
    )
    band = folds["spec"]["layer"][0]["transform"][0]
    assert (band["quantile"], band["probs"]) == ("value", [0.1, 0.9])
    cells = outcome["spec"]["layer"][0]["encoding"]["color"]["scale"]
    assert (tuple(cells["range"]), cells["domain"]) == (pictures.SHARES, [0, 0.5, 1])


WIDTHS = [375, 800, 1280, 1920]


def test_the_tables_of_a_review_are_complete_at_every_width(tmp_path):
    workspace = revisions.Revision("workspace")
    reviewed = verdicts.review(workspace, workspace)[0]
    reviewed.head.metrics = {}  # what is the same in both is not in the table
    shown = side_by_side.metric_table(reviewed)
    longest = markdown.table(
        ["param", "base", "head"],
        [["`datasets.boston_housing.fit.learning_rate`", "`[512, 512]`", "-"]],
    )
    content = page.page("Review", [f"{shown}\n\n{longest}"])
    frames = "".join(
        f'<iframe width="{width}" srcdoc="{html.escape(content)}"></iframe>' for width in WIDTHS
    )
    script = """<script>onload = () => document.title =
        [...document.querySelectorAll("iframe")].flatMap(frame =>
            [...frame.contentDocument.querySelectorAll("table")]
                .map(table => table.scrollWidth - table.clientWidth))
    </script>"""
    (tmp_path / "widths.html").write_text(
        f'<!DOCTYPE html><meta charset="utf-8">{frames}{script}', "utf-8"
    )
    dom, _ = open_page(tmp_path / "widths.html")
    assert re.search("<title>(.*?)</title>", dom)[1] == ",".join(["0", "0"] * len(WIDTHS))
