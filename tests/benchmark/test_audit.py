"""The study of wrong labels counts what a ranking finds."""

from __future__ import annotations

import json

import pytest

from textcnn.benchmark.audit import run_audit, to_markdown
from textcnn.benchmark.document import write_document
from textcnn.config import DataConfig
from textcnn.errors import ConfigError
from textcnn.training.progress import Silent

ROWS = [(f"{'good' if k % 2 else 'bad'} film number {k}", "pos" if k % 2 else "neg") for k in range(60)]
SMALL = {"epochs": 4, "num_filters": 4, "embedding_dim": 8, "batch_size": 4}


def run(share, rows=ROWS):
    reading = DataConfig()
    return run_audit(rows, Silent(), reading=reading, share=share, num_folds=3, seeds=(1,), settings=SMALL)


def test_flipped_labels_come_first(tmp_path):
    document = run(0.05)
    (found,) = document["runs"]
    assert found["flipped"] == 3
    by_share = {entry["share"]: entry for entry in found["found"]}
    assert by_share[0.05]["rows"] == 3
    assert by_share[0.2]["recall"] == 1.0
    assert by_share[0.05]["flips"] == 3 * by_share[0.05]["recall"]
    assert [entry["flips"] for entry in found["found"]] == sorted(entry["flips"] for entry in found["found"])
    assert "(3 in 12 rows)" in to_markdown(document)
    write_document(document, tmp_path / "audit.json")
    assert json.loads((tmp_path / "audit.json").read_text())["benchmark"] == "audit"


def test_a_share_of_no_row_is_refused():
    with pytest.raises(ConfigError, match=r"got a share of 0.001 of 60 rows"):
        run(0.001)
