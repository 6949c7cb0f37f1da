"""Keras, imported without what it imports for features that no stage uses, and without TensorFlow's greetings.

Keras loads matplotlib, pandas and scikit-learn where they are installed, to plot networks, to take data frames and
to play a scikit-learn estimator. Hidden while Keras is imported, they are there again afterwards. The million objects
that the import makes stay for good, so Python is kept from looking through them for garbage, then and later.
"""

import gc
import logging
import os
import sys
from contextlib import contextmanager

os.environ["KERAS_BACKEND"] = "tensorflow"  # a user's keras.json may name another
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def _hidden(modules):
    modules = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(modules))
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


@contextmanager
def _for_good():
    """Keep what is made here out of all searches for garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _quiet_standard_error():
    """Send what the process writes to standard error nowhere: TensorFlow's C++ part greets before it can be told."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _hidden(["matplotlib", "pandas", "sklearn"]), _quiet_standard_error(), _for_good():
    import keras
    import tensorflow

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns when a second fit compiles a program of its own

__all__ = ["keras", "tensorflow"]
