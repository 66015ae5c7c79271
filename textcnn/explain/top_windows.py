"""Finds the windows with the largest score of each filter over the whole vocabulary.

The score of a filter is a sum over the words of a window, so its best window has the word with the largest product at
each tap. The k best windows are enumerated in order: each further one differs from one already found by a single step
down the list of one tap (Lawler 1972, "A procedure for computing the k best solutions").
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textcnn.core.lookup_numpy import activate
from textcnn.core.units import UNIT
from textcnn.runtime.cache import BLOCK
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.lexicon import Unseen

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

EDGES = {(False, False): None, (True, False): "start", (False, True): "end", (True, True): "whole"}


@dataclass(frozen=True)
class BestProducts:
    """The largest products of every tap of every filter, descending ``(depth, S, F)``, and their types."""

    products: Doubles
    types: Integers


def best_products(model: LookupModel, types: Integers, depth: int) -> tuple[BestProducts, Doubles]:
    """Return the largest products of ``types (n,)``, and their mean-pooling terms ``(n, C)``; none without a mean."""
    weights, product = model.model.filters, model.model.product()
    num_taps = len(weights.taps)
    best, owner = np.full((0, num_taps), -np.inf), np.zeros((0, num_taps), np.int64)
    means = [np.zeros((0, 0 if model.model.means is None else model.model.num_labels))]
    for start in range(0, len(types), BLOCK):
        block = types[start : start + BLOCK]
        products = product(model.model.vectors(block, Unseen()))
        shares = products[:, num_taps:]
        by_characters = model.model.vectors.character_shares(block, Unseen())
        means.append(shares if by_characters is None else shares + by_characters * UNIT)
        best = np.concatenate([best, products[:, :num_taps].astype(np.float32)])
        owner = np.concatenate([owner, np.broadcast_to(block[:, None], (len(block), num_taps))])
        if len(best) > depth:
            kept = np.argpartition(-best, depth - 1, axis=0)[:depth]
            best, owner = np.take_along_axis(best, kept, 0), np.take_along_axis(owner, kept, 0)
    order = np.lexsort((owner, -best), axis=0)
    best, owner = np.take_along_axis(best, order, 0), np.take_along_axis(owner, order, 0)
    shape = len(best), num_taps // max(weights.num_filters, 1), weights.num_filters
    return BestProducts(best.reshape(shape), owner.reshape(shape)), np.concatenate(means)


def best_windows(
    model: LookupModel, names: Sequence[str], best: BestProducts, top: int
) -> list[tuple[int, str, str | None, float]]:
    """Return the ``top`` windows of every filter: its number, the words, ``at``, and the activation, above 0."""
    weights, blinding, found = model.model.filters, model.inputs.blinding, []
    for group, (size, tap) in enumerate(zip(weights.sizes.tolist(), weights.first_taps.tolist(), strict=True)):
        for column in range(weights.num_filters):
            f, kept = group * weights.num_filters + column, 0
            products = best.products[:, tap : tap + size, column]
            for first, places in ranked(products, len(best.products)):
                taps = np.arange(first, first + len(places))
                words = [names[k] for k in best.types[list(places), tap + taps, column].tolist()]
                score = np.float32(products[list(places), taps].sum()) + weights.bias[f]
                activation = float(activate(np.array([score], np.float32), weights.activation)[0])
                if activation <= 0 or kept == top:
                    break
                if blinding is None or not blinding.holds(words):
                    found.append((f, " ".join(words), EDGES[first > 0, first + len(places) < size], activation))
                    kept += 1
    return found


def ranked(products: Doubles, count: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the ``count`` best windows of a filter: the first tap inside the text, and the place in each tap's list.

    A window may reach over the start or the end of a text, or both; taps outside add nothing.

    Args:
        products: ``(depth, h)``, in descending order.
        count: the number of windows, at most the depth of the lists, so that these cannot run out.
    """
    depth, size = products.shape
    heap = [
        (-float(products[0, first:end].sum()), first, (0,) * (end - first), 0)
        for first in range(size)
        for end in range(first + 1, size + 1)
        if depth
    ]
    heapq.heapify(heap)
    for _ in range(count):
        if not heap:
            return
        total, first, places, moved = heapq.heappop(heap)
        yield first, places
        for i in range(moved, len(places)):  # earlier taps stay, so that every window is enumerated only once
            if (place := places[i] + 1) < depth:
                step = float(products[place - 1, first + i] - products[place, first + i])
                heapq.heappush(heap, (total + step, first, (*places[:i], place, *places[i + 1 :]), i))
