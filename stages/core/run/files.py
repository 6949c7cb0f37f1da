"""Outputs that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write a file or a folder under; it replaces `path` when the block ends well.

    When the block fails, what it wrote is removed and what stood at `path` stays. The name holds
    the number of the process, so that a process that was left alone and goes on writing cannot get
    in the way.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):  # by a run that was killed
        *_, pid, word, _ = left.name.split(".")
        if psutil.pid_exists(int(pid)):
            continue
        if word == "old":
            _put_back(left, path)
        else:
            _remove(left)
    part = f".{path.name}.{os.getpid()}"
    new, old = (path.with_name(f"{part}.{word}.part") for word in ("new", "old"))
    try:
        yield new
        new.stat()  # a block that wrote nothing must not cost what stood there before
        if path.is_dir():  # not replaced in one step: for a moment neither name stands
            os.replace(path, old)
        os.replace(new, path)
    finally:
        _remove(new)
        _put_back(old, path)


def write(contents: dict[Path, bytes]):
    """Write files: all take their places at the end, or none where the disk is full."""
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(whole(path)).write_bytes(content)


def _put_back(old, path):
    """Give what was moved away its place again, unless there is something new there."""
    if old.exists() and not path.exists():
        os.replace(old, path)
    _remove(old)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
