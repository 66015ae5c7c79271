"""Distributions over the labels as training data: columns, dictionaries, lists, and what they are trained towards."""

import json

import numpy as np
import pandas as pd
import pytest

import textcnn
from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.estimator import TextCNNClassifier
from textcnn.labels import Labels
from textcnn.reading.rows import read_examples

TINY = {"epochs": 2, "embedding_dim": 16, "num_filters": 16, "calibrate": "none"}
TEXTS = [f"{word} film number {i}" for i in range(20) for word in ("fine", "dull")]


def write(tmp_path, text, name="rows.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_columns_of_probabilities_are_distributions_and_that_is_told(tmp_path):
    found = read_examples(write(tmp_path, "text,p_a,p_b,p_c\nx y,.2,.5,.3\nz,1,0,0\nw,,,\n"))
    assert not found.multi_label
    assert found.soft.names == ("a", "b", "c")
    np.testing.assert_allclose(found.soft.shares, [[0.2, 0.5, 0.3], [1, 0, 0]], atol=1e-6)
    assert found.labels == [("b",), ("a",)]
    assert not found.soft.is_labelled.any()
    assert any("read as distributions over the labels" in notice for notice in found.notices)


def test_a_row_has_a_label_or_a_distribution_or_both_and_labels_are_the_union(tmp_path):
    rows = "text,label,p_a,p_b\none,a,,\ntwo,c,.25,.75\nthree,,.5,.5\nfour,,,\n"
    found = read_examples(write(tmp_path, rows), DataConfig(allow_rare_labels=True))
    assert found.labels == [("a",), ("c",), ("a",)]
    assert found.soft.is_labelled.tolist() == [True, True, False]
    assert found.soft.is_given.tolist() == [False, True, True]
    labels = Labels.collect(found.label_sets, multi_label=False)
    assert labels.names == ("a", "b", "c")
    targets = found.soft.targets(found.labels, labels, 0.4)
    np.testing.assert_allclose(targets, [[1, 0, 0], [0.1, 0.3, 0.6], [0.5, 0.5, 0]], atol=1e-6)


@pytest.mark.parametrize(
    "cells",
    [
        [{"a": 0.25, "b": 0.75}, {"b": 1.0}],
        ['{"a": 0.25, "b": 0.75}', "{'b': 1.0}"],
        [[{"label": "b", "probability": 0.75}, {"label": "a", "probability": 0.25}], {"a": 0, "b": 1}],
    ],
)
@pytest.mark.parametrize("column", ["label", "probabilities"])
def test_a_column_of_dictionaries_is_a_distribution(cells, column):
    found = read_examples([{"text": "x", column: cells[0]}, {"text": "y", column: cells[1]}])
    shares = dict(zip(found.soft.names, found.soft.shares.T.tolist(), strict=True))
    assert shares == {"a": [0.25, 0.0], "b": [0.75, 1.0]}
    assert not found.multi_label


def test_labels_and_dictionaries_may_stand_in_one_column(tmp_path):
    lines = [{"text": "x", "label": "a"}, {"text": "y", "label": {"a": 0.5, "b": 0.5}}]
    path = write(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), "rows.jsonl")
    found = read_examples(path)
    assert found.labels == [("a",), ("a",)]
    assert found.soft.is_labelled.tolist() == [True, False]


def test_lists_are_distributions_over_positions():
    found = read_examples({"text": ["x", "y"], "label": [[0.1, 0.9], [0.7, 0.3]]})
    assert found.soft.names == ("0", "1")
    assert found.labels == [("1",), ("0",)]


def test_probabilities_that_do_not_sum_to_one_are_multi_label():
    found = read_examples([{"text": "x", "p_a": 0.9, "p_b": 0.8}, {"text": "y", "p_a": 0.1, "p_b": 0.2}])
    assert found.multi_label
    assert found.labels == [("a", "b"), ()]
    assert any("probability of each label (multi-label)" in notice for notice in found.notices)


def test_zeros_and_ones_stay_indicators():
    found = read_examples([{"text": "x", "p_a": 1, "p_b": 0}, {"text": "y", "p_a": 0, "p_b": 1}])
    assert found.soft is None
    assert found.labels == [("a",), ("b",)]


def test_columns_that_only_begin_with_p_do_not_count_beside_a_label():
    rows = [{"text": f"x {i}", "label": "ab"[i % 2], "p_value": 0.5, "p_other": 0.5} for i in range(4)]
    assert read_examples(rows).soft is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("nan,.5", "probabilities between 0 and 1 in 'p_a'\\+'p_b', found nan for 'a'"),
        ("1.5,0", "probabilities between 0 and 1 in 'p_a'\\+'p_b', found 1.5 for 'a'"),
        (".2,.3", "probabilities that sum to 1 in 'p_a'\\+'p_b', found a sum of 0.5"),
        ("many,.3", "the probabilities of labels in 'p_a'\\+'p_b', found"),
    ],
)
def test_nonsense_is_an_error_with_the_row(tmp_path, row, message):
    path = write(tmp_path, f"text,p_a,p_b\nx,.2,.8\ny,.3,.7\nz,.3,.7\nw,{row}\n")
    with pytest.raises(DataError, match=rf"rows.csv:5: expected {message}"):
        read_examples(path)


def test_named_columns_are_distributions_whatever_they_hold(tmp_path):
    path = write(tmp_path, "text,good,bad\nx,1,0\ny,0,1\n")
    found = read_examples(path, DataConfig(soft_column=("good", "bad")))
    assert found.soft.names == ("good", "bad")
    assert found.soft.shares.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("architecture", ["kim", "lstm"])
def test_a_model_learns_distributions(architecture):
    rows = [
        {"text": text, "p_pos": 0.8 if "fine" in text else 0.3, "p_neg": 0.2 if "fine" in text else 0.7}
        for text in TEXTS
    ]
    settings = {**TINY, "epochs": 30, "architecture": architecture, "label_smoothing": 0.0}
    if architecture == "kim":
        settings["wide"] = False  # uncalibrated, two branches count the same evidence twice
    else:
        settings.pop("num_filters")
    predictor = textcnn.train(rows, **settings)
    found = predictor.predict_proba(["fine film", "dull film"])[:, 1]
    np.testing.assert_allclose(found, [0.8, 0.3], atol=0.12)


def test_only_rows_with_a_label_calibrate_and_are_held_out():
    rows = [{"text": text, "label": "pos" if "fine" in text else "neg"} for text in TEXTS]
    rows += [{"text": text, "p_pos": 0.6, "p_neg": 0.4} for text in TEXTS * 2]
    training = textcnn.train(rows, **{**TINY, "calibrate": "folds"}).artifact.training
    assert training["calibration"]["rows"] == len(TEXTS)
    training = textcnn.train(rows, **TINY, dev_fraction=0.25).artifact.training
    assert training["examples"]["dev"] == len(TEXTS) // 4


def test_distributions_change_the_fingerprint_and_labels_alone_do_not():
    def fingerprint(**more):
        rows = [{"text": text, "label": "pos" if "fine" in text else "neg", **more} for text in TEXTS]
        return textcnn.train(rows, **{**TINY, "epochs": 1}).artifact.training["data"]["fingerprint"]

    assert fingerprint() == fingerprint(p_value=1) != fingerprint(p_pos=0.5, p_neg=0.5)


def test_the_weight_of_the_teacher_decides_where_both_are_given():
    rows = [{"text": text, "label": "pos" if "fine" in text else "neg"} for text in TEXTS]
    wrong = [{**row, "p_pos": 0.01 if row["label"] == "pos" else 0.99} for row in rows]
    wrong = [{**row, "p_neg": 1 - row["p_pos"]} for row in wrong]
    answers = {}
    for weight in (0.0, 1.0):
        predictor = textcnn.train(wrong, **{**TINY, "epochs": 20}, teacher_weight=weight)
        answers[weight] = predictor.predict(["fine film", "dull film"])
    assert answers == {0.0: ["pos", "neg"], 1.0: ["neg", "pos"]}


def test_the_estimator_takes_probabilities():
    good = np.array(["fine" in text for text in TEXTS])
    shares = np.where(good[:, None], [[0.9, 0.1]], [[0.2, 0.8]])
    settings = {"epochs": 20, "embedding_dim": 16, "num_filters": 16}
    model = TextCNNClassifier(**settings).fit(TEXTS, pd.DataFrame(shares, columns=["pos", "neg"]))
    assert model.classes_.tolist() == ["pos", "neg"]
    assert model.predict(["fine film", "dull film"]).tolist() == ["pos", "neg"]
    model = TextCNNClassifier(**settings).fit(TEXTS, np.where(good[:, None], [[0.9, 0.8]], [[0.2, 0.1]]))
    assert model.predict(["fine film", "dull film"]).tolist() == [[1, 1], [0, 0]]
    shares[3] = 0.9, 0.3
    with pytest.raises(ValueError, match=r"expected probabilities that sum to 1 in y, found a sum of 1.2 in row 3"):
        TextCNNClassifier(**settings).fit(TEXTS, shares)
    shares[3] = 1.2, 0.3
    with pytest.raises(ValueError, match=r"expected probabilities between 0 and 1 in y, found .* in row 3"):
        TextCNNClassifier(**settings).fit(TEXTS, shares)
