"""Taking times: all contestants on every batch, in turn, so that a slow moment of the machine hits them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from textcnn.benchmark.statistics import Floats

Item = TypeVar("Item")


def interleave(
    tasks: Sequence[Callable[[Item], Any]],
    items: Iterable[Item],
    *,
    warmup: int,
    seed: int,
    at_least: int = 0,
    seconds: float = float("inf"),
) -> Floats:
    """Give every item to every task and take the time.

    Args:
        tasks: what is timed.
        items: made between the timed calls.
        warmup: items at the beginning whose times are dropped.
        seed: decides the order of the tasks, drawn anew for each item.
        at_least: timed items before ``seconds`` may end it.
        seconds: wall time after which it ends, warm-up excluded.

    Returns:
        ``(tasks, N)`` seconds, N the timed items.
    """
    random = np.random.default_rng(seed)
    times = []
    deadline = float("inf")
    with _no_garbage_collection():
        for number, item in enumerate(items):
            if number == warmup:
                deadline = time.perf_counter() + seconds
            taken = np.zeros(len(tasks))
            for position in random.permutation(len(tasks)):
                began = time.perf_counter()
                tasks[position](item)
                taken[position] = time.perf_counter() - began
            if number >= warmup:
                times.append(taken)
            if len(times) >= at_least and time.perf_counter() > deadline:
                break
    return np.array(times).reshape(-1, len(tasks)).T


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A collection would fall on one contestant, and not on the one that caused it."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
