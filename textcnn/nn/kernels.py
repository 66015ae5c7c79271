"""Sparse row operations, by the core for float32 on the CPU, else by their reference definition in torch."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from textcnn import core
from textcnn.nn import reference
from textcnn.tokenization.batch import is_exporting


def bag_sum(
    table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor, *, sparse: bool = False, merge: bool = True
) -> Tensor:
    """Return the weighted sum of each bag's rows; see :func:`textcnn.nn.reference.bag_sum`."""
    if not _is_for_core(table):
        return reference.bag_sum(table, rows, offsets, weights, sparse=sparse, merge=merge)
    result: Tensor = _BagSum.apply(table, rows, offsets, weights, sparse, merge)  # type: ignore[no-untyped-call]
    return result


def row_adam(
    weight: Tensor, moments: Tensor, grad: Tensor, *, lr: float, betas: tuple[float, float], eps: float
) -> None:
    """Apply Adam to the rows that have a gradient; see :func:`textcnn.nn.reference.row_adam`."""
    if not _is_for_core(weight):
        reference.row_adam(weight, moments, grad, lr=lr, betas=betas, eps=eps)
        return
    core.twin("rows").adam_rows(
        weight.detach().numpy(), moments.numpy(), *_entries(grad), rate=lr, betas=betas, eps=eps
    )


def rowwise_adagrad(weight: Tensor, total: Tensor, grad: Tensor, *, lr: float, eps: float) -> None:
    """Apply row-wise Adagrad to the rows that have a gradient; see :func:`textcnn.nn.reference.rowwise_adagrad`."""
    if not _is_for_core(weight):
        reference.rowwise_adagrad(weight, total, grad, lr=lr, eps=eps)
        return
    core.twin("rows").adagrad_rows(weight.detach().numpy(), total.numpy(), *_entries(grad), rate=lr, eps=eps)


def row_adagrad(weight: Tensor, total: Tensor, grad: Tensor, *, lr: float) -> None:
    """Apply Adagrad to the rows that have a gradient; see :func:`textcnn.nn.reference.row_adagrad`."""
    if not _is_for_core(weight):
        reference.row_adagrad(weight, total, grad, lr=lr)
        return
    core.twin("rows").adagrad_entries(weight.detach().numpy(), total.numpy(), *_entries(grad), rate=lr)


def _is_for_core(tensor: Tensor) -> bool:
    """Return whether the core can take the tensor; an export must record torch's operations instead."""
    is_simple = tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.is_contiguous()
    return is_simple and core.library() is not None and not is_exporting()


def _entries(grad: Tensor) -> tuple[Any, Any]:
    """Return rows and values of a sparse gradient."""
    return grad._indices()[0].contiguous().numpy(), grad._values().contiguous().numpy()


class _BagSum(torch.autograd.Function):
    """Autograd function from a table ``(V, D)`` to weighted sums of its rows ``(K, D)``."""

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
        sort = core.twin("rows").sort_entries
        starts, owners, sorted_weights = sort(rows.numpy(), bags.numpy(), weights.numpy(), ctx.size[0])
        if not ctx.sparse:
            return _sum(starts, owners, sorted_weights, grad), None, None, None, None, None
        touched = np.flatnonzero(np.diff(starts))
        values = _sum(np.append(starts[touched], starts[-1]), owners, sorted_weights, grad)
        return _sparse(torch.from_numpy(touched), values, ctx.size), None, None, None, None, None


def _sum(offsets: Any, rows: Any, weights: Any, table: Tensor) -> Tensor:
    return torch.from_numpy(core.twin("rows").sum_rows(offsets, rows, weights, table.contiguous().numpy()))


def _sparse(rows: Tensor, values: Tensor, size: torch.Size) -> Tensor:
    return torch.sparse_coo_tensor(rows[None], values, size, check_invariants=False)


def _after_fork() -> None:
    """Use one thread in a forked child, which has none of OpenMP's threads: torch would wait for them for ever.

    One thread of its own is what a data-loading worker of torch has, too.
    """
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
