"""What the kernels of the look-up runtime are given of some neighbouring texts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.text.ragged import Ragged
from textcnn.text.wide import WideRows

Array = npt.NDArray[Any]


class Gathered(NamedTuple):
    """Arguments of ``collect`` in the kernels, in their order."""

    products: Array
    means: Array
    rows: Array
    offsets: Array
    sizes: Array
    best: Array
    mean_sums: Array
    table: Array
    scale: float
    wide_rows: Array
    wide_weights: Array
    wide_offsets: Array
    wide_sums: Array


def features_of(wide: WideRows | None, texts: slice) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Rows and weights of the wide features of some neighbouring texts, and where those of each begin."""
    if wide is None:
        return np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(texts.stop - texts.start + 1, np.int64)
    offsets = wide.offsets[texts.start : texts.stop + 1]
    first, last = offsets[0], offsets[-1]
    return wide.rows[first:last], wide.weights[first:last], offsets - first


def cut_texts(encoded: Ragged, texts: slice, max_length: int | None) -> Ragged:
    """Some neighbouring texts, each cut after ``max_length`` tokens."""
    if max_length is not None:
        return encoded.take(np.arange(texts.start, texts.stop), longest=max_length)
    offsets = encoded.offsets[texts.start : texts.stop + 1]
    return Ragged(encoded.ids[offsets[0] : offsets[-1]], offsets - offsets[0])
