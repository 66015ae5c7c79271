"""The study of missing evidence asks for real texts and random ones of the same lengths."""

from __future__ import annotations

import re

from benchmarks.evidence import random_texts, run_evidence, to_markdown
from textcnn.api import train
from textcnn.explain.evidence import load_evidence

VERBS = {"pos": "likes", "neg": "hates"}
ROWS = [(f"the {who} {verb} films", label) for who in "abc" for label, verb in VERBS.items()]


def test_real_texts_have_evidence_and_random_letters_have_none(tmp_path):
    train(ROWS * 4, epochs=2, num_filters=8, embedding_dim=8, output=tmp_path / "m", evidence=True)
    document = run_evidence(tmp_path / "m", ROWS, seed=1)
    assert document["kinds"]["held out"]["flagged"] == 0
    assert document["kinds"]["letters"]["flagged"] == 1
    shown = to_markdown(document)
    assert "| the texts themselves | 6 | 0.00% |" in shown
    assert re.search(r"\| words of 2 to 9 random letters \| 6 \| 100.00% \|", shown)
    model, _ = load_evidence(tmp_path / "m")
    made = random_texts(model, [text for text, _ in ROWS], 1)
    assert all(len(text.split()) == 4 for texts in made.values() for text in texts)
