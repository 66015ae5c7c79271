"""The twins of the kernels of reasons give the same bits, and what they give is what was asked for."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcnn.core import lookup_numpy, shares, shares_numpy

pytestmark = pytest.mark.usefixtures("core")

laws = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
FILTERS, LANES = 3, 16  # filters of a size, and columns of the products
lengths = st.lists(st.integers(0, 12), max_size=5)


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@laws
@given(
    lengths=lengths,
    sizes=st.sampled_from([[], [1], [2, 3], [3, 4, 5]]),
    is_nested=st.booleans(),
    num_labels=st.integers(1, 3),
)
def test_words_and_windows_share_what_the_filters_add(ways, lengths, sizes, is_nested, num_labels):
    random, offsets, sizes = np.random.default_rng(sum(lengths)), offsets_of(lengths), np.array(sizes, np.int64)
    first_taps = np.zeros_like(sizes) if is_nested else np.cumsum(sizes) - sizes
    products = random.normal(size=(9, int(sizes.sum()), LANES)).astype(np.float32)
    products[0] = 0
    rows = random.integers(1, 9, offsets[-1])
    shape, widest = (len(lengths), len(sizes) * FILTERS), int(sizes.max(initial=1))
    best = np.zeros((len(lengths), len(sizes), LANES), np.float32)
    places = np.zeros(best.shape, np.int32)
    lookup_numpy.winners(products, rows, offsets, sizes, first_taps, best, places)
    heads, reach = random.normal(size=(len(lengths), num_labels, shape[1])), random.integers(0, 2, shape) * 1.0

    def shared(twin, **how):
        first, inside = np.zeros((2, *shape), np.int64)
        adds = np.zeros((*shape, widest))
        twin.window_words(products, rows, offsets, sizes, first_taps, places, first, inside, adds, **how)
        np.testing.assert_allclose(adds.sum(axis=2), best[:, :, :FILTERS].reshape(shape), atol=1e-5)
        features = reach * adds.sum(axis=2)
        words, windows = np.zeros((offsets[-1], num_labels)), np.zeros((offsets[-1] * widest, num_labels))
        won = np.zeros(len(windows), np.bool_)
        twin.spread(first, inside, adds, reach, features, heads, words, windows, won, **how)
        expected = np.einsum("blk,bk->l", heads, features)
        np.testing.assert_allclose(words.sum(axis=0), expected, atol=1e-9)
        np.testing.assert_allclose(windows.sum(axis=0), expected, atol=1e-9)
        assert not windows[~won].any()
        return first, inside, adds, words, windows, won

    expected = shared(shares_numpy)
    for threads in ways():
        for one, other in zip(shared(shares, threads=threads), expected, strict=True):
            assert one.tobytes() == other.tobytes()


@laws
@given(lengths=lengths, top=st.integers(0, 6))
def test_the_strongest_are_the_first_of_a_stable_sort(ways, lengths, top):
    random, offsets = np.random.default_rng(top), offsets_of(lengths)
    values = np.round(random.normal(size=offsets[-1]), 1)  # some are equal
    ends = offsets_of(np.minimum(lengths, top))

    def chosen(twin, **how):
        order, rest = np.empty(ends[-1], np.int64), np.empty(len(lengths))
        twin.strongest(offsets, values, top, ends, order, rest, **how)
        return order, rest

    results = [chosen(shares_numpy)]
    for threads in ways():
        np.testing.assert_array_equal(chosen(shares, threads=threads)[0], results[0][0])
        np.testing.assert_array_equal(chosen(shares, threads=threads)[1], results[0][1])
    for b in range(len(lengths)):
        own = values[offsets[b] : offsets[b + 1]]
        chosen = sorted(range(len(own)), key=lambda k: -abs(own[k]))[:top]
        assert (results[0][0][ends[b] : ends[b + 1]] - offsets[b]).tolist() == chosen
        np.testing.assert_allclose(results[0][1][b], own.sum() - own[chosen].sum(), atol=1e-12)


def test_windows_and_values_that_do_not_fit_are_errors():
    products, offsets, sizes = np.ones((3, 5, LANES), np.float32), np.array([0, 2]), np.array([3, 5])
    first_taps, rows = np.zeros(2, np.int64), np.array([1, 2])
    places = np.zeros((1, 2, LANES), np.int32)

    def found(places, widest=5, **changed):
        given = {"products": products, "rows": rows, "offsets": offsets, "sizes": sizes, "first_taps": first_taps}
        first, inside = np.zeros((2, 1, 2 * FILTERS), np.int64)
        shares.window_words(
            **{**given, **changed}, places=places, first=first, inside=inside, adds=np.zeros((1, 2 * FILTERS, widest))
        )

    found(places)
    for wrong in ({"widest": 4}, {"rows": np.array([1, 3])}, {"offsets": np.array([0, 3])}):
        with pytest.raises(ValueError, match="fit together"):
            found(places, **wrong)
    with pytest.raises(ValueError, match="fit together"):
        found(places - 3)  # a window of three words that holds none
    one = np.ones((1, 2))
    whole = np.ones((1, 2), np.int64)
    for first, inside in ((whole, whole), (whole - 2, whole), (whole - 1, whole + 5)):
        sums = np.zeros((1, 1)), np.zeros((5, 1)), np.zeros(5, np.bool_)
        with pytest.raises(ValueError, match="fit together"):
            shares.spread(first, inside, np.ones((1, 2, 5)), one, one, np.ones((1, 1, 2)), *sums)
    with pytest.raises(ValueError, match="fit together"):
        shares.strongest(np.array([0, 3]), np.ones(3), 2, np.array([0, 3]), np.zeros(3, np.int64), np.zeros(1))
