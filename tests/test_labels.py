"""The one list of labels, and the maps derived from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.errors import DataError
from textcnn.labels import MULTI_LABEL, SINGLE_LABEL, Labels

names = st.text(min_size=1, max_size=6)
single_rows = st.lists(st.tuples(names), min_size=2).filter(lambda rows: len(set(rows)) > 1)
multi_rows = st.lists(st.lists(names, max_size=4, unique=True).map(tuple), min_size=1).filter(any)


@given(rows=single_rows)
def test_single_targets_are_places_in_a_sorted_list_without_copies(rows):
    labels = Labels.collect(rows, multi_label=False)
    assert labels.names == tuple(sorted({name for (name,) in rows}))
    targets = labels.encode(rows)
    assert targets.dtype == np.int64
    assert [(labels.names[target],) for target in targets] == rows


@pytest.mark.slow
@given(rows=multi_rows)
def test_multi_label_targets_hold_each_row_as_a_set(rows):
    labels = Labels.collect(rows, multi_label=True)
    targets = labels.encode(rows)
    assert (targets.dtype, targets.shape) == (np.float32, (len(rows), len(labels)))
    assert [{labels.names[i] for i in np.flatnonzero(target)} for target in targets] == [set(row) for row in rows]


@given(rows=single_rows, order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows, order):
    assert Labels.collect(order.sample(rows, len(rows)), multi_label=False) == Labels.collect(rows, multi_label=False)


def test_a_label_that_is_not_in_the_list():
    labels = Labels(("a", "b"))
    assert labels.encode([("b",), ("c",), ("a",)]).tolist() == [1, -1, 0]
    both = Labels(("a", "b"), multi_label=True)
    assert both.encode([("c", "b"), ("c",), ()]).tolist() == [[0, 1], [0, 0], [0, 0]]


def test_problem_types_have_the_names_of_hugging_face():
    assert Labels(("a", "b")).problem_type == SINGLE_LABEL == "single_label_classification"
    assert Labels(("a",), multi_label=True).problem_type == MULTI_LABEL == "multi_label_classification"


@pytest.mark.parametrize(
    ("rows", "multi_label", "found"),
    [([("spam",)] * 3, False, "'spam': 3"), ([], False, "none"), ([(), ()], True, "none"), ([], True, "none")],
)
def test_too_few_classes_are_said_with_their_counts(rows, multi_label, found):
    with pytest.raises(DataError, match=rf"expected at least two labels .* found {found}; check the label column"):
        Labels.collect(rows, multi_label=multi_label)


def test_one_label_is_enough_where_a_text_may_have_none():
    assert Labels.collect([("a",), ()], multi_label=True).names == ("a",)


def test_near_twins_differ_by_case_or_blanks_only():
    labels = Labels(("Spam", "ham", "sp am", "spam", "STRASSE", "straße"))
    assert labels.near_twins() == [("Spam", "sp am"), ("Spam", "spam"), ("STRASSE", "straße")]
    assert Labels(("a", "b", "ab")).near_twins() == []
