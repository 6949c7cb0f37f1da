"""Repair what DVC cannot: half a dvc.lock or rwlock, which a killed run left, and files in the cache that lost bytes.

`make repro` does this first. DVC does not write these two in one step, and takes what is in its cache for whole.
"""

import hashlib
import json
import subprocess
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


def is_whole(content: bytes) -> bool:
    """Whether DVC would read this as a dvc.lock."""
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.CSafeLoader(content).get_single_data())
    except (yaml.YAMLError, Invalid, ValueError):  # the last of a 13th month
        return False
    return True


def git(*arguments) -> subprocess.CompletedProcess:
    """What Git says, its messages for a person left out."""
    return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8")


def repair_lock() -> str:
    """Take dvc.lock back from the last commit: what ran since then is in the run cache. Exits where that is no cure."""
    if git("ls-files", "--unmerged", LOCK).stdout:
        raise SystemExit(
            "dvc.lock is in a merge: choose a side, such as git checkout --ours dvc.lock, and git add it."
        )
    why = "dvc.lock was cut off when an earlier run was killed"
    if git("cat-file", "-e", f"HEAD:./{LOCK}").returncode:
        LOCK.unlink()
        return f"{why}; it is in no commit, and was removed."
    if (done := git("checkout", "--quiet", "HEAD", "--", LOCK)).returncode:
        raise SystemExit(f"{why}, and Git cannot restore it: {done.stderr.strip()}")
    return f"{why}; it is that of the last commit again."


def repair_rwlock(folder: Path) -> str:
    """Remove half a rwlock, in which DVC notes who is at work on what: whoever wrote it is gone."""
    path = folder / "rwlock"
    with make_lock(str(folder / "rwlock.lock"), tmp_dir=str(folder)):  # as DVC does while it writes
        try:
            json.loads(path.read_text("utf-8") if path.exists() else "{}")
        except ValueError:
            path.unlink()
            return f"{path} was cut off when an earlier run was killed; it was removed."
    return ""


def md5(path: Path) -> str:
    """What DVC would name the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def name_of_run(content: bytes) -> str:
    """What DVC would name this note on a run in its cache; nothing where it cannot be read."""
    try:
        return dict_sha256(yaml.CSafeLoader(content).get_single_data(), exclude=["size", "nfiles"])
    except (
        yaml.YAMLError,
        AttributeError,
        TypeError,
        ValueError,
    ):  # of what YAML takes and a note never is
        return ""


def damaged(cache: Path, data: Path) -> list[Path]:
    """Files of a cache whose content is not what their name says, and the copies of such content among the data."""
    files = {path: md5(path) for path in cache.glob("files/md5/??/*")}
    wrong = {
        path: own
        for path, own in files.items()
        if own != path.parent.name + path.name.removesuffix(".dir")
    }
    copies = [
        path for path in data.rglob("*") if wrong and path.is_file() and md5(path) in wrong.values()
    ]
    runs = [
        path for path in cache.glob("runs/*/*/*") if name_of_run(path.read_bytes()) != path.name
    ]
    return [*wrong, *copies, *runs]


def repair(repo):
    """Repair what is damaged, and say so."""
    if LOCK.exists() and not is_whole(LOCK.read_bytes()):
        print(repair_lock())
    if said := repair_rwlock(Path(repo.tmp_dir)):
        print(said)
    for path in damaged(Path(repo.cache.legacy.path), Path("data")):
        path.unlink()
        print(
            f"{path} is not what DVC put there; it was removed, and is made anew where it is needed."
        )


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
