"""Flags texts of none of a model's labels: those that score lower than nearly all of the held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats
from textcnn.evaluation.strangers import StrangerScore, statistics
from textcnn.labels import Labels
from textcnn.prediction.answers import Answerer
from textcnn.runtime.given_texts import given_texts
from textcnn.runtime.text_model import Answers, Booleans, Runtime

if TYPE_CHECKING:
    from textcnn.prediction.predictor import Predictor

KEPT = 0.95  # of the rows like the held-out ones, where no other share is asked for


class StrangerModel:
    """The score of one model: the lower it is, the less a text is like the rows that were held out from training.

    Raises:
        ConfigError: the model has no statistics of held-out rows, or is multi-label.
    """

    def __init__(self, predictor: Predictor) -> None:
        predictor.labels.require_labels("none_of_these")
        if predictor.labels.multi_label:
            raise ConfigError(
                "none_of_these is for models with one label a row; this one is multi-label and may give no label at all"
            )
        if predictor.held_out is None or predictor.held_out.statistics is None:
            raise ConfigError(
                "none_of_these needs statistics of held-out rows, and the model has none: train it without --calibrate "
                "none, or run `textcnn calibrate` with rows that it was not trained on"
            )
        self._predictor, self._score = predictor, StrangerScore.of(predictor.held_out)
        self._likeness = predictor.held_out.likeness

    def scores(self, texts: Sequence[str]) -> Floats:
        """Return the scores ``(N,)`` of texts."""
        inputs = self._predictor.text_inputs()
        encoded = inputs.encode(texts)
        return self._score(statistics(self._predictor.branches(encoded), inputs.counts(encoded), self._likeness))

    def least(self, kept: float = KEPT) -> float:
        """Return the score that a share ``kept`` of the rows like the held-out ones reaches.

        Raises:
            ConfigError: the share is not between 0 and 1.
        """
        return self._score.least(kept)

    def strange(self, texts: Sequence[str], kept: float = KEPT) -> Booleans:
        """Return which texts ``(N,)`` score lower than a share ``kept`` of the rows like the held-out ones.

        Raises:
            ConfigError: the share is not between 0 and 1.
        """
        least = self.least(kept)
        return np.asarray(self.scores(texts) < least)


class FlaggingStrangers:
    """Answers texts as another answerer does, and says which are of none of the labels.

    Args:
        answerer: the predictor, or an explainer of it.
        predictor: the predictor.
        kept: the share of rows like the held-out ones that is not flagged.

    Raises:
        ConfigError: as for :class:`StrangerModel`, or the share is not between 0 and 1.
    """

    def __init__(self, answerer: Answerer, predictor: Predictor, kept: float) -> None:
        self._answerer, self._predictor = answerer, predictor
        self._model = StrangerModel(predictor)
        self._least = self._model.least(kept)

    @property
    def labels(self) -> Labels:
        """The labels of the model."""
        return self._predictor.labels

    @property
    def runtime(self) -> Runtime:
        """The runtime that computes the answers."""
        return self._predictor.runtime

    def answer(self, rows: Any, *, threshold: float | None = None) -> Answers:
        """Return the answers of the answerer, with the rows of none of the labels.

        Raises:
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
            DataError: a single text instead of a list.
        """
        texts = given_texts(rows, self._predictor.schema)
        strange = np.asarray(self._model.scores(texts) < self._least)
        return self._answerer.answer(texts, threshold=threshold).marked(strange=strange)
