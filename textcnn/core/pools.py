"""Pools of threads, lent to one caller at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_void_p
from dataclasses import dataclass

from textcnn.core.binding import Core
from textcnn.core.threads import num_threads
from textcnn.errors import NoMemoryError

_lock = threading.RLock()  # collected garbage may hold a trainer, which gives its pool back
_free: dict[int, list[c_void_p]] = {}  # by number of threads


@dataclass(frozen=True)
class Pool:
    """A ``tc_pool`` that one caller has: its address, its number of threads, and the process that has made it."""

    address: c_void_p
    threads: int
    process: int


def borrow(core: Core, threads: int | None = None) -> Pool:
    """A pool for this caller alone, until it is given back.

    Args:
        core: the library.
        threads: none: :func:`textcnn.core.threads.num_threads`.

    Raises:
        NoMemoryError: there is no room for a pool.
    """
    count = num_threads(threads)
    with _lock:
        kept = _free.get(count)
        address = kept.pop() if kept else c_void_p(core.c.tc_pool_new(count))
    if not address:
        raise NoMemoryError(f"expected memory for {count} threads, found none; set TEXTCNN_THREADS to fewer")
    return Pool(address, count, os.getpid())


def give_back(pool: Pool) -> None:
    """Keep a borrowed pool and its threads for the next caller."""
    if os.getpid() == pool.process:  # else the caller has forked, and the parent still has the threads
        with _lock:
            _free.setdefault(pool.threads, []).append(pool.address)


@contextmanager
def lent(core: Core, threads: int | None = None) -> Iterator[c_void_p]:
    """A pool that is borrowed for as long as the block runs; arguments and errors as :func:`borrow`."""
    pool = borrow(core, threads)
    try:
        yield pool.address
    finally:
        give_back(pool)


def _forget() -> None:
    """In a forked child the threads do not exist, and the lock may be held by one of them."""
    global _lock
    _lock = threading.RLock()
    _free.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
