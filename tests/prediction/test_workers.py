"""Processes with a line each: what becomes of the work of one that is killed, even while it writes."""

import multiprocessing
import os
import signal
import time
from functools import partial
from multiprocessing.connection import Connection

import pytest

from textcnn.prediction.workers import WorkerLostError, Workers

PATIENCE = 60  # seconds for what takes one


def square(number):
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number * number


def squares():
    return square


@pytest.mark.slow
def test_results_are_those_of_the_items():
    with Workers(2, squares) as workers:
        found = [workers.submit(number) for number in range(20)]
        assert [one.result(PATIENCE) for one in found] == [number**2 for number in range(20)]
        wrong, right = workers.submit(-3), workers.submit(3)
        with pytest.raises(ValueError, match="-3 is below 0"):
            wrong.result(PATIENCE)
        assert right.result(PATIENCE) == 9
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_no_more_processes_than_items():
    with Workers(5, squares) as workers:
        assert workers.submit(2).result(PATIENCE) == 4
        assert len(multiprocessing.active_children()) == 1


def dies_while_it_writes(mark):
    """Of two processes the first one is killed in the middle of its first result."""

    def half(line, data):
        os.write(line.fileno(), bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return square
    Connection._send = half
    return square


@pytest.mark.slow
def test_one_that_is_killed_while_it_writes_makes_nobody_wait(tmp_path):
    """In a pool of concurrent.futures it keeps the lock of the results of all."""
    with Workers(2, partial(dies_while_it_writes, tmp_path / "mark")) as workers:
        found = [workers.submit(number) for number in range(8)]
        told = [one.exception(PATIENCE) for one in found]
        lost = [number for number, err in enumerate(told) if err is not None]
        assert lost in ([0, 2, 4, 6], [1, 3, 5, 7])  # all that it was to do
        assert {type(told[number]) for number in lost} == {WorkerLostError}
        assert [one.result() for one in found if one.exception() is None] == [n**2 for n in range(8) if n not in lost]
        later = [workers.submit(number) for number in (8, 9)]  # the processes still take turns
        assert sorted(type(one.exception(PATIENCE)).__name__ for one in later) == ["NoneType", "WorkerLostError"]
    assert not multiprocessing.active_children()


def sleeps():
    return time.sleep


def test_who_leaves_does_not_wait_for_work_on_its_way():
    began = time.monotonic()
    with Workers(1, sleeps) as workers:
        found = [workers.submit(1000) for _ in range(3)]
    assert time.monotonic() - began < PATIENCE
    assert all(isinstance(one.exception(1), WorkerLostError) for one in found)
