"""Formats are found out in files without a telling name and on standard input."""

import io
import json
import os
import sys
import threading

import pytest
from labelled_files import CONTENTS, CSV, ROWS, TABLE, feed, read, written
from table_files import csv_bytes

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.rows import open_rows
from textcnn.reading.schema import Schema


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
        ["Hello, world"],
        ["review, text and more", "and a line"],
        ['"quoted", she said', '"b'],
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


MAIL = "Dear all,\n" + "\n".join(f"line {n}, of many" for n in range(12)) + "\nbye"
TABLES = {  # what follows a header; the text and label of the first row
    "a long text": ("text,label\n", f'"{"word " * 2_000}",pos\n', ("word " * 2_000, "pos")),
    "a text of many lines": ("text,label\n", f'"{MAIL}",pos\n', (MAIL, "pos")),
    "a delimiter at the end": ("text,label\n", "good,pos,\n", ("good", "pos")),
    "a row number": ("text,label\n", "1,good,pos\n2,bad,neg\n", ("good", "pos")),
    "a quote between tabs": ("text\tlabel\n", '"Great phone\tpos\nfine\tneg\n', ('"Great phone', "pos")),
    "another column": ("id,text,label\n", "1,good,pos\n", ("good", "pos")),
    "names without a row": ("text,label,,\n", "good,pos\n", ("good", "pos")),
}


@pytest.mark.parametrize("place", ["stdin", "a.txt"])
@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_known_by_its_header_whatever_the_first_row_is_like(tmp_path, monkeypatch, kind, place):
    header, content, expected = TABLES[kind]
    if place == "stdin":
        feed(monkeypatch, (header + content).encode())
    path = "-" if place == "stdin" else written(tmp_path / place, header + content)
    found, _, format = read(path)
    assert (found[0], format) == (expected, "tsv" if "\t" in header else "csv")


def test_a_row_with_more_cells_than_the_header_is_an_error(tmp_path):
    path = written(tmp_path / "a.txt", "text,label\ngood, really, pos\n")
    with pytest.raises(DataError, match=r"a\.txt:2: expected 2 cells as in the header, found 3"):
        read(path)


def test_what_may_be_a_header_and_is_read_as_a_text_is_reported(tmp_path):
    told = ["the first line may be names of columns, and is read as text; if it is a header, say --format csv"]
    for content in ("v1,v2\nham,see you\n", "id,text\njust a line\n", "text,label\n\nb\n"):
        path = written(tmp_path / "a.txt", content)
        empty = ["1 text is empty"] * ("" in content.splitlines())
        rows = open_rows(path, labels="ignored")
        assert ([row.text for row in rows], rows.warnings()) == (content.splitlines(), empty + told)
        rows = open_rows(path, DataConfig(format="lines"), labels="ignored")
        assert ([row.text for row in rows], rows.warnings()) == (content.splitlines(), empty)


@pytest.mark.parametrize("place", ["stdin", "a.txt"])
def test_columns_of_training_tell_a_header(tmp_path, monkeypatch, place):
    like = Schema(("v2",), ("v1",))

    def texts(content, like=like, **options):
        feed(monkeypatch, content)
        path = "-" if place == "stdin" else written(tmp_path / place, content)
        return [row.text for row in open_rows(path, DataConfig(**options), labels="ignored", like=like)]

    assert texts(b"v1,v2\nham,see you\n") == ["see you"]
    assert texts(b"v2\nsee you\n") == ["see you"]
    assert texts(b"v2\n") == ["v2"]
    assert texts(b"text\ngood\n") == ["text", "good"]
    assert texts(b"text\ngood\n", Schema(("text",))) == ["good"]
    assert texts(b"text\ngood\n", None, text_column=("text",)) == ["good"]
    assert texts(b"a,b\nham,see you\n", None, text_column=("2",)) == ["see you"]


def test_lines_with_tabs_are_told(tmp_path):
    rows = open_rows(written(tmp_path / "a.txt", "good\tpos\nbad\tneg\nso\tpos\n"), labels="ignored")
    assert len(list(rows)) == 3
    assert rows.warnings() == [
        "the lines hold tabs; if these are cells, put a line with column names before them and say --format tsv"
    ]


@pytest.mark.parametrize("texts", [["good film", "bad, film"], ["a"] * 5_000, ['say "[hi]"\n']])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("place", ["stdin", "a.txt", "a.json"])
def test_an_array_of_texts_is_json_everywhere(tmp_path, monkeypatch, place, indent, texts):
    content = json.dumps(texts, indent=indent).encode()
    feed(monkeypatch, content)
    rows = open_rows("-" if place == "stdin" else written(tmp_path / place, content), labels="ignored")
    assert ([row.text for row in rows], rows.format) == (texts, "json")


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
