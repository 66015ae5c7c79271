"""Columns of Arrow, expressions of polars, functions of DuckDB: the answers of `predict`."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from skipping import skip_without

import textcnn
from textcnn.errors import ConfigError, DataError, MissingExtraError
from textcnn.prediction import arrow
from textcnn.prediction.answers import answers_of

TEXTS = ["a good film", "", None, "a bad film", "ü 映画", "good"] * 5
ROOT = Path(__file__).parents[2]
FILLED = [text or "" for text in TEXTS]


def rows(predictor, **how):
    """The answers as `classify` writes them."""
    threshold = how.pop("threshold", None)
    return list(answers_of(predictor.labels, predictor.answer(FILLED, threshold=threshold), **how))


def plain(values):
    return [{name: value for name, value in row.items() if value is not None} for row in values]


def columns():
    whole = pa.array(TEXTS)
    yield "string", whole
    yield "large", whole.cast(pa.large_string())
    yield "view", whole.cast(pa.string_view())
    yield "dictionary", whole.dictionary_encode()
    yield "slice", pa.concat_arrays([pa.array(["before"]), whole, pa.array(["after"])])[1:-1]
    yield "chunks", pa.chunked_array([whole[:7], whole[:0], whole[7:]])


@pytest.mark.parametrize(("kind", "column"), list(columns()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_column_gets_the_answers_of_classify(predictor, kind, column, monkeypatch):
    monkeypatch.setattr(arrow, "_BYTES", 40)  # several slices
    answers = predictor.predict_arrow(column)
    assert isinstance(answers, pa.ChunkedArray if kind == "chunks" else pa.Array)
    assert answers.to_pylist() == rows(predictor)
    assert answers.type == arrow.answer_type(predictor.labels)


def test_the_bytes_of_the_texts_are_not_copied(predictor, monkeypatch):
    column = pa.array(["a good film", "bad"])
    data = column.buffers()[2].address
    seen = []
    answer = predictor.answer

    def watched(texts, **how):
        seen.append(texts.data.__array_interface__["data"][0])
        return answer(texts, **how)

    monkeypatch.setattr(predictor, "answer", watched)
    predictor.predict_arrow(column)
    assert seen == [data]


def test_lists_of_labels(predictor, multi):
    assert plain(predictor.predict_arrow(pa.array(TEXTS), top_k=2).to_pylist()) == rows(predictor, top_k=2)
    assert multi.predict_arrow(pa.array(TEXTS)).to_pylist() == rows(multi)
    assert multi.predict_arrow(pa.array(TEXTS), threshold=0.1).to_pylist() == rows(multi, threshold=0.1)


def test_int8_has_certificates(saved):
    predictor = textcnn.load(saved, precision="int8")
    answers = predictor.predict_arrow(pa.array(TEXTS))
    assert answers.to_pylist() == rows(predictor)
    assert answers.type.field("certified").type == pa.bool_()


@pytest.mark.parametrize(
    "column", [pa.array([], pa.string()), pa.chunked_array([], pa.string())], ids=["array", "chunks"]
)
def test_a_column_without_rows(predictor, column):
    answers = predictor.predict_arrow(column)
    assert (len(answers), answers.type) == (0, arrow.answer_type(predictor.labels))


def test_a_column_of_nulls(predictor):
    assert predictor.predict_arrow(pa.nulls(2)).to_pylist() == predictor.predict_arrow(pa.array(["", ""])).to_pylist()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a list"], "expected a column of Arrow, as a pyarrow.Array or polars.Series, found"),
        (pa.array([1, 2]), "expected a column of strings, found one of int64"),
        (pa.array([b"caf\xe9"]).view(pa.string()), "expected strings of UTF-8, found other bytes"),
    ],
)
def test_other_columns_are_refused(predictor, column, message):
    with pytest.raises(DataError, match=message):
        predictor.predict_arrow(column)


def test_a_pandas_column_is_taken(predictor):
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(TEXTS, dtype=pandas.ArrowDtype(pa.string()))
    assert predictor.predict_arrow(column).to_pylist() == rows(predictor)


def test_polars_gets_an_expression(saved):
    polars = pytest.importorskip("polars")
    from textcnn.engines.polars import classify

    predictor = textcnn.load(saved)
    frame = polars.DataFrame({"id": range(len(TEXTS)), "text": TEXTS})
    found = frame.with_columns(classify(saved, "text", top_k=1).alias("answer"))
    assert found["answer"].to_list() == rows(predictor, top_k=1)
    label = classify(saved, polars.col("text")).struct.field("label")
    chosen = frame.lazy().filter(label == predictor.labels.names[0]).select("id").collect()
    expected = [n for n, one in enumerate(predictor.predict(FILLED)) if one == predictor.labels.names[0]]
    assert chosen["id"].to_list() == expected


def test_duckdb_gets_a_function(saved):
    duckdb = pytest.importorskip("duckdb")
    from textcnn.engines.duckdb import register

    predictor = textcnn.load(saved)
    with duckdb.connect() as connection:
        register(connection, saved, top_k=2)
        register(connection, saved, "certain", precision="int8")
        connection.register("rows", pa.table({"id": range(len(TEXTS)), "text": TEXTS}))
        query = "select classify(text), certain(text).certified from rows order by id"
        found = connection.sql(query).fetchall()
    assert [answer for answer, _ in found] == rows(predictor, top_k=2)
    assert {type(sure) for _, sure in found} == {bool}


@pytest.mark.parametrize("name", ["polars", "duckdb"])
def test_an_engine_that_is_absent_is_named_with_the_line_that_installs_it(saved, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    message = rf"needs the package '{name}', which is not installed; run: pip install 'textcnn\[{name}\]'"
    module = importlib.import_module(f"textcnn.engines.{name}")
    with pytest.raises(MissingExtraError, match=message):
        module.classify(saved, "text") if name == "polars" else module.register(None, saved)


def test_what_cannot_be_asked_for(saved):
    from textcnn.engines.models import type_of

    with pytest.raises(ConfigError, match="top_k must be 1 or more, got 0"):
        type_of(saved, top_k=0)
    with pytest.raises(ConfigError, match="threshold must be in"):
        type_of(saved, threshold=0.5)


def test_the_step_of_datatrove_keeps_what_the_model_says(saved, tmp_path):
    """The example runs as a program, by the real package."""
    skip_without(importlib.util.find_spec("datatrove") is not None, "datatrove")
    predictor, texts = textcnn.load(saved), [text for text in FILLED if text]
    (tmp_path / "in").mkdir()
    lines = [json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts)]
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    label = predictor.predict(texts[:1])[0]
    answers = predictor.predict_arrow(pa.array(texts)).to_pylist()
    least = max(one["probability"] for one in answers if one["label"] == label)
    program = [
        sys.executable,
        ROOT / "examples/corpus/datatrove_filter.py",
        saved,
        label,
        least,
        tmp_path / "in",
        tmp_path / "out",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(list(map(str, program)), check=True, capture_output=True, env=environment)
    written = "".join(path.read_text("utf-8") for path in (tmp_path / "out").glob("*"))
    kept = [json.loads(line)["text"] for line in written.splitlines()]
    given = zip(texts, answers, strict=True)
    assert kept == [text for text, one in given if one["label"] == label and one["probability"] >= least]
    assert 0 < len(kept) < len(texts)
