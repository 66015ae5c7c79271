"""Computes filter activations from max-pooled sums in float32 or int8, and certifies that int8 labels are float32's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.core.lookup_numpy import activate, hyperbolic_tangent
from textcnn.core.type_rows_numpy import RowLayout
from textcnn.core.units import LARGEST, UNIT
from textcnn.errors import ConfigError

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

LANES = 16  # the number of filters is padded to a multiple, so that vector instructions are always full


@dataclass(frozen=True)
class FilterWeights:
    """The weights of one convolutional layer and of the head's columns for its features.

    Attributes:
        sizes: ``(G,)`` int64, the filter widths h.
        taps: ``(T * F, D)`` float32, the F filters of one tap after those of another.
        bias: ``(G * F,)`` float32.
        head: ``(G * F, C)`` float32, the weight of each feature in each logit.
        activation: the name of the activation function.
        is_nested: whether all widths, in ascending order, share the taps of the widest; otherwise each has its own.
    """

    sizes: npt.NDArray[np.int64]
    taps: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    head: npt.NDArray[np.float32]
    activation: str
    is_nested: bool = False

    @property
    def num_filters(self) -> int:
        """F, the number of filters of each width."""
        return len(self.bias) // max(len(self.sizes), 1)

    @property
    def first_taps(self) -> npt.NDArray[np.int64]:
        """The index ``(G,)`` of the first tap of each width."""
        return np.zeros_like(self.sizes) if self.is_nested else own_taps(self.sizes)

    def layout(self, num_shares: int, steps: Doubles | None = None) -> RowLayout:
        """Return how the products of all taps, followed by ``num_shares`` mean-pooling terms, are laid out as rows."""
        num_taps = len(self.taps) // max(self.num_filters, 1)
        width = -(-self.num_filters // LANES) * LANES
        return RowLayout(num_taps, self.num_filters, width, num_shares, self.sizes, self.first_taps, steps)

    def flat(self, best: Array) -> Array:
        """Reshape max-pooled sums ``(B, G, F)`` of padded rows to ``(B, G * F)`` without the padding."""
        return best[:, :, : self.num_filters].reshape(len(best), len(self.bias))


def own_taps(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the index ``(G,)`` of the first tap of each width where no taps are shared."""
    return np.asarray(np.cumsum(sizes) - sizes, np.int64)


class FloatFilters:
    """Filters on float32 rows; int8 labels are certified against them.

    Attributes:
        weights: the weights of the filters.
        first_taps: ``(G,)``, the index of the first tap of each width in a row.
    """

    row_type, sum_type = np.float32, np.float32

    def __init__(self, weights: FilterWeights) -> None:
        self.weights, self.first_taps = weights, weights.first_taps

    def layout(self, num_shares: int) -> RowLayout:
        """Return how products and ``num_shares`` mean-pooling terms are laid out as rows; nested widths share taps."""
        return self.weights.layout(num_shares)

    def features(self, best: Array, empty: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return the activations ``(B, G * F)`` of max-pooled sums ``(B, G, F)``; an empty text has zeros."""
        scores: npt.NDArray[np.float32] = activate(self.weights.flat(best) + self.weights.bias, self.weights.activation)
        scores[empty] = 0
        return scores


_FINE = 256  # scores are integers in units of 1/256 of a quantization step, so that the bias is rounded finely
_TANH_UNIT = 2.0**-15
_LEAK = 100  # the slope of `leaky_relu` below 0 is 1/100: positive scores are multiplied by 100 to stay integers
_MOST_WORDS = 32767 // LARGEST  # the widest window whose sum of int8 products fits in 16 bits
_SURE = 2.0**-20  # of logits closer than this, rounding in another implementation may decide which is larger


def steps_of(products: Doubles, weights: FilterWeights) -> Doubles:
    """Return steps ``(G * F,)``, one per filter, whose int8 range covers all products ``(n, T * F)``."""
    top = np.abs(products).max(axis=0, initial=0)[weights.layout(0).columns].reshape(-1, weights.num_filters)
    starts = np.concatenate([[0], np.cumsum(weights.sizes)[:-1]])
    return np.asarray(np.maximum.reduceat(top, starts, axis=0).reshape(-1) / LARGEST)


class WholeWeights(NamedTuple):
    """The weights of the integer arithmetic that gives int8 logits.

    Attributes:
        steps: ``(G * F,)``, the quantization step of each filter.
        bias: ``(G * F,)``, the integer bias of each filter, in units of 1/256 of its step.
        head: ``(G * F, C)``, integer weights.
    """

    steps: Doubles
    bias: Doubles
    head: Doubles


class IntegerFilters:
    """Filters on int8 rows, with exact integer arithmetic from the products to the logits.

    Args:
        weights: the weights of the filters and of the head.
        steps: ``(G * F,)``, the quantization step of each filter; 0: all its products are 0.

    Raises:
        ConfigError: a filter is too wide, or the weights are too large for exact sums.

    Attributes:
        weights: the weights of the filters.
        first_taps: ``(G,)``, the index of the first tap of each width in a row; nested widths do not share taps here,
            since each width has its own quantization steps.
    """

    row_type, sum_type = np.int8, np.int16

    def __init__(self, weights: FilterWeights, steps: Sequence[float] | Doubles) -> None:
        self.weights, self.first_taps = weights, own_taps(weights.sizes)
        self._steps = np.where(np.asarray(steps) > 0, np.asarray(steps, np.float64), 1.0)
        if int(weights.sizes.max(initial=0)) > _MOST_WORDS:
            raise ConfigError(
                f"precision int8 has windows of at most {_MOST_WORDS} words, the model has kernel size "
                f"{int(weights.sizes.max())}; use float32"
            )
        bias, widths = weights.bias.astype(np.float64), np.repeat(weights.sizes, weights.num_filters)
        self._bias = np.rint(bias / self._steps * _FINE)
        scale = {"tanh": np.full(len(bias), _TANH_UNIT), "leaky_relu": self._steps / (_FINE * _LEAK)}
        value = scale.get(weights.activation, self._steps / _FINE)  # of 1 in a feature
        self._head = np.rint(weights.head.astype(np.float64) * (value[:, None] / UNIT))
        # Bound on the distance of float32's score from the integer one: half a step per word, and float32's rounding.
        rounding = 2.0**-23 * (LARGEST * widths * (widths + 1) + np.abs(bias) / self._steps)
        self._error = np.ceil(_FINE * (widths / 2 + rounding)) + 1
        most = np.abs(self._activated(np.abs(self._bias) + _FINE * LARGEST * widths + self._error))
        # Sums of integers in float64 are exact below 2**53, in any order of addition.
        if (most @ np.abs(self._head)).max(initial=0) >= 2.0**52:
            raise ConfigError(
                "precision int8 needs logits below 65,536 in size, this model's may be larger; use float32"
            )

    @property
    def whole_weights(self) -> WholeWeights:
        """The weights of the integer arithmetic, for export to other runtimes."""
        return WholeWeights(self._steps, self._bias, self._head)

    def layout(self, num_shares: int) -> RowLayout:
        """Return how quantized products and ``num_shares`` mean-pooling terms are laid out as rows."""
        return self.weights.layout(num_shares, self._steps)

    def logits(self, best: Array, empty: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return what max-pooled sums ``(B, G, F)`` add to the logits ``(B, C)``, in units of ``UNIT``."""
        features = self._activated(self._scores(best))
        features[empty] = 0
        return np.asarray((features @ self._head).astype(np.int64))

    def margins(self, best: Array, logits: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> Doubles:
        """Return lower bounds ``(B, C)`` on float32's logit of ``chosen (B,)`` minus each of its logits, in ``UNIT``.

        Args:
            best: the max-pooled sums ``(B, G, F)``.
            logits: the integer logits ``(B, C)``, all parts together.
            chosen: a label for each text; the bound in its own column has no meaning.
        """
        scores = self._scores(best)
        exact = self._activated(scores)
        low, high = self._activated(scores - self._error), self._activated(scores + self._error)
        low, high = low - exact - 1, high - exact + 1  # rounding moves a feature by less than 1
        margins = np.empty(logits.shape)
        for label in np.unique(chosen).tolist():  # texts with the same label share the matrix of head differences
            rows = np.flatnonzero(chosen == label)
            margins[rows] = self._least(self._head[:, [label]] - self._head, low[rows], high[rows], exact[rows])
            margins[rows] += logits[rows, label, None] - logits[rows]
        return margins

    def bounds(self, best: Array, logits: npt.NDArray[np.int64]) -> tuple[Doubles, Doubles]:
        """Return lower and upper bounds ``(B, C)`` on the logits that float32 gives, in ``UNIT``."""
        scores = self._scores(best)
        exact = self._activated(scores)
        low, high = self._activated(scores - self._error), self._activated(scores + self._error)
        low, high = low - exact - 1, high - exact + 1
        least = logits + self._least(self._head, low, high, exact)
        return least, logits - self._least(-self._head, low, high, exact)

    def _least(self, head: Doubles, low: Doubles, high: Doubles, exact: Doubles) -> Doubles:
        """Return a lower bound on float32's ``features @ head`` minus the integer one, rounded weights included."""
        moved = low @ np.maximum(head, 0) + high @ np.minimum(head, 0)
        size = np.abs(exact) + np.maximum(high, -low)
        return np.asarray(moved - size.sum(axis=1, keepdims=True) - (size @ np.abs(head)) * 2.0**-21 - _SURE / UNIT)

    def _scores(self, best: Array) -> Doubles:
        return np.asarray(self.weights.flat(best).astype(np.float64) * _FINE + self._bias)

    def _activated(self, scores: Doubles) -> Doubles:
        """Return the integer features of integer scores; the unit of a feature is part of the head's weights."""
        activation = self.weights.activation
        if activation == "relu":
            return np.maximum(scores, 0)
        if activation == "leaky_relu":
            return np.where(scores > 0, scores * _LEAK, scores)
        if activation == "tanh":
            return np.rint(hyperbolic_tangent(scores * (self._steps / _FINE)) / _TANH_UNIT)
        return scores


def certified_labels(
    filters: IntegerFilters, best: Array, logits: npt.NDArray[np.int64], thresholds: Any = None
) -> npt.NDArray[np.bool_]:
    """Return which texts ``(B,)`` provably have the same labels in int8 as in float32.

    Args:
        filters: the filters of the model.
        best: the max-pooled sums ``(B, G, F)``.
        logits: the integer logits ``(B, C)``.
        thresholds: the logit from which each label is assigned (multi-label); none: the largest logit decides.
    """
    if thresholds is None:
        chosen = logits.argmax(axis=1)
        margins = filters.margins(best, logits, chosen)
        margins[np.arange(len(logits)), chosen] = np.inf
        return np.asarray((margins > 0).all(axis=1))
    least, greatest = filters.bounds(best, logits)
    limits = np.asarray(thresholds, np.float64) / UNIT
    return np.asarray(((least > limits) | (greatest < limits)).all(axis=1))
