"""How a stage or a tool runs: a mistake is one message, and no stage goes on once whoever started it is gone."""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil

from stages.core.data.arrays import UnreadableFile
from stages.core.declared import params

WATCH = 0.2  # seconds between looks at the parent
KEPT = " Earlier results are as they were."
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish"}


def run(main):
    """Run main(name of the data set) as a stage that DVC starts."""
    stop_with_parent()
    stage = sys.modules[main.__module__].__spec__.name.rpartition(".")[2]
    with one_message(" ".join([stage, *sys.argv[1:]]), KEPT), earlier_results_kept():
        parser = parser_of(main)
        parser.add_argument(
            "dataset", choices=params.load().datasets, help="a data set of params.yaml"
        )
        main(parser.parse_args().dataset)


def tool(main):
    """Run main() as a command for people, from the root of the project."""
    with one_message(sys.modules[main.__module__].__spec__.name.rpartition(".")[2]):
        params.must_be_here()
        main()


def parser_of(main) -> argparse.ArgumentParser:
    """A parser whose help is the docstring of main's module, where Python keeps docstrings, and how to call it."""
    module = sys.modules[main.__module__]
    as_written = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(
        prog=f"python -m {module.__spec__.name}",
        description=module.__doc__,
        formatter_class=as_written,
    )


@contextmanager
def at_terminal():
    """Print as its escape what the terminal cannot show; end quietly where the reader of standard output has gone."""
    if sys.stdout:  # as after >&-
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            print(
                end="", flush=True
            )  # not at the end of the process, where nobody could catch the error
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # for what the buffer still holds
        raise SystemExit(
            128 + signal.SIGPIPE
        ) from None  # as a shell says of a command that a closed pipe ended


@contextmanager
def one_message(where, kept=""):
    """Turn what a user, their files or their machine caused into SystemExit with one message instead of a traceback.

    kept: what the message ends with.
    """
    try:
        with at_terminal():
            yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as a shell says of a command that Ctrl-C ended
    except (UnreadableFile, FloatingPointError, OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{where}: {str(error).rstrip('.')}.{kept}") from None
    except Exception as error:
        if (
            not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError"
        ):  # of TensorFlow
            raise
        tensor = re.search(r"OOM when allocating (tensor with shape\S+)", str(error))
        why = tensor[1] if tensor else str(error) or type(error).__name__
        raise SystemExit(
            f"{where}: too little memory for these params ({why}); fewer units, words or rows in a batch need less."
            f"{kept}"
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
            subprocess.run(
                [sys.executable, "-m", "dvc", "checkout", "--quiet", name], capture_output=True
            )
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
        raise SystemExit(
            "DVC_STAGE is set, and the DVC that set it is gone; to run a stage by hand, unset it"
        )
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
    os._exit(
        1
    )  # at once, also from within a training; what was being written has a name that nobody reads


def _parents(shell):
    try:
        return os.getppid(), shell and shell.ppid()
    except psutil.NoSuchProcess:
        return None
