"""scikit-learn's TF-IDF and linear SVM on files, in a process of its own: ``MODEL TEXTS ROWS``.

MODEL is a pickled pipeline, TEXTS a CSV file with a column ``text``; one JSON line a text is written.
"""

from __future__ import annotations

import csv
import json
import pickle
import sys
from itertools import islice
from pathlib import Path

TOGETHER = 512  # texts of a call of predict, as many as ours are answered at once


def classify(model: str, texts: str, rows: str) -> None:
    """Answer the texts of a file, chunk by chunk."""
    answerer = pickle.loads(Path(model).read_bytes())
    csv.field_size_limit(2**31 - 1)
    with open(texts, encoding="utf-8", newline="") as file, open(rows, "w", encoding="utf-8") as out:
        source = (row["text"] for row in csv.DictReader(file))
        while chunk := list(islice(source, TOGETHER)):
            for text, label in zip(chunk, answerer.predict(chunk).tolist(), strict=True):
                out.write(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    classify(*sys.argv[1:])
