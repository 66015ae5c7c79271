"""Rows out are rows in: none lost, none moved, their columns with them."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcnn.config import DataConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.prediction.answers import CHUNK, classify_images, classify_rows
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import open_rows


@dataclass
class Row:
    text: str
    columns: dict[str, Any] = field(default_factory=dict)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(texts=st.lists(st.text(max_size=8), max_size=10), columns=st.dictionaries(st.text(max_size=3), st.integers()))
def test_one_row_out_for_each_row_in(predictor, texts, columns):
    rows = [Row(text, {**columns, "number": n}) for n, text in enumerate(texts)]
    found = list(classify_rows(predictor, rows))
    assert [row["text"] for row in found] == texts
    assert [row["number"] for row in found] == list(range(len(texts)))
    assert [row["label"] for row in found] == predictor.predict(texts)
    probs = predictor.predict_proba(texts)
    np.testing.assert_allclose([row["probability"] for row in found], probs.max(axis=1), rtol=0, atol=1e-9)
    for row in found:
        for name, value in columns.items():
            assert row[name if name not in ("text", "label", "number") else f"input_{name}"] == value


@pytest.mark.parametrize("number", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_no_row_is_lost_between_chunks(predictor, number):
    found = list(classify_rows(predictor, (Row(f"film {n}") for n in range(number))))
    assert [row["text"] for row in found] == [f"film {n}" for n in range(number)]


def test_a_stream_without_an_end_is_read_only_as_far_as_needed(predictor):
    numbers = count()
    answers = classify_rows(predictor, (Row(f"film {n}") for n in numbers))
    assert next(numbers) == 0  # nothing was read yet
    assert [row["text"] for row in islice(answers, CHUNK)] == [f"film {n}" for n in range(1, CHUNK + 1)]
    assert next(numbers) == CHUNK + 1
    assert next(answers)["text"] == f"film {CHUNK + 2}"


def test_an_answer_has_these_columns_in_this_order(predictor, multi):
    row = Row("a good film", {"id": 7, "text": "a good film"})
    (plain,) = classify_rows(predictor, [row], text_columns=("text",))
    assert list(plain) == ["text", "label", "probability", "flags", "id"]
    (top,) = classify_rows(predictor, [row], text_columns=("text",), top_k=2)
    assert list(top) == ["text", "label", "probability", "top", "flags", "id"]
    (several,) = classify_rows(multi, [row], text_columns=("text",), top_k=2)
    assert list(several) == ["text", "label", "probability", "top", "labels", "flags", "id"]


def test_names_that_collide_are_carried_under_another(predictor):
    columns = {
        "label": "x",
        "flags": "y",
        "input_label": "z",
        "probability": 0.5,
        "input_input_label": "w",
        "text": "t",
    }
    (found,) = classify_rows(predictor, [Row("good", columns)], text_columns=("body",))
    assert found["text"] == "good"
    assert found["input_text"] == "t"
    assert found["input_label"] == "x"
    assert found["input_flags"] == "y"
    assert found["input_probability"] == 0.5
    assert {"z", "w"} == {found["input_input_label"], found["input_input_input_label"]}
    assert len(found) == 4 + len(columns)


def test_the_text_is_not_carried_twice_but_joined_columns_are(tmp_path, predictor):
    (tmp_path / "a.csv").write_text("title,text,id\nGood,a film,1\n", encoding="utf-8")
    rows = open_rows(tmp_path / "a.csv", labels="ignored")
    (found,) = classify_rows(predictor, rows, text_columns=rows.text_columns)
    assert list(found) == ["text", "label", "probability", "flags", "title", "id"]
    rows = open_rows(tmp_path / "a.csv", DataConfig(text_column=("title", "text")), labels="ignored")
    (found,) = classify_rows(predictor, rows, text_columns=rows.text_columns)
    assert (found["text"], found["title"], found["input_text"], found["id"]) == ("Good\na film", "Good", "a film", "1")


def test_top_k_lists_the_most_probable_labels(predictor):
    probs = predictor.predict_proba(["a good film"])[0]
    ranked = [{"label": predictor.classes_[i], "probability": probs[i]} for i in np.argsort(-probs)]
    for k in (1, 2, 3, 10):
        (found,) = classify_rows(predictor, [Row("a good film")], top_k=k)
        assert found["top"] == ranked[:k]
        assert {"label": found["label"], "probability": found["probability"]} == found["top"][0]


def test_multi_label_rows_list_the_labels_given_and_name_the_most_probable(multi):
    multi.artifact.thresholds = [0.0, 2.0, 0.0]
    (found,) = classify_rows(multi, [Row("a good film")])
    assert {entry["label"] for entry in found["labels"]} == {"calm", "odd"}
    values = [entry["probability"] for entry in found["labels"]]
    assert values == sorted(values, reverse=True)
    assert found["probability"] == multi.predict_proba(["a good film"]).max()
    (none,) = classify_rows(multi, [Row("a good film")], threshold=1.0)
    assert (none["labels"], none["label"]) == ([], found["label"])


def test_flags_and_counts(make_text):
    predictor = Predictor(make_text(max_length=2))
    counts = Counter()
    rows = [Row(""), Row("good"), Row("a good film"), Row("unseen words"), Row(" ")]
    found = list(classify_rows(predictor, rows, counts=counts))
    assert [row["flags"] for row in found] == [["empty"], [], ["cut"], [], ["empty"]]
    assert counts == {"rows": 5, "tokens": 6, "unknown": 2, "empty": 2, "cut": 1}


def test_texts_that_are_missing_are_empty_texts(predictor):
    import pandas

    frame = pandas.DataFrame({"text": ["good", float("nan"), None, "bad"], "id": [1, 2, 3, 4]})
    rows = open_rows(frame, labels="ignored")
    found = list(classify_rows(predictor, rows, text_columns=rows.text_columns))
    assert [(row["text"], row["id"], row["flags"]) for row in found] == [
        ("good", 1, []),
        ("", 2, ["empty"]),
        ("", 3, ["empty"]),
        ("bad", 4, []),
    ]
    assert rows.warnings() == ["2 texts are empty"]


def test_a_wrong_model_or_threshold_is_told_before_a_row_is_read(predictor, image):
    def rows():
        raise AssertionError("a row was read")
        yield

    with pytest.raises(ArtifactError, match="expected a text model, got an image model"):
        classify_rows(Predictor(image), rows())
    with pytest.raises(ArtifactError, match="expected an image model, got a text model"):
        classify_images(predictor, np.zeros((1, 3, 8, 8)))
    with pytest.raises(ConfigError, match="threshold must be in"):
        classify_rows(predictor, rows(), threshold=0.5)


def test_images_are_numbered(image):
    pixels = np.random.default_rng(0).integers(0, 256, (CHUNK + 3, 3, 8, 8), np.uint8)
    found = list(classify_images(Predictor(image), pixels, top_k=1))
    assert [row["image"] for row in found] == list(range(CHUNK + 3))
    assert [row["label"] for row in found] == Predictor(image).predict(pixels)
    assert list(found[0]) == ["image", "label", "probability", "top", "flags"]
    assert list(classify_images(Predictor(image), pixels[:0])) == []
