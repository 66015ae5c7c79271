"""Columns, labels and problem type: what is decided about a table."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.rows import Examples, open_rows, read_examples


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.csv"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return write


# ----------------------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        ("id,label,text", "text", "label"),
        ("Title,Class,Text", "Text", "Class"),
        ("title,review,sentiment", "review", "sentiment"),
        ("label,whatever", "whatever", "label"),
        ("whatever,topic", "whatever", "topic"),
        ("text,whatever", "text", "whatever"),
    ],
)
def test_usual_columns(write, header, text, label):
    rows = open_rows(write(header + "\n"), labels="required")
    assert (rows.text_columns, rows.label_columns) == ((text,), (label,))


def test_named_and_numbered_columns(write):
    path = write("a,b,3\nx,y,z\n")
    options = DataConfig(text_column=("b",), label_column=("1",))
    assert [(row.text, row.labels) for row in open_rows(path, options)] == [("y", ("x",))]
    assert [row.text for row in open_rows(path, DataConfig(text_column=("3",)))] == ["z"]
    assert [row.text for row in open_rows(write("3,b,c\nx,y,z\n"), DataConfig(text_column=("3",)))] == ["x"]


@pytest.mark.parametrize("name", ["c", "0", "3", "-1", "²"])
def test_column_not_found(write, name):
    path = write("a,b\nx,y\n")
    with pytest.raises(
        DataError, match=rf"a.csv: expected a column '{name}', found 'a', 'b' \(read as csv\).*--text-column"
    ):
        open_rows(path, DataConfig(text_column=(name,)))
    with pytest.raises(
        DataError, match=rf"expected a column '{name}', found 'a', 'b' .* choose one with --label-column"
    ):
        open_rows(path, DataConfig(text_column=("a",), label_column=(name,)))


def test_no_usual_name_of_a_text(write):
    path = write("I love it,pos\nso bad,neg\n")
    expected = (
        r"usual name of a text \(text, .*found 'I love it', 'pos' .*--text-column; .*put a line with column names"
    )
    for labels in ("required", "optional", "ignored"):
        with pytest.raises(DataError, match=expected):
            open_rows(path, labels=labels)


def test_long_list_of_columns_is_cut(write):
    with pytest.raises(DataError, match=r"found '" + "w" * 56 + r"\.\.\., 'c1', .*, 'c19', \.\.\. \(read"):
        open_rows(write(",".join(["w" * 500, *(f"c{i}" for i in range(1, 40))]) + "\n"))


def test_label_column_required_optional_ignored(write):
    path = write("text,id,other\na,1,2\n")
    assert open_rows(path).label_columns == ()
    assert open_rows(path, DataConfig(label_column=("nowhere",)), labels="ignored").label_columns == ()
    with pytest.raises(
        DataError, match=r"usual name of a label \(label, .*found 'text', 'id', 'other' .*--label-column"
    ):
        open_rows(path, labels="required")
    lines = write("a\n", "a.txt")
    with pytest.raises(
        DataError, match=r"found 'text' \(read as lines\).*if that is not its format, say so with --format"
    ):
        open_rows(lines, labels="required")


def test_text_and_label_must_differ(write):
    with pytest.raises(DataError, match=r"expected text and label in different columns, found 'text' for both"):
        open_rows(write("text,label\n"), DataConfig(text_column=("text",), label_column=("text",)))


def test_several_text_columns_are_joined(write):
    path = write("title,label,body\nA b,x,c\n,y,d\n,z,\n")
    rows = open_rows(path, DataConfig(text_column=("title", "body")))
    found = list(rows)
    assert [row.text for row in found] == ["A b\nc", "\nd", "\n"]
    assert found[0].parts == (("title", 0, 3), ("body", 4, 5))
    for row in found:
        assert [row.text[start:end] for _, start, end in row.parts] == [row.columns["title"], row.columns["body"]]
    assert rows.warnings() == ["1 text is empty"]
    assert "text='title'+'body', label='label'" in rows.describe()
    assert open_rows(path).text_columns == ("title",)


def test_columns_are_carried_through(write):
    row = next(iter(open_rows(write('{"id": 7, "text": 5, "extra": [null, {"a": 1.5}]}\n', "a.jsonl"))))
    assert (row.text, row.labels, row.line) == ("5", None, 1)
    assert list(row.columns.items()) == [("id", 7), ("text", 5), ("extra", [None, {"a": 1.5}])]


# ------------------------------------------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    ("value", "label"),
    [("1", "1"), ("1.0", "1"), ("0.5", "0.5"), ("true", "true"), ("false", "false"), ('" a b "', "a b"), ("-3", "-3")],
)
def test_label_values(write, value, label):
    assert [row.labels for row in open_rows(write(f'{{"text": "", "label": {value}}}\n', "a.jsonl"))] == [(label,)]


def test_csv_labels_lose_blanks_around_them_and_texts_keep_theirs(write):
    assert [(row.text, row.labels) for row in open_rows(write("text,label\n a , x y \n"))] == [(" a ", ("x y",))]


@pytest.mark.parametrize("text", ["NA", "null", "None", "nan", "N/A", "NULL"])
def test_words_for_nothing_are_text_and_label(write, text):
    rows = open_rows(write(f"text,label\n{text},{text}\n"))
    assert [(row.text, row.labels) for row in rows] == [(text, (text,))]
    assert rows.warnings() == []


def test_unlabelled_rows_are_dropped_and_counted(write):
    path = write("text,label\na,x\nb,\nc, \nd,y\n")
    examples = read_examples(path)
    assert (examples.texts, examples.labels) == (["a", "d"], [("x",), ("y",)])
    assert examples.notices == ("2 rows without a label were dropped",)
    kept = read_examples(path, drop_unlabelled=False)
    assert (kept.texts, kept.labels) == (["a", "b", "c", "d"], [("x",), (), (), ("y",)])
    assert kept.notices == ("2 rows have no label",)
    with pytest.raises(DataError, match=r"a.csv: expected rows with a label, found none in 1 row"):
        read_examples(write("text,label\na,\n"))


def test_empty_text_is_kept(write):
    examples = read_examples(write("text,label\n,x\nb,y\n  ,y\n"))
    assert (examples.texts, examples.notices) == (["", "b", "  "], ("2 texts are empty",))


# -------------------------------------------------------------------------------------------------- multi-label


CSV = "text,label\na,x\nb,x | y|x\nc,|\n"


def test_separator_in_any_cell_makes_it_multi_label(write):
    examples = read_examples(write(CSV))
    assert (examples.multi_label, examples.labels) == (True, [("x",), ("x", "y")])
    assert examples.notices == ("1 row without a label was dropped",)


def test_multi_label_false_keeps_cells_verbatim(write):
    for examples in (
        read_examples(write(CSV), DataConfig(multi_label=False)),
        read_examples(write(CSV), multi_label=False),
    ):
        assert (examples.multi_label, examples.labels) == (False, [("x",), ("x | y|x",), ("|",)])


def test_multi_label_true_though_no_row_has_two(write):
    path = write("text,label\na,x\nb,y\n")
    assert not read_examples(path).multi_label
    assert read_examples(path, multi_label=True).multi_label
    assert read_examples(path, DataConfig(multi_label=True)).describe().endswith("2 labels, multi-label")
    assert not read_examples(path, DataConfig(multi_label=True), multi_label=False).multi_label


def test_streams_split_only_what_is_known(write):
    path = write(CSV)
    assert [row.labels for row in open_rows(path)] == [("x",), ("x | y|x",), ("|",)]
    assert [row.labels for row in open_rows(path, DataConfig(multi_label=True))] == [("x",), ("x", "y"), None]


def test_other_separator(write):
    path = write('text,label\na,"x;y"\nb,x|y\n')
    assert read_examples(path, DataConfig(label_separator=";")).labels == [("x", "y"), ("x|y",)]
    assert not read_examples(path, DataConfig(label_separator="")).multi_label


def test_json_lists(write):
    path = write('{"text": "a", "label": ["x|y", 2, null]}\n{"text": "b", "label": []}\n', "a.jsonl")
    examples = read_examples(path)
    assert (examples.multi_label, examples.labels) == (True, [("x|y", "2"), ()])
    with pytest.raises(DataError, match=r"a.jsonl:1: expected one label because multi_label is false, found \['x"):
        read_examples(path, multi_label=False)
    single = write('{"text": "a", "label": ["x"]}\n', "b.jsonl")
    assert read_examples(single, multi_label=False).labels == [("x",)]
    assert not read_examples(single).multi_label
    assert read_examples(single, multi_label=True).multi_label


INDICATORS = DataConfig(label_column=("anger", "joy"))


def test_indicator_columns(write):
    path = write("text,anger,joy\na,1,0\nb,TRUE,true\nc,0,\nd,,\n")
    examples = read_examples(path, INDICATORS)
    assert (examples.multi_label, examples.labels) == (True, [("anger",), ("anger", "joy"), ()])
    assert examples.notices == ("1 row without a label was dropped",)
    assert "label='anger'+'joy', 2 labels, multi-label" in examples.describe()
    assert [row.labels for row in open_rows(path, INDICATORS)] == [("anger",), ("anger", "joy"), (), None]


def test_indicator_columns_of_numbers_and_bools():
    data = {"text": ["a", "b"], "anger": np.array([1.0, float("nan")]), "joy": np.array([False, True])}
    assert read_examples(data, INDICATORS).labels == [("anger",), ("joy",)]


def test_columns_with_other_cells_hold_labels(write):
    path = write("text,anger,joy\na,1,0\nb,mild,\nc,2,mild\n")
    assert read_examples(path, INDICATORS).labels == [("1", "0"), ("mild",), ("2", "mild")]


def test_several_label_columns_are_not_single_label(write):
    path = write("text,anger,joy\na,mild,strong\n")
    expected = r"a\.csv:2: expected a yes or a no in each of the columns 'anger', 'joy'.* found \('mild', 'strong'\)"
    for read in (read_examples, lambda *given: list(open_rows(*given))):
        with pytest.raises(DataError, match=expected):
            read(path, DataConfig(label_column=("anger", "joy"), multi_label=False))


# ----------------------------------------------------------------------------------------------------- examples


def test_subset_and_describe():
    examples = Examples(["a", "b", "c"], [("x",), ("y",), ("x",)], False, notices=("1 text is empty",))
    assert len(examples) == 3
    assert examples.describe() == "read 3 rows: text='text', label='label', 2 labels"
    for rows in ([2, 0], np.array([2, 0]), (2, 0)):
        part = examples.subset(rows)
        assert (part.texts, part.labels, part.notices) == (["c", "a"], [("x",), ("x",)], ())
    assert examples.subset(np.array([True, False, True])).texts == ["a", "c"]
    assert len(examples.subset([])) == 0
    assert examples.subset([1]).describe() == "read 1 row: text='text', label='label', 1 label"


def test_memory_is_bounded(tmp_path):
    import tracemalloc

    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("text\n")
        file.writelines("word " * 200 + "\n" for _ in range(20_000))  # 20 MB
    tracemalloc.start()
    assert sum(1 for _ in open_rows(path)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000  # some blocks of 1 MB


def test_import_is_light():
    code = (
        "import sys, textcnn.reading.rows; print(sorted({'pyarrow', 'datasets', 'pandas', 'torch'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


# ---------------------------------------------------------------------------------------------------- real data


DATA = os.environ.get("TEXTCNN_DATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="set TEXTCNN_DATA to the folder that holds trec/, imdb/, goemotions/")


@needs_data
@pytest.mark.parametrize(
    ("name", "rows", "labels", "multi_label"),
    [("trec", 5452, 6, False), ("goemotions", 43410, 28, True), ("imdb", 25000, 2, False)],
)
def test_real_data(name, rows, labels, multi_label):
    examples = read_examples(f"{DATA}/{name}/train.csv.gz")
    ending = ", multi-label" if multi_label else ""
    assert examples.describe() == f"read {rows:,} rows: text='text', label='label', {labels} labels{ending}"
    assert examples.multi_label == multi_label
    assert examples.notices == ()


def test_how_much_of_a_file_has_been_read(tmp_path):
    for name in ("a.csv", "a.csv.gz"):
        content = b"text\n" + b"".join(b"good film %d\n" % n for n in range(400_000))
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        rows = open_rows(tmp_path / name, labels="ignored")
        seen = [rows.fraction_read() for n, _ in enumerate(rows) if n % 10_000 == 0]
        assert seen == sorted(seen)
        assert 0 < seen[0] < 0.5 < seen[-1] <= 1
        assert rows.fraction_read() == 1
        assert rows.ready()
    assert open_rows(["good"], labels="ignored").fraction_read() is None


def test_whether_a_pipe_has_a_row():
    reading, writing = os.pipe()
    os.write(writing, b"good\n")
    rows = open_rows(f"/dev/fd/{reading}", DataConfig(format="lines"), labels="ignored")
    stream = iter(rows)
    assert next(stream).text == "good"
    assert not rows.ready()
    os.write(writing, b"bad\n")
    assert rows.ready()
    assert next(stream).text == "bad"
    os.close(writing)
    assert rows.ready()  # the end is something to read
    assert list(stream) == []
    os.close(reading)


def test_missing_cells_of_pandas_are_no_labels():
    frame = pandas.DataFrame({"text": ["a", "b", "c"], "label": pandas.array(["x", None, "y"], "string")})
    assert read_examples(frame).labels == [("x",), ("y",)]


def test_a_label_that_is_an_object_is_told(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": {"name": "y"}}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2: expected a label.*found \{'name': 'y'\}"):
        read_examples(path)


def test_labels_that_are_equal_numbers_of_other_kinds_stay_apart():
    examples = read_examples([("a", True), ("b", 1), ("c", 1.5), ("d", True), ("e", float("nan"))])
    assert examples.labels == [("true",), ("1",), ("1.5",), ("true",)]
