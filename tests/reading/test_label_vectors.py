"""Labels as zeros and ones: multi-hot vectors in every spelling, and dictionaries."""

import json

import numpy as np
import pyarrow
import pytest
from table_files import csv_bytes, parquet_bytes

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.rows import read_examples


def of(cells, options=None, **how):
    return read_examples([(f"text {n}", cell) for n, cell in enumerate(cells)], options or DataConfig(), **how)


# ---------------------------------------------------------------------------------------- vectors and dictionaries

HOT = [[0, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
NAMES = [("1", "2", "3"), ("0", "2"), (), ("2",)]


@pytest.mark.parametrize("kind", [int, float, bool, str, np.float32, np.bool_])
def test_multi_hot_vectors(kind):
    rows = [[kind(item) for item in row] for row in HOT] if kind is not str else [list(map(str, row)) for row in HOT]
    for cells in (rows, [json.dumps(np.array(row).tolist()) for row in rows], [str(tuple(row)) for row in HOT[:0]]):
        if cells:
            examples = of(cells)
            assert (examples.labels, examples.multi_label) == (NAMES, True)
            assert any("zeros and ones: its positions are the labels" in told for told in examples.notices)


def test_vectors_of_arrays_parquet_and_numpys_text(tmp_path):
    texts = [str(n) for n in range(4)]
    (tmp_path / "a.parquet").write_bytes(parquet_bytes({"text": texts, "labels": HOT}))
    sources = [(texts, np.array(HOT)), tmp_path / "a.parquet", pyarrow.table({"text": texts, "label": HOT})]
    sources += [{"text": texts, "label": [str(np.array(row, float)) for row in HOT]}]
    for source in sources:
        assert read_examples(source).labels == NAMES


@pytest.mark.parametrize(
    ("odd", "found"), [([0, 2, 0, 1], "2"), ([0, 1], "2 items"), ([0, 0.5, 0, 0], "0.5"), ([0, None, 1, 1], "None")]
)
def test_an_odd_vector_is_an_error_with_its_line(odd, found):
    with pytest.raises(DataError, match=rf"<list>:5: expected 4 zeros and ones, .* found {found} in"):
        of([*HOT, odd])


def test_lists_of_numbers_that_are_names_stay_names():
    examples = of([[0, 1], [2], [1], [2, 0]])
    assert examples.labels == [("0", "1"), ("2",), ("1",), ("2", "0")]
    assert of([[0], [1], [0]]).labels == [("0",), ("1",), ("0",)]


def test_test_rows_are_read_as_the_training_rows_were():
    train = of(HOT)
    assert of([[0, 1, 0, 1]], like=train.schema).labels == [("1", "3")]
    names = of([[0, 1], [1, 2], [2]])
    assert of([[0, 1], [1, 0]], like=names.schema).labels == [("0", "1"), ("1", "0")]
    commas = of(["a, b", "b", "a", "b, a"])
    assert commas.form.separator == ","
    assert of(["a", "b, c", "d", "d", "d", "d"], like=commas.schema).labels[1] == ("b", "c")
    one_hot = of([[0, 1], [1, 0], [0, 1]])
    assert (one_hot.multi_label, one_hot.labels) == (False, [("1",), ("0",), ("1",)])
    assert of([[1, 0]], like=one_hot.schema).labels == [("0",)]


def test_dictionaries_of_zeros_and_ones(tmp_path):
    cells = [{"POS": 1.0, "NEG": 0.0}, {"POS": 0, "NEG": 1}, {"POS": True, "NEG": True}, {"POS": None, "NEG": False}]
    wanted = [("POS",), ("NEG",), ("POS", "NEG"), ()]
    assert of(cells).labels == wanted
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "k", "cats": cell}) + "\n" for cell in cells))
    assert read_examples(path).labels == wanted
    assert of([str(cell) for cell in cells]).labels == wanted
    assert of([json.dumps(cell) for cell in cells]).labels == wanted
    assert not of(cells[:2]).multi_label
    for odd in (0.7, "y", [1]):
        with pytest.raises(DataError, match=r"<list>:2: expected a label, .*'NEG' is"):
            of([cells[0], {"POS": 0, "NEG": odd}])


def test_columns_with_a_prefix_are_labels(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(csv_bytes([["text", "p_POS", "p_NEG"], ["k", "1.0", "0.0"], ["l", "0.0", "1.0"]]))
    assert read_examples(path).labels == [("POS",), ("NEG",)]
    path.write_bytes(csv_bytes([["text", "p_POS", "p_NEG"], ["k", "1.0", "0.0"], ["l", "0", "1"], ["m", "0.9", "0"]]))
    with pytest.raises(DataError, match=r"a\.csv:4: expected a yes or a no for the label 'p_POS'.*found '0\.9'"):
        read_examples(path)


# ------------------------------------------------------------------------------------------ every spelling of vectors

SPELLINGS = {
    "yes, no": ("yes", "no"),
    "y, n": ("Y", "N"),
    "t, f": ("t", "f"),
    "x, blank": ("x", ""),
    "1, blank": (1, None),
    "numbers": (1.0, 0.0),
    "text": ("1.0", "0.0"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_vectors_in_every_spelling(tmp_path, spelling):
    yes, no = SPELLINGS[spelling]
    rows = [[yes if item else no for item in row] for row in HOT]
    (tmp_path / "a.csv").write_bytes(
        csv_bytes([["text", "label"], *([str(n), json.dumps(row)] for n, row in enumerate(rows))])
    )
    (tmp_path / "a.parquet").write_bytes(parquet_bytes({"text": list("klmn"), "label": rows}))
    for source in ([*zip("klmn", rows, strict=True)], tmp_path / "a.csv", tmp_path / "a.parquet"):
        examples = read_examples(source)
        assert (examples.labels, examples.multi_label) == (NAMES, True)
        assert any("zeros and ones: its positions are the labels" in told for told in examples.notices)
        assert read_examples(source, like=examples.schema).labels == NAMES


@pytest.mark.parametrize(
    "write",
    [
        lambda row: "{" + ",".join("ft"[item] for item in row) + "}",  # Postgres
        lambda row: str(tuple(row)),
        lambda row: f"array({[float(item) for item in row]}, dtype=float32)",
        lambda row: f"[{', '.join(f'np.float64({item}.0)' for item in row)}]",
        lambda row: f"[{', '.join(f'np.{bool(item)}_' for item in row)}]",
        lambda row: ",".join(map(str, row)),
        lambda row: "|".join(map(str, row)),
        lambda row: " ; ".join(["no", "yes"][item] for item in row),
        lambda row: " ".join(map(str, row)),
        lambda row: ",".join(" x"[item] for item in row),
    ],
)
def test_vectors_that_are_written_as_text(tmp_path, write):
    rows = [row for row in HOT if any(row)] if "x" in write([1, 1]) else HOT
    path = tmp_path / "a.csv"
    path.write_bytes(csv_bytes([["text", "label"], *([str(n), write(row)] for n, row in enumerate(rows))]))
    examples = read_examples(path)
    assert examples.labels == [tuple(str(k) for k, item in enumerate(row) if item) for row in rows]
    assert any("zeros and ones: its positions are the labels" in told for told in examples.notices)
    assert read_examples(path, like=examples.schema).labels == examples.labels


@pytest.mark.parametrize("write", [",".join, "|".join])
def test_an_odd_item_of_a_written_vector_is_an_error_with_its_line(write):
    cells = [write(map(str, row)) for row in HOT]
    with pytest.raises(DataError, match=r"<list>:5: expected 4 zeros and ones, .* found '2' in"):
        of([*cells, write("0210")])
    with pytest.raises(DataError, match=r"<list>:5: expected 4 zeros and ones, .* found 2 items in"):
        of([*cells, write("01")])
    with pytest.raises(DataError, match=r"<list>:1: expected 4 zeros and ones, .* found 1 item in \['7'\]"):
        of(["7"], like=of(cells).schema)


def test_written_vectors_of_one_label_are_single_label():
    examples = of(["0,1,0", "1,0,0", "0,0,1"])
    assert (examples.labels, examples.multi_label) == ([("1",), ("0",), ("2",)], False)
    for cells in (["0,1,0", "1,0,0"], ["[0, 1, 0]", "[1, 0, 0]"], ["{'0': 0, '1': 1.0}", "{'0': True, '1': 0}"]):
        assert of(cells, multi_label=False).labels == [("1",), ("0",)]
    assert of(["0,1,1", "1,0,0"], multi_label=False).labels == [("0,1,1",), ("1,0,0",)]
    with pytest.raises(
        DataError, match=r"<list>:1: expected one label because multi_label is false, found \['1', '2'\]"
    ):
        of(["[0, 1, 1]", "[1, 0, 0]"], multi_label=False)


def test_names_are_no_vectors():
    assert of([["x", "y"], ["y", "x"]]).labels == [("x", "y"), ("y", "x")]
    assert of(["1,5", "0,5", "1,0"]).labels == [("1,5",), ("0,5",), ("1,0",)]
    assert of(["1 0", "0 0", "0 1"]).labels == [("1 0",), ("0 0",), ("0 1",)]
    assert of(["0|1", "0|2", "1|2", "0|1", "1|0"]).labels[:2] == [("0", "1"), ("0", "2")]
    assert of(["0|1", "2", "1|0"] * 2).labels[0] == ("0", "1")
