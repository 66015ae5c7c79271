"""Threads for kernels that leave the GIL: one pool a process, made when it is first needed, dropped after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(work: Callable[[Part], None], parts: Iterable[Part], threads: int) -> None:
    """Do ``work`` on every part, ``threads`` at a time, this thread among them; the first error is raised.

    Any number of callers may do so at once; they share the pool.
    """
    waiting = iter(parts)
    take = threading.Lock()

    def until_none_is_left() -> None:
        while True:
            with take:
                part = next(waiting, waiting)
            if part is waiting:
                return
            work(part)  # type: ignore[arg-type]

    helpers = [_threads().submit(until_none_is_left) for _ in range(threads - 1)]
    try:
        until_none_is_left()
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that never started has nothing to do any more
                helper.result()


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(num_cores(), 1), "textcnn-lookup")
        return _pool


def _forget() -> None:
    """In a forked child the threads of the pool do not exist, and the lock may be held by one of them."""
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
