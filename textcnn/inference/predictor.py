"""The predictor: answers from a model, in the order it is asked, one answer a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.metrics import score
from textcnn.evaluation.probabilities import Floats, decide, probabilities
from textcnn.inference.artifact import Artifact, load_artifact
from textcnn.labels import Labels
from textcnn.models.forward import logits_of
from textcnn.text.batching import TextInputs
from textcnn.text.read_table import shown


@dataclass(frozen=True)
class Answers:
    """What a model says of N rows.

    Attributes:
        probabilities: ``(N, C)`` float64.
        labels: the labels given to each row: one, or any number (multi-label).
        empty: ``(N,)``, rows without a token: their answer is the model's bias alone.
        cut: ``(N,)``, rows longer than the model's ``max_length``.
        num_tokens: tokens of all rows.
        num_unknown: those that the vocabulary does not have.
    """

    probabilities: Floats
    labels: list[tuple[str, ...]]
    empty: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.bool_]
    num_tokens: int = 0
    num_unknown: int = 0


class Predictor:
    """A trained model, ready to answer. ``textcnn.load(folder)`` gives one.

    The answer to a row never depends on the rows beside it.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    @classmethod
    def load(cls, folder: str | Path) -> Predictor:
        """Read a model folder.

        Raises:
            ArtifactError: it is not there, or not whole.
        """
        return cls(load_artifact(folder))

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, whole or not at all.

        Raises:
            ArtifactError: the place cannot be written.
        """
        return self.artifact.save(folder)

    @property
    def labels(self) -> Labels:
        """The labels, in the order of the columns of :meth:`predict_proba`."""
        return self.artifact.labels

    @property
    def classes_(self) -> list[str]:
        """Names of the columns of :meth:`predict_proba`, as scikit-learn has them."""
        return list(self.labels.names)

    def predict_proba(self, rows: Sequence[str] | npt.NDArray[Any]) -> Floats:
        """Probabilities ``(N, C)``: each row sums to 1, or, multi-label, each entry stands for itself.

        Args:
            rows: a list of texts, or images ``(N, C, H, W)``.

        Raises:
            DataError: a single text where a list belongs, or images of another shape.
        """
        return self.answer(rows).probabilities

    def predict(self, rows: Sequence[str] | npt.NDArray[Any]) -> list[str] | list[tuple[str, ...]]:
        """The label of each row; of a multi-label model, the tuple of its labels, which may be empty.

        Raises:
            DataError: as for :meth:`predict_proba`.
        """
        given = self.answer(rows).labels
        return given if self.labels.multi_label else [names[0] for names in given]

    def answer(self, rows: Sequence[str] | npt.NDArray[Any], *, threshold: float | None = None) -> Answers:
        """Everything known of each row at once.

        Args:
            rows: a list of texts, or images ``(N, C, H, W)``.
            threshold: instead of the model's own thresholds (multi-label only).

        Raises:
            DataError: as for :meth:`predict_proba`.
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
        """
        thresholds = self.thresholds(threshold)
        inputs = self.artifact.inputs
        encoded: Any = inputs.encode(self._checked(rows))
        probs = self._probabilities(encoded)
        given = decide(probs, self.labels, thresholds)
        if not isinstance(inputs, TextInputs):
            none = np.zeros(len(given), np.bool_)
            return Answers(probs, given, none, none)
        return Answers(
            probs,
            given,
            encoded.lengths == 0,
            inputs.cut_rows(encoded),
            num_tokens=len(encoded.ids),
            num_unknown=int(inputs.is_unknown(encoded).sum()),
        )

    def thresholds(self, threshold: float | None = None) -> list[float]:
        """From which probability each label is given (multi-label): the model's own, or one for all.

        Raises:
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
        """
        if threshold is None:
            return self.artifact.thresholds
        if not (self.labels.multi_label and 0 <= threshold <= 1):
            raise ConfigError(
                f"threshold must be in [0, 1] and is for multi-label models, got {threshold!r} for "
                f"{self.labels.problem_type}"
            )
        return [threshold] * len(self.labels)

    def score(self, encoded: Any, truth: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        """Metrics (:func:`textcnn.evaluation.metrics.score`) on rows that ``artifact.inputs`` has encoded."""
        return score(truth, self._probabilities(encoded), self.labels, self.artifact.thresholds)

    def _probabilities(self, encoded: Any) -> Floats:
        logits = logits_of(self.artifact.model, self.artifact.inputs, encoded).reshape(-1, len(self.labels))
        return probabilities(logits, self.labels, self.artifact.temperature)

    def _checked(self, rows: Any) -> Any:
        if not isinstance(self.artifact.inputs, TextInputs):
            return np.asarray(rows)
        if isinstance(rows, str):
            raise DataError(f"expected a list of texts, got the single text {rows[:40]!r}; write [text]")
        if not isinstance(rows, Iterable):
            raise DataError(f"expected a list of texts, got {shown(rows)}")
        texts = list(rows)
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"expected texts, found {shown(text)} ({type(text).__name__}) at position {number}")
        return texts
