"""What stands behind the terms ``mean`` and ``wide`` of an explanation: exact sums over words and pairs of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn import core
from textcnn.core.lookup_numpy import WIDE_UNIT
from textcnn.core.type_rows_numpy import UNIT
from textcnn.explain.additive import MEAN, WIDE
from textcnn.explain.winners import Integers, Terms
from textcnn.inference.filters import Doubles
from textcnn.inference.lookup import LookupModel
from textcnn.text.pipeline import EncodedTexts


def part_terms(model: LookupModel, encoded: EncodedTexts, number: int, labels: Sequence[int]) -> dict[str, Terms]:
    """The terms of the mean (a token each) and of the wide branch (a feature each, where it first stands) of a text.

    Args:
        model: the model.
        encoded: texts as the model's inputs encode them.
        number: of the text.
        labels: L columns of the logits.
    """
    call, held = model.gathered(encoded, slice(number, number + 1))
    columns, terms = list(labels), {}
    if model.model.means is not None:
        shares = held.means[call.rows][:, columns].astype(np.float64) * (UNIT / max(len(call.rows), 1))
        terms[MEAN] = _terms(np.arange(len(shares)), np.ones(len(shares), np.int64), shares)
    if model.model.features is not None:
        whole = np.zeros((len(call.wide_rows), model.model.num_labels), np.int64)
        each = np.arange(len(whole) + 1)  # every feature as a text of its own: the kernel's own rounding
        if len(whole):
            features = call.table, call.scale, call.wide_rows, call.wide_weights
            core.twin("lookup").add_features(*features, each, whole, threads=1)
        ids = encoded.ids[encoded.offsets[number] : encoded.offsets[number + 1]].astype(np.int64)
        first, length = _places(ids, model.model.features.keys[call.wide_rows])
        terms[WIDE] = _terms(first, length, whole[:, columns].astype(np.float64) * WIDE_UNIT**2)
    return terms


def _terms(first: Integers, length: Integers, shares: Doubles) -> Terms:
    return Terms(np.array([0, len(first)]), first, first + length, shares)


def _places(ids: Integers, keys: Integers) -> tuple[Integers, Integers]:
    """Where each wide feature first stands in a text, and its words: one or two."""
    held = np.concatenate([ids, (ids[:-1] + 1) << 32 | ids[1:]])
    known, first = np.unique(held, return_index=True)
    places = first[np.searchsorted(known, keys)] if len(keys) else np.zeros(0, np.int64)
    is_pair = keys >> 32 > 0
    return np.where(is_pair, places - len(ids), places), is_pair + 1
