"""Defines the base class of all predictors: texts or images in, one answer per row out, whatever the runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """The predictions of a model for N rows.

    Attributes:
        probabilities: ``(N, C)`` float64; in regression the predicted numbers ``(N, K)``.
        labels: the labels assigned to each row: one, or any number (multi-label); in regression none.
        empty: ``(N,)``, which rows have no token; their prediction comes from the model's bias alone.
        cut: ``(N,)``, which rows are longer than the model's ``max_length``.
        num_tokens: the number of tokens of all rows.
        num_unknown: the number of tokens that are not in the vocabulary.
        certified: ``(N,)``, rows whose labels quantization provably did not change (int8); none: not quantized.
        explanations: an explanation of each row, if they were requested.
        strange: ``(N,)``, rows of none of the labels, if these were asked for.
    """

    probabilities: Floats
    labels: list[tuple[str, ...]]
    empty: Booleans
    cut: Booleans
    num_tokens: int = 0
    num_unknown: int = 0
    certified: Booleans | None = None
    explanations: Sequence[Any] | None = None
    strange: Booleans | None = None

    def marked(self, **more: Any) -> Answers:
        """Return the answers with ``strange`` or ``explanations``."""
        return replace(self, **more)

    def best(self, count: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the most probable labels ``(N, count)``, the best first, and their probabilities."""
        if count == 1:  # argmax instead of a full sort: the common case, and much faster
            places = self.probabilities.argmax(axis=1)
            return places[:, None], self.probabilities[np.arange(len(places)), places][:, None]
        places = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return places, np.take_along_axis(self.probabilities, places, axis=1)


@dataclass(frozen=True)
class Measured:
    """The logits of N texts, with the flags and counts that :class:`Answers` reports.

    Attributes:
        logits: ``(N, C)``.
        empty: ``(N,)``, as in :class:`Answers`.
        cut: ``(N,)``, as in :class:`Answers`.
        num_tokens: the number of tokens of all texts.
        num_unknown: the number of tokens that are not in the vocabulary.
        certified: ``(N,)``, or none, as in :class:`Answers`.
    """

    logits: npt.NDArray[np.floating]
    empty: Booleans
    cut: Booleans
    num_tokens: int = 0
    num_unknown: int = 0
    certified: Booleans | None = None


@dataclass(frozen=True)
class Runtime:
    """The name of the runtime that answers and, unless it is the look-up runtime, the reason why that one does not."""

    name: str
    reason: str = ""

    def describe(self) -> str:
        """Return the name, with the reason in parentheses, as one line for people."""
        return self.name if not self.reason else f"{self.name} ({self.reason})"


class Answering(ABC):
    """Base class of predictors: assigns labels to rows from logits, whatever runtime computes those.

    The answer to a row never depends on the other rows of the batch.
    """

    @property
    @abstractmethod
    def labels(self) -> Labels:
        """The labels, in the order of the columns of :meth:`predict_proba`."""

    @property
    @abstractmethod
    def temperature(self) -> float:
        """The temperature that logits are divided by."""

    @property
    @abstractmethod
    def own_thresholds(self) -> list[float]:
        """The probability from which each label is assigned (multi-label)."""

    @property
    @abstractmethod
    def inputs(self) -> Any:
        """The encoder of rows, with a method ``encode``: a ``TextPipeline``, or the inputs of an image model."""

    @property
    def schema(self) -> Schema:
        """The columns of the training data and the way its labels were written, for reading further tables."""
        return Schema()

    def text_inputs(self) -> TextPipeline:
        """Return the text pipeline.

        Raises:
            ArtifactError: this is an image model.
        """
        if not isinstance(self.inputs, TextPipeline):
            raise ArtifactError("expected a text model, got an image model; use `textcnn image` for it")
        return self.inputs

    @abstractmethod
    def logits(self, encoded: Any) -> npt.NDArray[np.floating]:
        """Return the logits ``(N, C)`` of rows that :attr:`inputs` has encoded."""

    def certify(self, encoded: Any, thresholds: Sequence[float]) -> tuple[npt.NDArray[np.floating], Booleans | None]:
        """Return the logits ``(N, C)``, and which rows ``(N,)`` provably keep their labels in int8 (none: not int8)."""
        del thresholds
        return self.logits(encoded), None

    @property
    def classes_(self) -> list[str]:
        """The names of the columns of :meth:`predict_proba`, under scikit-learn's name."""
        return list(self.labels.names if self.labels.grades is None else self.labels.grades.names)

    def predict_proba(self, rows: Any) -> Floats:
        """Return the probabilities ``(N, C)``: rows sum to 1, or, multi-label, entries are independent.

        Of an ordered scale, those of the grades.

        Args:
            rows: texts, as :func:`textcnn.runtime.given_texts.given_texts` takes them: a list, a column, a generator,
                or a table with the columns of training; or images ``(N, C, H, W)``.

        Raises:
            ConfigError: the model predicts numbers.
            DataError: a single text instead of a list, a table without the column, or images of another shape.
        """
        if self.labels.grades is not None:
            return self.labels.grades.probabilities(self.answer(rows).probabilities[:, 0])
        self.labels.require_labels("predict_proba")
        return self.answer(rows).probabilities

    def predict(self, rows: Any) -> list[Any]:
        """Return the label of each row, or, multi-label, the tuple of its labels, which may be empty.

        In regression, the number of each row; of several targets, the tuple of their numbers; of an ordered scale the
        most probable grade.

        Raises:
            DataError: as for :meth:`predict_proba`.
        """
        if type(rows) is list and len(rows) == 1 and isinstance(rows[0], str):
            label = self.label_of(rows[0])
            if label is not None:
                return [label]
        if self.labels.grades is not None:
            return [self.labels.grades.names[place] for place in self.predict_proba(rows).argmax(axis=1).tolist()]
        if self.labels.targets:
            numbers = self.answer(rows).probabilities.tolist()
            return [tuple(row) for row in numbers] if len(self.labels) > 1 else [row[0] for row in numbers]
        given = self.answer(rows).labels
        return given if self.labels.multi_label else [names[0] for names in given]

    def label_of(self, text: str) -> str | None:
        """Return the label of one text by a path without probabilities; none where the runtime has no such path."""
        return None

    def answer(self, rows: Any, *, threshold: float | None = None) -> Answers:
        """Return the probabilities, labels, flags and counts of all rows.

        Args:
            rows: texts, as :func:`textcnn.runtime.given_texts.given_texts` takes them: a list, a column, a generator,
                or a table with the columns of training; or images ``(N, C, H, W)``.
            threshold: one threshold for all labels, instead of the model's own (multi-label only).

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
        """Return the answers that the logits ``found`` lead to."""
        probs = probabilities(found.logits, self.labels, self.temperature)
        given = decide(probs, self.labels, thresholds)
        return Answers(
            probs, given, found.empty, found.cut, found.num_tokens, found.num_unknown, certified=found.certified
        )

    def measure(self, texts: Sequence[str], thresholds: Sequence[float]) -> Measured:
        """Return the logits of texts, with their flags and counts."""
        return self.measure_encoded(self.text_inputs().encode(texts), thresholds)

    def measure_encoded(self, encoded: EncodedTexts, thresholds: Sequence[float]) -> Measured:
        """Return the logits of texts that :attr:`inputs` has encoded, with their flags and counts."""
        return self.measured(encoded, *self.certify(encoded, thresholds))

    def measured(
        self, encoded: EncodedTexts, logits: npt.NDArray[np.floating], certified: Booleans | None = None
    ) -> Measured:
        """Return the logits ``(N, C)`` together with the flags and counts of the encoded texts."""
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
        """Return the threshold of each label (multi-label): the model's own ones, or ``threshold`` for all.

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

    def probabilities_of(self, encoded: Any) -> Floats:
        """Return the probabilities ``(N, C)`` of rows that :attr:`inputs` has encoded."""
        return probabilities(self.logits(encoded), self.labels, self.temperature)

    def score(self, encoded: Any, truth: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        """Return the metrics (:func:`textcnn.evaluation.metrics.score`) on rows that :attr:`inputs` has encoded."""
        probs = self.probabilities_of(encoded)
        return score(truth, probs, self.labels, self.own_thresholds)
