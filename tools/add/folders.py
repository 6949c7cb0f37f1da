"""A folder a class of texts or of images -> an archive, and what it holds."""

from collections import Counter
from pathlib import Path

import numpy as np

from stages.core.data import archives, frames, images
from stages.core.data.arrays import UnreadableFile
from stages.core.data.readers import IMAGES, TEXTS
from tools.add.look import RARE, Found

SIDE = 32  # pixels: height and width of images, at most, at first
SEEN = 200  # images that are looked at, for their size


def packed(folder: Path) -> bytes:
    """The files of a folder as an archive, without links and what operating systems leave.

    Raises OSError and UnreadableFile.
    """
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    names = {path: path.relative_to(folder) for path in sorted(paths)}
    return archives.packed(
        (name.as_posix(), path.read_bytes())
        for path, name in names.items()
        if not any(map(archives.is_left, name.parts))
    )


def looked_at(content: bytes, file: str) -> Found:
    """What an archive holds. Raises UnreadableFile."""
    members = archives.members(content, TEXTS + IMAGES)
    counts = Counter(member.label for member in members)
    endings = {name.lower().endswith(TEXTS) for _, name, _ in members}
    if len(endings) > 1:
        raise UnreadableFile("expected texts or images, got both")
    kind = "text_folders" if endings == {True} else "image_folders"
    if rare := [f"{count} of {label}" for label, count in counts.items() if count < RARE]:
        what = f"expected {RARE} files or more in the folder of each class"
        raise UnreadableFile(f"{what}, got {', '.join(rare[:5])}: add files, or join classes")
    what = "texts" if kind == "text_folders" else "images"
    says = [f"{label}: {count:,} {what}" for label, count in sorted(counts.items())]
    reader = {"format": kind, "file": file}
    if kind == "text_folders":
        found = {frames.encoding_of(text) for _, _, text in members if not text.isascii()}
        if len(found) > 1:
            raise UnreadableFile(f"expected all texts in one encoding, got {', '.join(found)}")
        reader["encoding"] = found.pop() if found else "utf-8-sig"
    task = "binary" if len(counts) == 2 else "multiclass"
    shape = shape_of(members) if kind == "image_folders" else (0, 0, 0)
    return Found(reader, task, len(members), says, shape=shape)


def shape_of(members) -> tuple[int, int, int]:
    """Height, width and channels that suit images: those in the middle, and no more than SIDE.

    Raises UnreadableFile for what is no image.
    """
    seen = [
        images.looks(member.content, member.name) for member in members[:: len(members) // SEEN + 1]
    ]
    height, width = np.median([size for size, _ in seen], axis=0)
    larger = max(1, max(height, width) / SIDE)
    height, width = (max(1, round(side / larger)) for side in (height, width))
    return height, width, 3 if any(color for _, color in seen) else 1
