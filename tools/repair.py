"""Repair what DVC cannot: half a dvc.lock or rwlock, and files in the cache that lost bytes.

`make repro` does this first. DVC does not write these two in one step, so a killed run may leave
half of one, and it takes what is in its cache for whole.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.scm import SCMError
from dvc.utils import dict_sha256
from voluptuous import Invalid

from stages.core.run.stage import parser_of, tool

LOCK = Path("dvc.lock")
KILLED = "was cut off when an earlier run was killed"


def git(*arguments) -> subprocess.CompletedProcess:
    """What Git says, its messages for a person left out."""
    return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8")


def is_whole(content: bytes) -> bool:
    """Whether DVC would read this as a dvc.lock, and it is no beginning of the last commit's."""
    committed = git("show", f"HEAD:./{LOCK}").stdout.encode()
    if content != committed and committed.startswith(content):
        return False
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.CSafeLoader(content).get_single_data())
    except (yaml.YAMLError, Invalid, ValueError):  # the last of a 13th month
        return False
    return True


def repair_lock() -> str:
    """Take dvc.lock back from the last commit: what ran since then is in the run cache.

    Returns what was done. Exits where that is no cure.
    """
    if git("ls-files", "--unmerged", LOCK).stdout:
        raise SystemExit(
            "dvc.lock is in a merge: choose a side, such as git checkout --ours dvc.lock, and git "
            "add it."
        )
    if git("cat-file", "-e", f"HEAD:./{LOCK}").returncode:
        LOCK.unlink()
        return f"dvc.lock {KILLED}; it is in no commit, and was removed."
    if (done := git("checkout", "--quiet", "HEAD", "--", LOCK)).returncode:
        raise SystemExit(f"dvc.lock {KILLED}, and Git cannot restore it: {done.stderr.strip()}")
    return f"dvc.lock {KILLED}; it is that of the last commit again."


def repair_rwlock(folder: Path) -> str:
    """Remove half a rwlock, in which DVC notes who is at work on what: whoever wrote it is gone."""
    path = folder / "rwlock"
    with make_lock(str(folder / "rwlock.lock"), tmp_dir=str(folder)):  # as DVC does while it writes
        try:
            json.loads(path.read_text("utf-8") if path.exists() else "{}")
        except ValueError:
            path.unlink()
            return f"{path} {KILLED}; it was removed."
    return ""


def md5(path: Path) -> str:
    """What DVC would name the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def name_of_run(content: bytes) -> str:
    """What DVC would name this note on a run in its cache; nothing where it cannot be read."""
    try:
        return dict_sha256(yaml.CSafeLoader(content).get_single_data(), exclude=["size", "nfiles"])
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):  # of what a note never is
        return ""


def damaged(cache: Path, data: Path) -> Iterator[Path]:
    """Files of a cache whose content is not what their name says, and copies of it in the data."""
    wrong = set()
    for path in cache.glob("files/md5/??/*"):
        if (found := md5(path)) != path.parent.name + path.name.removesuffix(".dir"):
            wrong.add(found)
            yield path
    for path in data.rglob("*") if wrong else ():
        if path.is_file() and md5(path) in wrong:
            yield path
    for path in cache.glob("runs/*/*/*"):
        if name_of_run(path.read_bytes()) != path.name:
            yield path


def repair(repo: Repo):
    """Repair what is damaged, and say so."""
    if LOCK.exists() and not is_whole(LOCK.read_bytes()):
        print(repair_lock())
    if said := repair_rwlock(Path(repo.tmp_dir)):
        print(said)
    for path in list(damaged(Path(repo.cache.legacy.path), Path("data"))):
        path.unlink()
        removed = "it was removed, and is made anew where it is needed."
        print(f"{path} is not what DVC put there; {removed}")


def main():
    """Repair, while no DVC is writing what looks like half of something."""
    parser_of(main).parse_args()
    try:
        repo = Repo()
        with repo.lock:
            repair(repo)
    except SCMError as error:  # as where an archive was unpacked
        raise SystemExit(
            f"Nothing was run: {error}, and DVC needs one; `git init` makes it."
        ) from None
    except LockError as error:
        raise SystemExit(f"Nothing was run: {error}") from None


if __name__ == "__main__":
    tool(main)
