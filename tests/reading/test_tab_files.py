"""Quotes between tabs: text, unless they pair up as those of CSV do; rows that go over several lines."""

import pytest
from labelled_files import read, written
from table_files import csv_bytes

from textcnn.errors import DataError
from textcnn.reading.rows import open_rows

TSV = 'text\tlabel\n"Great phone\tpos\nthe screen is 5"\tneg\n"paired"\tpos\n5" wide\tneg\n"so" they say\tpos\n'
AS_TEXT = [('"Great phone', "pos"), ('the screen is 5"', "neg")]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt", "a"])
def test_quotes_between_tabs_are_text_unless_they_pair_up(tmp_path, name):
    found, said, _ = read(written(tmp_path / name, TSV))
    assert found == [*AS_TEXT, ("paired", "pos"), ('5" wide', "neg"), ('"so" they say', "pos")]
    assert said == [
        "in 2 lines quotes do not pair up and were read as text; if cells go over several lines, say --quotes csv"
    ]


def test_quotes_can_be_said_to_be_text_or_csv(tmp_path):
    path = written(tmp_path / "a.tsv", TSV.replace('"so" they say', "so"))
    assert read(path, quotes="text")[0][:3] == [*AS_TEXT, ('"paired"', "pos")]
    assert read(path, quotes="csv")[0][0] == ("Great phone\tpos\nthe screen is 5", "neg")
    path = written(tmp_path / "a.csv", 'text,label\n"a,pos\nb" c,neg\n')
    assert read(path, quotes="text")[0] == [('"a', "pos"), ('b" c', "neg")]
    with pytest.raises(DataError, match=r"a.csv:2: expected quotes that pair up, found: .* say --quotes text"):
        read(path)


def test_a_quoted_cell_may_hold_line_ends_and_tabs_where_the_cells_say_so(tmp_path):
    rows = [("text", "label"), ("two\nlines", "pos"), ("a\ttab", "neg"), ('a "fine" one', "pos"), ("\n\n", "neg")]
    found, said, _ = read(written(tmp_path / "a.tsv", csv_bytes(rows, delimiter="\t")))
    assert found == rows[1:]
    assert said == ["1 text is empty"]


def test_a_quoted_cell_between_tabs_that_never_ends(tmp_path):
    path = written(tmp_path / "a.tsv", 'text\tlabel\nok\tx\n"open\nb\tx\n')
    with pytest.raises(DataError, match=r"a.tsv:3: expected quotes that pair up, or as many cells .* --quotes text"):
        read(path)


# --------------------------------------------------------------------------------------------- over several lines

OVER = "1 quoted last cell goes on in the next lines; where quotes are text, say --quotes text"
LITERAL = "in {} quotes do not pair up and were read as text; if cells go over several lines, say --quotes csv"


@pytest.mark.parametrize("name", ["a.tsv", "a.txt"])
def test_a_quoted_last_cell_may_go_over_lines_that_are_no_rows(tmp_path, name):
    rows = [("label", "text"), ("pos", "first line\nsecond line"), ("neg", 'a "b"\n\nc'), ("pos", "one")]
    found, said, _ = read(written(tmp_path / name, csv_bytes(rows, delimiter="\t")))
    assert found == [(text, label) for label, text in rows[1:]]
    assert said == [OVER.replace("1 quoted last cell goes", "2 quoted last cells go")]


def test_a_quote_that_begins_the_last_cell_is_text_where_the_next_lines_are_rows(tmp_path):
    content = 'label\ttext\npos\t"I love it.\nneg\tNot I," he said.\npos\tthe screen is 5"\nneg\t"\npos\tlast\n'
    found, said, _ = read(written(tmp_path / "a.tsv", content))
    assert [text for text, _ in found] == ['"I love it.', 'Not I," he said.', 'the screen is 5"', '"', "last"]
    assert said == [LITERAL.format("2 lines")]
    content = 'id\tlabel\ttext\n1\tpos\t"two\nlines\tand\ttabs"\n'  # each line may be a row
    rows = open_rows(written(tmp_path / "b.tsv", content))
    assert len(list(rows)) == 2
    assert rows.warnings() == [LITERAL.format("1 line")]
    assert read(tmp_path / "b.tsv", quotes="csv")[0] == [("two\nlines\tand\ttabs", "pos")]


def test_good_rows_are_not_swallowed_by_a_quote_in_a_row_with_too_few_cells(tmp_path):
    path = written(tmp_path / "a.tsv", 'text\tlabel\n"open\nok\tpos\nfine\tneg\nend"\tneg\n')
    with pytest.raises(DataError, match=r"a\.tsv:2: expected quotes that pair up, .* --quotes text; .* --quotes csv"):
        read(path)
    assert read(path, quotes="csv")[0] == [("open\nok\tpos\nfine\tneg\nend", "neg")]


def test_too_few_cells_between_tabs_name_the_way_out(tmp_path):
    path = written(tmp_path / "a.tsv", "text\tlabel\na\tpos\nno label\n")
    with pytest.raises(DataError, match=r"a\.tsv:3: expected 2 cells as in the header, found 1: .* say --quotes csv"):
        read(path)


def test_row_numbers_do_not_hide_rows_of_several_lines(tmp_path):
    content = '"text"\t"label"\n"1"\t"good"\t"pos"\n"2"\t"two\nlines"\t"neg"\n'  # as R writes them
    assert read(written(tmp_path / "a.tsv", content))[0] == [("good", "pos"), ("two\nlines", "neg")]


def test_the_width_is_that_of_the_header_below_a_line_sep(tmp_path):
    content = 'sep=\t\nid\ttext\tlabel\n1\t"two\nlines"\tpos\n2\tsay "hi\tneg\n'
    assert read(written(tmp_path / "a.csv", content))[0] == [("two\nlines", "pos"), ('say "hi', "neg")]
