"""Formats are found out in files without a telling name and on standard input."""

import io
import os
import sys
import threading

import pytest
from labelled_files import CONTENTS, CSV, ROWS, TABLE, feed, read, written
from table_files import csv_bytes

from textcnn.config import DataConfig
from textcnn.text.reading import open_rows


@pytest.mark.parametrize("place", ["stdin", "a.txt", "a"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "ft", "parquet", "semicolons"])
def test_formats_are_found_out_everywhere(tmp_path, monkeypatch, place, kind):
    content = csv_bytes(TABLE, delimiter=";") if kind == "semicolons" else CONTENTS[kind]
    if place == "stdin":
        feed(monkeypatch, content)
    path = "-" if place == "stdin" else written(tmp_path / place, content)
    assert read(path)[0] == ROWS


@pytest.mark.parametrize(
    "lines",
    [
        ["Hello, world", "a text"],
        ["message, title", "and a line without one"],
        ["The text, as you see, is long and has commas", "so, does, this one here"],
        ["{last} word", "b"],
        ['{"quoted} hello', "b"],
        ["[1] a footnote", "[2] another"],
        ["[[link]] text", "b"],
        ["text", "label"],
        ["", "a", ""],
    ],
)
def test_plain_lines_stay_lines(tmp_path, monkeypatch, lines):
    content = "".join(line + "\n" for line in lines)
    feed(monkeypatch, content.encode())
    for path in ("-", written(tmp_path / "a.txt", content)):
        rows = open_rows(path, labels="ignored")
        assert ([row.text for row in rows], rows.format) == (lines, "lines")


def test_wanted_columns_tell_a_header(monkeypatch):
    content = b"v1,v2\nham,see you\n"
    feed(monkeypatch, content)
    assert read("-", text_column=("v2",), label_column=("v1",))[0] == [("see you", "ham")]
    feed(monkeypatch, content)
    assert [row.text for row in open_rows("-")] == ["v1,v2", "ham,see you"]
    feed(monkeypatch, CSV)
    assert len(list(open_rows("-", DataConfig(format="lines")))) == 4


def test_lines_with_tabs_are_told(tmp_path):
    rows = open_rows(written(tmp_path / "a.txt", "good\tpos\nbad\tneg\nso\tpos\n"), labels="ignored")
    assert len(list(rows)) == 3
    assert rows.warnings() == [
        "the lines hold tabs; if these are cells, put a line with column names before them and say --format tsv"
    ]


@pytest.mark.parametrize(
    ("first", "texts"), [("one\n", ["one"]), ("te|xt,la|bel\na,x\n", ["a"]), ('{"text"|: "a"}\n', ["a"])]
)
def test_a_line_of_a_pipe_is_read_before_the_next_is_there(monkeypatch, first, texts):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", 0) as pipe, os.fdopen(reading, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
        found = []

        def consume():
            rows = iter(open_rows("-"))
            found.extend(next(rows).text for _ in texts)

        reader = threading.Thread(target=consume, daemon=True)
        reader.start()
        for part in first.split("|"):
            pipe.write(part.encode())
            reader.join(0.05)
        reader.join(10)
        assert found == texts
