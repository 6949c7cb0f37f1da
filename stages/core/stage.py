"""How a stage runs: a user's mistake is one message, and nothing goes on once whoever started the stage is gone."""

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil

from stages.core.arrays import UnreadableFile

WATCH = 0.2  # seconds between looks at the parent
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish"}


def run(main):
    """Run main(name of the data set) as a stage that DVC starts."""
    stop_with_parent()
    stage, name = sys.modules[main.__module__].__spec__.name.rpartition(".")[2], sys.argv[1]
    with one_message(f"{stage} {name}"), earlier_results_kept():
        main(name)


@contextmanager
def one_message(where):
    """Turn what a user, their files or their machine caused into SystemExit with one message instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as a shell says of a command that Ctrl-C ended
    except (UnreadableFile, FloatingPointError, OSError) as error:
        raise SystemExit(f"{where}: {error}. Earlier results are as they were.") from None
    except Exception as error:
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":  # of TensorFlow
            raise
        tensor = re.search(r"OOM when allocating (tensor with shape\S+)", str(error))
        why = tensor[1] if tensor else str(error) or type(error).__name__
        raise SystemExit(
            f"{where}: too little memory for these params ({why}); fewer units, words or rows in a batch need less. "
            "Earlier results are as they were."
        ) from None


@contextmanager
def earlier_results_kept():
    """DVC removes the outputs of a stage before it runs; where the block fails, those of dvc.lock are put back.

    Not after Ctrl-C, which ends DVC as well: it would find this one still at work.
    """
    try:
        yield
    except (Exception, SystemExit):
        if name := os.environ.get("DVC_STAGE"):
            subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet", name], capture_output=True)
        raise


def stop_with_parent():
    """From now on, end this process when the one that started it ends: DVC, or whoever ran the stage by hand.

    DVC starts a command through a shell, which stays when DVC is killed: there, the parent of the shell is watched too.
    DVC may be the command or a library in any program. Raises SystemExit where it was gone before this had begun.
    """
    under_dvc = "DVC_STAGE" in os.environ
    parent = psutil.Process().parent()  # None for the first process of a container
    shell = parent if parent and parent.name() in SHELLS and under_dvc else None
    if under_dvc and not _in_our_group(shell.parent() if shell else parent):
        raise SystemExit("DVC_STAGE is set, and the DVC that set it is gone; to run a stage by hand, unset it")
    threading.Thread(target=_watch, args=(shell,), daemon=True).start()


def _in_our_group(process):
    """Whether DVC can be this process: what it starts stays in its group, and who adopts an orphan is in another."""
    try:
        return process is not None and os.getpgid(process.pid) == os.getpgrp()
    except ProcessLookupError:
        return False


def _watch(shell):
    before = _parents(shell)
    while _parents(shell) == before:
        time.sleep(WATCH)
    os._exit(1)  # at once, also from within a training; what was being written has a name that nobody reads


def _parents(shell):
    try:
        return os.getppid(), shell and shell.ppid()
    except psutil.NoSuchProcess:
        return None
