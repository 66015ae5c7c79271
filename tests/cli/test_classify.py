"""`textcnn classify`: one row out for each row in, in every format, with its columns."""

import csv as csv_module
import json

import pytest
import torch
from commands import invoke
from pyarrow import parquet

import textcnn
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.folder import config_json

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 1, "threads": 1}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder, threads = tmp_path_factory.mktemp("models"), torch.get_num_threads()
    textcnn.train([("good", "pos"), ("bad", "neg")] * 8, output=folder / "single", max_length=4, **TINY)
    rows = [("good film", ["glad", "film"]), ("bad film", ["film"]), ("good", ["glad"]), ("bad", [])] * 4
    textcnn.train(rows, dev=rows, output=folder / "multi", **TINY)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def classify(models):
    def run(*args, model="single", input=None):
        return invoke("classify", models / model, *args, input=input)

    return run


def rows_of(found):
    return [json.loads(line) for line in found.stdout.splitlines()]


@pytest.fixture
def thousand(tmp_path):
    path = tmp_path / "in.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv_module.writer(file)
        writer.writerow(["id", "text", "label"])
        writer.writerows([n, "" if n % 7 == 0 else f'good, "film"\nnumber {n}', "?"] for n in range(1_000))
    return path


def test_config_json_is_read_and_checked_once(classify, monkeypatch, thousand, tmp_path):
    checked = []
    check = config_json._check_config
    monkeypatch.setattr(config_json, "_check_config", lambda *given: [checked.append(given[0]), check(*given)])
    classify("a good film")
    classify("--input", thousand, "--output", tmp_path / "out.jsonl", "--explain")
    assert len(checked) == 2


def test_texts_as_arguments(classify, models):
    found = classify("a good film", "", "漢字")
    assert [(row["text"], row["flags"]) for row in rows_of(found)] == [
        ("a good film", []),
        ("", ["empty"]),
        ("漢字", []),
    ]
    assert all(list(row) == ["text", "label", "probability", "flags"] for row in rows_of(found))
    predictor = textcnn.load(models / "single")
    assert [row["label"] for row in rows_of(found)] == predictor.predict(["a good film", "", "漢字"])
    assert "classified 3 rows, 1 without a token" in found.stderr


def test_lines_of_stdin(classify):
    found = classify("--input", "-", input=b"good\r\n\r\nbad\nno end")
    assert [row["text"] for row in rows_of(found)] == ["good", "", "bad", "no end"]
    assert rows_of(classify("--input", "-", input=b"")) == []


def test_a_format_for_stdin(classify):
    found = classify("-i", "-", "--format", "csv", input=b'id,text\n1,"a\nb"\n2,c\n')
    assert [(row["text"], row["id"]) for row in rows_of(found)] == [("a\nb", "1"), ("c", "2")]


def test_a_thousand_rows_are_a_thousand_rows(classify, thousand):
    found = classify("--input", thousand)
    rows = rows_of(found)
    assert [row["id"] for row in rows] == [str(n) for n in range(1_000)]
    assert all(row["input_label"] == "?" and row["label"] in ("pos", "neg") for row in rows)
    assert sum("empty" in row["flags"] for row in rows) == 143
    assert "classified 1,000 rows, 143 without a token, 857 cut after 4 tokens" in found.stderr
    assert "% of the words unknown" in found.stderr


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_thousand_rows_to_a_file(classify, thousand, tmp_path, ending):
    path = tmp_path / f"out{ending}"
    found = classify("--input", thousand, "--output", path, "--top-k", 2)
    assert found.stdout == ""
    if ending == ".parquet":
        rows = parquet.read_table(path).to_pylist()
    else:
        with path.open(encoding="utf-8", newline="") as file:
            if ending == ".jsonl":
                rows = [json.loads(line) for line in file]
            else:
                rows = list(csv_module.DictReader(file, delimiter="\t" if ending == ".tsv" else ","))
    assert [row["id"] for row in rows] == [str(n) for n in range(1_000)]
    assert [row["text"] for row in rows[:2]] == ["", 'good, "film"\nnumber 1']
    assert list(rows[0]) == ["text", "label", "probability", "top", "flags", "id", "input_label"]


def test_what_was_written_can_be_classified_again(classify, thousand, tmp_path):
    """The columns of the first answers are carried under other names."""
    classify("--input", thousand, "--output", tmp_path / "once.csv")
    classify("--input", tmp_path / "once.csv", "--output", tmp_path / "twice.jsonl")
    first = json.loads((tmp_path / "twice.jsonl").read_text(encoding="utf-8").splitlines()[1])
    assert first["input_label"] == first["label"]
    assert float(first["input_probability"]) == pytest.approx(first["probability"], abs=1e-6)
    assert first["input_input_label"] == "?"


def test_the_input_is_never_written_over(classify, thousand, tmp_path):
    before = thousand.read_bytes()
    (tmp_path / "link.csv").symlink_to(thousand)
    for output in (thousand, tmp_path / "link.csv", tmp_path / "." / "in.csv"):
        with pytest.raises(ConfigError, match=r"--output is the file that is read, '.*\.csv'; choose another"):
            classify("--input", thousand, "--output", output)
    assert thousand.read_bytes() == before


def test_columns_by_name_and_several(classify, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("title,body\nGood,film\n", encoding="utf-8")
    (row,) = rows_of(classify("--input", path, "--text-column", "body"))
    assert (row["text"], row["title"], row["body"]) == ("film", "Good", "film")
    (row,) = rows_of(classify("--input", path, "--text-column", "title", "--text-column", "body"))
    assert row["text"] == "Good\nfilm"
    with pytest.raises(DataError, match=r"expected a column 'x', found 'title', 'body' .* --text-column"):
        classify("--input", path, "--text-column", "x")


def test_an_encoding(classify, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("schön\n".encode("latin-1"))
    assert rows_of(classify("--input", path, "--encoding", "latin-1"))[0]["text"] == "schön"
    with pytest.raises(DataError, match=r"expected text in utf-8, found byte 0xf6 at byte offset 3; .* --encoding"):
        classify("--input", path)


def test_top_k(classify):
    (row,) = rows_of(classify("good", "--top-k", "5"))
    assert {entry["label"] for entry in row["top"]} == {"pos", "neg"}
    assert sum(entry["probability"] for entry in row["top"]) == pytest.approx(1, abs=1e-9)


def test_a_multi_label_model_lists_the_labels_given(classify):
    (row,) = rows_of(classify("good film", "--threshold", "0", model="multi"))
    assert list(row) == ["text", "label", "probability", "labels", "flags"]
    assert {entry["label"] for entry in row["labels"]} == {"film", "glad"}
    (row,) = rows_of(classify("good film", "--threshold", "1", model="multi"))
    assert row["labels"] == []


def test_faults_of_the_user(classify, tmp_path):
    with pytest.raises(ConfigError, match="classify expects texts or --input, and not both"):
        classify()
    with pytest.raises(ConfigError, match="classify expects texts or --input, and not both"):
        classify("a", "--input", "-")
    with pytest.raises(ConfigError, match=r"threshold must be in \[0, 1\] .* single_label_classification"):
        classify("a", "--threshold", "0.5")
    with pytest.raises(DataError, match=r"expected an output that ends in .*, got 'out.txt'"):
        classify("a", "--output", "out.txt")
    with pytest.raises(DataError, match=r"found no file or folder '.*nowhere.csv'"):
        classify("--input", tmp_path / "nowhere.csv")
    with pytest.raises(ArtifactError, match=r"expected a model folder at '.*nowhere', found none"):
        classify("a", model="nowhere")


def test_a_fault_leaves_the_file_that_is_there(classify, tmp_path):
    (tmp_path / "out.csv").write_text("yesterday", encoding="utf-8")
    with pytest.raises(ConfigError, match="threshold"):
        classify("a", "--threshold", "0.5", "--output", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "yesterday"


def test_notices_of_the_reader_are_told(classify, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'text\ngood\0film\n""\n')
    found = classify("--input", path)
    assert "note: 1 text is empty" in found.stderr
    assert "note: 1 NUL character was replaced by a blank" in found.stderr


@pytest.mark.slow
@pytest.mark.process
def test_faults_of_the_user_with_workers(classify, tmp_path):
    with pytest.raises(ConfigError, match=r"threshold must be in \[0, 1\] .* single_label_classification"):
        classify("a", "--threshold", "0.5", "--workers", "2", "--output", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(ArtifactError, match=r"expected a model folder at '.*nowhere', found none"):
        classify("a", "--workers", "2", model="nowhere")


@pytest.mark.slow
@pytest.mark.process
def test_workers_write_the_same_file(classify, thousand, tmp_path):
    for ending in (".csv", ".jsonl"):
        for workers in (1, 2):
            classify("--input", thousand, "--output", tmp_path / f"{workers}{ending}", "--workers", workers)
        assert (tmp_path / f"1{ending}").read_bytes() == (tmp_path / f"2{ending}").read_bytes()
