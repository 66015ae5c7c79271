"""Confusions: who is taken for whom, and what is folded together."""

import numpy as np
from sklearn.metrics import confusion_matrix

from textcnn.evaluation.metrics import OTHERS, Confusion, confusion
from textcnn.labels import Labels


def test_single_label_is_the_table_of_scikit_learn(random):
    names = tuple("abcd")
    truth, given = ([(names[i],) for i in random.integers(4, size=60)] for _ in range(2))
    found = confusion(truth, given, Labels(names))
    assert found.names == names
    expected = confusion_matrix([t for (t,) in truth], [g for (g,) in given], labels=names)
    assert (found.counts == expected).all()


def test_a_label_unseen_in_training_has_a_line():
    found = confusion([("new",), ("a",)], [("b",), ("a",)], Labels(("a", "b")))
    assert found.names == ("a", "b", "new")
    assert found.counts[2].tolist() == [0, 1, 0]


def test_multi_label_counts_what_was_missed_with_what_was_wrongly_given():
    truth = [("a", "b"), ("a",), (), ("c",)]
    given = [("a", "c"), (), ("b",), ("c",)]
    found = confusion(truth, given, Labels(("a", "b", "c"), True))
    assert found.counts.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert found.pairs(5) == [("b", "c", 1)]


def test_pairs_are_the_most_frequent_off_the_diagonal():
    found = Confusion(("a", "b"), np.array([[9, 2], [5, 9]]))
    assert found.pairs(10) == [("b", "a", 5), ("a", "b", 2)]
    assert found.pairs(1) == [("b", "a", 5)]


def test_folding_keeps_every_row_and_the_most_confused_labels(random):
    counts = random.integers(0, 5, (9, 9))
    counts[4, 7] = counts[7, 4] = 100
    found = Confusion(tuple("abcdefghi"), counts).folded_to(4)
    assert found.counts.sum() == counts.sum()
    assert len(found.names) == 4
    assert {"e", "h"} < set(found.names)
    assert found.names[-1] == OTHERS
    assert found.folded == 6
    assert found.counts[found.names.index("e"), found.names.index("h")] == 100
    small = Confusion(("a",), counts[:1, :1])
    assert small.folded_to(4) is small
