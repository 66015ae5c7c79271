"""The study of wrong labels counts what a ranking finds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.audit import run_audit, to_markdown
from textcnn.config import DataConfig
from textcnn.errors import ConfigError
from textcnn.progress import Silent

ROWS = [(f"{'good' if k % 2 else 'bad'} film number {k}", "pos" if k % 2 else "neg") for k in range(60)]
SMALL = {"epochs": 4, "num_filters": 4, "embedding_dim": 8, "batch_size": 4}


def run(share, output=None, seeds=(1,)):
    more = {"share": share, "num_folds": 3, "seeds": seeds, "output": output}
    return run_audit(ROWS, Silent(), reading=DataConfig(), settings=SMALL, **more)


def test_flipped_labels_come_first(tmp_path):
    document = run(0.05, tmp_path / "audit.json")
    (found,) = document["runs"]
    assert found["flipped"] == 3
    by_share = {entry["share"]: entry for entry in found["found"]}
    assert by_share[0.05]["rows"] == 3
    assert by_share[0.2]["recall"] == 1.0
    assert by_share[0.05]["flips"] == 3 * by_share[0.05]["recall"]
    assert [entry["flips"] for entry in found["found"]] == sorted(entry["flips"] for entry in found["found"])
    assert "(3 in 12 rows)" in to_markdown(document)
    assert json.loads((tmp_path / "audit.json").read_text())["benchmark"] == "audit"


@pytest.mark.slow
def test_the_figure_is_the_mean_over_the_draws(tmp_path):
    document = run(0.05, seeds=(1, 2))
    assert [found["seed"] for found in document["runs"]] == [1, 2]
    for k, entry in enumerate(document["mean"]):
        assert entry["recall"] == pytest.approx(np.mean([found["found"][k]["recall"] for found in document["runs"]]))
    assert f"| mean | | | {document['mean'][0]['recall']:.1%} |" in to_markdown(document)
    assert "linear models rank all rows by 3 folds" in to_markdown(document)


def test_a_share_of_no_row_is_refused():
    with pytest.raises(ConfigError, match=r"got a share of 0.001 of 60 rows"):
        run(0.001)
