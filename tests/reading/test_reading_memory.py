"""Data from memory and from the hub."""

import sys
import types

import numpy as np
import pandas as pd
import pyarrow
import pytest

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.rows import open_rows, read_examples

TEXTS, LABELS = ["a", "b\nb", "NA"], ["x", "y", "x"]
PAIRS = list(zip(TEXTS, LABELS, strict=True))


def dataset(**columns):
    import datasets

    return datasets.Dataset.from_dict(columns)


SOURCES = {
    "lists": lambda: (TEXTS, LABELS),
    "list of lists": lambda: [TEXTS, LABELS],
    "tuples": lambda: (tuple(TEXTS), tuple(LABELS)),
    "arrays": lambda: (np.array(TEXTS), np.array(LABELS)),
    "series": lambda: (pd.Series(TEXTS, index=[7, 8, 9]), pd.Series(LABELS)),
    "pairs": lambda: PAIRS,
    "pair of pairs and one": lambda: [list(pair) for pair in PAIRS],
    "dicts": lambda: [{"text": text, "label": label} for text, label in PAIRS],
    "columns": lambda: {"text": TEXTS, "label": np.array(LABELS)},
    "frame": lambda: pd.DataFrame({"text": TEXTS, "label": LABELS}, index=[5, 5, 6]),
    "category": lambda: pd.DataFrame({"text": TEXTS, "label": pd.Categorical(LABELS)}),
    "table": lambda: pyarrow.table({"text": TEXTS, "label": LABELS}),
    "batch": lambda: pyarrow.RecordBatch.from_pydict({"text": TEXTS, "label": LABELS}),
    "chunked": lambda: {"text": pyarrow.chunked_array([TEXTS[:1], TEXTS[1:]]), "label": LABELS},
    "dataset": lambda: dataset(text=TEXTS, label=LABELS),
}


@pytest.mark.parametrize("name", SOURCES)
def test_same_rows_from_every_source(name):
    rows = open_rows(SOURCES[name](), labels="required")
    for _ in range(2):
        assert [(row.line, row.text, row.labels) for row in rows] == [
            (1, "a", ("x",)),
            (2, "b\nb", ("y",)),
            (3, "NA", ("x",)),
        ]
    assert rows.columns == ("text", "label")
    assert rows.name.startswith("<")
    assert rows.name.endswith(">")


@pytest.mark.parametrize(
    "data", [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"]), {"text": ["a", "b"]}]
)
def test_plain_texts(data):
    assert [(row.text, row.labels) for row in open_rows(data)] == [("a", None), ("b", None)]
    with pytest.raises(DataError, match=r"expected a column with a usual name of a label .*found 'text'"):
        read_examples(data)


def test_two_pairs_are_rows_and_two_lists_are_columns():
    assert [row.text for row in open_rows([("a", "x"), ("b", "y")])] == ["a", "b"]
    assert [row.text for row in open_rows((("a", "x"), ("b", "y")))] == ["a", "b"]
    assert [row.text for row in open_rows([["a", "b"], ["x", "y"]])] == ["a", "b"]


def test_labels_in_memory_are_verbatim():
    assert read_examples((["a", "b"], [" x", "x"])).labels == [(" x",), ("x",)]


def test_lists_of_labels():
    examples = read_examples([("a", ["x", "y"]), ("b", ()), ("c", np.array(["z"]))])
    assert (examples.labels, examples.multi_label) == ([("x", "y"), (), ("z",)], True)


@pytest.mark.parametrize(
    "missing",
    [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, "", " "],
    ids=["None", "nan", "32", "NA", "NaT", "", " "],
)
def test_missing_cells(missing):
    rows = open_rows([("a", missing), (missing, "x")])
    assert [(row.text.strip(), row.labels) for row in rows] == [("a", None), ("", ("x",))]
    assert rows.warnings() == ["1 text is empty", "1 row has no label"]


def test_frame_with_missing_numbers():
    frame = pd.DataFrame({"text": ["a", None, "c"], "label": [1, None, 0]})
    assert [(row.text, row.labels) for row in open_rows(frame)] == [("a", ("1",)), ("", None), ("c", ("0",))]


def test_frame_without_column_names():
    frame = pd.DataFrame([["a", "x", 7], ["b", "y", 8]])  # its columns are called 0, 1 and 2
    options = DataConfig(text_column=("0",), label_column=("1",))
    assert [(row.text, row.labels) for row in open_rows(frame, options)] == [("a", ("x",)), ("b", ("y",))]
    assert [row.text for row in open_rows(frame, DataConfig(text_column=("3",)))] == ["7", "8"]


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame([["a", "b"]], columns=["text", "text"]),
        pyarrow.table([["a"], ["b"]], names=["text", "text"]),
    ],
    ids=["frame", "table"],
)
def test_duplicate_columns(data):
    with pytest.raises(DataError, match=r"<\w+>: expected each column name once, found 'text' at positions 1 and 2"):
        open_rows(data)


def test_columns_of_different_lengths():
    with pytest.raises(DataError, match=r"expected columns of one length, found 2 in 'text', 1 in 'label'"):
        open_rows((["a", "b"], ["x"]))
    with pytest.raises(DataError, match=r"expected a list of cells for column 'label', found 5"):
        open_rows({"text": ["a"], "label": 5})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"<list>: expected rows, found an empty list"),
        (([], []), r"<tuple>: expected rows, found empty columns"),
        ({}, r"<dict>: expected rows, found empty columns"),
        (5, r"expected a file, .* or a datasets.Dataset, found 5 of type int"),
        ({"a"}, r"found \{'a'\} of type set"),
    ],
)
def test_nothing_to_read(data, message):
    with pytest.raises(DataError, match=message):
        open_rows(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([("a", "x"), ("b",), ("c", "z")], r"<list>:2: expected a \(text, label\) pair as in row 1, found \('b',\)"),
        (["a", {"text": "b"}], r"<list>:2: expected a text as in row 1, found \{'text': 'b'\}"),
        ([{"text": "a"}, "b"], r"<list>:2: expected a dict as in row 1, found 'b'"),
        ([(["a"], "x")], r"<list>:1: expected a text in column 'text', found \['a'\]"),
        ([(b"a", "x")], r"<list>:1: expected a text in column 'text', found b'a'"),
        ([("a", {"x": 0.7})], r"<list>:1: expected a label, .*, found \{'x': 0.7\}"),
    ],
)
def test_odd_row(data, message):
    with pytest.raises(DataError, match=message):
        list(open_rows(data))


def test_surrogates_in_memory():
    rows = open_rows(["a\ud800\udc00"])
    assert [row.text for row in rows] == ["a\ufffd\ufffd"]
    assert rows.warnings() == ["2 halves of surrogate pairs were replaced by U+FFFD"]


# --------------------------------------------------------------------------------------------------------- hub


def test_class_labels_become_names():
    import datasets

    names = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names, "tags": datasets.Sequence(names)})
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, -1], "tags": [[0, 1], []]}, features=features)
    assert [row.labels for row in open_rows(data)] == [("pos",), None]
    assert read_examples(data, DataConfig(label_column=("tags",))).labels == [("neg", "pos"), ()]
    with pytest.raises(DataError, match=r"expected one split of a data set, found the splits 'train', 'test'"):
        open_rows(datasets.DatasetDict({"train": data, "test": data}))
    with pytest.raises(DataError, match=r"expected a datasets.Dataset, found a ClassLabel"):
        open_rows(names)


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for `datasets`: the calls made, and what they give."""
    calls, results = [], []

    def load_dataset(name, split):
        calls.append((name, split))
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return calls, results


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("owner/na-me.1", ("owner/na-me.1", "train")),
        ("hf://owner/name", ("owner/name", "train")),
        ("hf://owner/name/test", ("owner/name", "test")),
    ],
)
def test_hub_id(monkeypatch, name, call):
    import datasets  # the real one, before the stand-in

    data = datasets.Dataset.from_dict({"text": ["a"], "label": ["x"]})
    calls = []

    def load_dataset(name, split):
        calls.append((name, split))
        return data

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    rows = open_rows(name)
    assert [row.text for row in rows] == ["a"]
    assert calls == [call]
    assert rows.name == "hf://{}/{}".format(*call)


def test_hub_out_of_reach(hub):
    _, results = hub
    results.append(ConnectionError("no route\nto host"))
    with pytest.raises(DataError) as caught:
        open_rows("owner/name")
    assert str(caught.value) == (
        "expected to load split 'train' of 'owner/name' from the Hugging Face hub, found: no route; "
        "this needs the network, or the data set in the cache from an earlier run"
    )
    results[0] = TimeoutError()
    with pytest.raises(DataError, match=r"found: TimeoutError;"):
        open_rows("owner/name")


@pytest.mark.parametrize(
    "name", ["missing.csv", "owner/missing.csv.gz", "a/b/c", "I love it", "", "tests/missing", "a/", "x" * 9999]
)
def test_neither_path_nor_hub_id(hub, name):
    with pytest.raises(DataError, match=r"expected a file, a folder, '-', a hub id .*, found no file or folder '"):
        open_rows(name)
    assert hub[0] == []


@pytest.mark.parametrize("name", ["hf://name", "hf://", "hf://a/b/c/d"])
def test_malformed_hub_id(hub, name):
    with pytest.raises(DataError, match=f"expected hf://owner/name or hf://owner/name/split, found '{name}'"):
        open_rows(name)
