"""Defines the classifier with scikit-learn's estimator interface, for pipelines, searches and calibrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from textcnn.estimator.base import TextEstimator
from textcnn.estimator.targets import (
    Array,
    are_probabilities,
    arranged,
    is_multi_label,
    read_classes,
    read_indicators,
    read_probabilities,
)
from textcnn.reading.rows import Examples
from textcnn.reading.soft_labels import SoftLabels

# The logit of a class that no training row had: below any real logit, but finite, since ranking metrics need that.
_NEVER = -1e6


@dataclass(eq=False, repr=False)
class TextCNNClassifier(ClassifierMixin, TextEstimator):  # type: ignore[misc]
    """A text classifier with scikit-learn's interface; ``X`` is a sequence of N strings.

    ``y`` is ``(N,)`` with one class per row, or an indicator matrix ``(N, C)`` of 0 and 1 (multi-label), as an array, a
    sparse matrix or a data frame, whose columns are then the classes. It may also be a matrix ``(N, C)`` of
    probabilities: distributions over the classes if each row sums to 1, else how probable each label is (multi-label).

    The arguments are the settings of :mod:`textcnn.config`, with its defaults, and those of the architecture ``kim``,
    for which none means the architecture's default; settings of other architectures go into ``settings``. In addition:

    Args:
        warm_start: whether a further ``fit`` continues from the words, classes and weights of the previous one, and
            adds new words and classes. Settings of text and model must then stay the same.
        verbose: whether to show progress.

    Attributes:
        classes_: ``(C,)``, the sorted classes, in the order of the columns of :meth:`predict_proba`. Multi-label: the
            columns of ``y``.
        predictor_: the trained :class:`textcnn.Predictor`; its ``save`` writes the model folder. Its labels are the
            classes as strings.
    """

    binary_sigmoid: bool = False
    label_smoothing: float = 0.1
    class_weight: str | Mapping[Any, float] | None = None
    focal_gamma: float = 0.0
    teacher_weight: float | None = None
    hierarchy: str | None = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TextCNNClassifier:
        """Train on the texts ``X (N,)`` and their classes.

        Args:
            X: the strings.
            y: the classes ``(N,)``, or indicators or probabilities ``(N, C)``; see the class.
            sample_weight: ``(N,)``, the weight of each row in the loss, 0 or more; rows of weight 0 are omitted.

        Raises:
            ValueError: ``X``, ``y`` or the weights are invalid, or there are fewer than two classes.
            ConfigError: settings are out of range, or, on a warm start, differ from the model's; all are listed.
        """
        texts, weights = self._rows(X, y, sample_weight)
        soft: SoftLabels | None = None
        labels: Sequence[Any] = ()
        if are_probabilities(y):
            classes, soft, multi_label = read_probabilities(y)
        elif multi_label := is_multi_label(y):
            classes, labels = read_indicators(y)
        else:
            classes, labels = read_classes(y, weights)
        start = self._start()
        if start is not None and not multi_label:
            classes = np.union1d(self.classes_, classes)
        settings = {**self._settings(classes), "multi_label": multi_label}
        if soft is None:  # names are not parsed again: classes may be 1 and "1.0"
            names = [(row,) if isinstance(row, str) else tuple(row) for row in labels]
        else:
            names = [soft.most_probable(row, multi_label=multi_label) for row in range(len(texts))]
        examples = Examples(texts, names, multi_label, name="<X, y>", weights=weights, soft=soft)
        if weights is not None:
            examples = examples.subset(weights > 0)
        self._train(examples, settings)
        self.classes_: Array = classes
        return self

    def predict(self, X: Any) -> Array:
        """Return the class of each text ``(N,)``, or, multi-label, indicators ``(N, C)`` of 0 and 1."""
        answers, columns = self._answer(X)
        if not self._runtime.labels.multi_label:
            found: Array = self.classes_[answers.probabilities[:, columns].argmax(1)]
            return found
        names = [str(name) for name in self.classes_]
        return np.array([[name in given for name in names] for given in answers.labels], np.int64).reshape(
            -1, len(names)
        )

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probabilities ``(N, C)``; rows sum to 1, or, multi-label, entries are independent."""
        answers, columns = self._answer(X)
        return arranged(answers.probabilities, columns, absent=0.0)

    def none_of_these(self, X: Any, *, kept: float = 0.95) -> npt.NDArray[np.bool_]:
        """Return which texts ``(N,)`` are of none of the classes (:meth:`textcnn.Predictor.none_of_these`)."""
        check_is_fitted(self)
        return self.predictor_.none_of_these(self._texts(X, reset=False), kept=kept)

    def predict_nodes(
        self, X: Any, *, min_probability: float | None = None, min_accuracy: float | None = None
    ) -> list[str | None]:
        """Return the deepest sure node of the tree of classes (:meth:`textcnn.Predictor.predict_nodes`)."""
        check_is_fitted(self)
        asked = {"min_probability": min_probability, "min_accuracy": min_accuracy}
        return self.predictor_.predict_nodes(self._texts(X, reset=False), **asked)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the logits ``(N, C)`` over the temperature; for two classes, the difference ``(N,)`` of the two."""
        check_is_fitted(self)
        runtime, texts = self._runtime, self._texts(X, reset=False)
        logits = runtime.measure(texts, runtime.own_thresholds).logits.astype(np.float64) / runtime.temperature
        found = arranged(logits.reshape(-1, len(runtime.labels)), self._places(), absent=_NEVER)
        return found[:, 1] - found[:, 0] if len(self.classes_) == 2 and not runtime.labels.multi_label else found

    def _answer(self, X: Any) -> tuple[Any, list[int]]:
        check_is_fitted(self)
        return self._runtime.answer(self._texts(X, reset=False)), self._places()

    def _places(self) -> list[int]:
        """Return the index of each class among the model's labels; -1 for a class without a training row."""
        place = {name: i for i, name in enumerate(self._runtime.labels.names)}
        return [place.get(str(name), -1) for name in self.classes_]

    def _settings(self, classes: Array) -> dict[str, Any]:
        """Return the settings that differ from the defaults, with class weights by the names of the classes."""
        given = self._given()
        if isinstance(weights := given.get("class_weight"), Mapping):
            named = {str(name): float(weight) for name, weight in weights.items()}
            given["class_weight"] = {str(name): named.get(str(name), 1.0) for name in classes}
        return given

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
