"""Defines the classifier of ordered classes with scikit-learn's estimator interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from textcnn.errors import ConfigError
from textcnn.estimator.base import TextEstimator
from textcnn.estimator.targets import is_multi_label, read_classes
from textcnn.grades import Grades
from textcnn.labels import Labels
from textcnn.reading.rows import Examples
from textcnn.reading.schema import LabelForm

Array = npt.NDArray[Any]


@dataclass(eq=False, repr=False)
class TextCNNOrdinalClassifier(ClassifierMixin, TextEstimator):  # type: ignore[misc]
    """A classifier of texts into the grades of an ordered scale; ``X`` is a sequence of N strings, ``y`` ``(N,)``.

    A single score leads to the probability of each class by cumulative logits (McCullagh 1980). The arguments are those
    of :class:`textcnn.estimator.TextCNNClassifier` that are not about labels, and two more.

    Args:
        grades: the classes, the lowest first; none: those of ``y`` in ascending order, which suits numbers.
        loss: ``cumulative``, ``squared`` or ``huber``; none: cumulative.

    Attributes:
        classes_: ``(C,)``, the classes, the lowest first.
        predictor_: the trained :class:`textcnn.Predictor`; its ``save`` writes the model folder.
    """

    grades: Sequence[Any] | None = None
    loss: str | None = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TextCNNOrdinalClassifier:
        """Train on the texts ``X (N,)`` and their classes.

        Args:
            X: the strings.
            y: the classes, ``(N,)``.
            sample_weight: ``(N,)``, the weight of each row in the loss, 0 or more; rows of weight 0 are omitted.

        Raises:
            ValueError: ``X``, ``y`` or the weights are invalid, or a class is none of the grades.
            ConfigError: settings are out of range, or, on a warm start, differ from the model's; all are listed.
        """
        texts, weights = self._rows(X, y, sample_weight)
        if is_multi_label(y):
            raise ValueError("expected one class for each text in y, found several columns")
        found, names = read_classes(y, weights)
        classes = found if self.grades is None else np.array(list(self.grades))
        grades = _grades(classes)
        place = {name: number for number, name in enumerate(grades.names)}
        kept = np.arange(len(texts)) if weights is None else np.flatnonzero(weights)
        if strange := sorted({names[row] for row in kept.tolist()} - place.keys()):
            raise ValueError(f"expected classes among the grades {', '.join(grades.names)}, found {strange[0]!r}")
        rows: list[tuple[str, ...]] = [(repr(grades.values[place[names[row]]]),) for row in kept.tolist()]
        if len(set(rows)) < 2:
            raise ValueError("expected at least 2 classes in y, found 1 class")
        counts = None if weights is None else weights[kept]
        examples = Examples(
            [texts[row] for row in kept.tolist()],
            rows,
            multi_label=False,
            name="<X, y>",
            label_columns=("y",),
            weights=counts,
            form=LabelForm(multi_label=False, numbers=True, grades=grades.names),
            targets=Labels.scores(("y",), rows, counts).targets,
        )
        self._train(examples, self._given_with(ordinal=grades.names))
        self.classes_: Array = classes
        return self

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each text ``(N,)``."""
        places = self.predict_proba(X).argmax(axis=1)
        found: Array = self.classes_[places]
        return found

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probability ``(N, C)`` of each class, the lowest first."""
        check_is_fitted(self)
        found: npt.NDArray[np.float64] = self._runtime.predict_proba(self._texts(X, reset=False))
        return found

    def scores(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the score ``(N,)`` of each text, in the units of the grades or, if these are no numbers, of places."""
        check_is_fitted(self)
        return self._runtime.answer(self._texts(X, reset=False)).probabilities[:, 0]

    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in super()._given().items() if name != "grades"}


def _grades(classes: Array) -> Grades:
    """Return the scale of classes, the lowest first.

    Raises:
        ValueError: they are no scale, or a class holds a comma, which parts grades.
    """
    names = [str(name) for name in classes.tolist()]
    if len(names) < 2:
        raise ValueError(f"expected at least 2 classes, found {len(names)} class")
    if odd := [name for name in names if "," in name or name != name.strip()]:
        raise ValueError(f"expected classes without commas, and without blanks around them, found {odd[0]!r}")
    try:
        return Grades.of(names)
    except ConfigError as err:
        raise ValueError(str(err)) from None
