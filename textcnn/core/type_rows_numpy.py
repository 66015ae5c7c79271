"""Lookup rows of types, defined in NumPy: composed vectors, and their exact filter products.

:mod:`textcnn.core.type_rows` binds the same in C.

Shapes: n types, D numbers of a vector, T taps of F filters, C shares of the mean, G sizes of windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.numeric import ExactProduct
from textcnn.core.units import LARGEST, LARGEST_WEIGHT, UNIT

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class VectorTables:
    """Embedding tables from which the vectors of types are composed.

    Attributes:
        fixed: ``(V, D')`` float32, a frozen channel that precedes the trained one; none without it.
        words: ``(V, D)`` float32.
        ngrams: ``(rows, D)`` float32; none: no n-grams.
        adds: whether the mean of the n-grams is added to the word's row; else it is a mean of all of them.
        scores: ``(rows, C)`` float32, what each n-gram adds to the shares of its types, multiplied by ``score_scale``;
            none: nothing.
        score_scale: the factor of ``scores``.
    """

    fixed: Floats | None
    words: Floats
    ngrams: Floats | None
    adds: bool
    scores: Floats | None = None
    score_scale: float = 0.0

    @property
    def dim(self) -> int:
        """Width of a composed vector."""
        return int(self.words.shape[1]) + (0 if self.fixed is None else int(self.fixed.shape[1]))


@dataclass(frozen=True, eq=False)
class RowLayout:
    """Layout of the filter products of a type as one row.

    Attributes:
        num_taps: T of the products.
        num_filters: F.
        width: F, padded to whole vector instructions.
        num_shares: C.
        sizes: ``(G,)`` words of the windows.
        first_taps: ``(G,)``, the tap of the products that each size begins with.
        steps: ``(G * F,)``: rows are int8, in these steps, and every size has taps of its own; none: float32 rows.
    """

    num_taps: int
    num_filters: int
    width: int
    num_shares: int
    sizes: Integers
    first_taps: Integers
    steps: npt.NDArray[np.float64] | None = None

    @property
    def row_shape(self) -> tuple[int, int]:
        """Taps and padded width of a row."""
        return self.num_taps if self.steps is None else int(self.sizes.sum()), self.width

    @property
    def columns(self) -> Integers:
        """Column of the products for each tap and filter, filter width by filter width."""
        taps = [first + np.arange(size) for first, size in zip(self.first_taps, self.sizes, strict=True)]
        all_taps = np.concatenate([np.zeros(0, np.int64), *taps])
        return np.asarray(all_taps[:, None] * self.num_filters + np.arange(self.num_filters)).reshape(-1)


def compose(
    tables: VectorTables, types: Integers, bags: npt.NDArray[np.int32], offsets: Integers, *, threads: int | None = None
) -> Floats:
    """Compose the vectors ``(n, D)`` of types; n-grams are added in order, so that a vector always has the same bits.

    Args:
        tables: the weights.
        types: ``(n,)``; those outside the vocabulary have no word row.
        bags: rows of the n-grams of all types.
        offsets: ``(n + 1,)``, where those of each type begin.
        threads: none: :func:`textcnn.core.threads.num_threads`.

    Raises:
        ValueError: a number is not one of a row.
    """
    _check(tables, types, bags, offsets)
    known = types < len(tables.words)
    rows = np.where(known, types, 0)
    vectors = _rows_or_zeros(tables.words, rows, known)
    if tables.ngrams is not None:
        counts = np.diff(offsets)
        ngrams = np.zeros_like(vectors)
        for place in range(int(counts.max(initial=0))):
            longer = np.flatnonzero(counts > place)
            ngrams[longer] += tables.ngrams[bags[offsets[longer] + place]]
        if tables.adds:
            vectors += ngrams / np.maximum(counts, 1).astype(np.float32)[:, None]
        else:
            vectors = (vectors + ngrams) / np.maximum(counts + known, 1).astype(np.float32)[:, None]
    if tables.fixed is None:
        return vectors
    return np.concatenate([_rows_or_zeros(tables.fixed, rows, known), vectors], axis=1)


def fill_rows(
    tables: VectorTables,
    product: ExactProduct,
    layout: RowLayout,
    types: Integers,
    bags: npt.NDArray[np.int32],
    offsets: Integers,
    rows: Array,
    shares: Integers,
    clipped: npt.NDArray[np.bool_],
    *,
    threads: int | None = None,
) -> None:
    """Compute the lookup rows of types into ``rows``, ``shares`` and ``clipped``.

    Args:
        tables: as for :func:`compose`; so are ``types``, ``bags``, ``offsets`` and ``threads``.
        product: its weights are those of the taps, then those of the shares.
        layout: layout of the rows.
        types: ``(n,)``.
        bags: rows of n-grams.
        offsets: ``(n + 1,)``.
        rows: ``(n, *layout.row_shape)`` float32 or int8.
        shares: ``(n, C)``, in units of ``UNIT``.
        clipped: ``(n,)``, whether a product is outside the range of int8.
        threads: at most.

    Raises:
        ValueError: as for :func:`compose`.
    """
    products = product(compose(tables, types, bags, offsets))
    num_columns = layout.num_taps * layout.num_filters
    shares[:] = np.rint(products[:, num_columns:] / UNIT)
    if tables.scores is not None:
        shares += score_sums(tables, bags, offsets)
    rows[:], clipped[:] = 0, False
    shape = len(types), layout.row_shape[0], layout.num_filters
    if layout.steps is None:
        rows[:, :, : layout.num_filters] = products[:, :num_columns].reshape(shape)
        return
    steps = np.repeat(layout.steps.reshape(len(layout.sizes), layout.num_filters), layout.sizes, axis=0)
    whole = np.rint(products[:, layout.columns] / steps.reshape(-1))
    clipped[:] = (np.abs(whole) > LARGEST).any(axis=1)
    rounded = np.clip(whole, -LARGEST, LARGEST)
    rows[:, :, : layout.num_filters] = rounded.reshape(shape)


def score_sums(tables: VectorTables, bags: npt.NDArray[np.int32], offsets: Integers) -> Integers:
    """Return what the n-grams of each type add to its shares ``(n, C)``, in units of ``UNIT``; the model has scores."""
    assert tables.scores is not None
    return _sums(_whole_scores(tables.scores[bags] * np.float64(tables.score_scale)), offsets)


def _whole_scores(scores: npt.NDArray[np.float64]) -> Integers:
    """Round scores to multiples of ``UNIT``, bounded so that a thousand of them fit into 64 bits."""
    bounded = np.fmin(np.fmax(scores, -LARGEST_WEIGHT), LARGEST_WEIGHT)
    return np.asarray(np.rint(bounded / UNIT), np.int64)


def _sums(rows: Integers, offsets: Integers) -> Integers:
    """Sum the rows ``(M, C)`` of each bag."""
    totals = np.concatenate([np.zeros((1, rows.shape[1]), np.int64), np.cumsum(rows, axis=0)])
    return np.asarray(totals[offsets[1:]] - totals[offsets[:-1]])


def _rows_or_zeros(table: Floats, rows: Integers, known: npt.NDArray[np.bool_]) -> Floats:
    if not len(table):
        return np.zeros((len(rows), table.shape[1]), np.float32)
    return np.where(known[:, None], table[rows], np.float32(0))


def _check(tables: VectorTables, types: Integers, bags: npt.NDArray[np.int32], offsets: Integers) -> None:
    if types.min(initial=0) < 0:
        raise ValueError("expected types of 0 or more")
    if tables.ngrams is None:
        return
    if offsets[0] < 0 or offsets[-1] > len(bags) or np.diff(offsets).min(initial=0) < 0:
        raise ValueError("expected offsets that ascend within the n-gram rows")
    if len(bags) and not 0 <= bags.min() <= bags.max() < len(tables.ngrams):
        raise ValueError(f"expected numbers of n-gram rows below {len(tables.ngrams)}")
