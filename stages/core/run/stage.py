"""How a stage or a tool runs: a mistake is a message; a stage ends with what started it."""

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
from stages.core.declared.strict_yaml import Wrong

WATCH = 0.2  # seconds between looks at the parent
MISTAKES = UnreadableFile, Wrong, FloatingPointError, OSError, subprocess.CalledProcessError
KEPT = " Earlier results are as they were."
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish"}


def run(main):
    """Run main(name of the data set) as a stage that DVC starts."""
    stop_with_parent()
    where = " ".join([_module(main).rpartition(".")[2], *sys.argv[1:]])
    with one_message(where, KEPT), earlier_results_kept():
        parser, names = parser_of(main), params.load().datasets
        parser.add_argument("dataset", choices=names, help="a data set of params.yaml")
        main(parser.parse_args().dataset)


def tool(main):
    """Run main() as a command for people, from the root of the project."""
    with one_message(_module(main).rpartition(".")[2]):
        params.must_be_here()
        main()


def _module(main):
    """The name of main's module, which calls itself __main__."""
    return sys.modules[main.__module__].__spec__.name.removesuffix(".__main__")


def parser_of(main) -> argparse.ArgumentParser:
    """A parser whose help is the docstring of main's module, where Python keeps docstrings."""
    parser = argparse.ArgumentParser(f"python -m {_module(main)}")
    parser.description = sys.modules[main.__module__].__doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


@contextmanager
def at_terminal():
    """Print as its escape what the terminal cannot show; end quietly where a pipe is closed."""
    if sys.stdout:  # as after >&-
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            print(end="", flush=True)  # at the end of the process nobody could catch the error
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is in the buffer
        # As a shell says of a command that a closed pipe ended.
        raise SystemExit(128 + signal.SIGPIPE) from None


@contextmanager
def one_message(where, kept=""):
    """Turn what a user, their files or their machine caused into SystemExit with a message.

    kept: what the message ends with.
    """
    try:
        with at_terminal():
            yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as a shell says of a command that Ctrl-C ended
    except MISTAKES as error:
        raise SystemExit(f"{where}: {str(error).rstrip('.')}.{kept}") from None
    except Exception as error:
        of_tensorflow = type(error).__name__ == "ResourceExhaustedError"
        if not of_tensorflow and not isinstance(error, MemoryError):
            raise
        tensor = re.search(r"OOM when allocating (tensor with shape\S+)", str(error))
        why = tensor[1] if tensor else str(error) or type(error).__name__
        raise SystemExit(
            f"{where}: too little memory for these params ({why}); "
            f"fewer units, words or rows in a batch need less.{kept}"
        ) from None


@contextmanager
def earlier_results_kept():
    """DVC removes a stage's outputs before it runs; where the block fails, put them back.

    Those of dvc.lock. Not after Ctrl-C, which ends DVC too: it would meet its lock.
    """
    try:
        yield
    except (Exception, SystemExit):
        if name := os.environ.get("DVC_STAGE"):
            checkout = [sys.executable, "-m", "dvc", "checkout", "--quiet", name]
            subprocess.run(checkout, capture_output=True)
        raise


def stop_with_parent():
    """From now on, end this process when the process that started it ends: DVC, or a shell.

    DVC starts a command through a shell, which stays when DVC is killed: there, the parent of the
    shell is watched too. DVC may be the command or a library in any program. Raises SystemExit
    where DVC was gone before this had begun.
    """
    under_dvc = "DVC_STAGE" in os.environ
    parent = psutil.Process().parent()  # None for the first process of a container
    shell = parent if parent and parent.name() in SHELLS and under_dvc else None
    if under_dvc and not _in_our_group(shell.parent() if shell else parent):
        gone = "DVC_STAGE is set, and the DVC that set it is gone"
        raise SystemExit(f"{gone}; to run a stage by hand, unset it")
    threading.Thread(target=_watch, args=(shell,), daemon=True).start()


def _in_our_group(process):
    """Whether it can be DVC: what DVC starts is in its group; who adopts an orphan is not."""
    try:
        return process is not None and os.getpgid(process.pid) == os.getpgrp()
    except ProcessLookupError:
        return False


def _watch(shell):
    before = _parents(shell)
    while _parents(shell) == before:
        time.sleep(WATCH)
    os._exit(1)  # at once, also from a training; what it was writing has a name that nobody reads


def _parents(shell):
    try:
        return os.getppid(), shell and shell.ppid()
    except psutil.NoSuchProcess:
        return None
