"""fastText on files, in a process of its own; imports nothing of ours, so that another interpreter can run it.

``train LINES MODEL SETTINGS`` trains on lines with their labels in front and prints the seconds as JSON; SETTINGS is
JSON, the arguments of ``train_supervised``. ``classify MODEL TEXTS ROWS WORDS`` reads a CSV file with a column
``text``, cuts the words that the regular expression WORDS finds in lower case, and writes one JSON line a text; without
WORDS the file holds words that were cut before, a text a line.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice

import fasttext

PREFIX = "__label__"
TOGETHER = 512  # texts of a call of predict, as many as ours are answered at once


def train(lines: str, model: str, settings: str) -> None:
    """Train, timed from the file to the model; saving is not timed."""
    began = time.perf_counter()
    trained = fasttext.train_supervised(lines, verbose=0, **json.loads(settings))
    seconds = time.perf_counter() - began
    trained.save_model(model)
    print(json.dumps({"seconds": seconds}))


def classify(model: str, texts: str, rows: str, words: str | None = None) -> None:
    """Answer the texts of a file, chunk by chunk."""
    answerer, pattern = fasttext.load_model(model), words and re.compile(words)
    csv.field_size_limit(2**31 - 1)
    with open(texts, encoding="utf-8", newline="" if pattern else None) as file, open(rows, "w") as out:
        source: Iterator[str] = (row["text"] for row in _rows(file)) if pattern else (line[:-1] for line in file)
        while chunk := list(islice(source, TOGETHER)):
            cut = [" ".join(pattern.findall(text.lower())) for text in chunk] if pattern else chunk
            labels, probabilities = answerer.predict(cut)
            for text, label, probability in zip(chunk, labels, probabilities, strict=True):
                answer = {"text": text, "label": label[0].removeprefix(PREFIX), "probability": float(probability[0])}
                out.write(json.dumps(answer, ensure_ascii=False) + "\n")


def _rows(file: Iterator[str]) -> csv.DictReader[str]:
    return csv.DictReader(file)


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    tasks: dict[str, Callable[..., None]] = {"train": train, "classify": classify}
    tasks[task](*arguments)
