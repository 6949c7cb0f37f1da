"""data/sources/<name>.yaml: what is right parses, what is wrong stops with the key's path."""

import copy
from pathlib import Path

import pytest
import yaml
from samples import SOURCES

from stages.core.data import synthetic
from stages.core.declared import sections, sources, stand_ins
from stages.core.declared.strict_yaml import Wrong

FILE = {"name": "mine.npz", "size": 12, "sha256": "0" * 64}
MINE = {"title": "Mine", "reader": {"format": "arrays", "file": "mine.npz"}, "files": [FILE]}

ODD_URLS = [
    "package:",
    "package:/x",
    "package:numpy",
    "package:numpy/",
    "package:..",
    "package:.numpy/x",
    "package:numpy.linalg/x",
    "package:numpy/../x",
    "package:numpy//x",
    "package:numpy/a\0b",
    "package:__main__/x",
    "PACKAGE:numpy/x",
    "https://",
    "http:///x",
    "ftp://host/x",
    "",
    3,
]
BOSTON, IMDB, DIGITS = (
    SOURCES[name].stand_in.model_dump(mode="json") for name in ("boston_housing", "imdb", "digits")
)


def changed(path, value):
    content = copy.deepcopy(MINE)
    *above, key = path.split(".")
    section = content
    for name in above:
        section = section[int(name) if name.isdigit() else name]
    if value is None:
        del section[key]
    else:
        section[key] = value
    return yaml.safe_dump(content)


def complaints(document):
    with pytest.raises(Wrong) as caught:
        sources.parse(document)
    return str(caught.value).splitlines()


def test_a_file_may_be_larger_than_a_whole_number_of_a_network():
    document = changed("files.0.size", 2**33)
    assert sources.parse(document).files[0].size == 2**33


def test_what_may_be_left_out_is_empty():
    source = sources.parse(yaml.safe_dump(MINE))
    assert (source.kind, source.classes, source.names, source.unit) == ("features", (), (), "")
    assert source.stand_in is None
    assert source.files[0].is_here
    assert source.files[0].address == str(sources.FOLDER / "mine.npz")


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("titel", "Mine", "titel: there is no such key; expected one of title, about, terms, "),
        ("title", None, "title: the key is missing"),
        ("title", 3, "title: expected text, got 3"),
        ("reader", None, "reader: the key is missing"),
        ("reader", {}, "reader.format: the key is missing"),
        (
            "reader.format",
            "csv",
            "reader.format: expected 'word_ranks', 'arrays', 'pixels', 'table', 'text_folders' or 'image_folders', got",
        ),
        (
            "reader.shape",
            [8, 8],
            "reader.shape: there is no such key; expected one of format, file",
        ),
        (
            "reader.file",
            "other.npz",
            "reader.file: expected one of `files`, mine.npz, got 'other.n",
        ),
        ("reader.file", "../x", "reader.file: expected"),
        ("files", [], "files: expected"),
        ("files", "mine.npz", "files: expected a list, got 'mine.npz'"),
        ("files.0.size", "12", "files.0.size: expected a valid integer, got '12'"),
        ("files.0.sha256", "abc", "files.0.sha256: expected"),
        ("files.0.name", "/etc/passwd", "files.0.name: expected"),
        ("files", [FILE, FILE], "files: expected each name once, got 'mine.npz' again"),
        *(
            (
                "files.0.url",
                url,
                "files.0.url: expected an address, https://..., or a path in a pack",
            )
            for url in ODD_URLS
        ),
        ("files.0.md5", "0", "files.0.md5: there is no such key; expected one of name, size, sha"),
        ("classes", ["a", "a"], "classes: expected each name once, got 'a' again"),
        ("columns", ["x", ""], "columns.1: expected"),
    ],
)
def test_names_the_key_that_is_wrong(path, value, complaint):
    (line,) = complaints(changed(path, value))
    assert line.startswith(complaint)


@pytest.mark.parametrize("document", ["", "[1]", "a: [", "title: !!python/name:os.mkdir x"])
def test_what_is_no_mapping_is_refused(document):
    assert len(complaints(document)) == 1


def test_the_message_of_a_file_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    (tmp_path / "mine.yaml").write_text(changed("title", None))
    with pytest.raises(Wrong, match=r"mine\.yaml: title: the key is missing"):
        sources.read("mine")
    assert sources.names() == ["mine"]


def test_a_file_that_was_changed_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    for title in ("One", "Two"):
        (tmp_path / "mine.yaml").write_text(changed("title", title))
        assert sources.read("mine").title == title


@pytest.mark.parametrize("package", ["no_such_package", "sys", "six", "math"])
def test_a_package_that_is_not_installed_and_a_module_have_a_path_at_which_nothing_is(package):
    file = sources.File(**FILE, url=f"package:{package}/data/mine.npz")
    assert file.is_here
    assert file.address.endswith("data/mine.npz")
    assert not Path(file.address).exists()


@pytest.mark.parametrize("name", SOURCES)
def test_columns_and_classes_have_a_name_each_or_none(name):
    source = SOURCES[name]
    assert len(source.names) == len(set(source.names))
    assert len(source.classes) == len(set(source.classes))


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("rows", 0, "rows: expected greater than or equal to 1, got 0"),
        ("rows", 10**12, "rows: expected less than or equal to 10000000, got 1000000000000"),
        ("rows", "many", "rows: expected"),
        ("rowz", 3, "rowz: there is no such key; expected one of rows, columns, "),
        ("columns", {}, "columns: expected"),
        ("columns", [1], "columns: expected keys and values, got [1]"),
        ("columns.crim", [1, 2], "columns.crim.2: the key is missing"),
        ("columns.crim", 5, "columns.crim: expected a list, got 5"),
        ("columns.crim", [9, 1, 0, 5, 0, 0, 0], "columns.crim: expected minimum < mean < maximum"),
        ("columns.crim", [1, 0, 0, 5, 0, 0, 0], "columns.crim.1: expected greater than 0, got 0"),
        ("columns.crim", [1, 1, 0, 5, 0, 2, 0], "columns.crim.5: expected less than or equal to 1"),
        ("columns.crim", [1, 1, 0, float("nan"), 0, 0, 0], "columns.crim.3: expected"),
        (
            "interactions",
            {"rm * price": 1},
            ": expected `column * column` in interactions, not 'rm",
        ),
        ("interactions", {"rm": 1}, ": expected `column * column` in interactions, not 'rm'"),
        ("target.low", 60, "target: expected low <= high, got"),
        ("target.median", -1, "target.median: expected greater than 0, got -1"),
        ("target", None, "target: the key is missing"),
    ],
)
def test_names_the_number_of_a_stand_in_that_is_wrong(path, value, complaint):
    content = MINE | {"stand_in": copy.deepcopy(BOSTON)}
    *above, key = path.split(".")
    section = content["stand_in"]
    for name in above:
        section = section[name]
    if value is None:
        del section[key]
    else:
        section[key] = value
    assert any(
        line.startswith(("stand_in." + complaint).replace(".:", ":"))
        for line in complaints(yaml.safe_dump(content))
    )


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [
        (IMDB | {"splits": {"_dev": [3, 3]}}, "stand_in.splits._dev: expected"),
        (IMDB | {"splits": {"": []}}, "stand_in.splits.'': expected at least one, got []"),
        (IMDB | {"splits": {"": [-1]}}, "stand_in.splits.''.0: expected"),
        (IMDB | {"length": {}}, "stand_in.length.median: the key is missing"),
    ],
)
def test_names_the_number_of_a_text_that_is_wrong(numbers, complaint):
    with pytest.raises(Wrong) as caught:
        sections.checked(stand_ins.Text, numbers, "stand_in")
    assert any(line.startswith(complaint) for line in caught.value.args), caught.value.args


def test_numbers_that_are_wrong_together_are_refused():
    few = stand_ins.Text(**IMDB | {"splits": {"": [1, 1]}})
    with pytest.raises(Wrong, match=r"stand_in.vocabulary: expected at most the [\d,]+ words"):
        synthetic.text(few)
    narrow = BOSTON["columns"] | {"rm": [5, 1e-200, 0, 10, 0, 0, 0]}
    with pytest.raises(Wrong, match=r"stand_in.columns.rm: expected .* beta distribution, got \("):
        synthetic.features(stand_ins.Features(**BOSTON | {"columns": narrow}))
