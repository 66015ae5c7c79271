"""What reasons cost: `classify` from file to file without and with them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from textcnn.config import DataConfig
from textcnn.explain.explainer import Explainer
from textcnn.prediction.answers import Answerer, AnswerForm
from textcnn.prediction.predictor import Predictor
from textcnn.prediction.streaming import answer_stream
from textcnn.prediction.writing import write_lines
from textcnn.reading.rows import open_rows, read_examples

LISTED = 10  # n-grams and words of `classify --explain`


def speed_of_reasons(folder: Path, path: str) -> dict[str, Any]:
    """Words a second of `classify` from file to file, without and with its ten strongest reasons."""
    predictor = Predictor.load(folder)
    words = int(predictor.inputs.encode(read_examples(path).texts).lengths.sum())
    explainer = Explainer(predictor, top=LISTED)
    rates: dict[str, list[float]] = {"classify": [], "explain": []}
    with tempfile.TemporaryDirectory() as place:
        for _ in range(2):
            answerers: dict[str, Answerer] = {"classify": predictor, "explain": explainer}
            for name, answerer in answerers.items():
                began = time.perf_counter()
                rows = open_rows(path, DataConfig(), labels="ignored")
                form = AnswerForm(rows.text_columns)
                parts = answer_stream(rows, answerer, form, as_lines=True, ready=rows.ready)
                write_lines((part.lines for part in parts), f"{place}/{name}.jsonl")
                rates[name].append(words / (time.perf_counter() - began))
    best = {name: round(max(values)) for name, values in rates.items()}
    return {
        "words": words,
        "classify_words_per_second": best["classify"],
        "explain_words_per_second": best["explain"],
        "ratio": round(best["explain"] / best["classify"], 3),
    }
