"""Items that are made in other threads, in their order, so that reading, answering and writing overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Iterator[Item], threads: int) -> Generator[Result, None, None]:
    """What ``work`` makes of each item, in the order of the items; an error comes behind the results before it.

    Args:
        work: is called for several items at once.
        items: are taken in the caller's thread, at most ``threads`` + 1 before the first result is asked for.
        threads: that work.
    """
    waiting: deque[Future[Result]] = deque()
    error: Exception | None = None
    is_over = False
    with ThreadPoolExecutor(threads, "textcnn-work") as executor:
        while waiting or not is_over:
            while not is_over and len(waiting) <= threads:
                try:
                    waiting.append(executor.submit(work, next(items)))
                except StopIteration:
                    is_over = True
                except Exception as err:
                    error, is_over = err, True
            if waiting:
                yield waiting.popleft().result()
    if error is not None:
        raise error


def ahead(items: Generator[Item, None, None], most: int) -> Generator[Item, None, None]:
    """The same items in the same order, made in a thread of their own: at most ``most`` before they are asked for.

    Whoever closes this waits for the item that is being made, and the items are closed in that thread.
    """
    waiting: deque[Future[Item | None]] = deque()
    with ThreadPoolExecutor(1, "textcnn-ahead") as executor:
        try:
            for _ in range(most):
                waiting.append(executor.submit(next, items, None))
            while (item := waiting.popleft().result()) is not None:
                waiting.append(executor.submit(next, items, None))
                yield item
                del item  # while the next is made, nobody here needs it
        finally:
            for future in waiting:
                future.cancel()
            executor.submit(items.close)
