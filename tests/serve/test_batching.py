"""Requests that wait are answered together, and none suffers from another."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from textcnn.serve.batching import Batcher
from textcnn.serve.models import Question


class Slow:
    """A model that waits to be let go, and fails at one text; quick with some, as it says."""

    def __init__(self, quick=()):
        self.calls, self.entered, self.gate = [], threading.Event(), threading.Event()
        self.quick, self.threads = quick, {}

    def is_quick(self, texts, question):
        return texts[0] in self.quick

    def rows(self, texts, question):
        self.calls.append(list(texts))
        self.threads |= dict.fromkeys(texts, threading.current_thread().name)
        self.entered.set()
        self.gate.wait(10)
        if "bad" in texts:
            raise ValueError("bad")
        return [{"text": text} for text in texts]


@contextmanager
def batcher():
    sizes = []
    one = Batcher(sizes.append)
    try:
        yield one, sizes
    finally:
        one.close()


async def first_and_then(one, model, *others):
    """Ask for one text, and, while it is answered, for the others."""
    tasks = [asyncio.create_task(one.rows(model, ["first"], Question()))]
    await asyncio.to_thread(model.entered.wait, 10)
    tasks += [asyncio.create_task(one.rows(model, texts, question)) for texts, question in others]
    await asyncio.sleep(0)
    return tasks


def test_what_waits_is_answered_together_and_parted_again():
    async def run():
        with batcher() as (one, sizes):
            model = Slow()
            others = [(["a", "b"], Question()), (["c"], Question()), (["d"], Question(top_k=1))]
            tasks = await first_and_then(one, model, *others)
            model.gate.set()
            found = [[row["text"] for row in rows] for rows in await asyncio.gather(*tasks)]
            assert found == [["first"], ["a", "b"], ["c"], ["d"]]
            assert model.calls == [["first"], ["d"], ["a", "b", "c"]]  # few texts first, other questions apart
            assert sizes == [1, 1, 3]

    asyncio.run(run())


def test_only_the_request_that_cannot_be_answered_hears_of_it():
    async def run():
        with batcher() as (one, _):
            model = Slow()
            tasks = await first_and_then(one, model, (["a"], Question()), (["bad"], Question()))
            model.gate.set()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert found[:2] == [[{"text": "first"}], [{"text": "a"}]]
            assert isinstance(found[2], ValueError)
            assert await one.rows(model, ["next"], Question()) == [{"text": "next"}]

    asyncio.run(run())


def test_who_has_gone_is_not_answered():
    async def run():
        with batcher() as (one, _):
            model = Slow()
            tasks = await first_and_then(one, model, (["gone"], Question()))
            tasks[1].cancel()
            await asyncio.sleep(0)
            model.gate.set()
            await tasks[0]
            await one.rows(model, ["next"], Question())
            assert model.calls == [["first"], ["next"]]
            with pytest.raises(asyncio.CancelledError):
                await tasks[1]

    asyncio.run(run())


def test_a_quick_one_is_answered_where_it_comes_unless_the_thread_is_at_work():
    async def run():
        with batcher() as (one, sizes):
            model = Slow(quick=("quick", "queued", "bad"))
            tasks = await first_and_then(one, model, (["queued"], Question()))
            model.gate.set()
            await asyncio.gather(*tasks)
            with one._turn:  # answers are there a moment before the thread has put its work down
                pass
            assert await one.rows(model, ["quick"], Question()) == [{"text": "quick"}]
            own, others = threading.current_thread().name, {"first", "queued"}
            assert {text for text, name in model.threads.items() if name == "textcnn-batches"} == others
            assert model.threads["quick"] == own
            assert sizes == [1, 1, 1]
            with pytest.raises(ValueError, match="bad"):
                await one.rows(model, ["bad"], Question())
            assert await one.rows(model, ["quick"], Question()) == [{"text": "quick"}]  # its turn is over

    asyncio.run(run())
