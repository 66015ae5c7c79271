"""fastText on files, in a process of its own; imports nothing of ours, so that another interpreter can run it.

``train LINES MODEL SETTINGS`` trains on lines with their labels in front and prints the seconds as JSON; SETTINGS is
JSON, the arguments of ``train_supervised``. ``classify MODEL TEXTS ROWS`` reads a CSV file with a column ``text``, cuts
the words, and writes one JSON line a text; ``classify-lines`` reads words that were cut before, a text a line.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import islice

import fasttext

PREFIX = "__label__"
TOGETHER = 512  # texts of a call of predict, as many as ours are answered at once
WORDS = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


def train(lines: str, model: str, settings: str) -> None:
    """Train, timed from the file to the model; saving is not timed."""
    began = time.perf_counter()
    trained = fasttext.train_supervised(lines, verbose=0, **json.loads(settings))
    seconds = time.perf_counter() - began
    trained.save_model(model)
    print(json.dumps({"seconds": seconds}))


def classify(model: str, texts: str, rows: str, *, are_words: bool) -> None:
    """Answer the texts of a file, chunk by chunk."""
    answerer = fasttext.load_model(model)
    csv.field_size_limit(2**31 - 1)
    with open(texts, encoding="utf-8", newline=None if are_words else "") as file, open(rows, "w") as out:
        source: Iterator[str] = (line[:-1] for line in file) if are_words else (row["text"] for row in _rows(file))
        while chunk := list(islice(source, TOGETHER)):
            words = chunk if are_words else [" ".join(WORDS.findall(text.lower())) for text in chunk]
            labels, probabilities = answerer.predict(words)
            for text, label, probability in zip(chunk, labels, probabilities, strict=True):
                answer = {"text": text, "label": label[0].removeprefix(PREFIX), "probability": float(probability[0])}
                out.write(json.dumps(answer, ensure_ascii=False) + "\n")


def _rows(file: Iterator[str]) -> csv.DictReader[str]:
    return csv.DictReader(file)


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    if task == "train":
        train(*arguments)
    else:
        classify(*arguments, are_words=task == "classify-lines")
