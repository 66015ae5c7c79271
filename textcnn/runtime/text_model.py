"""What every predictor is to its callers, whichever runtime answers: texts or images in, one answer a row out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ArtifactError, ConfigError
from textcnn.evaluation.calibration import Floats, decide, probabilities
from textcnn.evaluation.metrics import score
from textcnn.labels import Labels
from textcnn.reading.schema import Schema
from textcnn.runtime.given_texts import given_texts
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline

Booleans = npt.NDArray[np.bool_]


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
        certified: ``(N,)``, rows whose labels quantization provably did not change (int8); none: not quantized.
        explanations: of each row, if they were asked for.
    """

    probabilities: Floats
    labels: list[tuple[str, ...]]
    empty: Booleans
    cut: Booleans
    num_tokens: int = 0
    num_unknown: int = 0
    certified: Booleans | None = None
    explanations: Sequence[Any] | None = None


@dataclass(frozen=True)
class Measured:
    """Logits of N texts, and what else is known of them; see :class:`Answers`.

    Attributes:
        logits: ``(N, C)``.
        empty: ``(N,)``.
        cut: ``(N,)``.
        num_tokens: of all texts.
        num_unknown: of all texts.
        certified: ``(N,)``, or none.
    """

    logits: npt.NDArray[np.floating]
    empty: Booleans
    cut: Booleans
    num_tokens: int = 0
    num_unknown: int = 0
    certified: Booleans | None = None


@dataclass(frozen=True)
class Runtime:
    """Which runtime answers, and, if it is not the look-up runtime, why not."""

    name: str
    reason: str = ""

    def describe(self) -> str:
        """One line for people."""
        return self.name if not self.reason else f"{self.name} ({self.reason})"


class Answering(ABC):
    """Labels from logits, the same way for every runtime. The answer to a row never depends on the rows beside it."""

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """The labels, in the order of the columns of :meth:`predict_proba`."""

    @property
    @abstractmethod
    def temperature(self) -> float:
        """Logits are divided by it."""

    @property
    @abstractmethod
    def own_thresholds(self) -> list[float]:
        """From which probability each label is given (multi-label)."""

    @property
    @abstractmethod
    def inputs(self) -> Any:
        """Has ``encode(rows)``: a ``TextPipeline``, or the inputs of an image model."""

    @property
    def schema(self) -> Schema:
        """What tables are to be read like."""
        return Schema()

    def text_inputs(self) -> TextPipeline:
        """The inputs of a text model.

        Raises:
            ArtifactError: this is an image model.
        """
        if not isinstance(self.inputs, TextPipeline):
            raise ArtifactError("expected a text model, got an image model; use `textcnn image` for it")
        return self.inputs

    @abstractmethod
    def logits(self, encoded: Any) -> npt.NDArray[np.floating]:
        """Logits ``(N, C)`` of rows that :attr:`inputs` has encoded."""

    def certify(self, encoded: Any, thresholds: Sequence[float]) -> tuple[npt.NDArray[np.floating], Booleans | None]:
        """Logits ``(N, C)``, and which rows have labels that quantization provably did not change (none: no int8)."""
        del thresholds
        return self.logits(encoded), None

    @property
    def classes_(self) -> list[str]:
        """Names of the columns of :meth:`predict_proba`, as scikit-learn has them."""
        return list(self.labels.names)

    def predict_proba(self, rows: Any) -> Floats:
        """Probabilities ``(N, C)``: each row sums to 1, or, multi-label, each entry stands for itself.

        Args:
            rows: texts, as :func:`textcnn.runtime.given_texts.given_texts` takes them: a list, a column, a generator,
                or a table with the columns of training; or images ``(N, C, H, W)``.

        Raises:
            DataError: a single text where a list belongs, a table without the column, or images of another shape.
        """
        return self.answer(rows).probabilities

    def predict(self, rows: Any) -> list[str] | list[tuple[str, ...]]:
        """The label of each row; of a multi-label model, the tuple of its labels, which may be empty.

        Raises:
            DataError: as for :meth:`predict_proba`.
        """
        if type(rows) is list and len(rows) == 1 and isinstance(rows[0], str):
            label = self.label_of(rows[0])
            if label is not None:
                return [label]
        given = self.answer(rows).labels
        return given if self.labels.multi_label else [names[0] for names in given]

    def label_of(self, text: str) -> str | None:
        """The label of a text, where a runtime has a shorter way to it than by its probabilities; else none."""
        return None

    def answer(self, rows: Any, *, threshold: float | None = None) -> Answers:
        """Everything known of each row at once.

        Args:
            rows: texts, as :func:`textcnn.runtime.given_texts.given_texts` takes them: a list, a column, a generator,
                or a table with the columns of training; or images ``(N, C, H, W)``.
            threshold: instead of the model's own thresholds (multi-label only).

        Raises:
            DataError: as for :meth:`predict_proba`.
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
        """
        thresholds = self.thresholds(threshold)
        if isinstance(self.inputs, TextPipeline):
            found = self.measure(given_texts(rows, self.schema), thresholds)
        else:
            logits = self.logits(self.inputs.encode(np.asarray(rows)))
            found = Measured(logits, *np.zeros((2, len(logits)), np.bool_))
        return self.decided(found, thresholds)

    def decided(self, found: Measured, thresholds: Sequence[float]) -> Answers:
        """The answers to rows whose logits are there."""
        probs = probabilities(found.logits, self.labels, self.temperature)
        given = decide(probs, self.labels, thresholds)
        return Answers(
            probs, given, found.empty, found.cut, found.num_tokens, found.num_unknown, certified=found.certified
        )

    def measure(self, texts: Sequence[str], thresholds: Sequence[float]) -> Measured:
        """Logits of texts, and what their answers say beside them."""
        return self.measure_encoded(self.text_inputs().encode(texts), thresholds)

    def measure_encoded(self, encoded: EncodedTexts, thresholds: Sequence[float]) -> Measured:
        """The same of texts that :attr:`inputs` has encoded."""
        return self.measured(encoded, *self.certify(encoded, thresholds))

    def measured(
        self, encoded: EncodedTexts, logits: npt.NDArray[np.floating], certified: Booleans | None = None
    ) -> Measured:
        """What is known of encoded texts beside their logits ``(N, C)``."""
        inputs = self.text_inputs()
        return Measured(
            logits,
            encoded.lengths == 0,
            inputs.cut_rows(encoded),
            len(encoded.ids),
            int(inputs.is_unknown(encoded).sum()),
            certified,
        )

    def thresholds(self, threshold: float | None = None) -> list[float]:
        """From which probability each label is given (multi-label): the model's own, or one for all.

        Raises:
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
        """
        if threshold is None:
            return self.own_thresholds
        if not (self.labels.multi_label and 0 <= threshold <= 1):
            raise ConfigError(
                f"threshold must be in [0, 1] and is for multi-label models, got {threshold!r} for "
                f"{self.labels.problem_type}"
            )
        return [threshold] * len(self.labels)

    def score(self, encoded: Any, truth: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        """Metrics (:func:`textcnn.evaluation.metrics.score`) on rows that :attr:`inputs` has encoded."""
        probs = probabilities(self.logits(encoded), self.labels, self.temperature)
        return score(truth, probs, self.labels, self.own_thresholds)
