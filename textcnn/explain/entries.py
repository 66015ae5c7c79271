"""Converts attributions to JSON values, and computes the exact terms of ``mean`` and ``wide`` for each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np

from textcnn import core
from textcnn.core.units import UNIT, WIDE_UNIT
from textcnn.explain.attribution import MEAN, WIDE, Integers, Reasons, Terms
from textcnn.labels import Labels
from textcnn.runtime.filters import Doubles
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.offsets import Places
from textcnn.tokenization.pipeline import EncodedTexts


class Entry(TypedDict):
    """A span ``text[start:end]`` and its contribution; an empty span stands for all that are not listed."""

    text: str
    start: int
    end: int
    contribution: float


class Term(TypedDict):
    """A further part of the logit, ``mean`` or ``wide``; ``terms`` itemizes it if all entries are listed."""

    name: str
    contribution: float
    terms: NotRequired[list[Entry]]


class Explanation(TypedDict):
    """The explanation of one logit: the sum ``bias + ngrams + other``, or ``bias + words + other``.

    Entries are sorted by strength, the strongest first.
    """

    label: str
    logit: float
    bias: float
    ngrams: list[Entry]
    words: list[Entry]
    other: list[Term]
    approximate: NotRequired[str]


def explanations(
    found: Reasons,
    labels: Labels,
    texts: Sequence[str],
    places: Places,
    top: int | None,
) -> list[list[Explanation]]:
    """Convert the attributions of B texts to one list of explanations per text.

    Args:
        found: the attributions.
        labels: the names of the logits.
        texts: the B texts.
        places: the character offsets of the tokens of all texts.
        top: the number of n-grams and of words to list; none: all.
    """
    columns = []
    for n in range(found.labels.shape[1]):
        ngrams = entries(found.ngrams, n, texts, places, top)
        words = entries(found.words, n, texts, places, top)
        names = [labels.names[label] for label in found.labels[:, n].tolist()]
        other = [[Term(name=name, contribution=x) for x in part[:, n].tolist()] for name, part in found.other.items()]
        columns.append(
            [
                Explanation(label=name, logit=logit, bias=bias, ngrams=ngrams[b], words=words[b], other=list(terms))
                for b, (name, logit, bias, *terms) in enumerate(
                    zip(names, found.logits[:, n].tolist(), found.bias[:, n].tolist(), *other, strict=True)
                )
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def entries(terms: Terms, column: int, texts: Sequence[str], places: Places, top: int | None) -> list[list[Entry]]:
    """Return the strongest terms of each text as entries, followed by one with the sum of the rest."""
    contributions = terms.contributions[:, column]
    order, offsets, rest = strongest(terms.offsets, contributions, top)
    begins = np.repeat(places.offsets[:-1], np.diff(offsets))
    starts, ends = places.starts[terms.first[order] + begins], places.ends[terms.last[order] - 1 + begins]
    found = list(zip(starts.tolist(), ends.tolist(), contributions[order].tolist(), strict=True))
    rows = []
    for b, text in enumerate(texts):
        listed: list[Entry] = [
            {"text": text[start:end], "start": start, "end": end, "contribution": amount}
            for start, end, amount in found[offsets[b] : offsets[b + 1]]
        ]
        if (left := rest[b]) is not None:
            listed.append({"text": "", "start": len(text), "end": len(text), "contribution": left})
        rows.append(listed)
    return rows


def strongest(
    offsets: Integers, contributions: Doubles, top: int | None
) -> tuple[Integers, Integers, list[float | None]]:
    """Return the indices of each text's strongest terms, their offsets by text, and the sums of the others, if any."""
    lengths = np.diff(offsets)
    most = int(lengths.max(initial=0)) if top is None else top
    ends = np.zeros(len(offsets), np.int64)
    np.cumsum(np.minimum(lengths, most), out=ends[1:])
    order, rest = np.empty(ends[-1], np.int64), np.empty(len(lengths))
    core.twin("shares").strongest(offsets, np.ascontiguousarray(contributions), most, ends, order, rest, threads=1)
    left = (lengths > most).tolist()
    return order, ends, [total if more else None for total, more in zip(rest.tolist(), left, strict=True)]


def part_terms(model: LookupModel, encoded: EncodedTexts, number: int, labels: Sequence[int]) -> dict[str, Terms]:
    """Return the terms of the mean, one per token, and of the wide branch, one per feature at its first occurrence.

    Args:
        model: the model.
        encoded: texts encoded by the model's inputs.
        number: the number of the text.
        labels: the L columns of the logits.
    """
    call, cached = model.gathered(encoded, slice(number, number + 1))
    columns, terms = list(labels), {}
    own = model.labels
    units = own.stds[columns] / model.temperature if own.targets else 1.0  # as attribution.in_units has it
    if model.model.means is not None:
        shares = cached.means[call.rows][:, columns].astype(np.float64) * (UNIT / max(len(call.rows), 1)) * units
        terms[MEAN] = _terms(np.arange(len(shares)), np.ones(len(shares), np.int64), shares)
    if model.model.features is not None:
        whole = np.zeros((len(call.wide_rows), model.model.num_labels), np.int64)
        each = np.arange(len(whole) + 1)  # each feature as a text of its own, so that it is rounded as the kernel does
        if len(whole):
            features = call.table, call.scale, call.wide_rows, call.wide_weights
            core.twin("lookup").add_features(*features, each, whole, threads=1)
        ids = encoded.ids[encoded.offsets[number] : encoded.offsets[number + 1]].astype(np.int64)
        first, length = _places(ids, model.model.features.keys[call.wide_rows])
        terms[WIDE] = _terms(first, length, whole[:, columns].astype(np.float64) * WIDE_UNIT**2 * units)
    return terms


def _terms(first: Integers, length: Integers, shares: Doubles) -> Terms:
    return Terms(np.array([0, len(first)]), first, first + length, shares)


def _places(ids: Integers, keys: Integers) -> tuple[Integers, Integers]:
    """Return the position of the first occurrence of each wide feature in a text, and its length in words, 1 or 2."""
    present = np.concatenate([ids, (ids[:-1] + 1) << 32 | ids[1:]])
    known, first = np.unique(present, return_index=True)
    places = first[np.searchsorted(known, keys)] if len(keys) else np.zeros(0, np.int64)
    is_pair = keys >> 32 > 0
    return np.where(is_pair, places - len(ids), places), is_pair + 1
