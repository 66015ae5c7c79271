"""Every file format, packed or not, encodings, and standard input."""

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_files import csv_bytes, jsonl_bytes, parquet_bytes

from textcnn.config import DataConfig
from textcnn.errors import ConfigError, DataError
from textcnn.reading.formats import FORMATS
from textcnn.reading.rows import open_rows, read_examples

TEXTS = ["good film", 'a "fine", one', "two\nlines", "naïve 映画 🎬", "NA", "null", "None", "nan", ""]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg", "pos", "neg", "pos"]
ONE_LINE = [text.replace("\n", " ") for text in TEXTS]


TABLE = [("text", "label"), *zip(TEXTS, LABELS, strict=True)]
FASTTEXT = "".join(f"__label__{label} {text}\n" for text, label in zip(ONE_LINE, LABELS, strict=True)).encode()
FILES = {  # name: (content, format found, texts)
    "a.csv": (csv_bytes(TABLE), "csv", TEXTS),
    "semicolons.csv": (csv_bytes(TABLE, delimiter=";"), "csv", TEXTS),
    "bars.csv": (csv_bytes(TABLE, delimiter="|"), "csv", TEXTS),
    "unix.csv": (csv_bytes(TABLE, lineterminator="\n"), "csv", TEXTS),
    "a.tsv": (csv_bytes(TABLE, delimiter="\t"), "tsv", TEXTS),
    "a.tab": (csv_bytes(TABLE, delimiter="\t"), "tsv", TEXTS),
    "a.jsonl": (jsonl_bytes(TEXTS, LABELS), "jsonl", TEXTS),
    "a.ndjson": (jsonl_bytes(TEXTS, LABELS), "jsonl", TEXTS),
    "a.parquet": (parquet_bytes({"text": TEXTS, "label": LABELS}), "parquet", TEXTS),
    "a.pq": (parquet_bytes({"text": TEXTS, "label": LABELS}), "parquet", TEXTS),
    "a.ft": (FASTTEXT, "fasttext", ONE_LINE),
    "a.txt": (FASTTEXT, "fasttext", ONE_LINE),
    "bare": (jsonl_bytes(TEXTS, LABELS), "jsonl", TEXTS),
    "bare_fasttext": (FASTTEXT, "fasttext", ONE_LINE),
    "bare_parquet": (parquet_bytes({"text": TEXTS, "label": LABELS}), "parquet", TEXTS),
    "bare_csv": (csv_bytes(TABLE), "csv", TEXTS),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_round_trip(tmp_path, name, packed):
    content, format, texts = FILES[name]
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    rows = open_rows(path, labels="required")
    for _ in range(2):  # a file can be read again
        found = list(rows)
        assert [row.text for row in found] == texts
        assert [row.labels for row in found] == [(label,) for label in LABELS]
        assert rows.warnings() == ["1 text is empty"]
    assert (rows.format, rows.columns) == (format, ("text", "label"))
    assert f"as {format}: text='text', label='label'" in rows.describe()


def test_lines_have_no_header_and_keep_blank_ones(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("text\n\n{last}", encoding="utf-8")
    rows = open_rows(path, labels="ignored")
    assert [(row.line, row.text, row.columns) for row in rows] == [
        (1, "text", {"text": "text"}),
        (2, "", {"text": ""}),
        (3, "{last}", {"text": "{last}"}),
    ]
    assert rows.format == "lines"


def folder(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


def test_folder_per_class(tmp_path):
    files = {
        "pos/2.txt": "b\r\nb",
        "pos/1.txt": "a",
        "neg/x": "c",
        "neg/.hidden": "",
        "pos/more/3.txt": "",
        "list.txt": "",
    }
    rows = open_rows(folder(tmp_path, files), labels="required")
    found = [(row.line, row.text, row.labels, row.columns["file"]) for row in rows]
    assert found == [
        (1, "c", ("neg",), "neg/x"),
        (2, "a", ("pos",), "pos/1.txt"),
        (3, "b\nb", ("pos",), "pos/2.txt"),
    ]
    assert rows.warnings() == ["2 entries outside the folders of the classes were not read"]


def test_folder_names_are_labels_as_they_are(tmp_path):
    examples = read_examples(folder(tmp_path, {"a|b/1": "x", "c/1": "y"}))
    assert (examples.labels, examples.multi_label) == ([("a|b",), ("c",)], False)


def test_folder_without_classes(tmp_path):
    with pytest.raises(DataError, match=r"expected one sub-folder a label, found 'train.csv'; if one of them"):
        open_rows(folder(tmp_path, {"train.csv": "text,label"}))


def test_folder_and_file_are_not_taken_for_each_other(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\n")
    with pytest.raises(DataError, match=r"a.csv: expected a folder with one sub-folder a label, found a file"):
        open_rows(path, DataConfig(format="folder"))
    with pytest.raises(DataError, match=r"expected a file to read as csv, found a folder"):
        open_rows(tmp_path, DataConfig(format="csv"))


def test_unreadable_file_in_a_folder_is_named(tmp_path):
    (folder(tmp_path, {"pos/1": "a"}) / "pos" / "2").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"pos/2: expected text in utf-8"):
        list(open_rows(tmp_path))


def test_links_and_pipes_among_the_files_of_a_folder(tmp_path):
    data = folder(tmp_path / "data", {"pos/1": "a", "neg/1": "b"})
    (tmp_path / "text").write_text("linked")
    (data / "pos" / "2").symlink_to(tmp_path / "text")
    (data / "pos" / "nowhere").symlink_to(tmp_path / "none")
    (data / "pos" / "circle").symlink_to(data / "pos" / "circle")
    (data / "pos" / "up").symlink_to(tmp_path)
    (data / "loop").symlink_to(data / "loop")
    os.mkfifo(data / "pos" / "pipe")
    rows = open_rows(data)
    assert [(row.text, row.labels) for row in rows] == [("b", ("neg",)), ("a", ("pos",)), ("linked", ("pos",))]
    assert rows.warnings() == ["5 entries outside the folders of the classes were not read"]


def test_names_of_files_that_are_not_utf8(tmp_path):
    data = folder(tmp_path, {"pos/1": "a"})
    Path(os.fsdecode(os.fsencode(data / "pos") + b"/caf\xe9")).write_text("b")
    assert [row.columns["file"] for row in open_rows(data)] == ["pos/1", "pos/caf\ufffd"]
    Path(os.fsdecode(os.fsencode(data) + b"/caf\xe9")).mkdir()
    with pytest.raises(DataError, match=r"expected names of folders in UTF-8, .* found 'caf\\udce9'; rename it"):
        open_rows(data)


def test_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    data = folder(tmp_path, {"pos/1": "a"})
    rows = open_rows(data)

    def refuse(_):
        raise PermissionError(13, "Permission denied", "pos")

    monkeypatch.setattr(Path, "iterdir", refuse)
    for read in (lambda: list(rows), lambda: open_rows(data)):
        with pytest.raises(DataError, match=r"expected a readable folder, found: .*Permission denied"):
            read()


def test_unknown_settings(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\n")
    with pytest.raises(ConfigError, match=r"format must be auto, .* or lines, got 'xml'"):
        open_rows(path, DataConfig(format="xml"))
    for encoding in ("utf-9", "base64", "idna", "undefined"):
        with pytest.raises(ConfigError, match=f"encoding must be one Python knows.*got '{encoding}'"):
            open_rows(path, DataConfig(encoding=encoding))
    assert all(format in DataConfig.__dataclass_fields__["format"].metadata["doc"] for format in FORMATS)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.parquet", "a", "a.csv.gz"])
def test_empty_file(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"", mtime=0) if name.endswith(".gz") else b"")
    with pytest.raises(DataError, match=f"{name}: expected rows, found an empty file"):
        open_rows(tmp_path / name)


def test_header_only(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n\ntext,label\n")
    assert list(open_rows(path)) == []
    with pytest.raises(DataError, match=r"a.csv: expected rows with a label, found none in 0 rows"):
        read_examples(path)
    path.write_text("\n\n")
    with pytest.raises(DataError, match=r"expected a header line .* found no line"):
        open_rows(path)


# ------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_byte_order_mark(tmp_path, encoding, packed):
    content = "text,label\r\nnaïve 映画,x\r\n".encode(encoding)
    path = tmp_path / ("a.csv" + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    rows = open_rows(path)
    assert [(row.text, row.labels) for row in rows] == [("naïve 映画", ("x",))]
    assert rows.columns == ("text", "label")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16", "cp932"])
def test_encoding_option(tmp_path, encoding):
    text = "映画" if encoding == "cp932" else "été"
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "a.csv").write_bytes(f"{mark}text,label\n{text},x\n".encode(encoding))
    assert [row.text for row in open_rows(tmp_path / "a.csv", DataConfig(encoding=encoding))] == [text]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("content", [b"text\na\n", b"t\0", "text\n".encode("utf-16-be")])
def test_utf16_without_its_mark_says_what_to_write(tmp_path, encoding, content):
    (tmp_path / "a.csv").write_bytes(content)
    message = rf"a.csv: expected {encoding} with a byte order mark, found b'.* at the start; .* as {encoding}-le"
    with pytest.raises(DataError, match=message):
        list(open_rows(tmp_path / "a.csv", DataConfig(encoding=encoding)))


def test_halves_of_pairs_that_an_encoding_escapes(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\n+2AA-a,+2AA-b\n")
    rows = open_rows(tmp_path / "a.csv", DataConfig(encoding="utf-7"))
    assert [(row.text, row.labels) for row in rows] == [("\ufffda", ("\ufffdb",))]
    assert rows.warnings() == ["2 halves of surrogate pairs were replaced by U+FFFD"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        *((encoding, "naïve 映画 🎬 שלום, عالم") for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")),
        ("latin-1", "naïve"),
        ("cp1256", "عالم"),
        ("gb18030", "映画 🎬"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_texts_of_every_script_come_as_they_were_written(tmp_path, encoding, text, end):
    """With their signs of direction and joining, which are characters like others."""
    signs = text + ("\u200f\u202e\u200d\ufe0f" if encoding.startswith("utf") else "")
    (tmp_path / "a.tsv").write_bytes(end.join(["text\tlabel", f"{signs}\tx", ""]).encode(encoding))
    options = DataConfig() if encoding.startswith("utf") else DataConfig(encoding=encoding)
    assert [(row.text, row.labels) for row in open_rows(tmp_path / "a.tsv", options)] == [(signs, ("x",))]


def test_mixed_line_ends(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\r\na,x\nb,y\rc,z\r\n")
    assert [(row.text, row.labels) for row in open_rows(tmp_path / "a.csv")] == [
        ("a", ("x",)),
        ("b", ("y",)),
        ("c", ("z",)),
    ]


@pytest.mark.parametrize("start", [0, 3, 8191, 8192, 100_001])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_not_utf8_says_the_offset(tmp_path, start, mark):
    path = tmp_path / "a.txt"
    path.write_bytes(mark + b"a" * start + b"\xe9t\xe9\n")
    found = rf"a.txt: expected text in utf-8, found byte 0xe9 at byte offset {len(mark) + start}; .*--encoding latin-1"
    with pytest.raises(DataError, match=found):
        list(open_rows(path))


def test_damaged_utf16_is_called_so(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfea\x00\x00\xdcb\x00")
    with pytest.raises(DataError, match=r"expected text in utf-16, found byte 0x00 at byte offset 4;"):
        list(open_rows(tmp_path / "a.txt"))


def test_cut_character_at_the_end(tmp_path):
    (tmp_path / "a.txt").write_bytes("ok é".encode()[:-1])
    with pytest.raises(DataError, match=r"found byte 0xc3 at byte offset 3;"):
        list(open_rows(tmp_path / "a.txt"))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_universal_newlines(tmp_path, end):
    (tmp_path / "a.csv").write_bytes(end.join([b"text,label", b"a,x", b'"b', b'b",y', b""]))
    assert [(row.line, row.labels) for row in open_rows(tmp_path / "a.csv")] == [(2, ("x",)), (3, ("y",))]
    (tmp_path / "a.txt").write_bytes(end.join([b"a", b"b"]))
    assert [row.text for row in open_rows(tmp_path / "a.txt")] == ["a", "b"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.parquet"])
def test_nul_becomes_blank_and_is_counted(tmp_path, name):
    contents = {
        "a.csv": b"text\na\0b\0\n",
        "a.jsonl": b'{"text": "a\\u0000b\0"}\n',
        "a.txt": b"a\0b\0\n",
        "a.parquet": parquet_bytes({"text": ["a\0b\0"]}),
    }
    (tmp_path / name).write_bytes(contents[name])
    rows = open_rows(tmp_path / name)
    assert [row.text for row in rows] == ["a b "]
    assert rows.warnings() == ["2 NUL characters were replaced by blanks"]


@pytest.mark.parametrize("content", [b"\x1f\x8b broken", gzip.compress(b"text\n" + b"a\n" * 9000, mtime=0)[:-20]])
def test_damaged_gzip(tmp_path, content):
    (tmp_path / "a.csv.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a.csv.gz: expected a readable file, found: "):
        list(open_rows(tmp_path / "a.csv.gz"))


def test_file_without_permission(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("text\n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "a.csv")

    monkeypatch.setattr("textcnn.reading.source.open", refuse, raising=False)  # root may read everything
    with pytest.raises(DataError, match=r"expected a readable file, found: .*Permission denied"):
        open_rows(path)


# ------------------------------------------------------------------------------------------ standard input, pipes


def feed(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_standard_input_is_one_text_a_line(monkeypatch):
    feed(monkeypatch, b"text,label\n\nb\n")
    rows = open_rows("-")
    assert (rows.name, rows.format) == ("<stdin>", "lines")
    assert [row.text for row in rows] == ["text,label", "", "b"]
    with pytest.raises(DataError, match=r"<stdin>: has been read and cannot be read a second time"):
        list(rows)


def test_empty_standard_input_has_no_rows(monkeypatch):
    feed(monkeypatch, b"")
    assert list(open_rows("-")) == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("name", "format"), [("a.csv", "csv"), ("a.jsonl", "jsonl"), ("a.parquet", "parquet")])
def test_standard_input_of_any_format(monkeypatch, name, format, packed):
    content = FILES[name][0]
    feed(monkeypatch, gzip.compress(content) if packed else content)
    assert [row.text for row in open_rows("-", DataConfig(format=format))] == TEXTS


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes, which this system has not")
def test_named_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(FILES["a.csv"][0],), daemon=True)
    writer.start()
    rows = open_rows(path)
    assert (rows.format, [row.text for row in rows]) == ("csv", TEXTS)
    writer.join()


def test_rows_arrive_before_the_pipe_ends(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", 0) as pipe, os.fdopen(reading, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
        pipe.write(b'{"text": "a"}\n')
        rows = iter(open_rows("-", DataConfig(format="jsonl")))
        assert next(rows).text == "a"
        pipe.write(b'{"text": "b"}\n')
        assert next(rows).text == "b"


# -------------------------------------------------------------------------------------------------------- laws


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.text(), min_size=1))
def test_csv_law(tmp_path_factory, texts):
    path = Path(tmp_path_factory.getbasetemp()) / "law.csv"
    path.write_bytes(csv_bytes([("text", "label"), *((text, "x") for text in texts)]))
    assert [row.text for row in open_rows(path)] == [text.replace("\0", " ") for text in texts]


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.text(), min_size=1), st.booleans())
def test_jsonl_law(tmp_path_factory, texts, ascii):
    path = Path(tmp_path_factory.getbasetemp()) / "law.jsonl"
    path.write_text("".join(json.dumps({"text": t}, ensure_ascii=ascii) + "\n" for t in texts), encoding="utf-8")
    assert [row.text for row in open_rows(path)] == [text.replace("\0", " ") for text in texts]
