"""How fast a model answers, on this machine, now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textcnn.inference.predictor import Predictor

_SINGLE, _BATCH, _REPEATS = 200, 2_000, 3  # texts asked one by one, texts at once, how often
_SECONDS = 0.5  # about what each of the two may take at most


@dataclass(frozen=True)
class Speed:
    """Times of classifying, from strings to labels.

    Attributes:
        runtime: which runtime answered.
        single_ms: median milliseconds of one text asked alone.
        single_ms_95: the slowest of 95 % of them.
        batch_size: texts asked at once.
        texts_per_second: of such a batch, the median of three.
        tokens_per_second: the same in tokens.
    """

    runtime: str
    single_ms: float
    single_ms_95: float
    batch_size: int
    texts_per_second: float
    tokens_per_second: float


def measure_speed(predictor: Predictor, texts: Sequence[str]) -> Speed:
    """Ask for texts one by one and all at once, for about a second; the first answers, which fill caches, not timed."""
    rows = [texts[i] for i in range(min(len(texts), _BATCH))]
    for _ in range(2):  # words that have been met are answered by code that is compiled when it first runs
        predictor.answer(rows[:1])
    single: list[float] = []
    for text in rows[:_SINGLE]:
        single.append(_seconds(predictor, [text]))
        if sum(single) > _SECONDS:
            break
    most = max(1, int(_SECONDS / _REPEATS / float(np.median(single))))
    batch = rows[:most]
    num_tokens = predictor.answer(batch).num_tokens
    seconds = float(np.median([_seconds(predictor, batch) for _ in range(_REPEATS)]))
    middle, slow = np.quantile(single, [0.5, 0.95]) * 1000
    return Speed(
        predictor.runtime.name, float(middle), float(slow), len(batch), len(batch) / seconds, num_tokens / seconds
    )


def _seconds(predictor: Predictor, texts: list[str]) -> float:
    began = time.perf_counter()
    predictor.answer(texts)
    return time.perf_counter() - began
