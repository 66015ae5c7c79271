"""Computes logits for the look-up runtime: turns max-pooled filter sums, the mean and the n-gram branch into scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.units import UNIT, WIDE_SHIFT
from textcnn.errors import ArtifactError
from textcnn.runtime.batch import Gathered, Gatherer
from textcnn.runtime.filters import FloatFilters, IntegerFilters, certified_labels
from textcnn.runtime.one_layer import OneLayer
from textcnn.runtime.text_model import Booleans
from textcnn.tokenization.pipeline import EncodedTexts

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]


def filters_of(
    model: OneLayer, precision: str, steps: Sequence[float] | None, num_types: int
) -> FloatFilters | IntegerFilters:
    """Return the model's filters in the precision asked for.

    Args:
        model: the weights.
        precision: ``float32`` or ``int8``.
        steps: the quantization steps stored in the folder; none: they are computed, with the same result everywhere.
        num_types: V, the size of the vocabulary.

    Raises:
        ArtifactError: the number of steps is not that of the filters.
        ConfigError: the model does not allow int8.
    """
    weights = model.filters
    if precision == "float32":
        return FloatFilters(weights)
    if steps is None:  # the folder was written before scales were stored
        steps = model.steps(num_types)
    if len(steps) != len(weights.bias):
        raise ArtifactError(f"config.json: expected scales of {len(weights.bias)} filters, found {len(steps)}")
    return IntegerFilters(weights, steps)


class Closing:
    """Computes the logits of one model from the kernels' sums; in int8 they are integers in units of ``UNIT``.

    Args:
        model: the weights.
        filters: the filters in the precision of the sums.
        temperature: the temperature that logits are divided by before they are compared with multi-label thresholds.
        multi_label: whether each label has a threshold.
    """

    def __init__(
        self, model: OneLayer, filters: FloatFilters | IntegerFilters, *, temperature: float, multi_label: bool
    ) -> None:
        self._model, self._filters = model, filters
        self._temperature, self._multi_label = temperature, multi_label

    def rest(self, call: Gathered) -> npt.NDArray[np.int64]:
        """Return the integer logits ``(B, C)`` of the mean, the wide branch and the bias, once ``collect`` has run."""
        means = call.mean_sums
        if self._model.means is not None:
            means = means // np.maximum(call.offsets[1:] - call.offsets[:-1], 1)[:, None]
        return np.asarray(means + (call.wide_sums >> WIDE_SHIFT) + self._model.bias)

    def logits(self, best: Array, rest: npt.NDArray[np.int64], empty: Booleans, *, threads: int | None = None) -> Array:
        """Return logits ``(B, C)`` from max-pooled sums ``(B, G, F)`` and the integer logits of all other parts.

        They are float64, or with int8 integers in units of ``UNIT``.
        """
        if isinstance(self._filters, IntegerFilters):
            return self._filters.logits(best, empty) + rest
        logits, own = np.zeros(rest.shape), self._model.filters
        core.twin("lookup").add_scores(best, own.bias, own.activation, own.head, empty, logits, threads=threads)
        return np.asarray(logits + rest * UNIT)

    def certified(
        self, best: Array, logits: Array, empty: Booleans, clipped: Booleans, limits: Doubles | None
    ) -> Booleans | None:
        """Return which texts ``(B,)`` provably have float32's labels; none if the precision is float32.

        Args:
            best: ``(B, G, F)``, the max-pooled sums.
            logits: ``(B, C)``, the integer logits.
            empty: ``(B,)``, which texts have no token.
            clipped: ``(B,)``, which texts have a word with products outside the range of int8.
            limits: the thresholds of the logits, from :meth:`limits`.
        """
        if not isinstance(self._filters, IntegerFilters):
            return None
        sure = certified_labels(self._filters, best, logits, limits) & ~clipped
        return np.asarray(sure | empty | (best.shape[1] == 0))  # without filters nothing is quantized

    def limits(self, thresholds: Sequence[float]) -> Doubles | None:
        """Return the thresholds as logits (multi-label); none for single-label models."""
        return threshold_logits(thresholds, self._temperature) if self._multi_label else None

    def doubles(self, logits: Array) -> Doubles:
        """Convert logits of either precision to float64."""
        return np.asarray(logits * UNIT if isinstance(self._filters, IntegerFilters) else logits)


def threshold_logits(thresholds: Sequence[float], temperature: float) -> Doubles:
    """Return the logits ``(C,)`` at which the labels' probabilities reach their thresholds."""
    probs = np.asarray(thresholds, np.float64)
    # The sigmoid of a logit above 36 is 1.0 in float64, so a threshold of 1 is reached from there on.
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(np.log(probs) - np.log1p(-probs), 36) * temperature)


# Each text is summed by one thread, so results do not depend on the blocks; they bound the memory of rows and sums.
BLOCK_TOKENS, LEAST_TOKENS, BLOCK_TEXTS = 1 << 16, 1 << 12, 1 << 12


@dataclass
class Results:
    """Results, filled block by block.

    Attributes:
        logits: ``(N, C)``, float64 or integers.
        certified: ``(N,)``, which texts provably have float32's labels.
        ngrams: ``(N, C)`` integers, the part of the n-gram branch in the logits; none: it is not asked for.
    """

    logits: npt.NDArray[Any]
    certified: Booleans
    ngrams: npt.NDArray[np.int64] | None = None


class ManyTexts:
    """Computes the logits of all encoded texts of a call, in blocks of bounded memory.

    Args:
        gatherer: builds the kernel inputs of a slice of texts.
        closing: computes logits from sums.
        threads: the largest number of threads; the numpy kernels use one.
    """

    def __init__(self, gatherer: Gatherer, closing: Closing, threads: int) -> None:
        self._gatherer, self._closing, self._threads = gatherer, closing, threads

    def fill(
        self,
        results: Results,
        encoded: EncodedTexts,
        limits: npt.NDArray[np.float64] | None = None,
        *,
        certify: bool = False,
    ) -> Results:
        """Fill ``results`` for all texts, with certificates if ``certify`` is set, and return them."""
        kernels = core.twin("lookup")
        num_tokens = min(BLOCK_TOKENS, max(self._gatherer.cache.capacity, LEAST_TOKENS))
        for texts in blocks(encoded.offsets, num_tokens):
            call, cached = self._gatherer.gather(encoded, texts)
            kernels.collect(*call, threads=self._threads)
            rest, empty = self._closing.rest(call), call.offsets[1:] == call.offsets[:-1]
            results.logits[texts] = logits = self._closing.logits(call.best, rest, empty, threads=self._threads)
            if results.ngrams is not None:
                results.ngrams[texts] = call.wide_sums >> WIDE_SHIFT
            if certify:
                clipped = _any_of(cached.clipped[call.rows], call.offsets)
                results.certified[texts] = self._closing.certified(call.best, logits, empty, clipped, limits)
        return results


def blocks(offsets: npt.NDArray[np.int64], num_tokens: int) -> Iterator[slice]:
    """Yield consecutive slices of all texts, of about ``num_tokens`` tokens and at most ``BLOCK_TEXTS`` texts each."""
    if 0 < len(offsets) - 1 <= BLOCK_TEXTS and offsets[-1] - offsets[0] <= num_tokens:
        yield slice(0, len(offsets) - 1)
        return
    by_tokens = np.searchsorted(offsets, np.arange(offsets[0], offsets[-1], num_tokens))
    cuts = np.unique(np.concatenate([by_tokens, np.arange(0, len(offsets) - 1, BLOCK_TEXTS), [len(offsets) - 1]]))
    for start, stop in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        yield slice(start, stop)


def _any_of(marks: Booleans, offsets: npt.NDArray[np.int64]) -> Booleans:
    """Return for each text ``(B,)`` whether any of its tokens is marked."""
    sums = np.concatenate([[0], np.cumsum(marks)])
    return np.asarray(sums[offsets[1:]] > sums[offsets[:-1]])
