"""The twins of the kernels of reasons give the same bits, and what they give is what was asked for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.kernels import lookup_numpy, shares_numba, shares_numpy

TWINS = shares_numpy, shares_numba
FILTERS, LANES = 3, 4  # filters of a size, and columns of the products
lengths = st.lists(st.integers(0, 12), max_size=5)


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@given(lengths=lengths, sizes=st.sampled_from([[], [1], [2, 3], [3, 4, 5]]), num_labels=st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_words_and_windows_share_what_the_filters_add(lengths, sizes, num_labels):
    random, offsets, sizes = np.random.default_rng(sum(lengths)), offsets_of(lengths), np.array(sizes, np.int64)
    products = random.normal(size=(9, int(sizes.sum()), LANES)).astype(np.float32)
    products[0] = 0
    rows = random.integers(1, 9, offsets[-1])
    shape, widest = (len(lengths), len(sizes) * FILTERS), int(sizes.max(initial=1))
    best = np.zeros((len(lengths), len(sizes), LANES), np.float32)
    places = np.zeros(best.shape, np.int32)
    lookup_numpy.winners(products, rows, offsets, sizes, best, places)
    heads, reach = random.normal(size=(len(lengths), num_labels, shape[1])), random.integers(0, 2, shape) * 1.0
    results = []
    for twin in TWINS:
        first, inside = np.zeros((2, *shape), np.int64)
        adds = np.zeros((*shape, widest))
        twin.window_words(products, rows, offsets, sizes, places, first, inside, adds)
        np.testing.assert_allclose(adds.sum(axis=2), best[:, :, :FILTERS].reshape(shape), atol=1e-5)
        features = reach * adds.sum(axis=2)
        words, windows = np.zeros((offsets[-1], num_labels)), np.zeros((offsets[-1] * widest, num_labels))
        won = np.zeros(len(windows), np.bool_)
        twin.spread(first, inside, adds, reach, features, heads, words, windows, won)
        expected = np.einsum("blk,bk->l", heads, features)
        np.testing.assert_allclose(words.sum(axis=0), expected, atol=1e-9)
        np.testing.assert_allclose(windows.sum(axis=0), expected, atol=1e-9)
        assert not windows[~won].any()
        results.append((first, inside, adds, words, windows, won))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@given(lengths=lengths, top=st.integers(0, 6))
@settings(deadline=None, max_examples=60)
def test_the_strongest_are_the_first_of_a_stable_sort(lengths, top):
    random, offsets = np.random.default_rng(top), offsets_of(lengths)
    values = np.round(random.normal(size=offsets[-1]), 1)  # some are equal
    ends = offsets_of(np.minimum(lengths, top))
    results = []
    for twin in TWINS:
        order, rest = np.empty(ends[-1], np.int64), np.empty(len(lengths))
        twin.strongest(offsets, values, top, ends, order, rest)
        results.append((order, rest))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    for b in range(len(lengths)):
        own = values[offsets[b] : offsets[b + 1]]
        chosen = sorted(range(len(own)), key=lambda k: -abs(own[k]))[:top]
        assert (results[0][0][ends[b] : ends[b + 1]] - offsets[b]).tolist() == chosen
        np.testing.assert_allclose(results[0][1][b], own.sum() - own[chosen].sum(), atol=1e-12)
