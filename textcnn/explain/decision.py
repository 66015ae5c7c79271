"""What a text was given, and whether a variant of it is still given the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.probabilities import Floats, decide, probabilities
from textcnn.inference.answering import Answering, Booleans


class Decision:
    """The label of a text, or its set of labels (multi-label).

    Args:
        model: what decides.
        logits: ``(C,)`` of the text.
    """

    def __init__(self, model: Answering, logits: npt.NDArray[np.float64]) -> None:
        self._model = model
        self._limits = np.asarray(model.own_thresholds, np.float64)
        own = self.probabilities(logits[None])
        self.labels = self.names(logits[None])[0]
        self.label = int(own[0].argmax())
        self._given = own[0] >= self._limits if model.labels.multi_label else None

    def probabilities(self, logits: npt.NDArray[np.float64]) -> Floats:
        """Probabilities ``(D, C)`` of variants."""
        return probabilities(logits, self._model.labels, self._model.temperature)

    def names(self, logits: npt.NDArray[np.float64]) -> list[tuple[str, ...]]:
        """The labels that each variant is given."""
        return decide(self.probabilities(logits), self._model.labels, self._model.own_thresholds)

    def keeps(self, logits: npt.NDArray[np.float64]) -> Booleans:
        """Which of D variants are given the same, ``(D,)``."""
        probs = self.probabilities(logits)
        if self._given is None:
            return np.asarray(probs.argmax(axis=1) == self.label)
        return np.asarray(((probs >= self._limits) == self._given).all(axis=1))

    def margins(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How surely each variant keeps it, ``(D,)``: a difference of logits, or, multi-label, of probabilities."""
        if self._given is not None:
            distance = self.probabilities(logits) - self._limits
            return np.asarray(np.where(self._given, distance, -distance).min(axis=1))
        others = np.delete(logits, self.label, axis=1)
        return np.asarray(logits[:, self.label] - others.max(axis=1, initial=-np.inf))
