"""Small inputs that more than one test file makes."""

import io

import numpy as np

from stages.core import params


def objects(*items):
    """An object array with these items, which NumPy would else make a matrix of when they are equally long."""
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        array[place] = item
    return array


def npz(**columns):
    """The bytes of an .npz file with these arrays."""
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def vectorize_sequences(sequences, dimension):
    """The tutorial's, with the types that it leaves to NumPy."""
    results = np.zeros((len(sequences), dimension))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1
    return results


def section(**changes):
    """A section of params.yaml for small rows of numbers, with these keys changed."""
    parts = {
        "preprocess": {"encoding": "features"},
        "model": {"network": "dense", "units": [4, 3]},
        "fit": {"weighting": "none", "optimizer": "sgd", "learning_rate": 0.25, "batch_size": 1},
        "final": {"exploring_epochs": 1, "validation": 0, "epochs": 1, "seeds": 1},
        "kfold": {"k": 2, "repeats": 1, "epochs": 1},
        "review": {"equivalent_within": 0.1},
    }
    places = {key: "preprocess" for key in ("encoding", "num_words", "ngrams", "length")}
    places |= {key: "fit" for kind in params.FITS.values() for key in kind.model_fields}
    places |= {key: "final" for key in params.Final.model_fields}
    for key, value in changes.items():
        parts[places.get(key, "model")][key] = value
    task = "regression" if "loss" in changes else "multiclass" if "labels" in changes else "binary"
    return params.section_type(task, parts["model"]["network"])(**parts)
