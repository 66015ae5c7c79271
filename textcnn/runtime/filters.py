"""The filters of the look-up runtime: rows in float32 or int8, certificates, scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.core.lookup_numpy import activate, hyperbolic_tangent
from textcnn.core.type_rows_numpy import LARGEST, UNIT, RowLayout
from textcnn.errors import ConfigError

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


_FINE = 256  # parts of a step in which the bias counts
_TANH_UNIT = 2.0**-15
_LEAK = 100  # `leaky_relu` has one hundredth of a number below 0
_MOST_WORDS = 32767 // LARGEST  # of a window whose sum fits 16 bits
_SURE = 2.0**-20  # logits closer than this may be told apart by rounding elsewhere


def steps_of(products: Doubles, weights: FilterWeights) -> Doubles:
    """Steps ``(G * F,)`` that hold products ``(n, T * F)`` without clipping; a filter's taps share one."""
    top = np.abs(products).max(axis=0, initial=0)[weights.layout(0).columns].reshape(-1, weights.num_filters)
    starts = np.concatenate([[0], np.cumsum(weights.sizes)[:-1]])
    return np.asarray(np.maximum.reduceat(top, starts, axis=0).reshape(-1) / LARGEST)


class WholeWeights(NamedTuple):
    """What whole logits are made of.

    Attributes:
        steps: ``(G * F,)``, of the filters.
        bias: ``(G * F,)``, of the filters in parts of a step.
        head: ``(G * F, C)``, whole numbers.
    """

    steps: Doubles
    bias: Doubles
    head: Doubles


class IntegerFilters:
    """Int8 rows of one layer of filters.

    Args:
        weights: of the filters and of the head.
        steps: ``(G * F,)``, the step of each filter; 0: all its products are 0.

    Raises:
        ConfigError: filters over too many words, or weights too large for exact sums.

    Attributes:
        weights: of the filters.
        first_taps: ``(G,)``, the tap of a row that each width begins with; even nested ones have their own, in the
            steps of that width.
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
        # How far float32 may be from the whole number: half a step a word, and what float32 itself rounds.
        rounding = 2.0**-23 * (LARGEST * widths * (widths + 1) + np.abs(bias) / self._steps)
        self._error = np.ceil(_FINE * (widths / 2 + rounding)) + 1
        most = np.abs(self._activated(np.abs(self._bias) + _FINE * LARGEST * widths + self._error))
        if (most @ np.abs(self._head)).max(initial=0) >= 2.0**52:
            raise ConfigError(
                "precision int8 needs logits below 65,536 in size, this model's may be larger; use float32"
            )

    @property
    def whole_weights(self) -> WholeWeights:
        """What whole logits are made of, for other runtimes."""
        return WholeWeights(self._steps, self._bias, self._head)

    def layout(self, num_shares: int) -> RowLayout:
        """How products, and behind them shares of the mean, become rows."""
        return self.weights.layout(num_shares, self._steps)

    def logits(self, best: Array, empty: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """What the largest sums ``(B, G, F)`` add to the logits ``(B, C)``, in units of ``UNIT``."""
        features = self._activated(self._scores(best))
        features[empty] = 0
        return np.asarray((features @ self._head).astype(np.int64))

    def margins(self, best: Array, logits: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> Doubles:
        """Least amount ``(B, C)`` by which float32's logit of ``chosen (B,)`` can be above each logit, in ``UNIT``.

        Args:
            best: the largest sums ``(B, G, F)``.
            logits: the whole logits ``(B, C)``, all parts together.
            chosen: a label for each text; its own column has nothing to say.
        """
        scores = self._scores(best)
        exact = self._activated(scores)
        low, high = self._activated(scores - self._error), self._activated(scores + self._error)
        low, high = low - exact - 1, high - exact + 1  # a feature's own rounding is less than 1
        margins = np.empty(logits.shape)
        for label in np.unique(chosen).tolist():
            rows = np.flatnonzero(chosen == label)
            margins[rows] = self._least(self._head[:, [label]] - self._head, low[rows], high[rows], exact[rows])
            margins[rows] += logits[rows, label, None] - logits[rows]
        return margins

    def bounds(self, best: Array, logits: npt.NDArray[np.int64]) -> tuple[Doubles, Doubles]:
        """Least and greatest logits ``(B, C)`` that float32 can have, in ``UNIT``."""
        scores = self._scores(best)
        exact = self._activated(scores)
        low, high = self._activated(scores - self._error), self._activated(scores + self._error)
        low, high = low - exact - 1, high - exact + 1
        least = logits + self._least(self._head, low, high, exact)
        return least, logits - self._least(-self._head, low, high, exact)

    def _least(self, head: Doubles, low: Doubles, high: Doubles, exact: Doubles) -> Doubles:
        """Least that ``features @ head`` can move from its whole number, rounding of the weights included."""
        moved = low @ np.maximum(head, 0) + high @ np.minimum(head, 0)
        size = np.abs(exact) + np.maximum(high, -low)
        return np.asarray(moved - size.sum(axis=1, keepdims=True) - (size @ np.abs(head)) * 2.0**-21 - _SURE / UNIT)

    def _scores(self, best: Array) -> Doubles:
        return np.asarray(self.weights.flat(best).astype(np.float64) * _FINE + self._bias)

    def _activated(self, scores: Doubles) -> Doubles:
        """Whole features of whole scores; what a feature counts stands in the head."""
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
    """Which texts ``(B,)`` provably have the labels that float32 gives them.

    Args:
        filters: of the model.
        best: the largest sums ``(B, G, F)``.
        logits: the whole logits ``(B, C)``.
        thresholds: of the logits, from which each label is given (multi-label); none: the largest logit is.
    """
    if thresholds is None:
        chosen = logits.argmax(axis=1)
        margins = filters.margins(best, logits, chosen)
        margins[np.arange(len(logits)), chosen] = np.inf
        return np.asarray((margins > 0).all(axis=1))
    least, greatest = filters.bounds(best, logits)
    limits = np.asarray(thresholds, np.float64) / UNIT
    return np.asarray(((least > limits) | (greatest < limits)).all(axis=1))
