"""How much memory this process may still take, of the machine and of a container's limit.

psutil knows of the machine alone; the libraries that read control groups look at limits, not at
what is left of them.
"""

import math
import os
from pathlib import Path

import psutil

ROOT = Path("/")
# Where a control group says its limit, what it takes, and how much of that are copies of files,
# which the system drops before it ends a process. Version 1 has a tree of groups for memory alone.
VERSION_1 = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
VERSION_2 = "sys/fs/cgroup", "memory.max", "memory.current", ""


def free() -> float:
    """Bytes that this process can have before the system ends it or others."""
    return min(psutil.virtual_memory().available, left_by_limits(ROOT))


def left_by_limits(root: Path) -> float:
    """Bytes that the limits of this process's control groups leave; infinity without any.

    root: the folder that has `proc` and `sys`. Without control groups, as on a Mac, there are none.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return math.inf
    left = [math.inf]
    for _, controllers, place in (line.split(":", 2) for line in lines):
        if not controllers or "memory" in controllers.split(","):
            tree, *names = VERSION_1 if controllers else VERSION_2
            # Seen from within a container, the path may be that outside of it, or begin with `..`.
            group = Path(os.path.normpath(place).lstrip("/"))
            left += [_left(root / tree / around, *names) for around in (group, *group.parents)]
    return min(left)


def _left(group, limit, usage, prefix):
    """Bytes that a group leaves; infinity where it has no limit or is not there."""
    try:
        bound, taken = (int((group / name).read_text("utf-8")) for name in (limit, usage))
        stat = (group / "memory.stat").read_text("utf-8").splitlines()
        counts = {name: int(count) for name, count in map(str.split, stat)}
    except (OSError, ValueError):  # the latter for `max`
        return math.inf
    files = counts.get(f"{prefix}inactive_file", 0) + counts.get(f"{prefix}active_file", 0)
    return bound - taken + files
