"""A full disk, a folder that cannot be written and two runs at once: a clear error or the right result."""

import contextlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from small import SMALL


@contextlib.contextmanager
def little_room(folder, size):
    """A small tmpfs in the place of a folder, with what the folder holds; gone afterwards."""
    kept = folder.parent.with_name(f"{folder.name}.kept")
    folder.rename(kept)
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    try:
        if mounted.returncode:
            pytest.skip("only root may mount a small disk")
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        kept.rename(folder)


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("stage", "part"),
    [("download", "raw"), ("preprocess", "arrays"), ("train", "models"), ("kfold", "folds")],
)
def test_a_full_disk_is_one_clear_error_and_earlier_results_stay(clone, stage, part, tried):
    folder, before = clone.folder / "data" / part, clone.state()
    with little_room(folder, (size(folder) // 4096 + 8) * 4096):
        done = clone.run(sys.executable, "-m", f"stages.{stage}", "digits")
        assert done.returncode != 0
        assert f"{stage} digits: [Errno 28] No space left on device" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert clone.state() == before
        assert not list(folder.rglob("*.part"))
    tried("the disk is full when a stage writes", "a clear error; earlier results stay, nothing half-written")


def test_a_folder_that_cannot_be_written_is_one_clear_error(clone, tried):
    before = clone.state()
    path = clone.folder / "data/folds"
    kept = path.rename(path.with_name("folds.kept"))
    path.write_text("a file where the folder should be")  # root may write everywhere else
    done = clone.run(sys.executable, "-m", "stages.kfold", "digits")
    path.unlink()
    kept.rename(path)
    assert done.returncode != 0
    assert "kfold digits: " in done.stderr
    assert "Traceback" not in done.stderr
    assert clone.state() == before
    tried("a stage cannot write where its output belongs", "a clear error; earlier results stay")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_clear_error(clone):
    before, folder = clone.state(), clone.folder / "data/folds"
    folder.chmod(0o555)
    done = clone.run(sys.executable, "-m", "stages.kfold", "digits")
    folder.chmod(0o755)
    assert done.returncode != 0
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert clone.state() == before


def test_two_runs_at_once_end_well_or_say_that_the_other_is_at_work(clone, tried):
    before = clone.state()
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: clone.run("dvc", "repro", "--force", "kfold@digits"), range(2)))
    assert any(run.returncode == 0 for run in runs)
    for run in runs:
        if run.returncode:
            assert "lock" in run.stderr or "busy" in run.stderr, run.stderr
            assert "Traceback" not in run.stderr
    clone.repro()
    assert clone.state() == before
    tried("two `dvc repro` at once of the same stages", "one ends well, the other too or says that it must wait")


def test_two_runs_of_other_stages_at_once_both_end_well(clone, tried):
    before = clone.state()
    with ThreadPoolExecutor() as pool:
        command = "dvc", "repro", "--force", "--single-item"
        runs = list(pool.map(lambda name: clone.run(*command, f"kfold@{name}"), SMALL))
    assert [run.returncode for run in runs] == [0, 0], runs
    assert clone.state() == before
    tried("two `dvc repro` at once of other stages", "both end well; dvc.lock as from one after the other")
