"""The same text twice: with two labels, or in two parts of the data.

Of each text eight bytes are kept, so that any number of texts can be compared (in a million, two agree with odds of
3e-8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.text.words import slices, utf8

Fingerprints = npt.NDArray[np.uint64]


def fingerprints(texts: Iterable[str]) -> Fingerprints:
    """A number for each text, ``(N,)``; case and blanks aside, equal texts have equal numbers."""
    hashes = [core.twin("chunks").hash_texts(*utf8(map(_folded, part))) for part in slices(texts)]
    return np.concatenate([np.zeros(0, np.uint64), *hashes])


def _folded(text: str) -> str:
    """A text as it is where it is ASCII, whose case and blanks the hash leaves out; else without these."""
    return text if text.isascii() else " ".join(text.split()).casefold()


def count_conflicts(texts: Fingerprints, labels: Sequence[tuple[str, ...]]) -> int:
    """Distinct texts that occur with more than one label (or set of labels)."""
    code: dict[frozenset[str], int] = {}
    codes = np.fromiter((code.setdefault(frozenset(row), len(code)) for row in labels), np.int64, len(labels))
    order = np.lexsort((codes, texts))
    texts, codes = texts[order], codes[order]
    conflicting = (texts[1:] == texts[:-1]) & (codes[1:] != codes[:-1])
    return len(np.unique(texts[1:][conflicting]))


def count_shared(texts: Fingerprints, others: Fingerprints) -> int:
    """How many of ``others`` are among ``texts``."""
    return int(np.isin(others, texts).sum())


def digest(
    texts: Iterable[str], labels: Iterable[tuple[str, ...]], weights: npt.NDArray[np.float64] | None = None
) -> str:
    """A name for these very rows in this order (SHA-256): a model's training rows are known by it."""
    found = hashlib.sha256()
    for text, names in zip(texts, labels, strict=True):
        found.update("\x1f".join([text, *names]).encode("utf-8", "surrogatepass") + b"\x1e")
    if weights is not None:
        found.update(weights.tobytes())
    return found.hexdigest()
