"""Classifying a file, compared with the peers, each as a whole process."""

from __future__ import annotations

import csv
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import peers_training
from benchmarks.peers_training import OURS, WORDS, Ground, cut_words, fasttext_lines, train_fasttext, train_ours
from textcnn.benchmark.baselines import linear_model, tf_idf
from textcnn.progress import Reporter

WARM_UP = 1  # passes that are not timed: for what the system keeps of files, and compiled kernels
SVM_SCRIPT = Path(__file__).with_name("svm_files.py")


def model_folder(ground: Ground, reporter: Reporter) -> Path:
    """The default model of all training rows; trained now if no part before this one did."""
    folder = ground.folder / "ours-default"
    if not folder.exists():
        reporter.say("training the default model, not timed")
        train_ours(ground, OURS["default"], reporter, "default")
    return folder


def classify_files(ground: Ground, python: str | None, rounds: int, reporter: Reporter) -> dict[str, Any]:
    """Words a second from a file of texts to a file of rows, whole processes in turn; the median of the rounds."""
    texts, words = ground.folder / "texts.csv", ground.folder / "texts.words"
    write_texts(texts, iter(ground.test.texts))
    cut = [cut_words(text) for text in ground.test.texts]
    words.write_text("".join(line + "\n" for line in cut), encoding="utf-8")
    count = sum(len(line.split()) for line in cut)
    commands = _commands(ground, python, texts, words, reporter)
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(1 - WARM_UP, rounds + 1):
        for name in commands if number % 2 else reversed(commands):
            reporter.say(f"classifying a file, round {number} of {rounds}: {name}")
            began = time.perf_counter()
            subprocess.run(commands[name], capture_output=True, check=True)
            if number > 0:
                taken[name].append(time.perf_counter() - began)
    return {
        "texts": len(cut),
        "words": count,
        "runs": [
            {
                "contestant": name,
                "seconds": statistics.median(times),
                "words_per_second": count / statistics.median(times),
                "all_seconds": times,
            }
            for name, times in taken.items()
        ],
    }


def write_texts(path: Path, texts: Iterator[str], *, most_bytes: int | None = None) -> None:
    """A CSV file with one column, ``text``; as many rows as there are, or as fit."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text"])
        size = 0
        for text in texts:
            size += writer.writerow([text])  # characters, which are bytes almost everywhere
            if most_bytes is not None and size >= most_bytes:
                break


def _commands(ground: Ground, python: str | None, texts: Path, words: Path, reporter: Reporter) -> dict[str, list[str]]:
    model, rows = model_folder(ground, reporter), ground.folder / "rows.jsonl"
    commands = {
        "textcnn, 1 worker": _ours(model, texts, rows),
        "textcnn, 2 workers": _ours(model, texts, rows, "--workers", "2"),
        "textcnn int8, 1 worker": _ours(model, texts, rows, "--precision", "int8"),
        "textcnn int8, 2 workers": _ours(model, texts, rows, "--precision", "int8", "--workers", "2"),
    }
    if python:
        fasttext = ground.folder / "fasttext.bin"
        if not fasttext.exists():
            lines = fasttext_lines(ground.folder / "train.fasttext", ground.train, ground.labels)
            train_fasttext(python, lines, fasttext, {})
        start = [python, str(peers_training.SCRIPT)]
        commands["fasttext"] = [*start, "classify", str(fasttext), str(texts), str(rows), WORDS.pattern]
        commands["fasttext, words cut before"] = [*start, "classify", str(fasttext), str(words), str(rows)]
    svm = ground.folder / "svm.pickle"
    if not svm.exists():
        from sklearn.pipeline import make_pipeline

        reporter.say("training TF-IDF and a linear SVM, not timed")
        pipeline = make_pipeline(tf_idf(("words",)), linear_model("svm", 1.0, ground.labels))
        pipeline.fit(list(ground.train.texts), [label for (label,) in ground.train.labels])
        svm.write_bytes(pickle.dumps(pipeline))
    commands["TF-IDF + LinearSVC"] = [sys.executable, str(SVM_SCRIPT), str(svm), str(texts), str(rows)]
    return commands


def _ours(model: Path, texts: Path, rows: Path, *options: str) -> list[str]:
    start = [sys.executable, "-m", "textcnn_cli", "classify", str(model)]
    return [*start, "--input", str(texts), "--output", str(rows), *options]
