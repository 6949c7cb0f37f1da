"""Run a command beside a Dask cluster on this machine, which its stages use: python -m tools.cluster WORKERS COMMAND.

`make repro WORKERS=4` does. The cores are shared out among the workers; the number of threads changes
no result but the last digits of convolutions.
"""

import argparse
import os
import subprocess
import sys

from stages.core.fit.cluster import ADDRESS
from stages.core.run.stage import parser_of, tool


def threads(workers: int) -> dict[str, str]:
    """Environment variables that give each of so many processes its share of the cores, one at least."""
    share = str(max(1, (os.cpu_count() or 1) // workers))
    return dict.fromkeys(
        ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), share
    )


def main():
    """Start the cluster, run the command, stop the cluster; the command's exit status is handed on."""
    parser = parser_of(main)
    parser.add_argument("workers")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    workers, command = chosen.workers, chosen.command
    if not workers.isdecimal() or not int(workers) or not command:
        raise SystemExit(
            f"expected a number of workers and a command, got {' '.join(sys.argv[1:])!r}"
        )
    from distributed import LocalCluster  # which one machine without a cluster does not have

    local = {"threads_per_worker": 1, "dashboard_address": ":0", "env": threads(int(workers))}
    with LocalCluster(n_workers=int(workers), **local) as cluster:
        status = subprocess.run(
            command, env=os.environ | {ADDRESS: cluster.scheduler_address}
        ).returncode
    raise SystemExit(status)


if __name__ == "__main__":
    tool(main)
