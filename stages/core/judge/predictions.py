"""What the outputs of a model for a class say, and the table of actual and predicted classes."""

import numpy as np


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """(..., classes) float64, which add up to 1 but for the rounding of a softmax.

    outputs: (..., 1) of a sigmoid, the probability of class 1, or (..., classes) of a softmax.
    """
    wide = outputs.astype("float64")
    return np.concatenate([1 - wide, wide], axis=-1) if wide.shape[-1] == 1 else wide


def classes(outputs: np.ndarray) -> np.ndarray:
    """The predicted class of each row: (...,) integers. Half is class 0, as in Keras."""
    binary = outputs.shape[-1] == 1
    return (outputs[..., 0] > 0.5).astype(int) if binary else outputs.argmax(axis=-1)


def confusion_counts(pairs, size: int) -> np.ndarray:
    """Pairs of classes as a (size, size) matrix of integers: actual by predicted.

    pairs: a frame with actual, predicted and rows, as metrics/<dataset>/test.csv has it.
    """
    counts = np.zeros((size, size), int)
    counts[pairs.actual, pairs.predicted] = pairs.rows
    return counts


def class_names(frames) -> list[str]:
    """The names of all classes in such frames, or their numbers where there are no names."""
    names = {}
    for pairs in frames:
        for kind in ("actual", "predicted"):
            labels = pairs[kind].tolist()
            names |= dict(zip(labels, pairs.get(f"{kind}_name", labels), strict=True))
    return [str(names.get(label, label)) for label in range(max(names) + 1)]


def judged_rows(targets, predictions, kfold):
    """Rows whose predictions are drawn: test or held-out ones, of seeds or of fits; targets,
    (rows,); predictions, (seeds or fits, rows, outputs).

    They are the test rows or, where there are none, those that folds hold out. targets: of training
    and of test rows. predictions: of test rows. kfold: folds and predictions of training rows.
    """
    if len(targets[1]):
        return "test", "seeds", targets[1], predictions
    held_out = kfold["folds"][0] >= 0
    of_fits = kfold["predictions"][:, :, held_out]
    return "held-out", "fits", targets[0][held_out], of_fits.reshape(-1, *of_fits.shape[2:])
