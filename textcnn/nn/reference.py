"""Reference definitions in torch of every fused operation, against which the core is tested."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from textcnn.tokenization.batch import padded_index


def conv_max(
    embedded: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    inverse: Tensor,
    offsets: Tensor,
    keep: Tensor | None = None,
) -> Tensor:
    """Return the maximum of every filter over the windows of every text (Kim 2014, arXiv 1408.5882).

    Windows reach over both ends of a text, each by the text's own length; a place outside the text adds nothing.

    Args:
        embedded: ``(U, D)`` vectors of the batch's unique types.
        weights: for each kernel size h, ``(F, D, h)``, as in ``nn.Conv1d``.
        biases: for each kernel size, ``(F,)``.
        inverse: ``(N,)``; token n has the vector ``embedded[inverse[n]]``.
        offsets: ``(B + 1,)``; text b has the tokens ``offsets[b]`` to ``offsets[b + 1]``.
        keep: ``(B, sum of F)`` of 0 and 1: where 0 the score is 0 and has no gradient, so that a kernel may skip it.

    Returns:
        ``(B, sum of F)`` scores before any activation, in the order of ``weights``; a text without tokens has zeros.
    """
    lengths = torch.diff(offsets)
    index = padded_index(inverse, offsets, len(embedded))  # (B, T)
    blank = embedded.new_zeros(1, embedded.shape[1])
    tokens = F.embedding(index, torch.cat([embedded, blank])).transpose(1, 2)  # (B, D, T)
    pooled = []
    for weight, bias in zip(weights, biases, strict=True):
        overhang = weight.shape[2] - 1
        if tokens.shape[2] == 0:
            pooled.append(tokens.new_zeros(len(lengths), len(weight)) + 0 * bias)
            continue
        scores = F.conv1d(tokens, weight, bias, padding=overhang)  # (B, F, T + h - 1)
        windows = torch.arange(scores.shape[2], device=scores.device)
        outside = windows >= (lengths + overhang)[:, None]
        pooled.append(scores.masked_fill(outside[:, None], -torch.inf).max(dim=2).values)  # (B, F)
    features = torch.cat(pooled, 1).masked_fill((lengths == 0)[:, None], 0.0)
    return features if keep is None else features * keep


def bag_sum(table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor, *, sparse: bool, merge: bool) -> Tensor:
    """Return the weighted sum of the rows of each bag.

    Args:
        table: ``(V, D)``.
        rows: ``(E,)`` rows of the table, bag after bag.
        offsets: ``(K + 1,)``; bag k has the entries ``offsets[k]`` to ``offsets[k + 1]``.
        weights: ``(E,)``; they have no gradient.
        sparse: the table's gradient is a sparse tensor of rows.
        merge: a kernel may sum the entries of a row in the sparse gradient; without it there is one for each entry
            of a bag, which an optimizer that counts examples needs.

    Returns:
        ``(K, D)``; an empty bag is zero.
    """
    return F.embedding_bag(
        rows, table, offsets, mode="sum", sparse=sparse, per_sample_weights=weights, include_last_offset=True
    )


def row_adam(
    weight: Tensor, moments: Tensor, grad: Tensor, *, lr: float, betas: tuple[float, float], eps: float
) -> None:
    """Apply a step of Adam without bias correction to the rows of ``weight (V, D)`` that have a gradient.

    Args:
        weight: changed in place.
        moments: ``(V, 2, D)``, the averages of the gradient and of its square of each row; changed in place.
        grad: sparse ``(V, D)``, no row twice.
        lr: step size.
        betas: decay of both averages.
        eps: added to the root of the second.
    """
    rows, g = grad._indices()[0], grad._values()  # (R,), (R, D)
    of_rows = moments[rows]  # (R, 2, D)
    average = of_rows[:, 0].lerp_(g, 1 - betas[0])
    square = of_rows[:, 1].lerp_(g.square(), 1 - betas[1])
    moments[rows] = of_rows
    weight[rows] -= lr * average / square.sqrt().add_(eps)


def rowwise_adagrad(weight: Tensor, total: Tensor, grad: Tensor, *, lr: float, eps: float) -> None:
    """Apply a step of Adagrad with one accumulator per row to the rows of ``weight (V, D)`` that have a gradient.

    Args:
        weight: changed in place.
        total: ``(V,)``, grows by the mean square of the row's gradient; changed in place.
        grad: sparse ``(V, D)``, no row twice.
        lr: step size.
        eps: added to the root of the accumulator.
    """
    rows, g = grad._indices()[0], grad._values()  # (R,), (R, D)
    total.index_add_(0, rows, g.square().mean(1))
    steps = lr / total[rows].sqrt_().add_(eps)
    weight.index_add_(0, rows, g * steps[:, None], alpha=-1)


def row_adagrad(weight: Tensor, total: Tensor, grad: Tensor, *, lr: float) -> None:
    """Apply a step of Adagrad with one accumulator per row to ``weight (V, C)``.

    Args:
        weight: changed in place.
        total: ``(V,)``, grows by ``2 / C`` of the squared norm of each entry; changed in place.
        grad: sparse ``(V, C)`` with an entry for each example, not for each row.
        lr: step size.
    """
    rows, g = grad._indices()[0], grad._values()  # (E,), (E, C)
    total.index_add_(0, rows, g.square().sum(1).mul_(2 / g.shape[1]))
    steps = total[rows].clamp_(min=1e-30).rsqrt_().mul_(-lr)
    weight.index_add_(0, rows, g * steps[:, None])
