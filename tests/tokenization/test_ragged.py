"""Ragged arrays are lists of lists."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.tokenization.ragged import Ragged

lists = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=8)


def as_lists(ragged):
    return [ragged.ids[a:b].tolist() for a, b in pairwise(ragged.offsets)]


def check_types(ragged):
    assert (ragged.ids.dtype, ragged.offsets.dtype) == (np.int32, np.int64)
    assert (ragged.offsets[0], ragged.offsets[-1]) == (0, len(ragged.ids))


@given(rows=lists)
def test_lists_and_back(rows):
    ragged = Ragged.from_lists(rows)
    check_types(ragged)
    assert as_lists(ragged) == rows
    assert len(ragged) == len(rows)
    assert ragged.lengths.tolist() == [len(row) for row in rows]


@given(rows=lists, picks=st.lists(st.integers(0, 100), max_size=10), longest=st.none() | st.integers(0, 6))
def test_taking_is_indexing_and_cutting_is_slicing(rows, picks, longest):
    picks = [pick % len(rows) for pick in picks] if rows else []
    taken = Ragged.from_lists(rows).take(np.array(picks, np.int64), longest=longest)
    check_types(taken)
    assert as_lists(taken) == [rows[pick][:longest] for pick in picks]


@pytest.mark.slow
@given(parts=st.lists(lists, max_size=4))
def test_concatenating_is_adding(parts):
    joined = Ragged.concatenate(Ragged.from_lists(part) for part in parts)
    check_types(joined)
    assert as_lists(joined) == [row for part in parts for row in part]
