"""How label cells are written: each spelling gives the labels that its author meant, and guesses are reported."""

import json

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_files import csv_bytes, parquet_bytes

from textcnn.config import DataConfig
from textcnn.datasets.checking import check
from textcnn.errors import DataError
from textcnn.reading.cells import canonical, parse_list
from textcnn.reading.rows import read_examples
from textcnn.reading.schema import LabelForm, Schema, is_reading

THREE = DataConfig(label_column=("a", "b", "c"))


def of(cells, options=None, **how):
    return read_examples([(f"text {n}", cell) for n, cell in enumerate(cells)], options or DataConfig(), **how)


# ------------------------------------------------------------------------------------------------------- yes and no


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        *(("1", "0"), ("1.0", "0.0"), ("true", "false"), ("TRUE", "FALSE"), ("yes", "no"), ("Yes", "No")),
        *(("y", "n"), ("Y", "N"), ("t", "f"), ("x", ""), ("X", ""), ("1", ""), ("yes", "")),
    ],
)
def test_indicator_columns_in_every_spelling(tmp_path, yes, no):
    path = tmp_path / "a.csv"
    path.write_bytes(csv_bytes([["text", "a", "b", "c"], ["k", yes, no, yes], ["l", no, no, no], ["m", no, yes, yes]]))
    examples = read_examples(path, THREE)
    assert (examples.labels, examples.multi_label)[1]
    assert examples.labels == [("a", "c"), (), ("b", "c")]
    assert check(path, THREE).labels == {"c": 2, "a": 1, "b": 1}


@pytest.mark.parametrize("cells", [[1, 0], [1.0, 0.0], [True, False], [np.True_, np.False_], [np.int8(1), np.int8(0)]])
def test_indicator_columns_of_numbers_and_booleans(tmp_path, cells):
    columns = {"text": ["k", "l"], "a": cells, "b": cells[::-1], "c": [cells[1]] * 2}
    (tmp_path / "a.parquet").write_bytes(parquet_bytes(columns))
    for data in (columns, pd.DataFrame(columns), tmp_path / "a.parquet"):
        assert read_examples(data, THREE).labels == [("a",), ("b",)]


@pytest.mark.parametrize("odd", ["-1", "2", "maybe", "0.7", "NA"])
def test_a_cell_that_is_neither_yes_nor_no_is_an_error_with_its_line(tmp_path, odd):
    rows = [["text", "a", "b", "c"], *([f"t{n}", "1", "0", "0"] for n in range(8)), ["last", "0", odd, "1"]]
    (tmp_path / "a.csv").write_bytes(csv_bytes(rows))
    for read in (read_examples, check):
        with pytest.raises(DataError, match=rf"a\.csv:10: expected a yes or a no for the label 'b' .* found '{odd}'"):
            read(tmp_path / "a.csv", THREE)


def test_each_indicator_column_may_have_its_own_spelling(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,u,v,w\nk,y,x,1\nl,n,,0\nm,y,,TRUE\n")
    assert read_examples(path, DataConfig(label_column=("u", "v", "w"))).labels == [("u", "v", "w"), (), ("u", "w")]


def test_indicator_columns_that_all_say_yes_to_one_label_are_single_label(tmp_path):
    path = tmp_path / "a.csv"
    for names, options in (("p_POS,p_NEG", DataConfig()), ("POS,NEG", DataConfig(label_column=("POS", "NEG")))):
        path.write_text(f"text,{names}\nk,1.0,0.0\nl,0.0,1.0\n")
        columns = "+".join(map(repr, names.split(",")))
        told = f"every row of {columns} holds one label: read as single-label; --multi-label if a text may have"
        examples = read_examples(path, options)
        assert (examples.labels, examples.multi_label) == ([("POS",), ("NEG",)], False)
        assert any(notice.startswith(told) for notice in examples.notices)
        assert (check(path, options).multi_label, examples.form.indicators) == (False, True)
        assert read_examples(path, options, multi_label=True).multi_label
        again = read_examples(path, options, like=examples.schema)
        assert (again.labels, again.multi_label, again.notices) == (examples.labels, False, ())
        path.write_text(f"text,{names}\nk,1.0,0.0\nl,1,1.0\n")
        assert read_examples(path, options).multi_label
        with pytest.raises(
            DataError, match=r"a\.csv:3: expected one label because multi_label is false, found \['POS'"
        ):
            read_examples(path, options, multi_label=False)


def test_columns_of_names_that_are_single_letters_stay_names():
    data = {"text": ["k", "l"], "a": ["x", "t"], "b": ["y", "x"]}
    assert read_examples(data, DataConfig(label_column=("a", "b"))).labels == [("x", "y"), ("t", "x")]


# ------------------------------------------------------------------------------------------------ lists in a cell


@pytest.mark.parametrize(
    "write",
    [
        repr,
        json.dumps,
        lambda names: "{" + ",".join(names) + "}",
        lambda names: "{" + ",".join(f'"{name}"' for name in names) + "}",
        lambda names: str(np.array(names)),
        lambda names: str(tuple(names)),
        lambda names: "[" + ", ".join(names) + "]",
        ", ".join,
        ",".join,
        "; ".join,
        ";".join,
        " | ".join,
    ],
)
def test_lists_in_a_cell(tmp_path, write):
    rows = [["sport"], ["sport", "news"], ["news"], ["tech", "sport"], ["sport", "news"], ["tech", "news"]]
    (tmp_path / "a.csv").write_bytes(
        csv_bytes([["text", "labels"], *([str(n), write(row)] for n, row in enumerate(rows))])
    )
    examples = read_examples(tmp_path / "a.csv")
    assert (examples.labels, examples.multi_label) == ([tuple(row) for row in rows], True)
    report = check(tmp_path / "a.csv")
    assert (report.multi_label, set(report.labels)) == (True, {"sport", "news", "tech"})
    assert "|" in write(["a", "b"]) or examples.notices


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("[]", []),
        ("{}", {}),
        ("['it''s', \"a, b\"]", ["it's", "a, b"]),
        ('{"a b",NULL,c}', ["a b", None, "c"]),
        ("{don't,can't}", ["don't", "can't"]),
        ("['a' 'b'\n 'c']", ["a", "b", "c"]),
        ("[np.str_('a'), np.str_('b')]", ["a", "b"]),
        ("{np.str_(\"it's\"), 'b'}", ["it's", "b"]),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        ("array([1., 0.], dtype=float32)", ["1.", "0."]),
        ("tensor([1, 0], device='cuda:0')", [1, 0]),
        ("[np.float64(1.0), np.float64(nan)]", ["1.0", None]),
        ("[np.True_, np.False_]", [True, False]),
        ("frozenset({'a'})", ["a"]),
        ("set()", []),
        ("{'a': np.float64(1.0)}", {"a": 1.0}),
        ("(0, 1.0, 1)", ["0", "1.0", "1"]),
        ("(1)", None),
        ("array of x", None),
        ("[0. 1. 1.]", ["0.", "1.", "1."]),
        ("{'a': 1.0, 'b': False}", {"a": 1.0, "b": False}),
        ("(none)", None),
        ("a, b", None),
        ("['a", None),
        ("[1, 2", None),
        ("", None),
    ],
)
def test_parsed_lists(text, parsed):
    assert parse_list(text) == parsed


@pytest.mark.slow
@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="'\"\\"), min_size=1)))
def test_lists_of_python_and_json_come_back(names):
    assert parse_list(repr(names)) == names
    assert parse_list(json.dumps(names)) == names


@given(st.text("[]{}()'\",: ab\\0.", max_size=40))
def test_no_text_is_too_odd_to_parse(text):
    parse_list(text)


def test_lists_of_one_bare_word_are_read_as_those_of_training():
    trained = of(["{sport}", "{sport,news}", "{news}"])
    assert trained.form.as_text
    assert of(["{sport}", "{news}"], like=trained.schema).labels == [("sport",), ("news",)]


def test_names_in_brackets_are_names():
    assert of(["[INST]", "[/x]", "{name}", "(none)"]).labels == [("[INST]",), ("[/x]",), ("{name}",), ("(none)",)]


def test_a_few_cells_with_a_separator_are_told():
    few = of(["a"] * 40 + ["b"] * 40 + ["Home, Garden"] * 5)
    assert not few.multi_label
    assert few.notices == ("5 of 85 cells of 'label' hold ',': read as part of the name; --label-separator ',' if it "
                           "stands between labels",)  # fmt: skip
    lists = of(["a"] * 40 + ["['a', 'b']"] * 5)
    assert not lists.multi_label
    assert "5 of 45 cells of 'label' look like lists" in lists.notices[0]
    assert not of(["Home, Garden", "Home, Kitchen", "Sports, Outdoors", "Office, Paper"] * 5).multi_label
    assert not of(["1,5", "2,5", "1,5", "2,0"] * 5).multi_label


def test_one_pipe_in_a_hundred_is_a_part_of_a_name():
    examples = of(["a"] * 50 + ["b"] * 49 + ["Health | Fitness"])
    assert not examples.multi_label
    assert ("Health | Fitness",) in examples.labels
    assert "1 of 100 cells of 'label' hold '|'" in examples.notices[0]
    assert "--multi-label" in examples.notices[0]
    assert of(["a"] * 50 + ["b"] * 49 + ["a|b"], multi_label=True).labels[-1] == ("a", "b")
    several = of(["a"] * 50 + ["b"] * 45 + ["a|b"] * 5)
    assert several.multi_label
    assert "--single-label" in several.notices[0]


@pytest.mark.parametrize("cells", [[["a"], ["b"], ["a"]], ["['a']", "['b']", "['a']"], [(), ["a"], ["b"]]])
def test_lists_of_one_label(cells):
    examples = of(cells)
    has_none = () in cells
    assert examples.multi_label == has_none
    assert any("holds one label: read as single-label; --multi-label" in told for told in examples.notices) != has_none


# --------------------------------------------------------------------------------------------- numbers and booleans


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *(("1.0", "1"), ("1", "1"), ("-1.0", "-1"), ("+1", "1"), ("2.50", "2.5"), ("1e3", "1000"), ("True", "true")),
        *(
            ("FALSE", "false"),
            ("007", "007"),
            ("1.2.3", "1.2.3"),
            ("tRue", "tRue"),
            ("1e999", "1e999"),
            ("\u0661", "\u0661"),
        ),
    ],
)
def test_one_spelling(text, label):
    assert canonical(text) == label


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans()))
def test_a_value_has_one_label_in_memory_and_as_text(value):
    assert of([value]).labels == of([str(value)]).labels
    assert canonical(canonical(str(value))) == canonical(str(value))


def test_numbers_of_one_value_are_one_label_in_every_format(tmp_path):
    frame = pd.DataFrame({"text": ["k", "l", "m"], "label": [1.0, 0.0, 1.0]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for source in (frame, *tmp_path.iterdir()):
        assert read_examples(source).labels == [("1",), ("0",), ("1",)]
    told = read_examples(tmp_path / "a.csv").notices
    assert told == ("numbers and booleans of one value are one label: '1.0' is read as '1', and 1 other likewise",)


def test_spellings_of_an_old_model_are_kept():
    old = Schema(names=("0.0", "1.0"))
    assert of(["1.0", "0", "2.0"], like=old).labels == [("1.0",), ("0.0",), ("2",)]
    assert of([1.0, 0], like=old).labels == [("1.0",), ("0.0",)]
    assert of(["1", "1.0", True], like=Schema(names=("1.0", "1", "True"))).labels == [("1",), ("1.0",), ("True",)]


def test_a_short_float_is_a_label_as_it_is_printed(tmp_path):
    values = np.array([0.1, 2.0, np.nan], np.float32)
    columns = {"text": ["k", "l", "m"], "label": values}
    (tmp_path / "a.parquet").write_bytes(parquet_bytes(columns))
    for source in (columns, pd.DataFrame(columns), pyarrow.table(columns), tmp_path / "a.parquet"):
        assert read_examples(source).labels == [("0.1",), ("2",)]
    assert of([np.float32(0.1), np.float16(0.1)]).labels == [("0.1",), ("0.1",)]


# ------------------------------------------------------------------------------------------------- ids as labels


def test_labels_that_are_nearly_all_different_are_an_error(tmp_path):
    rows = [[str(1000 + n), f"a text {n}", "ab"[n % 2]] for n in range(80)]
    path = tmp_path / "a.csv"
    path.write_bytes(csv_bytes([["id", "text", "kind"], *rows]))
    ids = DataConfig(label_column=("id",))
    with pytest.raises(
        DataError,
        match=r"found 80 different ones in 80 rows of column 'id'.*'kind' has 2 different.*--allow-rare-labels",
    ):
        read_examples(path, ids)
    assert len(read_examples(path, DataConfig(label_column=("id",), allow_rare_labels=True))) == 80
    assert any("80 different ones" in told for told in check(path, ids).notices)
    with pytest.raises(
        DataError, match=r"the text column 'text' has 2 different cells: are text and label exchanged\?"
    ):
        read_examples([(row[2], row[1]) for row in rows])
    assert len(read_examples([(row[1], row[0]) for row in rows], like=Schema()).labels) == 80
    assert len(read_examples([(f"t{n}", str(n)) for n in range(10)])) == 10


# -------------------------------------------------------------------------------------------------------- columns


def test_columns_of_training_are_read_again(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(csv_bytes([["title", "body", "label", "kind"], ["Review", "it is so good", "a", "b"]]))
    trained = Schema(("body",), ("kind",), LabelForm(False))
    found = read_examples(path, like=trained)
    assert (found.texts, found.labels, found.notices) == (["it is so good"], [("b",)], ())
    other = read_examples(path, DataConfig(text_column=("title",)), like=trained)
    assert other.texts == ["Review"]
    assert other.notices == ("the text is read from 'title', the model was trained on 'body'",)
    absent = read_examples(path, like=Schema(("story",), ("kind",), LabelForm(False)))
    assert "trained on 'story', as there is no column 'story'" in absent.notices[0]
    assert read_examples([("k", "a")], like=Schema(("body",), ("label",), LabelForm(False))).texts == ["k"]


def test_other_columns_that_look_like_text_are_told(tmp_path):
    path = tmp_path / "a.csv"
    rows = [[f"title {n}", "the film was good", str(n), "2020-01-01 10:00", "ab"[n % 2]] for n in range(30)]
    path.write_bytes(csv_bytes([["title", "story", "number", "date", "label"], *rows]))
    told = "'story' looks like text too; --text-column reads it, and given again joins several"
    assert read_examples(path).notices == (told,)
    assert told in check(path).notices
    assert read_examples(path, DataConfig(text_column=("title",))).notices == ()
    assert read_examples(path).source == (
        f"reading {path} as csv: text='title', label='label' (delimiter ',', encoding utf-8)"
    )


def test_what_config_json_may_say_of_the_reading():
    saved = Schema(("body",), ("kind",), LabelForm(True, ",", vector=3)).to_json()
    assert is_reading(None)
    assert is_reading(json.loads(json.dumps(saved)))
    for damaged in (
        [],
        {},
        {**saved, "text_columns": "body"},
        {**saved, "labels": {}},
        {**saved, "label_columns": [1]},
    ):
        assert not is_reading(damaged)
    assert not is_reading({**saved, "labels": {**saved["labels"], "separator": 1}})
