"""What people hand to `predict`, what they hear of their data, and predictors that travel."""

import copy
import json
import logging
import multiprocessing
import pickle
import shutil
import warnings

import numpy as np
import pandas
import pyarrow
import pytest
from api_runs import PAIRS, TINY

import textcnn
from textcnn.errors import DataError
from textcnn.reading.schema import Schema
from textcnn.runtime.given_texts import given_texts

ASKED = ["a good film", "bad", "the worst number"]
COLUMN = {"text": ASKED, "id": ["7", "8", "9"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("inputs") / "model"
    table = pandas.DataFrame(PAIRS, columns=["text", "label"])
    textcnn.train(table, output=place, **TINY)
    return place


@pytest.fixture(scope="module")
def model(folder):
    return textcnn.load(folder)


@pytest.fixture(scope="module")
def expected(model):
    return model.predict_proba(ASKED)


def datasets_of(columns):
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


def polars_of(columns):
    return pytest.importorskip("polars").DataFrame(columns)


COLUMNS = {
    "tuple": tuple,
    "series": pandas.Series,
    "series of another index": lambda texts: pandas.Series(texts, index=[5, 5, 1]),
    "categories": lambda texts: pandas.Series(texts, dtype="category"),
    "index": pandas.Index,
    "array": np.array,
    "array of objects": lambda texts: np.array(texts, object),
    "array of one column": lambda texts: np.array(texts, object)[:, None],
    "arrow": pyarrow.array,
    "arrow in chunks": lambda texts: pyarrow.chunked_array([texts[:1], texts[1:]]),
    "arrow dictionary": lambda texts: pyarrow.array(texts).dictionary_encode(),
    "arrow scalars": lambda texts: list(pyarrow.array(texts)),
    "generator": iter,
    "keys": lambda texts: dict.fromkeys(texts).keys(),
    "column of a data set": lambda texts: datasets_of({"text": texts})["text"],
    "polars": lambda texts: polars_of({"text": texts})["text"],
}
TABLES = {
    "frame": pandas.DataFrame,
    "frame of another order": lambda columns: pandas.DataFrame(columns).iloc[:, ::-1],
    "dictionary": dict,
    "dictionary of series": lambda columns: {name: pandas.Series(cells) for name, cells in columns.items()},
    "dictionaries": lambda columns: pandas.DataFrame(columns).to_dict("records"),
    "generator of dictionaries": lambda columns: iter(pandas.DataFrame(columns).to_dict("records")),
    "arrow table": pyarrow.table,
    "arrow batch": lambda columns: pyarrow.RecordBatch.from_pydict(columns),
    "arrow batches": lambda columns: pyarrow.table(columns).to_reader(),
    "data set": datasets_of,
    "records": lambda columns: pandas.DataFrame(columns).astype(object).to_records(index=False),
    "polars": polars_of,
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_every_library_are_answered(model, expected, kind):
    np.testing.assert_array_equal(model.predict_proba(COLUMNS[kind](ASKED)), expected)
    assert len(model.predict(COLUMNS[kind](ASKED))) == len(model.explain(COLUMNS[kind](ASKED), top=1)) == 3


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_answered_by_the_column_of_training(model, expected, kind):
    np.testing.assert_array_equal(model.predict_proba(TABLES[kind](COLUMN)), expected)
    assert len(model.predict(TABLES[kind](COLUMN))) == len(model.explain(TABLES[kind](COLUMN), top=1)) == 3


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_without_it_is_told_which_column_to_select(model, kind):
    row = {"dictionaries", "generator of dictionaries"}
    way = r"\[row\['words'\] for row in rows\]" if kind in row else r"rows\['words'\]"
    with pytest.raises(DataError, match=rf"expected the column 'text' that the model was trained on, found .*{way}"):
        model.predict(TABLES[kind]({"id": ["1", "2", "3"], "words": ASKED}))


def test_columns_that_are_not_known_are_guessed_as_the_command_line_does():
    assert given_texts({"words": ASKED, "label": [1, 2, 3]}, Schema()) == ASKED
    with pytest.raises(DataError, match=r"expected the column of a usual name, as 'text', found .*rows\['words'\]"):
        given_texts({"id": ["1", "2", "3"], "words": ASKED}, Schema())


def test_as_many_rows_as_columns_are_no_exception(model):
    assert len(model.predict(pandas.DataFrame({"text": ["a"] * 5}))) == 5
    assert model.predict({"text": []}) == model.predict(pandas.DataFrame({"text": []})) == model.predict([]) == []


def test_several_columns_of_training_are_joined(tmp_path):
    rows = {"title": [text for text, _ in PAIRS], "body": ["x"] * len(PAIRS), "label": [label for _, label in PAIRS]}
    model = textcnn.train(rows, text_column=("title", "body"), output=tmp_path / "model", **TINY)
    for one in (model, textcnn.load(tmp_path / "model")):
        found = one.predict_proba({"body": ["x", "y"], "title": ["good", "bad"]})
        np.testing.assert_array_equal(found, one.predict_proba(["good\nx", "bad\ny"]))
        with pytest.raises(DataError, match=r"expected the column 'title'\+'body' that the model was trained on"):
            one.predict({"title": ["good"]})


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA])
def test_a_missing_text_of_a_column_is_an_empty_one_and_told(model, missing):
    for rows in (np.array([*ASKED, missing], object), pandas.Series([*ASKED, missing], dtype=object)):
        with pytest.warns(textcnn.DataWarning, match="1 of 4 texts are missing and answered as empty ones"):
            found = model.predict_proba(rows)
        np.testing.assert_array_equal(found[3:], model.predict_proba([""]))
    with pytest.warns(textcnn.DataWarning, match="1 text is empty"):
        assert len(model.predict(pandas.DataFrame({"text": [*ASKED, missing]}, dtype=object))) == 4


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a film", r"got the single text 'a film'; write \[text\]"),
        (b"a film", r"got the single text b'a film'; write \[text\]"),
        ({"a", "b"}, "expected texts in an order, got a set"),
        (7, r"expected a list of texts, got 7 \(int\)"),
        ([["a"], ["b"]], r"expected texts, found \['a'\] \(list\) at position 0"),
        (["a", None], r"expected texts, found None \(NoneType\) at position 1"),
        (["a", 1], r"expected texts, found 1 \(int\) at position 1"),
        (np.array("a film"), r"expected one text a row, got an array of shape \(\); write \[text\] for a single one"),
        (np.array([["a", "b"]]), r"got an array of shape \(1, 2\); select one column"),
        ({"text": "a film"}, r"expected a list of cells for column 'text', found 'a film'"),
    ],
)
def test_what_is_no_list_of_texts(model, rows, problem):
    for ask in (model.predict, model.predict_proba, model.explain):
        with pytest.raises(DataError, match=problem):
            ask(rows)


# ----------------------------------------------------------------------------------------- what is reported of data


def test_what_is_odd_about_training_data_is_a_warning_a_record_and_kept(tmp_path, caplog):
    rows = [*PAIRS, (PAIRS[0][0], "Pos"), ("x", None)]
    with caplog.at_level(logging.INFO, "textcnn"), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        textcnn.train(rows, output=tmp_path / "model", **TINY)
    said = [str(one.message) for one in heard if issubclass(one.category, textcnn.DataWarning)]
    assert {one.filename for one in heard if one.category is textcnn.DataWarning} == {__file__}
    assert "1 row without a label was dropped" in said
    assert "the labels 'Pos' and 'pos' differ only by case or blanks" in said
    assert "1 text occurs with different labels in the training data" in said
    records = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("read 25 rows") for line in records)
    assert any(line.startswith("epoch 2: loss") for line in records)
    kept = json.loads((tmp_path / "model" / "training.json").read_text())["said"]
    assert {f"{kind}: {line}" for line in said for kind in ("note", "warning")} & set(kept)
    assert [line for line in kept if line.partition(": ")[2] in said]
    assert any(line.startswith("read 25 rows") for line in kept)
    assert not any("s of training" in line for line in kept)  # which differs from run to run


# ---------------------------------------------------------------------------------------- predictors that travel


def in_another_process(predictor, rows, pipe):
    pipe.send((predictor.predict_proba(rows), predictor.explain(rows, top=2)))


@pytest.mark.parametrize("how", ["look-up", "torch", "int8", "trained"])
def test_a_predictor_can_be_pickled_and_copied(folder, how):
    model = {
        "look-up": lambda: textcnn.load(folder),
        "torch": lambda: textcnn.load(folder, runtime="torch"),
        "int8": lambda: textcnn.load(folder, precision="int8"),
        "trained": lambda: textcnn.train(PAIRS, **TINY),
    }[how]()
    for again in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict_proba(ASKED), model.predict_proba(ASKED))
        assert (again.runtime, again.classes_, again.schema) == (model.runtime, model.classes_, model.schema)
    again = pickle.loads(pickle.dumps(model))  # of one that has answered
    assert again.predict(ASKED) == model.predict(ASKED)


@pytest.mark.slow
def test_a_predictor_goes_to_a_spawned_process_without_its_folder(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    model = textcnn.load(tmp_path / "model")
    shutil.rmtree(tmp_path / "model")
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=in_another_process, args=(model, COLUMN, there))
    process.start()
    assert here.poll(120)
    found, reasons = here.recv()
    process.join(60)
    np.testing.assert_array_equal(found, model.predict_proba(ASKED))
    assert reasons == model.explain(ASKED, top=2)
