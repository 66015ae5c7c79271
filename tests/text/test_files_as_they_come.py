"""Files as people have them: of spreadsheets, joined by cat, packed, of JSON, on standard input, of other programs."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import re
import sys
import tarfile
import threading
import zipfile

import numpy as np
import pyarrow
import pytest
from table_files import csv_bytes, jsonl_bytes, parquet_bytes

from textcnn.config import DataConfig
from textcnn.errors import ConfigError, DataError
from textcnn.text.reading import open_rows, read_examples

ROWS = [("great phone", "pos"), ("the screen, broken", "neg"), ("it is 5 inches", "pos")]
TABLE = [("text", "label"), *ROWS]
TEXTS, LABELS = map(list, zip(*ROWS, strict=True))
CSV = csv_bytes(TABLE)
OBJECTS = [{"text": text, "label": label} for text, label in ROWS]


def read(path, **options):
    """What a file holds, as rows of a text and a label, and what is said of it."""
    rows = open_rows(path, DataConfig(**options), labels="required")
    return [(row.text, row.labels[0] if row.labels else None) for row in rows], rows.warnings(), rows.format


def written(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ------------------------------------------------------------------------------------------------- quotes in TSV


TSV = 'text\tlabel\n"Great phone\tpos\nthe screen is 5"\tneg\n"paired"\tpos\n5" wide\tneg\n"so" they say\tpos\n'
AS_TEXT = [('"Great phone', "pos"), ('the screen is 5"', "neg")]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt", "a"])
def test_quotes_between_tabs_are_text_unless_they_pair_up(tmp_path, name):
    found, said, _ = read(written(tmp_path / name, TSV))
    assert found == [*AS_TEXT, ("paired", "pos"), ('5" wide', "neg"), ('"so" they say', "pos")]
    assert said == [
        "in 2 lines quotes do not pair up and were read as text; if cells go over several lines, say --quotes csv"
    ]


def test_quotes_can_be_said_to_be_text_or_csv(tmp_path):
    path = written(tmp_path / "a.tsv", TSV.replace('"so" they say', "so"))
    assert read(path, quotes="text")[0][:3] == [*AS_TEXT, ('"paired"', "pos")]
    assert read(path, quotes="csv")[0][0] == ("Great phone\tpos\nthe screen is 5", "neg")
    path = written(tmp_path / "a.csv", 'text,label\n"a,pos\nb" c,neg\n')
    assert read(path, quotes="text")[0] == [('"a', "pos"), ('b" c', "neg")]
    with pytest.raises(DataError, match=r"a.csv:2: expected quotes that pair up, found: .* say --quotes text"):
        read(path)


def test_a_quoted_cell_may_hold_line_ends_and_tabs_where_the_cells_say_so(tmp_path):
    rows = [("text", "label"), ("two\nlines", "pos"), ("a\ttab", "neg"), ('a "fine" one', "pos"), ("\n\n", "neg")]
    found, said, _ = read(written(tmp_path / "a.tsv", csv_bytes(rows, delimiter="\t")))
    assert found == rows[1:]
    assert said == ["1 text is empty"]


def test_a_quoted_cell_between_tabs_that_never_ends(tmp_path):
    path = written(tmp_path / "a.tsv", 'text\tlabel\nok\tx\n"open\nb\tx\n')
    with pytest.raises(DataError, match=r"a.tsv:3: expected quotes that pair up, or as many cells .* --quotes text"):
        read(path)


def test_escaped_quotes(tmp_path):
    path = written(
        tmp_path / "a.csv", 'text,label\n"he said \\"no, thanks\\" in C:\\new",pos\n"at C:\\\\",neg\nb\\c,pos\n'
    )
    expected = [('he said "no, thanks" in C:\\new', "pos"), ("at C:\\", "neg"), ("b\\c", "pos")]
    for escape in ("backslash", "\\"):
        assert read(path, escape=escape)[0] == expected
    with pytest.raises(DataError, match=r"a.csv:2: expected quotes that pair up.* say --escape backslash"):
        read(path)
    path = written(tmp_path / "a.tsv", 'text\tlabel\n"he said \\"no\\""\tpos\nb\\c\tneg\n')
    assert read(path, escape="backslash")[0] == [('he said "no"', "pos"), ("b\\c", "neg")]


# -------------------------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("first", "delimiter"),
    [
        ("sep=;", ";"),
        ("sep=,", ","),
        ("sep=\t", "\t"),
        (r"sep=\t", "\t"),
        ('"sep=;"', ";"),
        ("SEP=|", "|"),
        ("sep=^", "^"),
        ("sep=;;;", ";"),
        ("sep=", ","),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_the_line_by_which_excel_tells_the_delimiter(tmp_path, name, first, delimiter, mark):
    content = mark + first + "\r\n" + csv_bytes(TABLE, delimiter=delimiter).decode()
    path = written(tmp_path / name, content)
    rows = open_rows(path, labels="required")
    assert [(row.text, row.line) for row in rows] == [(text, line) for line, text in enumerate(TEXTS, start=3)]
    assert rows.warnings() == ["the first line, sep=, gives the delimiter and was skipped"]
    assert read(path, text_column=("1",), label_column=("2",))[0] == ROWS
    assert read(written(path, content.encode("utf-16")))[0] == ROWS


def test_columns_without_a_name(tmp_path):
    path = written(tmp_path / "a.csv", "v1,v2,,,\nham,see you,,,\nspam,call now,,,\n")
    rows = open_rows(path, DataConfig(label_column=("v1",)), labels="required")
    assert rows.columns == ("v1", "v2")
    assert [(row.text, row.labels) for row in rows] == [("see you", ("ham",)), ("call now", ("spam",))]
    assert rows.warnings() == []
    path = written(tmp_path / "b.csv", ",text,,label\n0,good,,pos\n1,bad,x,neg\n")
    assert open_rows(path).columns == ("column 1", "text", "column 3", "label")
    assert read(path)[0] == [("good", "pos"), ("bad", "neg")]


def test_a_column_that_has_cells_but_no_name_is_called_by_its_position(tmp_path):
    path = written(tmp_path / "a.csv", "text,\ngood,pos\nbad,neg\n")
    assert open_rows(path).columns == ("text", "column 2")
    assert read(path, label_column=("2",))[0] == [("good", "pos"), ("bad", "neg")]


def test_cells_far_down_below_no_name_are_counted(tmp_path):
    path = written(tmp_path / "a.csv", "text,label,,\n" + "good,pos,,\n" * 200 + "bad,neg,,rest\n")
    found, said, _ = read(path)
    assert (found[-1], said) == (("bad", "neg"), ["1 cell beyond the named columns was not read"])


def test_delimiters_at_the_end_of_rows(tmp_path):
    path = written(tmp_path / "a.csv", "text,label\ngood,pos,\nbad,neg,,\n")
    assert read(path)[:2] == ([("good", "pos"), ("bad", "neg")], [])
    path = written(tmp_path / "b.csv", "text,label,\ngood,pos\nbad,neg,\n")
    assert read(path)[:2] == ([("good", "pos"), ("bad", "neg")], [])


def test_row_numbers_without_a_name(tmp_path):
    path = written(tmp_path / "a.csv", '"text","label"\n"1","good","pos"\n"2","bad","neg"\n')
    found, said, _ = read(path)
    assert found == [("good", "pos"), ("bad", "neg")]
    assert said == ["rows have one cell more than the header: their first, a row number, is read as 'column 1'"]
    with pytest.raises(DataError, match=r"a.csv:3: expected 2 cells as in the header, found 3"):
        read(written(path, "text,label\na,b\n2,bad,neg\n"))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("b.csv", ";"), ("a.txt", ",")])
def test_a_header_in_the_middle(tmp_path, mark, name, delimiter):
    one = mark + csv_bytes(TABLE, delimiter=delimiter).decode()
    found, said, _ = read(written(tmp_path / name, one * 3))
    assert found == ROWS * 3
    marks = ["2 byte order marks amid the file were dropped; were files joined?"] if mark else []
    assert said == [*marks, "2 rows that repeat the header were skipped; were files joined?"]
    joined = one.rstrip() + one  # the first file did not end with a line end
    found, said, _ = read(written(tmp_path / name, joined))
    assert found == ROWS * 2
    assert "1 row that repeats the header was skipped; were files joined?" in said


def test_a_header_in_the_middle_that_is_another_one(tmp_path):
    path = written(tmp_path / "a.csv", "text,label\na,x\nlabel,text\ny,b\n")
    with pytest.raises(DataError, match=r"a.csv:3: expected rows under the header .* found another header"):
        read(path)


def test_a_text_that_is_the_name_of_its_column_is_a_text(tmp_path):
    path = written(tmp_path / "a.csv", "text,label\ntext,x\na,label\n")
    assert read(path)[:2] == ([("text", "x"), ("a", "label")], [])
    assert [row.text for row in open_rows(written(path, "text\ntext\n"))] == ["text"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.ft"])
def test_a_mark_in_the_middle_of_lines(tmp_path, name):
    one = {"a.jsonl": '\ufeff{"text": "a"}\n', "a.txt": "\ufeffa\n", "a.ft": "\ufeff__label__x a\n"}[name]
    rows = open_rows(written(tmp_path / name, one * 2), labels="ignored")
    assert [row.text for row in rows] == ["a", "a"]
    assert rows.warnings() == ["1 byte order mark amid the file was dropped; were files joined?"]


# ----------------------------------------------------------------------------------------------------------- JSON


SPLIT = {"columns": ["text", "label"], "index": [0, 1, 2], "data": [list(row) for row in ROWS]}
DOCUMENTS = {
    "array": OBJECTS,
    "data": {"data": OBJECTS},
    "data and more": {
        "version": 1,
        "schema": {"fields": [{"name": "text"}]},
        "notes": [1],
        "data": OBJECTS,
        "more": None,
    },
    "another name": {"reviews": OBJECTS},
    "columns": {"text": dict(enumerate(TEXTS)), "label": dict(enumerate(LABELS))},
    "lists": {"text": TEXTS, "label": LABELS},
    "split": SPLIT,
    "index": dict(enumerate(OBJECTS)),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("indent", [None, 1, "\t"])
@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "stdin"])
def test_documents_of_json(tmp_path, monkeypatch, name, document, indent, pack):
    content = pack(json.dumps(DOCUMENTS[document], indent=indent).encode())
    if name == "stdin":
        feed(monkeypatch, content)
    found, said, format = read("-" if name == "stdin" else written(tmp_path / name, content))
    assert (found, said, format) == (ROWS, [], "json")


def test_a_document_may_be_long_or_one_after_the_other(tmp_path):
    many = OBJECTS * 5_000
    for content in (json.dumps(many), json.dumps({"data": many}), json.dumps(many[:8]) + json.dumps(many[8:])):
        assert read(written(tmp_path / "a.json", content))[0] == ROWS * 5_000
    objects = "\n".join(json.dumps(row, indent=2) for row in OBJECTS)  # as jq writes them
    assert read(written(tmp_path / "a.json", objects))[0] == ROWS
    long = [{"labels": ["a"], "text": "x" * 20_000}, {"labels": ["b"], "text": "y"}]
    path = written(tmp_path / "a.json", "\n".join(map(json.dumps, long)))
    assert [row.labels for row in open_rows(path)] == [("a",), ("b",)]


def test_an_object_that_is_too_long_to_be_held_is_read_as_a_stream(tmp_path, monkeypatch):
    monkeypatch.setattr("textcnn.text.read_json.LONGEST", 2**17)
    document = {"version": {"a": 1}, "data": OBJECTS * 3_000, "end": 1}
    path = written(tmp_path / "a.json", json.dumps(document))
    assert read(path)[0] == ROWS * 3_000
    path.write_text(json.dumps({"text": TEXTS * 3_000}))
    with pytest.raises(DataError, match=r"a.json"):
        read(path)
    path.write_text(json.dumps([{"text": "a"}, {"text": "a" * 2**18}]))
    with pytest.raises(DataError, match=r"expected a row of fewer than 131,072 characters, .*orient='records'"):
        read(path)


def test_an_array_of_texts_and_a_lone_row(tmp_path):
    assert [row.text for row in open_rows(written(tmp_path / "a.json", json.dumps(TEXTS)))] == TEXTS
    for indent in (None, 2):
        rows = open_rows(written(tmp_path / "a.json", json.dumps(OBJECTS[0], indent=indent)))
        assert [row.text for row in rows] == TEXTS[:1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '[{"text": "a"},\n{"text": "b"',
            r"a.json:2: expected ',' in a JSON document, found the end|a.json:2: expected JSON",
        ),
        ('[{"text": "a"}\n{"text": "b"}]', r"a.json:2: expected ',' in a JSON document, found '\{"),
        ('[\n{"text": "a"},\n{text: "b"}]', r"a.json:3: expected JSON, found .* is the file whole"),
        ("[1, 2]", r"a.json:1: expected an object for each row, found 1; write an array of objects"),
        ('[["a", "x"]]', r"a.json:1: expected an object for each row, found \['a', 'x'\]"),
        ('{"train": [{"a": 1}], "test": [{"a": 1}]}', r"a.json: expected one list of rows, found 'train', 'test'"),
        ("[" + "[" * 500 + "]" * 501, r"nested at most 100 deep"),
    ],
)
def test_documents_that_cannot_be_read(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        list(open_rows(written(tmp_path / "a.json", content)))


def test_halves_of_pairs_in_a_document(tmp_path):
    rows = open_rows(written(tmp_path / "a.json", '[{"text": "\\ud800"}]'))
    assert [row.text for row in rows] == ["\ufffd"]
    assert rows.warnings() == ["1 half of a surrogate pair was replaced by U+FFFD"]


# ------------------------------------------------------------------------------------------------------ encodings


@pytest.mark.parametrize("far", [0, 20_000])
def test_the_hint_is_what_prints_the_bytes(tmp_path, far):
    path = written(tmp_path / "a.csv", b"text,label\ncaf\xe9" + b" a" * far + b" don\x92t,x\n")
    with pytest.raises(DataError, match=r"found byte 0xe9 at byte offset 14; .* --encoding cp1252"):
        read(path)
    assert read(path, encoding="cp1252")[0][0][0].endswith("don’t")
    assert read(path, encoding="latin-1")[1] == [
        "1 character is a control character, U+0080 to U+009F: in Windows text it is another; try --encoding cp1252"
    ]
    with pytest.raises(DataError, match="--encoding latin-1"):
        read(written(path, b"text,label\ncaf\xe9,x\n"))


# --------------------------------------------------------------------------------------------------- packed files


def zipped(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pyarrow.Codec("zstd").compress(content, asbytes=True),
    "zip": lambda content: zipped(**{"inside.dat": content}),
}
CONTENTS = {
    "csv": CSV,
    "tsv": csv_bytes(TABLE, delimiter="\t"),
    "jsonl": jsonl_bytes(TEXTS, LABELS),
    "json": json.dumps(OBJECTS).encode(),
    "parquet": parquet_bytes({"text": TEXTS, "label": LABELS}),
    "ft": "".join(f"__label__{label} {text}\n" for text, label in ROWS).encode(),
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_packed_files(tmp_path, monkeypatch, kind, suffix):
    content = CONTENTS[kind]
    inside = zipped(**{f"data/train.{kind}": content, "__MACOSX/._train": b"x", "data/": b""})
    content = inside if suffix == "zip" else PACKERS[suffix](content)
    for name in (f"a.{kind}.{suffix}", "bare"):
        path = written(tmp_path / name, content)
        rows = open_rows(path, labels="required")
        for _ in range(2):
            assert [(row.text, row.labels) for row in rows] == [(text, (label,)) for text, label in ROWS]
        assert rows.warnings() == []
    feed(monkeypatch, content)
    assert read("-")[0] == ROWS


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_packed_files_that_were_joined_or_cut(tmp_path, suffix):
    pack = PACKERS[suffix]
    path = written(tmp_path / f"a.csv.{suffix}", pack(CSV) + pack(CSV))
    assert read(path)[0] == ROWS * 2
    many = pack(CSV + b"".join(b"%d text,pos\n" % n for n in range(20_000)))
    with pytest.raises(DataError, match=r"expected a readable file, found: "):
        read(written(path, many[:-30]))


def test_joined_and_damaged_zstd(tmp_path):
    pack = PACKERS["zst"]
    path = written(tmp_path / "a.csv.zst", pack(CSV) + pack(CSV))
    assert read(path)[0] == ROWS * 2
    with pytest.raises(DataError, match=r"expected a readable file, found: "):
        read(written(path, pack(CSV)[:-5]))


def test_zip_archives(tmp_path):
    path = tmp_path / "a.zip"
    found, said, _ = read(written(path, zipped(**{"train.csv": CSV, "README.md": b"read me", "LICENSE": b""})))
    assert (found, said) == (ROWS, ["2 other files in the archive were not read"])
    with pytest.raises(
        DataError, match=r"one readable file in a zip archive, found 2: 'train.csv', 'b/test.csv'; unpack"
    ):
        read(written(path, zipped(**{"train.csv": CSV, "b/test.csv": CSV})))
    with pytest.raises(DataError, match=r"one readable file in a zip archive, found 0: 'a', 'b'"):
        read(written(path, zipped(a=CSV, b=CSV)))
    with pytest.raises(DataError, match=r"an empty zip archive"):
        read(written(path, zipped()))
    secret = bytearray(zipped(**{"train.csv": CSV}))
    for at in (6, secret.index(b"PK\1\2") + 8):
        secret[at] |= 1
    with pytest.raises(DataError, match=r"a zip archive without a password"):
        read(written(path, bytes(secret)))
    with pytest.raises(DataError, match=r"expected a whole zip archive, found: "):
        read(written(path, zipped(**{"train.csv": CSV})[:-10]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", CSV)
    with pytest.raises(DataError, match=r"packed by deflate, found method 14"):
        read(written(path, file.getvalue()))
    with pytest.raises(DataError, match=r"expected one readable file .*'f0.csv'.*, \.\.\.; unpack"):
        read(written(path, zipped(**{f"f{n}.csv": CSV for n in range(30)})))


# ----------------------------------------------------------------------------------------------- what they are not


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return file.getvalue()


def npy(save, *arrays):
    file = io.BytesIO()
    save(file, *arrays)
    return file.getvalue()


FOREIGN = {
    "an Excel sheet": zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": "<workbook/>"}),
    "an OpenDocument sheet": zipped(**{"mimetype": "", "content.xml": "", "META-INF/manifest.xml": ""}),
    "a Word document": zipped(**{"[Content_Types].xml": "", "word/document.xml": ""}),
    "a PowerPoint": zipped(**{"ppt/presentation.xml": ""}),
    "an e-book": zipped(**{"mimetype": "", "META-INF/container.xml": ""}),
    "a file of torch.save": zipped(**{"archive/data.pkl": ""}),
    "an Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n",
    "an RTF document": b"{\\rtf1\\ansi text}",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(20),
    "a RAR archive": b"Rar!\x1a\x07\x01\0",
    "a tar archive": tar(),
    "a pickle": pickle.dumps(OBJECTS),
    "a pickle ": pickle.dumps(OBJECTS, 2),
    "a pickle  ": pickle.dumps(OBJECTS, 0),
    "an array of numpy": npy(np.save, np.arange(3)),
    "arrays of numpy": npy(np.savez, np.arange(3)),
    "an SQLite database": b"SQLite format 3\0" + bytes(100),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(8),
    "an Arrow or Feather file": b"ARROW1\0\0" + bytes(8),
    "an ORC file": b"ORC\n\x03\0\0" + bytes(8),
    "a PNG picture": b"\x89PNG\r\n\x1a\n\0\0",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n",
}


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a", "a.jsonl", "a.parquet", "a.xlsx", "-"])
@pytest.mark.parametrize("what", FOREIGN)
def test_files_of_other_programs_are_called_what_they_are(tmp_path, monkeypatch, what, name):
    for options in ({}, {"encoding": "latin-1"}):
        if name == "-":
            feed(monkeypatch, FOREIGN[what])
        with pytest.raises(DataError, match=rf"expected a table or texts, found {re.escape(what.strip())}.*; \w+"):
            read(name if name == "-" else written(tmp_path / name, FOREIGN[what]), **options)


def test_a_tar_archive_that_is_packed(tmp_path):
    with pytest.raises(DataError, match=r"found a tar archive; unpack it"):
        read(written(tmp_path / "a.tar.gz", gzip.compress(tar())))


def test_a_web_page_in_place_of_a_table(tmp_path):
    page = b"\n<!DOCTYPE html>\n<html><body>Please, log in</body></html>"
    for name in ("a.csv", "a.json", "a.tsv"):
        with pytest.raises(DataError, match=r"found a web page or XML; look at it"):
            read(written(tmp_path / name, page))
    assert len(list(open_rows(written(tmp_path / "a.txt", page)))) == 3


@pytest.mark.parametrize("text", ["ORCHIDS are fine", "FEAR", "BZh", "GIF8 and more", "{last} words", "[music] plays"])
def test_texts_that_begin_like_another_file(tmp_path, text):
    assert [row.text for row in open_rows(written(tmp_path / "a.txt", text + "\nb\n"))] == [text, "b"]


# ------------------------------------------------------------------------------------------------- standard input


def feed(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


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


def test_unknown_options(tmp_path):
    path = written(tmp_path / "a.csv", CSV)
    for options in ({"quotes": "double"}, {"escape": "x"}):
        with pytest.raises(ConfigError, match=r"quotes must be auto or csv or text, and escape backslash or none, got"):
            open_rows(path, DataConfig(**options))


def test_examples_tell_what_was_guessed(tmp_path):
    path = written(tmp_path / "a.csv", "sep=;\ntext;label\na;x\ntext;label\nb;y\n")
    assert read_examples(path).notices == (
        "1 row that repeats the header was skipped; were files joined?",
        "the first line, sep=, gives the delimiter and was skipped",
    )
