"""Kernels of look-up: numpy against plain Python loops; the core against numpy, to the bit, in every way it runs."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcnn.core import lookup, lookup_numpy, units
from textcnn.core.lookup_numpy import ACTIVATIONS

pytestmark = pytest.mark.usefixtures("core")

laws = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
lengths = st.lists(st.integers(0, 9) | st.sampled_from([40, 300]), max_size=5)
own_sizes = st.lists(st.integers(1, 6), min_size=1, max_size=3) | st.just([3, 4, 5])
nested_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True).map(sorted) | st.just([3, 4, 5])
# Sizes of windows, and where the taps of each begin.
windows = own_sizes.map(lambda sizes: (sizes, [sum(sizes[:g]) for g in range(len(sizes))])) | nested_sizes.map(
    lambda sizes: (sizes, [0] * len(sizes))
)
widths = st.sampled_from([16, 48, 96])
KINDS = [(np.float32, np.float32), (np.int8, np.int16)]
STANDARD, APART, NESTED = np.array([3, 4, 5]), np.array([0, 3, 7]), np.array([0, 0, 0])


def ragged(lengths, num_rows, seed=0):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.random.default_rng(seed).integers(1, num_rows, int(offsets[-1])), offsets


def table(kind, num_taps, num_filters, seed=0, levels=None):
    """Products; of few levels, many windows are equal."""
    normal = np.random.default_rng(seed).normal(size=(20, num_taps, num_filters)) * 40
    products = (normal if levels is None else np.rint(normal / 127 * levels)).clip(-127, 127).astype(kind)
    products[0] = 0
    return products


def pooled(twin, products, rows, offsets, sizes, first_taps, kind, **how):
    out = np.full((len(offsets) - 1, len(sizes), products.shape[2]), 99, kind)
    twin.pool(products, rows, offsets, sizes, first_taps, out, **how)
    return out


def window_sums(products, text, tap, size):
    """Sums of all windows of a text, one after the other."""
    return [
        sum(products[text[t + i], tap + i].astype(np.float64) for i in range(size) if 0 <= t + i < len(text))
        for t in range(1 - size, len(text))
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "sums"), KINDS)
@laws
@given(lengths=lengths, windows=windows, width=widths)
def test_pool_is_the_largest_window_sum(ways, kind, sums, lengths, windows, width):
    sizes, first_taps = (np.array(numbers) for numbers in windows)
    products = table(kind, int((first_taps + sizes).max()), width)
    rows, offsets = ragged(lengths, 20)
    given = products, rows, offsets, sizes, first_taps, sums
    found = pooled(lookup_numpy, *given)
    for threads in ways():
        np.testing.assert_array_equal(pooled(lookup, *given, threads=threads), found)
    for b in range(len(lengths)):
        text = rows[offsets[b] : offsets[b + 1]].tolist()
        for g, (size, tap) in enumerate(zip(*windows, strict=True)):
            expected = np.max(window_sums(products, text, tap, size), axis=0) if text else 0
            np.testing.assert_allclose(found[b, g], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "sums"), KINDS)
@laws
@given(lengths=lengths, windows=windows, width=widths, levels=st.sampled_from([3, 1000]))
def test_winners_are_pooled_sums_and_the_first_windows_that_have_them(
    ways, kind, sums, lengths, windows, width, levels
):
    sizes, first_taps = (np.array(numbers) for numbers in windows)
    products = table(kind, int((first_taps + sizes).max()), width, levels=levels)
    rows, offsets = ragged(lengths, 20)
    expected = pooled(lookup_numpy, products, rows, offsets, sizes, first_taps, sums)

    def won(twin, **how):
        best, places = np.full_like(expected, 99), np.full(expected.shape, 99, np.int32)
        twin.winners(products, rows, offsets, sizes, first_taps, best, places, **how)
        np.testing.assert_array_equal(best, expected)
        return places

    places = won(lookup_numpy)
    for threads in ways():
        np.testing.assert_array_equal(won(lookup, threads=threads), places)
    if kind is np.int8:
        return
    for b in range(len(lengths)):
        text = rows[offsets[b] : offsets[b + 1]].tolist()
        for g, (size, tap) in enumerate(zip(*windows, strict=True)):
            of_windows = window_sums(np.rint(products), text, tap, size)
            if levels == 3:
                first = np.argmax(of_windows, axis=0) + 1 - size if text else 0
                assert (places[b, g] == first).all()


def test_windows_of_more_words_than_a_stretch_of_the_loop(ways):
    sizes = np.array([300, 2])
    products = table(np.float32, 302, 16)
    given = products, *ragged([1, 299, 301, 900], 20), sizes, np.array([0, 300]), np.float32
    found = pooled(lookup_numpy, *given)
    for threads in ways():
        np.testing.assert_array_equal(pooled(lookup, *given, threads=threads), found)


@pytest.mark.parametrize("first_taps", [APART, NESTED])
@pytest.mark.parametrize(("kind", "sums"), KINDS)
def test_a_text_reads_neither_its_neighbours_nor_past_the_end(ways, kind, sums, first_taps):
    products = table(kind, 12, 16)
    rows, offsets = ragged([0, 2, 0, 17, 1, 0], 20)
    for threads in ways():
        for twin in (lookup_numpy, lookup):
            whole = pooled(twin, products, rows, offsets, STANDARD, first_taps, sums, threads=threads)
            for b in range(6):
                text = rows[offsets[b] : offsets[b + 1]].copy()
                alone = pooled(twin, products, text, np.array([0, len(text)]), STANDARD, first_taps, sums)
                assert (alone[0] == whole[b]).all()


def test_nested_widths_are_those_of_taps_of_their_own(core):
    """The same numbers stored once and three times: the same bits."""
    nested = table(np.float32, 5, 96, seed=3)
    apart = np.concatenate([nested[:, :3], nested[:, :4], nested], axis=1)
    rows, offsets = ragged([0, 1, 2, 30, 77], 20)
    given = rows, offsets, STANDARD
    for twin in (lookup_numpy, lookup):
        one, three = (pooled(twin, p, *given, t, np.float32) for p, t in ((nested, NESTED), (apart, APART)))
        assert one.tobytes() == three.tobytes()


@laws
@given(num_texts=st.integers(0, 4), num_labels=st.integers(1, 4), num_features=st.integers(0, 30))
def test_head_adds_one_feature_after_the_other(ways, num_texts, num_labels, num_features):
    random = np.random.default_rng(num_features)
    features = random.normal(size=(num_texts, num_features)).astype(np.float32)
    weights = random.normal(size=(num_features, num_labels)).astype(np.float32)
    expected = np.ones((num_texts, num_labels))
    lookup_numpy.head(features, weights, expected)
    for threads in ways():
        out = np.ones((num_texts, num_labels))
        lookup.head(features, weights, out, threads=threads)
        assert out.tobytes() == expected.tobytes()
    exact = 1 + features.astype(np.float64) @ weights.astype(np.float64)
    np.testing.assert_allclose(expected, exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@laws
@given(num_texts=st.integers(0, 4), num_sizes=st.integers(0, 3), num_filters=st.sampled_from([1, 16, 300]))
def test_scores_are_the_head_of_activations(ways, activation, num_texts, num_sizes, num_filters):
    random = np.random.default_rng(num_texts)
    best = (4 * random.normal(size=(num_texts, num_sizes, -(-num_filters // 16) * 16))).astype(np.float32)
    bias = random.normal(size=num_sizes * num_filters).astype(np.float32)
    weights = random.normal(size=(len(bias), 3)).astype(np.float32)
    empty = random.integers(0, 2, num_texts).astype(np.bool_)
    expected = np.zeros((num_texts, 3))
    lookup_numpy.add_scores(best, bias, activation, weights, empty, expected)
    assert not expected[empty].any()
    for threads in ways():
        out = np.zeros((num_texts, 3))
        lookup.add_scores(best, bias, activation, weights, empty, out, threads=threads)
        assert out.tobytes() == expected.tobytes()


def summed(twin, whole, floats, weights, rows, offsets, **how):
    sums, features = (np.ones((len(offsets) - 1, 3), np.int64) for _ in range(2))
    twin.add_rows(whole, rows, offsets, sums, **how)
    twin.add_features(floats, 0.5, rows.astype(np.int32), weights, offsets, features, **how)
    return sums, features


@laws
@given(lengths=lengths)
def test_sums_of_rows_and_of_features_are_exact(ways, lengths):
    random = np.random.default_rng(1)
    rows, offsets = ragged(lengths, 20)
    whole = random.integers(-(2**50), 2**50, (20, 3))
    floats = random.normal(size=(20, 3)).astype(np.float32)
    given = whole, floats, random.random(len(rows)).astype(np.float32), rows, offsets
    found = sums, features = summed(lookup_numpy, *given)
    for threads in ways():
        np.testing.assert_array_equal(summed(lookup, *given, threads=threads), found)
    weights = given[2]
    for b in range(len(lengths)):
        inside = range(offsets[b], offsets[b + 1])
        assert sums[b].tolist() == [1 + sum(int(whole[rows[n], c]) for n in inside) for c in range(3)]
        exact = [math.fsum(0.5 * float(floats[rows[n], c]) * float(weights[n]) for n in inside) for c in range(3)]
        np.testing.assert_allclose((features[b] - 1) * units.WIDE_UNIT**2, exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize("weight", [-1e9, 1e9, math.inf, math.nan, 0.75 * units.WIDE_UNIT, 1.5 * units.WIDE_UNIT])
def test_weights_are_held_at_a_bound_and_halves_go_to_the_even_number(weight):
    found = []
    for twin in (lookup_numpy, lookup):
        out = np.zeros((1, 1), np.int64)
        weights = np.array([[weight]], np.float32)
        twin.add_features(weights, 1.0, np.zeros(1, np.int32), np.ones(1, np.float32), np.array([0, 1]), out)
        found.append(int(out[0, 0]))
    assert found[0] == found[1]
    if weight == -1e9:
        assert found[0] * units.WIDE_UNIT**2 == -units.LARGEST_WEIGHT


@laws
@given(lengths=lengths, seed=st.integers(0, 99))
def test_all_is_collected_in_one_call(ways, lengths, seed):
    random = np.random.default_rng(seed)
    rows, offsets = ragged(lengths, 20, seed)
    features, ends = ragged(random.integers(0, 9, len(lengths)), 20, seed)
    products, means = table(np.float32, 5, 96, seed), random.integers(-99, 99, (20, 2))
    wide = random.normal(size=(20, 2)).astype(np.float32)
    weights = random.random(len(features)).astype(np.float32)

    def collected(twin, **how):
        best = np.empty((len(lengths), 3, 96), np.float32)
        sums = np.zeros((2, len(lengths), 2), np.int64)
        given = products, means, rows, offsets, STANDARD, NESTED, best, sums[0], wide, 0.7
        twin.collect(*given, features.astype(np.int32), weights, ends, sums[1], **how)
        return best.tobytes(), sums.tobytes()

    expected = collected(lookup_numpy)
    for threads in ways():
        assert collected(lookup, threads=threads) == expected


# ---------------------------------------------------------------------------------- what does not fit together

PRODUCTS, ROWS, OFFSETS = table(np.float32, 12, 16), np.array([1, 2, 3]), np.array([0, 1, 3])
TABLE = np.ones((20, 2), np.float32)
SUMS = np.zeros((2, 2), np.int64)


@pytest.mark.parametrize(
    ("rows", "offsets", "sizes", "first_taps"),
    [
        ([1, 2, 20], OFFSETS, STANDARD, APART),
        ([1, -1, 2], OFFSETS, STANDARD, APART),
        (ROWS, [0, 1, 4], STANDARD, APART),
        (ROWS, [-1, 1, 3], STANDARD, APART),
        (ROWS, [0, 2, 1], STANDARD, APART),
        (ROWS, OFFSETS, [3, 4, 6], APART),
        (ROWS, OFFSETS, [0, 4, 5], APART),
        (ROWS, OFFSETS, STANDARD, [-1, 3, 7]),
    ],
)
def test_windows_that_do_not_fit_are_errors_of_both_twins(rows, offsets, sizes, first_taps):
    for twin in (lookup_numpy, lookup):
        best, places = np.zeros((2, 3, 16), np.float32), np.zeros((2, 3, 16), np.int32)
        given = PRODUCTS, *map(np.array, (rows, offsets, sizes, first_taps)), best
        for call in (lambda g=given, t=twin: t.pool(*g), lambda g=given, t=twin, p=places: t.winners(*g, p)):
            with pytest.raises(ValueError, match=r"expected|fit together"):
                call()


@pytest.mark.parametrize("rows", [[1, 2, 20], [1, 2, -1]])
def test_rows_that_a_table_lacks_are_errors_of_both_twins(rows):
    for twin in (lookup_numpy, lookup):
        with pytest.raises(ValueError, match=r"expected|fit together"):
            twin.add_rows(np.ones((20, 2), np.int64), np.array(rows), OFFSETS, SUMS)
        with pytest.raises(ValueError, match=r"expected|fit together"):
            twin.add_features(TABLE, 1.0, np.array(rows, np.int32), np.ones(3, np.float32), OFFSETS, SUMS)


def test_arrays_of_another_kind_or_shape_are_errors():
    best = np.zeros((2, 3, 16), np.float32)
    with pytest.raises(TypeError, match="expected products as contiguous float32, got float64"):
        lookup.pool(PRODUCTS.astype(np.float64), ROWS, OFFSETS, STANDARD, APART, best)
    with pytest.raises(TypeError, match=r"of shape \(2, 3, 16\)"):
        lookup.pool(PRODUCTS, ROWS, OFFSETS, STANDARD, APART, best[:1])
    with pytest.raises(TypeError, match="expected an offset at least"):
        lookup.pool(PRODUCTS, ROWS, OFFSETS[:0], STANDARD, APART, best)
    with pytest.raises(ValueError, match="fit together"):  # filters come in whole vectors
        lookup.pool(PRODUCTS[:, :, :5].copy(), ROWS, OFFSETS, STANDARD, APART, np.zeros((2, 3, 5), np.float32))


def test_units_of_the_n_gram_branch_and_of_logits_are_whole_bits_apart():
    assert units.WIDE_UNIT**2 * 2**units.WIDE_SHIFT == units.UNIT
