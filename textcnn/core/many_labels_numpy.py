"""Logits of very many labels and the largest of them, in NumPy; :mod:`textcnn.core.many_labels` binds the same in C.

All numbers are float32, and every sum has an order that depends on the text alone, so both versions give the same bits
for any batch and any number of threads; NumPy uses one. Shapes: B texts, C labels, K features of the head, F n-grams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

PANEL = 32  # labels whose weights stand together
SUMS = 16  # partial sums of the powers


@dataclass(frozen=True)
class SparseTable:
    """Weights of n-grams for those labels alone that have one.

    Attributes:
        offsets: ``(F + 1,)``, where the entries of each n-gram begin.
        labels: ``(E,)`` int32, the label of each entry; none twice for an n-gram.
        weights: ``(E,)`` float32.
        num_labels: C.
    """

    offsets: Integers
    labels: npt.NDArray[np.int32]
    weights: Floats
    num_labels: int


class Head:
    """A dense head ``(K, C)`` with its bias, in panels of :data:`PANEL` labels, padded with zeros.

    Attributes:
        panels: ``(panels, K, PANEL)`` float32.
        bias: ``(panels * PANEL,)`` float32.
    """

    def __init__(self, weights: Floats, bias: Floats) -> None:
        num_labels, size = weights.shape
        width = -(-num_labels // PANEL) * PANEL
        padded = np.zeros((width, size), np.float32)
        padded[:num_labels] = weights
        self.panels = np.ascontiguousarray(padded.reshape(width // PANEL, PANEL, size).transpose(0, 2, 1))
        self.bias = np.zeros(width, np.float32)
        self.bias[:num_labels] = bias

    @property
    def width(self) -> int:
        """The number of labels, padded to whole panels."""
        return len(self.bias)


def head_logits(head: Head, features: Floats, *, threads: int | None = None) -> Floats:
    """Return ``bias + features (B, K) @ weights`` as ``(B, width)``, one feature after the other."""
    out = np.tile(head.bias, (len(features), 1))
    for k in range(features.shape[1]):
        out += features[:, k, None] * head.panels[:, k].reshape(-1)
    return out


def check_sparse(table: SparseTable) -> None:
    """Check a table, once, before it is used.

    Raises:
        ValueError: offsets do not ascend, or a label is not below C.
    """
    offsets, labels = table.offsets, table.labels
    is_whole = (
        len(offsets) > 0 and offsets[0] >= 0 and bool((np.diff(offsets) >= 0).all()) and offsets[-1] <= len(labels)
    )
    if not is_whole or len(labels) != len(table.weights):
        raise ValueError("expected offsets that ascend within the entries")
    if len(labels) and not 0 <= labels.min() <= labels.max() < table.num_labels:
        raise ValueError(f"expected numbers of labels below {table.num_labels}")


def add_sparse(
    table: SparseTable,
    scale: float,
    rows: npt.NDArray[np.int32],
    values: Floats,
    offsets: Integers,
    logits: Floats,
    *,
    threads: int | None = None,
) -> None:
    """Add ``scale * value * weight`` of every n-gram of every text to ``logits (B, C or more)``.

    Args:
        table: the weights; checked.
        scale: the factor of the branch.
        rows: the n-grams of every text.
        values: ``(rows,)``, of every n-gram of a text.
        offsets: ``(B + 1,)``, where those of each text begin.
        logits: changed in place.
        threads: at most.

    Raises:
        ValueError: rows or offsets do not fit.
    """
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(table.offsets) - 1:
        raise ValueError(f"expected numbers of n-grams below {len(table.offsets) - 1}")
    scaled = np.float32(scale) * values
    for b in range(len(offsets) - 1):
        for n in range(offsets[b], offsets[b + 1]):
            entries = slice(table.offsets[rows[n]], table.offsets[rows[n] + 1])
            logits[b, table.labels[entries]] += scaled[n] * table.weights[entries]


def best_labels(
    logits: Floats, num_labels: int, temperature: float, count: int, *, threads: int | None = None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the labels ``(B, count)`` of the largest logits, largest first, and their softmax probabilities.

    Of equal logits the first comes first. Powers are float32's, within 1e-6 of their values.

    Args:
        logits: ``(B, num_labels or more)``.
        num_labels: C.
        temperature: what logits are divided by.
        count: from 1 to C.
        threads: at most.
    """
    own = logits[:, :num_labels]
    best = np.argsort(-own, axis=1, kind="stable")[:, :count].astype(np.int32)
    shifted = (own - own.max(axis=1, keepdims=True)) / np.float32(temperature)
    padded = np.zeros((len(own), -(-num_labels // SUMS) * SUMS), np.float64)
    padded[:, :num_labels] = powers = _exp(shifted)
    sums = np.zeros((len(own), SUMS))
    for start in range(0, padded.shape[1], SUMS):
        sums += padded[:, start : start + SUMS]
    total = np.zeros(len(own))
    for i in range(SUMS):
        total += sums[:, i]
    return best, np.take_along_axis(powers, best.astype(np.int64), axis=1).astype(np.float64) / total[:, None]


def _exp(x: Floats) -> Floats:
    """Return the exponential of float32 numbers from 0 down, bitwise equal to ``tc_exp_row``."""
    one = np.float32
    v = np.maximum(x, one(-87))
    magic = one(12582912)
    k = (v * one(1.44269504) + magic) - magic
    r = (v - k * one(0.693359375)) - k * one(-2.12194440e-4)
    p: Any = np.full_like(r, 1 / one(720))
    for factor in (1 / one(120), 1 / one(24), 1 / one(6), one(0.5), one(1), one(1)):
        p = p * r + factor
    return np.asarray(p * ((k.astype(np.int32) + 127) << 23).view(np.float32))
