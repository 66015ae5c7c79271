"""`train --report` and `evaluate --report`: a page beside the figures, which stay as they are."""

import json

import pytest
from commands import invoke

from textcnn.errors import ConfigError

TINY = ["--epochs", "2", "--threads", "1", "--set", "embedding_dim=8", "--set", "num_filters=4"]


@pytest.fixture
def csv(tmp_path):
    rows = [f"{word} film {n},{label}" for n in range(10) for word, label in (("good", "pos"), ("bad", "neg"))]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--test", "rows.csv", "--dev-fraction", "0.2"], "measured on 20 rows of rows.csv"),
        (["--dev-fraction", "0.2"], "Training used these rows"),
        ([], "There were no test or dev rows"),
    ],
)
def test_a_page_about_training_and_one_about_evaluation(csv, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    found = invoke("train", csv, *options, *TINY, "-o", "model", "--report", "pages/trained", "--json")
    assert "report: pages/trained/report.html" in found.stderr
    assert json.loads(found.stdout)["num_labels"] == 2
    page = (tmp_path / "pages/trained/report.html").read_text(encoding="utf-8")
    assert said in page
    assert "Mean training loss" in page
    plain = invoke("evaluate", "model", csv, "--json").stdout
    assert invoke("evaluate", "model", csv, "--json", "--report", "pages/measured").stdout == plain
    page = (tmp_path / "pages/measured/report.html").read_text(encoding="utf-8")
    assert "measured on 20 rows of rows.csv" in page
    assert '<th class="number">training rows</th>' in page


def test_a_place_that_cannot_be_is_told_before_training(csv, tmp_path):
    with pytest.raises(ConfigError, match="--report expects a folder other than the model's own, got"):
        invoke("train", csv, *TINY, "-o", tmp_path / "model", "--report", tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(ConfigError, match=r"--report expects a folder that can be written, got '.*rows\.csv'"):
        invoke("evaluate", tmp_path / "model", csv, "--report", csv)
