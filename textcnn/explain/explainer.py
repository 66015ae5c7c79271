"""Explains texts with any model: exactly if it has one layer, and otherwise approximately, marked as such."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import probabilities
from textcnn.evaluation.promises import Promise, answered_nodes
from textcnn.explain.attribution import CHUNK, Integers, Winners, check_exact, in_units, reasons
from textcnn.explain.entries import Explanation, entries, explanations, part_terms
from textcnn.labels import Labels
from textcnn.prediction.predictor import Predictor
from textcnn.runtime.filters import Doubles
from textcnn.runtime.given_texts import given_texts
from textcnn.runtime.text_model import Answers, Runtime
from textcnn.tokenization.offsets import Spans
from textcnn.tokenization.pipeline import EncodedTexts


class Explainer:
    """A callable that returns the explanations of texts by one model.

    Args:
        predictor: a text model.
        labels: the labels to explain: ``predicted``, ``all``, or names of labels.
        top: the number of n-grams and of words to list; none: all.
        promise: how sure an answer has to be; in a tree of labels ``predicted`` is then the most probable label at or
            below the node that answers. None: the most probable label of all.

    Raises:
        ArtifactError: the model is for images.
        ConfigError: an unknown label, or a model that was loaded with precision int8.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        labels: str | Sequence[str] = "predicted",
        top: int | None = None,
        promise: Promise | None = None,
    ) -> None:
        self._predictor, self._top, self._promise = predictor, top, promise
        own = predictor.labels
        self._is_one = labels == "predicted" and not (own.targets and len(own) > 1)
        if labels == "predicted" and own.targets:  # every target is predicted
            labels = "all"
        self._columns = None if labels == "predicted" else _columns(predictor, labels)
        self._spans = Spans(predictor.text_inputs().tokenizer)
        model = predictor.lookup()
        self._model = None if model is None else check_exact(model)

    def __call__(self, texts: Any) -> list[Explanation] | list[list[Explanation]]:
        """Return the explanation of each text, or, unless ``labels`` is ``predicted``, a list for each text.

        Raises:
            DataError: a single text instead of a list.
            MissingExtraError: the model has more than one layer and captum is not installed.
        """
        return list(self.answer(texts).explanations or ())

    @property
    def runtime(self) -> Runtime:
        """The runtime that computes the answers."""
        return self._predictor.runtime

    @property
    def labels(self) -> Labels:
        """The labels of the model."""
        return self._predictor.labels

    def answer(self, rows: Any, *, threshold: float | None = None) -> Answers:
        """Return the predictor's answers with explanations; winning windows are computed once for both.

        Raises:
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
            DataError: as for a call.
            MissingExtraError: as for a call.
        """
        predictor = self._predictor
        texts = given_texts(rows, predictor.schema)
        thresholds, encoded = predictor.thresholds(threshold), predictor.text_inputs().encode(texts)
        logits = np.zeros((len(texts), len(self.labels)))
        found = (self._approximate if self._model is None else self._exact)(texts, encoded, logits)
        answers = predictor.decided(predictor.measured(encoded, logits), thresholds)
        return answers.marked(explanations=[row[0] for row in found] if self._is_one else found)

    def _exact(self, texts: Sequence[str], encoded: EncodedTexts, logits: Doubles) -> list[list[Explanation]]:
        model = self._model
        assert model is not None
        found: list[list[Explanation]] = []
        for start in range(0, len(texts), CHUNK):
            part = slice(start, min(start + CHUNK, len(texts)))
            won, own = Winners(model, encoded, part), texts[part]
            logits[part] = won.logits()
            columns, places = self._chosen(logits[part]), self._spans(own)
            why = in_units(reasons(won, columns), model.labels, model.temperature)
            rows = explanations(why, model.labels, own, places, self._top)
            for b in range(len(own)) if self._top is None else ():
                parts = part_terms(model, encoded, start + b, columns[b].tolist())
                here = places.of(b)
                for n, one in enumerate(rows[b]):
                    for term in one["other"]:
                        term["terms"] = entries(parts[term["name"]], n, own[b : b + 1], here, None)[0]
            found += rows
        return found

    def _approximate(self, texts: Sequence[str], encoded: EncodedTexts, logits: Doubles) -> list[list[Explanation]]:
        from textcnn.explain.gradients import METHOD, integrated_gradients

        logits[:] = self._predictor.logits(encoded)
        why = integrated_gradients(self._predictor, encoded, self._chosen(logits))
        why = in_units(why, self._predictor.labels, self._predictor.temperature)
        found = explanations(why, self._predictor.labels, texts, self._spans(texts), self._top)
        return [[{**one, "approximate": METHOD} for one in row] for row in found]

    def _chosen(self, logits: Doubles) -> Integers:
        """Return the indices of the labels to explain, ``(B, L)``."""
        if self._columns is not None:
            return np.tile(self._columns, (len(logits), 1))
        labels = self._predictor.labels
        probs = probabilities(logits, labels, self._predictor.temperature)
        nodes = None if self._promise is None else answered_nodes(probs, labels, self._promise)
        if nodes is None or labels.tree is None:
            return np.asarray(probs.argmax(axis=1)[:, None])
        return labels.tree.likeliest_below(probs, nodes.numbers)[:, None]


def _columns(predictor: Predictor, labels: str | Sequence[str]) -> Integers:
    known = list(predictor.labels.names)
    if labels == "all":
        return np.arange(len(known))
    names = [labels] if isinstance(labels, str) else list(labels)
    if not names or (unknown := [name for name in names if name not in known]):
        found = "none" if not names else repr(unknown[0])
        raise ConfigError(f"labels must be 'predicted', 'all', or names of labels ({', '.join(known)}), got {found}")
    return np.array([known.index(name) for name in names], np.int64)
