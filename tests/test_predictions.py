"""What the outputs of a model say of classes."""

import numpy as np
import pandas as pd

from stages.core.judge import predictions


def test_a_sigmoid_gives_the_probabilities_of_both_classes_and_half_is_class_0():
    outputs = np.array([[0.25], [0.5], [0.75]], "float32")
    expected = [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]
    np.testing.assert_array_equal(predictions.probabilities(outputs), expected)
    assert predictions.classes(outputs).tolist() == [0, 0, 1]


def test_a_softmax_has_them_already():
    outputs = np.array([[[0.2, 0.5, 0.3]], [[0.4, 0.4, 0.2]]], "float32")  # (seeds, rows, classes)
    np.testing.assert_array_equal(predictions.probabilities(outputs), outputs.astype("float64"))
    assert predictions.classes(outputs).tolist() == [[1], [0]]


def test_classes_have_the_names_of_any_frame_and_else_their_numbers():
    pairs = pd.DataFrame({"actual": [0, 1], "predicted": [0, 0], "rows": [3, 1]})
    named = pairs.assign(actual_name=["bad", "NA"], predicted_name="bad")
    assert predictions.class_names([pairs]) == ["0", "1"]
    assert predictions.class_names([pairs, named]) == ["bad", "NA"]
    assert predictions.confusion_counts(pairs, 2).tolist() == [[3, 0], [1, 0]]
