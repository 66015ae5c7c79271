"""Kernels of attributions, defined in NumPy; :mod:`textcnn.core.shares` binds the same in C, bit by bit.

Shapes, besides those of :mod:`textcnn.core.lookup_numpy`: K filters in all, H words of the widest window, L labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


def window_words(
    products: npt.NDArray[Any],
    rows: Integers,
    offsets: Integers,
    sizes: Integers,
    first_taps: Integers,
    places: npt.NDArray[np.int32],
    first: Integers,
    inside: Integers,
    adds: Doubles,
    *,
    threads: int | None = None,
) -> None:
    """Return the words of every max-pooled window that lie inside the text, and each word's addend to the score.

    Args:
        products: ``(R, S, F)`` float32, as for ``winners``; so are ``rows``, ``offsets``, ``sizes`` and ``first_taps``.
        rows: ``(N,)``.
        offsets: ``(B + 1,)``.
        sizes: ``(G,)``.
        first_taps: ``(G,)``.
        places: ``(B, G, F)``, where each window begins, as ``winners`` gives it.
        first: ``(B, K)``, is filled with the first word of each window, counted through all texts.
        inside: ``(B, K)``, is filled with the number of its words; 0: the text has none.
        adds: ``(B, K, H)``, is filled with each word's addend, then zeros.
        threads: none: :func:`textcnn.core.threads.num_threads`.
    """
    lengths, num_filters = np.diff(offsets)[:, None, None], first.shape[1] // max(len(sizes), 1)
    places = places[:, :, :num_filters]
    low = np.maximum(places, 0)
    high = np.minimum(places + sizes[:, None], lengths)
    first[:] = (low + offsets[:-1, None, None]).reshape(first.shape)
    inside[:] = np.maximum(high - low, 0).reshape(first.shape)
    taps = (first_taps[:, None] + low - places).reshape(first.shape)
    columns = np.tile(np.arange(num_filters), len(sizes))
    for i in range(adds.shape[2]):
        is_inside = inside > i
        if is_inside.any():
            token = rows[np.where(is_inside, first + i, 0)]
            adds[:, :, i] = np.where(is_inside, products[token, np.where(is_inside, taps + i, 0), columns], 0)


def spread(
    first: Integers,
    inside: Integers,
    adds: Doubles,
    reach: Doubles,
    features: Doubles,
    heads: Doubles,
    words: Doubles,
    windows: Doubles,
    won: Booleans,
    *,
    threads: int | None = None,
) -> None:
    """Distribute the filters' contributions to the logits among words and n-grams, in a fixed order.

    Args:
        first: ``(B, K)``, as :func:`window_words` gives it; so are ``inside`` and ``adds``.
        inside: ``(B, K)``.
        adds: ``(B, K, H)``, what each word adds to a score, the filter's bias included.
        reach: ``(B, K)``, how much of a score reaches the feature.
        features: ``(B, K)``.
        heads: ``(B, L, K)``, how much of a feature reaches a logit.
        words: ``(N, L)``, is added to.
        windows: ``(N * H, L)``, is added to: the n-gram of m words from word n on is number ``n * H + m - 1``.
        won: ``(N * H,)``, is set where an n-gram made a feature that is not 0.
        threads: none: :func:`textcnn.core.threads.num_threads`.
    """
    is_inside = np.arange(adds.shape[2]) < inside[:, :, None]
    texts, filters, taps = np.nonzero(is_inside & (reach != 0)[:, :, None])
    tokens = first[texts, filters] + taps
    active = np.nonzero((features != 0) & (inside > 0))
    keys = (first * adds.shape[2] + inside - 1)[active]
    won[keys] = True
    for n in range(words.shape[1]):
        weights = heads[texts, n, filters] * reach[texts, filters]
        words[:, n] += np.bincount(tokens, weights * adds[texts, filters, taps], len(words))
        windows[:, n] += np.bincount(keys, heads[active[0], n, active[1]] * features[active], len(windows))


def strongest(
    offsets: Integers,
    values: Doubles,
    top: int,
    ends: Integers,
    order: Integers,
    rest: Doubles,
    *,
    threads: int | None = None,
) -> None:
    """Choose the ``top`` values of largest magnitude in every text, strongest first; of equal ones, the first.

    Args:
        offsets: ``(B + 1,)``, where the values of each text begin.
        values: ``(M,)``.
        top: largest number of values to choose in each text.
        ends: ``(B + 1,)``, where the chosen ones of each text begin: at most ``top`` of each.
        order: is filled with their numbers.
        rest: ``(B,)``, is filled with the sums of the others.
        threads: none: :func:`textcnn.core.threads.num_threads`.
    """
    for b in range(len(rest)):
        own = values[offsets[b] : offsets[b + 1]]
        chosen = np.argsort(-np.abs(own), kind="stable")[:top]
        order[ends[b] : ends[b + 1]] = chosen + offsets[b]
        left = own.copy()
        left[chosen] = 0
        rest[b] = np.add.accumulate(left)[-1] if len(left) else 0
