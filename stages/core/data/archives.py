"""ZIP files whose folders are classes: `rose/1.png` is a file of the class rose. No paths."""

import contextlib
import io
import stat
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from stages.core.data.arrays import UnreadableFile, readable
from stages.core.data.frames import LARGEST_FILE
from stages.core.declared.strict_yaml import SHORT

MOST_MEMBERS = 500_000
ENTRY = b"PK\x01\x02"  # begins each entry of the list of members
METHODS = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED  # others unpack without a limit, or not at all
LEFT_BY_COMPUTERS = {"__macosx", "thumbs.db", "desktop.ini", "icon\r"}
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # that a ZIP can have


class Member(NamedTuple):
    """A file of an archive: its class, its name inside the archive and its bytes."""

    label: str
    name: str
    content: bytes


def members(content: bytes, endings: tuple[str, ...]) -> list[Member]:
    """The files of a ZIP, sorted by name. The folder that a file is in is its class.

    endings: those that are expected, lower case, such as ".txt". Passed over: hidden files, empty
    folders, what operating systems leave (Thumbs.db, __MACOSX) and one folder around all others.
    Raises UnreadableFile: for anything else, such as a folder inside a class, fewer than two
    classes, or members that would unpack to more than LARGEST_FILE bytes.
    """
    if content.count(ENTRY) > MOST_MEMBERS:
        raise UnreadableFile(f"expected at most {MOST_MEMBERS:,} files")
    with readable("ZIP file"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = _files(archive.infolist())
        labels = _labels(sorted(entries))
        _must_end(labels, endings)
        return _unpacked(archive, entries, labels)


def _files(infos):
    """{name: entry} of the files that people put there."""
    entries = {}
    for info in infos:
        name = _name(info)
        parts = PurePosixPath(name).parts
        if name.startswith("/") or name[1:2] == ":" or "\\" in name or ".." in parts:
            raise _refused(name, "expected a path inside the archive, such as 'rose/1.png'")
        if info.is_dir() or any(is_left(part) for part in parts):
            continue
        if any(unicodedata.category(sign) == "Cc" for sign in info.orig_filename):
            raise _refused(name, "expected a name without control characters")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise _refused(name, "expected a file, got a link or a device")
        if info.flag_bits & 1:
            raise _refused(name, "it is encrypted; pack the files without a password")
        if info.compress_type not in METHODS:
            raise _refused(name, "expected it stored or deflated; pack the files as a plain ZIP")
        name = "/".join(parts)
        if name in entries:
            raise _refused(name, "two files have this name")
        entries[name] = info
    return entries


def _name(info):
    """The name of an entry as Unicode has it, also where a Mac packed it."""
    name = info.orig_filename
    if not info.flag_bits & 0x800:  # macOS writes UTF-8 and does not say so
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", name)


def is_left(part: str) -> bool:
    """Whether a file or folder of this name is what operating systems leave."""
    return part.startswith(".") or part.lower() in LEFT_BY_COMPUTERS


def _labels(names):
    """{name: class} of these names."""
    paths = {name: name.split("/") for name in names}
    around = len({path[0] for path in paths.values()}) == 1
    around = around and any(len(path) > 2 for path in paths.values())
    for name, path in paths.items():
        if len(path) != 2 + around:
            beside = "a file beside the folders, which belongs elsewhere"
            got = beside if len(path) < 2 + around else "folders inside folders"
            example = f"{paths[name][0]}/rose/1.png" if around else "rose/1.png"
            raise _refused(name, f"expected a folder that is a class, as in {example!r}, got {got}")
    labels = {name: path[around] for name, path in paths.items()}
    if len(set(labels.values())) < 2:
        got = ", ".join(map(SHORT.repr, dict.fromkeys(labels.values()))) or "none"
        raise UnreadableFile(f"expected two classes or more, each a folder with files, got {got}")
    return labels


def _must_end(names, endings):
    """Raise UnreadableFile where a name has another ending."""
    other = [name for name in names if not name.lower().endswith(endings)]
    if other:
        found = sorted({PurePosixPath(name).suffix.lower() or "no ending" for name in other})
        got = f"got {SHORT.repr(found)}, such as {SHORT.repr(other[0])}"
        raise UnreadableFile(f"expected only files that end in {', '.join(endings)}, {got}")


def _unpacked(archive, entries, labels):
    found, left = [], LARGEST_FILE
    for name, label in labels.items():
        try:
            with archive.open(entries[name]) as file:
                content = file.read(left + 1)  # whatever size its header says
        except MemoryError:
            raise
        except Exception as error:
            raise _refused(name, f"it is damaged ({type(error).__name__}: {error})") from error
        left -= len(content)
        if left < 0:
            raise _refused(name, f"expected at most {LARGEST_FILE:,} bytes of all files, unpacked")
        found.append(Member(label, name, content))
    return found


def _refused(name, why):
    return UnreadableFile(f"{SHORT.repr(name)}: {why}")


def packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A ZIP of these (name, content): the same bytes for the same files in whatever order.

    Nothing is compressed, since other versions of zlib would make other bytes. Raises
    UnreadableFile where two names are the same.
    """
    named = [(unicodedata.normalize("NFC", name), content) for name, content in files]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(named):
            if name in archive.NameToInfo:
                raise _refused(name, "two files have this name")
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.create_system = 3  # Unix, also where Windows packs
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
