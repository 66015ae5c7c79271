"""fastText as one process, from a gzipped CSV file to its saved model; imports nothing of ours.

So another interpreter can run it, one that has fastText. ``train CSV LINES MODEL WORDS SETTINGS`` reads the columns
``text`` and ``label``, writes the words that the regular expression WORDS finds in lower case to LINES, in mixed order,
trains on them with SETTINGS (JSON, arguments of ``train_supervised``), saves the model, and prints ``words`` and
``seconds`` (of the training alone) as JSON. ``accuracy CSV MODEL WORDS`` prints the accuracy on other rows,
``accuracies CSV MODEL WORDS K`` also that of the first K labels.
``classify CSV MODEL WORDS ANSWERS`` writes text, label and probability of each row as JSON lines, and prints ``rows``.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO
from urllib.parse import quote, unquote

import fasttext

PREFIX = "__label__"
ROWS = 4096  # in memory at once


def train(data: str, lines: str, model: str, words: str, settings: str) -> dict[str, float]:
    """Train from the file to the saved model: how many words there were, and seconds of the training alone."""
    rows = list(labelled_words(data, re.compile(words)))
    random.Random(0).shuffle(rows)  # fastText takes rows as they come, and learns little from sorted labels
    with open(lines, "w", encoding="utf-8") as file:
        file.writelines(f"{label} {text}\n" for label, text in rows)
    began = time.perf_counter()
    trained = fasttext.train_supervised(lines, verbose=0, **json.loads(settings))
    seconds = time.perf_counter() - began
    trained.save_model(model)
    return {"words": sum(text.count(" ") + 1 for _, text in rows if text), "seconds": seconds}


def accuracy(data: str, model: str, words: str) -> dict[str, float]:
    """The share of the rows whose label is answered as it is."""
    labels, texts = zip(*labelled_words(data, re.compile(words)), strict=True)
    answers, _ = fasttext.load_model(model).predict(list(texts))
    right = sum(answer[0] == label for answer, label in zip(answers, labels, strict=True))
    return {"accuracy": right / len(texts)}


def accuracies(data: str, model: str, words: str, count: str) -> dict[str, float]:
    """The shares of the rows whose label is answered first, and among the first ``count``."""
    labels, texts = zip(*labelled_words(data, re.compile(words)), strict=True)
    answers, _ = fasttext.load_model(model).predict(list(texts), k=int(count))
    found = {1: [answer[0] == label for answer, label in zip(answers, labels, strict=True)]}
    found[int(count)] = [label in answer for answer, label in zip(answers, labels, strict=True)]
    return {f"accuracy_{number}": sum(hits) / len(texts) for number, hits in found.items()}


def classify(data: str, model: str, words: str, answers: str) -> dict[str, float]:
    """Answer all rows, some thousands at a time; how many there were."""
    pattern, loaded, count = re.compile(words), fasttext.load_model(model), 0
    with opened(data) as file, open(answers, "w", encoding="utf-8") as out:
        rows = csv.DictReader(file)
        while texts := [row["text"] for row in itertools.islice(rows, ROWS)]:
            labels, values = loaded.predict([" ".join(pattern.findall(text.lower())) for text in texts])
            for text, label, value in zip(texts, labels, values, strict=True):
                name = unquote(label[0].removeprefix(PREFIX))
                answer = {"text": text, "label": name, "probability": float(value[0])}
                out.write(json.dumps(answer, ensure_ascii=False) + "\n")
            count += len(texts)
    return {"rows": count}


def opened(data: str) -> IO[str]:
    """A file of CSV, packed by gzip if its name says so."""
    csv.field_size_limit(2**31 - 1)
    if data.endswith(".gz"):
        return gzip.open(data, "rt", encoding="utf-8", newline="")
    return open(data, encoding="utf-8", newline="")


def labelled_words(data: str, words: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Label and words of each row, as fastText wants them."""
    with opened(data) as file:
        for row in csv.DictReader(file):
            yield PREFIX + quote(row["label"], safe=""), " ".join(words.findall(row["text"].lower()))


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    tasks: dict[str, Callable[..., dict[str, float]]] = {"train": train, "accuracy": accuracy, "accuracies": accuracies}
    tasks["classify"] = classify
    print(json.dumps(tasks[task](*arguments)))  # the answer of this process
