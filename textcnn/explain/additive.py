"""Exact reasons: each logit of a one-layer model as a sum over the n-grams that won, and as a sum over words.

``logit = bias + sum_f U_f * a(max_t s_f(t) + b_f) + mean + wide``; the score ``s_f(t)`` of a window is a sum over
its words. So the middle part is a sum over the windows that won (:mod:`textcnn.explain.winners`). All is float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from textcnn.core.lookup_numpy import WIDE_UNIT
from textcnn.core.type_rows_numpy import UNIT
from textcnn.explain.winners import Integers, Terms, Winners
from textcnn.inference.filters import Doubles

MEAN, WIDE = "mean", "wide"


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


def reasons(winners: Winners, labels: Integers) -> Reasons:
    """The reasons of the logits ``labels (B, L)`` of some texts, from the windows that won in them."""
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
