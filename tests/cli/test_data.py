import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from textcnn.datasets.catalogue import cards
from textcnn.errors import DataError
from textcnn.image.reading import read_images
from textcnn_cli.main import app

runner = CliRunner()


def call(*arguments, **more):
    return runner.invoke(app, ["data", *map(str, arguments)], catch_exceptions=False, **more)


def test_list_shows_each_card():
    done = call("list", env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert all(known.name in done.stdout for known in cards())
    found = json.loads(call("list", "--json").stdout)
    assert [each["name"] for each in found] == [known.name for known in cards()]
    assert found[0]["source"][0]["kind"] == "hub"


def test_get_prints_the_folder_on_stdout_and_the_licence_on_stderr(tmp_path):
    done = call("get", "digits", "-o", tmp_path)
    assert done.stdout == f"{tmp_path / 'digits'}\n"
    assert done.stderr.startswith("licence: BSD-3-Clause (scikit-learn). Shipped with scikit-learn")
    assert len(read_images(tmp_path / "digits", split="test")) == 359
    assert runner.invoke(app, ["-q", "data", "get", "digits", "-o", str(tmp_path)]).stderr == ""


def test_get_of_an_unknown_name(tmp_path):
    with pytest.raises(DataError, match="found 'nothing'"):
        call("get", "nothing", "-o", tmp_path)
    assert call("get", "digits", "--seed", "-1").exit_code == 2


def test_check_reports_in_words_and_in_json(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text("body\tkind\nsome text\tA\nSome  text\ta\n?\ta\n", "latin-1")
    options = ("--text-column", "body", "--label-column", "kind", "--format", "tsv", "--encoding", "latin-1")
    done = call("check", path, *options, env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for expected in ("3 rows, 2 labels, single-label", "66.7%", "texts occur with different labels", "'A' and 'a'"):
        assert expected in done.stdout
    report = json.loads(call("check", path, *options, "--json").stdout)
    assert (report["rows"], report["duplicates"], report["conflicts"], report["near_empty"]) == (3, 1, 1, 1)
    assert report["labels"] == {"a": 2, "A": 1}


def test_check_reads_standard_input(monkeypatch):
    done = call("check", "-", "--format", "csv", "--json", input="text,label\none two,a\nthree four,b\n")
    assert json.loads(done.stdout)["labels"] == {"a": 1, "b": 1}


def test_many_labels_are_cut_and_it_says_so(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"some text {i},label {i:02}\n" for i in range(50)), "utf-8")
    done = call("check", path, env={"COLUMNS": "200"})
    assert "50 labels, single-label; the 40 most frequent" in done.stdout
    assert "label 39" in done.stdout
    assert "label 40" not in done.stdout


def test_labels_that_look_like_markup_are_labels(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\none text,[/INST]\nanother text,[bold]x\n", "utf-8")
    done = call("check", path)
    assert "│[/INST] " in done.stdout
    assert "│[bold]x " in done.stdout


def test_help_and_list_import_nothing_heavy():
    code = (
        "import sys, textcnn_cli.data, textcnn.datasets.catalogue; textcnn.datasets.catalogue.cards();"
        "print([m for m in ('torch', 'datasets', 'sklearn', 'pyarrow', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
