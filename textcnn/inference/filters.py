"""The filters of a one-layer model in the look-up runtime: the layout of their rows, and features from largest sums.

Two kinds with the same methods: :class:`FloatFilters` here, :class:`textcnn.inference.quantized.IntegerFilters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.lookup_numpy import activate
from textcnn.core.type_rows_numpy import RowLayout

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

LANES = 16  # filters are padded to a multiple: whole vector instructions


@dataclass(frozen=True)
class FilterWeights:
    """Weights of one layer of filters.

    Attributes:
        sizes: ``(G,)`` int64, the widths h.
        taps: ``(T * F, D)`` float32, tap by tap.
        bias: ``(G * F,)`` float32.
        head: ``(G * F, C)`` float32, what each feature adds to each logit.
        activation: its name.
        is_nested: whether all widths, which ascend, share the taps of the widest; else each has its own.
    """

    sizes: npt.NDArray[np.int64]
    taps: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    head: npt.NDArray[np.float32]
    activation: str
    is_nested: bool = False

    @property
    def num_filters(self) -> int:
        """F, filters of each width."""
        return len(self.bias) // max(len(self.sizes), 1)

    @property
    def first_taps(self) -> npt.NDArray[np.int64]:
        """The tap ``(G,)`` that each width begins with."""
        return np.zeros_like(self.sizes) if self.is_nested else own_taps(self.sizes)

    def layout(self, num_shares: int, steps: Doubles | None = None) -> RowLayout:
        """How products of the taps, and behind them shares of the mean, become rows."""
        num_taps = len(self.taps) // max(self.num_filters, 1)
        width = -(-self.num_filters // LANES) * LANES
        return RowLayout(num_taps, self.num_filters, width, num_shares, self.sizes, self.first_taps, steps)

    def flat(self, best: Array) -> Array:
        """Largest sums ``(B, G, F)`` of padded rows as ``(B, G * F)`` without the padding."""
        return best[:, :, : self.num_filters].reshape(len(best), len(self.bias))


def own_taps(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The first tap ``(G,)`` of each width where every width has taps of its own."""
    return np.asarray(np.cumsum(sizes) - sizes, np.int64)


class FloatFilters:
    """Float32 rows; the definition that integers are measured by.

    Attributes:
        weights: of the filters.
        first_taps: ``(G,)``, the tap of a row that each width begins with.
    """

    row_type, sum_type = np.float32, np.float32

    def __init__(self, weights: FilterWeights) -> None:
        self.weights, self.first_taps = weights, weights.first_taps

    def layout(self, num_shares: int) -> RowLayout:
        """How products, and behind them shares of the mean, become rows: nested widths share their taps."""
        return self.weights.layout(num_shares)

    def features(self, best: Array, empty: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Activations ``(B, G * F)`` of the largest sums ``(B, G, F)``; an empty text has zeros."""
        scores: npt.NDArray[np.float32] = activate(self.weights.flat(best) + self.weights.bias, self.weights.activation)
        scores[empty] = 0
        return scores
