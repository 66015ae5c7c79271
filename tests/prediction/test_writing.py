"""Answers to a file and back: every row, every column, in every format."""

import csv
import datetime
import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from textcnn.errors import DataError
from textcnn.prediction import writing
from textcnn.prediction.answer_tables import arrow_cells
from textcnn.prediction.writing import write_rows

ANSWER = {"text": "a", "label": "pos", "probability": 0.75, "top": [{"label": "pos", "probability": 0.75}], "flags": []}
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)


def read(path):
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in file.read().split("\n")[:-1]]
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv", ".parquet"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(texts=st.lists(texts, min_size=1, max_size=6))
def test_what_is_written_is_read_again(tmp_path, ending, texts):
    rows = [{**ANSWER, "text": text, "id": n, "note": text[::-1]} for n, text in enumerate(texts)]
    assert write_rows(iter(rows), str(tmp_path / f"out{ending}")) == len(rows)
    found = read(tmp_path / f"out{ending}")
    for row, again in zip(rows, found, strict=True):
        assert list(again) == list(row)
        if ending == ".jsonl":
            assert again == row
            continue
        assert (again["text"], again["label"], again["note"]) == (row["text"], "pos", row["note"])
        assert (float(again["probability"]), int(again["id"])) == (0.75, row["id"])
        assert json.loads(again["top"]) == row["top"]
        assert json.loads(again["flags"]) == []


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_no_rows(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    assert write_rows(iter([]), str(path)) == 0
    assert path.exists()
    assert read(path) == []


def test_json_lines_on_stdout(capsys):
    assert write_rows([{**ANSWER, "text": "漢\n\u2028"}, ANSWER], "-") == 2
    lines = capsys.readouterr().out.split("\n")
    assert [json.loads(line)["text"] for line in lines[:-1]] == ["漢\n\u2028", "a"]
    assert "漢" in lines[0]


def test_json_has_no_word_for_what_is_no_number(tmp_path):
    """NaN is not JSON: a missing cell of a carried column is null."""
    rows = [{**ANSWER, "score": math.nan, "range": [math.inf, {"low": -math.inf}]}, {**ANSWER, "score": 1.5}]
    write_rows(rows, str(tmp_path / "out.jsonl"))

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    first, second = (json.loads(line, parse_constant=refuse) for line in lines)
    assert (first["score"], first["range"], second["score"]) == (None, [None, {"low": None}], 1.5)


def test_cells_of_other_kinds_are_written_as_text(tmp_path):
    row = {**ANSWER, "day": datetime.date(2024, 2, 29), "raw": b"x"}
    write_rows([row], str(tmp_path / "out.jsonl"))
    assert read(tmp_path / "out.jsonl")[0]["day"] == "2024-02-29"


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_a_column_that_only_later_rows_have_is_carried_too(tmp_path, ending):
    rows = [{**ANSWER, "id": "1"}, {**ANSWER, "id": "2", "note": "late"}, {**ANSWER, "note": "later"}]
    write_rows(rows, str(tmp_path / f"out{ending}"))
    found = read(tmp_path / f"out{ending}")
    assert [(row["id"] or "", row["note"] or "") for row in found] == [("1", ""), ("2", "late"), ("", "later")]
    assert list(found[0]) == [*ANSWER, "id", "note"]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_column_that_comes_when_the_header_is_written_is_an_error(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(writing, "_ROW_GROUP", 2)
    rows = [ANSWER, ANSWER, ANSWER, {**ANSWER, "note": "late"}]
    with pytest.raises(DataError, match=r"out.*: row 4 has the column 'note', which .* write .jsonl instead"):
        write_rows(rows, str(tmp_path / f"out{ending}"))


def test_a_column_of_several_types_cannot_be_parquet(tmp_path, monkeypatch):
    message = r"out\.parquet: a carried column has values of several types: .*; write \.jsonl instead"
    monkeypatch.setattr(writing, "_ROW_GROUP", 2)
    for values in ([1, 2.5, "three"], [1, True], [2**80], [1, None, b"x"]):
        with pytest.raises(DataError, match=message):
            write_rows([{**ANSWER, "id": value} for value in values], str(tmp_path / "out.parquet"))


def test_a_column_of_strings_stays_one(tmp_path):
    rows = [{**ANSWER, "id": "1"}, {**ANSWER, "id": None}, {**ANSWER, "id": 3}]
    write_rows(rows, str(tmp_path / "out.parquet"))
    assert [row["id"] for row in read(tmp_path / "out.parquet")] == ["1", None, "3"]


def test_a_column_that_is_empty_at_first_may_hold_text_later(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_ROW_GROUP", 2)
    rows = [{**ANSWER, "note": None}] * 3 + [{**ANSWER, "note": "late"}]
    write_rows(rows, str(tmp_path / "out.parquet"))
    assert [row["note"] for row in read(tmp_path / "out.parquet")] == [None, None, None, "late"]


@pytest.mark.parametrize("name", ["out.txt", "out", "out.json", "out.parquet.gz", "out.gz", "--"])
def test_an_extension_that_is_none(tmp_path, name):
    path = str(tmp_path / name)
    with pytest.raises(
        DataError,
        match=r"expected an output that ends in \.jsonl, \.csv, \.tsv, \.parquet, all but .*, got '.*" + name + "'",
    ):
        write_rows([ANSWER], path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_cell_of_a_table_is_a_blank_one(tmp_path):
    import pandas

    rows = [{**ANSWER, "id": value} for value in (1.5, math.nan, None, pandas.NA, pandas.NaT, "nan")]
    write_rows(rows, str(tmp_path / "out.csv"))
    assert [row["id"] for row in read(tmp_path / "out.csv")] == ["1.5", "", "", "", "", "nan"]
    write_rows(rows, str(tmp_path / "out.jsonl"))
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == [1.5, None, None, None, None, "nan"]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_place_that_cannot_be_written(tmp_path, ending):
    path = tmp_path / "nowhere" / f"out{ending}"
    with pytest.raises(DataError, match=rf"out{ending}: cannot write answers: No such file or directory"):
        write_rows([ANSWER], str(path))


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_a_fault_before_the_first_row_leaves_the_old_file(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    path.write_text("yesterday's answers", encoding="utf-8")

    def rows():
        raise DataError("no such column")
        yield

    with pytest.raises(DataError, match="no such column"):
        write_rows(rows(), str(path))
    assert path.read_text(encoding="utf-8") == "yesterday's answers"


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_rows_are_written_as_they_come(tmp_path, ending, monkeypatch):
    """What is held in memory does not grow with the number of rows."""
    monkeypatch.setattr(writing, "_ROW_GROUP", 10)
    alive = []

    class Counted(dict):
        def __init__(self, number):
            super().__init__(ANSWER, id=number)
            alive.append(number)

        def __del__(self):
            alive.remove(self["id"])

    most = 0

    def rows():
        nonlocal most
        for number in range(200):
            most = max(most, len(alive))
            yield Counted(number)

    assert write_rows(rows(), str(tmp_path / f"out{ending}")) == 200
    assert most <= 25
    assert len(read(tmp_path / f"out{ending}")) == 200


CELLS = st.one_of(
    st.lists(st.text(st.characters(codec="utf-8"))),
    st.lists(st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.floats()),
    st.lists(st.booleans() | st.none()),
    st.lists(st.none() | st.text(st.characters(codec="utf-8"))),
)


@settings(deadline=None)  # the first array imports pandas
@given(CELLS)
def test_cells_become_the_array_that_pyarrow_makes_of_them(values):
    found, expected = arrow_cells(values), pa.array(values)
    assert found.type == expected.type
    assert str(found) == str(expected)
    assert found.null_count == expected.null_count
