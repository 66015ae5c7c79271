"""Very many labels: the core's kernels are their NumPy definitions, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.core import many_labels, many_labels_numpy
from textcnn.core.many_labels_numpy import Head, SparseTable
from textcnn.evaluation.calibration import probabilities
from textcnn.labels import Labels

sizes = st.tuples(st.integers(0, 30), st.integers(0, 40), st.integers(1, 200), st.integers(0, 2**32 - 1))


def table_of(random: np.random.Generator, num_features: int, num_labels: int) -> SparseTable:
    """A table in which every n-gram has some labels, none twice."""
    counts = random.integers(0, min(num_labels, 9) + 1, num_features)
    labels = [np.sort(random.choice(num_labels, count, replace=False)) for count in counts]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    joined = np.concatenate([np.zeros(0, np.int64), *labels]).astype(np.int32)
    return SparseTable(offsets, joined, random.standard_normal(len(joined)).astype(np.float32), num_labels)


@given(sizes, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_logits_of_the_core_are_those_of_numpy_bit_by_bit(case: tuple[int, int, int, int], threads: int) -> None:
    num_texts, size, num_labels, seed = case
    random = np.random.default_rng(seed)
    head = Head(*(random.standard_normal(shape).astype(np.float32) for shape in ((num_labels, size), (num_labels,))))
    features = random.standard_normal((num_texts, size)).astype(np.float32)
    table = table_of(random, 20, num_labels)
    counts = random.integers(0, 8, num_texts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = random.integers(0, 20, offsets[-1]).astype(np.int32)
    values = random.standard_normal(len(rows)).astype(np.float32)
    found = []
    for kernels in (many_labels, many_labels_numpy):
        kernels.check_sparse(table)
        logits = kernels.head_logits(head, features, threads=threads)
        kernels.add_sparse(table, 0.7, rows, values, offsets, logits, threads=threads)
        found.append(logits)
    np.testing.assert_array_equal(*found)
    for b in range(num_texts):  # a text alone has the bits that it has in the batch
        alone = many_labels.head_logits(head, features[b : b + 1])
        own = slice(offsets[b], offsets[b + 1])
        many_labels.add_sparse(table, 0.7, rows[own], values[own], offsets[b : b + 2] - offsets[b], alone)
        np.testing.assert_array_equal(alone[0], found[0][b])


@given(sizes, st.floats(0.05, 20), st.booleans())
@settings(max_examples=60, deadline=None)
def test_best_labels_are_those_of_a_whole_sort(
    case: tuple[int, int, int, int], temperature: float, has_ties: bool
) -> None:
    num_texts, padding, num_labels, seed = case
    random = np.random.default_rng(seed)
    logits = (random.standard_normal((num_texts, num_labels + padding)) * 10).astype(np.float32)
    logits = np.round(logits) if has_ties else logits
    count = int(random.integers(1, num_labels + 1))
    best, probs = many_labels.best_labels(logits, num_labels, temperature, count)
    numpy_best, numpy_probs = many_labels_numpy.best_labels(logits, num_labels, temperature, count)
    np.testing.assert_array_equal(best, numpy_best)
    np.testing.assert_array_equal(probs, numpy_probs)
    labels = Labels(tuple(map(str, range(num_labels))))
    exact = probabilities(logits[:, :num_labels], labels, temperature)
    np.testing.assert_allclose(probs, np.take_along_axis(exact, best.astype(np.int64), 1), rtol=3e-5, atol=1e-7)


@pytest.mark.parametrize("kernels", [many_labels, many_labels_numpy])
def test_a_table_with_a_label_too_many_is_refused(kernels: object) -> None:
    table = SparseTable(np.array([0, 1]), np.array([3], np.int32), np.ones(1, np.float32), 3)
    with pytest.raises(ValueError, match=r"labels|fit"):
        kernels.check_sparse(table)  # type: ignore[attr-defined]
    sound = SparseTable(np.array([0, 1]), np.array([2], np.int32), np.ones(1, np.float32), 3)
    rows, values = np.array([1], np.int32), np.ones(1, np.float32)
    with pytest.raises(ValueError, match=r"n-grams|fit"):
        kernels.add_sparse(sound, 1.0, rows, values, np.array([0, 1]), np.zeros((1, 3), np.float32))  # type: ignore[attr-defined]
