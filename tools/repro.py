"""`dvc repro` with the data sets side by side: python -m tools.repro, as `make repro` does.

The stages of a data set are a chain, which is a `dvc repro` of its own. JOBS=2 in the
environment runs two chains at the same time; without it, as many run as there are cores. JOBS=1 is
a plain `dvc repro`, as it is on a Dask cluster. Outputs and dvc.lock are those of a plain run.
"""

import contextlib
import os
import re
import select
import signal
import sys
from collections import Counter, deque
from subprocess import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired

from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.utils.serialize import modify_yaml
from tqdm import tqdm

from stages.core.declared import params, sources
from stages.core.fit import cluster
from stages.core.run.stage import parser_of, stop_with_parent, tool
from tools.cluster import threads
from tools.repair import LOCK, git

PLAIN = sys.executable, "-m", "dvc", "repro"
# DVC that ends with this process, even if that is killed, as stages end with DVC.
WATCHED = "import dvc.cli, stages.core.run.stage as s; s.stop_with_parent(); exit(dvc.cli.main())"
# Its own stages alone. DVC locks for a moment also what has not changed: a stage that two chains
# need would be busy in one of them while the other reads what it made.
CHAIN = sys.executable, "-c", WATCHED, "--wait-for-lock", "repro", "--single-item"
SAID = 10  # lines of a failed chain that the last message repeats
GRACE = 10  # seconds for a chain to end after Ctrl-C


def jobs(most: int) -> int:
    """How many chains run at the same time: JOBS, or one for each core; at most `most`."""
    if cluster.is_named():  # its workers have the cores
        return 1
    cores = getattr(os, "sched_getaffinity", lambda process: range(os.cpu_count() or 1))(0)
    text = os.environ.get("JOBS") or str(len(cores))
    if not text.isdecimal() or not int(text):
        raise SystemExit(f"JOBS: expected a number of chains to run side by side, got {text!r}")
    return min(int(text), most)


def size(name: str, section) -> int:
    """About how much a chain has to do: bytes of the data set x fits of its K-fold."""
    fits = section.kfold.k * section.kfold.repeats * section.kfold.seeds
    return fits * sum(file.size for file in sources.read(name).files)


def plan(names: list[str]) -> tuple[list[str], list[dict[str, list[str]]]]:
    """All stages in the order of a serial run, and what is to run, mapping after mapping.

    First what several chains need, which DVC refuses to run twice at a time; then the chains with
    changes; then what is part of none. Nothing where nothing has changed.
    """
    repo = Repo()
    with lock_repo(repo):
        graph = get_active_graph(repo.index.graph)
        steps = plan_repro(graph, [step for step in graph if step.path_in_repo == "dvc.yaml"])
        changed = {step for step in steps if step.changed()}
    chains = {}
    for name in names:
        mine = [step for step in steps if step.addressing.endswith(f"@{name}")]
        chains[name] = plan_repro(graph, mine) if mine else mine
    uses = Counter(step for chain in chains.values() for step in chain)
    addresses = {step: step.addressing for step in steps}
    stale = {
        name: [addresses[step] for step in chain if uses[step] == 1]
        for name, chain in chains.items()
        if changed.intersection(chain)
    }
    shared = [addresses[step] for step in steps if uses[step] > 1]
    others = [addresses[step] for step in steps if not uses[step]]
    parts = [{"shared": shared}, stale, {"others": others}] if changed else []
    return list(addresses.values()), parts


class Chain:
    """A `dvc repro` of some stages whose lines are printed after a name, each whole."""

    def __init__(self, name: str, targets: list[str], environment: dict[str, str]):
        self.name, self.rest, self.said = name, b"", deque(maxlen=SAID)
        pipes = {"stdin": DEVNULL, "stdout": PIPE, "stderr": STDOUT}
        # Not in the session of the terminal: Ctrl-C is for this process, which ends its chains.
        self.process = Popen([*CHAIN, *targets], env=environment, start_new_session=True, **pipes)
        # In a terminal alone: which stage runs, and for how long.
        self.bar = tqdm(desc=name, bar_format="{desc}, {elapsed}", leave=False, disable=None)

    def read(self) -> bool:
        """Print the lines that have come; returns whether more may come."""
        new = os.read(self.process.stdout.fileno(), 2**16)
        *lines, self.rest = (self.rest + (new or b"\n" * bool(self.rest))).split(b"\n")
        for line in lines:
            self.print(line.decode(errors="backslashreplace"))
        return bool(new)

    def print(self, line: str):
        """Print a line and note what it says of the stage that runs."""
        self.said.append(f"{self.name} | {line}".rstrip())
        with tqdm.external_write_mode():
            print(self.said[-1], flush=True)
        if stage := re.match(r"Running stage '(.+)':", line):
            self.said.clear()
            self.bar.reset()
            self.bar.set_description_str(f"{self.name} | {stage[1]}")

    def signal(self, number: int):
        """Send a signal to DVC and to the stage that it runs."""
        with contextlib.suppress(ProcessLookupError):  # they have ended
            os.killpg(self.process.pid, number)

    def close(self) -> int:
        """Wait for the end; returns the exit status of DVC."""
        self.bar.close()
        self.process.stdout.close()
        return self.process.wait()


def run(targets: dict[str, list[str]], most: int) -> list[Chain]:
    """Run the stages of each name, at most so many names at a time; returns those that failed."""
    waiting, running, failed = [name for name in targets if targets[name]], {}, []
    share = threads(min(most, len(waiting) or 1)) | {"PYTHONUNBUFFERED": "1"}
    try:
        while waiting or running:
            while waiting and len(running) < most:
                chain = Chain(name := waiting.pop(0), targets[name], os.environ | share)
                running[chain.process.stdout] = chain
            for pipe in select.select(running, [], [], 1)[0]:
                if not running[pipe].read():
                    chain = running.pop(pipe)
                    failed += [chain] if chain.close() else []
            for chain in running.values():
                chain.bar.refresh()
    finally:
        end(list(running.values()))
    return failed


def end(chains: list[Chain]):
    """End chains and their stages as Ctrl-C does; by force after a while or a second Ctrl-C."""
    with contextlib.suppress(TimeoutExpired, SystemExit):
        for chain in chains:
            chain.signal(signal.SIGINT)
        for chain in chains:
            chain.process.wait(GRACE)
    for chain in chains:
        chain.signal(signal.SIGKILL)
        chain.close()


def stages_of(lock: str) -> list[str]:
    """The stages of a dvc.lock, in its order."""
    return re.findall(r"^  (\S+):$", lock, re.MULTILINE)


def put_in_order(order: list[str]):
    """Put what the dvc.lock of the last commit lacks in this order. DVC appends what ends first."""
    with Repo(_wait_for_lock=True).lock:
        now = stages_of(LOCK.read_text("utf-8")) if LOCK.exists() else []
        committed = stages_of(git("show", f"HEAD:./{LOCK}").stdout)
        wanted = [address for address in dict.fromkeys([*committed, *order]) if address in now]
        if wanted != now:
            with modify_yaml(LOCK) as lock:
                for address in wanted:
                    lock["stages"][address] = lock["stages"].pop(address)


def stop(number, frame):
    """End what runs, and then this process with the status that a shell gives to the signal."""
    raise SystemExit(128 + number)


def main():
    """Run what has changed; exits with the names of the chains that failed."""
    parser_of(main).parse_args()
    sections = params.load().datasets
    names = sorted(sections, key=lambda name: size(name, sections[name]), reverse=True)
    if (most := jobs(len(names))) < 2:
        os.execv(PLAIN[0], PLAIN)
    try:
        order, parts = plan(names)
    except DvcException:
        os.execv(PLAIN[0], PLAIN)  # which says what is wrong
    if not parts:
        print("Data and pipelines are up to date.")
        return
    if "MAKELEVEL" in os.environ:
        stop_with_parent()  # the shell of the recipe, which make ends where it is ended
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        failed = next(filter(None, (run(targets, most) for targets in parts)), [])
    finally:
        put_in_order(order)
    if failed:
        names = ", ".join(chain.name for chain in failed)
        said = [line for chain in failed for line in chain.said]
        raise SystemExit("\n".join([f"Failed: {names}. What they said last:", *said]))


if __name__ == "__main__":
    tool(main)
