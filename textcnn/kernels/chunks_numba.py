"""Compiled search for chunks: the bytes of texts to numbers of what stands between blanks, without Python per word."""

from __future__ import annotations

import numpy as np
from numba import njit

from textcnn.kernels import numba_forks as numba_forks

ASCII_BLANKS = np.zeros(256, np.bool_)
ASCII_BLANKS[[9, 10, 11, 12, 13, 32]] = True


@njit(cache=True, nogil=True)
def with_byte(state, byte):
    """The hash of a chunk, one byte further: FNV-1a, 64 bits."""
    return (state ^ np.uint64(byte)) * np.uint64(1099511628211)


@njit(cache=True, nogil=True)
def with_end(state):
    """The finished hash: its low bits would know little of the last bytes."""
    return state ^ (state >> np.uint64(32))


@njit(cache=True, nogil=True)
def number_chunks(data, ends, blanks, seed, table, starts, pool, used, numbers, offsets):
    """Number the chunks of all texts; a new one is remembered under the next number.

    Args:
        data: (bytes,) uint8, UTF-8 of all texts, one after another.
        ends: (B,) int64, where each text ends in it.
        blanks: (256,) which bytes part chunks.
        seed: uint64, the hash begins with it.
        table: (power of 2, 2) uint64, hash and number + 1 of each remembered chunk, 0 where none is; never full.
        starts: int64, where each remembered chunk begins in ``pool``; its room is enough for all that may be new.
        pool: uint8, bytes of the remembered chunks; its room is enough too.
        used: how many chunks are remembered.
        numbers: is filled with the number of each chunk.
        offsets: (B + 1,) int64, is filled with where the chunks of each text begin.

    Returns:
        How many chunks are remembered now.
    """
    mask = np.int64(table.shape[0] - 1)
    count = 0
    place = 0
    offsets[0] = 0
    for b in range(ends.shape[0]):
        end = ends[b]
        while place < end:
            if blanks[data[place]]:
                place += 1
                continue
            first = place
            state = seed
            while place < end and not blanks[data[place]]:
                state = with_byte(state, data[place])
                place += 1
            state = with_end(state)
            size = place - first
            slot = np.int64(state) & mask
            while True:
                entry = np.int64(table[slot, 1])
                if entry == 0:
                    begin = starts[used]
                    for i in range(size):
                        pool[begin + i] = data[first + i]
                    starts[used + 1] = begin + size
                    table[slot, 0] = state
                    used += 1
                    table[slot, 1] = np.uint64(used)
                    entry = used
                    break
                if table[slot, 0] == state:
                    begin = starts[entry - 1]
                    same = starts[entry] - begin == size
                    i = 0
                    while same and i < size:
                        same = pool[begin + i] == data[first + i]
                        i += 1
                    if same:
                        break
                slot = (slot + 1) & mask
            numbers[count] = entry - 1
            count += 1
        offsets[b + 1] = count
    return used


@njit(cache=True, nogil=True)
def place_tokens(data, ends, blanks, numbers, spans, lows, highs, starts, stops, offsets):
    """Where the tokens of all texts stand, in characters, by what is known of their chunks.

    Args:
        data: (bytes,) uint8, UTF-8 of all texts, one after another.
        ends: (B,) int64, where each text ends in it.
        blanks: (256,) which bytes part chunks.
        numbers: the number of each chunk.
        spans: where the tokens of each numbered chunk begin in ``lows`` and ``highs``.
        lows: int64, characters from the start of a chunk to that of a token.
        highs: int64, to its end.
        starts: (N,) int64, is filled with where each token starts in its text.
        stops: (N,) int64, is filled with where it ends.
        offsets: (B + 1,) int64, is filled with where the tokens of each text begin.
    """
    place = 0
    chunk = 0
    token = 0
    for b in range(ends.shape[0]):
        character = 0
        while place < ends[b]:
            if not blanks[data[place]]:
                number = numbers[chunk]
                chunk += 1
                for k in range(spans[number], spans[number + 1]):
                    starts[token] = character + lows[k]
                    stops[token] = character + highs[k]
                    token += 1
                while place < ends[b] and not blanks[data[place]]:
                    character += (data[place] & 0xC0) != 0x80  # other bytes go on with a character
                    place += 1
            else:
                character += 1
                place += 1
        offsets[b + 1] = token


@njit(cache=True, nogil=True)
def move_entries(table, larger):
    """Put the entries of a table into a larger one, which is empty."""
    mask = np.int64(larger.shape[0] - 1)
    for k in range(table.shape[0]):
        if table[k, 1] != 0:
            slot = np.int64(table[k, 0]) & mask
            while larger[slot, 1] != 0:
                slot = (slot + 1) & mask
            larger[slot, 0] = table[k, 0]
            larger[slot, 1] = table[k, 1]
