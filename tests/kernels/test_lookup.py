"""The kernels of look-up: numpy against plain Python loops, numba against numpy, to the bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.kernels import lookup_numba, lookup_numpy
from textcnn.kernels.lookup_numpy import WIDE_UNIT

lengths = st.lists(st.integers(0, 9) | st.sampled_from([40, 300]), max_size=5)
sizes = st.lists(st.integers(1, 6), min_size=1, max_size=3) | st.just([3, 4, 5])
KINDS = [(np.float32, np.float32), (np.int8, np.int16)]


def ragged(lengths, num_rows, seed=0):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.random.default_rng(seed).integers(1, num_rows, int(offsets[-1])), offsets


def table(kind, num_taps, num_filters, seed=0):
    products = (np.random.default_rng(seed).normal(size=(20, num_taps, num_filters)) * 40).clip(-127, 127).astype(kind)
    products[0] = 0
    return products


def pooled(twin, products, rows, offsets, sizes, kind):
    out = np.full((len(offsets) - 1, len(sizes), products.shape[2]), 99, kind)
    twin.pool(products, rows, offsets, sizes, out)
    return out


@pytest.mark.parametrize(("kind", "sums"), KINDS)
@settings(deadline=None, max_examples=50)
@given(lengths=lengths, sizes=sizes)
def test_pool_is_the_largest_window_sum_in_both_twins(kind, sums, lengths, sizes):
    sizes = np.array(sizes)
    products = table(kind, sizes.sum(), 5)
    rows, offsets = ragged(lengths, 20)
    found = pooled(lookup_numpy, products, rows, offsets, sizes, sums)
    assert (pooled(lookup_numba, products, rows, offsets, sizes, sums) == found).all()
    for b, length in enumerate(lengths):
        text, tap = rows[offsets[b] : offsets[b + 1]].tolist(), 0
        for g, size in enumerate(sizes.tolist()):
            windows = [
                sum(products[text[t + i], tap + i].astype(np.float64) for i in range(size) if 0 <= t + i < length)
                for t in range(1 - size, length)
            ]
            expected = np.max(windows, axis=0) if windows else 0
            np.testing.assert_allclose(found[b, g], expected, rtol=1e-5, atol=1e-4)
            tap += size


@settings(deadline=None, max_examples=50)
@given(lengths=lengths, sizes=sizes, levels=st.sampled_from([3, 1000]))
def test_winners_are_pooled_sums_and_the_first_windows_that_have_them(lengths, sizes, levels):
    sizes = np.array(sizes)
    products = np.rint(table(np.float32, sizes.sum(), 5) / 127 * levels)  # few levels: many windows are equal
    rows, offsets = ragged(lengths, 20)
    expected = pooled(lookup_numpy, products, rows, offsets, sizes, np.float32)
    for twin in (lookup_numpy, lookup_numba):
        best, places = np.full_like(expected, 99), np.full(expected.shape, 99, np.int32)
        twin.winners(products, rows, offsets, sizes, best, places)
        assert (best == expected).all()
        for b, length in enumerate(lengths):
            text, tap = rows[offsets[b] : offsets[b + 1]].tolist(), 0
            for g, size in enumerate(sizes.tolist()):
                windows = [
                    sum(products[text[t + i], tap + i] for i in range(size) if 0 <= t + i < length)
                    for t in range(1 - size, length)
                ]
                first = np.argmax(windows, axis=0) + 1 - size if length else 0
                assert (places[b, g] == first).all()
                tap += size


def test_windows_of_more_words_than_a_stretch_of_the_loop():
    sizes = np.array([300, 2])
    products = table(np.float32, 302, 3)
    rows, offsets = ragged([1, 299, 301, 900], 20)
    found = pooled(lookup_numpy, products, rows, offsets, sizes, np.float32)
    assert (pooled(lookup_numba, products, rows, offsets, sizes, np.float32) == found).all()


@pytest.mark.parametrize(("kind", "sums"), KINDS)
def test_a_text_reads_neither_its_neighbours_nor_past_the_end(kind, sums):
    products, sizes = table(kind, 12, 16), np.array([3, 4, 5])
    rows, offsets = ragged([0, 2, 0, 17, 1, 0], 20)
    for twin in (lookup_numpy, lookup_numba):
        whole = pooled(twin, products, rows, offsets, sizes, sums)
        for b in range(6):
            text = rows[offsets[b] : offsets[b + 1]].copy()
            alone = pooled(twin, products, text, np.array([0, len(text)]), sizes, sums)
            assert (alone[0] == whole[b]).all()


@given(num_texts=st.integers(0, 4), num_labels=st.integers(1, 4), num_features=st.integers(0, 30))
@settings(deadline=None, max_examples=30)
def test_head_adds_one_feature_after_the_other(num_texts, num_labels, num_features):
    random = np.random.default_rng(num_features)
    features = random.normal(size=(num_texts, num_features)).astype(np.float32)
    weights = random.normal(size=(num_features, num_labels)).astype(np.float32)
    outs = [np.zeros((num_texts, num_labels)) for _ in range(2)]
    for twin, out in zip((lookup_numpy, lookup_numba), outs, strict=True):
        twin.head(features, weights, out)
    assert (outs[0] == outs[1]).all()
    np.testing.assert_allclose(outs[0], features.astype(np.float64) @ weights.astype(np.float64), rtol=0, atol=1e-12)


@given(lengths=lengths)
@settings(deadline=None, max_examples=30)
def test_sums_of_rows_and_of_features_are_exact(lengths):
    random = np.random.default_rng(1)
    rows, offsets = ragged(lengths, 20)
    whole = random.integers(-(2**50), 2**50, (20, 3))
    floats = random.normal(size=(20, 3)).astype(np.float32)
    weights = random.random(len(rows)).astype(np.float32)
    for twin in (lookup_numpy, lookup_numba):
        sums, features = (np.ones((len(lengths), 3), np.int64) for _ in range(2))
        twin.add_rows(whole, rows, offsets, sums)
        twin.add_features(floats, 0.5, rows, weights, offsets, features)
        for b in range(len(lengths)):
            inside = range(offsets[b], offsets[b + 1])
            assert sums[b].tolist() == [1 + sum(int(whole[rows[n], c]) for n in inside) for c in range(3)]
            exact = [math.fsum(0.5 * float(floats[rows[n], c]) * float(weights[n]) for n in inside) for c in range(3)]
            np.testing.assert_allclose((features[b] - 1) * WIDE_UNIT**2, exact, rtol=0, atol=1e-5)


def test_a_weight_out_of_all_bounds_is_held_at_the_bound():
    for twin in (lookup_numpy, lookup_numba):
        out = np.zeros((1, 1), np.int64)
        weight = np.array([[-1e9]], np.float32)
        twin.add_features(weight, 1.0, np.zeros(1, np.int32), np.ones(1, np.float32), np.array([0, 1]), out)
        assert out[0, 0] * WIDE_UNIT**2 == -lookup_numpy.LARGEST_WEIGHT


def test_the_twins_agree_on_their_units():
    assert (lookup_numba.WIDE_UNIT, lookup_numba.LARGEST_WEIGHT) == (WIDE_UNIT, lookup_numpy.LARGEST_WEIGHT)
