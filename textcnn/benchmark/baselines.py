"""Trains and measures baselines: linear models over TF-IDF, and fastText (Joulin et al. 2016) if it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
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
WORDS = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
HELD_OUT = 0.1  # share of the training rows by which the cost, or the learning rate, is selected
COSTS: Mapping[str, Sequence[float]] = {"svm": (0.1, 0.3, 1.0, 3.0), "logistic": (0.1, 1.0, 10.0)}
# Bigrams and 25 epochs, otherwise fastText's defaults; the learning rate is the best of RATES on held-out rows.
SETTINGS: Mapping[str, Any] = {"wordNgrams": 2, "epoch": 25, "dim": 100, "seed": 0}
RATES = (0.1, 0.5, 1.0)
NGRAMS: Mapping[str, tuple[int, int]] = {"words": (1, 2), "char_wb": (2, 5)}  # of words, and of characters inside words

# The features and the linear model of each baseline; words are the default tokenizer's, counts are sublinear.
BASELINES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "svm": (("words",), "svm"),
    "logistic": (("words",), "logistic"),
    "svm-char": (("char_wb",), "svm"),
    "svm-words+char": (("words", "char_wb"), "svm"),
}
FASTTEXT = "fasttext"
NAMES = (*BASELINES, FASTTEXT)
Rows = Sequence[tuple[str, ...]]


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


def joined_words(texts: Iterable[str]) -> list[str]:
    """Return the words of each text by the default tokenizer, separated by blanks, as fastText reads them."""
    return [" ".join(words) for words in words_of(texts)]


def run_baseline(
    name: str,
    texts: Sequence[str],
    truth: Rows,
    test_texts: Sequence[str],
    test_truth: Rows,
    labels: Labels,
    *,
    dev: tuple[Sequence[str], Rows] | None = None,
    balanced: bool = False,
    metric: str | None = None,
) -> dict[str, Any]:
    """Train one baseline and measure it on the test rows.

    The cost C, or fastText's learning rate, is the best on a tenth of the training rows; then all of them train.

    Args:
        name: a name of :data:`NAMES`.
        texts: the training texts.
        truth: the labels of the training texts.
        test_texts: the test texts.
        test_truth: the labels of the test texts.
        labels: the labels of the training rows.
        dev: texts and labels on which multi-label thresholds are fitted, as for the models of this package; none: the
            thresholds are those of the tenth.
        balanced: whether all labels have equal weight in the loss, by scikit-learn's ``class_weight`` (linear models).
        metric: the metric that selects; none: accuracy, multi-label micro F1.

    Returns:
        The metrics ``test``, the ``cost`` and the ``features`` (fastText: the ``settings``), and ``train_seconds``,
        which include the selection and the scores of the test texts; multi-label also ``own_decisions``, the metrics
        without fitted thresholds.

    Raises:
        MissingExtraError: fastText is not installed.
        ConfigError: the interpreter that :data:`PYTHON_VARIABLE` names does not have fastText.
    """
    train, choices = _trainer(name, labels, balanced)
    began = time.perf_counter()
    kept, held = stratified_split(list(truth), HELD_OUT, seed=0)
    metric = metric or ("micro_f1" if labels.multi_label else "accuracy")
    own = [DEFAULT_THRESHOLD] * len(labels)

    def thresholds_on(scores: Floats, rows: Rows) -> list[float]:
        return fit_thresholds(scores, rows, labels) if labels.multi_label else own

    held_truth = [truth[i] for i in held]
    found = {}
    on_held_out = train(choices, [texts[i] for i in kept], [truth[i] for i in kept], [texts[i] for i in held])
    for choice, scores in zip(choices, on_held_out, strict=True):
        thresholds = thresholds_on(scores, held_truth)
        found[choice] = float(score(held_truth, scores, labels, thresholds)[metric]), thresholds
    best = max(choices, key=lambda choice: found[choice][0])
    dev_texts, dev_truth = dev if dev is not None and labels.multi_label else ((), ())
    (scores,) = train([best], texts, truth, [*dev_texts, *test_texts])
    seconds = time.perf_counter() - began
    thresholds = thresholds_on(scores[: len(dev_texts)], dev_truth) if dev_texts else found[best][1]
    of_test = scores[len(dev_texts) :]
    done = {**_told(name, best), "train_seconds": seconds, "test": score(test_truth, of_test, labels, thresholds)}
    return done | ({"own_decisions": score(test_truth, of_test, labels, own)} if labels.multi_label else {})


# Trains a model for each choice on the same texts, and yields its scores ``(N, C)`` of other texts.
Train = Callable[[Sequence[float], Sequence[str], Rows, Sequence[str]], Iterator[Floats]]


def _trainer(name: str, labels: Labels, balanced: bool) -> tuple[Train, Sequence[float]]:
    """Return the training of a baseline, and what is to be selected from: costs or learning rates."""
    if name == FASTTEXT:
        return partial(_train_fasttext, interpreter(), labels), RATES
    features, kind = BASELINES[name]
    return partial(_train_linear, features, kind, labels, balanced), COSTS[kind]


def _told(name: str, best: float) -> dict[str, Any]:
    if name == FASTTEXT:
        return {"settings": {**SETTINGS, "lr": best}}
    return {"features": {part: list(NGRAMS[part]) for part in BASELINES[name][0]}, "cost": best}


def _train_linear(
    features: Sequence[str],
    kind: str,
    labels: Labels,
    balanced: bool,
    costs: Sequence[float],
    texts: Sequence[str],
    truth: Rows,
    asked: Sequence[str],
) -> Iterator[Floats]:
    """Train linear models on the same features, one after the other."""
    vectorizer = tf_idf(features)
    matrix = vectorizer.fit_transform(list(texts))
    of_asked = vectorizer.transform(list(asked))
    for cost in costs:
        model = linear_model(kind, cost, labels, balanced).fit(matrix, labels.encode(truth))
        yield _scores(model, of_asked, labels)


def tf_idf(features: Sequence[str]) -> Any:
    """Return an unfitted vectorizer of TF-IDF features, named as in :data:`NGRAMS`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer

    of_words = TfidfVectorizer(  # of lists of words: a call of the tokenizer for each text would be slow
        tokenizer=list, token_pattern=None, lowercase=False, ngram_range=NGRAMS["words"], sublinear_tf=True
    )
    vectorizers = {
        "words": make_pipeline(FunctionTransformer(words_of), of_words),
        "char_wb": TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAMS["char_wb"], sublinear_tf=True),
    }
    return make_union(*(vectorizers[name] for name in features))


def linear_model(kind: str, cost: float, labels: Labels, balanced: bool = False) -> Any:
    """Return an unfitted linear model, multi-label one for each label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    weight = "balanced" if balanced else None
    linear = (
        LinearSVC(C=cost, class_weight=weight, random_state=0)
        if kind == "svm"
        else LogisticRegression(C=cost, class_weight=weight, max_iter=1000)
    )
    return OneVsRestClassifier(linear) if labels.multi_label else linear


def _scores(model: Any, matrix: Any, labels: Labels) -> Floats:
    """Return scores ``(N, C)``: 1 for the predicted label, or, multi-label, numbers above 0.5 for assigned labels.

    A linear SVM has no probabilities: only the order of its scores is meaningful, not their calibration error.
    """
    if not labels.multi_label:
        return np.asarray(np.eye(len(labels))[np.asarray(model.predict(matrix))])
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(matrix), np.float64)
    return np.asarray(1 / (1 + np.exp(-np.asarray(model.decision_function(matrix), np.float64))))


def _train_fasttext(
    python: str, labels: Labels, rates: Sequence[float], texts: Sequence[str], truth: Rows, asked: Sequence[str]
) -> Iterator[Floats]:
    """Train fastText in one thread of its own process, once for each learning rate."""
    ids = {name: number for number, name in enumerate(labels.names)}
    order = shuffled_rows(len(texts))
    request = {
        "texts": joined_words(texts[i] for i in order),
        "truth": [[ids[name] for name in truth[i]] for i in order],
        "test_texts": joined_words(asked),
        "several": labels.multi_label,
    }
    # In a process of its own: fastText may need other versions of its dependencies than this interpreter has.
    command = [python, str(Path(__file__).with_name("fasttext_worker.py"))]
    for rate in rates:
        given = json.dumps({**request, "settings": {**SETTINGS, "lr": rate}})
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, encoding="utf-8")
        if done.returncode:
            raise ConfigError(f"fastText failed with exit {done.returncode}: {done.stderr.strip()[-500:]}")
        scores = np.zeros((len(asked), len(labels)))
        for row, (found, probabilities) in enumerate(json.loads(done.stdout)):
            scores[row, found] = probabilities
        yield scores
