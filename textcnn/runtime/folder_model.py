"""What the runtimes without torch take from the config.json of their model folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from textcnn.labels import Labels
from textcnn.reading.schema import Schema, schema_of
from textcnn.runtime.text_model import Answering
from textcnn.tokenization.pipeline import TextPipeline


class FolderModel(Answering):
    """A text model without a network, whose constructor sets its labels, its pipeline and its saved config."""

    _labels: Labels
    _saved: Mapping[str, Any]
    _pipeline: TextPipeline

    @property
    def labels(self) -> Labels:
        """The labels, in the order of the columns of :meth:`predict_proba`."""
        return self._labels

    @cached_property
    def schema(self) -> Schema:
        """The columns of the training data and the way its labels were written, for reading further tables."""
        return schema_of(self._saved)

    @property
    def temperature(self) -> float:
        """The temperature that logits are divided by."""
        return float(self._saved["temperature"])

    @property
    def own_thresholds(self) -> list[float]:
        """The probability from which each label is assigned (multi-label)."""
        return list(self._saved["thresholds"])

    @property
    def inputs(self) -> TextPipeline:
        """The pipeline from strings to token ids."""
        return self._pipeline
