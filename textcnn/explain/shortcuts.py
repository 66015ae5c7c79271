"""Finds shortcuts: n-grams whose texts nearly all have one label, and which alone make the model predict it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.features_numpy import occurrences
from textcnn.evaluation.calibration import probabilities
from textcnn.runtime.text_model import Answering
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.ragged import Ragged

Integers = npt.NDArray[np.int64]

MIN_SUPPORT, MIN_PURITY, MIN_PROBABILITY = 10, 0.95, 0.9


@dataclass(frozen=True)
class Shortcut:
    """A word or a pair of adjacent words that decides a label alone.

    Attributes:
        text: its words.
        label: the label.
        support: the number of texts that contain it.
        purity: the share of these texts that have the label.
        coverage: the share of the label's texts that contain it.
        probability: the model's probability of the label for a text of these words alone.
    """

    text: str
    label: str
    support: int
    purity: float
    coverage: float
    probability: float


def find_shortcuts(
    model: Answering,
    texts: Sequence[str],
    truth: Sequence[tuple[str, ...]],
    *,
    min_support: int = MIN_SUPPORT,
    min_purity: float = MIN_PURITY,
    min_probability: float = MIN_PROBABILITY,
) -> list[Shortcut]:
    """Return all shortcuts in labelled texts, sorted by support; whether one is a leak is for a reader to judge.

    A pair is omitted if one of its words is a shortcut to the same label already.

    Args:
        model: a text model.
        texts: the texts.
        truth: the labels of each text.
        min_support: the smallest number of texts that contain the n-gram.
        min_purity: the smallest share of them that have the label.
        min_probability: the smallest probability of the label for a text of the n-gram alone.
    """
    inputs, labels = model.text_inputs(), model.labels
    encoded = inputs.encode(texts)
    keys, holds = _texts_of(encoded, min_support)
    known = [k for k in range(len(keys)) if inputs.tokenizer.unknown_id not in _types(keys[k])]
    member = np.array([[name in row for name in labels.names] for row in truth], np.bool_).reshape(len(truth), -1)
    names = [*inputs.tokenizer.types(), *encoded.unseen.names]
    probs = _alone(model, encoded, [_types(keys[k]) for k in known])
    found: dict[tuple[int, ...], Shortcut] = {}
    for place, k in enumerate(known):
        types, counts = _types(keys[k]), member[holds[k]].sum(axis=0)
        label = int(counts.argmax())
        purity, probability = float(counts[label] / len(holds[k])), float(probs[place, label])
        shortened = any((word,) in found and found[word,].label == labels.names[label] for word in types)
        if purity >= min_purity and probability >= min_probability and not (len(types) > 1 and shortened):
            found[types] = Shortcut(
                " ".join(names[i] for i in types),
                labels.names[label],
                len(holds[k]),
                purity,
                float(counts[label] / member[:, label].sum()),
                probability,
            )
    return sorted(found.values(), key=lambda shortcut: (-shortcut.support, shortcut.text))


def _texts_of(tokens: Ragged, min_support: int) -> tuple[Integers, list[Integers]]:
    """Return the words and pairs that occur in ``min_support`` texts, words first, and the texts that contain each."""
    keys, texts = occurrences(tokens.ids, tokens.offsets)
    order = np.lexsort((texts, keys))
    keys, texts = keys[order], texts[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = (keys[1:] != keys[:-1]) | (texts[1:] != texts[:-1])
    names, starts, counts = np.unique(keys[first], return_index=True, return_counts=True)
    texts, enough = texts[first], np.flatnonzero(counts >= min_support)
    return names[enough], [texts[starts[k] : starts[k] + counts[k]] for k in enough.tolist()]


def _types(key: Any) -> tuple[int, ...]:
    """Return the types of a word or pair from its key (:class:`textcnn.tokenization.ngrams.WideFeatures`)."""
    first, second = (int(key) >> 32) - 1, int(key) & 0xFFFFFFFF
    return (second,) if first < 0 else (first, second)


def _alone(model: Answering, encoded: EncodedTexts, ngrams: list[tuple[int, ...]]) -> npt.NDArray[np.float64]:
    """Return the probabilities ``(n, C)`` of texts that consist of one n-gram each."""
    tokens, features = Ragged.from_lists(ngrams), model.text_inputs().wide
    wide = None if features is None else features.transform(tokens)
    alone = EncodedTexts(tokens.ids, tokens.offsets, encoded.unseen, wide)
    return probabilities(model.logits(alone), model.labels, model.temperature)
