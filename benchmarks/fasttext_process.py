"""fastText as one process, from a gzipped CSV file to its saved model; imports nothing of ours.

So another interpreter can run it, one that has fastText. ``train CSV LINES MODEL WORDS SETTINGS`` reads the columns
``text`` and ``label``, writes the words that the regular expression WORDS finds in lower case to LINES, in mixed order,
trains on them with SETTINGS (JSON, arguments of ``train_supervised``), saves the model, and prints ``words`` and
``seconds`` (of the training alone) as JSON. ``accuracy CSV MODEL WORDS`` prints the accuracy on other rows.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote

import fasttext

PREFIX = "__label__"


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


def labelled_words(data: str, words: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Label and words of each row, as fastText wants them."""
    csv.field_size_limit(2**31 - 1)
    with gzip.open(data, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield PREFIX + quote(row["label"], safe=""), " ".join(words.findall(row["text"].lower()))


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    print(json.dumps(train(*arguments) if task == "train" else accuracy(*arguments)))  # the answer of this process
