"""ZIP files of people: folders are classes, and what no archive should hold is refused."""

import io
import stat
import struct
import unicodedata
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.data import archives
from stages.core.data.arrays import UnreadableFile

TEXT = (".txt",)
FLOWERS = {"rose/1.txt": b"red", "rose/2.txt": b"pink", "iris/1.txt": b"blue"}


def zipped(files, method=zipfile.ZIP_STORED, attributes=0):
    """A ZIP of {name: content}, written in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.filename = name
            entry.compress_type, entry.external_attr = method, attributes
            archive.writestr(entry, content)
    return buffer.getvalue()


def patched(content, place, code, value):
    """The first entry of the list of members with another number at this place."""
    start = content.index(archives.ENTRY) + place
    number = struct.pack(code, value)
    return content[:start] + number + content[start + len(number) :]


def test_folders_are_classes_and_files_come_sorted_by_name():
    found = archives.members(zipped(FLOWERS), TEXT)
    assert found == [
        ("iris", "iris/1.txt", b"blue"),
        ("rose", "rose/1.txt", b"red"),
        ("rose", "rose/2.txt", b"pink"),
    ]
    assert archives.members(zipped(dict(reversed(FLOWERS.items()))), TEXT) == found


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_one_folder_around_all_others_is_looked_through(method):
    around = {f"flowers/{name}": content for name, content in FLOWERS.items()}
    found = archives.members(zipped(around, method), TEXT)
    plain = archives.members(zipped(FLOWERS), TEXT)
    assert [(label, content) for label, _, content in found] == [
        (label, content) for label, _, content in plain
    ]
    assert found[0].name == "flowers/iris/1.txt"


def test_what_operating_systems_leave_is_passed_over():
    left = [
        "__MACOSX/rose/._1.txt", ".DS_Store", "rose/.DS_Store", "rose/Thumbs.db", "desktop.ini",
        ".git/config", "rose/Icon\r", "tulip/", "rose/", "rose/.hidden/1.txt",
    ]  # fmt: skip
    found = archives.members(zipped({**dict.fromkeys(left, b""), **FLOWERS}), TEXT)
    assert found == archives.members(zipped(FLOWERS), TEXT)


def test_endings_may_be_upper_case_and_paths_may_begin_with_a_point():
    found = archives.members(zipped({"./a/1.JPG": b"", "./b/2.jpeg": b""}), (".jpg", ".jpeg"))
    assert [(label, name) for label, name, _ in found] == [("a", "a/1.JPG"), ("b", "b/2.jpeg")]


def test_names_of_a_mac_are_the_usual_ones():
    files = {"grün/1.txt": b"", "rot/1.txt": b""}
    apart = {unicodedata.normalize("NFD", name): content for name, content in files.items()}
    content = zipped(apart)
    unmarked = content.replace(b"\x00\x08", b"\x00\x00")  # without the flag of UTF-8
    assert unmarked != content
    for packed in (content, unmarked, archives.packed(apart.items())):
        assert [member.label for member in archives.members(packed, TEXT)] == ["grün", "rot"]


@pytest.mark.parametrize(
    "name",
    [
        "/rose/9.txt", "../rose/9.txt", "rose/../9.txt", "__MACOSX/../../9.txt", "rose\\9.txt",
        "C:/rose/9.txt", "rose/9/..", "rose/9\x1b.txt", "rose/9\x00.txt",
    ],
)  # fmt: skip
def test_paths_that_lead_elsewhere_are_refused(name):
    with pytest.raises(UnreadableFile, match=r"^'[^']*9.*: expected a (path|name)"):
        archives.members(zipped({**FLOWERS, name: b""}), TEXT)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "two classes or more.*none"),
        ({"rose/1.txt": b""}, "two classes or more.*'rose'"),
        ({"flowers/rose/1.txt": b""}, "two classes or more.*'rose'"),
        ({**FLOWERS, "read me.txt": b""}, "'read me.txt': .*got a file beside"),
        ({"all/a/1.txt": b"", "all/1.txt": b""}, "'all/1.txt': .*'all/rose/1.png'.*a file beside"),
        ({"train/a/1.txt": b"", "test/a/1.txt": b""}, "'test/a/1.txt': .*folders inside"),
        ({"x/train/a/1.txt": b"", "x/b/1.txt": b""}, "'x/train/a/1.txt': .*folders inside"),
        ({**FLOWERS, "rose/3.GIF": b"", "rose/x": b""}, r"\.txt, got.*\.gif.*no ending.*3\.GIF"),
        ({**FLOWERS, "rose//1.txt": b""}, "'rose/1.txt': two files"),
    ],
    ids=["nothing", "class", "around", "top", "beside", "deep", "deeper", "endings", "twice"],
)
def test_other_folders_and_files_are_refused(files, says):
    with pytest.raises(UnreadableFile, match=says):
        archives.members(zipped(files), TEXT)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(kind):
    with pytest.raises(UnreadableFile, match=r"'rose/1\.txt': .*link"):
        archives.members(zipped(FLOWERS, attributes=(kind | 0o777) << 16), TEXT)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no readable ZIP"),
        (b"\x89PNG", "no readable ZIP"),
        (zipped(FLOWERS)[:-30], "no readable ZIP"),
        (zipped(FLOWERS)[40:], "'rose/1.txt': it is damaged"),
        (zipped(FLOWERS).replace(b"pink", b"blue"), "'rose/2.txt': it is damaged.*CRC"),
        (zipped(FLOWERS).replace(b"rose/2", b"rose/1"), "'rose/1.txt': two files"),
        (patched(zipped(FLOWERS), 8, "<H", 1), "'rose/1.txt': it is encrypted"),
        (patched(zipped(FLOWERS), 20, "<I", 2), "'rose/1.txt': it is damaged"),
        (patched(zipped(FLOWERS), 42, "<I", 10**6), "no readable ZIP|'rose/1.txt'"),
        (zipped(FLOWERS, zipfile.ZIP_BZIP2), "'rose/1.txt': expected it stored or deflated"),
    ],
    ids=["empty", "PNG", "end", "begin", "CRC", "twice", "encrypted", "size", "place", "bzip2"],
)
def test_damaged_archives_are_refused(content, says):
    with pytest.raises(UnreadableFile, match=says):
        archives.members(content, TEXT)


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(monkeypatch):
    bomb = zipped(dict.fromkeys(FLOWERS, bytes(500)), zipfile.ZIP_DEFLATED)
    assert len(archives.members(bomb, TEXT)) == 3
    monkeypatch.setattr(archives, "LARGEST_FILE", 1499)
    with pytest.raises(UnreadableFile, match=r"'rose/2\.txt': expected at most 1,499 bytes"):
        archives.members(bomb, TEXT)


def test_a_header_that_names_a_smaller_size_does_not_let_a_bomb_through():
    bomb = zipped(dict.fromkeys(FLOWERS, bytes(10**6)), zipfile.ZIP_DEFLATED)
    with pytest.raises(UnreadableFile, match=r"'rose/1\.txt': it is damaged"):
        archives.members(patched(bomb, 24, "<I", 10), TEXT)


def test_an_archive_of_too_many_files_is_refused(monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    with pytest.raises(UnreadableFile, match="at most 2 files"):
        archives.members(zipped(FLOWERS), TEXT)


WHOLE = zipped({f"flowers/{name}": content for name, content in FLOWERS.items()})


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=4))
def test_a_damaged_archive_is_refused_or_gives_whole_files(changes):
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place] = value
    try:
        found = archives.members(bytes(content), TEXT)
    except UnreadableFile:
        return
    assert {member.content for member in found} <= set(FLOWERS.values())


def test_packed_files_are_the_same_bytes_in_whatever_order():
    content = archives.packed(FLOWERS.items())
    assert content == archives.packed(reversed(FLOWERS.items()))
    assert archives.members(content, TEXT) == archives.members(zipped(FLOWERS), TEXT)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_two_files_of_the_same_name_are_not_packed():
    with pytest.raises(UnreadableFile, match="'a/1': two files"):
        archives.packed([("a/1", b""), ("a/1", b"x")])
