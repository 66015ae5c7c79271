"""Exact reasons: each logit of a one-layer model as a sum over the n-grams that won, and as a sum over words.

``logit = bias + sum_f U_f * a(max_t s_f(t) + b_f) + mean + wide``; the score ``s_f(t)`` of a window is a sum over
its words. So a filter's share of a logit belongs to the window that won, and is parted among that window's words in
the proportion of what they add to the score; the filter's own bias is shared by them evenly. All is float64, of the
rows of the look-up runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.inference.filters import Doubles, activate
from textcnn.inference.gathering import Gathered
from textcnn.inference.lookup import LookupModel
from textcnn.inference.quantized import UNIT
from textcnn.kernels import lookup_numpy, shares_numpy
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


def shares_of(kernels: ModuleType) -> ModuleType:
    """The kernels of reasons that go with those of the look-up."""
    if kernels is lookup_numpy:
        return shares_numpy
    from textcnn.kernels import shares_numba

    return shares_numba


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
        wins = _Wins(self._model, call, self._places, shares_of(self._kernels))
        heads = model.filters.head.astype(np.float64).T[labels]  # (B, L, K)
        logits: Doubles = bias + np.einsum("blk,bk->bl", heads, wins.features) + sum(other.values())
        return Reasons(labels, logits, bias, *wins.terms(heads), other)


class _Wins:
    """The winning windows of B texts: their words, and what each word adds to the score."""

    def __init__(self, model: LookupModel, call: Gathered, places: npt.NDArray[np.int32], kernels: ModuleType) -> None:
        filters, self._kernels, self._offsets = model.model.filters, kernels, call.offsets
        shape = len(call.offsets) - 1, len(filters.bias)
        self._first, self._inside = np.zeros((2, *shape), np.int64)
        adds = np.zeros((*shape, int(call.sizes.max(initial=1))))
        kernels.window_words(
            call.products, call.rows, call.offsets, call.sizes, places, self._first, self._inside, adds
        )
        scores: Doubles = np.zeros(shape)
        scores += filters.bias
        for i in range(adds.shape[2]):
            scores += adds[:, :, i]
        self.features = np.where(self._inside > 0, activate(scores, filters.activation), 0.0)
        # What of a score reaches the feature: 1 or 0 for relu.
        self._reach = np.divide(self.features, scores, out=np.zeros_like(scores), where=scores != 0)
        self._adds = adds + (filters.bias / np.maximum(self._inside, 1))[:, :, None]

    def terms(self, heads: Doubles) -> tuple[Terms, Terms]:
        """The windows, each once, and the tokens, by the weights ``(B, L, K)`` of the filters."""
        size, widest = int(self._offsets[-1]), self._adds.shape[2]
        words, windows = np.zeros((size, heads.shape[1])), np.zeros((size * widest, heads.shape[1]))
        won = np.zeros(len(windows), np.bool_)
        self._kernels.spread(
            self._first, self._inside, self._adds, self._reach, self.features, heads, words, windows, won
        )
        found = np.flatnonzero(won)
        token, length = np.divmod(found, widest)
        return self._terms(token, length + 1, windows[found]), self._terms(np.arange(size), 1, words)

    def _terms(self, token: Integers, length: Integers | int, contributions: Doubles) -> Terms:
        offsets = np.searchsorted(token, self._offsets)
        first = token - np.repeat(self._offsets[:-1], np.diff(offsets))
        return Terms(offsets, first, first + length, contributions)
