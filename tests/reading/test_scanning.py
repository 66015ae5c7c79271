"""Blocks of rows that the core cuts: the rows, notices and errors of the careful reader, whatever is in a file."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading import delimited as read_csv
from textcnn.reading import formats, scanning
from textcnn.reading import json_rows as read_json
from textcnn.reading.formats import file_table

pytestmark = pytest.mark.usefixtures("core")

PIECES = (
    *(
        b"a",
        b"bc d",
        b"text",
        b"label",
        b" label ",
        b"1",
        b"x y z",
        b"\xc3\xa9",
        b"\xe6\xbc\xa2",
        b"\xc2\x85",
        b"\xc2\xa0",
    ),
    *(b",", b",", b";", b"\t", b"\t", b'"', b'"', b'""', b'"a"', b'"a,b"', b"\n", b"\n", b"\n", b"\r\n", b"\r", b" "),
    *(
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\\",
        b"text,label\n",
        b"text\tlabel\n",
        b'"a\nb",c\n',
        b"\x1c",
        b"\xe2\x80\xa8",
    ),
)
LIKELY = (b"a,b\n", b'"a ""b"" c",d\n', b"e\tf\n", b'"g\nh",i\n', b"\xe6\xbc\xa2,\xc3\xa9\r\n", b"k\n")
HEADERS = (
    b"text,label\n",
    b"text\tlabel\r\n",
    b"text\n",
    b"\xef\xbb\xbftext,label\n",
    b",text,label\n",
    b"text,label,\n",
    b"",
)


def careful(monkeypatch):
    """Read as without the core."""
    for module in (formats, read_csv, read_json):
        monkeypatch.setattr(module, "can_scan", lambda *_: False)


def found_in(path, options):
    """Columns, rows, notices, format and delimiter, and the error that ends it all."""
    rows, table, error = [], None, None
    try:
        table = file_table(path, options)
        for record in table:
            rows.append(record)
    except DataError as err:
        error = str(err)
    notices = {} if table is None else {name: count for name, count in table.notices.items() if count}
    told = None if table is None else (table.columns, table.format, table.delimiter, table.source.used)
    return rows, notices, told, error, table


DEFAULTS = DataConfig()


def check(path, options=DEFAULTS):
    with pytest.MonkeyPatch.context() as patched:
        careful(patched)
        rows, notices, told, error, _ = found_in(path, options)
    again, notices_again, told_again, error_again, table = found_in(path, options)
    assert error_again == error
    assert told_again == told
    if error is None:
        assert again == rows
        assert notices_again == notices
    else:  # rows before an error that the careful reader has read, but not given, are given
        assert again[: len(rows)] == rows
    return table


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
@pytest.mark.parametrize("block", [1, 7, 64, scanning.BLOCK])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(
    header=st.sampled_from(HEADERS),
    body=st.lists(st.sampled_from((*PIECES, *LIKELY * 4)), max_size=30),
    rows=st.sampled_from([1, 3, scanning.ROWS]),
)
@example(header=b"text,label\n", body=[b'"a\n', b"\xef\xbb\xbf", b'b",c\n'], rows=1)
@example(header=b"text,label\n", body=[b"a,b\n", b"\xef\xbb\xbf", b'"c', b'",d\n'], rows=3)
def test_the_rows_of_the_careful_reader(tmp_path, monkeypatch, name, block, header, body, rows):
    path = tmp_path / name
    path.write_bytes(header + b"".join(body))
    monkeypatch.setattr(scanning, "BLOCK", block)
    monkeypatch.setattr(scanning, "ROWS", rows)
    for options in (DataConfig(), DataConfig(quotes="text"), DataConfig(quotes="csv")):
        check(path, options)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(cells=st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), min_size=1, max_size=40))
def test_what_csv_writes_is_cut_in_blocks(tmp_path, monkeypatch, cells):
    monkeypatch.setattr(scanning, "BLOCK", 40)
    cells = [[cell.replace("\r", " ").encode("utf-8", "replace").decode() for cell in row] for row in cells]
    text = io.StringIO()
    csv.writer(text).writerows([["text", "note"], *cells])
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(text.getvalue().encode()))
    table = check(path)
    assert table.has_blocks
    blocks = list(file_table(path, DataConfig()).blocks())
    found = [list(row.values()) for block in blocks for _, row in block.records()]
    assert found == [
        row for row in [[cell.replace("\0", " ") for cell in row] for row in cells] if row != ["text", "note"]
    ]


def test_a_row_that_is_odd_does_not_end_the_blocks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"a,b\n" * 10 + b"text,label\n\nc\0,d\n" + b"e,f\n" * 10)
    table = check(path)
    (block,) = file_table(path, DataConfig()).blocks()
    assert len(block) == 21
    assert dict(table.notices) == {"members_aside": 0, "headers": 1, "blank_lines": 1, "nul_bytes": 1}


def test_a_damaged_file_gives_the_rows_before_the_damage(tmp_path):
    whole = gzip.compress(b"text,label\n" + b"".join(b"word%d,x\n" % n for n in range(50_000)))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    rows, *_, error, _ = found_in(path, DataConfig())
    assert "expected a readable file" in error
    assert len(rows) > 1000
    check(path)


def test_a_row_too_long_is_an_error_with_its_line(tmp_path, monkeypatch):
    for module in (scanning, read_csv):
        monkeypatch.setattr(module, "LONGEST", 1000)
    monkeypatch.setattr("textcnn.reading.source.LONGEST", 1000)
    path = tmp_path / "a.csv"
    for body in (b"a,b\n" + b"x" * 1000 + b",y\n", b'a,b\n"' + b"x\n" * 600 + b'",y\n', b'a,b\n"' + b"x\n" * 6000):
        path.write_bytes(b"text,label\n" + body)
        check(path)


VALUES = (
    *(
        b'"a"',
        b'"x \\u00e9\\n\\" \\\\ \\/"',
        b'"\\ud83d\\ude00"',
        b'"\\ud800"',
        b'"\xe6\xbc\xa2"',
        b'"\\u0000"',
        b'""',
        b'"\\ux"',
    ),
    *(
        b"1",
        b"-0",
        b"1.50",
        b"1e5",
        b"01",
        b"1e999",
        b"true",
        b"null",
        b"NaN",
        b"-Infinity",
        b'[1, "a"]',
        b'{"k": null}',
    ),
    *(
        b"1" * 400,
        b'"a',
        b"",
        b'"a\tb"',
        b'"a\0b"',
        b'"a\rb"',
        b'"\\b\\f\\r\\t"',
        b"12.",
        b"-",
        b"nul",
        b'"\x7f\xc2\x85"',
    ),
)
OBJECTS = st.builds(
    lambda keys, values, gap, end: (
        b"{" + b",".join(k + gap + b":" + gap + v for k, v in zip(keys, values, strict=False)) + b"}" + end
    ),
    st.sampled_from(
        [(b'"text"', b'"label"')] * 8 + [(b'"text"',), (b'"label"', b'"text"'), (b'"text"', b'"t\\u0065xt"')]
    ),
    st.lists(st.one_of(st.just(b'"a"'), st.sampled_from(VALUES)), min_size=2, max_size=2),
    st.sampled_from([b"", b" ", b"\t"]),
    st.sampled_from([b"\n", b"\n", b"\r\n", b" \n", b"\r", b"\n\n", b"\n\xef\xbb\xbf", b"x\n", b"\xff\n", b""]),
)
FIRST = b'{"text": "a", "label": "b"}\n'


@pytest.mark.parametrize("block", [1, 30, scanning.BLOCK])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(head=st.sampled_from([FIRST, FIRST * 3, b""]), lines=st.lists(OBJECTS, max_size=8))
def test_the_objects_of_the_careful_reader(tmp_path, monkeypatch, block, head, lines):
    path = tmp_path / "a.jsonl"
    path.write_bytes(head + b"".join(lines))
    monkeypatch.setattr(scanning, "BLOCK", block)
    check(path, DataConfig(format="jsonl"))


def test_values_of_json_keep_their_types(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'{"text": "a", "n": 1, "m": null}\n{"text": "b", "n": 2.5, "m": "x"}\n{"text": "c", "n": [], "m": true}\n'
    )
    check(path)
    (block,) = file_table(path, DataConfig()).blocks()
    assert block.columns["n"] == [1, 2.5, []]
    assert block.columns["m"] == [None, "x", True]
    assert list(block.columns["text"]) == ["a", "b", "c"]
