import json

import numpy as np
import pytest
from commands import invoke
from hypothesis import given
from hypothesis import strategies as st

from textcnn.config import DataConfig
from textcnn.datasets.checking import QUANTILES, check
from textcnn.errors import DataError


def save(tmp_path, content, name="data.csv"):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    return path


def test_a_report_counts_everything_that_may_be_wrong(tmp_path):
    path = save(
        tmp_path,
        'text,label\n"A good\nfilm",Pos\na  GOOD film,neg\na good film,Pos\n?!,neg\nno,neg\nplain words here,\n,pos\n',
    )
    report = check(path)
    assert report.name == str(path)
    assert (report.rows, report.multi_label) == (7, False)
    assert list(report.labels.items()) == [("neg", 3), ("Pos", 2), ("pos", 1)]
    assert (report.duplicates, report.conflicts, report.near_empty, report.missing_labels) == (2, 1, 3, 1)
    assert report.near_twins == (("Pos", "pos"),)
    assert report.words == {"min": 0, "25%": 1, "50%": 3, "75%": 3, "95%": 3, "max": 3}
    assert report.lines == {"duplicates": [4, 5], "near_empty": [6, 7, 9], "conflicts": [2]}
    assert report.notices == ("1 text is empty", "1 row has no label")
    assert json.loads(json.dumps(report.to_dict()))["near_twins"] == [["Pos", "pos"]]


def test_cells_with_a_separator_make_it_multi_label_and_their_order_is_no_conflict(tmp_path):
    report = check(save(tmp_path, "text,label\none text,a|b\nONE text,b|a\nanother one,b\n"))
    assert report.multi_label
    assert report.labels == {"b": 3, "a": 2}
    assert (report.duplicates, report.conflicts) == (1, 0)


@pytest.mark.parametrize("columns", [("a", "b"), ("b", "a")])
def test_indicator_columns(tmp_path, columns):
    path = save(tmp_path, "text,a,b\nsome text,0,1\nsome text,1,1\nno more,0,0\nunknown one,,\n")
    report = check(path, DataConfig(label_column=columns))
    assert report.labels == {"b": 2, "a": 1}
    assert (report.missing_labels, report.conflicts) == (1, 1)


def test_lists_of_labels_and_missing_values_in_memory():
    rows = [{"text": "one two", "labels": ["a", "b"]}, {"text": "three four", "labels": None}]
    assert check(rows).labels == {"a": 1, "b": 1}
    assert check([{"text": "x y z", "label": float("nan")}] * 3).missing_labels == 3
    assert check((["one two"], np.array([3]))).labels == {"3": 1}


def test_labels_that_are_many_numbers_propose_regression(tmp_path):
    rows = "".join(f"text {i % 7} of many,{i / 8}\n" * 2 for i in range(30))
    report = check(save(tmp_path, f"text,label\n{rows}"))
    assert (
        "the labels are 30 different numbers; if they measure something, --regression predicts them" in report.notices
    )
    grades = "".join(f"text {i} of many,{i % 5}\n" for i in range(60))
    assert not any("--regression" in notice for notice in check(save(tmp_path, f"text,label\n{grades}")).notices)


def test_texts_without_a_label_column(tmp_path):
    report = check(save(tmp_path, "first line\nsecond line\n", "plain.txt"))
    assert (report.labels, report.missing_labels, report.conflicts) == ({}, 2, 0)


def test_a_text_without_a_label_contradicts_none(tmp_path):
    report = check(save(tmp_path, "text,label\nthe same,a\nthe same,\n"))
    assert (report.duplicates, report.conflicts) == (1, 0)


def test_no_rows_is_an_error(tmp_path):
    with pytest.raises(DataError, match="expected rows to check, found none"):
        check(save(tmp_path, "text,label\n"))


def test_only_the_first_lines_of_a_finding_are_kept(tmp_path):
    report = check(save(tmp_path, "text,label\n" + "again and again,a\n" * 50))
    assert report.duplicates == 49
    assert report.lines["duplicates"] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我喜欢这部电影。", 8),
        ("この映画はとても良い。", 11),
        ("データ", 3),
        ("정말 좋은 영화!", 4),
        ("l’été", 1),
        ("don't!", 2),
    ],
)
def test_words_are_those_of_the_default_tokenizer_in_every_script(text, words):
    assert check([{"text": text, "label": "a"}]).words == dict.fromkeys(QUANTILES, words)


@given(st.lists(st.tuples(st.sampled_from(["one two", "Two  one", "two one", "."]), st.sampled_from("ab")), min_size=1))
def test_counts_agree_with_a_plain_count(rows):
    report = check([{"text": text, "label": label} for text, label in rows])
    plain = [" ".join(text.lower().split()) for text, _ in rows]
    labels = {text: {label for each, (_, label) in zip(plain, rows, strict=True) if each == text} for text in plain}
    assert report.rows == len(rows) == sum(report.labels.values())
    assert report.duplicates == len(rows) - len(set(plain))
    assert report.conflicts == sum(len(names) > 1 for names in labels.values())
    assert report.near_empty == plain.count(".")


@pytest.fixture
def stars(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("text,stars\n" + "".join(f"a fine room {n},{n % 5 + 1}\n" for n in range(40)) + "an empty one,\n")
    return path


def test_numbers_are_shown_by_their_quantiles(stars):
    report = check(stars, DataConfig(label_column=("stars",), regression=True))
    assert report.labels == {}
    assert report.numbers == {"stars": {"min": 1, "25%": 2, "50%": 3, "75%": 4, "95%": 5, "max": 5}}
    assert (report.rows, report.missing_labels) == (41, 1)
    assert not any("--regression" in notice for notice in report.notices)
    said = invoke("data", "check", stars, "--label-column", "stars", "--regression").stdout
    assert "41 rows, 1 targets of numbers" in said
    with pytest.raises(DataError, match="found 'fine'"):
        check(([*"ab"], ["1", "fine"]), DataConfig(regression=True))


def test_grades_are_counted_and_a_cell_of_none_of_them_is_an_error_with_its_line(stars):
    report = check(stars, DataConfig(label_column=("stars",), ordinal=("1", "2", "3", "4", "5", "6")))
    assert report.labels == {"1": 8, "2": 8, "3": 8, "4": 8, "5": 8}
    assert report.numbers == {}
    with pytest.raises(DataError, match=r"stars.csv:5: expected a grade of 1, 2, 3 in column 'stars', found '4'"):
        invoke("data", "check", stars, "--label-column", "stars", "--ordinal", "1,2,3")
