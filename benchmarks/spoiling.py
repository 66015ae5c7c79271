"""Training rows made worse on purpose: one label made rare, or labels made wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from textcnn.reading.rows import Examples


def thin(examples: Examples, label: str, ratio: int, *, seed: int) -> Examples:
    """Leave so many rows of ``label`` that there are ``ratio`` others for each of them; one label a text."""
    is_rare = np.array([row == (label,) for row in examples.labels])
    others = int((~is_rare).sum())
    drawn = np.random.default_rng([seed, 3]).permutation(np.flatnonzero(is_rare))
    kept = drawn[: max(round(others / ratio), 1)]
    return examples.subset(np.sort(np.concatenate([np.flatnonzero(~is_rare), kept])))


def flip(examples: Examples, share: float, *, seed: int) -> Examples:
    """Give a share of the rows, drawn from all alike, another of the labels, each as likely; one label a text."""
    random = np.random.default_rng([seed, 4])
    names = sorted({name for row in examples.labels for name in row})
    labels = list(examples.labels)
    for row in random.permutation(len(labels))[: round(share * len(labels))]:
        others = [name for name in names if name != labels[row][0]]
        labels[row] = (others[random.integers(len(others))],)
    return replace(examples, labels=labels)
