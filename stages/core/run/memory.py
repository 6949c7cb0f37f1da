"""How much memory this process may still take: what the machine has free, and what a container's limit leaves.

psutil knows of the machine alone; the libraries that read control groups look at limits, not at what is left of them.
"""

import math
import os
from pathlib import Path

import psutil

ROOT = Path("/")
# Where a control group says its limit, what it takes, and what of that are copies of files, which the system drops
# before it ends a process. Version 1 of the groups has a tree for memory alone.
VERSION_1 = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
VERSION_2 = "sys/fs/cgroup", "memory.max", "memory.current", ""


def free() -> float:
    """Bytes that this process can have before the system ends it or others."""
    return min(psutil.virtual_memory().available, left_by_limits(ROOT))


def left_by_limits(root: Path) -> float:
    """Bytes that the limits of this process's control group, and of those around it, leave; infinity without any.

    root: the folder that has `proc` and `sys`. Without control groups, as on a Mac, there are no limits.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return math.inf
    left = math.inf
    for _, controllers, place in (line.split(":", 2) for line in lines):
        if not controllers or "memory" in controllers.split(","):
            tree, *names = VERSION_1 if controllers else VERSION_2
            # Seen from within a container, the path may be that outside of it, or begin with `..`.
            group = Path(os.path.normpath(place).lstrip("/"))
            left = min(
                left, *(_left(root / tree / around, *names) for around in (group, *group.parents))
            )
    return left


def _left(group, limit, usage, prefix):
    """Bytes that one group leaves; infinity where it has no limit or is not there."""
    try:
        bytes_left = int((group / limit).read_text("utf-8")) - int(
            (group / usage).read_text("utf-8")
        )
        pairs = (line.split() for line in (group / "memory.stat").read_text("utf-8").splitlines())
        counts = {name: int(count) for name, count in pairs}
    except (OSError, ValueError):  # the last of `max`
        return math.inf
    return bytes_left + sum(
        counts.get(f"{prefix}{kind}_file", 0) for kind in ("inactive", "active")
    )
