"""Chunk after chunk, in one process or several: every row, in order, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import pytest

from textcnn.errors import TextCNNError
from textcnn.prediction.answers import _CHARACTERS, CHUNK, AnswerForm, chunks_of, classify_rows
from textcnn.prediction.predictor import Predictor
from textcnn.prediction.streaming import answer_stream
from textcnn.prediction.workers import answer_in_processes
from textcnn.prediction.writing import json_line

FORM = AnswerForm(("text",), top_k=2)


@dataclass
class Row:
    text: str
    columns: dict[str, Any] = field(default_factory=dict)


def make_rows(number):
    return [Row("" if n % 7 == 0 else f"a good film {n}", {"id": n}) for n in range(number)]


@pytest.fixture
def folder(predictor, tmp_path):
    return predictor.save(tmp_path / "model")


def expected(predictor, rows):
    counts = Counter()
    return list(classify_rows(predictor, rows, text_columns=("text",), top_k=2, counts=counts)), counts


def test_parts_are_the_rows_in_order(predictor):
    rows = make_rows(CHUNK + 90)
    found, counts = expected(predictor, rows)
    parts = list(answer_stream(rows, predictor, FORM, as_lines=False))
    assert [row for part in parts for row in part.rows] == found
    assert sum((part.counts for part in parts), Counter()) == counts
    lines = answer_stream(rows, predictor, FORM, as_lines=True)
    assert "".join(part.lines for part in lines) == "".join(map(json_line, found))


def test_what_was_read_is_answered_before_a_row_that_is_not_there_yet(predictor):
    """A source that has three rows, and then waits for the answers to them."""
    answered = []

    def source():
        for n in range(9):
            if n % 3 == 0:
                assert len(answered) == n
            yield Row(f"good {n}")

    taken = count(1)
    for part in answer_stream(source(), predictor, FORM, as_lines=False, ready=lambda: next(taken) % 3 != 0):
        answered.extend(part.rows)
    assert [row["text"] for row in answered] == [f"good {n}" for n in range(9)]


def test_long_texts_come_fewer_at_a_time():
    rows = [Row("x" * (_CHARACTERS // 3)) for _ in range(10)]
    assert [len(chunk) for chunk in chunks_of(rows)] == [4, 4, 2]
    assert [len(chunk) for chunk in chunks_of([Row("x" * 2 * _CHARACTERS)] * 3)] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["look-up", "torch"])
def test_processes_give_the_same_answers_in_the_same_order(folder, runtime):
    load = partial(Predictor.load, folder, runtime=runtime)
    predictor = load()
    rows = make_rows(6 * CHUNK + 5)
    read = []
    source = (read.append(row) or row for row in rows)
    found, counts = expected(predictor, rows)
    parts, most = [], 0
    for part in answer_in_processes(source, load, FORM, as_lines=True, workers=2):
        parts.append(part)
        most = max(most, len(read) - len(parts) * CHUNK)
    assert "".join(part.lines for part in parts) == "".join(map(json_line, found))
    assert sum((part.counts for part in parts), Counter()) == counts
    assert most <= 5 * CHUNK  # read ahead of the answers
    assert not multiprocessing.active_children()
    assert "RAYON_NUM_THREADS" not in os.environ


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnhandledThreadExceptionWarning")
def test_a_process_that_dies_is_one_clear_error(folder):
    parts = answer_in_processes(
        map(Row, map(str, count())), partial(Predictor.load, folder), FORM, as_lines=True, workers=2
    )
    next(parts)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(TextCNNError, match=r"one of 2 worker processes ended before its work, .* fewer --workers"):
        list(parts)
    assert not multiprocessing.active_children()


def test_a_process_that_cannot_start_is_that_error_too():
    parts = answer_in_processes(make_rows(3), partial(os._exit, 3), FORM, as_lines=True, workers=1)
    with pytest.raises(TextCNNError, match="one of 1 worker processes ended before its work"):
        list(parts)


@pytest.mark.slow
def test_who_stops_early_leaves_no_process_behind(folder):
    load = partial(Predictor.load, folder)
    parts = answer_in_processes(map(Row, map(str, count())), load, FORM, as_lines=True, workers=2)
    next(parts)
    parts.close()
    assert not multiprocessing.active_children()


def test_an_error_of_the_reader_passes_and_ends_the_processes(folder):
    def rows():
        yield from make_rows(CHUNK)
        raise ValueError("line 513")

    with pytest.raises(ValueError, match="line 513"):
        list(answer_in_processes(rows(), partial(Predictor.load, folder), FORM, as_lines=True, workers=1))
    assert not multiprocessing.active_children()
