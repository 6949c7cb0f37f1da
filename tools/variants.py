"""Named variants, and how they run: each as a DVC experiment of that name, in the queue, on top of the last commit.

python -m tools.variants NAME ...       without a name: what there is

With JOBS=2 in the environment two run side by side, and share the cores.
"""

import os
import re
import subprocess
import time

from stages.core.run.stage import parser_of, tool
from tools.cluster import threads

POLL = 10  # seconds between looks at the queue: a worker needs some to sign on


def on_all(setting):
    """The setting for the three data sets of the tutorial."""
    return [f"datasets.{name}.model.{setting}" for name in ("imdb", "reuters", "boston_housing")]


STUDY = {  # the tutorial's chapter on regularisation
    "original": [],
    "smaller": on_all("units=[4,4]"),
    "larger": on_all("units=[512,512]"),
    "l1": on_all("l1=0.001"),
    "l2": on_all("l2=0.001"),
    "l1_l2": [*on_all("l1=0.001"), *on_all("l2=0.001")],
    "dropout": on_all("dropout=0.5"),
}
BETTER = {  # chosen by K-fold on the training rows
    "bigrams": [
        "datasets.imdb.preprocess.ngrams=2",
        "datasets.imdb.preprocess.num_words=100000",
        "datasets.imdb.fit.weighting=nb",
        "datasets.imdb.model.units=[16]",
        "datasets.imdb.model.dropout=0.5",
        "datasets.imdb.final.epochs=7",
        "datasets.imdb.kfold.epochs=7",
    ],
    "balanced": [
        "datasets.reuters.fit.weighting=tf_idf",
        "datasets.reuters.fit.class_weights=balanced",
        "datasets.reuters.model.units=[512]",
        "datasets.reuters.model.dropout=0.7",
    ],
    "deeper": [
        "datasets.boston_housing.fit.loss=mae",
        "datasets.boston_housing.model.units=[64,64,64]",
        "datasets.boston_housing.model.activation=gelu",
        "datasets.boston_housing.fit.optimizer=adam",
        "datasets.boston_housing.final.epochs=120",
        "datasets.boston_housing.kfold.epochs=120",
    ],
}
DEMO = {  # what a colleague might propose
    "balanced": BETTER["balanced"],
    "softer": ["datasets.reuters.model.activation=softplus"],
    "smoother": ["datasets.boston_housing.model.activation=elu"],
}
BOTTLENECK = {
    "bottleneck": ["datasets.reuters.model.units=[64,4]"]
}  # a layer narrower than what it must tell apart
VARIANTS = STUDY | BETTER | DEMO | BOTTLENECK


def options(name) -> list[str]:
    """The options of `dvc exp run` that make this variant."""
    return [word for setting in VARIANTS[name] for word in ("-S", setting)]


def command(name) -> str:
    """The command that queues this variant: what runs in the workspace would come on top of the variant before."""
    first = f"dvc exp run --queue --name {name}"
    return " \\\n    ".join([first, *(f"-S {setting}" for setting in VARIANTS[name])])


def output(*command, **environment) -> str:
    """What a command prints; what it says on the way goes to the terminal. Exits where it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, encoding="utf-8", env=os.environ | environment
    )
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
    """Start the workers of the queue, as many as JOBS says; it says so where they are at work already."""
    jobs = os.environ.get("JOBS") or "1"
    if not jobs.isdecimal() or not int(jobs):
        raise SystemExit(f"JOBS: expected a number of workers, got {jobs!r}")
    output("dvc", "queue", "start", "--jobs", jobs, **threads(int(jobs)))


def must_be_clean():
    """Exit where what experiments are made of is not as in the last commit: they would carry the changes with them."""
    if changed := output(
        "git", "status", "--porcelain", "--", "params.yaml", "dvc.yaml", "dvc.lock", "stages"
    ):
        raise SystemExit(
            f"Variants run on top of the last commit. Commit or put back first:\n{changed.rstrip()}"
        )


def cache_must_have_an_ascii_path():
    """Exit where DVC cannot set up an experiment in a folder of its own: it notes the path of its cache in ASCII."""
    if not (cache := output("dvc", "cache", "dir").strip()).isascii():
        raise SystemExit(
            f"DVC's queue fails where the path of its cache is not ASCII: {cache}\n"
            "Choose another folder, such as dvc cache dir --local /srv/cache, and move there what is in it."
        )


def run(names):
    """Run those of the variants that have no result yet on top of the last commit; returns when all have one.

    What was killed or failed before is taken out of the queue and run anew, so a second call goes on where the first
    was stopped. Exits with the names of those that fail.
    """
    must_be_clean()
    cache_must_have_an_ascii_path()
    wanted = [name for name in names if name not in finished()]
    tasks, at_work = queued()
    for name in wanted:
        if tasks.get(name) == "Running" and not at_work:  # its worker was killed
            output("dvc", "queue", "kill", name)
            tasks[name] = "Failed"
        if tasks.get(name) in ("Failed", "Success"):
            output("dvc", "queue", "remove", name)
        if tasks.get(name) not in ("Queued", "Running"):
            output("dvc", "exp", "run", "--queue", "--name", name, *options(name))
    idle = (
        0  # looks at a queue in which nobody works, though a task is said to run: the second tells
    )
    while wanted and idle < 2:
        tasks, at_work = queued()
        states = {tasks.get(name) for name in wanted}
        if not states & {"Queued", "Running"}:
            break
        idle = idle + 1 if "Running" in states and not at_work else 0
        start()
        time.sleep(POLL)
    if failed := set(wanted) - finished():
        names = ", ".join(sorted(failed))
        raise SystemExit(
            f"No result: {names}. `dvc queue logs NAME` says why; running this again tries them again."
        )


def main():
    """Run the named variants, or list them."""
    parser = parser_of(main)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(VARIANTS))
    names = parser.parse_args().names
    if unknown := set(names) - set(VARIANTS):
        raise SystemExit(
            f"no such variant: {', '.join(sorted(unknown))}; there are {', '.join(VARIANTS)}"
        )
    if names:
        run(names)
    else:
        for name in VARIANTS:
            print(command(name))


if __name__ == "__main__":
    tool(main)
