"""Named variants, each a DVC experiment of that name, in the queue, on top of the last commit.

python -m tools.variants NAME ...       without a name: what there is

Their settings stand in variants.yaml, those of this repository's studies in studies/variants.yaml.
With JOBS=2 in the environment two run side by side, and share the cores.
"""

import os
import re
import subprocess
import time
from pathlib import Path

from pydantic import TypeAdapter

from stages.core.declared import strict_yaml
from stages.core.run.stage import parser_of, tool
from tools.cluster import threads

FILES = Path("variants.yaml"), Path("studies/variants.yaml")
EXPERIMENT = "dvc", "exp", "run", "--queue", "--name"
POLL = 10  # seconds between looks at the queue: a worker needs some to sign on


def named() -> dict[str, list[str]]:
    """{name: settings, each `key=value`} of the files that are there. Exits where one is wrong."""
    found = {}
    for path in filter(Path.is_file, FILES):
        try:
            content = strict_yaml.read(path.read_bytes())
            found |= TypeAdapter(dict[str, list[str]]).validate_python(content)
        except ValueError as error:
            raise SystemExit(f"{path}: expected lists of key=value under names: {error}") from None
    return found


def command(name: str, settings: list[str]) -> str:
    """The command that queues a variant; without --queue it would be on top of the one before."""
    return " \\\n    -S ".join([" ".join([*EXPERIMENT, name]), *settings])


def output(*command, **environment) -> str:
    """What a command prints; its messages go to the terminal. Exits where it fails."""
    environment = os.environ | environment
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed; repair what it says and run this again.")
    return done.stdout


def finished() -> set[str]:
    """Names of the experiments on top of the last commit."""
    head = output("git", "rev-parse", "HEAD").strip()
    names = output("git", "for-each-ref", "--format=%(refname)", f"refs/exps/{head[:2]}/{head[2:]}")
    return {name.rpartition("/")[2] for name in names.split()}


def queued() -> tuple[dict[str, str], bool]:
    """{name: state} of the tasks in the queue, and whether a worker is at work on any."""
    status = output("dvc", "queue", "status")
    lines = (line.split() for line in status.splitlines())
    states = "Queued", "Running", "Failed", "Success"
    tasks = {words[1]: words[-1] for words in lines if len(words) > 3 and words[-1] in states}
    return tasks, not re.search(r"^Worker status: 0 active", status, re.MULTILINE)


def start():
    """Start as many workers of the queue as JOBS says; DVC says so where they are at work."""
    jobs = os.environ.get("JOBS") or "1"
    if not jobs.isdecimal() or not int(jobs):
        raise SystemExit(f"JOBS: expected a number of workers, got {jobs!r}")
    output("dvc", "queue", "start", "--jobs", jobs, **threads(int(jobs)))


def must_be_clean():
    """Exit where what experiments are made of has changes: they would carry the changes along."""
    files = "params.yaml", "dvc.yaml", "dvc.lock", "stages", "data/sources"
    if changed := output("git", "status", "--porcelain", "--", *files).rstrip():
        raise SystemExit(
            f"Variants run on top of the last commit. Commit or put back first:\n{changed}"
        )


def cache_must_have_an_ascii_path():
    """Exit where DVC's queue would fail: it notes the path of its cache in ASCII."""
    if not (cache := output("dvc", "cache", "dir").strip()).isascii():
        raise SystemExit(
            f"DVC's queue fails where the path of its cache is not ASCII: {cache}\nChoose another "
            "folder, such as dvc cache dir --local /srv/cache, and move there what is in it."
        )


def run(variants: dict[str, list[str]]):
    """Run those of the variants that have no result on top of the last commit, and wait for them.

    What was killed or failed before is taken out of the queue and run anew, so a second call goes
    on where the first was stopped. Exits with the names of those that fail.
    """
    must_be_clean()
    cache_must_have_an_ascii_path()
    wanted = variants.keys() - finished()
    tasks, at_work = queued()
    for name in filter(wanted.__contains__, variants):  # in their order
        state = tasks.get(name)
        if state == "Running" and not at_work:  # its worker was killed
            output("dvc", "queue", "kill", name)
            state = "Failed"
        if state in ("Failed", "Success"):
            output("dvc", "queue", "remove", name)
        if state not in ("Queued", "Running"):
            changes = [word for setting in variants[name] for word in ("-S", setting)]
            output(*EXPERIMENT, name, *changes)
    _wait(wanted)
    if failed := wanted - finished():
        raise SystemExit(
            f"No result: {', '.join(sorted(failed))}. `dvc queue logs NAME` says why; running this "
            "again tries them again."
        )


def _wait(names):
    """Return when the queue has none of these tasks left."""
    idle = 0  # looks at a task that is said to run while nobody works: the second tells
    while names and idle < 2:
        tasks, at_work = queued()
        states = {tasks.get(name) for name in names}
        if not states & {"Queued", "Running"}:
            break
        idle = idle + 1 if "Running" in states and not at_work else 0
        start()
        time.sleep(POLL)


def main():
    """Run the named variants, or list them."""
    variants = named()
    parser = parser_of(main)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(variants))
    names = dict.fromkeys(parser.parse_args().names)
    if unknown := sorted(names.keys() - variants.keys()):
        raise SystemExit(
            f"no such variant: {', '.join(unknown)}; there are {', '.join(variants) or 'none'}"
        )
    if names:
        run({name: variants[name] for name in names})
    else:
        for name, settings in variants.items():
            print(command(name, settings))


if __name__ == "__main__":
    tool(main)
