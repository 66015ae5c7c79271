"""Fast twins of the training kernels: products once a type, a search, and gradients from the winners alone.

A convolution over embeddings is linear in each token: ``s_f(t) = b_f + sum_i W_f[i] . E[x_{t+i}]``. So the products
``P = E W`` are made once for each unique type; every window is then a sum of h rows of P. The gradient of a maximum
lives at one window a text and filter, so both gradients are sums over winners, sorted by type and by (tap, filter).

Shapes: U unique types, D their width, B texts, N tokens, F filters of all G sizes, S columns of P: for each size, each
of its taps, its filters.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from textcnn.kernels.numba_rows import adagrad, adam, sort_entries, sum_rows, threads_of_torch


def conv_max(
    embedded: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    inverse: Tensor,
    offsets: Tensor,
    keep: Tensor | None = None,
) -> Tensor:
    """As :func:`textcnn.kernels.reference.conv_max`, for float32 on the CPU.

    A filter that ``keep`` drops in every text costs nothing: no products, no search, no gradient.
    """
    sizes, counts = [weight.shape[2] for weight in weights], [len(weight) for weight in weights]
    taps = torch.cat([weight.permute(2, 0, 1).reshape(-1, weight.shape[1]) for weight in weights])  # (S, D)
    bias = torch.cat(list(biases))
    alive = None if keep is None else keep.amax(0) > 0
    if alive is None or bool(alive.all()):
        whole: Tensor = _ConvMax.apply(embedded, taps, bias, inverse, offsets, _shape(sizes, counts), keep)
        return whole
    assert keep is not None
    parts, filters = alive.split(counts), alive.nonzero()[:, 0]
    columns = torch.cat([part.repeat(size) for part, size in zip(parts, sizes, strict=True)]).nonzero()[:, 0]
    shape = _shape(sizes, [int(part.sum()) for part in parts])
    some = taps.index_select(0, columns), bias[filters]
    scores: Tensor = _ConvMax.apply(embedded, *some, inverse, offsets, shape, keep[:, filters])
    return scores.new_zeros(keep.shape).index_copy(1, filters, scores)


def _shape(sizes: Sequence[int], counts: Sequence[int]) -> np.ndarray[Any, Any]:
    """Width and number of filters of each size, ``(G, 2)``; in one memory order, for each is compiled anew."""
    return np.array(list(zip(sizes, counts, strict=True)), np.int64)


def bag_sum(table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor, *, sparse: bool, merge: bool) -> Tensor:
    """As :func:`textcnn.kernels.reference.bag_sum`, for float32 on the CPU."""
    result: Tensor = _BagSum.apply(table, rows, offsets, weights, sparse, merge)
    return result


def row_adam(
    weight: Tensor, moments: Tensor, grad: Tensor, *, lr: float, betas: tuple[float, float], eps: float
) -> None:
    """As :func:`textcnn.kernels.reference.row_adam`, for float32 on the CPU."""
    rows, values = grad._indices()[0].numpy(), grad._values().contiguous().numpy()
    settings = (np.float32(x) for x in (lr, 1 - betas[0], 1 - betas[1], eps))
    with threads_of_torch():
        adam(weight.detach().numpy(), moments.numpy(), rows, values, *settings)


def row_adagrad(weight: Tensor, total: Tensor, grad: Tensor, *, lr: float) -> None:
    """As :func:`textcnn.kernels.reference.row_adagrad`, for float32 on the CPU."""
    rows, values = grad._indices()[0].numpy(), grad._values().contiguous().numpy()
    with threads_of_torch():
        adagrad(weight.detach().numpy(), total.numpy(), rows, values, np.float32(lr))


class _ConvMax(torch.autograd.Function):
    """Vectors ``(U, D)``, taps ``(S, D)``, biases ``(F,)`` and a ragged batch to scores ``(B, F)``.

    ``shape (G, 2)`` holds the width and the number of filters of each size.
    """

    @staticmethod
    def forward(
        ctx: Any,
        embedded: Tensor,
        taps: Tensor,
        bias: Tensor,
        inverse: Tensor,
        offsets: Tensor,
        shape: np.ndarray[Any, Any],
        keep: Tensor | None,
    ) -> Tensor:
        products = torch.mm(embedded, taps.t(), out=_products.of(len(embedded), len(taps)))  # (U, S)
        kept = torch.ones(len(offsets) - 1, len(bias)) if keep is None else keep.contiguous()
        scores = torch.empty(kept.shape)
        winners = torch.empty(kept.shape, dtype=torch.int32)
        batch = inverse.numpy(), offsets.numpy(), kept.numpy()
        with threads_of_torch():
            _search(products.numpy(), shape, bias.numpy(), *batch, scores.numpy(), winners.numpy())
        ctx.save_for_backward(embedded, taps, inverse, offsets, kept, winners)
        ctx.shape = shape
        return scores

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        embedded, taps, inverse, offsets, kept, winners = ctx.saved_tensors
        grad_bias = grad.new_zeros(winners.shape[1])
        batch = inverse.numpy(), offsets.numpy(), kept.numpy()
        found = _winning(grad.contiguous().numpy(), winners.numpy(), ctx.shape, *batch, grad_bias.numpy())
        types, columns, values = found
        grad_embedded = grad_taps = None
        if ctx.needs_input_grad[0]:
            starts, others, weights = sort_entries(types, columns, values, len(embedded))
            grad_embedded = _sum(starts, others, weights, taps)
        if ctx.needs_input_grad[1]:
            starts, others, weights = sort_entries(columns, types, values, len(taps))
            grad_taps = _sum(starts, others, weights, embedded)
        return grad_embedded, grad_taps, grad_bias, None, None, None, None


class _Products(threading.local):
    """Room for P, kept from step to step: fresh memory of that size costs as much as a third of the product.

    numpy asks for huge pages where torch does not; a search that jumps from row to row gains a third by them. A
    product that is not written to the beginning of a cache line is half as fast again.
    """

    KEPT = 1 << 25  # numbers; 128 MB
    LINE = 16  # numbers of a cache line

    def __init__(self) -> None:
        self._room = torch.empty(0)

    def of(self, num_types: int, num_columns: int) -> Tensor:
        size = num_types * num_columns
        if size > self.KEPT:
            return torch.empty(num_types, num_columns)
        if size > len(self._room):
            room = np.empty(min(size + size // 2, self.KEPT) + self.LINE, np.float32)
            self._room = torch.from_numpy(room[-(room.ctypes.data // room.itemsize) % self.LINE :])
        return self._room[:size].view(num_types, num_columns)


_products = _Products()


class _BagSum(torch.autograd.Function):
    """A table ``(V, D)`` to weighted sums of its rows ``(K, D)``."""

    @staticmethod
    def forward(
        ctx: Any, table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor, sparse: bool, merge: bool
    ) -> Tensor:
        ctx.save_for_backward(rows, offsets, weights)
        ctx.size, ctx.sparse, ctx.merge = table.shape, sparse, merge
        return _sum(offsets.numpy(), rows.numpy(), weights.numpy(), table.detach())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, offsets, weights = ctx.saved_tensors
        bags = torch.repeat_interleave(torch.diff(offsets), output_size=len(rows))
        if ctx.sparse and not ctx.merge:
            return _sparse(rows, grad[bags] * weights[:, None], ctx.size), None, None, None, None, None
        starts, owners, sorted_weights = sort_entries(rows.numpy(), bags.numpy(), weights.numpy(), ctx.size[0])
        if not ctx.sparse:
            return _sum(starts, owners, sorted_weights, grad), None, None, None, None, None
        touched = np.flatnonzero(np.diff(starts))
        values = _sum(np.append(starts[touched], starts[-1]), owners, sorted_weights, grad)
        return _sparse(torch.from_numpy(touched), values, ctx.size), None, None, None, None, None


def _sum(offsets: Any, rows: Any, weights: Any, table: Tensor) -> Tensor:
    out = torch.empty(len(offsets) - 1, table.shape[1])
    with threads_of_torch():
        sum_rows(offsets, rows, weights, table.contiguous().numpy(), out.numpy())
    return out


def _sparse(rows: Tensor, values: Tensor, size: torch.Size) -> Tensor:
    return torch.sparse_coo_tensor(rows[None], values, size, check_invariants=False)


@njit(cache=True)
def _search_text(b, products, shape, bias, inverse, offsets, kept, scores, winners):
    start = offsets[b]
    length = offsets[b + 1] - start
    window = np.empty(scores.shape[1], np.float32)
    column = 0
    first = 0
    for g in range(shape.shape[0]):
        size, count = shape[g]
        best = scores[b, first : first + count]
        at = winners[b, first : first + count]
        best[:] = -np.inf if length > 0 else 0.0
        at[:] = 0
        # An empty text has no window: those before its end would read the next text, or nothing at all.
        for t in range(1 - size if length > 0 else 0, length):
            low = max(0, -t)
            high = min(size, length - t)
            products_of = products[inverse[start + t + low], column + low * count :]
            for f in range(count):
                window[f] = products_of[f]
            for i in range(low + 1, high):
                products_of = products[inverse[start + t + i], column + i * count :]
                for f in range(count):
                    window[f] += products_of[f]
            for f in range(count):  # without a branch, so that it becomes vector instructions
                wins = window[f] > best[f]
                best[f] = window[f] if wins else best[f]
                at[f] = t if wins else at[f]
        column += size * count
        first += count
    if length > 0:
        for f in range(scores.shape[1]):
            scores[b, f] = (scores[b, f] + bias[f]) * kept[b, f]


@njit(parallel=True, cache=True)
def _search(products, shape, bias, inverse, offsets, kept, scores, winners):
    """Largest score of every filter over the windows of every text, and where the window begins (first of equals)."""
    for b in prange(offsets.shape[0] - 1):  # numba takes b for unsigned in one of its versions of the loop
        _search_text(np.int64(b), products, shape, bias, inverse, offsets, kept, scores, winners)


@njit(cache=True)
def _winning(grad, winners, shape, inverse, offsets, kept, grad_bias):
    """Every tap of every winning window with a gradient: its type, its column of P, and the gradient."""
    room = 0
    for g in range(shape.shape[0]):
        room += shape[g, 0] * shape[g, 1]
    room *= offsets.shape[0] - 1
    types, columns, values = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32)
    found = 0
    for b in range(offsets.shape[0] - 1):
        start = offsets[b]
        length = offsets[b + 1] - start
        column = 0
        first = 0
        for g in range(shape.shape[0]):
            size, count = shape[g]
            for f in range(count):
                value = grad[b, first + f] * kept[b, first + f]
                if value != 0 and length > 0:
                    grad_bias[first + f] += value
                    t = winners[b, first + f]
                    for i in range(max(0, -t), min(size, length - t)):
                        types[found] = inverse[start + t + i]
                        columns[found] = column + i * count + f
                        values[found] = value
                        found += 1
            column += size * count
            first += count
    return types[:found], columns[:found], values[:found]
