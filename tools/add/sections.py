"""What is written of a data set: its source, and its section of params.yaml."""

from hashlib import sha256

import numpy as np
import yaml

from stages.core.declared import strict_yaml
from stages.core.declared.task import TASKS
from tools.add.look import Asked, Found

SHARE = 0.2  # of the rows, for the test
STEPS = 400  # of a fit, at least
PIXELS = 500_000  # of all training rows, below which several repeats are cheap
SMALL = 20_000  # training rows below which several repeats are cheap
COMMENTS = {  # by key, or by group and key
    "task": "binary (two classes), multiclass or regression (a number)",
    "metrics": "what is told, the main one first",
    "data.target": "the column to predict",
    "test": "share of the rows kept for the test (0: none), or file",
    "group": "column whose rows of a value stay on one side of each split",
    "time": "column by which rows are split into earlier and later ones",
    "drop": "columns left out",
    "encoding": "how rows become what a network takes",
    "levels": "categories that a column keeps, the most frequent ones",
    "rare": "rows of a category that makes no feature",
    "words": "of a column of text that make features, the most frequent ones",
    "num_words": "size of the vocabulary: the most frequent words",
    "ngrams": "2: pairs of neighbouring words count as words too",
    "height": "pixels that images are stretched to",
    "channels": "1: grey, 3: colours",
    "network": "a file of stages/networks; the keys below are its arguments",
    "dropout": "share of each hidden layer's outputs dropped in training",
    "weighting": "what is learned of features before training",
    "loss": "mse, mae or huber",
    "fit.target": "as_it_is, or standardized: learned with mean 0 and deviation 1",
    "optimizer": "rmsprop, adam, adamw or sgd",
    "schedule": "how the learning rate falls: constant, cosine or exponential",
    "weight_decay": "share of a weight taken off per unit of learning rate",
    "batch_size": "rows",
    "exploring_epochs": "of a fit that is watched on validation rows",
    "validation": "rows kept back from the exploring fit",
    "seeds": "fits that differ in nothing else: their spread is the noise of training",
    "k": "folds",
    "repeats": "times that the rows are dealt into folds anew",
    "equivalent_within": "a difference of the main metric that is too small to matter",
}


def source_of(title: str, found: Found, files: dict[str, bytes]) -> dict:
    """The content of data/sources/<name>.yaml."""
    listed = [
        {"name": name, "size": len(content), "sha256": sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    reader = {key: value for key, value in found.reader.items() if value not in ("", (), [])}
    return {"title": title, "reader": reader, "files": listed}


def section_of(found: Found, asked: Asked | None, test: float | str = SHARE) -> dict:
    """A section of params.yaml for so many rows, good without tuning."""
    kind = found.reader["format"]
    data = {"task": found.task, "metrics": [*TASKS[found.task].metrics]}
    if kind == "table":
        data["target"] = asked.target
    data["test"] = test
    if kind == "table":
        drop = [name for name in asked.drop if name in found.reader["columns"]]  # not left out
        chosen = {"group": asked.group, "time": asked.time, "drop": drop}
        data |= {key: value for key, value in chosen.items() if value}
    training = int(found.rows * (1 - (test if isinstance(test, float) else 0)))
    parts = SECTIONS[_form(found, asked)](training, found)
    cheap = training < SMALL and training * int(np.prod(found.shape)) < PIXELS
    epochs, (repeats, seeds) = parts["epochs"], (5, 3) if cheap else (1, 1)
    return {
        "data": data,
        "preprocess": parts["preprocess"],
        "model": parts["model"],
        "fit": parts["fit"],
        "final": {
            "exploring_epochs": epochs,
            "validation": training // 5,
            "epochs": epochs,
            "seeds": 3,
        },
        "kfold": {"k": 4, "repeats": repeats, "seeds": seeds, "epochs": epochs},
        "review": {"equivalent_within": _small(found)},
    }


def _small(found):
    """A difference too small to matter: of a number, a hundredth of its deviation."""
    return float(f"{found.spread / 100:.1g}") if found.task == "regression" else 0.005


def _form(found, asked):
    """What a network sees: a table, text or images."""
    if found.reader["format"] != "table":
        return {"text_folders": "text", "image_folders": "images"}[found.reader["format"]]
    kinds = [*asked.features(found.reader["columns"]).values()]
    return "text" if kinds == ["text"] else "table"


def _fit(found, rows_a_step, **more):
    """What every first fit shares."""
    number = {"loss": "mae", "target": "standardized"} if found.task == "regression" else {}
    return {
        **more,
        **number,
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "schedule": "cosine",
        "weight_decay": 0.01,
        "batch_size": rows_a_step,
    }


def _epochs(training, batch):
    """Epochs of the fewest steps in which a network learns from few rows."""
    return min(100, -(-STEPS // -(-training // batch)))


def _batch(training, steps, low, high):
    """About so many steps in an epoch, with a power of two of rows in each."""
    return int(np.clip(2 ** round(np.log2(max(1, training / steps))), low, high))


def _table(training, found):
    """Sizes that did best over tables of 189 to 54,000 rows."""
    small, words = training < SMALL, "text" in found.reader["columns"].values()
    epochs = int(np.clip(200_000 / training**0.75, 10, 60))
    return {
        "preprocess": {"encoding": "table"},
        "model": {
            "network": "dense",
            "units": [64, 64] if small else [128, 128],
            "activation": "relu",
            "dropout": 0.5 if words else 0.1 if small else 0.0,
        },
        "fit": _fit(found, _batch(training, 20, 16, 256), weighting="tabular"),
        "epochs": min(epochs, 15) if words else epochs,
    }


def _text(training, found):
    """Sizes that did best over 500 to 8,000 reviews and newswires."""
    batch = _batch(training, 50, 16, 512)
    return {
        "preprocess": {"encoding": "multi_hot", "num_words": 10_000, "ngrams": 1},
        "model": {"network": "dense", "units": [64], "activation": "relu", "dropout": 0.5},
        "fit": _fit(found, batch, weighting="binary"),
        "epochs": max(int(np.clip(150 / training**0.4, 4, 15)), _epochs(training, batch)),
    }


def _images(training, found):
    height, width, channels = found.shape
    batch = _batch(training, 50, 16, 128)
    size = {"height": height, "width": width, "channels": channels}
    return {
        "preprocess": {"encoding": "image", **size},
        "model": {"network": "conv2d", "units": [32, 64], "activation": "relu", "dropout": 0.25},
        "fit": _fit(found, batch, weighting="none"),
        "epochs": max(20, _epochs(training, batch)),
    }


SECTIONS = {"table": _table, "text": _text, "images": _images}


def written(name: str, section: dict) -> str:
    """The section as YAML, below `datasets`, with a comment at each key that is new there."""
    lines, group = [], ""
    for line in strict_yaml.write({name: section}).splitlines():
        key = line.strip().partition(":")[0]
        group = key if line.startswith("  ") and line[2] != " " else group
        comment = COMMENTS.get(key) or COMMENTS.get(f"{group}.{key}")
        lines.append(f"  {line:<31} # {comment}\n" if comment else f"  {line}\n")
    return "".join(lines)


def extended(document: str, section: str) -> str:
    """params.yaml with one section more at the end of `datasets`, and all else as it was."""
    top = yaml.compose(document, yaml.SafeLoader).value
    (value,) = (value for key, value in top if key.value == "datasets")
    start, end = value.start_mark.index, value.end_mark.index
    if not value.value:  # nothing, or {}
        return f"{document[:start].rstrip()}\n{section}{document[end:]}"
    before, after = document[:end].rstrip(), document[end:]
    return "\n".join([before, "", section + ("\n" if after else "") + after])
