"""Drift between training texts and later texts: more unknown words, or another mix of labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textcnn.labels import label_counts

FEW_TOKENS = 100  # below, a share of unknown words says nothing
UNKNOWN_FACTOR, UNKNOWN_MORE = 2.0, 0.05  # unknown words are too many from twice what is expected, and 5 points more
MIX_MOVED = 0.1  # share of the labels that would have to be others for the two mixes to be one
CHANCE = 1e-3  # largest probability of reporting drift between two samples of the same distribution
MOST_NAMED = 3


def drift(training: Mapping[str, Any], unknown: int, tokens: int, rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a sentence for each kind of drift found.

    Args:
        training: ``data`` of training.json, with ``expected_unknown`` and ``labels``; what it lacks is not compared.
        unknown: tokens of the new texts that the vocabulary does not have.
        tokens: all of them.
        rows: the labels of each new text.
    """
    found = [_unknown_words(training.get("expected_unknown"), unknown, tokens)]
    found.append(_label_mix(training.get("labels"), label_counts(rows)))
    return [sentence for sentence in found if sentence]


def _unknown_words(expected: Any, unknown: int, tokens: int) -> str:
    if not isinstance(expected, (int, float)) or tokens < FEW_TOKENS:
        return ""
    share = unknown / tokens
    if share <= max(UNKNOWN_FACTOR * expected, expected + UNKNOWN_MORE):
        return ""
    return f"{share:.1%} of the words are unknown, {expected:.1%} were to be expected: other texts than in training"


def _label_mix(before: Any, after: Mapping[str, int]) -> str:
    """Compare label distributions by total variation distance.

    One row more or less moves it by that row's share at most, so that above its mean it is bounded by McDiarmid (1989).
    """
    if not isinstance(before, dict) or not before or not after:
        return ""
    sizes = sum(before.values()), sum(after.values())
    shares = {name: (before.get(name, 0) / sizes[0], after.get(name, 0) / sizes[1]) for name in {**before, **after}}
    distance = sum(abs(old - new) for old, new in shares.values()) / 2
    # The difference of two shares of one mix is nearly normal, and its mean size is its deviation times sqrt(2 / pi).
    pooled = [(before.get(name, 0) + after.get(name, 0)) / sum(sizes) for name in shares]
    spread = 1 / sizes[0] + 1 / sizes[1]
    mean = sum(math.sqrt(p * (1 - p) * spread / (2 * math.pi)) for p in pooled)
    if distance <= max(MIX_MOVED, mean + math.sqrt(spread * math.log(1 / CHANCE) / 2)):
        return ""
    most = sorted(shares, key=lambda name: (-abs(shares[name][0] - shares[name][1]), name))[:MOST_NAMED]
    named = ", ".join(f"{name!r} {shares[name][0]:.1%} -> {shares[name][1]:.1%}" for name in most)
    return f"the mix of labels has moved since training, by {distance:.1%}: {named}"
