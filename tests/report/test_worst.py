"""The worst errors: wrong rows, the surest first."""

import numpy as np

from textcnn.evaluation.calibration import decide
from textcnn.labels import Labels
from textcnn.report.content import worst_errors


def test_the_surest_wrong_answers_come_first():
    labels = Labels(("a", "b"))
    probs = np.array([[0.6, 0.4], [0.99, 0.01], [0.9, 0.1], [1.0, 0.0]])
    truth = [("b",), ("a",), ("b",), ("new",)]
    found, number = worst_errors(list("wxyz"), truth, decide(probs, labels, []), probs, labels, most=9)
    assert number == 3
    assert [m.row for m in found] == [3, 1, 4]  # a label the model was never shown comes last
    assert found[0].text == "y"
    assert (found[0].truth, found[0].given) == (("b",), ("a",))
    assert found[0].probabilities == {"b": 0.1, "a": 0.9}
    assert found[2].probabilities == {"a": 1.0}
    few, number = worst_errors(list("wxyz"), truth, decide(probs, labels, []), probs, labels, most=1)
    assert ([m.row for m in few], number) == ([3], 3)


def test_multi_label_errors_are_missed_or_added_labels():
    labels = Labels(("a", "b"), True)
    probs = np.array([[0.9, 0.9], [0.05, 0.6], [0.3, 0.2]])
    truth = [("b", "a"), ("a",), ("b",)]
    found, number = worst_errors(list("xyz"), truth, decide(probs, labels, [0.5, 0.5]), probs, labels, most=9)
    assert number == 2
    assert [m.row for m in found] == [2, 3]
    assert found[0].given == ("b",)
    assert found[0].probabilities == {"a": 0.05, "b": 0.6}
    assert found[1].given == ()
