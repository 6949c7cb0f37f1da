"""The page of a review and its pictures."""

import re
from base64 import b64encode

import numpy as np
import pytest
from made_up import FLIPPED, NAMES, compared, made, program, top
from matplotlib.text import Text
from samples import SOURCES

from stages.core.judge import pictures
from tools.review import drawings


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A review in a new process, all data sets changed, hostile words: page, Markdown, modules."""
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
        code = "import sys; from tools.review.__main__ import main; main()"
        code += "; print(*sys.modules, file=sys.stderr)"
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
        assert f"<h2>{SOURCES[name].title}</h2>" in content
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
    sections = content.split("<h2>")
    places = [sections[2].index(word) for word in ("<figure>", "<table>", "K-fold curves")]
    assert places == sorted(places)
    assert sections[2].rindex("<figure>") < sections[2].index("changed sides")


def test_a_new_sweep_has_its_picture(project, run, tmp_path):
    project.put("metrics/imdb/sweep.md", "# Sweep of IMDB\n")
    project.put("metrics/imdb/sweep.png", "a picture")
    run("main", "--html", str(tmp_path / "page.html"))
    source = f'<img alt="sweep" src="data:image/png;base64,{b64encode(b"a picture").decode()}">'
    assert source in (tmp_path / "page.html").read_text("utf-8")


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
    "compared_folds": (
        CURVES,
        {"loss": pictures.Axis("loss", False), "mae": pictures.Axis("error (m)", False)},
    ),
    "fold_differences": (
        RANDOM.normal(0, 1, (2, 4)),
        (-2, 2),
        0.1,
        pictures.Axis("accuracy", True),
    ),
    "fold_differences without a band": (
        RANDOM.normal(0, 1, (30, 4)),
        (-2, 2),
        None,
        pictures.Axis("error", False),
    ),
    "confusion_difference": tuple(COUNTS),
    "confusion_difference of many classes": tuple(MORE_COUNTS),
    "predicted_against_actual": (RANDOM.normal(20, 5, 30), PREDICTED, "m"),
}


def drawing(name):
    """The function that draws this."""
    name = name.split()[0]
    return getattr(drawings if hasattr(drawings, name) else pictures, name)


@pytest.mark.parametrize(("name", "arguments"), DRAWINGS.items(), ids=DRAWINGS)
def test_pictures_have_the_same_bytes_each_time(name, arguments):
    draw = drawing(name)
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
    words = " ".join(drawing(name)("title", *arguments))
    assert re.search("better|right", words)
    if name.startswith("fold_differences"):
        assert ("head is better →" in words) == arguments[-1].higher_is_better
        assert "nobody" not in words


def test_what_each_fold_shows_is_called_a_difference(project, monkeypatch):
    asked = []
    monkeypatch.setattr(
        drawings, "fold_differences", lambda *arguments: asked.append(arguments) or b""
    )
    project.results("imdb", main=(0.03, 0.002))
    project.results("boston_housing", main=(0.3, 0.02))
    for dataset in compared():
        drawings.differences(dataset)
    assert [
        (name.startswith(SOURCES["imdb"].title), axis.higher_is_better) for name, *_, axis in asked
    ] == [(True, True), (False, False)]
    assert all("difference" in title for title, *_ in asked)
