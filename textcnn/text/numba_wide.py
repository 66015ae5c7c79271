"""Fast twin of the wide features: one pass through a hash table where numpy sorts every n-gram of the corpus.

Equal to :mod:`textcnn.text.wide` to the bit: it is given the same logarithms, and sums have the same order.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from numba import int64, njit, types

from textcnn.kernels import numba_forks as numba_forks

# Arrays may be memory maps that cannot be written to.
_IDS = types.Array(types.int32, 1, "C", readonly=True)
_INTEGERS = types.Array(types.int64, 1, "C", readonly=True)
_IDF = types.Array(types.float32, 1, "C", readonly=True)
_LOGARITHMS = types.Array(types.float64, 1, "C", readonly=True)
_TABLE = types.Array(types.int64, 2, "C")

_BLOCK = 1 << 18  # tokens that a thread takes at a time


def fit(
    ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64], num_types: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keys of the training texts ``(F,)``, ascending, and in how many texts each occurs."""
    found = _count(ids, offsets, num_types)
    order = np.argsort(found[:, 0])
    return found[order, 0], found[order, 1] & 0xFFFFFFFF


def transform(
    ids: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    table: npt.NDArray[np.int64],
    idf: npt.NDArray[np.float32],
    logarithms: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Rows ``(M,)``, weights ``(M,)`` and offsets ``(N + 1,)`` of the features of all texts.

    Args:
        ids: of N texts.
        offsets: ``(N + 1,)``, where each text begins.
        table: :func:`index` of the keys.
        idf: ``(F,)``.
        logarithms: what a feature that a text holds 1, 2, ... times counts, as far as :func:`largest_count` says.
    """
    firsts = np.unique(np.searchsorted(offsets, np.arange(0, offsets[-1] + 1, _BLOCK), side="left"))
    bounds = np.append(firsts[firsts < len(offsets) - 1], len(offsets) - 1)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1) as pool:
        parts = list(
            pool.map(
                lambda k: _weigh(ids, offsets[bounds[k] : bounds[k + 1] + 1], table, idf, logarithms),
                range(len(bounds) - 1),
            )
        )
    rows, weights, counts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return rows, weights, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


@njit(int64(_IDS, _INTEGERS), cache=True, nogil=True)
def largest_count(ids, offsets):
    """How often a text holds the same type, at most; no pair of types can come more often."""
    bound = 0
    for j in range(ids.shape[0]):
        bound = max(bound, ids[j] + 1)
    counts = np.zeros(bound, np.int64)
    largest = 0
    for text in range(offsets.shape[0] - 1):
        for j in range(offsets[text], offsets[text + 1]):
            counts[ids[j]] += 1
            largest = max(largest, counts[ids[j]])
        for j in range(offsets[text], offsets[text + 1]):
            counts[ids[j]] = 0
    return largest


@njit(int64(int64, int64), cache=True, nogil=True, inline="always")
def _slot(key, bits):
    """Where the search for a key begins: the high bits of its product with the golden ratio (Knuth 1973, 6.4)."""
    return np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - bits))


@njit(_TABLE(_IDS, _INTEGERS, int64), cache=True, nogil=True)
def _count(ids, offsets, num_types):
    """Every key ``(F, 2)``; the number beside it holds the last text with it (high half) and how many there are."""
    bits = 16
    table = np.full((1 << bits, 2), -1, np.int64)
    used = 0
    for text in range(offsets.shape[0] - 1):
        if 2 * (used + 2 * (offsets[text + 1] - offsets[text])) > table.shape[0]:  # room for all it could add
            while 2 * (used + 2 * (offsets[text + 1] - offsets[text])) > (1 << bits):
                bits += 1
            grown = np.full((1 << bits, 2), -1, np.int64)
            for old in range(table.shape[0]):
                if table[old, 0] >= 0:
                    slot = _slot(table[old, 0], bits)
                    while grown[slot, 0] >= 0:
                        slot = (slot + 1) & ((1 << bits) - 1)
                    grown[slot, 0] = table[old, 0]
                    grown[slot, 1] = table[old, 1]
            table = grown
        mask = (1 << bits) - 1
        for j in range(offsets[text], offsets[text + 1]):
            for pair in range(2):
                key = np.int64(ids[j])
                if pair == 1:
                    if j + 1 == offsets[text + 1] or ids[j + 1] >= num_types:
                        continue
                    key = (key + 1) << 32 | np.int64(ids[j + 1])
                if ids[j] >= num_types:
                    continue
                slot = _slot(key, bits)
                while table[slot, 0] >= 0 and table[slot, 0] != key:
                    slot = (slot + 1) & mask
                if table[slot, 0] < 0:
                    table[slot, 0] = key
                    table[slot, 1] = np.int64(text) << 32 | 1
                    used += 1
                elif table[slot, 1] >> 32 != text:
                    table[slot, 1] = np.int64(text) << 32 | ((table[slot, 1] & 0xFFFFFFFF) + 1)
    found = np.empty((used, 2), np.int64)
    used = 0
    for slot in range(table.shape[0]):
        if table[slot, 0] >= 0:
            found[used, 0] = table[slot, 0]
            found[used, 1] = table[slot, 1]
            used += 1
    return found


@njit(_TABLE(_INTEGERS), cache=True, nogil=True)
def index(keys):
    """A hash table of keys and their rows."""
    bits = 4
    while (1 << bits) < 2 * keys.shape[0]:
        bits += 1
    table = np.full((1 << bits, 2), -1, np.int64)
    for row in range(keys.shape[0]):
        slot = _slot(keys[row], bits)
        while table[slot, 0] >= 0:
            slot = (slot + 1) & ((1 << bits) - 1)
        table[slot, 0] = keys[row]
        table[slot, 1] = row
    return table


@njit(types.void(types.int32[::1], int64), cache=True, nogil=True)
def _sort(values, count):
    """Shell's sort in place (gaps of Knuth 1973, 5.2.1), for few numbers; numba's takes a second to compile."""
    gap = 1
    while 3 * gap + 1 < count:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            value = values[i]
            j = i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@njit(
    types.Tuple((types.int32[::1], types.float32[::1], types.int64[::1]))(_IDS, _INTEGERS, _TABLE, _IDF, _LOGARITHMS),
    cache=True,
    nogil=True,
)
def _weigh(ids, offsets, table, idf, logarithms):
    """Rows and weights of the texts between ``offsets``, and how many each text has."""
    mask = table.shape[0] - 1
    bits = 0
    while (1 << bits) < table.shape[0]:
        bits += 1
    room = 2 * (offsets[-1] - offsets[0])
    rows, weights = np.empty(room, np.int32), np.empty(room, np.float32)
    counts = np.empty(offsets.shape[0] - 1, np.int64)
    longest = 0
    for text in range(counts.shape[0]):
        longest = max(longest, offsets[text + 1] - offsets[text])
    here = np.empty(2 * longest, np.int32)
    exact = np.empty(2 * longest, np.float64)
    end = 0
    for text in range(counts.shape[0]):
        found = 0
        for j in range(offsets[text], offsets[text + 1]):
            for pair in range(2):
                key = np.int64(ids[j])
                if pair == 1:
                    if j + 1 == offsets[text + 1]:
                        continue
                    key = (key + 1) << 32 | np.int64(ids[j + 1])
                slot = _slot(key, bits)
                while table[slot, 0] >= 0 and table[slot, 0] != key:
                    slot = (slot + 1) & mask
                if table[slot, 0] == key:
                    here[found] = table[slot, 1]
                    found += 1
        _sort(here, found)
        begin = end
        norm = 0.0
        e = 0
        while e < found:
            same = e + 1
            while same < found and here[same] == here[e]:
                same += 1
            weight = logarithms[same - e - 1] * idf[here[e]]
            norm += weight * weight
            rows[end] = here[e]
            exact[end - begin] = weight
            end += 1
            e = same
        norm = np.sqrt(norm)
        for place in range(begin, end):
            weights[place] = exact[place - begin] / norm
        counts[text] = end - begin
    return rows[:end].copy(), weights[:end].copy(), counts
