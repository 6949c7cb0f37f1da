"""Bring all results up to date, the chains of the data sets side by side.

`make repro` runs it. JOBS=2 in the environment: so many at the same time; without it, as many as
there are cores. They leave what `dvc repro` leaves, dvc.lock too. It runs last itself, for whatever
else dvc.yaml has, and alone where a single chain has something to do.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import psutil
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.utils.serialize import load_yaml, modify_yaml
from tqdm import tqdm

from stages.core.declared import params, sources
from stages.core.fit import cluster
from stages.core.run.stage import parser_of, tool
from tools.cluster import threads

LOCK = Path("dvc.lock")
DVC = sys.executable, "-m", "dvc"
TOLD_AGAIN = 20  # last lines of a chain that failed
RUNNING = "Running stage '"
SOON = 0.5  # seconds between looks at the chains


class Chain:
    """The stages of a data set, run by a process of DVC."""

    def __init__(self, name: str, options: list[str], environment: dict[str, str]):
        self.name, self.options, self.environment = name, options, environment
        self.process, self.begun, self.stage, self.stopped = None, 0.0, "", False
        self.last = deque(maxlen=TOLD_AGAIN)  # lines of what it said

    def run(self, tell) -> int:
        """Run to the end; tell(line) what it prints. Returns the exit status."""
        self.begun = time.monotonic()
        command = [*DVC, "--wait-for-lock", "repro", *self.options, f"evaluate@{self.name}"]
        said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
        how = {"stdin": subprocess.DEVNULL, "env": os.environ | self.environment, **said}
        with subprocess.Popen(command, encoding="utf-8", **how) as self.process:
            if self.stopped:  # while it was started
                self.stop()
            for line in map(str.rstrip, self.process.stdout):
                self.last.append(line)
                if line.startswith(RUNNING):
                    self.stage = line.removeprefix(RUNNING).partition("@")[0]
                tell(f"{self.name} | {line}")
        return self.process.returncode

    def stop(self):
        """End it, and the stage that it runs."""
        self.stopped = True
        if self.process and self.process.poll() is None:
            ending = []
            with suppress(psutil.NoSuchProcess):  # it has just ended, and its stage with it
                dvc = psutil.Process(self.process.pid)
                ending = [dvc, *dvc.children(recursive=True)]
            for each in ending:
                with suppress(psutil.NoSuchProcess):
                    each.terminate()

    def __str__(self):
        return f"{self.name}: {self.stage or 'begins'}, {time.monotonic() - self.begun:.0f} s"


def jobs(chains: int) -> int:
    """How many chains run at the same time: one on a cluster, which is busy with one. Exits where
    JOBS is no number of them.
    """
    asked = os.environ.get("JOBS") or str(os.cpu_count() or 1)
    if not asked.isdecimal() or not int(asked):
        raise SystemExit(f"JOBS: expected how many chains run at the same time, got {asked!r}")
    return 1 if cluster.is_named() else min(int(asked), chains)


def size(name: str, section) -> int:
    """About how much a chain has to do: bytes of the data set x fits of its K-fold."""
    settings = section.kfold
    read = sum(file.size for file in sources.read(name).files)
    return read * settings.k * settings.repeats * settings.seeds


def changed() -> set[str]:
    """Stages that dvc.lock does not have as they are; "" where DVC cannot tell: it will say why."""
    try:
        with Repo() as repo:
            return {*repo.status()}
    except DvcException:
        return {""}


def side_by_side(chains: list[Chain], count: int) -> list[Chain]:
    """Run the chains in their order, `count` at the same time. Returns those that failed."""

    def tell(line):
        tqdm.write(line)
        sys.stdout.flush()

    bars = [tqdm(bar_format="{desc}", position=n, leave=False, disable=None) for n in range(count)]
    with ThreadPoolExecutor(count) as pool:
        try:
            tasks = {pool.submit(chain.run, tell): chain for chain in chains}
            left = {*tasks}
            while left:
                left = wait(left, SOON, FIRST_COMPLETED).not_done
                at_work = [str(tasks[task]) for task in tasks if task.running()]
                for bar, text in zip(bars, [*at_work, *[""] * count], strict=False):
                    bar.set_description_str(text)
            return [chain for task, chain in tasks.items() if task.result()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for chain in chains:
                chain.stop()
            for bar in bars:
                bar.close()


def locked() -> list[str]:
    """Stages of dvc.lock, in their order."""
    return [*load_yaml(LOCK).get("stages", {})] if LOCK.exists() else []


def put_in_order(before: list[str]):
    """Give dvc.lock the order of a serial run: new stages come last, each when it would have run.

    before: the stages that it had.
    """
    with Repo() as repo:
        planned = [stage.addressing for stage in plan_repro(repo.index.graph)]
    order = [*before, *(name for name in planned if name not in before)]
    with modify_yaml(LOCK) as document:
        stages = document["stages"]
        document["stages"] = {name: stages[name] for name in order if name in stages}


def run_chains(names: list[str], options: list[str]):
    """Run the chains of these data sets. Exits with what those said that failed."""
    count = jobs(len(names))
    if failed := side_by_side([Chain(name, options, threads(count)) for name in names], count):
        said = ("\n".join(f"{chain.name} | {line}" for line in chain.last) for chain in failed)
        failures = ", ".join(chain.name for chain in failed)
        raise SystemExit("\n\n".join(["", *said, f"Failed: {failures}. All others are done."]))


def run(names: list[str], options: list[str]) -> int:
    """Run the chains of these data sets, if there are several, then `dvc repro`.

    options: of `dvc repro`. Returns its exit status. Exits where a chain fails.
    """
    before = locked()
    try:
        if len(names) > 1:
            run_chains(names, options)
            options = []  # as for --force: what the chains ran is up to date
        return subprocess.run([*DVC, "repro", *options]).returncode
    finally:
        if before != locked():
            put_in_order(before)


def main():
    """Run what there is to do."""
    parser = parser_of(main)
    parser.add_argument("--force", action="store_true", help="also what is up to date")
    options = ["--force"] if parser.parse_args().force else []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the chains too
    sections = params.load().datasets
    names = [*sections]
    if not options:
        if not (stages := changed()):
            print("All results are up to date.")
            return
        names = [name for name in names if any(stage.endswith(f"@{name}") for stage in stages)]
    names.sort(key=lambda name: size(name, sections[name]), reverse=True)
    raise SystemExit(run(names if jobs(len(sections)) > 1 else [], options))


if __name__ == "__main__":
    tool(main)
