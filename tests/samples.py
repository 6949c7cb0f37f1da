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
    """A section of params.yaml for small rows of numbers, with these keys of preprocess, model and fit changed."""
    plain = {"encoding": "features", "network": "dense", "api": "sequential", "weighting": "none", "units": [4, 3]}
    plain |= {"activation": "relu", "dropout": 0.0, "l1": 0.0, "l2": 0.0, "optimizer": "sgd", "learning_rate": 0.25}
    plain |= {"momentum": 0.0, "batch_size": 1, "epochs": 1, "validation": 0, "final_epochs": 1, "seeds": 1}
    kinds = {"preprocess": params.Preprocess, "model": params.Model, "fit": params.Fit}
    place = {key: part for part, kind in kinds.items() for key in kind.model_fields}
    parts = {part: {} for part in kinds}
    for key, value in (plain | changes).items():
        parts[place[key]][key] = value
    return params.Section(**parts, kfold={"k": 2, "repeats": 1, "epochs": 1, "equivalent_within": 0.1})
