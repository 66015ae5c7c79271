"""fastText on a labelled file, as whole processes of the interpreter that has it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.editions import FOREIGN, run
from benchmarks.peers_training import FASTTEXT, WORDS
from textcnn.benchmark.baselines import interpreter

SETTINGS = FASTTEXT
SCRIPT = Path(__file__).with_name("fasttext_process.py")


class Fasttext:
    """fastText with :data:`SETTINGS` on the rows of ``data``; its files are in ``folder``.

    Raises:
        MissingExtraError: it is not installed.
        ConfigError: the interpreter that is to have it has not.
    """

    def __init__(self, data: Path, folder: Path) -> None:
        self._python, self._data, self._folder = interpreter(), data, folder
        self._model = folder / "fasttext.bin"

    def train(self, **settings: Any) -> dict[str, float]:
        """Train and save: ``words`` of the rows, ``seconds`` of the training alone, and ``whole``, of the process."""
        lines, given = self._folder / "fasttext.txt", json.dumps({**SETTINGS, **settings})
        began = time.perf_counter()
        found = self._call("train", self._data, lines, self._model, WORDS.pattern, given)
        return {**found, "whole": time.perf_counter() - began}

    def accuracy(self, test: Path) -> float:
        """The accuracy of the model that was trained last."""
        return self._call("accuracy", test, self._model, WORDS.pattern)["accuracy"]

    def accuracies(self, test: Path, count: int) -> dict[str, float]:
        """The accuracy of the first label and of the first ``count``, of the model that was trained last."""
        return self._call("accuracies", test, self._model, WORDS.pattern, str(count))

    def classify(self, data: Path, answers: Path) -> float:
        """Seconds of a whole process that answers the rows of CSV with the model that was trained last."""
        began = time.perf_counter()
        self._call("classify", data, self._model, WORDS.pattern, answers)
        return time.perf_counter() - began

    def _call(self, *arguments: str | Path) -> dict[str, float]:
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        answer: dict[str, float] = json.loads(run([self._python, SCRIPT, *arguments], environment, self._folder))
        return answer
