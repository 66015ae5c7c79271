"""Items made in a thread of their own: all of them, in order, not too many ahead, and nothing left behind."""

from __future__ import annotations

import threading

import pytest

from textcnn.prediction.streaming import ahead, in_threads


def test_all_items_in_order():
    assert list(ahead((number for number in range(100)), 2)) == list(range(100))
    assert list(ahead((number for number in ()), 2)) == []


def test_a_few_are_made_before_they_are_asked_for():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    for number in ahead(items(), 3):
        assert len(made) <= number + 5


def test_an_error_comes_behind_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("the third")

    line = ahead(items(), 2)
    assert [next(line), next(line)] == [1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(line)


def test_who_stops_early_closes_the_items_and_ends_the_thread():
    closed = []

    def items():
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            closed.append(threading.current_thread().name)

    line = ahead(ahead(items(), 2), 2)
    assert next(line) == 1
    line.close()
    assert closed == ["textcnn-ahead_0"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("textcnn-ahead")]


def test_results_of_threads_come_in_the_order_of_the_items():
    begun = threading.Barrier(3)

    def work(number):
        if number < 3:
            begun.wait(timeout=30)  # three at once
        return 2 * number

    assert list(in_threads(work, iter(range(50)), 3)) == [2 * number for number in range(50)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_an_error_of_items_or_of_work_comes_behind_the_results_before_it(threads):
    def items():
        yield from (1, 2)
        raise ValueError("the third")

    results = in_threads(str, items(), threads)
    assert [next(results), next(results)] == ["1", "2"]
    with pytest.raises(ValueError, match="the third"):
        next(results)
    results = in_threads(lambda number: 6 // number, iter([3, 2, 0, 1]), threads)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
