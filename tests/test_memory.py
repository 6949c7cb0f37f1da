"""Limits of control groups, of both versions, as containers see them."""

import math

import pytest

from stages.core.run import memory

ABSURD = 9223372036854771712  # what version 1 says where there is no limit
OTHERS = "3:cpuset:/elsewhere\n1:name=systemd:/job\n"


def tree(root, cgroup, groups):
    """A root folder with this proc/self/cgroup and groups: folder -> {file: content}."""
    for folder, files in {"proc/self": {"cgroup": cgroup}, **groups}.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (root / folder / name).write_text(str(content))
    return root


def v1(limit, usage, inactive=0):
    """Version 1, which counts a group alone, and in total with the groups below it."""
    stat = f"inactive_file 7\ntotal_inactive_file {inactive}\ntotal_active_file 1\n"
    stat += "hierarchical_memory_limit 9\n"
    return {"memory.limit_in_bytes": limit, "memory.usage_in_bytes": usage, "memory.stat": stat}


def v2(limit, usage, inactive=0):
    stat = f"anon 5\ninactive_file {inactive}\nactive_file 1\n"
    return {"memory.max": f"{limit}\n", "memory.current": f"{usage}\n", "memory.stat": stat}


V1, V2 = "sys/fs/cgroup/memory", "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("cgroup", "groups", "left"),
    [
        ("4:memory:/job\n" + OTHERS, {f"{V1}/job": v1(1500, 900, 100)}, 701),
        (
            "4:cpu,memory:/a/job\n",
            {
                V1: v1(ABSURD, 99),
                f"{V1}/a": v1(1000, 900),
                f"{V1}/a/job": v1(5000, 1),
            },
            101,
        ),
        (
            "4:memory:/docker/4f\n0::/\n",
            {V1: v1(1500, 900, 100)},
            701,
        ),  # the container's group is the root here
        ("4:memory:/job\n", {f"{V1}/job": v1(ABSURD, 10)}, ABSURD - 9),
        ("0::/job\n", {f"{V2}/job": v2(1500, 900, 100)}, 701),
        ("0::/a/job\n", {f"{V2}/a": v2(1000, 900), f"{V2}/a/job": v2("max", 700)}, 101),
        ("0::/\n", {V2: v2(1500, 900, 100)}, 701),  # in a container with another namespace
        ("0::/../../job\n", {f"{V2}/job": v2(1500, 900)}, 601),
        ("0::/job\n", {f"{V2}/job": v2("max", 900)}, math.inf),
        ("0::/job\n", {V2: {"cgroup.controllers": ""}}, math.inf),
        (OTHERS, {V2: {}}, math.inf),
    ],
)
def test_what_the_limits_leave(tmp_path, cgroup, groups, left):
    assert memory.left_by_limits(tree(tmp_path, cgroup, groups)) == left


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert memory.left_by_limits(tmp_path) == math.inf


def test_the_smaller_of_what_the_machine_and_the_limits_leave_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "ROOT", tree(tmp_path, "0::/job\n", {f"{V2}/job": v2(1500, 900)}))
    assert memory.free() == 601
    monkeypatch.setattr(memory, "ROOT", tmp_path / "nothing")
    assert 0 < memory.free() <= memory.psutil.virtual_memory().total
