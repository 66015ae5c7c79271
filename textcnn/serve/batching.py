"""Batches requests dynamically: texts that arrive while one batch is computed form the next one, without a timer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from textcnn.serve.models import Question, ServedModel

MAX_BATCH = 512  # the batch is closed once it has this many texts

Rows = list[dict[str, Any]]


@dataclass
class _Job:
    """The texts of one request, and the future that receives their rows."""

    model: ServedModel
    texts: Sequence[str]
    question: Question
    future: asyncio.Future[Rows]


class Batcher:
    """Runs predictions in one thread; texts of requests with the same model and options form one batch.

    A few short texts that arrive while the thread is idle are classified by the caller, which takes less time than
    waking a thread.

    Args:
        observe: called with the number of texts of each batch.
    """

    def __init__(self, observe: Callable[[int], None] = lambda size: None) -> None:
        self._observe = observe
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._turn = threading.Lock()  # models and counters are not thread-safe
        self._thread = threading.Thread(target=self._work, name="textcnn-batches", daemon=True)
        self._thread.start()

    async def rows(self, model: ServedModel, texts: Sequence[str], question: Question) -> Rows:
        """Return the rows of these texts; texts of a caller that is cancelled while they wait are not classified."""
        if model.is_quick(texts, question) and self._turn.acquire(blocking=False):
            try:
                self._observe(len(texts))
                return model.rows(texts, question)
            finally:
                self._turn.release()
        future: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Job(model, texts, question, future))
        return await future

    def close(self) -> None:
        """Finish all waiting jobs, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            with self._turn:
                is_last = self._answer_all(self._gathered(first))
            if is_last:
                return

    def _gathered(self, first: _Job) -> list[_Job | None]:
        jobs: list[_Job | None] = [first]
        size = len(first.texts)
        while size < MAX_BATCH:
            try:
                job = self._waiting.get_nowait()
            except Empty:
                break
            jobs.append(job)
            if job is None:
                break
            size += len(job.texts)
        return jobs

    def _answer_all(self, jobs: list[_Job | None]) -> bool:
        groups: dict[tuple[int, Question], list[_Job]] = {}
        for job in jobs:
            if job is not None and not job.future.cancelled():
                groups.setdefault((id(job.model), job.question), []).append(job)
        for group in sorted(groups.values(), key=lambda group: sum(len(job.texts) for job in group)):
            self._answer(group)
        return jobs[-1] is None

    def _answer(self, group: list[_Job]) -> None:
        texts = [text for job in group for text in job.texts]
        self._observe(len(texts))
        try:
            rows = group[0].model.rows(texts, group[0].question)
        except Exception as err:
            if len(group) > 1:  # one by one, so that only the request that causes the error fails
                for job in group:
                    self._answer([job])
            else:
                _deliver(group, [err])
            return
        results: list[Rows | Exception] = []
        for job in group:
            results.append(rows[: len(job.texts)])
            rows = rows[len(job.texts) :]
        _deliver(group, results)


def _deliver(group: list[_Job], results: Sequence[Rows | Exception]) -> None:
    def settle() -> None:
        for job, result in zip(group, results, strict=True):
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)

    loop = group[0].future.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
