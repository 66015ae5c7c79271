"""Character offsets of tokens, from remembered chunks: what stands between two blanks is looked at once."""

from __future__ import annotations

import re

from textcnn.text.chunks import BLANKS, MOST_CHUNKS, refusal
from textcnn.text.tokenizer import Tokenizer

Span = tuple[int, int]

_CHUNKS = re.compile(f"[^{BLANKS}]+")


class Spans:
    """What :meth:`textcnn.text.tokenizer.Tokenizer.spans` gives, faster where blanks part a tokenizer's texts.

    Args:
        tokenizer: whose tokens they are of.
        most_chunks: chunks remembered at once; then all is forgotten.
    """

    def __init__(self, tokenizer: Tokenizer, *, most_chunks: int = MOST_CHUNKS) -> None:
        self._tokenizer, self._most_chunks = tokenizer, most_chunks
        self._parted = refusal(tokenizer) is None
        self._known: dict[str, list[Span]] = {}

    def __call__(self, text: str) -> list[Span]:
        """Offsets ``(start, end)`` into ``text`` of every token, in order."""
        if not self._parted:
            return self._tokenizer.spans(text)
        if len(self._known) > self._most_chunks:
            self._known = {}
        known, found = self._known, []
        for chunk in _CHUNKS.finditer(text):
            name = chunk.group()
            spans = known.get(name)
            if spans is None:
                spans = known[name] = self._tokenizer.spans(name)
            start = chunk.start()
            found += [(start + low, start + high) for low, high in spans]
        return found
