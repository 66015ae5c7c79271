"""The benchmark of a step runs, and its document says what it measured."""

import json

import pytest

from benchmarks import step


@pytest.mark.slow
def test_document_and_table(monkeypatch):
    monkeypatch.setattr(step, "DIM", 50)
    monkeypatch.setattr(step, "TYPES", 200)
    document = step.run_step([2, 5], turns=1)
    json.dumps(document, allow_nan=False)
    assert document["backend"] == "core"
    names = [(cell["batch_size"], cell["contestant"]) for cell in document["cells"]]
    assert names == [
        (size, name)
        for size in (2, 5)
        for name in (*("kim", "bilstm of the product", "plain conv1d, dense AdamW", "plain bilstm, dense AdamW"),)
    ]
    assert all(cell["median_ms"] > 0 for cell in document["cells"])
    assert [cell["ratio"] for cell in document["cells"][::4]] == [1, 1]
    assert "| 5 | " in step.to_markdown(document)
