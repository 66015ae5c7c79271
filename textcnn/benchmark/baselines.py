"""Linear models over TF-IDF, by scikit-learn, and fastText: what a text classifier must beat to be worth its name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textcnn.benchmark.fasttext_peer import run_fasttext
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, fit_thresholds
from textcnn.evaluation.metrics import score
from textcnn.evaluation.probabilities import Floats
from textcnn.labels import Labels
from textcnn.training.order import stratified_split

WORDS = r"\w+(?:'\w+)?|[^\w\s]"
COSTS = (0.1, 1.0, 10.0)
HELD_OUT = 0.1  # of the training rows, to choose the cost
Rows = Sequence[tuple[str, ...]]

# Which features and which linear model; all words in lower case, uni- and bigrams, sublinear counts.
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

    The cost C is the best of :data:`COSTS` on a tenth of the training rows, then all of them train. Multi-label, those
    rows also give the thresholds, by the rule that ours has.

    Args:
        name: of :data:`NAMES`.
        texts: training texts.
        truth: the labels of each.
        test_texts: texts that are only measured.
        test_truth: the labels of each.
        labels: the labels of the training rows.
        balanced: every label counts the same in the loss, by scikit-learn's ``class_weight`` (linear models).
        metric: what chooses the cost (linear models); none: accuracy, multi-label micro F1.

    Returns:
        ``test``: metrics, ``cost`` (fastText: ``settings``), and ``train_seconds`` with the choice of the cost;
        multi-label also ``own_decisions``: the metrics at the model's own decisions, without those thresholds.

    Raises:
        MissingExtraError: fastText is not installed.
    """
    if name == FASTTEXT:
        return run_fasttext(texts, truth, test_texts, test_truth, labels)
    features, kind = BASELINES[name]
    began = time.perf_counter()
    kept, held = stratified_split(list(truth), HELD_OUT, seed=0)
    metric = metric or ("micro_f1" if labels.multi_label else "accuracy")

    def on_held_out(cost: float) -> tuple[float, list[float]]:
        model = linear_pipeline(features, kind, cost, labels, balanced)
        model.fit([texts[i] for i in kept], _targets(truth, kept, labels))
        scores, rows = _scores(model, [texts[i] for i in held], labels), [truth[i] for i in held]
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
    """TF-IDF features and the linear model of them, before :meth:`fit`."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    vectorizers = {
        "words": TfidfVectorizer(token_pattern=WORDS, ngram_range=(1, 2), sublinear_tf=True),
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
    """``(N, C)``; 1 for the decision, multi-label numbers in [0, 1] that are above 0.5 where the model gives the label.

    A linear SVM has no probabilities: only the order of these numbers counts, and the calibration error says nothing.
    """
    if not labels.multi_label:
        return np.asarray(np.eye(len(labels))[np.asarray(model.predict(texts))])
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(texts), np.float64)
    return np.asarray(1 / (1 + np.exp(-np.asarray(model.decision_function(texts), np.float64))))
