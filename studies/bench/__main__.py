"""Speed side by side: the same folds, epochs and batches, trained by this project and by others.

-> docs/benchmark.md. Each contender runs in a process of its own, three times, in turns; the page
gives medians, ratios first, with the held-out metric beside each, so that nobody is fast by being
wrong. `make bench` installs PyTorch and JAX into a folder of their own; it needs the files and
arrays that `make repro` leaves in data/, and one to two hours.
"""

if not __package__:
    raise SystemExit("to run studies/bench: make bench, or python -m studies.bench")

from stages.core.run.stage import parser_of, tool
from studies.bench import contenders, packages, page, runs
from studies.bench.tasks import GROWTH, TASKS


def main():
    """Measure everything and write the page; with arguments, be a process that is measured."""
    parser = parser_of(main)
    labels = ["script", *contenders.CONTENDERS]
    parser.add_argument("contender", nargs="?", metavar="CONTENDER", choices=labels)
    tasks = [*contenders.SCRIPTS, *TASKS, *GROWTH]
    parser.add_argument("on", nargs="?", metavar="TASK", choices=tasks)
    chosen = parser.parse_args()
    if chosen.contender and not chosen.on:
        parser.error("expected what to run it on")
    if chosen.contender == "script":
        contenders.script(chosen.on)
    elif chosen.contender:
        runs.measure(chosen.contender, chosen.on)
    else:
        packages.install()  # before anything is measured
        whole, sets = runs.whole_runs(), runs.data_sets()
        page.page(runs.side_by_side(), whole, sets)


if __name__ == "__main__":
    tool(main)
