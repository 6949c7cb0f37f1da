"""Outputs that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write a file or a folder under; it takes the place of `path` when the block ends well.

    When the block fails, what it wrote is removed and what stood at `path` before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = (path.with_name(f".{path.name}.{word}") for word in ("new", "old"))
    for stale in (new, old):  # left by a run that was killed
        _remove(stale)
    try:
        yield new
        new.stat()  # a block that wrote nothing must not cost what stood there before
        if path.is_dir():  # a folder cannot be replaced in one step: for a moment neither name stands
            os.replace(path, old)
        os.replace(new, path)
    finally:
        for stale in (new, old):
            _remove(stale)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
