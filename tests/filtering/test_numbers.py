"""Filters by a model of numbers."""

import json

import numpy as np
import pytest
from commands import invoke

import textcnn


@pytest.mark.parametrize("rule", [("--min-score", "2.5"), ("--keep-share", "0.25")], ids=["least", "share"])
def test_a_model_of_numbers_keeps_documents_by_their_score(tmp_path, rule):
    rows = [("a good film", 4.0), ("a bad film", -1.0), ("good", 5.0), ("really bad", -2.0)] * 16
    settings = {"embedding_dim": 8, "num_filters": 4, "epochs": 6, "threads": 1, "regression": True}
    predictor = textcnn.train({"text": [row[0] for row in rows], "score": [row[1] for row in rows]}, **settings)
    predictor.save(tmp_path / "model")
    documents = [f"a {word} film {n}" for n in range(50) for word in ("good", "bad", "really good", "really bad")]
    lines = [json.dumps({"text": text}) for text in documents]
    (tmp_path / "in.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    invoke("filter", tmp_path / "model", tmp_path / "in.jsonl", "--output", tmp_path / "out", "--keep", "score", *rule)
    scores, found = (
        np.array(predictor.predict(documents)),
        json.loads((tmp_path / "out/filter.json").read_text("utf-8")),
    )
    least = 2.5 if rule[0] == "--min-score" else np.sort(scores)[-50]
    assert found["threshold"] == least
    kept = [line for line, score in zip(lines, scores, strict=True) if score >= least]
    assert (tmp_path / "out/in.jsonl").read_text("utf-8").splitlines() == kept[: found["kept"]]
    assert 0 < found["kept"] <= len(kept)
    assert (found["bins"][0], found["bins"][-1], sum(found["histogram"])) == (-2.0, 5.0, 200)
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert f"Kept: documents whose &#x27;score&#x27; is at least {least:.6g}" in page
