"""Finds the words of a text that are sufficient for its label, and defines when a variant keeps the label."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.units import UNIT, WIDE_SHIFT
from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats, decide, probabilities
from textcnn.explain.attribution import WIDE, Winners, check_exact, reasons
from textcnn.explain.entries import part_terms
from textcnn.runtime.filters import Doubles, FloatFilters
from textcnn.runtime.lookup import LookupModel
from textcnn.runtime.text_model import Answering, Booleans
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.ragged import Ragged


class Decision:
    """The label of a text, or its set of labels (multi-label), to compare variants of the text with.

    Args:
        model: the model.
        logits: ``(C,)``, the logits of the text.
    """

    def __init__(self, model: Answering, logits: npt.NDArray[np.float64]) -> None:
        model.labels.require_labels("a question about the decision of a model")
        self._model = model
        self._limits = np.asarray(model.own_thresholds, np.float64)
        own = self.probabilities(logits[None])
        self.labels = self.names(logits[None])[0]
        self.label = int(own[0].argmax())
        self._given = own[0] >= self._limits if model.labels.multi_label else None

    def probabilities(self, logits: npt.NDArray[np.float64]) -> Floats:
        """Return the probabilities ``(D, C)`` of variants."""
        return probabilities(logits, self._model.labels, self._model.temperature)

    def names(self, logits: npt.NDArray[np.float64]) -> list[tuple[str, ...]]:
        """Return the labels of each variant."""
        return decide(self.probabilities(logits), self._model.labels, self._model.own_thresholds)

    def keeps(self, logits: npt.NDArray[np.float64]) -> Booleans:
        """Return which of D variants keep the label, or all labels, of the text, ``(D,)``."""
        probs = self.probabilities(logits)
        if self._given is None:
            return np.asarray(probs.argmax(axis=1) == self.label)
        return np.asarray(((probs >= self._limits) == self._given).all(axis=1))

    def margins(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the margin by which each variant keeps it, ``(D,)``, in logits, or, multi-label, in probability."""
        if self._given is not None:
            distance = self.probabilities(logits) - self._limits
            return np.asarray(np.where(self._given, distance, -distance).min(axis=1))
        others = np.delete(logits, self.label, axis=1)
        return np.asarray(logits[:, self.label] - others.max(axis=1, initial=-np.inf))


Array = npt.NDArray[Any]

TOKENS = 100_000  # tokens of the variants that are computed together
PREFIXES = 64  # prefixes of the list of ranked n-grams that are tried at once


class Blanked:
    """One text, of which only some words are shown; the others are blanks that no window may touch.

    Args:
        model: a model of precision float32.
        encoded: texts encoded by the model's inputs.
        number: the number of the text.
    """

    def __init__(self, model: LookupModel, encoded: EncodedTexts, number: int) -> None:
        self._model, self._kernels = check_exact(model), core.twin("lookup")
        self._encoded, self._number = encoded, number
        self.ids = encoded.ids[encoded.offsets[number] : encoded.offsets[number + 1]]
        seen = self.ids[: model.inputs.max_length]
        cached, numbers = model.rows(seen, encoded.unseen)
        used, own = np.unique(numbers, return_inverse=True)
        blank = np.full_like(cached.products[:1], -np.inf)
        self._products = np.concatenate([np.zeros_like(blank), cached.products[used], blank])
        self._rows, self._means = own + 1, cached.means[numbers]

    def logits(self, shown: Booleans) -> Doubles:
        """Return the logits ``(D, C)`` of the text with only the words ``shown (D, T)``, exact to the bit."""
        step = max(TOKENS // max(len(self.ids), 1), 1)
        parts = [self._logits(shown[k : k + step]) for k in range(0, len(shown), step)]
        return np.concatenate([np.zeros((0, self._model.model.num_labels)), *parts])

    def sufficient(self) -> Booleans:
        """Return the union of the winning windows, ``(T,)``: with these words alone every logit is bit-identical.

        Raises:
            ConfigError: the model has a mean or a wide branch, to which every word contributes.
        """
        model = self._model.model
        parts = {"a mean of word vectors": model.means is not None, "a wide branch": model.table is not None}
        if found := [name for name, present in parts.items() if present]:
            raise ConfigError(
                f"words are sufficient where features are maxima alone, but this model has {' and '.join(found)}; "
                f"train one with --preset pure"
            )
        why = reasons(self._winners(), np.zeros((1, 1), np.int64))
        shown = np.zeros(len(self.ids), np.bool_)
        for first, last in zip(why.ngrams.first.tolist(), why.ngrams.last.tolist(), strict=True):
            shown[first:last] = True
        return shown

    def smallest(self) -> Booleans:
        """Return a small set of words, ``(T,)``, that alone keeps the label or labels of the text.

        The search is greedy, so a smaller set may exist: n-grams are shown, the strongest for the label first, until
        the label is reached; then words are removed one by one, the least important first, while it stays.
        """
        whole = np.ones((1, len(self.ids)), np.bool_)
        decision = Decision(self._model, self.logits(whole)[0])
        shown = self._first_that_keeps(decision, whole[0])
        while shown.any():  # each row of `without` lacks one of the words that are still shown
            without = np.tile(shown, (int(shown.sum()), 1))
            without[np.arange(len(without)), np.flatnonzero(shown)] = False
            logits = self.logits(without)
            margins = np.where(decision.keeps(logits), decision.margins(logits), -np.inf)
            if margins.max() == -np.inf:
                break
            shown = without[int(margins.argmax())]
        return shown

    def _first_that_keeps(self, decision: Decision, whole: Booleans) -> Booleans:
        """Return the union of as many of the strongest n-grams as keep the label; the whole text if none do."""
        shown, runs = np.zeros_like(whole), self._ranked_runs(decision)
        for k in range(0, len(runs) + 1, PREFIXES):
            tried = []
            for first, last in ([(0, 0)] if k == 0 else []) + runs[k : k + PREFIXES]:
                shown = shown.copy()
                shown[first:last] = True
                tried.append(shown)
            if tried and len(kept := np.flatnonzero(decision.keeps(self.logits(np.array(tried))))):
                return np.asarray(tried[int(kept[0])])
        return whole

    def _ranked_runs(self, decision: Decision) -> list[tuple[int, int]]:
        """Return runs of words, ranked by what they add to the label.

        That is their contribution to the label's logit minus that to the strongest other one, or, multi-label, the
        sum of their contributions to all assigned labels.
        """
        model, labels = self._model, np.arange(self._model.model.num_labels)
        why = reasons(self._winners(), labels[None])
        terms = [why.ngrams]
        if model.model.features is not None:
            terms.append(part_terms(model, self._encoded, self._number, labels.tolist())[WIDE])
        first, last = (np.concatenate([getattr(term, name) for term in terms]) for name in ("first", "last"))
        adds = np.concatenate([term.contributions for term in terms])
        if model.labels.multi_label:
            given = [name in decision.labels for name in model.labels.names]
            strength = adds @ np.where(given, 1.0, 0.0)
        else:
            others = np.where(labels == decision.label, -np.inf, why.logits[0])
            strength = adds[:, decision.label] - adds[:, int(others.argmax())]
        order = np.argsort(-strength, kind="stable")
        return list(zip(first[order].tolist(), last[order].tolist(), strict=True))

    def _winners(self) -> Winners:
        return Winners(self._model, self._encoded, slice(self._number, self._number + 1))

    def _logits(self, shown: Booleans) -> Doubles:
        model, count = self._model.model, len(shown)
        seen = shown[:, : len(self._rows)]
        tokens = _shortened(np.where(seen, self._rows, len(self._products) - 1), seen)
        best = np.empty((count, len(model.filters.sizes), self._products.shape[2]), np.float32)
        rest = np.tile(model.bias, (count, 1))
        if len(model.filters.sizes):
            windows = tokens.ids.astype(np.int64), tokens.offsets, model.filters.sizes, model.filters.first_taps
            self._kernels.pool(self._products, *windows, best)
        if model.means is not None:
            rest += (seen @ self._means) // np.maximum(seen.sum(axis=1), 1)[:, None]
        if model.features is not None:
            rest += self._wide(shown)
        filters = self._model.filters
        assert isinstance(filters, FloatFilters)
        features = filters.features(best, np.asarray(~seen.any(axis=1)))
        features[model.filters.flat(best) == -np.inf] = 0  # every window of the filter touches a blank
        logits = np.zeros(rest.shape)
        self._kernels.head(features, model.filters.head, logits)
        return np.asarray(logits + rest * UNIT)

    def _wide(self, shown: Booleans) -> npt.NDArray[np.int64]:
        model = self._model.model
        assert model.features is not None
        nobody = len(self._model.inputs.tokenizer) + len(self._encoded.unseen.names)  # a type that has no feature
        wide = model.features.transform(_shortened(np.where(shown, self.ids, nobody), shown))
        sums = np.zeros((len(shown), model.num_labels), np.int64)
        if len(model.features.keys):
            self._kernels.add_features(model.table, model.scale, wide.rows, wide.weights, wide.offsets, sums)
        return np.asarray(sums >> WIDE_SHIFT, np.int64)


def _shortened(rows: Array, shown: Booleans) -> Ragged:
    """Return rows ``(D, T)`` as texts in which each run of blanks is merged into a single one."""
    kept = shown.copy()
    kept[:, 1:] |= shown[:, :-1]
    kept[:, :1] = True
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    return Ragged(rows[kept].astype(np.int32), offsets)
