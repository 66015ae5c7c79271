"""Items that are made in other threads, in their order, so that reading, answering and writing overlap."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

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


def ahead(items: Iterator[Item], most: int) -> Generator[Item, None, None]:
    """The same items in the same order; at most ``most`` of them are made before they are asked for.

    Whoever closes this waits for the item that is being made, and the items are closed.
    """
    line = _Line(items, most)
    try:
        while (found := line.take()) is not None:
            yield found[0]
    finally:
        line.stop()


class _Line(Generic[Item]):
    def __init__(self, items: Iterator[Item], most: int) -> None:
        self._items, self._most = items, most
        self._made: deque[Item] = deque()
        self._changed = threading.Condition()
        self._is_stopped = self._is_over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._make, name="textcnn-ahead", daemon=True)
        self._thread.start()

    def take(self) -> tuple[Item] | None:
        """The next item; none behind the last."""
        with self._changed:
            while not self._made and not self._is_over:
                self._changed.wait()
            if self._made:
                self._changed.notify_all()
                return (self._made.popleft(),)
        if self._error is not None:
            raise self._error
        return None

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _make(self) -> None:
        try:
            self._make_all()
        except BaseException as err:
            self._error = err
        finally:
            if hasattr(self._items, "close"):
                self._items.close()
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _make_all(self) -> None:
        for item in self._items:
            with self._changed:
                while len(self._made) >= self._most and not self._is_stopped:
                    self._changed.wait()
                if self._is_stopped:
                    return
                self._made.append(item)
                self._changed.notify_all()
            del item  # while the next is made, nobody here needs it
