"""Small inputs that more than one test file makes."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from stages.core.data import readers
from stages.core.data.schema import Schema
from stages.core.declared import dataset, sources
from stages.core.declared.task import TASKS

# A project of the tests: they stay as they are, whatever data sets and params a person has.
PROJECT = Path(__file__).parent / "project"
PARAMS = (PROJECT / "params.yaml").read_text()
SOURCES = {
    path.stem: sources.parse(path.read_bytes())
    for path in sorted((PROJECT / "data/sources").glob("*.yaml"))
}
TASK_OF = {
    "imdb": TASKS["binary"],
    "reuters": TASKS["multiclass"],
    "boston_housing": TASKS["regression"],
    "digits": TASKS["multiclass"],
}
SCHEMAS = {
    "imdb": Schema(TASK_OF["imdb"], SOURCES["imdb"].classes, (), (10_000,)),
    "reuters": Schema(TASK_OF["reuters"], SOURCES["reuters"].classes, (), (10_000,)),
    "boston_housing": Schema(
        TASK_OF["boston_housing"], (), SOURCES["boston_housing"].columns, (13,)
    ),
    "digits": Schema(TASK_OF["digits"], tuple("0123456789"), SOURCES["digits"].names, (64,)),
}


def split_of(name, files):
    """The rows that these files of a data set of the tests hold: a Split."""
    return readers.read(SOURCES[name], SimpleNamespace(task=TASK_OF[name].name), files)


def objects(*items):
    """An object array with these items, which NumPy would else make a matrix of when they are
    equally long.
    """
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
    task = "regression" if "loss" in changes else "multiclass" if "labels" in changes else "binary"
    parts = {
        "data": {"task": task},
        "preprocess": {"encoding": "features"},
        "model": {"network": "dense", "units": [4, 3]},
        "fit": {"weighting": "none", "optimizer": "sgd", "learning_rate": 0.25, "batch_size": 1},
        "final": {"exploring_epochs": 1, "validation": 0, "epochs": 1, "seeds": 1},
        "kfold": {"k": 2, "repeats": 1, "epochs": 1},
        "review": {"equivalent_within": 0.1},
    }
    places = {key: "preprocess" for key in ("encoding", "num_words", "ngrams", "length")}
    places |= {key: "fit" for kind in dataset.FITS.values() for key in kind.model_fields}
    places |= {key: "final" for key in dataset.Final.model_fields}
    for key, value in changes.items():
        parts[places.get(key, "model")][key] = value
    encoding = parts["preprocess"]["encoding"]
    kind = {"features": "features", "image": "images"}.get(encoding, "text")
    return dataset.section_type(kind, task, parts["model"]["network"])(**parts)
