"""How many threads the core uses, and work that is cut into parts for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

VARIABLE = "TEXTCNN_THREADS"


def num_threads() -> int:
    """Threads to use: as the variable TEXTCNN_THREADS says, else one for each processor that this process may use."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted.isdecimal() and int(wanted) > 0:
        return min(int(wanted), 256)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """What ``work`` gives for each part, in their order; it spends its time in C, which lets other threads run."""
    parts = list(parts)
    if len(parts) < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(min(num_threads(), len(parts))) as executor:
        return list(executor.map(work, parts))
