"""One text in one compiled call: its bytes to chunks, ids, rows and features, and all that is gathered from them.

For one text the calls between the steps cost more than the steps. Every sum is made in the order of the plain path, by
the same functions where there are any, so that an answer has the same bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from textcnn.kernels import numba_forks as numba_forks
from textcnn.kernels.lookup_numba import add_features, add_rows, head, pool

MOST_TOKENS = 1024  # a longer text spends its time elsewhere
MISSING = -1

ASCII_BLANKS = np.zeros(256, np.bool_)
ASCII_BLANKS[[9, 10, 11, 12, 13, 32]] = True


@njit(cache=True, nogil=True)
def with_byte(state, byte):
    """The hash of a chunk, one byte further: FNV-1a, 64 bits, as in src/chunks.c of the core."""
    return (state ^ np.uint64(byte)) * np.uint64(1099511628211)


@njit(cache=True, nogil=True)
def with_end(state):
    """The finished hash: its low bits would know little of the last bytes."""
    return state ^ (state >> np.uint64(32))


@njit(cache=True, nogil=True)
def gather(
    data,
    seed,
    table,
    starts,
    letters,
    chunk_ids,
    chunk_offsets,
    num_types,
    unknown,
    longest,
    row_of,
    row_of_unseen,
    rows,
    products,
    means,
    sizes,
    best,
    keys,
    idf,
    logarithms,
    wide_table,
    scale,
    rest,
):
    """Gather all that the logits of one text are made of.

    Args:
        data: (bytes,) uint8, UTF-8 of the text.
        seed: as ``table``, ``starts`` and ``pool`` of :class:`textcnn.core.chunks.ChunkTable`.
        table: of the remembered chunks.
        starts: of the remembered chunks.
        letters: of the remembered chunks.
        chunk_ids: int32, token ids of all remembered chunks; from V on, unseen words.
        chunk_offsets: int64, where those of each chunk begin.
        num_types: V.
        unknown: the id of ``[UNK]``; -1: none.
        longest: tokens that the encoder sees.
        row_of: (V + 1,) int64, the row of each type; -1: it has none.
        row_of_unseen: the same for the remembered unseen words.
        rows: (MOST_TOKENS,) int64, is filled with the row of each token that the encoder sees.
        products: as ``means``, ``sizes`` and ``best`` of :func:`textcnn.kernels.lookup_numpy.collect`.
        means: of the types.
        sizes: of the windows.
        best: is filled.
        keys: (F,) int64, of the wide features (:class:`textcnn.text.wide.WideFeatures`).
        idf: (F,) float32.
        logarithms: of 1, 2, ...
        wide_table: (F, C) float32.
        scale: of the wide branch.
        rest: (1, C) int64, is filled with what means and wide features add to the logits, in ``UNIT``.

    Returns:
        How many tokens the text has, and how many of them are unknown; ``MISSING`` tokens where something is not
        remembered, or the text is longer than ``MOST_TOKENS``.
    """
    ids = np.empty(MOST_TOKENS, np.int64)
    length, unseen = _ids(data, seed, table, starts, letters, chunk_ids, chunk_offsets, num_types, unknown, ids)
    if length == MISSING:
        return MISSING, 0
    size = min(length, longest)
    for i in range(size):
        row = row_of[ids[i]] if ids[i] < num_types else MISSING
        if ids[i] >= num_types and ids[i] - num_types < row_of_unseen.shape[0]:
            row = row_of_unseen[ids[i] - num_types]
        if row == MISSING:
            return MISSING, 0
        rows[i] = row
    wide_sums = np.zeros_like(rest)
    if keys.shape[0] > 0 and not _wide(ids[:length], keys, idf, logarithms, wide_table, scale, wide_sums):
        return MISSING, 0
    ends = np.array([0, size])
    if sizes.shape[0] > 0:
        pool(products, rows, ends, sizes, best)
    rest[:] = 0
    add_rows(means, rows, ends, rest)
    for c in range(rest.shape[1]):
        rest[0, c] = rest[0, c] // max(size, 1) + (wide_sums[0, c] >> 12)
    return length, unseen


@njit(cache=True, nogil=True)
def _ids(data, seed, table, starts, letters, chunk_ids, chunk_offsets, num_types, unknown, ids):
    """Fill ``ids``; how many there are, and how many are unknown."""
    mask = np.int64(table.shape[0] - 1)
    length, unseen, place = 0, 0, 0
    while place < data.shape[0]:
        if ASCII_BLANKS[data[place]]:
            place += 1
            continue
        first = place
        state = seed
        while place < data.shape[0] and not ASCII_BLANKS[data[place]]:
            state = with_byte(state, data[place])
            place += 1
        state = with_end(state)
        slot = np.int64(state) & mask
        chunk = np.int64(MISSING)
        while table[slot, 1] != 0 and chunk == MISSING:
            entry = np.int64(table[slot, 1]) - 1
            if table[slot, 0] == state and _same(data[first:place], letters[starts[entry] : starts[entry + 1]]):
                chunk = entry
            slot = (slot + 1) & mask
        if chunk == MISSING or length + chunk_offsets[chunk + 1] - chunk_offsets[chunk] > ids.shape[0]:
            return MISSING, 0
        for i in range(chunk_offsets[chunk], chunk_offsets[chunk + 1]):
            token = np.int64(chunk_ids[i])
            ids[length] = token
            length += 1
            unseen += token >= num_types or token == unknown
    return length, unseen


@njit(cache=True, nogil=True)
def _same(a, b):
    if a.shape[0] != b.shape[0]:
        return False
    same = True
    for i in range(a.shape[0]):
        same = same and a[i] == b[i]
    return same


@njit(cache=True, nogil=True)
def _last_not_above(keys, key):
    """The last place of ``keys``, ascending, whose entry is not above ``key``; 0 if all are."""
    place, length = 0, keys.shape[0]
    while length > 1:
        half = length >> 1
        place += half if keys[place + half] <= key else 0
        length -= half
    return place


@njit(cache=True, nogil=True)
def _wide(ids, keys, idf, logarithms, table, scale, out):
    """Add the wide features of a text into ``out``; whether every count has its logarithm."""
    found = np.empty(2 * ids.shape[0], np.int64)
    count = 0
    for i in range(ids.shape[0]):
        for k in range(2 if i + 1 < ids.shape[0] else 1):
            key = (ids[i] + 1) << 32 | ids[i + 1] if k else ids[i]
            index = _last_not_above(keys, key)
            if keys[index] == key:
                found[count] = index
                count += 1
    found = np.sort(found[:count])
    rows = np.empty(count, np.int32)
    weights = np.empty(count)
    used, first = 0, 0
    norm = 0.0
    while first < count:
        last = first + 1
        while last < count and found[last] == found[first]:
            last += 1
        if last - first > logarithms.shape[0]:
            return False
        rows[used] = found[first]
        weights[used] = (1 + logarithms[last - first - 1]) * np.float64(idf[found[first]])
        norm += weights[used] * weights[used]
        used += 1
        first = last
    shares = (weights[:used] / np.sqrt(norm)).astype(np.float32)
    add_features(table, scale, rows[:used], shares, np.array([0, used]), out)
    return True


@njit(cache=True, nogil=True)
def relu_logits(best, bias, weights, rest, unit, is_empty):
    """Logits (1, C) of one text, float64: the head of its rectified largest sums, and the whole numbers of the rest.

    Args:
        best: (1, G, F) float32, F with padding.
        bias: (G * F,) float32, without it.
        weights: (G * F, C) float32.
        rest: (1, C) int64, in ``unit``.
        unit: of ``rest``.
        is_empty: whether the text has no token, and so no sums.
    """
    logits = np.zeros(rest.shape)
    if not is_empty and bias.shape[0] > 0:
        num_filters = bias.shape[0] // best.shape[1]
        features = np.empty((1, bias.shape[0]), np.float32)
        for k in range(bias.shape[0]):
            score = np.float32(best[0, k // num_filters, k % num_filters] + bias[k])
            features[0, k] = score if score > 0 else np.float32(0)
        head(features, weights, logits)
    for c in range(rest.shape[1]):
        logits[0, c] += rest[0, c] * unit
    return logits
