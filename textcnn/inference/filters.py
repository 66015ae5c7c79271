"""The filters of a one-layer model in the look-up runtime: rows of products, and features from the largest sums.

Two kinds with the same methods: :class:`FloatFilters` here, :class:`textcnn.inference.quantized.IntegerFilters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

LANES = 16  # filters are padded to a multiple: whole vector instructions
LEAK = np.float32(0.01)  # of `leaky_relu`, as torch.nn.LeakyReLU has it


@dataclass(frozen=True)
class FilterWeights:
    """Weights of one layer of filters.

    Attributes:
        sizes: ``(G,)`` int64, the widths h.
        taps: ``(S * F, D)`` float32, tap by tap.
        bias: ``(G * F,)`` float32.
        head: ``(G * F, C)`` float32, what each feature adds to each logit.
        activation: its name.
    """

    sizes: npt.NDArray[np.int64]
    taps: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    head: npt.NDArray[np.float32]
    activation: str

    @property
    def num_filters(self) -> int:
        """F, filters of each width."""
        return len(self.bias) // max(len(self.sizes), 1)

    @property
    def shape(self) -> tuple[int, int]:
        """``(S, F)`` of a row of products, F padded to whole vector instructions."""
        return int(self.sizes.sum()), -(-self.num_filters // LANES) * LANES

    def padded(self, products: Doubles) -> Doubles:
        """Products ``(n, S * F)`` as ``(n, S, F)`` of :attr:`shape`."""
        taps, lanes = self.shape
        rows = np.zeros((len(products), taps, lanes))
        rows[:, :, : self.num_filters] = products.reshape(len(products), taps, self.num_filters)
        return rows

    def flat(self, best: Array) -> Array:
        """Largest sums ``(B, G, F)`` of padded rows as ``(B, G * F)`` without the padding."""
        return best[:, :, : self.num_filters].reshape(len(best), len(self.bias))


class FloatFilters:
    """Float32 rows; the definition that integers are measured by."""

    row_type, sum_type = np.float32, np.float32

    def __init__(self, weights: FilterWeights) -> None:
        self.weights = weights

    def rows(self, products: Doubles) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Rows ``(n, S, F)`` of exact products ``(n, S * F)``, and which of them are outside the range (none)."""
        return self.weights.padded(products).astype(np.float32), np.zeros(len(products), np.bool_)

    def features(self, best: Array, empty: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Activations ``(B, G * F)`` of the largest sums ``(B, G, F)``; an empty text has zeros."""
        scores: npt.NDArray[np.float32] = activate(self.weights.flat(best) + self.weights.bias, self.weights.activation)
        scores[empty] = 0
        return scores


def activate(scores: npt.NDArray[Any], activation: str) -> npt.NDArray[Any]:
    """The activation of that name, of the type of the scores."""
    found: npt.NDArray[Any] = scores
    if activation == "relu":
        found = np.maximum(scores, np.float32(0))
    elif activation == "leaky_relu":
        found = np.where(scores > 0, scores, scores * LEAK)
    elif activation == "tanh":
        found = hyperbolic_tangent(scores).astype(scores.dtype)
    return found


def hyperbolic_tangent(x: Array) -> Doubles:
    """Tanh within 1e-13, from operations that IEEE 754 defines to the bit; library functions differ by machine.

    ``tanh(2 y) = 2 tanh(y) / (1 + tanh(y)**2)``, six times, from a quotient that is exact to 1e-13 for y < 1/3.
    """
    y = np.clip(x.astype(np.float64), -20, 20) / 64
    square = y * y
    value: Doubles = y * (945 + square * (105 + square)) / (945 + square * (420 + square * 15))
    for _ in range(6):
        value = 2 * value / (1 + value * value)
    return value
