"""Allocation of large randomly accessed tables in huge pages, where the system has them.

With pages of 4 KiB nearly every access to a row of a large table misses the TLB, which costs more than reading the row.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import NoMemoryError

_M_ARENA_MAX = -8  # malloc.h of glibc
PAGE = 2**21
LINE = 64  # bytes of a cache line


def zeros(shapes: Mapping[str, Sequence[int]]) -> dict[str, npt.NDArray[np.float32]]:
    """Return zeroed float32 arrays by name, in one allocation that lives as long as any of them.

    Raises:
        NoMemoryError: there is not so much.
    """
    sizes = {name: -(-4 * math.prod(shape) // LINE) * LINE for name, shape in shapes.items()}
    size = sum(sizes.values()) + PAGE
    try:
        data = _pages(size)
    except (MemoryError, OSError) as err:
        raise NoMemoryError(
            f"expected {size / 2**20:,.0f} MiB of memory for weights, found less; use smaller tables, such as a lower "
            "vocabulary_size, ngram_buckets or embedding_dim"
        ) from err
    start = -data.ctypes.data % PAGE
    found = {}
    for name, shape in shapes.items():
        found[name] = data[start : start + 4 * math.prod(shape)].view(np.float32).reshape(shape)
        start += sizes[name]
    return found


def use_one_arena() -> None:
    """Limit malloc to one arena for all threads (mallopt(3)); no effect without glibc.

    When threads pass large arrays to each other, each thread's own arena would retain as much freed memory.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, 1)


def _pages(size: int) -> npt.NDArray[np.uint8]:
    if sys.platform == "win32" or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(size, np.uint8)
    room: Any = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without them
        room.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(room, np.uint8)
