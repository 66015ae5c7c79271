"""The same text twice: with two labels, or in two parts of the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textcnn.splitting import fingerprint


def count_conflicts(texts: Sequence[str], labels: Sequence[tuple[str, ...]]) -> int:
    """Distinct texts that occur with more than one label (or set of labels), case and blanks aside."""
    first: dict[bytes, frozenset[str]] = {}
    conflicting = set()
    for text, row in zip(texts, labels, strict=True):
        key = fingerprint(text)
        if first.setdefault(key, frozenset(row)) != frozenset(row):
            conflicting.add(key)
    return len(conflicting)


def count_shared(texts: Iterable[str], others: Iterable[str]) -> int:
    """How many of ``others`` are among ``texts``, case and blanks aside."""
    known = {fingerprint(text) for text in texts}
    return sum(fingerprint(text) in known for text in others)
