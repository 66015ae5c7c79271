"""How far the logits of a smaller model can be from those of the model it was made of: a bound, and what is measured.

The bound is for texts that hold nothing that was dropped. A window's score is a sum over words, so it moves by at most
the sum, over its taps, of the largest move of any word's product; the largest of the windows' scores by no more (a
maximum moves no further than what it is taken of), nor its activation (no slope is above 1). A filter that was pruned
has a feature between two numbers that follow from the products in the same way. A mean of words moves by at most the
largest move of a word's share, and the vector of an unseen word is a mean of n-gram rows, which count as words here.
The weights of a text's n-grams in the wide branch have squares that sum to 1, so n of them move a logit by at most
sqrt(n) times the largest move of a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.lookup_numpy import activate
from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats, decide, probabilities
from textcnn.evaluation.metrics import score
from textcnn.runtime.cache import BLOCK
from textcnn.runtime.filters import FilterWeights
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.pipeline import EncodedTexts

_ROUNDING = 1e-4  # of float32 sums in both models, far above what it can be for logits below 1,000


@dataclass(frozen=True)
class Bound:
    """No logit of label c moves by more than ``fixed[c] + wide[c] * sqrt(n)`` in a text of n known n-grams.

    Attributes:
        fixed: ``(C,)``.
        wide: ``(C,)``.
    """

    fixed: Floats
    wide: Floats

    def of(self, num_features: Any) -> Floats:
        """The bound ``(B, C)`` for texts of so many n-grams each ``(B,)``."""
        return np.asarray(self.fixed + self.wide * np.sqrt(np.asarray(num_features, np.float64))[..., None])


@dataclass(frozen=True)
class Loss:
    """What labelled texts say of both models.

    Attributes:
        before: metrics of the model (:func:`textcnn.evaluation.metrics.score`).
        after: metrics of the smaller one.
        num_texts: N.
        changed: texts whose labels are others now.
        largest: the largest move of a logit.
        whole: texts that hold nothing that was dropped.
        proved: those of them whose labels cannot have changed, by the bound.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    num_texts: int
    changed: int
    largest: float
    whole: int
    proved: int


def bound_of(before: LookupModel, after: LookupModel, kept: Sequence[int], usual: Floats) -> Bound:
    """The bound for texts of words that both models know.

    Args:
        before: the model.
        after: the smaller one, whose types are the first of the model's.
        kept: numbers of the model's filters that the smaller one has, in its order.
        usual: of the other filters, in their order, the feature that went into the bias.
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
    fixed = means + _ROUNDING
    fixed += _kept_share(before, kept, moved) + _pruned_share(before, kept, usual, low, high)
    return Bound(fixed, _wide_share(before, after))


def _taps_of(filters: FilterWeights, f: int) -> npt.NDArray[np.int64]:
    """Columns of the products of filter f: taps stand one behind the other, each with its filters."""
    group, place = divmod(f, filters.num_filters)
    start = int(filters.first_taps[group])
    return np.arange(start, start + int(filters.sizes[group])) * filters.num_filters + place


def _taps_of_all(filters: FilterWeights, numbers: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *(_taps_of(filters, f) for f in numbers)])


def _vectors(before: LookupModel, after: LookupModel, size: int) -> Any:
    """Vectors of the same things in both models, some at a time: types, and rows of n-grams where both have them."""
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


def _kept_share(before: LookupModel, kept: Sequence[int], moved: Floats) -> Floats:
    """What filters that both models have can move each logit by ``(C,)``; ``moved`` has the taps of each in turn."""
    if not kept:
        return np.zeros(before.model.num_labels)
    filters = before.model.filters
    widths = filters.sizes[np.asarray(kept) // filters.num_filters]
    scores = np.add.reduceat(moved, np.concatenate([[0], np.cumsum(widths)[:-1]]))
    return np.asarray(scores @ np.abs(filters.head[list(kept)].astype(np.float64)))


def _pruned_share(before: LookupModel, kept: Sequence[int], usual: Floats, low: Floats, high: Floats) -> Floats:
    """The same of filters that only the model has, each a constant in the smaller one; products lie in low to high."""
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
    """Both models on labelled texts.

    Raises:
        ConfigError: there is no text.
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
        int((whole & _settled(before, logits[0], bound.of(num_features(encoded)))).sum()),
    )


def num_features(encoded: EncodedTexts) -> npt.NDArray[np.int64]:
    """Known n-grams of each text ``(N,)``."""
    return np.zeros(len(encoded), np.int64) if encoded.wide is None else np.diff(encoded.wide.offsets)


def whole_texts(before: LookupModel, after: LookupModel, encoded: EncodedTexts) -> npt.NDArray[np.bool_]:
    """Which texts ``(N,)``, encoded by the model, hold nothing that the smaller one lacks."""
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


def _settled(model: LookupModel, logits: Floats, moves: Floats) -> npt.NDArray[np.bool_]:
    """Which texts keep their labels if no logit ``(B, C)`` moves further than that."""
    if model.labels.multi_label:
        shares = np.asarray(model.own_thresholds, np.float64)
        with np.errstate(divide="ignore"):
            limits = (np.log(shares) - np.log1p(-shares)) * model.temperature
        return np.asarray((np.abs(logits - limits) > moves).all(axis=1))
    rows, top = np.arange(len(logits)), logits.argmax(axis=1)
    margins = logits[rows, top, None] - logits - moves - moves[rows, top, None]
    margins[rows, top] = np.inf
    return np.asarray((margins > 0).all(axis=1))
