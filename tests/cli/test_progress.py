"""How far a command is: plain lines now and then, with the time left where it is known; silence when asked for."""

import re
import sys

from textcnn_cli import console, progress
from textcnn_cli.progress import RowsProgress


def test_plain_lines_are_not_too_many(capsys):
    shown = RowsProgress()
    for rows in range(1_000):
        shown.update(rows, rows / 1_000)
    shown.stop()
    assert capsys.readouterr().err == ""


def test_a_plain_line(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    shown = RowsProgress()
    shown.update(2_000, 0.25)
    shown.update(2_500, None)
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"2,000 rows, [\d,]+ rows/s, 25% of the input, 0 s left", first)
    assert re.fullmatch(r"2,500 rows, [\d,]+ rows/s", second)


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # whatever the terminal of the test is, like TERM
    monkeypatch.setenv("TERM", "xterm")
    shown = RowsProgress()
    shown.update(2_000, 0.5)
    shown.stop()
    assert "2,000 rows" in capsys.readouterr().err
    console.set_level(-1)
    RowsProgress().update(2_000, 0.5)
    assert capsys.readouterr().err == ""
