"""Computes exact attributions of a one-layer model: its logits as sums over winning n-grams, or over words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.lookup_numpy import activate
from textcnn.core.units import UNIT, WIDE_UNIT
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.runtime.filters import Doubles
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.pipeline import EncodedTexts

CHUNK = 128  # texts whose winning windows are computed together

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Terms:
    """M runs of tokens in B texts, and the contribution of each to the L logits that are explained.

    Attributes:
        offsets: ``(B + 1,)``, the offsets of each text's terms.
        first: ``(M,)``, the first token of a run, counted from the start of its text.
        last: ``(M,)``, the end of the run: the index of its last token plus 1.
        contributions: ``(M, L)``.
    """

    offsets: Integers
    first: Integers
    last: Integers
    contributions: Doubles


def check_exact(model: LookupModel) -> LookupModel:
    """Return the model after checking that its precision is float32, which exact attributions need.

    Raises:
        ConfigError: the model was loaded with another precision.
    """
    if model.precision != "float32":
        raise ConfigError(f"reasons need precision 'float32', this model was loaded with {model.precision!r}")
    return model


class Winners:
    """The winning (argmax) windows of a batch of texts, from which both logits and attributions are computed.

    Args:
        model: a model of precision float32.
        encoded: texts encoded by the model's inputs.
        texts: the slice of them that makes the batch of B texts.
    """

    def __init__(self, model: LookupModel, encoded: EncodedTexts, texts: slice) -> None:
        self.model, kernels = model, core.twin("lookup")
        self.call, _ = model.gathered(encoded, texts)
        call, self._threads = self.call, model.threads
        self._places, threads = np.zeros(call.best.shape, np.int32), self._threads
        windows = call.products, call.rows, call.offsets, call.sizes, call.first_taps
        kernels.winners(*windows, call.best, self._places, threads=threads)
        kernels.add_rows(call.means, call.rows, call.offsets, call.mean_sums, threads=threads)
        if len(call.table):
            features = call.table, call.scale, call.wide_rows, call.wide_weights, call.wide_offsets
            kernels.add_features(*features, call.wide_sums, threads=threads)

    def logits(self) -> Doubles:
        """Return the logits ``(B, C)``, bit-identical to those of a prediction."""
        rest, empty = self.model.rest(self.call), np.diff(self.call.offsets) == 0
        return np.asarray(self.model.close(self.call.best, rest, empty), np.float64)

    @property
    def features(self) -> Doubles:
        """The activations ``(B, K)`` of the winning windows, as float64."""
        return self._scores.features

    def terms(self, heads: Doubles) -> tuple[Terms, Terms]:
        """Return the contributions of the winning n-grams, without duplicates, and of all tokens.

        The n-gram of a window that reaches over an end of its text consists of the words inside.

        Args:
            heads: ``(B, L, K)``, the weights of the filters in each explained logit.
        """
        scores, offsets = self._scores, self.call.offsets
        size, widest = int(offsets[-1]), scores.adds.shape[2]
        words, windows = np.zeros((size, heads.shape[1])), np.zeros((size * widest, heads.shape[1]))
        won = np.zeros(len(windows), np.bool_)
        shares = scores.first, scores.inside, scores.adds, scores.reach, scores.features
        core.twin("shares").spread(*shares, heads, words, windows, won, threads=self._threads)
        found = np.flatnonzero(won)
        token, length = np.divmod(found, widest)
        return _terms(offsets, token, length + 1, windows[found]), _terms(offsets, np.arange(size), 1, words)

    def overhangs(self, ngrams: Terms) -> tuple[Booleans, Booleans]:
        """Return for which n-grams ``(M,)`` a winning window reached over the start of the text, and over its end."""
        scores, widest = self._scores, self._scores.adds.shape[2]
        places = self.model.model.filters.flat(self._places)
        sizes = np.repeat(self.call.sizes, self.model.model.filters.num_filters)
        lengths = np.diff(self.call.offsets)[:, None]
        keys = scores.first * widest + scores.inside - 1
        counts = np.diff(ngrams.offsets)
        tokens = ngrams.first + np.repeat(self.call.offsets[:-1], counts)
        own = tokens * widest + ngrams.last - ngrams.first - 1
        marks = []
        for outside in (places < 0, places + sizes > lengths):
            reached = np.zeros(int(self.call.offsets[-1]) * widest, np.bool_)
            reached[keys[outside & (scores.features != 0) & (scores.inside > 0)]] = True
            marks.append(reached[own])
        return marks[0], marks[1]

    @cached_property
    def _scores(self) -> _Scores:
        call, filters = self.call, self.model.model.filters
        shape = len(call.offsets) - 1, len(filters.bias)
        first, inside = np.zeros((2, *shape), np.int64)
        adds = np.zeros((*shape, int(call.sizes.max(initial=1))))
        windows = call.products, call.rows, call.offsets, call.sizes, call.first_taps, self._places
        core.twin("shares").window_words(*windows, first, inside, adds, threads=self._threads)
        scores: Doubles = np.zeros(shape)
        scores += filters.bias
        for i in range(adds.shape[2]):  # one position after the other, so that the order of the sum is fixed
            scores += adds[:, :, i]
        features = np.where(inside > 0, activate(scores, filters.activation), 0.0)
        # The activation is attributed to the words in proportion to what they add to the score.
        reach = np.divide(features, scores, out=np.zeros_like(scores), where=scores != 0)
        adds += (filters.bias / np.maximum(inside, 1))[:, :, None]
        return _Scores(first, inside, adds, reach, features)


@dataclass(frozen=True)
class _Scores:
    """The winning windows of B texts for K filters, ``(B, K)`` each.

    Attributes:
        first: the index of the first word of the window that is inside the text, counted over all texts.
        inside: the number of words of the window that are inside the text.
        adds: ``(B, K, H)``, what each of these words adds to the score, with equal shares of the filter's bias.
        reach: the ratio of the feature to the score: 1 or 0 for relu.
        features: the activations.
    """

    first: Integers
    inside: Integers
    adds: Doubles
    reach: Doubles
    features: Doubles


def _terms(offsets: Integers, token: Integers, length: Integers | int, contributions: Doubles) -> Terms:
    bounds = np.searchsorted(token, offsets)
    first = token - np.repeat(offsets[:-1], np.diff(bounds))
    return Terms(bounds, first, first + length, contributions)


@dataclass(frozen=True)
class WinningNgrams:
    """The M n-grams of N texts that produce nonzero features, one for each text and position.

    Attributes:
        texts: ``(M,)``, the number of the n-gram's text, ascending.
        first: ``(M,)``, its first token, counted over all texts.
        last: ``(M,)``, its end: the index of its last token plus 1.
        over_start: ``(M,)``, whether a window of it reached over the start of the text.
        over_end: ``(M,)``, whether a window of it reached over the end of the text.
        contributions: ``(M, C)`` float32, what the filters that it won add to each logit.
    """

    texts: Integers
    first: Integers
    last: Integers
    over_start: Booleans
    over_end: Booleans
    contributions: npt.NDArray[np.float32]


def winning_ngrams(model: LookupModel, encoded: EncodedTexts) -> WinningNgrams:
    """Return the n-grams of every text that produce its features, with their contributions to all logits."""
    heads = model.model.filters.head.astype(np.float64).T
    parts = []
    for start in range(0, max(len(encoded), 1), CHUNK):
        texts = slice(start, min(start + CHUNK, len(encoded)))
        winners = Winners(model, encoded, texts)
        ngrams, _ = winners.terms(np.broadcast_to(heads, (texts.stop - start, *heads.shape)))
        numbers = np.repeat(np.arange(start, texts.stop), np.diff(ngrams.offsets))
        begins = encoded.offsets[numbers]
        contributions = ngrams.contributions.astype(np.float32)
        parts.append((numbers, ngrams.first + begins, ngrams.last + begins, *winners.overhangs(ngrams), contributions))
    return WinningNgrams(*(np.concatenate(column) for column in zip(*parts, strict=True)))


MEAN, WIDE = "mean", "wide"


@dataclass(frozen=True)
class Reasons:
    """The attributions of L logits of each of B texts: ``bias + ngrams + other``, or ``bias + words + other``.

    Attributes:
        labels: ``(B, L)``, the indices of the explained logits.
        logits: ``(B, L)``.
        bias: ``(B, L)``, the logits of an empty text.
        ngrams: every n-gram that won a filter, without positions outside the text.
        words: every token that the encoder sees.
        other: ``mean``, the average of the word vectors, and ``wide``, the linear model over words and pairs of words,
            ``(B, L)`` each, if the model has them.
    """

    labels: Integers
    logits: Doubles
    bias: Doubles
    ngrams: Terms
    words: Terms
    other: dict[str, Doubles]


def in_units(found: Reasons, labels: Labels, temperature: float) -> Reasons:
    """Return attributions of numbers, in regression, in the units of the targets; others as they are.

    A number is its mean plus standard deviations times the logit, so each part is multiplied alike, and the mean is
    part of the bias.
    """
    if not labels.targets:
        return found
    factor = labels.stds[found.labels] / temperature  # (B, L), the same in every row
    means, of_terms = labels.means[found.labels], labels.stds[found.labels[:1]] / temperature
    ngrams, words = (
        replace(terms, contributions=terms.contributions * of_terms) for terms in (found.ngrams, found.words)
    )
    other = {name: part * factor for name, part in found.other.items()}
    return Reasons(found.labels, found.logits * factor + means, found.bias * factor + means, ngrams, words, other)


def reasons(winners: Winners, labels: Integers) -> Reasons:
    """Return the attributions of the logits ``labels (B, L)`` of a batch of texts, from its winning windows."""
    call, model = winners.call, winners.model.model
    chosen = np.arange(len(labels))[:, None], labels
    bias = (model.bias * UNIT).astype(np.float64)[labels]
    other = {}
    if model.means is not None:
        lengths = np.maximum(np.diff(call.offsets), 1)
        other[MEAN] = (call.mean_sums * UNIT)[chosen] / lengths[:, None]
    if model.table is not None:
        other[WIDE] = (call.wide_sums * WIDE_UNIT**2)[chosen]
    heads = model.filters.head.astype(np.float64).T[labels]  # (B, L, K)
    logits: Doubles = bias + np.einsum("blk,bk->bl", heads, winners.features) + sum(other.values())
    return Reasons(labels, logits, bias, *winners.terms(heads), other)
