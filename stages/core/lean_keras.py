"""Keras, imported without what it imports for features that no stage uses: half the start of a small stage.

Keras loads matplotlib, pandas and scikit-learn where they are installed, to plot networks, to take data frames and
to play a scikit-learn estimator. Hidden while Keras is imported, they are there again afterwards.
"""

import logging
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # a user's keras.json may name another
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets on standard error
UNUSED = [name for name in ("matplotlib", "pandas", "sklearn") if name not in sys.modules]

sys.modules.update(dict.fromkeys(UNUSED))
try:
    import keras
    import tensorflow
finally:
    for name in UNUSED:
        del sys.modules[name]

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns when a new fit compiles a program of its own

__all__ = ["keras", "tensorflow"]
