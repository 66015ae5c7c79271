"""Exact reasons: each logit of a one-layer model as a sum over the n-grams that won, and as a sum over words.

``logit = bias + sum_f U_f * a(max_t s_f(t) + b_f) + mean + wide``; the score ``s_f(t)`` of a window is a sum over
its words. So a filter's share of a logit belongs to the window that won, and is parted among that window's words in
the proportion of what they add to the score; the filter's own bias is shared by them evenly. All is float64, of the
rows of the look-up runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.inference.filters import LEAK, Doubles, hyperbolic_tangent
from textcnn.inference.lookup import Gathered, LookupModel
from textcnn.inference.quantized import UNIT
from textcnn.kernels.lookup_numpy import WIDE_UNIT
from textcnn.text.pipeline import EncodedTexts

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

MEAN, WIDE = "mean", "wide"


@dataclass(frozen=True)
class Terms:
    """Runs of tokens and what each adds to the logits that are explained.

    Attributes:
        offsets: ``(B + 1,)``, where the terms of each text begin.
        first: ``(M,)``, a run's first token, counted from the first of its text.
        last: ``(M,)``, the one behind its last.
        contributions: ``(M, L)``.
    """

    offsets: Integers
    first: Integers
    last: Integers
    contributions: Doubles


@dataclass(frozen=True)
class Reasons:
    """Why L logits of each of B texts are what they are: ``bias + ngrams + other``, or ``bias + words + other``.

    Attributes:
        labels: ``(B, L)``, which logits.
        logits: ``(B, L)``.
        bias: ``(B, L)``, what a text without a token has.
        ngrams: every n-gram that won a filter; of one that reaches over an end of the text, the words in it.
        words: every token that the encoder sees.
        other: ``mean``, the average of the word vectors, and ``wide``, the linear model over words and pairs of words:
            those that the model has, ``(B, L)`` each.
    """

    labels: Integers
    logits: Doubles
    bias: Doubles
    ngrams: Terms
    words: Terms
    other: dict[str, Doubles]


def check_exact(model: LookupModel) -> LookupModel:
    """The model, if its float32 rows are there.

    Raises:
        ConfigError: it was loaded with another precision.
    """
    if model.precision != "float32":
        raise ConfigError(f"reasons need precision 'float32', this model was loaded with {model.precision!r}")
    return model


def reasons(model: LookupModel, encoded: EncodedTexts, texts: slice, labels: Integers) -> Reasons:
    """The reasons of some neighbouring texts, as :meth:`Won.reasons` gives them."""
    return Won(model, encoded, texts).reasons(labels)


class Won:
    """Some neighbouring texts, and the windows that won in them: what answers and reasons are both made of.

    Args:
        model: of precision float32.
        encoded: texts as the model's inputs encode them.
        texts: which of them.
    """

    def __init__(self, model: LookupModel, encoded: EncodedTexts, texts: slice) -> None:
        self._model, self._kernels = model, model.kernels_for(len(encoded))
        self._call, _ = model.gathered(encoded, texts)
        call, kernels = self._call, self._kernels
        self._places = np.zeros(call.best.shape, np.int32)
        kernels.winners(call.products, call.rows, call.offsets, call.sizes, call.best, self._places)
        kernels.add_rows(call.means, call.rows, call.offsets, call.mean_sums)
        if len(call.table):
            kernels.add_features(
                call.table, call.scale, call.wide_rows, call.wide_weights, call.wide_offsets, call.wide_sums
            )

    def logits(self) -> Doubles:
        """The logits ``(B, C)`` of classify, to the bit."""
        rest, empty = self._model.rest(self._call), np.diff(self._call.offsets) == 0
        return np.asarray(self._model.close(self._call.best, rest, empty, self._kernels), np.float64)

    def reasons(self, labels: Integers) -> Reasons:
        """The reasons of the logits ``labels (B, L)``."""
        call, model = self._call, self._model.model
        chosen = np.arange(len(labels))[:, None], labels
        bias = (model.bias * UNIT).astype(np.float64)[labels]
        other = {}
        if model.means is not None:
            lengths = np.maximum(np.diff(call.offsets), 1)
            other[MEAN] = (call.mean_sums * UNIT)[chosen] / lengths[:, None]
        if model.table is not None:
            other[WIDE] = (call.wide_sums * WIDE_UNIT**2)[chosen]
        wins = _Wins(self._model, call, self._places[:, :, : model.filters.num_filters])
        heads = model.filters.head.astype(np.float64).T[labels]  # (B, L, K)
        shares = heads * wins.features[:, None]
        logits: Doubles = bias + np.asarray(shares.sum(axis=2), np.float64) + sum(other.values())
        return Reasons(labels, logits, bias, wins.ngrams(shares), wins.words(heads), other)


class _Wins:
    """The winning windows of B texts: their words, and what each word adds to the score, ``(B, K)`` for each slot."""

    def __init__(self, model: LookupModel, call: Gathered, places: npt.NDArray[np.int32]) -> None:
        filters = model.model.filters
        self.offsets, lengths = call.offsets, np.diff(call.offsets)[:, None, None]
        sizes = call.sizes[:, None]
        places = np.where(lengths > 0, places, 0)
        first = np.maximum(places, 0)
        last = np.minimum(places + sizes, lengths)
        num_texts, num_features = len(lengths), len(filters.bias)
        self._widest = int(call.sizes.max(initial=1))
        self.first = (first + self.offsets[:-1, None, None]).reshape(num_texts, num_features)
        self.inside = np.maximum(last - first, 0).reshape(num_texts, num_features)
        column, starts = np.arange(filters.num_filters), np.cumsum(call.sizes) - call.sizes
        # Tap of a window's first word that is inside the text, (G, 1) and (B, G, F).
        tap = (starts[:, None] + first - places).reshape(num_texts, num_features)
        column = np.tile(column, len(call.sizes))
        self.slots: list[tuple[Integers, npt.NDArray[np.bool_], Doubles]] = []
        for i in range(self._widest):
            held = self.inside > i
            token = np.where(held, self.first + i, 0)
            numbers = call.rows[token] if len(call.rows) else token
            adds = call.products[np.where(held, numbers, 0), np.where(held, tap + i, 0), column].astype(np.float64)
            self.slots.append((token, held, np.where(held, adds, 0.0)))
        scores: Doubles = np.zeros(self.inside.shape)
        scores += filters.bias
        for _, _, adds in self.slots:
            scores += adds
        activated = _activated(scores, filters.activation)
        self.features = np.where(self.inside > 0, activated, 0.0)
        self._bias = filters.bias / np.maximum(self.inside, 1)
        # What of a score reaches the feature: 1 or 0 for relu.
        self._reach = np.divide(self.features, scores, out=np.zeros_like(scores), where=scores != 0)

    def ngrams(self, shares: Doubles) -> Terms:
        """The windows, each once, of shares ``(B, L, K)`` of the filters."""
        keys = self.first * self._widest + np.maximum(self.inside, 1) - 1
        size = int(self.offsets[-1]) * self._widest
        active = np.flatnonzero((self.features != 0).reshape(-1))
        keys = keys.reshape(-1)[active]
        found = np.flatnonzero(np.bincount(keys, minlength=size)) if len(keys) else keys
        weights = [shares[:, n].reshape(-1)[active] for n in range(shares.shape[1])]
        columns = [np.asarray(np.bincount(keys, w, size)[found], np.float64) for w in weights]
        token, length = np.divmod(found, self._widest)
        return self._terms(token, length + 1, columns)

    def words(self, heads: Doubles) -> Terms:
        """The tokens, by the weights ``(B, L, K)`` of the filters."""
        size = int(self.offsets[-1])
        columns = [np.zeros(size) for _ in range(heads.shape[1])]
        active = np.flatnonzero((self._reach != 0).reshape(-1))
        weights = [(heads[:, n] * self._reach).reshape(-1)[active] for n in range(len(columns))]
        for token, held, adds in self.slots:
            places = token.reshape(-1)[active]
            amounts = np.where(held, adds + self._bias, 0.0).reshape(-1)[active]
            for column, weight in zip(columns, weights, strict=True):
                column += np.bincount(places, amounts * weight, size)[:size] if size else 0
        return self._terms(np.arange(size), np.ones(size, np.int64), columns)

    def _terms(self, token: Integers, length: Integers, columns: list[Doubles]) -> Terms:
        offsets = np.searchsorted(token, self.offsets)
        first = token - np.repeat(self.offsets[:-1], np.diff(offsets))
        return Terms(offsets, first, first + length, np.stack(columns, axis=1))


def _activated(scores: Doubles, activation: str) -> Doubles:
    if activation == "relu":
        return np.maximum(scores, 0)
    if activation == "leaky_relu":
        return np.where(scores > 0, scores, scores * float(LEAK))
    return hyperbolic_tangent(scores) if activation == "tanh" else scores
