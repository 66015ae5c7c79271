"""What CSV, JSON lines, fastText lines and Parquet can have wrong with them."""

import json

import pyarrow
import pytest
from pyarrow import parquet
from table_files import csv_bytes, parquet_bytes

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.formats import split_line
from textcnn.reading.rows import open_rows, read_examples

# ----------------------------------------------------------------------------------- csv, jsonl, fastText, Parquet


@pytest.mark.parametrize(("row", "found"), [("a", 1), ("a,b,c", 3)])
def test_ragged_row(tmp_path, row, found):
    (tmp_path / "a.csv").write_text(f'text,label\n"x\ny",z\n{row}\n')
    with pytest.raises(DataError, match=rf"a.csv:4: expected 2 cells as in the header, found {found}: .*holds ','"):
        list(open_rows(tmp_path / "a.csv"))


@pytest.mark.parametrize("cell", ['"never closed', '"closed" early'])
def test_unpaired_quote(tmp_path, cell):
    (tmp_path / "a.csv").write_text(f"text,label\nok,x\n{cell},x\nnext,x\n")
    with pytest.raises(DataError, match=r"a.csv:3: expected quotes that pair up, found: "):
        list(open_rows(tmp_path / "a.csv"))


def test_duplicate_columns(tmp_path):
    (tmp_path / "a.csv").write_text("text,label, text\n1,2,3\n")
    (tmp_path / "a.parquet").write_bytes(b"")
    schema = pyarrow.schema([("text", pyarrow.string()), ("label", pyarrow.string()), ("text", pyarrow.string())])
    parquet.write_table(schema.empty_table(), tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(
            DataError, match=f"{name}: expected each column name once, found 'text' at positions 1 and 3"
        ):
            open_rows(tmp_path / name)


def test_big_cell(tmp_path):
    text = "word\n" * 100_000
    (tmp_path / "a.csv").write_bytes(csv_bytes([("text",), (text,)]))
    assert next(iter(open_rows(tmp_path / "a.csv"))).text == text


def test_blank_lines_between_rows_are_counted(tmp_path):
    for name, content in {
        "a.csv": "text,label\n\na,x\n\n",
        "a.jsonl": '\n{"text": "a"}\n \n',
        "a.ft": "\n__label__x a\n\n",
    }.items():
        (tmp_path / name).write_text(content)
        rows = open_rows(tmp_path / name)
        assert [(row.line, row.text) for row in rows] == [(3 if name == "a.csv" else 2, "a")]
        assert rows.warnings() == ["2 blank lines were skipped"]


def test_explicit_format_has_its_usual_delimiter(tmp_path):
    path = tmp_path / "a.dat"
    path.write_text("text;x,label\na,b\n")
    assert open_rows(path, DataConfig(format="csv", text_column=("text;x",))).columns == ("text;x", "label")
    path.write_text("text\tlabel,x\na\tb\n")
    assert open_rows(path, DataConfig(format="tsv")).columns == ("text", "label,x")


@pytest.mark.parametrize("line", ['{"text": ', "[1, 2]", '"a"', "[", "9" * 5000, "[" * 100_000])
def test_malformed_json_line(tmp_path, line):
    (tmp_path / "a.jsonl").write_text('{"text": "ok"}\n' * 150 + line + "\n")
    with pytest.raises(DataError, match=r"a.jsonl:151: expected one JSON object a line, found "):
        list(open_rows(tmp_path / "a.jsonl"))


def test_json_columns_are_those_of_the_first_objects(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"id": 1, "text": "b", "label": "x"}\n{"label": "y"}\n')
    rows = open_rows(tmp_path / "a.jsonl", labels="required")
    assert rows.columns == ("text", "id", "label")
    assert [(row.text, row.labels) for row in rows] == [("a", None), ("b", ("x",)), ("", ("y",))]
    assert rows.warnings() == ["1 text is empty", "1 row has no label"]


def test_lone_surrogates(tmp_path):
    (tmp_path / "a.jsonl").write_text(r'{"text": "a\ud800b", "label": ["x\uDFFF"], "ok": "\ud83c\udfac"}' + "\n")
    rows = open_rows(tmp_path / "a.jsonl")
    row = next(iter(rows))
    assert (row.text, row.labels, row.columns["ok"]) == ("a\ufffdb", ("x\ufffd",), "🎬")
    json.dumps(row.columns, ensure_ascii=False).encode()
    assert rows.warnings() == ["2 halves of surrogate pairs were replaced by U+FFFD"]


def test_fasttext_lines(tmp_path):
    (tmp_path / "a.txt").write_text(
        "__label__a|b some __label__ text\n  __label__b\t__label__a  x\nno label\n__label__c\n"
    )
    rows = open_rows(tmp_path / "a.txt")
    assert [(row.text, row.labels) for row in rows] == [
        ("some __label__ text", ("a|b",)),
        ("x", ("b", "a")),
        ("no label", None),
        ("", ("c",)),
    ]
    examples = read_examples(tmp_path / "a.txt")
    assert (examples.multi_label, examples.labels[0]) == (True, ("a|b",))


@pytest.mark.parametrize(
    ("line", "labels", "text"),
    [
        ("a fine __label__good film", ["good"], "a fine  film"),
        ("a film __label__good __label__long", ["good", "long"], "a film"),
        ("__label__a\v__label__b\fz\0__label__c", ["a", "b", "c"], "z\0"),
        ("__label__good\u00a0film y", ["good\u00a0film"], "y"),
        ("x__label__good", [], "x__label__good"),
        ("__label____label__a b", ["__label__a"], "b"),
        ("", [], ""),
    ],
)
def test_a_fasttext_label_may_stand_anywhere_in_a_line(line, labels, text):
    assert split_line(line) == (labels, text)
    assert split_line(line.replace("__label__", "#"), "#") == (
        [name.replace("__label__", "#") for name in labels],
        (text.replace("__label__", "#")),
    )


def test_fasttext_labels_called_0_and_1_are_names(tmp_path):
    (tmp_path / "a.txt").write_text("__label__0 __label__1 a\n__label__1 __label__0 b\n__label__1 c\n")
    assert read_examples(tmp_path / "a.txt").labels == [("0", "1"), ("1", "0"), ("1",)]


def test_damaged_parquet(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more of it")
    with pytest.raises(DataError, match=r"a.parquet: expected a Parquet file, found: "):
        open_rows(tmp_path / "a.parquet")


def test_parquet_values_that_python_does_not_have(tmp_path):
    no_text = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xff")]
    )
    far = pyarrow.array([2**55]).cast(pyarrow.timestamp("ms"))
    for column, kind in ((no_text, "string"), (far, r"timestamp\[.*\]")):
        columns = {"text": column} if kind == "string" else {"text": ["a"], "when": column}
        (tmp_path / "a.parquet").write_bytes(parquet_bytes(columns))
        message = (
            rf"a.parquet: expected values that Python can read in column '\w+', found {kind}: .*leave the column out"
        )
        with pytest.raises(DataError, match=message):
            list(open_rows(tmp_path / "a.parquet"))
    with pytest.raises(DataError, match="<Table>: expected values that Python can read"):
        list(open_rows(pyarrow.table({"text": no_text})))


@pytest.mark.parametrize("place", [4, -8, -6, 30])
def test_parquet_with_a_broken_footer(tmp_path, place):
    content = bytearray(parquet_bytes({"text": ["a", "b"], "label": ["x", "y"]}))
    content[place : place + 4 or None] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a.parquet: expected .*, found"):
        list(open_rows(tmp_path / "a.parquet"))


def test_json_may_be_nested_as_deep_as_python_can_go(tmp_path):
    for depth in (98, 99, 400):  # within two objects
        deep = "[" * depth + '"\\ud800"' + "]" * depth
        (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "more": {{"b": {deep}}}}}\n')
        if depth == 98:
            assert [row.text for row in open_rows(tmp_path / "a.jsonl")] == ["a"]
            continue
        with pytest.raises(DataError, match=r"a.jsonl:1: expected lists and objects nested at most 100 deep, found"):
            open_rows(tmp_path / "a.jsonl")


def test_parquet_types(tmp_path):
    columns = {
        "text": pyarrow.array(["a", None]).dictionary_encode(),
        "label": pyarrow.array([1, None]),
        "tags": pyarrow.array([["x", "y"], []]),
    }
    (tmp_path / "a.parquet").write_bytes(parquet_bytes(columns))
    assert [(row.text, row.labels) for row in open_rows(tmp_path / "a.parquet")] == [("a", ("1",)), ("", None)]
    tags = read_examples(tmp_path / "a.parquet", DataConfig(label_column=("tags",)))
    assert (tags.labels, tags.multi_label) == ([("x", "y"), ()], True)
