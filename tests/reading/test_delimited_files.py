"""Tables as people have them: quotes, `sep=` lines, headers, marks and encodings."""

import csv

import pytest
from labelled_files import CSV, ROWS, TABLE, TEXTS, read, written
from table_files import csv_bytes

from textcnn.config import DataConfig
from textcnn.errors import ConfigError, DataError
from textcnn.reading.rows import open_rows, read_examples

# ------------------------------------------------------------------------------------------------------- escapes


def test_escaped_quotes(tmp_path):
    path = written(
        tmp_path / "a.csv", 'text,label\n"he said \\"no, thanks\\" in C:\\new",pos\n"at C:\\\\",neg\nb\\c,pos\n'
    )
    expected = [('he said "no, thanks" in C:\\new', "pos"), ("at C:\\", "neg"), ("b\\c", "pos")]
    for escape in ("backslash", "\\"):
        assert read(path, escape=escape)[0] == expected
    with pytest.raises(DataError, match=r"a.csv:2: expected quotes that pair up.* say --escape backslash"):
        read(path)
    path = written(tmp_path / "a.tsv", 'text\tlabel\n"he said \\"no\\""\tpos\nb\\c\tneg\n')
    assert read(path, escape="backslash")[0] == [('he said "no"', "pos"), ("b\\c", "neg")]


# -------------------------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("first", "delimiter"),
    [
        ("sep=;", ";"),
        ("sep=,", ","),
        ("sep=\t", "\t"),
        (r"sep=\t", "\t"),
        ('"sep=;"', ";"),
        ("SEP=|", "|"),
        ("sep=^", "^"),
        ("sep=;;;", ";"),
        ("sep=", ","),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_the_line_by_which_excel_tells_the_delimiter(tmp_path, name, first, delimiter, mark):
    content = mark + first + "\r\n" + csv_bytes(TABLE, delimiter=delimiter).decode()
    path = written(tmp_path / name, content)
    rows = open_rows(path, labels="required")
    assert [(row.text, row.line) for row in rows] == [(text, line) for line, text in enumerate(TEXTS, start=3)]
    assert rows.warnings() == ["the first line, sep=, gives the delimiter and was skipped"]
    assert read(path, text_column=("1",), label_column=("2",))[0] == ROWS
    assert read(written(path, content.encode("utf-16")))[0] == ROWS


def test_columns_without_a_name(tmp_path):
    path = written(tmp_path / "a.csv", "v1,v2,,,\nham,see you,,,\nspam,call now,,,\n")
    rows = open_rows(path, DataConfig(label_column=("v1",)), labels="required")
    assert rows.columns == ("v1", "v2")
    assert [(row.text, row.labels) for row in rows] == [("see you", ("ham",)), ("call now", ("spam",))]
    assert rows.warnings() == []
    path = written(tmp_path / "b.csv", ",text,,label\n0,good,,pos\n1,bad,x,neg\n")
    assert open_rows(path).columns == ("column 1", "text", "column 3", "label")
    assert read(path)[0] == [("good", "pos"), ("bad", "neg")]


def test_a_column_that_has_cells_but_no_name_is_called_by_its_position(tmp_path):
    path = written(tmp_path / "a.csv", "text,\ngood,pos\nbad,neg\n")
    assert open_rows(path).columns == ("text", "column 2")
    assert read(path, label_column=("2",))[0] == [("good", "pos"), ("bad", "neg")]


def test_cells_far_down_below_no_name_are_counted(tmp_path):
    path = written(tmp_path / "a.csv", "text,label,,\n" + "good,pos,,\n" * 200 + "bad,neg,,rest\n")
    found, said, _ = read(path)
    assert (found[-1], said) == (("bad", "neg"), ["1 cell beyond the named columns was not read"])


def test_delimiters_at_the_end_of_rows(tmp_path):
    path = written(tmp_path / "a.csv", "text,label\ngood,pos,\nbad,neg,,\n")
    assert read(path)[:2] == ([("good", "pos"), ("bad", "neg")], [])
    path = written(tmp_path / "b.csv", "text,label,\ngood,pos\nbad,neg,\n")
    assert read(path)[:2] == ([("good", "pos"), ("bad", "neg")], [])


def test_row_numbers_without_a_name(tmp_path):
    path = written(tmp_path / "a.csv", '"text","label"\n"1","good","pos"\n"2","bad","neg"\n')
    found, said, _ = read(path)
    assert found == [("good", "pos"), ("bad", "neg")]
    assert said == ["rows have one cell more than the header: their first, a row number, is read as 'column 1'"]
    with pytest.raises(DataError, match=r"a.csv:3: expected 2 cells as in the header, found 3"):
        read(written(path, "text,label\na,b\n2,bad,neg\n"))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("b.csv", ";"), ("a.txt", ",")])
def test_a_header_in_the_middle(tmp_path, mark, name, delimiter):
    one = mark + csv_bytes(TABLE, delimiter=delimiter).decode()
    found, said, _ = read(written(tmp_path / name, one * 3))
    assert found == ROWS * 3
    marks = ["2 byte order marks amid the file were dropped; were files joined?"] if mark else []
    assert said == [*marks, "2 rows that repeat the header were skipped; were files joined?"]
    joined = one.rstrip() + one  # the first file did not end with a line end
    found, said, _ = read(written(tmp_path / name, joined))
    assert found == ROWS * 2
    assert "1 row that repeats the header was skipped; were files joined?" in said


def test_a_header_in_the_middle_that_is_another_one(tmp_path):
    path = written(tmp_path / "a.csv", "text,label\na,x\nlabel,text\ny,b\n")
    with pytest.raises(DataError, match=r"a.csv:3: expected rows under the header .* found another header"):
        read(path)


def test_a_text_that_is_the_name_of_its_column_is_a_text(tmp_path):
    path = written(tmp_path / "a.csv", "text,label\ntext,x\na,label\n")
    assert read(path)[:2] == ([("text", "x"), ("a", "label")], [])
    assert [row.text for row in open_rows(written(path, "text\ntext\n"))] == ["text"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_quoted_files_that_were_joined_without_a_line_end(tmp_path, delimiter, mark):
    one = mark + csv_bytes([*TABLE, ('say "hi"', 'so "so"')], delimiter=delimiter, quoting=csv.QUOTE_ALL).decode()
    found, said, _ = read(written(tmp_path / "a.csv", one.rstrip("\r\n") + one))
    assert found == [*ROWS, ('say "hi"', 'so "so"')] * 2
    marks = ["1 byte order mark amid the file was dropped; were files joined?"] if mark else []
    assert said == [*marks, "1 row that repeats the header was skipped; were files joined?"]


def test_a_quote_that_is_text_stays_before_a_joined_header(tmp_path):
    path = written(tmp_path / "a.csv", 'text,label\ngood,say "hi"text,label\nbad,neg\n')
    assert read(path)[0] == [("good", 'say "hi"'), ("bad", "neg")]


@pytest.mark.parametrize("end", ["\r\n", ""])
def test_joined_files_of_excel_and_of_r(tmp_path, end):
    one = "sep=;\r\ntext;label\r\ngood;pos\r\nbad;neg"
    found, said, _ = read(written(tmp_path / "a.csv", one + end + one + "\r\n"))
    assert found == [("good", "pos"), ("bad", "neg")] * 2
    assert said == [
        "1 row that repeats the header was skipped; were files joined?",
        "2 lines sep= were skipped, the first gives the delimiter; were files joined?",
    ]
    one = "text,label\n1,a,x\n2,b,y"
    found, said, _ = read(written(tmp_path / "b.csv", one + end + one + "\n"))
    assert found == [("a", "x"), ("b", "y")] * 2
    assert said[0] == "1 row that repeats the header was skipped; were files joined?"


def test_a_short_row_that_begins_as_the_header_does_is_no_header(tmp_path):
    path = written(tmp_path / "a.csv", "text,label\na,x\ntext\n")
    with pytest.raises(DataError, match=r"a\.csv:3: expected 2 cells as in the header, found 1"):
        read(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.ft"])
def test_a_mark_in_the_middle_of_lines(tmp_path, name):
    one = {"a.jsonl": '\ufeff{"text": "a"}\n', "a.txt": "\ufeffa\n", "a.ft": "\ufeff__label__x a\n"}[name]
    for content, marks in ((one * 2, "1 byte order mark"), (one * 2 + "\ufeff", "2 byte order marks")):
        rows = open_rows(written(tmp_path / name, content), labels="ignored")
        assert [row.text for row in rows] == ["a", "a"]
        was = "was" if marks.startswith("1") else "were"
        assert rows.warnings() == [f"{marks} amid the file {was} dropped; were files joined?"]


# ------------------------------------------------------------------------------------------------------ encodings


@pytest.mark.parametrize("far", [0, 20_000])
def test_the_hint_is_what_prints_the_bytes(tmp_path, far):
    path = written(tmp_path / "a.csv", b"text,label\ncaf\xe9" + b" a" * far + b" don\x92t,x\n")
    with pytest.raises(DataError, match=r"found byte 0xe9 at byte offset 14; .* --encoding cp1252"):
        read(path)
    assert read(path, encoding="cp1252")[0][0][0].endswith("don’t")
    assert read(path, encoding="latin-1")[1] == [
        "1 character is a control character, U+0080 to U+009F: in Windows text it is another; try --encoding cp1252"
    ]
    with pytest.raises(DataError, match="--encoding latin-1"):
        read(written(path, b"text,label\ncaf\xe9,x\n"))


@pytest.mark.parametrize(
    ("encoding", "content", "hint"),
    [
        ("cp1252", "“so”, she said", "cp1252, found byte 0x9d at byte offset .*; .*--encoding, e.g. --encoding utf-8$"),
        ("ascii", "naïve", "ascii, found byte 0xc3 .* --encoding, e.g. --encoding utf-8$"),
        ("cp1252", b"a \x81 b", "cp1252, found byte 0x81 .* with --encoding$"),
        ("utf-8", b"a \x81 b", "utf-8, found byte 0x81 .* with --encoding; it is not cp1252$"),
        (
            "utf-8",
            "这部电影很好看，很有趣".encode("gb18030"),
            "utf-8, found .* with --encoding; so many such bytes .* as gb18030, big5",
        ),
        ("utf-8", "très très très ".encode() + b"\xe9t\xe9", "utf-8, found byte 0xe9 .*; most of it is UTF-8: were"),
        (
            "utf-8",
            "очень хорошо, да".encode("cp1251"),
            "utf-8, found .* with --encoding; so many such bytes .* or cp1251$",
        ),
    ],
)
def test_no_encoding_is_proposed_that_cannot_read_the_file(tmp_path, encoding, content, hint):
    text = content.encode() if isinstance(content, str) else content
    path = written(tmp_path / "a.csv", b"text,label\n" + text + b" ,x\n" + text + b" ,x\n")
    with pytest.raises(DataError, match=f"expected text in {hint}"):
        read(path, encoding=encoding)


@pytest.mark.parametrize("name", ["a.txt", "a.ft"])
def test_the_encoding_is_that_of_the_mark(tmp_path, name):
    content = {"a.txt": "good\n", "a.ft": "__label__x good\n"}[name]
    rows = open_rows(written(tmp_path / name, content.encode("utf-16")), labels="ignored")
    assert "(encoding utf-16)" in rows.describe()


def test_unknown_options(tmp_path):
    path = written(tmp_path / "a.csv", CSV)
    for options in ({"quotes": "double"}, {"escape": "x"}):
        with pytest.raises(ConfigError, match=r"quotes must be auto or csv or text, and escape backslash or none, got"):
            open_rows(path, DataConfig(**options))


def test_examples_tell_what_was_guessed(tmp_path):
    path = written(tmp_path / "a.csv", "sep=;\ntext;label\na;x\ntext;label\nb;y\n")
    assert read_examples(path).notices == (
        "1 row that repeats the header was skipped; were files joined?",
        "the first line, sep=, gives the delimiter and was skipped",
    )
