"""Many texts at once: chunks of neighbours, gathered and closed one by one, on several threads where that pays."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.inference import threads as pool
from textcnn.inference.answering import Booleans
from textcnn.inference.closing import Closing
from textcnn.inference.gathering import Gatherer
from textcnn.kernels import lookup_numpy
from textcnn.text.pipeline import EncodedTexts

CHUNK = 128  # texts of one task; a text is summed by one thread, so the cut decides nothing


@dataclass
class Results:
    """What chunks fill: logits ``(N, C)``, float64 or in whole units, and which texts are certified."""

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
        kernels: ModuleType,
        limits: npt.NDArray[np.float64] | None = None,
        *,
        certify: bool = False,
    ) -> Results:
        """Fill ``results`` of all texts, with certificates if asked for, and give them back."""

        def work(start: int) -> None:
            texts = slice(start, min(start + CHUNK, len(encoded)))
            call, held = self._gatherer.gather(encoded, texts)
            kernels.collect(*call)
            rest, empty = self._closing.rest(call), call.offsets[1:] == call.offsets[:-1]
            results.logits[texts] = logits = self._closing.logits(call.best, rest, empty, kernels)
            if certify:
                clipped = _any_of(held.clipped[call.rows], call.offsets)
                results.certified[texts] = self._closing.certified(call.best, logits, empty, clipped, limits)

        starts = range(0, len(encoded), CHUNK)
        threads = 1 if kernels is lookup_numpy else min(self._threads, len(starts))
        if threads > 1:
            pool.run(work, starts, threads)
        else:
            for start in starts:
                work(start)
        return results


def _any_of(marks: Booleans, offsets: npt.NDArray[np.int64]) -> Booleans:
    """Whether any token of each text is marked, ``(B,)``."""
    sums = np.concatenate([[0], np.cumsum(marks)])
    return np.asarray(sums[offsets[1:]] > sums[offsets[:-1]])
