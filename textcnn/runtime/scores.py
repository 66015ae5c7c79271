"""Scoring for the look-up runtime: logits of max-pooled filters, mean and n-gram branch, by all threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.type_rows_numpy import UNIT
from textcnn.errors import ArtifactError
from textcnn.runtime.batch import Gathered, Gatherer
from textcnn.runtime.filters import FloatFilters, IntegerFilters, certified_labels
from textcnn.runtime.one_layer import OneLayer
from textcnn.runtime.text_model import Booleans
from textcnn.tokenization.pipeline import EncodedTexts

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

_SHIFT = 12  # from units of the wide branch, 2**-48, to UNIT


def filters_of(
    model: OneLayer, precision: str, steps: Sequence[float] | None, num_types: int
) -> FloatFilters | IntegerFilters:
    """The filters in a precision.

    Args:
        model: the weights.
        precision: ``float32`` or ``int8``.
        steps: of the filters, as the folder has them; none: they are found anew, the same on every machine.
        num_types: V.

    Raises:
        ArtifactError: steps of another number of filters.
        ConfigError: the model does not allow int8.
    """
    weights = model.filters
    if precision == "float32":
        return FloatFilters(weights)
    if steps is None:  # a folder written before there were scales
        steps = model.steps(num_types)
    if len(steps) != len(weights.bias):
        raise ArtifactError(f"config.json: expected scales of {len(weights.bias)} filters, found {len(steps)}")
    return IntegerFilters(weights, steps)


class Closing:
    """Logits of one model from what was gathered; in int8 they are whole numbers of ``UNIT``.

    Args:
        model: the weights.
        filters: in the precision of the sums.
        temperature: logits are divided by it before a multi-label threshold is looked at.
        multi_label: whether there are such thresholds.
    """

    def __init__(
        self, model: OneLayer, filters: FloatFilters | IntegerFilters, *, temperature: float, multi_label: bool
    ) -> None:
        self._model, self._filters = model, filters
        self._temperature, self._multi_label = temperature, multi_label

    def rest(self, call: Gathered) -> npt.NDArray[np.int64]:
        """Whole logits ``(B, C)`` of the mean, the wide branch and the bias, once their sums are there."""
        means = call.mean_sums
        if self._model.means is not None:
            means = means // np.maximum(call.offsets[1:] - call.offsets[:-1], 1)[:, None]
        return np.asarray(means + (call.wide_sums >> _SHIFT) + self._model.bias)

    def logits(self, best: Array, rest: npt.NDArray[np.int64], empty: Booleans, *, threads: int | None = None) -> Array:
        """Logits ``(B, C)``, float64 or whole, from largest sums ``(B, G, F)`` and the other parts' whole logits."""
        if isinstance(self._filters, IntegerFilters):
            return self._filters.logits(best, empty) + rest
        logits, own = np.zeros(rest.shape), self._model.filters
        core.twin("lookup").add_scores(best, own.bias, own.activation, own.head, empty, logits, threads=threads)
        return np.asarray(logits + rest * UNIT)

    def certified(
        self, best: Array, logits: Array, empty: Booleans, clipped: Booleans, limits: Doubles | None
    ) -> Booleans | None:
        """Which texts ``(B,)`` provably have float32's labels; none: they are float32's.

        Args:
            best: ``(B, G, F)``, their largest sums.
            logits: ``(B, C)``, made of them.
            empty: ``(B,)``, which texts have no token.
            clipped: ``(B,)``, which have a word whose products are outside the range.
            limits: as :meth:`limits` gives them.
        """
        if not isinstance(self._filters, IntegerFilters):
            return None
        sure = certified_labels(self._filters, best, logits, limits) & ~clipped
        return np.asarray(sure | empty | (best.shape[1] == 0))  # without filters nothing is quantized

    def limits(self, thresholds: Sequence[float]) -> Doubles | None:
        """Thresholds of the logits (multi-label); behind 36 a probability is 1 in float64."""
        if not self._multi_label:
            return None
        probs = np.asarray(thresholds, np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(np.log(probs) - np.log1p(-probs), 36) * self._temperature)

    def doubles(self, logits: Array) -> Doubles:
        """Logits as float64, whatever the precision."""
        return np.asarray(logits * UNIT if isinstance(self._filters, IntegerFilters) else logits)


# A text is summed by one thread, so the cut decides nothing; it bounds the memory of rows and of sums.
BLOCK_TOKENS, LEAST_TOKENS, BLOCK_TEXTS = 1 << 16, 1 << 12, 1 << 12


@dataclass
class Results:
    """What blocks fill: logits ``(N, C)``, float64 or in whole units, and which texts are certified."""

    logits: npt.NDArray[Any]
    certified: Booleans


class ManyTexts:
    """Answers all encoded texts of a call.

    Args:
        gatherer: gives what the kernels need of some neighbouring texts.
        closing: from sums to logits.
        threads: at most; numpy answers on one.
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
        """Fill ``results`` of all texts, with certificates if asked for, and give them back."""
        kernels = core.twin("lookup")
        num_tokens = min(BLOCK_TOKENS, max(self._gatherer.cache.capacity, LEAST_TOKENS))
        for texts in blocks(encoded.offsets, num_tokens):
            call, held = self._gatherer.gather(encoded, texts)
            kernels.collect(*call, threads=self._threads)
            rest, empty = self._closing.rest(call), call.offsets[1:] == call.offsets[:-1]
            results.logits[texts] = logits = self._closing.logits(call.best, rest, empty, threads=self._threads)
            if certify:
                clipped = _any_of(held.clipped[call.rows], call.offsets)
                results.certified[texts] = self._closing.certified(call.best, logits, empty, clipped, limits)
        return results


def blocks(offsets: npt.NDArray[np.int64], num_tokens: int) -> Iterator[slice]:
    """All texts in neighbours of about so many tokens, at most so many texts, that memory is bounded."""
    if 0 < len(offsets) - 1 <= BLOCK_TEXTS and offsets[-1] - offsets[0] <= num_tokens:
        yield slice(0, len(offsets) - 1)
        return
    by_tokens = np.searchsorted(offsets, np.arange(offsets[0], offsets[-1], num_tokens))
    cuts = np.unique(np.concatenate([by_tokens, np.arange(0, len(offsets) - 1, BLOCK_TEXTS), [len(offsets) - 1]]))
    for start, stop in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        yield slice(start, stop)


def _any_of(marks: Booleans, offsets: npt.NDArray[np.int64]) -> Booleans:
    """Whether any token of each text is marked, ``(B,)``."""
    sums = np.concatenate([[0], np.cumsum(marks)])
    return np.asarray(sums[offsets[1:]] > sums[offsets[:-1]])
