"""Many texts at once: blocks of neighbours, each gathered, looked up by all threads, and made into logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.inference.answering import Booleans
from textcnn.inference.closing import Closing
from textcnn.inference.gathering import Gatherer
from textcnn.text.pipeline import EncodedTexts

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
