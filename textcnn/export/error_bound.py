"""Bounds how far the logits of a compressed model are from those of the original, and measures the difference.

The bound holds for texts without a removed word. A window's score is a sum over words, so it changes by at most the
sum, over its taps, of the largest change of any word's product. Neither the maximum over windows nor the activation
(whose slope is at most 1) can change by more. The feature of a pruned filter lies between two numbers that follow from
the products in the same way. The mean of words changes by at most the largest change of a word's term; the vector of
an unseen word is a mean of n-gram vectors, which are treated as words here. The weights of a text's n-grams in the wide
branch have squares that sum to 1, so n of them change a logit by at most sqrt(n) times the largest change of a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.lookup_numpy import activate
from textcnn.core.units import UNIT
from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats, decide, probabilities
from textcnn.evaluation.metrics import score
from textcnn.runtime.cache import BLOCK
from textcnn.runtime.filters import FilterWeights
from textcnn.runtime.lookup import LookupModel
from textcnn.runtime.scores import threshold_logits
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.pipeline import EncodedTexts

_ROUNDING = 1e-4  # allowance for float32 rounding in both models; for logits below 1,000 the error is far smaller


@dataclass(frozen=True)
class Bound:
    """The bound ``fixed[c] + wide[c] * sqrt(n)`` on the change of label c's logit in a text of n known n-grams.

    Attributes:
        fixed: ``(C,)``, the part that does not depend on the text.
        wide: ``(C,)``, the largest change of a weight of the wide branch.
    """

    fixed: Floats
    wide: Floats

    def of(self, num_features: Any) -> Floats:
        """Return the bound ``(B, C)`` for texts with these numbers of n-grams ``(B,)``."""
        return np.asarray(self.fixed + self.wide * np.sqrt(np.asarray(num_features, np.float64))[..., None])


@dataclass(frozen=True)
class Loss:
    """The loss of accuracy by compression, measured on labelled texts.

    Attributes:
        before: the metrics of the original model (:func:`textcnn.evaluation.metrics.score`).
        after: the metrics of the compressed model.
        num_texts: N, the number of texts.
        changed: the number of texts whose labels changed.
        largest: the largest change of a logit.
        whole: the number of texts that contain nothing that was removed.
        proved: the number of these whose labels provably did not change, by the bound.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    num_texts: int
    changed: int
    largest: float
    whole: int
    proved: int


def bound_of(before: LookupModel, after: LookupModel, kept: Sequence[int], usual: Floats) -> Bound:
    """Compute the bound for texts of words that both models know.

    Args:
        before: the original model.
        after: the compressed model, whose types are the first ones of the original.
        kept: the indices of the original filters that the compressed model keeps, in its order.
        usual: the expected features of the removed filters, in order, which the bias contains.
    """
    old, new = before.model, after.model
    taps, size = len(old.filters.taps), len(after.inputs.tokenizer)
    pairs = _taps_of_all(old.filters, kept)
    moved, low, high = np.zeros(len(pairs)), np.zeros(taps), np.zeros(taps)
    means = np.zeros(old.num_labels)
    order = _taps_of_all(new.filters, range(len(kept)))
    products = old.product(), new.product()
    for one, other in _vectors(before, after, size):
        was, now = products[0](one), products[1](other)
        low, high = np.minimum(low, was[:, :taps].min(0)), np.maximum(high, was[:, :taps].max(0))
        difference = np.abs(was[:, pairs] - now[:, order])
        moved = np.maximum(moved, difference.max(0, initial=0))
        if old.means is not None:
            means = np.maximum(means, np.abs(was[:, taps:] - now[:, len(new.filters.taps) :]).max(0))
    fixed = means + _ROUNDING + _character_share(before, after, size)
    fixed += _kept_share(before, kept, moved) + _pruned_share(before, kept, usual, low, high)
    return Bound(fixed, _wide_share(before, after))


def _taps_of(filters: FilterWeights, f: int) -> npt.NDArray[np.int64]:
    """Return the columns of filter f among the products, which are ordered by tap and then by filter."""
    group, place = divmod(f, filters.num_filters)
    start = int(filters.first_taps[group])
    return np.arange(start, start + int(filters.sizes[group])) * filters.num_filters + place


def _taps_of_all(filters: FilterWeights, numbers: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *(_taps_of(filters, f) for f in numbers)])


def _vectors(before: LookupModel, after: LookupModel, size: int) -> Any:
    """Yield pairs of vectors from both models, in blocks: of types, and of n-grams if both models have them."""
    for start in range(0, size, BLOCK):
        types = np.arange(start, min(start + BLOCK, size))
        yield before.model.vectors(types, Unseen()), after.model.vectors(types, Unseen())
    tables = before.model.vectors.ngrams, after.model.vectors.ngrams
    if tables[0] is None or tables[1] is None:
        return
    width = before.model.filters.taps.shape[1]
    for start in range(0, len(tables[0]), BLOCK):
        rows = [np.asarray(table[start : start + BLOCK], np.float32) for table in tables if table is not None]
        yield tuple(np.pad(part, ((0, 0), (width - part.shape[1], 0))) for part in rows)


def _character_share(before: LookupModel, after: LookupModel, size: int) -> Floats:
    """Return how much a change of the branch of characters can move each logit, ``(C,)``; a text's is a mean."""
    if before.model.vectors.tables.scores is None:
        return np.zeros(before.model.num_labels)
    largest = np.zeros(before.model.num_labels)
    for start in range(0, size, BLOCK):
        types = np.arange(start, min(start + BLOCK, size))
        was, now = (each.model.vectors.character_shares(types, Unseen()) for each in (before, after))
        assert was is not None
        largest = np.maximum(largest, np.abs(was if now is None else was - now).max(0) * UNIT)
    is_gone = after.model.vectors.tables.scores is None
    return np.asarray(largest + np.abs(before.model.bias - after.model.bias) * (UNIT if is_gone else 0.0))


def _kept_share(before: LookupModel, kept: Sequence[int], moved: Floats) -> Floats:
    """Return how much the kept filters can change each logit, ``(C,)``, from the largest change of each tap."""
    if not kept:
        return np.zeros(before.model.num_labels)
    filters = before.model.filters
    widths = filters.sizes[np.asarray(kept) // filters.num_filters]
    scores = np.add.reduceat(moved, np.concatenate([[0], np.cumsum(widths)[:-1]]))
    return np.asarray(scores @ np.abs(filters.head[list(kept)].astype(np.float64)))


def _pruned_share(before: LookupModel, kept: Sequence[int], usual: Floats, low: Floats, high: Floats) -> Floats:
    """Return how much replacing removed filters by constants can change each logit, ``(C,)``.

    The products of each tap lie between ``low`` and ``high``.
    """
    filters = before.model.filters
    gone = np.setdiff1d(np.arange(len(filters.bias)), kept)
    if not len(gone):
        return np.zeros(before.model.num_labels)
    taps = [_taps_of(filters, f) for f in gone.tolist()]
    ends = []
    for products in (low, high):
        scores = np.array([products[own].sum() for own in taps]) + filters.bias[gone]
        ends.append(activate(scores, filters.activation))
    least, most = np.minimum(ends[0], 0), np.maximum(ends[1], 0)  # an empty text has 0
    return np.asarray(np.maximum(usual - least, most - usual) @ np.abs(filters.head[gone].astype(np.float64)))


def _wide_share(before: LookupModel, after: LookupModel) -> Floats:
    old, new = before.model, after.model
    if old.table is None or old.features is None or new.table is None or new.features is None or not len(new.table):
        return np.zeros(old.num_labels)
    rows = np.searchsorted(old.features.keys, new.features.keys)
    difference = np.abs(old.table[rows].astype(np.float64) - new.table)
    return np.asarray(abs(old.scale) * difference.max(axis=0))


def measured(
    before: LookupModel, after: LookupModel, bound: Bound, texts: Sequence[str], truth: Sequence[tuple[str, ...]]
) -> Loss:
    """Measure both models on labelled texts.

    Raises:
        ConfigError: there are no texts.
    """
    if not len(texts):
        raise ConfigError("expected labelled texts to measure the loss with, found none")
    encoded = before.inputs.encode(texts)
    logits = before.logits(encoded), after.logits(after.inputs.encode(texts))
    probs = [probabilities(z, before.labels, before.temperature) for z in logits]
    labels = [decide(p, before.labels, before.own_thresholds) for p in probs]
    whole = whole_texts(before, after, encoded)
    return Loss(
        score(truth, probs[0], before.labels, before.own_thresholds),
        score(truth, probs[1], before.labels, before.own_thresholds),
        len(texts),
        sum(one != other for one, other in zip(*labels, strict=True)),
        float(np.abs(logits[0] - logits[1]).max()),
        int(whole.sum()),
        int((whole & settled(before, logits[0], bound.of(num_features(encoded)))).sum()),
    )


def num_features(encoded: EncodedTexts) -> npt.NDArray[np.int64]:
    """Return the number of known n-grams of each text ``(N,)``."""
    return np.zeros(len(encoded), np.int64) if encoded.wide is None else np.diff(encoded.wide.offsets)


def whole_texts(before: LookupModel, after: LookupModel, encoded: EncodedTexts) -> npt.NDArray[np.bool_]:
    """Return which texts ``(N,)``, encoded by the original model, contain nothing that the compressed one lacks."""
    known = encoded.ids < len(after.inputs.tokenizer)
    if after.inputs.lexicon is not None:
        known |= encoded.ids >= len(before.inputs.tokenizer)  # unseen words are made of n-grams in both
    whole = _all_of(known, encoded.offsets)
    if encoded.wide is None or before.model.features is None or after.model.features is None:
        return whole
    kept = np.isin(before.model.features.keys, after.model.features.keys)
    return whole & _all_of(kept[encoded.wide.rows], encoded.wide.offsets)


def _all_of(marks: npt.NDArray[np.bool_], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    sums = np.concatenate([[0], np.cumsum(~marks)])
    return np.asarray(sums[offsets[1:]] == sums[offsets[:-1]])


def settled(model: LookupModel, logits: Floats, moves: Floats) -> npt.NDArray[np.bool_]:
    """Return which texts keep their labels if no logit ``(B, C)`` changes by more than ``moves``."""
    if model.labels.multi_label:
        limits = threshold_logits(model.own_thresholds, model.temperature)
        return np.asarray((np.abs(logits - limits) > moves).all(axis=1))
    rows, top = np.arange(len(logits)), logits.argmax(axis=1)
    margins = logits[rows, top, None] - logits - moves - moves[rows, top, None]
    margins[rows, top] = np.inf
    return np.asarray((margins > 0).all(axis=1))
