"""Named variants are settings that params.yaml takes, and each runs once, in DVC's queue."""

import pytest

from tools import cluster, variants

NAMED = variants.named()


@pytest.mark.parametrize("text", ["", "[1]", "a: l2=1", "a: [1]", "a: [", "a: []\na: []", "\0"])
def test_a_file_without_lists_of_settings_is_one_message(monkeypatch, tmp_path, text):
    monkeypatch.chdir(tmp_path)
    assert variants.named() == {}, "the files may be missing"
    (tmp_path / "variants.yaml").write_text(text)
    with pytest.raises(SystemExit, match=r"^variants.yaml: expected lists of key=value"):
        variants.named()


def test_a_command_has_a_line_for_each_setting():
    assert variants.command("a", ["b=1", "c=[2]"]).splitlines() == [
        "dvc exp run --queue --name a \\",
        "    -S b=1 \\",
        "    -S c=[2]",
    ]


def test_the_states_of_the_queue_are_read_from_its_table(monkeypatch):
    status = (
        "Task     Name    Created    Status\n"
        "e804348  l1      04:14 AM   Running\n"
        "aee5f3c  l1_l2   Nov 24, 2026   Queued\n"
        "1d0758a  smaller 04:14 AM   Failed\n"
        "\nWorker status: 1 active, 0 idle\n"
    )
    monkeypatch.setattr(variants, "output", lambda *command: status)
    assert variants.queued() == ({"l1": "Running", "l1_l2": "Queued", "smaller": "Failed"}, True)
    status = status.replace("1 active, 0 idle", "0 active, 1 idle")
    assert not variants.queued()[1]


def test_what_is_left_over_in_the_queue_runs_anew_and_what_has_a_result_does_not(monkeypatch):
    tasks = {"killed": "Running", "failed": "Failed", "waiting": "Queued"}
    asked, results = [], [{"done"}, {"done", *tasks, "new"}]
    monkeypatch.setattr(variants, "output", lambda *command: asked.append(command) or "")
    monkeypatch.setattr(variants, "finished", lambda: results.pop(0))
    states = iter([(tasks, False), ({}, False)])
    monkeypatch.setattr(variants, "queued", lambda: next(states))
    variants.run({"done": [], "new": ["a=1"], "killed": [], "failed": [], "waiting": []})
    queue = [command[1:] for command in asked if command[1] in ("queue", "exp")]
    assert queue == [
        ("exp", "run", "--queue", "--name", "new", "-S", "a=1"),
        ("queue", "kill", "killed"),
        ("queue", "remove", "killed"),
        ("exp", "run", "--queue", "--name", "killed"),
        ("queue", "remove", "failed"),
        ("exp", "run", "--queue", "--name", "failed"),
    ]


def test_a_variant_without_a_result_is_named_at_the_end(monkeypatch):
    monkeypatch.setattr(variants, "output", lambda *command: "")
    monkeypatch.setattr(variants, "finished", set)
    monkeypatch.setattr(variants, "queued", lambda: ({}, False))
    with pytest.raises(SystemExit, match="No result: a, b"):
        variants.run({"b": [], "a": []})


@pytest.mark.parametrize("jobs", ["0", "two", "-1"])
def test_a_number_of_jobs_that_is_none_is_refused(monkeypatch, jobs):
    monkeypatch.setenv("JOBS", jobs)
    with pytest.raises(SystemExit, match=f"JOBS: expected a number of workers, got '{jobs}'"):
        variants.start()


def test_workers_share_out_the_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert set(cluster.threads(2).values()) == {"4"}
    assert set(cluster.threads(3).values()) == {"2"}
    assert set(cluster.threads(16).values()) == {"1"}


def test_the_state_of_the_project_that_variants_start_from_is_that_of_the_last_commit(monkeypatch):
    changes = " M params.yaml\n"
    monkeypatch.setattr(variants, "output", lambda *command: changes if "status" in command else "")
    with pytest.raises(SystemExit, match=r"Commit or put back first:\n M params.yaml"):
        variants.run({"l2": []})


def test_a_cache_that_dvc_cannot_name_in_ascii_is_said_before_anything_is_queued(monkeypatch):
    folders = iter(["/tmp/é/.dvc/cache\n", "/srv/cache\n"])
    monkeypatch.setattr(
        variants,
        "output",
        lambda *command: next(folders) if command[:2] == ("dvc", "cache") else "",
    )
    with pytest.raises(SystemExit, match=r"/tmp/é.*\n.*dvc cache dir --local"):
        variants.run({"l2": []})
    variants.cache_must_have_an_ascii_path()


def test_experiments_of_other_commits_are_not_taken_for_results(monkeypatch):
    refs = "refs/exps/ab/cdef/l1\nrefs/exps/ab/cdef/l2\n"
    asked = []

    def output(*command):
        asked.append(command)
        return "abcdef\n" if "rev-parse" in command else refs

    monkeypatch.setattr(variants, "output", output)
    assert variants.finished() == {"l1", "l2"}
    assert asked[-1][-1] == "refs/exps/ab/cdef"
