"""Gradients of several processes become their sum: dense ones as one flat array, rows of tables as pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from textcnn.training.ranks import Ranks


def exchange_gradients(groups: Mapping[str, Sequence[nn.Parameter]], ranks: Ranks, *, has_rows: bool = True) -> None:
    """Put the sum over all processes in the place of each gradient.

    Args:
        groups: weights by what moves them, as :func:`textcnn.training.optimizers.split_parameters` gives them.
        ranks: who takes part; all of them call this at the same step.
        has_rows: whether this process has rows of the batch. The words of a row that it has borrowed are not touched:
            an average of gradients would move a table's row although its gradient is 0.
    """
    if ranks.size == 1:
        return
    tables = [*groups["rows"], *groups["wide"]]
    for table in tables if not has_rows else ():
        table.grad = None
    sum_dense(groups["dense"], ranks)
    join_rows(tables, ranks)


def sum_dense(weights: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """One sum of one array, for a message costs more than its bytes; a missing gradient is 0."""
    if not weights:
        return
    grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
    flat = ranks.sum(torch.cat([grad.reshape(-1) for grad in grads]), "dense")
    for weight, grad, part in zip(weights, grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
        weight.grad = grad.copy_(part.view_as(grad))  # laid out in memory as the weight is


def join_rows(tables: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """The entries (row, gradient) of all processes behind each other, by rank; no row that nobody touched is sent.

    They stay entries: RowAdam adds those of a row, and RowAdagrad needs one for each example. In the order of ranks,
    which each have a range of the batch, they are in the order of the whole batch.
    """
    if not tables:
        return
    parts = ranks.gather(_packed(tables), "rows")
    found = [_unpacked(part, tables) for part in parts]
    for number, table in enumerate(tables):
        rows = torch.cat([of_rank[number][0] for of_rank in found])
        values = torch.cat([of_rank[number][1] for of_rank in found])
        table.grad = torch.sparse_coo_tensor(rows[None], values, table.shape, check_invariants=False)


def _packed(tables: Sequence[nn.Parameter]) -> Tensor:
    """All entries as one float32 array: for each table how many there are, then its rows, then its gradients.

    Counts and rows are int32, whose bits are sent as if they were float32: nothing computes with them.
    """
    device = tables[0].device
    pieces = []
    for table in tables:
        if table.grad is None:
            rows, values = torch.zeros(0, dtype=torch.int32, device=device), table.new_zeros(0)
        else:
            rows, values = table.grad._indices()[0].to(torch.int32), table.grad._values().reshape(-1)
        count = torch.tensor([len(rows)], dtype=torch.int32, device=device)
        pieces += [count.view(torch.float32), rows.view(torch.float32), values]
    return torch.cat(pieces).detach()


def _unpacked(packed: Tensor, tables: Sequence[nn.Parameter]) -> list[tuple[Tensor, Tensor]]:
    """For each table its rows ``(E,)`` and their gradients ``(E, D)``."""
    found, place = [], 0
    for table in tables:
        count, width = int(packed[place : place + 1].view(torch.int32)), table.shape[1]
        rows = packed[place + 1 : place + 1 + count].view(torch.int32).to(torch.int64)
        place += 1 + count
        found.append((rows, packed[place : place + count * width].view(count, width)))
        place += count * width
    return found
