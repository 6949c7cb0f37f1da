"""Small projects of their own: the data sets of the tests, or the shipped ones, with shrunk
params.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import yaml
from filelock import FileLock
from samples import PROJECT

ROOT = Path(__file__).parent.parent
SMALL = {  # data set -> what is shrunk
    "imdb": {
        "final": {"exploring_epochs": 2, "validation": 100, "epochs": 1, "seeds": 2},
        "kfold": {"k": 3, "repeats": 1, "seeds": 1, "epochs": 1},
    },
    "reuters": {
        "final": {"exploring_epochs": 2, "validation": 100, "epochs": "best", "seeds": 2},
        "kfold": {"k": 2, "repeats": 1, "seeds": 1, "epochs": 1},
    },
    "boston_housing": {
        "final": {"exploring_epochs": 2, "epochs": 2, "seeds": 2},
        "kfold": {"k": 2, "repeats": 2, "seeds": 2, "epochs": 2},
    },
    "digits": {
        "final": {"exploring_epochs": 2, "validation": 100, "epochs": 1, "seeds": 2},
        "kfold": {"k": 2, "repeats": 1, "seeds": 1, "epochs": 1},
    },
}
FEW = "boston_housing", "digits"
SHARED = "reuters", *FEW


def shrink(params, names, source):
    """Make params those of a small run on these data sets."""
    params.update(source=source, datasets={name: params["datasets"][name] for name in names})
    for name in names:
        for part, values in SMALL[name].items():
            params["datasets"][name][part].update(values)


def ran(output):
    """Names of the stages that ran, from what `dvc repro` says."""
    return re.findall(r"Running stage '(\S+)'", output)


class Clone:
    """The files of the project as a repository of its own, with small params.

    shipped: with the shipped data sets, not those of the tests, which are small and generated.
    """

    def __init__(self, folder: Path, names=FEW, shipped=False):
        self.folder = folder
        for name in self.files_of_the_project():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        if not shipped:
            shutil.rmtree(folder / "data/sources")
            shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
        self.edit(lambda params: shrink(params, names, "official" if shipped else "synthetic"))
        self.git("init", "-q")
        self.commit()

    def files_of_the_project(self):
        """What Git has or would take, but for results."""
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            is_result = name.startswith("metrics/") or name == "dvc.lock"
            if (ROOT / name).is_file() and not is_result:
                yield name

    def git(self, *command):
        """What a git command says; it must succeed."""
        identity = "-c", "user.name=t", "-c", "user.email=t@example.org"
        done = self.run("git", *identity, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dvc(self, *command, **environment):
        """What a dvc command says; it must succeed."""
        done = self.run("dvc", *command, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self):
        """Commit all that Git does not ignore."""
        self.git("add", "-A")
        self.git("commit", "-qm", "a state of the small project")

    @classmethod
    def of(cls, other, folder: Path):
        """A Git clone of another one, without its data."""
        subprocess.run(["git", "clone", "-q", other.folder, folder], check=True)
        clone = cls.__new__(cls)
        clone.folder = folder
        return clone

    @classmethod
    def copy(cls, other, folder: Path):
        """A copy of another one with its data."""
        shutil.copytree(other.folder, folder, symlinks=True)
        clone = cls.__new__(cls)
        clone.folder = folder
        return clone

    def edit(self, change):
        """Change params.yaml."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        change(params)
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def environment(self, **changes):
        """Of a process in this clone: the interpreter of the tests comes first."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        return plain | {"PATH": f"{Path(sys.executable).parent}:{plain['PATH']}"} | changes

    def run(self, *command, **environment):
        """Run a command to its end."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=300,
        )

    def start(self, *command, **environment):
        """Start a command as the leader of a new process group."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(**environment),
            start_new_session=True,
            **quiet,
        )

    def repro(self, *arguments):
        """`dvc repro`, which must succeed: names of the stages that ran."""
        return ran(self.dvc("repro", *arguments))

    def state(self):
        """Hashes of everything that the pipeline writes."""
        paths = [
            path
            for folder in ("data", "metrics")
            for path in (self.folder / folder).rglob("*")
            if path.is_file()
        ]
        paths.append(self.folder / "dvc.lock")
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
            if not any(name.endswith(".part") for name in path.parts)  # names that nobody reads
        }

    def figures(self, name):
        """The metrics of a data set."""
        return json.loads((self.folder / f"metrics/{name}.json").read_text())


def shared(factory, folder: Path) -> Clone:
    """A copy, at `folder`, of a clone in which everything has run, and what `dvc repro` said there.

    All processes of a run of the tests share it, and the first that asks makes it. factory: of
    temporary folders.
    """
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with FileLock(root / "ran.lock"):
        if not (root / "ran").exists():
            clone = Clone(root / "running", SHARED)
            (root / "ran.txt").write_text(clone.dvc("repro"))
            clone.commit()
            (root / "running").rename(root / "ran")
    ran = Clone.__new__(Clone)
    ran.folder = root / "ran"
    copy = Clone.copy(ran, folder)
    copy.said = (root / "ran.txt").read_text()
    return copy


def command(process):
    """The command line of a process; of one that has just ended, nothing."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
