"""The n-grams that win the filters in given texts, and what each adds to the logits there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textcnn.inference.filters import activate
from textcnn.inference.lookup import LookupModel
from textcnn.text.pipeline import EncodedTexts

Array = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

OUTSIDE, NO_TAP = -1, -2  # in the place of a type: beyond an end of the text; behind a window of fewer words


@dataclass(frozen=True)
class Winners:
    """M winning windows of N texts; a window that won several filters is there once.

    Attributes:
        texts: ``(M,)`` the number of its text, ascending.
        windows: ``(M, H)`` int32 types of a window, H the widest; below 0 where there is none.
        contributions: ``(M, C)`` float32, what the filters that it won add to each logit.
        first: ``(M,)`` the place of the window's first tap in its text; below 0: it begins outside.
    """

    texts: Integers
    windows: npt.NDArray[np.int32]
    contributions: Array
    first: Integers

    @classmethod
    def join(cls, parts: Iterable[Winners]) -> Winners:
        """Those of several batches of the same encoded texts, in order."""
        found = list(parts)
        return cls(
            np.concatenate([part.texts for part in found]),
            np.concatenate([part.windows for part in found]),
            np.concatenate([part.contributions for part in found]),
            np.concatenate([part.first for part in found]),
        )


def find_winners(model: LookupModel, encoded: EncodedTexts) -> Winners:
    """The windows of every text that make its features; those of features that are 0 are left out."""
    widest = int(model.model.filters.sizes.max(initial=0))
    shape = (0, widest), (0, model.model.num_labels)
    none = np.zeros(0, np.int64)
    parts = [Winners(none, np.zeros(shape[0], np.int32), np.zeros(shape[1], np.float32), none)]
    longest = model.inputs.max_length
    for number in range(len(encoded)):
        start, end = int(encoded.offsets[number]), int(encoded.offsets[number + 1])
        ids = encoded.ids[start : end if longest is None else min(end, start + longest)]
        if len(ids) and widest:
            parts.append(_winners_of(model, encoded, ids, number, widest))
    return Winners.join(parts)


def _winners_of(
    model: LookupModel, encoded: EncodedTexts, ids: npt.NDArray[np.int32], number: int, widest: int
) -> Winners:
    weights, parts, done = model.model.filters, [], 0
    outside = np.full(widest, OUTSIDE, np.int32)
    padded = np.concatenate([outside, ids, outside])
    for size, sums in zip(weights.sizes.tolist(), model.windows(ids, encoded.unseen), strict=True):
        own = slice(done, done + sums.shape[1])
        place = sums.argmax(axis=0)
        features = activate(sums[place, np.arange(len(place))] + weights.bias[own], weights.activation)
        nonzero = np.flatnonzero(features)
        places, inverse = np.unique(place[nonzero], return_inverse=True)
        shares = np.zeros((len(places), model.model.num_labels))
        np.add.at(shares, inverse, features[nonzero, None] * weights.head[own][nonzero].astype(np.float64))
        first = places - (size - 1)
        windows = np.full((len(places), widest), NO_TAP, np.int32)
        windows[:, :size] = padded[first[:, None] + widest + np.arange(size)]
        parts.append(Winners(np.full(len(places), number), windows, shares.astype(np.float32), first))
        done = own.stop
    return Winners.join(parts)
