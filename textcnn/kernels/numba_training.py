"""Fast twin of the training kernels, compiled by numba: a product a type, a search, a backward at the winners.

A convolution over embeddings is linear in each token: ``s_f(t) = b_f + sum_i W_f[i] . E[x_{t+i}]``. So the products
``P = E W`` are made once for each unique type; every window is then a sum of h rows of P. The gradient of a maximum
lives at one window a text and filter, so both gradients are sums over winners. No parallel loop shares an output row,
and every sum has a fixed order: the result does not depend on the number of threads.

Shapes: U unique types, S taps (the sum of the kernel sizes), F filters of a size, G sizes, B texts, N tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

# torch brings libgomp; another layer's threads would fight with its spinning ones.
numba.config.THREADING_LAYER = "omp"


def conv_max(
    embedded: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    inverse: Tensor,
    offsets: Tensor,
    keep: Tensor | None = None,
) -> Tensor:
    """As :func:`textcnn.kernels.reference.conv_max`, for float32 on the CPU and one number of filters for all sizes."""
    with torch.autocast("cpu", enabled=False):  # numba knows no half precision
        taps = torch.cat([weight.permute(2, 0, 1) for weight in weights])  # (S, F, D)
        sizes = np.array([weight.shape[2] for weight in weights])
        scores: Tensor = _ConvMax.apply(embedded, taps, inverse, offsets, sizes, keep)  # (B, G * F)
        bias = torch.cat(list(biases)) * (torch.diff(offsets) > 0)[:, None]
        return scores + (bias if keep is None else bias * keep)


class _ConvMax(torch.autograd.Function):
    """Vectors ``(U, D)``, taps ``(S, F, D)`` and a ragged batch to largest window sums ``(B, G * F)``, without bias."""

    @staticmethod
    def forward(
        ctx: Any,
        embedded: Tensor,
        taps: Tensor,
        inverse: Tensor,
        offsets: Tensor,
        sizes: np.ndarray[Any, Any],
        keep: Tensor | None,
    ) -> Tensor:
        num_taps, num_filters, dim = taps.shape
        products = (embedded @ taps.reshape(-1, dim).t()).view(-1, num_taps, num_filters)  # (U, S, F)
        num_texts = len(offsets) - 1
        scores = torch.empty(num_texts, len(sizes), num_filters)
        winners = torch.empty(num_texts, len(sizes), num_filters, dtype=torch.int32)
        with _threads_of_torch():
            _search(products.numpy(), sizes, inverse.numpy(), offsets.numpy(), scores.numpy(), winners.numpy())
        ctx.save_for_backward(embedded, taps, inverse, offsets, winners, keep)
        ctx.sizes = sizes
        flat = scores.view(num_texts, -1)
        return flat if keep is None else flat * keep

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        embedded, taps, inverse, offsets, winners, keep = ctx.saved_tensors
        grad = grad.contiguous() if keep is None else grad * keep
        by_size = grad.view(winners.shape)
        arguments = (by_size.numpy(), winners.numpy(), ctx.sizes, inverse.numpy(), offsets.numpy())
        grad_embedded = grad_taps = None
        if ctx.needs_input_grad[0]:
            grad_embedded = torch.zeros_like(embedded)
            with _threads_of_torch():
                _embedding_gradient(*arguments, taps.numpy(), grad_embedded.numpy())
        if ctx.needs_input_grad[1]:
            grad_taps = torch.zeros_like(taps)
            with _threads_of_torch():
                _taps_gradient(*arguments, embedded.numpy(), grad_taps.numpy())
        return grad_embedded, grad_taps, None, None, None, None


@contextmanager
def _threads_of_torch() -> Iterator[None]:
    """Run a kernel on as many threads as torch has been given; they share one pool, and numba would set torch's too."""
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@njit(parallel=True, cache=True)
def _search(products, sizes, inverse, offsets, scores, winners):
    """Largest sum of every filter over the windows of every text, and where the window begins (first of equals)."""
    num_filters = products.shape[2]
    for b in prange(offsets.shape[0] - 1):
        start = offsets[b]
        length = offsets[b + 1] - start
        window = np.empty(num_filters, np.float32)
        tap = 0
        for g in range(sizes.shape[0]):
            size = sizes[g]
            for f in range(num_filters):
                scores[b, g, f] = -np.inf if length > 0 else 0.0
                winners[b, g, f] = 0
            # An empty text has no window: those before its end would read the next text, or nothing at all.
            for t in range(1 - size if length > 0 else 0, length):
                low = max(0, -t)
                high = min(size, length - t)
                u = inverse[start + t + low]
                for f in range(num_filters):
                    window[f] = products[u, tap + low, f]
                for i in range(low + 1, high):
                    u = inverse[start + t + i]
                    for f in range(num_filters):
                        window[f] += products[u, tap + i, f]
                for f in range(num_filters):  # without a branch, so that it becomes vector instructions
                    wins = window[f] > scores[b, g, f]
                    scores[b, g, f] = window[f] if wins else scores[b, g, f]
                    winners[b, g, f] = t if wins else winners[b, g, f]
            tap += size


@njit(parallel=True, cache=True)
def _taps_gradient(grad, winners, sizes, inverse, offsets, embedded, out):
    """Add the gradient of every tap of every filter into ``out (S, F, D)``; a filter is one task."""
    num_filters = grad.shape[2]
    first = np.zeros(sizes.shape[0], np.int64)
    for g in range(1, sizes.shape[0]):
        first[g] = first[g - 1] + sizes[g - 1]
    for task in prange(sizes.shape[0] * num_filters):
        g = task // num_filters
        f = task % num_filters
        for b in range(offsets.shape[0] - 1):
            value = grad[b, g, f]
            if value != 0:
                start = offsets[b]
                length = offsets[b + 1] - start
                t = winners[b, g, f]
                for i in range(max(0, -t), min(sizes[g], length - t)):
                    u = inverse[start + t + i]
                    for d in range(embedded.shape[1]):
                        out[first[g] + i, f, d] += value * embedded[u, d]


@njit(parallel=True, cache=True)
def _embedding_gradient(grad, winners, sizes, inverse, offsets, taps, out):
    """Add the gradient of every type into ``out (U, D)``: winners are sorted by type, and a type is one task."""
    num_filters = grad.shape[2]
    ends = np.zeros(out.shape[0] + 1, np.int64)
    for write in range(2):  # count, then fill
        if write == 1:
            for u in range(out.shape[0]):
                ends[u + 1] += ends[u]
            rows = np.empty((ends[-1], 2), np.int32)
            values = np.empty(ends[-1], np.float32)
            free = ends.copy()
        for b in range(offsets.shape[0] - 1):
            start = offsets[b]
            length = offsets[b + 1] - start
            tap = 0
            for g in range(sizes.shape[0]):
                for f in range(num_filters):
                    value = grad[b, g, f]
                    if value != 0:
                        t = winners[b, g, f]
                        for i in range(max(0, -t), min(sizes[g], length - t)):
                            u = inverse[start + t + i]
                            if write == 0:
                                ends[u + 1] += 1
                            else:
                                place = free[u]
                                free[u] += 1
                                rows[place, 0] = tap + i
                                rows[place, 1] = f
                                values[place] = value
                tap += sizes[g]
    for u in prange(out.shape[0]):
        for place in range(ends[u], ends[u + 1]):
            for d in range(out.shape[1]):
                out[u, d] += values[place] * taps[rows[place, 0], rows[place, 1], d]
