"""Variants of texts, each classified as a text of its own: the brute force that what-if is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from textcnn.explain.sufficient_words import Decision
from textcnn.runtime.filters import Doubles
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.ragged import Ragged

TOLERANCE = 1e-5  # of a logit; float32 weights of the wide branch are rounded by 1e-6 of it
BLOCK = 500_000  # tokens of variants classified at once


class Counts:
    """Variants compared with brute force."""

    def __init__(self) -> None:
        self.variants = self.mismatches = 0
        self.difference = self.seconds = 0.0

    def compare(self, model: LookupModel, found: Doubles, expected: Doubles) -> None:
        """Count rows whose logits are too far apart, or that are given another label."""
        apart = np.abs(found - expected).max(axis=1, initial=0)
        self.difference = max(self.difference, float(apart.max(initial=0)))
        same = [Decision(model, row).labels for row in found] if len(found) else []
        other = Decision(model, expected[0]).names(expected) if len(found) else []
        differs = np.array([a != b for a, b in zip(same, other, strict=True)], np.bool_)
        self.mismatches += int((differs | (apart > TOLERANCE)).sum())
        self.variants += len(found)

    def describe(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "variants": self.variants,
            "mismatches": self.mismatches,
            "largest_difference": self.difference,
            "microseconds_per_variant": round(self.seconds / max(self.variants, 1) * 1e6, 1),
        }


def each_text(encoded: EncodedTexts) -> Iterator[np.ndarray[Any, np.dtype[np.int32]]]:
    """The ids of every text."""
    for start, end in zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True):
        yield encoded.ids[start:end]


def one_text(encoded: EncodedTexts, number: int, model: LookupModel) -> EncodedTexts:
    """That text as texts of its own."""
    ids = encoded.ids[encoded.offsets[number] : encoded.offsets[number + 1]]
    return _with_features(model, Ragged.from_lists([ids.tolist()]), encoded)


def _with_features(model: LookupModel, tokens: Ragged, encoded: EncodedTexts) -> EncodedTexts:
    wide = None if model.inputs.wide is None else model.inputs.wide.transform(tokens)
    return EncodedTexts(tokens.ids, tokens.offsets, encoded.unseen, wide)


def classified(model: LookupModel, rows: Iterable[Any], encoded: EncodedTexts) -> Doubles:
    """Logits ``(D, C)`` of variants, each classified as a text of its own."""
    parts, held, size = [np.zeros((0, model.model.num_labels))], [], 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size > BLOCK:
            parts.append(model.logits(_with_features(model, _ragged(held), encoded)))
            held, size = [], 0
    if held:
        parts.append(model.logits(_with_features(model, _ragged(held), encoded)))
    return np.concatenate(parts)


def _ragged(rows: list[Any]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Ragged(np.concatenate(rows).astype(np.int32), offsets)
