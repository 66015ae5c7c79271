"""Explanations of texts by any model: exact where it has one layer, else approximate and marked so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn.errors import ConfigError
from textcnn.explain.additive import Integers, check_exact, reasons
from textcnn.explain.entries import Explanation, entries, explanations
from textcnn.explain.parts import part_terms
from textcnn.inference import threads as pool
from textcnn.inference.answering import Answers, checked_texts
from textcnn.inference.lookup import CHUNK
from textcnn.inference.predictor import Predictor
from textcnn.kernels import lookup_numpy
from textcnn.text.spans import Spans


class Explainer:
    """``texts -> explanations`` of one model; keeps what several calls need.

    Args:
        predictor: a text model.
        labels: ``predicted``, ``all``, or names.
        top: how many n-grams and words to list; none: all.

    Raises:
        ArtifactError: the model is for images.
        ConfigError: a label that there is not, or a model that was loaded with precision int8.
    """

    def __init__(
        self, predictor: Predictor, *, labels: str | Sequence[str] = "predicted", top: int | None = None
    ) -> None:
        self._predictor, self._top = predictor, top
        self._is_one = labels == "predicted"
        self._columns = None if self._is_one else _columns(predictor, labels)
        self._spans = Spans(predictor.text_inputs().tokenizer)
        model = predictor.lookup()
        self._model = None if model is None else check_exact(model)

    def __call__(self, texts: Sequence[str]) -> list[Explanation] | list[list[Explanation]]:
        """The explanation of each text, or, where labels were named, a list for each text.

        Raises:
            DataError: a single text where a list belongs.
            MissingExtraError: the model is of more than one layer and captum is not installed.
        """
        return self.of_answers(checked_texts(texts), self._predictor.answer(texts))

    def of_answers(self, texts: Sequence[str], answers: Answers) -> list[Explanation] | list[list[Explanation]]:
        """As a call, of texts that have been answered."""
        if self._columns is None:
            columns = answers.probabilities.argmax(axis=1)[:, None]
        else:
            columns = np.tile(self._columns, (len(texts), 1))
        found = self._exact(texts, answers, columns) if self._model else self._approximate(texts, answers, columns)
        return [row[0] for row in found] if self._is_one else found

    def _exact(self, texts: Sequence[str], answers: Answers, columns: Integers) -> list[list[Explanation]]:
        model, encoded = self._model, answers.encoded
        assert model is not None
        found: dict[int, list[list[Explanation]]] = {}

        def work(start: int) -> None:
            part = slice(start, min(start + CHUNK, len(texts)))
            why, own = reasons(model, encoded, part, columns[part]), texts[part]
            spans = [self._spans(text) for text in own]
            found[start] = explanations(why, model.labels, own, spans, self._top)
            for b in range(len(own)) if self._top is None else ():
                parts = part_terms(model, encoded, start + b, columns[start + b].tolist())
                for n, one in enumerate(found[start][b]):
                    for term in one["other"]:
                        term["terms"] = entries(parts[term["name"]], n, own[b : b + 1], spans[b : b + 1], None)[0]

        starts = range(0, len(texts), CHUNK)
        numba = model.kernels_for(len(texts)) is not lookup_numpy
        pool.run(work, starts, min(model.threads, len(starts)) if numba and len(starts) else 1)
        return [row for start in starts for row in found[start]]

    def _approximate(self, texts: Sequence[str], answers: Answers, columns: Integers) -> list[list[Explanation]]:
        from textcnn.explain.gradients import METHOD, integrated_gradients

        why = integrated_gradients(self._predictor, answers.encoded, columns)
        spans = [self._spans(text) for text in texts]
        found = explanations(why, self._predictor.labels, texts, spans, self._top)
        return [[{**one, "approximate": METHOD} for one in row] for row in found]


def _columns(predictor: Predictor, labels: str | Sequence[str]) -> Integers:
    known = list(predictor.labels.names)
    if labels == "all":
        return np.arange(len(known))
    names = [labels] if isinstance(labels, str) else list(labels)
    if not names or (unknown := [name for name in names if name not in known]):
        found = "none" if not names else repr(unknown[0])
        raise ConfigError(f"labels must be 'predicted', 'all', or names of labels ({', '.join(known)}), got {found}")
    return np.array([known.index(name) for name in names], np.int64)
