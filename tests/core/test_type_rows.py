"""Rows of types: the core gives the vectors and rows of its definition in numpy, in every way it runs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcnn.core import type_rows, type_rows_numpy
from textcnn.core.numeric import ExactProduct
from textcnn.core.type_rows_numpy import RowLayout, VectorTables
from textcnn.core.units import UNIT

pytestmark = pytest.mark.usefixtures("core")

laws = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = np.array([2, 3])


def normal(random, *shape):
    """Numbers of many sizes, and rows of zeros."""
    scales = 10.0 ** random.integers(-4, 4, shape[:1]) * random.integers(0, 9, shape[:1]).clip(0, 1)
    return (random.normal(size=shape) * scales.reshape(-1, *[1] * (len(shape) - 1))).astype(np.float32)


def drawn_tables(random, dim, *, has_fixed=False, has_ngrams=True, adds=False, num_types=11, num_scores=None):
    fixed = normal(random, num_types, 3) if has_fixed else None
    scores = None if num_scores is None else normal(random, 17, num_scores)
    ngrams = normal(random, 17, dim) if has_ngrams else None
    return VectorTables(fixed, normal(random, num_types, dim), ngrams, adds, scores, float(random.normal()))


def drawn_types(random, count, num_types=15):
    lengths = random.integers(0, 5, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return random.integers(0, num_types, count), random.integers(0, 17, offsets[-1]).astype(np.int32), offsets


def drawn_layout(random, *, num_filters, is_whole, is_nested, num_shares):
    first_taps = np.zeros(2, np.int64) if is_nested else np.array([0, 2])
    steps = 10.0 ** random.integers(-3, 3, 2 * num_filters) * random.random(2 * num_filters) if is_whole else None
    width = -(-num_filters // 16) * 16
    return RowLayout(3 if is_nested else 5, num_filters, width, num_shares, SIZES, first_taps, steps)


def filled(twin, tables, product, layout, types, bags, offsets, **how):
    kind = np.float32 if layout.steps is None else np.int8
    rows = np.full((len(types), *layout.row_shape), 77, kind)
    shares, clipped = np.full((len(types), layout.num_shares), 9), np.ones(len(types), np.bool_)
    twin.fill_rows(tables, product, layout, types, bags, offsets, rows, shares, clipped, **how)
    return rows, shares, clipped


@laws
@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.sampled_from([1, 5, 96, 130]),
    count=st.sampled_from([0, 1, 7, 48, 150]),
    has_fixed=st.booleans(),
    has_ngrams=st.booleans(),
    adds=st.booleans(),
)
def test_vectors(ways, seed, dim, count, has_fixed, has_ngrams, adds):
    random = np.random.default_rng(seed)
    tables = drawn_tables(random, dim, has_fixed=has_fixed, has_ngrams=has_ngrams, adds=adds)
    given = tables, *drawn_types(random, count)
    expected = type_rows_numpy.compose(*given)
    assert expected.shape == (count, tables.dim)
    for threads in ways():
        np.testing.assert_array_equal(type_rows.compose(*given, threads=threads), expected)


@laws
@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.sampled_from([1, 5, 96, 130]),
    count=st.sampled_from([0, 1, 3, 7, 25, 150]),
    num_filters=st.sampled_from([1, 16, 33]),
    is_whole=st.booleans(),
    is_nested=st.booleans(),
    num_shares=st.integers(0, 3),
    has_scores=st.booleans(),
)
def test_rows(ways, seed, dim, count, num_filters, is_whole, is_nested, num_shares, has_scores):
    random = np.random.default_rng(seed)
    layout = drawn_layout(
        random, num_filters=num_filters, is_whole=is_whole, is_nested=is_nested, num_shares=num_shares
    )
    tables = drawn_tables(random, dim, has_fixed=bool(seed % 2), num_scores=num_shares if has_scores else None)
    product = ExactProduct(normal(random, layout.num_taps * num_filters + num_shares, tables.dim))
    given = tables, product, layout, *drawn_types(random, count)
    expected = filled(type_rows_numpy, *given)
    for threads in ways():
        for one, other in zip(filled(type_rows, *given, threads=threads), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("twin", [type_rows, type_rows_numpy])
def test_scores_of_ngrams_are_added_to_the_shares_of_their_types(twin):
    random = np.random.default_rng(3)
    layout = drawn_layout(random, num_filters=1, is_whole=False, is_nested=True, num_shares=2)
    tables = drawn_tables(random, 4, num_scores=2)
    tables.scores[:] = np.arange(34).reshape(17, 2) / 8
    given = ExactProduct(normal(random, 5, 4)), layout, np.array([0, 12, 3]), np.array([2, 16, 2], np.int32)
    offsets = np.array([0, 2, 3, 3])
    without = filled(twin, replace(tables, scores=None), *given, offsets)[1]
    found = filled(twin, replace(tables, score_scale=0.5), *given, offsets)[1]
    sums = [tables.scores[2] + tables.scores[16], tables.scores[2], [0, 0]]
    np.testing.assert_array_equal((found - without) * UNIT, np.array(sums) * 0.5)


def test_a_row_does_not_depend_on_the_rows_beside_it(core):
    random = np.random.default_rng(5)
    layout = drawn_layout(random, num_filters=20, is_whole=False, is_nested=True, num_shares=2)
    tables = drawn_tables(random, 96, has_ngrams=False)
    product = ExactProduct(normal(random, 62, 96))
    types, none = np.arange(11), (np.zeros(0, np.int32), np.zeros(1, np.int64))
    rows, shares, _ = filled(type_rows, tables, product, layout, types, *none)
    for k in range(11):
        alone = filled(type_rows, tables, product, layout, types[k : k + 1], *none)
        assert (alone[0][0] == rows[k]).all()
        assert (alone[1][0] == shares[k]).all()
    exact = (tables.words.astype(np.float64) @ product.whole * product.scales)[:, :60].reshape(11, 3, 20)
    largest = np.abs(tables.words).max(axis=1) * 96 * np.abs(product.whole * product.scales).max()
    assert (np.abs(rows[:, :, :20] - exact) <= 2.0**-20 * largest[:, None, None]).all()


def test_whole_numbers_are_clipped_and_said_to_be():
    tables = VectorTables(None, np.array([[1.0], [127.4], [127.5], [-300.0], [0.5], [1.5]], np.float32), None, False)
    layout = RowLayout(1, 1, 16, 0, np.array([1]), np.array([0]), np.ones(1))
    given = (
        tables,
        ExactProduct(np.ones((1, 1), np.float32)),
        layout,
        np.arange(6),
        np.zeros(0, np.int32),
        np.zeros(1, int),
    )
    for twin in (type_rows_numpy, type_rows):
        rows, _, clipped = filled(twin, *given)
        assert rows[:, 0, 0].tolist() == [1, 127, 127, -127, 0, 2]
        assert clipped.tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("types", "bags", "offsets"),
    [([-1], [], [0, 0]), ([0], [17], [0, 1]), ([0], [-1], [0, 1]), ([0], [1], [0, 2]), ([0, 1], [1], [0, 1, 0])],
)
def test_numbers_of_no_row_are_errors_of_both_twins(types, bags, offsets):
    tables = drawn_tables(np.random.default_rng(0), 4)
    given = tables, np.array(types, np.int64), np.array(bags, np.int32), np.array(offsets, np.int64)
    for twin in (type_rows_numpy, type_rows):
        with pytest.raises(ValueError, match=r"expected|fit together"):
            twin.compose(*given)


def test_weights_that_do_not_fit_are_errors():
    random = np.random.default_rng(0)
    layout = drawn_layout(random, num_filters=4, is_whole=False, is_nested=True, num_shares=1)
    given = layout, *drawn_types(random, 3)
    tables = drawn_tables(random, 4)
    with pytest.raises(ValueError, match="fit together"):
        filled(type_rows, tables, ExactProduct(normal(random, 12, 4)), *given)
    with pytest.raises(TypeError, match="expected panels of shape"):
        filled(type_rows, tables, ExactProduct(normal(random, 13, 5)), *given)
