"""Keras, imported without the settings of the user's machine and without what no stage uses.

What Keras and TensorFlow take from files and from the environment alters results and is in no
dependency of a stage: two machines would share results in DVC's cache that each gets otherwise. So
keras.json is not read, and of the environment there is only what stands in `KEPT` and `OURS`;
NumPy's and OpenBLAS' variables, without which some machines do not run, stay.

Keras loads matplotlib, pandas and scikit-learn where they are installed, which no fit needs: they
are hidden while it is imported. The million objects of the import stay for good, so Python is kept
from looking through them for garbage.
"""

import gc
import logging
import os
import random
import sys
import threading
from contextlib import contextmanager

# Beginnings of names.
READ_BY_THEM = "KERAS_", "TF_", "TENSORFLOW_", "XLA_", "MLIR_", "ONEDNN_", "DNNL_", "NVIDIA_TF32_"
KEPT = (
    "KERAS_HOME",  # where the stage `download` looks for official files
    "TF_NUM_INTEROP_",  # the share of the cores
    "TF_CPP_",  # what TensorFlow says on the way
    "TF_FORCE_GPU_ALLOW_GROWTH",  # how a GPU's memory is shared
    "TF_GPU_ALLOCATOR",
)
# Flags of ours belong here, such as those of XLA. An operation runs on one core: most are small. In
# parts, one on each core, they take twice the time of the processor, and have other last digits on
# more cores. Replicas are what runs side by side.
OURS = {"KERAS_BACKEND": "tensorflow", "TF_NUM_INTRAOP_THREADS": "1"}


def settle(environment):
    """Take what alters results out of the environment, and put ours in.

    For good, since TensorFlow reads much of it only when it compiles a first program.
    """
    for name in list(environment):
        if name.startswith(READ_BY_THEM) and not name.startswith(KEPT):
            del environment[name]
    environment.update(OURS)
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors alone


@contextmanager
def _lean(environment, modules):
    """Hide keras.json and these modules, and keep what is made here out of searches for garbage."""
    home, hidden = environment.get("KERAS_HOME"), [m for m in modules if m not in sys.modules]
    environment["KERAS_HOME"] = os.devnull  # which holds no keras.json and takes none
    sys.modules.update(dict.fromkeys(hidden))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in hidden:
            del sys.modules[name]
        del environment["KERAS_HOME"]
        if home is not None:
            environment["KERAS_HOME"] = home


@contextmanager
def _quiet_standard_error():
    """Send what the process writes to standard error nowhere: TensorFlow greets from C++."""
    if not sys.stderr:  # it is closed
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


settle(os.environ)
with _lean(os.environ, ["matplotlib", "pandas", "sklearn"]), _quiet_standard_error():
    import keras
    import tensorflow
    from tensorflow.python.ops import handle_data_util  # which has no public name


_DRAWING = threading.RLock()


@contextmanager
def drawn_from(seed: int):
    """In the block Keras draws all seeds as after `keras.utils.set_random_seed(seed)`.

    It draws them from Python's `random`, which all threads of a process share, those of a cluster's
    worker too. Here they come from a generator that nobody else has, one thread at a time.
    """
    drawing = keras.src.random.seed_generator
    with _DRAWING:
        keras.utils.set_random_seed(seed)  # for NumPy and TensorFlow, if a network draws from them
        shared, drawing.python_random = drawing.python_random, random.Random(seed)
        try:
            yield
        finally:
            drawing.python_random = shared


# It warns when a second fit compiles another program.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__all__ = ["drawn_from", "handle_data_util", "keras", "tensorflow"]
