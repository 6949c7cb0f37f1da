"""What Git holds of a state of the project: its files and params, and which results are old."""

import hashlib
import io
import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from stages.core.declared import strict_yaml

CODE = "stages/", "data/sources/"  # beginnings of what Git holds of a stage's dependencies
TEXT = ("held_out", "actual_name", "predicted_name")  # columns of tables, whatever they look like


class Unreadable(Exception):
    """A revision cannot be reviewed; the message says what to do."""


def git(*arguments) -> bytes:
    """The output of a git command. Raises Unreadable with what git says."""
    return output("git", *arguments)


def output(program: str, *arguments) -> bytes:
    """What a program prints. Raises Unreadable with what it says."""
    try:
        return subprocess.run([program, *arguments], capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise Unreadable(f"{program} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise Unreadable(error.stderr.decode(errors="replace").strip()) from None


@dataclass(frozen=True, eq=False)  # the workspace may change under the same name
class Revision:
    """A state of the project. name: as the user gave it. commit: None for the workspace."""

    name: str
    commit: str | None = None

    def read(self, path: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        try:
            if self.commit is None:
                return Path(path).read_bytes()
            return git("show", f"{self.commit}:./{path}")
        except (FileNotFoundError, Unreadable):
            return None

    @cache  # noqa: B019
    def md5(self, path: str) -> str:
        """What DVC notes of a file or, with .dir behind it, of a folder: the MD5 of its listing."""
        if self.commit is None:
            listed = git("ls-files", "-coz", "--exclude-standard", "--", f"{path}/")
        else:
            listed = git("ls-tree", "-rz", "--name-only", self.commit, f"{path}/")
        files = sorted({*filter(None, listed.decode().split("\0"))})
        files = [file for file in files if self.commit or Path(file).is_file()]
        if not files:
            return _md5(self.read(path) or b"")
        names = {file: file.removeprefix(f"{path}/") for file in files}
        entries = [{"md5": self.md5(file), "relpath": name} for file, name in names.items()]
        return _md5(json.dumps(entries).encode()) + ".dir"

    @cache  # noqa: B019
    def yaml(self, path: str) -> dict:
        """The content of a YAML file; empty where there is none. Raises Unreadable."""
        return self._parsed(path, strict_yaml.read, "YAML")

    def json(self, path: str) -> dict:
        """The content of a JSON file; empty where there is none. Raises Unreadable."""
        return self._parsed(path, json.loads, "JSON")

    def _parsed(self, path, parse, language):
        content = self.read(path)
        try:
            found = parse(content) if content else {}
        except ValueError:
            raise Unreadable(f"{path} of {self.name} is no {language}") from None
        return found if isinstance(found, dict) else {}

    def table(self, path: str, numbers=()) -> pd.DataFrame | None:
        """The content of a CSV file, or None where there is none.

        numbers: columns that must be there. Raises Unreadable.
        """
        if (content := self.read(path)) is None:
            return None
        try:
            empty = {"keep_default_na": False, "na_values": [""]}  # a class may be called NA
            table = pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(TEXT, str), **empty)
        except ValueError:  # pandas' errors are ValueErrors
            raise Unreadable(f"{path} of {self.name} is no table") from None
        is_number = pd.api.types.is_numeric_dtype
        if wrong := [name for name in numbers if name not in table or not is_number(table[name])]:
            raise Unreadable(f"{path} of {self.name}: expected numbers under {', '.join(wrong)}")
        return table

    def cached(self, path: str) -> bytes | None:
        """An output that DVC keeps, or None where it is not here."""
        if self.commit is None:
            return self.read(path)
        stages = self.yaml("dvc.lock").get("stages", {}).values()
        listed = [out for stage in stages for out in stage.get("outs", ())]
        outputs = {out["path"]: out.get("md5", "") for out in listed}
        folder, md5 = output("dvc", "cache", "dir").decode().strip(), outputs.get(path, "")
        file = Path(folder, "files/md5", md5[:2], md5[2:])
        return file.read_bytes() if md5 and file.is_file() else None

    @property
    def sections(self) -> dict[str, dict]:
        """`datasets` of params.yaml; empty where it is of an older layout."""
        return self._mappings("datasets")

    @property
    def sweeps(self) -> dict[str, dict]:
        """`sweeps` of params.yaml; empty where there are none."""
        return self._mappings("sweeps")

    def _mappings(self, key):
        found = self.yaml("params.yaml").get(key)
        found = found if isinstance(found, dict) else {}
        return {name: each for name, each in found.items() if isinstance(each, dict)}


def _md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def resolve(name: str) -> Revision:
    """The Git revision or DVC experiment of this name, or the workspace. Raises Unreadable."""
    if name == "workspace":
        return Revision(name)
    try:
        commit = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if not commit.startswith(b"^"):  # all but a commit, which is none
            return Revision(name, commit.decode().strip())
    except Unreadable:
        git("rev-parse", "--git-dir")  # says so where this is no repository
    newest_first = "--sort=-committerdate", "--format=%(objectname)"
    experiments = git("for-each-ref", *newest_first, f"refs/exps/*/*/{name}").decode().split()
    if experiments and name and not set(name) & set("*?["):  # a pattern would mean any of them
        return Revision(name, experiments[0])
    what = f"{name} is neither a Git revision nor a DVC experiment that is here"
    raise Unreadable(f"{what}. {_hint(name)}")


def experiments_of(base: Revision) -> list[Revision]:
    """The DVC experiments on top of a commit, the oldest first. Raises Unreadable."""
    commit = base.commit or git("rev-parse", "HEAD").decode().strip()
    prefix = f"refs/exps/{commit[:2]}/{commit[2:]}/"
    oldest_first = "--sort=committerdate", "--format=%(objectname) %(refname)"
    lines = git("for-each-ref", *oldest_first, prefix).decode().splitlines()
    pairs = [line.split(" ", 1) for line in lines]
    return [Revision(name.removeprefix(prefix), commit) for commit, name in pairs]


def _hint(name):
    """How to get a revision that is not here."""
    branch = name.removeprefix("origin/")
    try:
        git("check-ref-format", f"refs/remotes/origin/{branch}")
    except Unreadable:
        branch = ""  # such as HEAD~1, which no server knows by this name
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        fetch = f"git fetch --depth=1 origin {branch}:refs/remotes/origin/{branch}"
        alone = f"`{fetch}` and review against origin/{branch}, or " if branch else ""
        hint = "This is a shallow clone, which lacks most of the history. Fetch what the review"
        return f"{hint} needs: {alone}`git fetch --unshallow`."
    bring = f"; `git fetch origin {branch}` may bring it as origin/{branch}" if branch else ""
    return f"`git branch --all` and `dvc exp list` show what is here{bring}."


def stale(revision: Revision) -> list[str]:
    """Stages, such as train@imdb, that never ran or whose params or code are newer than dvc.lock.

    Only stages of today: dvc.lock keeps those of data sets and stages that were removed.
    """
    params, lock = revision.yaml("params.yaml"), revision.yaml("dvc.lock").get("stages", {})
    found = []
    for stage in _stages(revision):
        recorded = lock.get(stage, {}).get("params", {}).get("params.yaml", {})
        inputs = lock.get(stage, {}).get("deps", [])
        code = [dep for dep in inputs if dep["path"].startswith(CODE)]
        changed = any(_at(params, key) != value for key, value in recorded.items())
        newer = changed or any(revision.md5(dep["path"]) != dep["md5"] for dep in code)
        if newer or stage not in lock:
            found.append(stage)
    return found


def _stages(revision):
    """The stages of a revision, such as kfold@imdb; of sweep only those that params ask for."""
    for kind in revision.yaml("dvc.yaml").get("stages", {}):
        names = revision.sections if kind != "sweep" else revision.sweeps
        yield from (f"{kind}@{name}" for name in names)


def _at(tree, dotted):
    for key in dotted.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
