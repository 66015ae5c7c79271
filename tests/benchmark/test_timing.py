import gc
import time

import pytest

from textcnn.benchmark.speed import interleave


@pytest.mark.slow
def test_every_task_gets_every_item_and_the_warm_up_is_dropped():
    seen = {"a": [], "b": []}
    times = interleave([seen["a"].append, seen["b"].append], range(10), warmup=3, seed=0)
    assert times.shape == (2, 7)
    assert (times > 0).all()
    assert seen == {"a": [*range(10)], "b": [*range(10)]}


@pytest.mark.slow
def test_the_order_changes_from_item_to_item():
    calls = []
    interleave([lambda i: calls.append((i, "a")), lambda i: calls.append((i, "b"))], range(20), warmup=0, seed=0)
    firsts = {calls[2 * i][1] for i in range(20)}
    assert [i for i, _ in calls] == [i for i in range(20) for _ in range(2)]
    assert firsts == {"a", "b"}


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "timed"), [(0, 5), (60, 20)])
def test_time_ends_it_but_not_before_the_least_number(seconds, timed):
    times = interleave([lambda _: None], range(21), warmup=1, seed=0, at_least=5, seconds=seconds)
    assert times.shape == (1, timed)


@pytest.mark.slow
def test_times_are_those_of_the_tasks():
    slow, fast = interleave([time.sleep, lambda _: None], [0.01, 0.01], warmup=0, seed=0)
    assert (slow >= 0.01).all()
    assert (fast < 0.01).all()


@pytest.mark.slow
def test_garbage_collection_comes_back_after_an_error():
    def fail(_item):
        assert not gc.isenabled()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        interleave([fail], [1], warmup=0, seed=0)
    assert gc.isenabled()
