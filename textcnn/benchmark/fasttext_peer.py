"""fastText (Joulin et al. 2016, arXiv 1607.01759) as a baseline, where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import ConfigError, MissingExtraError
from textcnn.evaluation.metrics import score
from textcnn.labels import Labels
from textcnn.training.order import stratified_split

PYTHON_VARIABLE = "TEXTCNN_PEERS_PYTHON"  # an interpreter that has fastText, if this one has not
WORDS = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
# Bigrams, 25 passes; all else as fastText has it. The rate is the best of three on the rows held out.
SETTINGS: Mapping[str, Any] = {"wordNgrams": 2, "epoch": 25, "dim": 100, "seed": 0}
RATES = (0.1, 0.5, 1.0)
HELD_OUT = 0.1  # of the training rows, to choose the rate
Rows = Sequence[tuple[str, ...]]


def run_fasttext(
    texts: Sequence[str], truth: Rows, test_texts: Sequence[str], test_truth: Rows, labels: Labels
) -> dict[str, Any]:
    """Train fastText and measure it; arguments as for :func:`textcnn.benchmark.baselines.run_baseline`.

    Returns:
        ``test``: metrics, ``settings``, and ``train_seconds`` with the choice of the rate, in one thread.

    Raises:
        MissingExtraError: it is not installed.
        ConfigError: the interpreter that is to have it has not.
    """
    python, order = interpreter(), shuffled_rows(len(texts))
    truth = [truth[i] for i in order]
    lines, test_lines = [cut_words(texts[i]) for i in order], [cut_words(text) for text in test_texts]
    kept, held = stratified_split(list(truth), HELD_OUT, seed=0)
    metric = "micro_f1" if labels.multi_label else "accuracy"
    began = time.perf_counter()

    def scores(rows: Sequence[int], held_lines: list[str], held_truth: Rows, rate: float) -> dict[str, Any]:
        settings = {**SETTINGS, "lr": rate}
        predicted = _predict(python, [lines[i] for i in rows], [truth[i] for i in rows], held_lines, labels, settings)
        return score(held_truth, predicted, labels, [0.5] * len(labels))

    def on_held_out(rate: float) -> float:
        return float(scores(kept.tolist(), [lines[i] for i in held], [truth[i] for i in held], rate)[metric])

    rate = max(RATES, key=on_held_out)
    test = scores(range(len(lines)), test_lines, test_truth, rate)
    return {"settings": {**SETTINGS, "lr": rate}, "train_seconds": time.perf_counter() - began, "test": test}


def shuffled_rows(count: int) -> list[int]:
    """The order in which fastText gets its rows: it takes them as they come, and learns little from sorted labels."""
    order = list(range(count))
    random.Random(0).shuffle(order)
    return order


def interpreter() -> str:
    """The Python interpreter that has fastText: this one, or the one that a variable names.

    Raises:
        MissingExtraError: it is not installed.
        ConfigError: the interpreter that is to have it has not.
    """
    given = os.environ.get(PYTHON_VARIABLE)
    if given is None:
        if importlib.util.find_spec("fasttext") is None:
            raise MissingExtraError(
                "fastText is not installed; run: pip install 'textcnn[peers]', or name an interpreter that has it: "
                f"{PYTHON_VARIABLE}=PATH"
            )
        return sys.executable
    try:
        done = subprocess.run([given, "-c", "import fasttext"], capture_output=True, text=True, check=False)
        problem = done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    except OSError as err:
        problem = str(err)
    if problem:
        raise ConfigError(f"{PYTHON_VARIABLE} must be a Python interpreter that has fastText, got {given!r}: {problem}")
    return given


def _predict(
    python: str, lines: Sequence[str], truth: Rows, test_lines: list[str], labels: Labels, settings: Mapping[str, Any]
) -> Any:
    """Decisions as 0 and 1, ``(N, C)``."""
    ids = {name: number for number, name in enumerate(labels.names)}
    request = {
        "texts": lines,
        "truth": [[ids[name] for name in row] for row in truth],
        "test_texts": test_lines,
        "several": labels.multi_label,
        "settings": dict(settings),
    }
    worker = Path(__file__).with_name("fasttext_worker.py")
    done = subprocess.run(
        [python, str(worker)], input=json.dumps(request), capture_output=True, text=True, check=False, encoding="utf-8"
    )
    if done.returncode:
        raise ConfigError(f"fastText failed with exit {done.returncode}: {done.stderr.strip()[-500:]}")
    decisions = np.zeros((len(test_lines), len(labels)))
    for row, predicted in enumerate(json.loads(done.stdout)):
        decisions[row, predicted] = 1
    return decisions


def cut_words(text: str) -> str:
    """Words as the linear baselines cut them; no line ends, which fastText does not take."""
    return " ".join(WORDS.findall(text.lower()))
