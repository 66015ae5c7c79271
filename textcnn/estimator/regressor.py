"""Defines the regressor with scikit-learn's estimator interface: texts to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from textcnn.errors import DataError
from textcnn.estimator.base import TextEstimator
from textcnn.labels import Labels
from textcnn.reading.rows import Examples
from textcnn.reading.schema import LabelForm


@dataclass(eq=False, repr=False)
class TextCNNRegressor(RegressorMixin, TextEstimator):  # type: ignore[misc]
    """A regressor of texts with scikit-learn's interface; ``X`` is a sequence of N strings.

    ``y`` is ``(N,)`` with a number for each row, or ``(N, K)`` with those of several targets. The arguments are those
    of :class:`textcnn.estimator.TextCNNClassifier` that are not about labels, and ``loss``.

    Args:
        loss: ``squared`` or ``huber``; none: squared.

    Attributes:
        predictor_: the trained :class:`textcnn.Predictor`; its ``save`` writes the model folder.
    """

    loss: str | None = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TextCNNRegressor:
        """Train on the texts ``X (N,)`` and their numbers.

        Args:
            X: the strings.
            y: the numbers, ``(N,)`` or ``(N, K)``.
            sample_weight: ``(N,)``, the weight of each row in the loss, 0 or more; rows of weight 0 are omitted.

        Raises:
            ValueError: ``X``, ``y`` or the weights are invalid, or a target has the same number in all rows.
            ConfigError: settings are out of range, or, on a warm start, differ from the model's; all are listed.
        """
        texts, weights = self._rows(X, y, sample_weight)
        numbers = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if len(texts) < 2:
            raise ValueError("expected at least 2 texts, found 1 sample")
        kept = np.arange(len(texts)) if weights is None else np.flatnonzero(weights)
        rows = [tuple(map(repr, row)) for row in numbers.reshape(len(texts), -1)[kept].tolist()]
        names = tuple(f"y{column}" for column in range(len(rows[0]))) if len(rows[0]) > 1 else ("y",)
        counts = None if weights is None else weights[kept]
        try:
            targets = Labels.scores(names, rows, counts).targets
        except DataError as err:
            raise ValueError(str(err)) from None
        form = LabelForm(multi_label=False, numbers=True)
        examples = Examples(
            [texts[row] for row in kept.tolist()],
            rows,
            multi_label=False,
            name="<X, y>",
            label_columns=names,
            weights=counts,
            form=form,
            targets=targets,
        )
        self._train(examples, self._given_with(regression=True))
        self._is_column = numbers.ndim == 1
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the number of each text ``(N,)``, or those of several targets ``(N, K)``, shaped as ``y`` was."""
        check_is_fitted(self)
        found = self._runtime.answer(self._texts(X, reset=False)).probabilities
        return found[:, 0] if self._is_column else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
