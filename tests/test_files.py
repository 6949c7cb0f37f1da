"""Outputs appear whole or not at all."""

import os

import pytest

from stages.core.run.files import whole


def fill(path, kind, content):
    """A file that holds `content`, or a folder with two such files."""
    if kind == "folder":
        path.mkdir()
        (path / "one").write_text(content)
        (path / "two").write_text(content)
    else:
        path.write_text(content)


def held(path):
    """What `fill` put there: the folder's files or the file's text; None where nothing is."""
    if path.is_dir():
        return {file.name: file.read_text() for file in path.iterdir()}
    return path.read_text() if path.exists() else None


NEW = {"file": "new", "folder": {"one": "new", "two": "new"}}
OLD = {"file": "old", "folder": {"one": "old", "two": "old"}, "nothing": None}


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("before", ["nothing", "same"])
def test_appears_whole_when_the_block_ends(tmp_path, kind, before):
    path = tmp_path / "made" / "output.npz"
    earlier = None
    if before == "same":
        path.parent.mkdir()
        fill(path, kind, "old")
        earlier = OLD[kind]
    with whole(path) as new:
        fill(new, kind, "new")
        assert new.parent == path.parent, "on the same file system, so that one step can move it"
        assert held(path) == earlier, "nothing is to be seen before the end"
    assert held(path) == NEW[kind]
    assert list(path.parent.iterdir()) == [path]


def test_a_new_folder_keeps_nothing_of_the_earlier_one(tmp_path):
    path = tmp_path / "folder"
    fill(path, "folder", "old")
    with whole(path) as new:
        new.mkdir()
        (new / "three").write_text("new")
    assert held(path) == {"three": "new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("earlier", ["nothing", "same"])
def test_what_stood_there_stays_when_the_block_fails(tmp_path, kind, earlier, error):
    path = tmp_path / "output"
    if earlier == "same":
        fill(path, kind, "old")

    def fails():
        with whole(path) as new:
            fill(new, kind, "new")
            raise error

    with pytest.raises(error):
        fails()
    assert held(path) == (OLD[kind] if earlier == "same" else None)
    assert list(tmp_path.iterdir()) == ([path] if earlier == "same" else [])


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_stood_there_stays_when_the_block_writes_nothing(tmp_path, kind):
    path = tmp_path / "output"
    fill(path, kind, "old")
    with pytest.raises(OSError, match="output"), whole(path):
        pass
    assert held(path) == OLD[kind]
    assert list(tmp_path.iterdir()) == [path]


NOBODY = 2**22 + 1  # no process of Linux has a number above 2**22


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("leftover", ["file", "folder"])
def test_leftovers_of_a_killed_run_are_cleared(tmp_path, kind, leftover):
    path = tmp_path / "output"
    fill(path, kind, "old")
    for word in ("new", "old"):  # as a run leaves them that is killed inside the block
        fill(tmp_path / f".output.{NOBODY}.{word}.part", leftover, "half")
    with whole(path) as new:
        assert sorted(tmp_path.iterdir()) == [path]
        assert held(path) == OLD[kind]
        fill(new, kind, "new")
    assert held(path) == NEW[kind]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_had_moved_away_is_put_back(tmp_path):
    path = tmp_path / "output"
    fill(tmp_path / f".output.{NOBODY}.old.part", "folder", "old")
    fill(tmp_path / f".output.{NOBODY}.new.part", "folder", "half")
    with pytest.raises(ValueError, match="stopped"), whole(path):
        raise ValueError("stopped")
    assert held(path) == OLD["folder"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_process_that_is_alive_writes_is_left_alone(tmp_path):
    path, other = tmp_path / "output", tmp_path / f".output.{os.getppid()}.new.part"
    fill(other, "file", "half")
    with whole(path) as new:
        fill(new, "file", "new")
    assert (held(path), held(other)) == ("new", "half")
