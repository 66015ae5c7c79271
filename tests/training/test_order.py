from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from textcnn.training.sampler import default_epochs, shuffled_batches, stratified_split


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300), st.integers(1, 16), st.integers(0, 9))
def test_an_epoch_visits_every_row_once(sizes, batch_size, epoch):
    batches = shuffled_batches(np.array(sizes), batch_size, seed=1, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    assert max(map(len, batches)) <= batch_size
    assert len(batches) == -(-len(sizes) // batch_size)


def test_the_order_is_a_function_of_seed_and_epoch():
    sizes = np.arange(200)
    orders = [
        np.concatenate(shuffled_batches(sizes, 8, seed=s, epoch=e)).tolist()
        for s, e in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]


def test_batches_hold_texts_of_like_length(random):
    sizes = random.integers(1, 400, 5000)
    padded = sum(len(rows) * sizes[rows].max() for rows in shuffled_batches(sizes, 64, seed=0, epoch=0))
    assert padded < 1.1 * sizes.sum()


@pytest.mark.parametrize(("rows", "epochs"), [(100, 10), (5452, 10), (25_000, 4), (10_003, 8), (150_000, 4)])
def test_epochs_follow_the_number_of_rows(rows, epochs):
    assert default_epochs(rows) == epochs


@given(st.lists(st.sampled_from("aaabbc"), min_size=2, max_size=200), st.floats(0.05, 0.5), st.integers(0, 5))
@example(names=list("abcccc"), fraction=0.4375, seed=0)  # what two labels of one row owe is more than a row
def test_a_split_is_stratified_and_loses_nothing(names, fraction, seed):
    labels = [(name,) for name in names]
    kept, held = stratified_split(labels, fraction, seed=seed)
    assert sorted([*kept, *held]) == list(range(len(names)))
    whole, part = Counter(names), Counter(names[i] for i in held)
    for name, count in whole.items():
        assert abs(part[name] - fraction * count) <= 1
        assert part[name] < count


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200), st.integers(1, 16), st.integers(1, 120))
@example(sizes=[0, 2], batch_size=2, budget=1)  # a row without a token, and one above the budget
def test_a_batch_has_no_more_tokens_than_its_budget(sizes, batch_size, budget):
    sizes = np.array(sizes)
    batches = shuffled_batches(sizes, batch_size, seed=1, epoch=0, batch_tokens=budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    assert all(len(rows) <= batch_size and (len(rows) == 1 or sizes[rows].sum() <= budget) for rows in batches)
