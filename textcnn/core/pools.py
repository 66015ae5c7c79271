"""Pools of threads, lent to one caller at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_void_p

from textcnn.core.binding import Core
from textcnn.core.threads import num_threads

_lock = threading.Lock()
_free: dict[int, list[c_void_p]] = {}  # by number of threads


@contextmanager
def lent(core: Core, threads: int | None = None) -> Iterator[c_void_p]:
    """A ``tc_pool`` for this caller alone, for as long as the block runs; its threads are kept for the next caller.

    Args:
        core: the library.
        threads: none: :func:`textcnn.core.threads.num_threads`.

    Raises:
        MemoryError: there is no room for a pool.
    """
    count = num_threads(threads)
    with _lock:
        kept = _free.setdefault(count, [])
        pool = kept.pop() if kept else c_void_p(core.c.tc_pool_new(count))
    if not pool:
        raise MemoryError(f"expected room for a pool of {count} threads")
    process = os.getpid()
    try:
        yield pool
    finally:
        if os.getpid() == process:  # else the block has forked, and the parent still has the threads
            with _lock:
                kept.append(pool)


def _forget() -> None:
    """In a forked child the threads do not exist, and the lock may be held by one of them."""
    global _lock
    _lock = threading.Lock()
    _free.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
