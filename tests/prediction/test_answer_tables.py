"""Answers column by column: the bytes that dictionaries row by row give, in every format and form of answer."""

from __future__ import annotations

import csv
import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.prediction import writing
from textcnn.prediction.answers import AnswerForm, classify_rows
from textcnn.prediction.predictor import Predictor
from textcnn.prediction.streaming import answer_stream, write_parts
from textcnn.prediction.writing import is_json_lines, write_rows
from textcnn.reading.rows import open_rows

pytestmark = pytest.mark.usefixtures("core")


@pytest.fixture
def lookup(predictor, tmp_path):
    """Answers that do not depend on the rows beside a row."""
    return Predictor.load(predictor.save(tmp_path / "model"))


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ENDINGS = (".jsonl", ".csv", ".tsv", ".parquet")


def written_csv(path, rows, names=("id", "text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def both_ways(predictor, path, folder, ending, form=None, **options):
    """The bytes of a file of answers, by tables and by dictionaries; and the counts of both."""
    outputs, counts = [], []
    for name in ("tables", "rows"):
        rows = open_rows(path, DataConfig(**options), labels="ignored")
        own = form or AnswerForm(rows.text_columns)
        output = str(folder / f"{name}{ending}")
        if name == "tables":
            assert rows.has_blocks
            parts = list(answer_stream(rows, predictor, own, as_lines=is_json_lines(output)))
            write_parts(parts, output)
            counts.append(sum((part.counts for part in parts), type(parts[0].counts)()) if parts else None)
        else:
            found = type(counts[0] or rows.notices)()
            answers = classify_rows(
                predictor, rows, text_columns=own.text_columns, top_k=own.top_k, threshold=own.threshold, counts=found
            )
            write_rows(answers, output)
            counts.append(found)
        outputs.append((folder / f"{name}{ending}").read_bytes())
        outputs.append(rows.warnings())
    return outputs, counts


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12))
def test_the_bytes_of_dictionaries(tmp_path, lookup, monkeypatch, ending, rows):
    monkeypatch.setattr(writing, "_ROW_GROUP", 5)
    written_csv(tmp_path / "in.csv", rows)
    (table, said, row_by_row, said_too), (counts, counts_too) = both_ways(
        lookup, tmp_path / "in.csv", tmp_path, ending, text_column=("text",)
    )
    assert table == row_by_row
    assert said == said_too
    assert counts is None or counts == counts_too


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "form",
    [AnswerForm(("text",), top_k=1), AnswerForm(("text",), top_k=2), AnswerForm(("id", "text"), top_k=5), AnswerForm()],
)
def test_every_form_of_answer(tmp_path, lookup, ending, form):
    rows = [(n, f"a good film {n}" if n % 3 else "", "x") for n in range(40)]
    written_csv(tmp_path / "in.csv", rows, ("probability", "text", "label"))
    (table, _, row_by_row, _), _ = both_ways(lookup, tmp_path / "in.csv", tmp_path, ending, form)
    assert table == row_by_row


@pytest.mark.parametrize("ending", ENDINGS)
def test_multi_label_and_cut_rows(tmp_path, make_text, ending):
    predictor = Predictor(make_text("a", "b", "c", multi_label=True, max_length=3))
    predictor = Predictor.load(predictor.save(tmp_path / "model"))
    written_csv(tmp_path / "in.csv", [(n, "good bad " * (n % 4), "x") for n in range(30)])
    for form in (AnswerForm(("text",)), AnswerForm(("text",), 2, 0.4)):
        (table, _, row_by_row, _), _ = both_ways(predictor, tmp_path / "in.csv", tmp_path, ending, form)
        assert table == row_by_row


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_saved_model_in_both_precisions(tmp_path, predictor, ending, precision):
    loaded = Predictor.load(predictor.save(tmp_path / "model"), precision=precision)
    written_csv(tmp_path / "in.csv", [(n, f"good {n}", "x") for n in range(30)])
    (table, _, row_by_row, _), _ = both_ways(loaded, tmp_path / "in.csv", tmp_path, ending)
    assert table == row_by_row
    assert b"certified" in table or precision == "float32"


@pytest.mark.parametrize("ending", ENDINGS)
def test_columns_of_other_types(tmp_path, lookup, monkeypatch, ending):
    monkeypatch.setattr(writing, "_ROW_GROUP", 7)
    columns = {
        "text": ["good\0 film", "bad", "", None, 'é 漢 "x"', "a\nb"] * 5,
        "id": pa.array([1, 2, None, 4, 5, 6] * 5, pa.int32()),
        "score": [0.5, math.nan, None, 1e300, -0.0, 1 / 3] * 5,
        "is_new": [True, None, False] * 10,
        "tags": [["a", "b"], [], None] * 10,
        "late": [None] * 20 + ["x"] * 10,
        "kind": pa.array(["u", "v", None] * 10).dictionary_encode(),
        "name": ["nul\0", "b,c", "d\te"] * 10,
    }
    parquet.write_table(pa.table(columns), tmp_path / "in.parquet")
    (table, said, row_by_row, said_too), (counts, counts_too) = both_ways(
        lookup, tmp_path / "in.parquet", tmp_path, ending
    )
    assert table == row_by_row
    assert (said, counts) == (said_too, counts_too)


def test_rows_before_an_error_are_answered(tmp_path, predictor):
    (tmp_path / "in.csv").write_bytes(b"text,label\n" + b"good,x\n" * 3000 + b'"bad\n')
    rows = open_rows(tmp_path / "in.csv", labels="ignored")
    output = str(tmp_path / "out.jsonl")
    with pytest.raises(DataError, match=r"in\.csv:3002: expected quotes that pair up"):
        write_parts(answer_stream(rows, predictor, AnswerForm(("text",)), as_lines=True), output)
    lines = (tmp_path / "out.jsonl.partial").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["good"] * 3000
