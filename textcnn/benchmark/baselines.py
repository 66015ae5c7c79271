"""Trains and measures baselines: linear models over TF-IDF, and fastText (Joulin et al. 2016) if it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import ConfigError, MissingExtraError
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, Floats, fit_thresholds
from textcnn.evaluation.metrics import score
from textcnn.labels import Labels
from textcnn.tokenization.words import words_of
from textcnn.training.sampler import stratified_split

PYTHON_VARIABLE = "TEXTCNN_PEERS_PYTHON"  # environment variable with an interpreter that has fastText
# Bigrams and 25 epochs, otherwise fastText's defaults; the learning rate is the best of RATES on held-out rows.
SETTINGS: Mapping[str, Any] = {"wordNgrams": 2, "epoch": 25, "dim": 100, "seed": 0}
RATES = (0.1, 0.5, 1.0)
HELD_OUT = 0.1  # share of the training rows by which the rate, or the cost, is selected
Rows = Sequence[tuple[str, ...]]


def run_fasttext(
    texts: Sequence[str], truth: Rows, test_texts: Sequence[str], test_truth: Rows, labels: Labels
) -> dict[str, Any]:
    """Train fastText and measure it; arguments as for :func:`textcnn.benchmark.baselines.run_baseline`.

    Returns:
        The metrics ``test``, the ``settings``, and ``train_seconds`` including the selection of the rate, in one
        thread.

    Raises:
        MissingExtraError: fastText is not installed.
        ConfigError: the interpreter that the variable names does not have fastText.
    """
    python, order = interpreter(), shuffled_rows(len(texts))
    truth = [truth[i] for i in order]
    lines, test_lines = joined_words(texts[i] for i in order), joined_words(test_texts)
    kept, dev = stratified_split(list(truth), HELD_OUT, seed=0)
    metric = "micro_f1" if labels.multi_label else "accuracy"
    began = time.perf_counter()

    def scores(rows: Sequence[int], dev_lines: list[str], dev_truth: Rows, rate: float) -> dict[str, Any]:
        settings = {**SETTINGS, "lr": rate}
        predicted = _predict(python, [lines[i] for i in rows], [truth[i] for i in rows], dev_lines, labels, settings)
        return score(dev_truth, predicted, labels, [0.5] * len(labels))

    def on_held_out(rate: float) -> float:
        return float(scores(kept.tolist(), [lines[i] for i in dev], [truth[i] for i in dev], rate)[metric])

    rate = max(RATES, key=on_held_out)
    test = scores(range(len(lines)), test_lines, test_truth, rate)
    return {"settings": {**SETTINGS, "lr": rate}, "train_seconds": time.perf_counter() - began, "test": test}


def shuffled_rows(count: int) -> list[int]:
    """Return a random order of the rows, since fastText does not shuffle, and learns little from sorted labels."""
    order = list(range(count))
    random.Random(0).shuffle(order)
    return order


def interpreter() -> str:
    """Return the Python interpreter that has fastText: this one, or the one that the variable names.

    Raises:
        MissingExtraError: fastText is not installed.
        ConfigError: the interpreter that the variable names does not have fastText.
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
    """Train fastText in its own process and return its predictions as 0 and 1, ``(N, C)``."""
    ids = {name: number for number, name in enumerate(labels.names)}
    request = {
        "texts": lines,
        "truth": [[ids[name] for name in row] for row in truth],
        "test_texts": test_lines,
        "several": labels.multi_label,
        "settings": dict(settings),
    }
    # In a process of its own: fastText may need other versions of its dependencies than this interpreter has.
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


def joined_words(texts: Iterable[str]) -> list[str]:
    """Return the words of each text by the default tokenizer, separated by blanks, as fastText reads them."""
    return [" ".join(words) for words in words_of(texts)]


COSTS = (0.1, 1.0, 10.0)

# The features and the linear model of each baseline: uni- and bigrams of the default tokenizer's words, or characters,
# with sublinear counts.
BASELINES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "svm": (("words",), "svm"),
    "logistic": (("words",), "logistic"),
    "svm-char": (("char_wb",), "svm"),
    "svm-words+char": (("words", "char_wb"), "svm"),
}
FASTTEXT = "fasttext"
NAMES = (*BASELINES, FASTTEXT)


def run_baseline(
    name: str,
    texts: Sequence[str],
    truth: Rows,
    test_texts: Sequence[str],
    test_truth: Rows,
    labels: Labels,
    *,
    balanced: bool = False,
    metric: str | None = None,
) -> dict[str, Any]:
    """Train one baseline and measure it on the test rows.

    The cost C is the best of :data:`COSTS` on a tenth of the training rows; then all of them train. Multi-label
    thresholds are fitted on the same tenth, as for the models of this package.

    Args:
        name: a name of :data:`NAMES`.
        texts: the training texts.
        truth: the labels of the training texts.
        test_texts: the test texts.
        test_truth: the labels of the test texts.
        labels: the labels of the training rows.
        balanced: whether all labels have equal weight in the loss, by scikit-learn's ``class_weight`` (linear models).
        metric: the metric that selects the cost (linear models); none: accuracy, multi-label micro F1.

    Returns:
        The metrics ``test``, the ``cost`` (fastText: ``settings``), and ``train_seconds`` including the selection of
        the cost; multi-label also ``own_decisions``, the metrics without fitted thresholds.

    Raises:
        MissingExtraError: fastText is not installed.
    """
    if name == FASTTEXT:
        return run_fasttext(texts, truth, test_texts, test_truth, labels)
    features, kind = BASELINES[name]
    began = time.perf_counter()
    kept, dev = stratified_split(list(truth), HELD_OUT, seed=0)
    metric = metric or ("micro_f1" if labels.multi_label else "accuracy")

    def on_held_out(cost: float) -> tuple[float, list[float]]:
        model = linear_pipeline(features, kind, cost, labels, balanced)
        model.fit([texts[i] for i in kept], _targets(truth, kept, labels))
        scores, rows = _scores(model, [texts[i] for i in dev], labels), [truth[i] for i in dev]
        thresholds = fit_thresholds(scores, rows, labels) if labels.multi_label else own
        return float(score(rows, scores, labels, thresholds)[metric]), thresholds

    own = [DEFAULT_THRESHOLD] * len(labels)
    found = {cost: on_held_out(cost) for cost in COSTS}
    cost = max(COSTS, key=lambda cost: found[cost][0])
    model = linear_pipeline(features, kind, cost, labels, balanced)
    model.fit(list(texts), _targets(truth, np.arange(len(texts)), labels))
    seconds = time.perf_counter() - began
    scores = _scores(model, list(test_texts), labels)
    done = {"cost": cost, "train_seconds": seconds, "test": score(test_truth, scores, labels, found[cost][1])}
    return done | ({"own_decisions": score(test_truth, scores, labels, own)} if labels.multi_label else {})


def linear_pipeline(features: Sequence[str], kind: str, cost: float, labels: Labels, balanced: bool) -> Any:
    """Return an unfitted pipeline of TF-IDF features and a linear model."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.svm import LinearSVC

    of_words = TfidfVectorizer(  # of lists of words: a call of the tokenizer for each text would be slow
        tokenizer=list, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True
    )
    vectorizers = {
        "words": make_pipeline(FunctionTransformer(words_of), of_words),
        "char_wb": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
    }
    weight = "balanced" if balanced else None
    linear = (
        LinearSVC(C=cost, class_weight=weight)
        if kind == "svm"
        else LogisticRegression(C=cost, class_weight=weight, max_iter=1000)
    )
    union = make_union(*(vectorizers[name] for name in features))
    return make_pipeline(union, OneVsRestClassifier(linear) if labels.multi_label else linear)


def _targets(truth: Rows, rows: Any, labels: Labels) -> Any:
    return labels.encode([truth[i] for i in rows])


def _scores(model: Any, texts: list[str], labels: Labels) -> Floats:
    """Return scores ``(N, C)``: 1 for the predicted label, or, multi-label, numbers above 0.5 for assigned labels.

    A linear SVM has no probabilities: only the order of its scores is meaningful, not their calibration error.
    """
    if not labels.multi_label:
        return np.asarray(np.eye(len(labels))[np.asarray(model.predict(texts))])
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(texts), np.float64)
    return np.asarray(1 / (1 + np.exp(-np.asarray(model.decision_function(texts), np.float64))))
