"""data/sources/<name>.yaml: what is right parses, what is wrong stops with the key's path."""

import copy

import pytest
import yaml
from samples import SOURCES

from stages.core.declared import sources

FILE = {"name": "mine.npz", "size": 12, "sha256": "0" * 64}
MINE = {"title": "Mine", "reader": {"format": "arrays", "file": "mine.npz"}, "files": [FILE]}


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
    with pytest.raises(sources.WrongSource) as caught:
        sources.parse(document)
    return str(caught.value).splitlines()


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
        ("reader.format", "csv", "reader.format: expected 'word_ranks', 'arrays' or 'pixels', got"),
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
    with pytest.raises(sources.WrongSource, match=r"mine\.yaml: title: the key is missing"):
        sources.read("mine")
    assert sources.names() == ["mine"]


def test_a_file_that_was_changed_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    for title in ("One", "Two"):
        (tmp_path / "mine.yaml").write_text(changed("title", title))
        assert sources.read("mine").title == title


def test_a_package_that_is_not_installed_has_a_path_at_which_nothing_is():
    file = sources.File(**FILE, url="package:no_such_package/data/mine.npz")
    assert file.is_here
    assert file.address.endswith("data/mine.npz")


@pytest.mark.parametrize("name", SOURCES)
def test_columns_and_classes_have_a_name_each_or_none(name):
    source = SOURCES[name]
    assert len(source.names) == len(set(source.names))
    assert len(source.classes) == len(set(source.classes))
