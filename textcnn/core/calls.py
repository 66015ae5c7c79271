"""Helpers for calling the core: array addresses, thread pools, and translation of error codes to exceptions."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_void_p
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import Core, address, loaded
from textcnn.core.threads import num_threads
from textcnn.errors import NoMemoryError

_lock = threading.RLock()  # reentrant: garbage collection may free a trainer, which returns its pool, at any time
_free: dict[int, list[c_void_p]] = {}  # by number of threads


@dataclass(frozen=True)
class Pool:
    """A ``tc_pool`` borrowed by one caller: its address, its number of threads, and the process that created it."""

    address: c_void_p
    threads: int
    process: int


def borrow(core: Core, threads: int | None = None) -> Pool:
    """Borrow a thread pool for exclusive use until it is given back.

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
    """Return a borrowed pool, whose threads stay alive for the next caller."""
    if os.getpid() == pool.process:  # else the caller has forked, and the parent still has the threads
        with _lock:
            _free.setdefault(pool.threads, []).append(pool.address)


@contextmanager
def lent(core: Core, threads: int | None = None) -> Iterator[c_void_p]:
    """Borrow a pool for the duration of the block; arguments and errors as for :func:`borrow`."""
    pool = borrow(core, threads)
    try:
        yield pool.address
    finally:
        give_back(pool)


class Forked(Protocol):
    """A cache that is to be told of a fork."""

    def mark_forked(self) -> None:
        """Note that this process is the child; as little as possible may be done before the next use.

        Threads of the parent may have had any lock at the time of the fork.
        """


_told: weakref.WeakSet[Forked] = weakref.WeakSet()


def tell_of_forks(cache: Forked) -> None:
    """Call ``mark_forked`` of this cache in every child of a fork, as long as the cache lives."""
    _told.add(cache)


def _forget() -> None:
    """Drop all pools in a forked child, where the threads do not exist and the lock may be locked forever."""
    global _lock
    _lock = threading.RLock()
    _free.clear()
    for cache in list(_told):
        cache.mark_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


Array = npt.NDArray[Any]

NO_MEMORY = -2


class Texts(ctypes.Structure):
    """Encoded texts, as ``tc_texts`` of text_features.h."""

    _fields_ = (
        ("ids", ctypes.c_void_p),
        ("num_ids", ctypes.c_int64),
        ("offsets", ctypes.c_void_p),
        ("num_texts", ctypes.c_int64),
    )


def texts(ids: Array, offsets: Array) -> Texts:
    """Return the C structure of encoded texts; the arrays must outlive it.

    Raises:
        TypeError: ids are not int32, or offsets not int64, or there is none.
    """
    if not len(offsets):
        raise TypeError("expected an offset at least, found none")
    return Texts(
        address(ids, np.int32, (None,), "ids"),
        len(ids),
        address(offsets, np.int64, (None,), "offsets"),
        len(offsets) - 1,
    )


def pointer(array: Array, kind: type[np.generic], *shape: int | None) -> ctypes.c_void_p:
    """Return a ctypes pointer to an array of that dtype and shape (by default one axis of any length).

    Raises:
        TypeError: the array has another dtype or shape, or is not contiguous.
    """
    wanted: Sequence[int | None] = shape or (None,)
    return ctypes.c_void_p(address(array, kind, wanted, "an array"))


def whole(number: int) -> ctypes.c_int64:
    """Return an integer as ctypes int64."""
    return ctypes.c_int64(int(number))


def real(number: float) -> ctypes.c_float:
    """Return a number as ctypes float32."""
    return ctypes.c_float(float(number))


def call(name: str, *arguments: Any) -> int:
    """Call a function of the core and return its non-negative result; raise negative ones as exceptions.

    Raises:
        ValueError: sizes or numbers do not fit together.
        NoMemoryError: there is not enough memory.
    """
    found = int(getattr(loaded().c, name)(*arguments))
    if found == NO_MEMORY:
        raise NoMemoryError(f"{name}: expected memory for a part of the texts, found none; classify fewer at a time")
    if found < 0:
        raise ValueError(f"{name}: sizes or numbers of the arrays do not fit together")
    return found


def call_with_pool(name: str, threads: int | None, *arguments: Any) -> int:
    """Call a function that takes a thread pool first; a single thread passes a null pool.

    Args:
        name: name of the function.
        threads: threads of the pool; none: :func:`textcnn.core.threads.num_threads`.
        arguments: those after the pool.

    Raises:
        ValueError: as for :func:`call`.
        NoMemoryError: as for :func:`call`.
    """
    if threads == 1:
        return call(name, None, *arguments)
    with lent(loaded(), threads) as pool:
        return call(name, pool, *arguments)
