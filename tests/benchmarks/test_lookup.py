"""The benchmark of the look-up runtime runs, and its document says what it measured."""

import json

import pytest
from one_layer_models import make

from benchmarks import lookup


@pytest.fixture
def quick(monkeypatch):
    for name, value in {"CALLS": 3, "COPIES": 2, "PASSES": 1, "STARTS": 1}.items():
        monkeypatch.setattr(lookup, name, value)


@pytest.mark.slow
def test_document_and_tables(quick, tmp_path):
    folder = make().save(tmp_path / "model")
    data = tmp_path / "rows.csv"
    data.write_text("text,label\na good film,pos\nbad,neg\n,neg\nunseen words,pos\n", encoding="utf-8")
    document = lookup.lookup_benchmark(folder, str(data), threads=(1, 2), arguments=["benchmark", "lookup", "MODEL"])
    json.dumps(document, allow_nan=False)
    assert document["texts"] == 4
    assert document["agreement"]["largest_logit_difference_to_torch"] < 1e-5
    assert document["agreement"]["certified_with_another_label"] == 0
    assert [(row["kernels"], row["precision"]) for row in document["one_text"]] == [
        (kernels, precision) for kernels in ("numpy", "core") for precision in ("float32", "int8")
    ]
    assert all(row["kernels_us"] > 0 for row in document["one_text"])
    # In the core one text is one call, which is shorter than those of many texts one after the other.
    assert all(row["text_to_label_us"] > row["kernels_us"] for row in document["one_text"][:2])
    assert len(document["many_texts"]) == 5
    assert document["cold_start_seconds"] > 0
    table = lookup.to_markdown(document)
    assert "| int8 certified |" in table
    assert "| torch | 1 |" in table
