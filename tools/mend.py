"""Mend what DVC cannot: half a dvc.lock or rwlock, which a killed run left, and files in the cache that lost bytes.

`make repro` does this first. DVC does not write these two in one step, and takes what is in its cache for whole.
"""

import hashlib
import json
import subprocess
from pathlib import Path

import yaml
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

LOCK = Path("dvc.lock")


def is_whole(content: bytes) -> bool:
    """Whether DVC would read this as a dvc.lock."""
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.CSafeLoader(content).get_single_data())
    except (yaml.YAMLError, Invalid):
        return False
    return True


def git(*arguments) -> subprocess.CompletedProcess:
    """What Git says, its messages for a person left out."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True)


def mend_lock() -> str:
    """Take dvc.lock back from the last commit: what ran since then is in the run cache. Exits where that is no cure."""
    if git("ls-files", "--unmerged", LOCK).stdout:
        raise SystemExit("dvc.lock is in a merge: choose a side, such as git checkout --ours dvc.lock, and git add it.")
    why = "dvc.lock was cut off when an earlier run was killed"
    if git("cat-file", "-e", f"HEAD:./{LOCK}").returncode:
        LOCK.unlink()
        return f"{why}; it is in no commit, and was removed."
    if (done := git("checkout", "--quiet", "HEAD", "--", LOCK)).returncode:
        raise SystemExit(f"{why}, and Git cannot restore it: {done.stderr.strip()}")
    return f"{why}; it is that of the last commit again."


def mend_rwlock(folder: Path) -> str:
    """Remove half a rwlock, in which DVC notes who is at work on what: whoever wrote it is gone."""
    path = folder / "rwlock"
    with make_lock(str(folder / "rwlock.lock"), tmp_dir=str(folder)):  # as DVC does while it writes
        try:
            json.loads(path.read_text() if path.exists() else "{}")
        except ValueError:
            path.unlink()
            return f"{path} was cut off when an earlier run was killed; it was removed."
    return ""


def md5(path: Path) -> str:
    """What DVC would name the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def damaged(cache: Path, data: Path) -> list[Path]:
    """Files of a cache whose content is not what their name says, and the copies of such content among the data."""
    files = {path: md5(path) for path in cache.glob("[0-9a-f][0-9a-f]/*")}
    wrong = {path: own for path, own in files.items() if own != path.parent.name + path.name.removesuffix(".dir")}
    copies = (path for path in data.rglob("*") if path.is_file() and md5(path) in wrong.values()) if wrong else ()
    return [*wrong, *copies]


def main():
    """Mend what is damaged, and say so."""
    if LOCK.exists() and not is_whole(LOCK.read_bytes()):
        print(mend_lock())
    repo = Repo()
    if mended := mend_rwlock(Path(repo.tmp_dir)):
        print(mended)
    for path in damaged(Path(repo.cache.local.path), Path("data")):
        path.unlink()
        print(f"{path} has lost bytes since DVC cached it; it was removed, and is made anew.")


if __name__ == "__main__":
    main()
