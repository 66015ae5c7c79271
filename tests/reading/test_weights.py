"""A column of weights: read, checked, carried with the rows, and felt by the model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import textcnn
from textcnn.config import Config, DataConfig
from textcnn.errors import DataError
from textcnn.progress import Silent
from textcnn.reading.rows import read_examples
from textcnn.runs.prepare import prepare_text

WEIGHTED = DataConfig(weight_column="weight")
CSV = "text,label,weight\none,a,1\ntwo,b,0.5\nthree,a,0\nfour,b,2e1\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.csv"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return write


def test_weights_are_read_with_their_rows_and_rows_of_weight_0_are_left_out(write):
    examples = read_examples(write(CSV), WEIGHTED)
    assert examples.texts == ["one", "two", "four"]
    assert examples.weights.tolist() == [1, 0.5, 20]
    assert examples.notices == ("1 row of weight 0 was left out",)


def test_without_the_option_there_are_none(write):
    examples = read_examples(write(CSV))
    assert examples.weights is None
    assert len(examples) == 4
    assert examples.subset([1, 2]).weights is None


def test_a_subset_has_the_weights_of_its_rows(write):
    examples = read_examples(write(CSV), WEIGHTED)
    assert examples.subset([2, 0]).weights.tolist() == [20, 1]
    assert examples.subset(np.array([False, True, True])).weights.tolist() == [0.5, 20]
    assert examples.subset([]).weights.tolist() == []


def test_unlabelled_rows_take_their_weights_with_them(write):
    examples = read_examples(write("text,label,weight\none,a,1\ntwo,,2\nthree,b,3\n"), WEIGHTED)
    assert examples.weights.tolist() == [1, 3]


@pytest.mark.parametrize(
    "data",
    [
        {"text": ["x", "y"], "label": ["a", "b"], "weight": [1, 2.5]},
        [{"text": "x", "label": "a", "weight": 1}, {"text": "y", "label": "b", "weight": "2.5"}],
        {"text": ["x", "y"], "label": ["a", "b"], "weight": np.array([1, 2.5], np.float32)},
    ],
    ids=["columns", "dicts", "array"],
)
def test_weights_from_memory(data):
    assert read_examples(data, WEIGHTED).weights.tolist() == [1, 2.5]


def test_weights_from_frames_and_jsonl(write):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["x", "y"], "label": ["a", "b"], "weight": [1, 3]})
    assert read_examples(frame, WEIGHTED).weights.tolist() == [1, 3]
    lines = [{"text": "x", "label": "a", "weight": 1}, {"text": "y", "label": "b", "weight": 0.25}]
    path = write("\n".join(map(json.dumps, lines)), "a.jsonl")
    assert read_examples(path, WEIGHTED).weights.tolist() == [1, 0.25]


@pytest.mark.parametrize("cell", ["-1", "nan", "inf", "", "much", "1;2", "true"])
def test_a_weight_that_is_none_is_told_with_its_line(write, cell):
    path = write(f'text,label,weight\none,a,1\n"two\nlines",b,{cell}\n')
    with pytest.raises(
        DataError,
        match=rf"a\.csv:3: expected a weight in column 'weight', a finite number of 0 or more, found '{cell}'; "
        "correct it, or leave --weight-column out",
    ):
        read_examples(path, WEIGHTED)


@pytest.mark.parametrize("cell", [True, None, float("nan"), [1]])
def test_cells_from_memory_that_are_no_weight(cell):
    data = [{"text": "x", "label": "a", "weight": 1}, {"text": "y", "label": "b", "weight": cell}]
    with pytest.raises(DataError, match="<list>:2: expected a weight in column 'weight'"):
        read_examples(data, WEIGHTED)


def test_weights_that_are_all_0_are_told(write):
    with pytest.raises(DataError, match="expected a weight above 0 in column 'weight', found none in 2 rows"):
        read_examples(write("text,label,weight\none,a,0\ntwo,b,0\n"), WEIGHTED)


def test_a_column_that_is_not_there_is_told(write):
    with pytest.raises(
        DataError, match=r"expected a column 'heft', found 'text', 'label', 'weight' .*choose one with --weight-column"
    ):
        read_examples(write(CSV), DataConfig(weight_column="heft"))


@pytest.mark.parametrize("column", ["text", "label"])
def test_the_weight_has_a_column_of_its_own(write, column):
    options = DataConfig(text_column=("text",), label_column=("label",), weight_column=column)
    with pytest.raises(DataError, match=f"expected the weight in a column of its own, found it in '{column}'"):
        read_examples(write(CSV), options)


def test_the_weight_is_never_taken_for_text_or_label(write):
    path = write("rating,words,verdict\n2,fine,good\n1,dull,bad\n")
    examples = read_examples(path, DataConfig(label_column=("verdict",), weight_column="rating"))
    assert (examples.text_columns, examples.label_columns) == (("words",), ("verdict",))
    examples = read_examples(write("rating,text,verdict\n2,fine,good\n1,dull,bad\n"), DataConfig(weight_column="1"))
    assert examples.label_columns == ("verdict",)
    assert examples.weights.tolist() == [2, 1]


# ------------------------------------------------------------------------------------------ runs

WORDS = ("good", "bad")
ROWS = [
    {"text": f"{word} film {i % 3}", "label": label, "weight": weight}
    for i in range(12)
    for word, label, weight in (("good", "pos", 1.0), ("bad", "neg", 1.0), ("good", "neg", 0.01), ("bad", "pos", 0.01))
    for _ in range(1 if weight == 1 else 3)  # wrong rows are the many
]
TINY = {"epochs": 25, "embedding_dim": 8, "num_filters": 8, "threads": 1}


def _labels(predictor):
    return predictor.predict(["good film", "bad film"])


@pytest.mark.parametrize("wide", [False, True])
def test_light_rows_yield_to_heavy_ones(wide):
    assert _labels(textcnn.train(ROWS, **TINY, wide=wide)) == ["neg", "pos"]
    assert _labels(textcnn.train(ROWS, **TINY, wide=wide, weight_column="weight")) == ["pos", "neg"]


def test_equal_weights_of_any_size_change_nothing():
    equal = [{**row, "weight": 8} for row in ROWS]
    plain, weighted = textcnn.train(ROWS, **TINY), textcnn.train(equal, **TINY, weight_column="weight")
    texts = [row["text"] for row in ROWS]
    np.testing.assert_allclose(weighted.predict_proba(texts), plain.predict_proba(texts), atol=1e-4)


def test_rows_of_weight_0_are_as_if_they_were_not_there():
    some = [{**row, "weight": 0 if row["weight"] < 1 else 1} for row in ROWS]
    kept = [row for row in some if row["weight"]]
    one, other = (textcnn.train(rows, **TINY, weight_column="weight") for rows in (some, kept))
    texts = [row["text"] for row in ROWS]
    np.testing.assert_array_equal(one.predict_proba(texts), other.predict_proba(texts))


def test_dev_and_test_rows_need_no_weights():
    measured = {"text": ["good film", "bad film"], "label": ["pos", "neg"]}
    predictor = textcnn.train(ROWS, dev=measured, test=measured, **TINY, weight_column="weight")
    assert predictor.artifact.training["test"]["accuracy"] == 1
    assert predictor.artifact.training["examples"]["dev"] == 2


def test_weights_pass_through_folds():
    predictor = textcnn.train(ROWS, folds=2, **TINY, wide=False, weight_column="weight")
    heavy = np.array([row["weight"] for row in ROWS]) == 1
    names = np.array(predictor.labels.names)[predictor.artifact.folds.probabilities.argmax(1)]
    truth = np.array([row["label"] for row in ROWS])
    assert (names[heavy] == truth[heavy]).mean() > 0.9


def test_held_out_rows_take_their_weights_with_them():
    rows = [{"text": "word " * size, "label": "ab"[size % 2], "weight": size} for size in range(1, 41)]
    prepared = prepare_text(rows, Config.from_flat({**TINY, "dev_fraction": 0.25, "weight_column": "weight"}), Silent())
    assert len(prepared.train.truth) == 30
    assert prepared.train.weights.tolist() == prepared.train.encoded.lengths.tolist()


def test_the_fingerprint_of_the_data_has_the_weights():
    prints = [
        textcnn.train(rows, **{**TINY, "epochs": 1}, weight_column="weight").artifact.training["data"]["fingerprint"]
        for rows in (ROWS, ROWS, [{**row, "weight": 1} for row in ROWS])
    ]
    assert prints[0] == prints[1] != prints[2]


def test_multi_label_rows_have_weights_too():
    rows = [{**row, "label": [row["label"]]} for row in ROWS]
    predictor = textcnn.train(rows, **TINY, dev_fraction=0.0, weight_column="weight")
    probs = predictor.predict_proba(["good film"])[0]
    assert probs[predictor.labels.names.index("pos")] > probs[predictor.labels.names.index("neg")]
