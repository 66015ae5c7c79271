"""Lines on stderr stay whole when several processes write them."""

import sys

import pytest

from textcnn_cli import console


class Pieces:
    def __init__(self):
        self.written = []

    def write(self, text):
        self.written.append(text)


@pytest.mark.parametrize(
    ("write", "line"), [(console.say, "worker 1: ready\n"), (console.error, "error: worker 1: ready\n")]
)
def test_a_line_is_one_write(monkeypatch, write, line):
    pieces = Pieces()
    monkeypatch.setattr(sys, "stderr", pieces)
    write("worker 1: ready")
    assert pieces.written == [line]
