"""A full disk, a folder that cannot be written and two runs at once: a clear error or the right
result.
"""

import contextlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from small import FEW, Clone


@contextlib.contextmanager
def small_disk(folder):
    """A new tmpfs at the folder; yields remount(options) to make it smaller, larger or read-
    only.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("only root may mount a disk")
    try:
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", folder], check=True
        )
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


@contextlib.contextmanager
def on_a_small_disk(folder):
    """The folder on a disk of its own, until the end of the block."""
    kept = folder.rename(folder.parent.with_name(f"{folder.name}.kept"))
    try:
        with small_disk(folder) as remount:
            shutil.copytree(kept, folder, dirs_exist_ok=True)
            yield remount
    finally:
        kept.rename(folder)


def room(folder, kilobytes):
    """The option that leaves so much room on the disk of the folder."""
    return f"size={shutil.disk_usage(folder).used // 1024 + kilobytes}k"


OUTPUTS = [
    ("download", "data/raw"),
    ("preprocess", "data/arrays"),
    ("train", "data/models"),
    ("kfold", "data/folds"),
    ("evaluate", "metrics"),
]
LAST_IS_QUICK = [
    *(pytest.param(*output, marks=pytest.mark.slow) for output in OUTPUTS[:-1]),
    OUTPUTS[-1],
]


@pytest.mark.parametrize(("stage", "output"), LAST_IS_QUICK)
def test_a_full_disk_is_one_clear_error_and_earlier_results_stay(clone, stage, output, tried):
    folder, before = clone.folder / output, clone.state()
    with on_a_small_disk(folder) as remount:
        remount(room(folder, 8))
        done = clone.run(sys.executable, "-m", f"stages.{stage}", "digits")
        assert done.returncode != 0
        assert f"{stage} digits: [Errno 28] No space left on device" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert clone.state() == before
        assert not list(folder.rglob("*.part"))
    tried(
        "the disk is full when a stage writes",
        "a clear error; earlier results stay, nothing half-written",
    )


@pytest.fixture(scope="module")
def other_seed(ran, tmp_path_factory):
    """The state of a clone that ran with room enough and another seed."""
    clone = Clone.copy(ran, tmp_path_factory.mktemp("other") / "seed")
    clone.edit(lambda params: params.update(seed=5))
    clone.repro()
    return clone.state()


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [0, 20, 120, 300])
def test_where_the_disk_is_full_under_dvc_the_next_run_goes_on(
    ran, other_seed, tmp_path, kilobytes, tried
):
    old, new = ran.state(), other_seed
    with small_disk(tmp_path / "disk") as remount:
        clone = Clone.copy(ran, tmp_path / "disk/clone")
        clone.edit(lambda params: params.update(seed=5))
        remount(room(clone.folder, kilobytes))
        done = clone.run("dvc", "repro")
        assert done.returncode != 0
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        state = clone.state()
        assert all(
            state[path] in (old.get(path), new.get(path)) for path in state if path != "dvc.lock"
        )
        remount("size=50%")
        clone.repro()
        assert clone.state() == new
    tried(
        "the disk is full anywhere in `dvc repro`",
        "a clear error; with room again, the next one ends well",
    )


@pytest.mark.parametrize(("stage", "output"), LAST_IS_QUICK)
def test_a_read_only_folder_is_one_clear_error(clone, stage, output, tried):
    folder, before = clone.folder / output, clone.state()
    with on_a_small_disk(folder) as remount:
        remount("ro")
        done = clone.run(sys.executable, "-m", f"stages.{stage}", "digits")
        assert done.returncode != 0
        assert f"{stage} digits: [Errno 30] Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr
        assert clone.state() == before
    tried("the folder that a stage writes to is read-only", "a clear error; earlier results stay")


def test_a_file_in_the_place_of_a_folder_is_one_clear_error(clone, tried):
    before = clone.state()
    path = clone.folder / "data/folds"
    kept = path.rename(path.with_name("folds.kept"))
    path.write_text("a file where the folder should be")
    done = clone.run(sys.executable, "-m", "stages.kfold", "digits")
    path.unlink()
    kept.rename(path)
    assert done.returncode != 0
    assert "kfold digits: " in done.stderr
    assert "Traceback" not in done.stderr
    assert clone.state() == before
    tried("a file stands where a stage's folder belongs", "a clear error; earlier results stay")


def test_two_runs_at_once_end_well_or_say_that_the_other_is_at_work(clone, tried):
    before = clone.state()
    with ThreadPoolExecutor() as pool:
        runs = list(
            pool.map(lambda _: clone.run("dvc", "repro", "--force", "kfold@digits"), range(2))
        )
    assert any(run.returncode == 0 for run in runs)
    for run in runs:
        if run.returncode:
            assert "lock" in run.stderr or "busy" in run.stderr, run.stderr
            assert "Traceback" not in run.stderr
    clone.repro()
    assert clone.state() == before
    tried(
        "two `dvc repro` at once of the same stages",
        "one ends well, the other too or says that it must wait",
    )


@pytest.mark.slow
def test_two_runs_of_other_stages_at_once_both_end_well(clone, tried):
    before = clone.state()
    with ThreadPoolExecutor() as pool:
        command = "dvc", "repro", "--force", "--single-item"
        runs = list(pool.map(lambda name: clone.run(*command, f"kfold@{name}"), FEW))
    assert [run.returncode for run in runs] == [0, 0], runs
    assert clone.state() == before
    tried(
        "two `dvc repro` at once of other stages",
        "both end well; dvc.lock as from one after the other",
    )
