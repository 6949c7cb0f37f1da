"""Run a command beside a Dask cluster on this machine, which its stages use.

python -m tools.cluster WORKERS COMMAND, as `make repro WORKERS=4` does. The workers share the
cores; the number of threads changes no result.
"""

import argparse
import os
import subprocess
import sys

from stages.core.fit.cluster import ADDRESS
from stages.core.run.stage import parser_of, tool

THREADS = "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"


def threads(workers: int) -> dict[str, str]:
    """Environment variables that give each of so many processes its share of the cores."""
    return dict.fromkeys(THREADS, str(max(1, (os.cpu_count() or 1) // workers)))


def main():
    """Start the cluster, run the command, stop the cluster; hand on the command's exit status."""
    parser = parser_of(main)
    parser.add_argument("workers")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    if not chosen.workers.isdecimal() or not int(chosen.workers) or not chosen.command:
        got = " ".join(sys.argv[1:])
        raise SystemExit(f"expected a number of workers and a command, got {got!r}")
    from distributed import LocalCluster  # which one machine without a cluster does not have

    workers = int(chosen.workers)
    local = {"threads_per_worker": 1, "dashboard_address": ":0", "env": threads(workers)}
    with LocalCluster(n_workers=workers, **local) as cluster:
        environment = os.environ | {ADDRESS: cluster.scheduler_address}
        status = subprocess.run(chosen.command, env=environment).returncode
    raise SystemExit(status)


if __name__ == "__main__":
    tool(main)
