"""Times of a report leave out what happens once."""

import time
from types import SimpleNamespace

from textcnn.report.content import measure_speed


class SlowTwice:
    """Reads nothing the first time and compiles something the second time, as a look-up model does with one text."""

    runtime = SimpleNamespace(name="look-up")

    def __init__(self):
        self.asked = 0

    def answer(self, rows):
        self.asked += 1
        time.sleep(0.4 if self.asked <= 2 else 0.0005)
        return SimpleNamespace(num_tokens=len(rows))


def test_what_happens_once_is_not_timed():
    found = measure_speed(SlowTwice(), ["good", "bad", "film"] * 20)
    assert found.single_ms_95 < 300
    assert found.batch_size > 1
