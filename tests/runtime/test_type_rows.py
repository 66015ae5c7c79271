"""A cache of rows that is full keeps what was frequent in training, and every row stays what it was."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.runtime.cache import RowCache, Rows
from textcnn.tokenization.lexicon import Unseen

NUM_TYPES = 30


NOTHING = Rows(np.zeros((0, 1, 1), np.float32), np.zeros((0, 1), np.int64), np.zeros(0, bool))


def fill(types, unseen, rows):
    rows.products[:] = types[:, None, None] + 1
    rows.means[:] = types[:, None]


def test_a_full_cache_keeps_the_rows_of_frequent_types():
    made = []

    def counted(types, unseen, rows):
        made.extend(types.tolist())
        fill(types, unseen, rows)

    cache = RowCache(counted, NOTHING, NUM_TYPES, capacity=10)
    cache.find(np.arange(8), Unseen())
    made.clear()
    cache.find(np.array([20, 21]), Unseen())  # no room: 0 to 2 are kept
    assert made == [20, 21]
    cache.find(np.arange(3), Unseen())
    assert made == [20, 21]
    cache.find(np.array([7]), Unseen())
    assert made == [20, 21, 7]


def test_who_reads_old_rows_keeps_them():
    cache = RowCache(fill, NOTHING, NUM_TYPES, capacity=4)
    rows, numbers = cache.find(np.arange(3), Unseen())
    cache.find(np.arange(20, 23), Unseen())
    assert rows.products[numbers].ravel().tolist() == [1, 2, 3]


def test_rows_are_made_by_one_thread_at_a_time():
    inside = []

    def slow(types, unseen, rows):
        inside.append(len(types))
        time.sleep(0.01)  # the others come while this one is at work
        assert len(inside) == 1
        inside.pop()
        fill(types, unseen, rows)

    cache = RowCache(slow, NOTHING, NUM_TYPES, capacity=64)
    asked = [np.array([n, n + 1, n + 7]) for n in range(20)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda ids: cache.find(ids, Unseen()), asked))
    for (rows, numbers), ids in zip(found, asked, strict=True):
        assert rows.products[numbers].ravel().tolist() == (ids + 1).tolist()


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, NUM_TYPES + 4), min_size=1, max_size=12), max_size=12), st.integers(2, 20))
def test_every_call_finds_its_rows(calls, capacity):
    unseen = Unseen(tuple(f"new{i}" for i in range(5)))
    cache = RowCache(fill, NOTHING, NUM_TYPES, capacity)
    most = capacity
    for ids in calls:
        most = max(most, len(set(ids)) + 1)
        rows, numbers = cache.find(np.array(ids), unseen)
        assert rows.products[numbers].ravel().tolist() == [number + 1 for number in ids]
        assert len(cache) <= most
