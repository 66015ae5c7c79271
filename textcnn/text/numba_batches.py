"""Fast twins of what a batch needs: its tokens with words dropped, its unique types. Equal to numpy to the bit."""

from __future__ import annotations

import numpy as np
from numba import float32, int32, int64, njit, types, uint64

from textcnn.kernels import numba_forks as numba_forks

# Arrays may be memory maps that cannot be written to.
_IDS = types.Array(int32, 1, "C", readonly=True)
_INTEGERS = types.Array(int64, 1, "C", readonly=True)
_RATES = types.Array(float32, 1, "C", readonly=True)


@njit(uint64(uint64, int64), cache=True, nogil=True)
def _mixed(state, place):
    """A step of splitmix64 (Steele et al. 2014)."""
    state = state * uint64(0x9E3779B97F4A7C15) + uint64(place)
    state = (state ^ (state >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> uint64(27))) * uint64(0x94D049BB133111EB)
    return state ^ (state >> uint64(31))


@njit(types.Tuple((int64[::1], int64[::1]))(_IDS), cache=True, nogil=True)
def unique_types(ids):
    """The types of a batch ``(U,)``, ascending, and which of them each token is ``(N,)``."""
    bound = 0
    for j in range(ids.shape[0]):
        bound = max(bound, ids[j] + 1)
    number = np.full(bound, -1, np.int64)
    count = 0
    for j in range(ids.shape[0]):
        if number[ids[j]] < 0:
            number[ids[j]] = 0
            count += 1
    unique = np.empty(count, np.int64)
    count = 0
    for type_id in range(bound):
        if number[type_id] == 0:
            unique[count] = type_id
            number[type_id] = count
            count += 1
    inverse = np.empty(ids.shape[0], np.int64)
    for j in range(ids.shape[0]):
        inverse[j] = number[ids[j]]
    return unique, inverse


@njit(int32[::1](_IDS, _INTEGERS, _INTEGERS, _RATES, int32, uint64), cache=True, nogil=True)
def drop_words(ids, offsets, rows, rates, unknown, state):
    """Ids ``(N,)``, with ``unknown`` where :func:`textcnn.text.masking.uniform` says; the texts are ``rows``."""
    out = ids.copy()
    for b in range(rows.shape[0]):
        of_row = _mixed(state, rows[b])
        for place in range(offsets[b + 1] - offsets[b]):
            j = offsets[b] + place
            chance = np.float32(_mixed(of_row, place) >> uint64(40)) / np.float32(2**24)
            if chance < rates[ids[j]]:
                out[j] = unknown
    return out
