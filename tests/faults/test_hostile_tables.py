"""Tables, archives and images that are meant to harm: refused, or harmless, with a message."""

import gzip
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.core.data import archives, frames, images, tables, traps
from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params, sources
from stages.core.declared.sources import Table
from tools.add import __main__ as add
from tools.review.page import page

READER = Table.model_construct(format="table", file="people.csv", missing=(), columns={})
ROWS = "".join(f"{n},{n % 7},{'yes' if n % 3 else 'no'}\n" for n in range(1, 60, 2))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project without data sets, as the folder in which a person is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "FOLDER", Path("data/sources"))
    sources.FOLDER.mkdir(parents=True)
    empty = "source: official\nseed: 0\nsplit_seed: 0\nsweeps: {}\ndatasets:\n"
    params.PATH.write_text(empty, "utf-8")
    return tmp_path


def added(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["add", *arguments])
    add.main()


def zeros(size):
    """A gzip file of so many zero bytes."""
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunks = [packed.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return b"".join([*chunks, packed.flush()])


def png(width, height, data=b""):
    """A PNG that says that it has this size."""

    def chunk(kind, content):
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


FILES = {  # what it is: (content, what the message says)
    "a bomb in gzip": (zeros(2**26), "at most"),
    "10^6 columns": (
        b",".join(b"c%d" % n for n in range(10**6)) + b"\n" + b"1," * 10**6,
        "columns",
    ),
    "a line that never ends": (b"a,b\n1," + b"x" * (frames.LONGEST_LINE + 1), "line 2"),
    "a quote that is never closed": (b'a,b,answer\n1,"2,yes\n' + ROWS.encode(), "no CSV"),
    "two encodings in one file": ("a,b\nä,1\n".encode() + "ä,2\n".encode("latin-1"), "line 2"),
    "bytes of no encoding": (b"a,b\n\x81,1\n", "line 2"),
    "lines of other lengths": (b"a,b\n1,2,3\n", "line 2"),
    "a column twice": (b"a,a\n1,2\n", "name of its own"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_table_that_is_none_is_refused_and_nothing_is_written(what, project, monkeypatch, tried):
    content, says = FILES[what]
    monkeypatch.setattr(frames, "LARGEST_FILE", 2**25)
    Path("people.csv").write_bytes(content)
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit, match=says) as refused:
        added(monkeypatch, "people.csv", "--target", "b")
    assert len(str(refused.value)) < 400
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    tried(f"a table with {what}" if "a table" not in what else what, "refused, nothing written")


@pytest.mark.parametrize("cell", ["1e999", "NaN ", "infinity", "-inf", "1e31", "0x1F", "1_000"])
def test_numbers_that_are_none_are_refused_with_their_place(cell, tried):
    frame = frames.read(f"a,b\n1,2\n{cell},3\n".encode(), READER)
    with pytest.raises(UnreadableFile, match="line 3, column a"):
        tables.numbers(frame["a"], READER)
    tried("1e999, NaN, infinity and the like in a column of numbers", "refused with the place")


NAMES = [
    "a: b", "- x", "#comment", "yes", "null", "1e3", "{a}", "[b]", "*anchor", "&anchor", "!!python/x",
    "../../etc/passwd", "a/b", "=HYPERLINK(\"http://x\")", "<script>alert(1)</script>", "`code`",
    "[link](http://x)", "%s", "two\nlines", "${datasets}", "'quoted'", "a|b",
]  # fmt: skip


def test_names_of_columns_that_mean_something_elsewhere_are_names(project, monkeypatch, tried):
    frame = frames.pd.DataFrame({name: np.arange(60) % 9 + n for n, name in enumerate(NAMES)})
    frame["answer"] = np.where(np.arange(60) % 3, "yes", "=1+1")
    frame.to_csv("people.csv", index=False)
    added(monkeypatch, "people.csv", "--target", "answer")
    source, section = sources.read("people"), params.load().datasets["people"]
    assert {*source.reader.columns} == {*NAMES, "answer"}
    assert section.data.target == "answer"
    assert [*Path().rglob("passwd")] == []
    written = yaml.safe_load(sources.path_of("people").read_text("utf-8"))
    assert [*written["reader"]["columns"]] == [*NAMES, "answer"]
    tried("names of columns that are YAML, paths, formulas, HTML or Markdown", "plain names")


@pytest.mark.parametrize("name", NAMES)
def test_names_and_formulas_are_not_active_in_a_page(name, tried):
    found = {"decides": {name: 0.01}, "groups": {name: 30}}
    html = page("title", [f"- Take care: {line}" for line in traps.sentences(found)])
    body = html.partition("<body>")[2]
    for active in ("<script", "<a ", "href=", "<img"):
        assert active not in body
    tried("formulas, HTML and links in names of columns", "text in the page of a review")


IMAGES = {
    "a bomb in PNG": (png(60_000, 60_000, zlib.compress(bytes(10**6))), "pixels"),
    "a text that is called a image": (b"I am no image", "PNG or JPEG"),
    "half a image": (png(8, 8, zlib.compress(bytes(20))), "PNG or JPEG"),
    "a image without a size": (png(0, 8), "PNG or JPEG|pixels"),
}


@pytest.mark.parametrize("what", IMAGES)
def test_a_picture_that_is_none_is_refused_by_its_name(what, tried):
    content, says = IMAGES[what]
    with pytest.raises(UnreadableFile, match=f"odd.png.*({says})"):
        images.decoded(content, "rose/odd.png", (8, 8), 3)
    tried(what, "refused with its name")


def test_an_archive_with_such_a_picture_is_refused_and_nothing_is_written(
    project, monkeypatch, tried
):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "png")
    good = {f"{label}/{n}.png": file.getvalue() for label in ("rose", "lily") for n in range(12)}
    Path("flowers.zip").write_bytes(zipped(good | {"rose/0.png": b"I am no image"}))
    with pytest.raises(SystemExit, match=r"rose/0\.png"):
        added(monkeypatch, "flowers.zip")
    assert [*sources.FOLDER.iterdir()] == []
    tried("an archive with a file that is no image", "refused with its name, nothing written")


ARCHIVES = {
    "a path out of an archive": {"a/../../b.txt": b"x", "c/d.txt": b"x"},
    "an absolute path in an archive": {"/etc/passwd.txt": b"x", "c/d.txt": b"x"},
    "a bomb in ZIP": {"a/1.txt": bytes(2**26), "b/1.txt": b"x"},
    "an archive of a single class": {"a/1.txt": b"x", "a/2.txt": b"x"},
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_archives_that_would_harm_are_refused(what, monkeypatch, tried):
    monkeypatch.setattr(archives, "LARGEST_FILE", 2**25)
    with pytest.raises(UnreadableFile):
        archives.members(zipped(ARCHIVES[what]), (".txt",))
    tried(what, "refused")


def test_a_gzip_that_ends_early_is_refused(tried):
    with pytest.raises(UnreadableFile, match="unpacked"):
        frames.read(gzip.compress(ROWS.encode(), mtime=0)[:-9], READER)
    tried("half a gzip file", "refused")
