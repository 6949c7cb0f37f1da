"""What the trained models say of rows, for programs and for people."""

import importlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from stages.core.judge.predictions import probabilities
from tools.predict.rows import Refused

SHOWN = 3  # classes, at most
CHUNK = 256  # documents that are dense at the same time


def models(folder: Path, network: str) -> list:
    """The saved networks of all seeds. Raises Refused.

    network: the name of its file, which may have layers of its own.
    """
    if not (paths := sorted(folder.glob("seed_*.keras"))):
        how = "`dvc repro` trains it and `dvc pull` fetches it"
        raise Refused(f"there is no model in {folder}; {how}")
    from stages.core.run.lean_keras import keras  # a wrong argument need not wait for TensorFlow

    try:
        importlib.import_module(f"stages.networks.{network}")
        return [keras.models.load_model(path, compile=False, safe_mode=True) for path in paths]
    except Exception as error:  # a damaged file fails in many ways
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        what = f"{folder} holds a model that cannot be opened: {reason}"
        raise Refused(f"{what}. Remove it and run make repro.") from None


def outputs(networks, rows) -> np.ndarray:
    """What each network predicts for the rows, dense or CSR: (seeds, rows, outputs)."""
    takes, makes = networks[0].input_shape[1:], rows.shape[1:]
    if takes != makes:
        shapes = f"the model takes rows of {takes}, and params.yaml makes {makes} of them"
        raise Refused(f"{shapes}; `dvc repro` trains a model with these params")
    chunks = []
    for start in range(0, rows.shape[0], CHUNK):
        chunk = rows[start : start + CHUNK]
        chunk = chunk.toarray() if sp.issparse(chunk) else chunk
        chunks.append([np.asarray(network(chunk, training=False)) for network in networks])
    return np.concatenate(chunks, axis=1)


def answers(classes: tuple[str, ...] | None, predicted: np.ndarray) -> list[dict]:
    """For each row what the ensemble says. predicted: (seeds, rows, outputs).

    classes: names, where they have some; None for numbers.
    A regression: {"value", "std"}. Classes: {"class", "probability", "std"} of the most probable,
    and under "next" the same of those that follow. std: over the seeds; absent of a single one.
    """
    if classes is None:
        return [_over_seeds("value", values) for values in predicted[:, :, 0].T]
    return [_classes(classes, row) for row in probabilities(predicted).swapaxes(0, 1)]


def _classes(names, row):
    """row: (seeds, classes)."""
    shown = SHOWN if row.shape[1] > 2 else 1
    order = np.argsort(-row.mean(axis=0), kind="stable")[:shown]
    first, *others = (
        {"class": names[label] if names else str(label)} | _over_seeds("probability", row[:, label])
        for label in order
    )
    return first | ({"next": others} if others else {})


def _over_seeds(key, values):
    """The mean under this key and, of more than one seed, the standard deviation."""
    values = values.astype("float64")
    std = {"std": round(float(values.std(ddof=1)), 4)} if len(values) > 1 else {}
    return {key: round(float(values.mean()), 4)} | std


def line(answer: dict, unit: str) -> str:
    """An answer for people."""
    if "value" in answer:
        return f"{answer['value']:.2f}{_spread(answer, 2)} {unit}".rstrip()
    first, *others = (
        f"{found['class']}  {found['probability']:.3f}{_spread(found, 3)}"
        for found in (answer, *answer.get("next", []))
    )
    text = f"{first}; then {', '.join(others)}" if others else first
    if answer.get("unknown"):
        text += f"  (not in the vocabulary: {', '.join(answer['unknown'])})"
    return text


def _spread(found, decimals):
    return f" ± {found['std']:.{decimals}f}" if "std" in found else ""
