from __future__ import annotations

import mmap
import threading
import time

import pytest

from textcnn.config import Config, TrainingConfig
from textcnn.errors import ConfigError
from textcnn.progress import StopTraining
from textcnn.training.resource_limits import Estimate, OverMemoryError, Watch, resident_bytes

MIB = 2**20


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def watch(*, spent=0.0, num_fits=1, resident=0, **limits):
    clock = Clock()
    found = Watch(
        TrainingConfig(**limits), num_fits=num_fits, began=-spent, clock=clock, resident=lambda: resident * MIB
    )
    return found, clock


def planned(found, epochs, seconds, *, held=0, dev_share=0.0, said=None):
    found.checkpoints(dict)
    return found.planned(epochs, Estimate(seconds, held * MIB), dev_share, (said if said is not None else []).append)


def test_without_limits_all_epochs_are_planned_and_nothing_stops():
    found, clock = watch()
    assert planned(found, 7, 1e9) == 7
    clock.now = 1e9
    found.reporter().step(0, 1.0, 1.0)


def test_as_many_epochs_are_planned_as_there_is_time_for():
    said = []
    found, _ = watch(time_limit=100)  # 8 of them are kept for the end
    assert planned(found, 10, 20, said=said) == 4
    assert said == ["time_limit is 100 s: 4 of 10 epochs are planned"]
    assert planned(watch(time_limit=100, spent=40)[0], 10, 20) == 2  # 10 more are kept on a slow machine
    assert planned(watch(time_limit=100)[0], 10, 1e6) == 1
    assert planned(watch(time_limit=100)[0], 3, 20) == 3


def test_rows_that_are_measured_take_time_too():
    assert planned(watch(time_limit=100)[0], 10, 20, dev_share=1.0) == 2  # 82 s for epochs of 30
    found, _ = watch(time_limit=100)
    found.measured = 2.0
    assert planned(found, 10, 20) == 3


def test_networks_share_the_time():
    found, clock = watch(time_limit=100, num_fits=2)
    assert planned(found, 10, 10) == 4
    clock.now = 47
    with pytest.raises(StopTraining):
        found.reporter().step(0, 1.0, 1.0)
    assert planned(found, 10, 10) == 4


def test_training_stops_at_the_limit():
    found, clock = watch(time_limit=100)
    planned(found, 10, 20)
    reporter = found.reporter()
    clock.now = 91
    reporter.step(0, 1.0, 1.0)
    clock.now = 95
    with pytest.raises(StopTraining):
        reporter.step(0, 1.0, 1.0)


def test_no_time_left_is_an_error():
    with pytest.raises(
        ConfigError, match=r"time_limit is 10 s: 12\.0 s of it were gone before training began, and 9\.5 s are kept for"
    ):
        planned(watch(time_limit=10, spent=12)[0], 1, 1)


def test_no_room_for_the_weights_is_an_error():
    expected = "max_memory is 500 MiB: 100 MiB of it are left, and the weights and their state take 200 MiB; raise"
    with pytest.raises(ConfigError, match=expected):
        planned(watch(max_memory="500M", resident=400)[0], 1, 1, held=200)
    assert planned(watch(max_memory="500M", resident=400)[0], 1, 1, held=100) == 1


def test_the_main_thread_is_interrupted_when_it_holds_too_much():
    expected = r"the run may hold 500 MiB \(max_memory\) and held 600 MiB; raise max_memory, give fewer rows, or lower"
    found, _ = watch(max_memory="500M", resident=600)
    with pytest.raises(OverMemoryError, match=expected), found:
        time.sleep(5)


def test_another_thread_ends_at_its_next_step():
    def work():
        found, _ = watch(max_memory="500M", resident=600)
        with found:
            time.sleep(0.2)
            try:
                found.reporter().step(0, 1.0, 1.0)
            except StopTraining:
                outcome.append(found.over_memory)

    outcome = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "held 600 MiB" in outcome[0]


def test_ctrl_c_is_ctrl_c_while_there_is_room():
    found, _ = watch(max_memory="500M", resident=1)
    with pytest.raises(KeyboardInterrupt), found:
        raise KeyboardInterrupt


def test_memory_of_this_process_is_known():
    before = resident_bytes()
    with mmap.mmap(-1, 64 * MIB) as block:  # pages that nobody had before
        block.write(b"x" * (64 * MIB))
        assert resident_bytes() - before > 48 * MIB


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("time_limit", 0, "time_limit must be above 0, got 0"),
        ("max_memory", "much", "max_memory must be a size as 500M or 2G, or none, got 'much'"),
    ],
)
def test_limits_that_are_none(name, value, expected):
    with pytest.raises(ConfigError, match=expected):
        Config.from_flat({name: value})
