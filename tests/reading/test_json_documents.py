"""Documents of JSON: arrays, objects that hold rows, rows one after the other."""

import gzip
import json

import pytest
from labelled_files import LABELS, OBJECTS, ROWS, TEXTS, feed, read, written

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.rows import open_rows
from textcnn.reading.schema import Schema

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


@pytest.mark.slow
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
    monkeypatch.setattr("textcnn.reading.json_rows.LONGEST", 2**17)
    document = {"version": {"a": 1}, "data": OBJECTS * 3_000, "end": 1}
    path = written(tmp_path / "a.json", json.dumps(document))
    assert read(path)[0] == ROWS * 3_000
    path.write_text(json.dumps({"text": TEXTS * 3_000}))
    with pytest.raises(DataError, match=r"a.json"):
        read(path)
    path.write_text(json.dumps([{"text": "a"}, {"text": "a" * 2**18}]))
    with pytest.raises(DataError, match=r"expected a row of fewer than 131,072 characters, .*orient='records'"):
        read(path)


@pytest.mark.slow
def test_a_long_object_is_read_as_a_short_one(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    short = {"tags": ["x", "y"], "meta": [[1, 2]], "data": OBJECTS, "more": [{"text": "no row"}]}
    path.write_text(json.dumps(short))
    assert read(path)[0] == ROWS
    monkeypatch.setattr("textcnn.reading.json_rows.LONGEST", 2**17)
    path.write_text(json.dumps({**short, "data": OBJECTS * 3_000}))
    assert read(path)[0] == ROWS * 3_000
    for document, message in (
        ({"train": OBJECTS * 3_000, "test": OBJECTS}, "expected one list of rows in an object, found 'test' too"),
        ({"text": "a row", "parts": OBJECTS * 3_000}, "expected one list of rows in an object, found 'parts' too"),
        ({"text": TEXTS * 3_000, "label": LABELS * 3_000}, "expected a list of objects in an object of 131,072"),
    ):
        path.write_text(json.dumps(document))
        with pytest.raises(DataError, match=message):
            list(open_rows(path))


LONE = "the file holds one object, read as one row; if a list in it holds the rows, save that list as a file"


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    ("document", "options", "texts"),
    [
        ({"text": "Bob went home", "entities": [{"text": "Bob"}, {"text": "home"}]}, {}, None),
        ({"text": "Bob", "spans": [{"start": 0}], "links": [{"to": 1}]}, {}, None),
        ({"words": "Bob", "parts": [{"text": "home"}]}, {"text_column": ("words",)}, None),
        (
            {"title": "Films", "description": "of 2020", "data": [{"text": "good"}, {"text": "bad"}]},
            {},
            ["good", "bad"],
        ),
        ({"document": "a.xml", "reviews": [{"review": "good"}]}, {}, ["good"]),
        ({"words": "a", "data": [{"words": "b", "label": 1}]}, {"text_column": ("words",)}, None),
    ],
)
def test_a_row_with_a_list_of_objects_is_a_row(tmp_path, document, options, texts, indent):
    path = written(tmp_path / "a.json", json.dumps(document, indent=indent))
    rows = open_rows(path, DataConfig(**options), labels="ignored")
    found = [row.text for row in rows]
    assert found == ([next(iter(document.values()))] if texts is None else texts)
    assert (LONE in rows.warnings()) == (texts is None)


def test_the_columns_of_a_model_tell_a_row(tmp_path):
    path = written(tmp_path / "a.json", json.dumps({"title": "Bob", "parts": [{"title": "x"}]}))
    assert [row.text for row in open_rows(path, like=Schema(("title",)))] == ["Bob"]
    assert [row.text for row in open_rows(path)] == ["x"]


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
        (
            '["good", "pos"]\n["bad", "neg"]',
            r"a.json:2: expected one array of texts, found more .* an array of objects",
        ),
        ('[{"text": "a"}]\n["b"]', r"a.json:2: expected objects, or one array of texts alone, found several"),
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


@pytest.mark.parametrize("content", ["\n", " \n", "\ufeff\n"])
def test_a_file_of_one_blank_line_has_no_rows(tmp_path, content):
    with pytest.raises(DataError, match="expected"):
        read(written(tmp_path / "a.jsonl", content))
