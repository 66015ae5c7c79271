"""Character offsets of tokens, from remembered chunks: what stands between two blanks is looked at once."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, overload

import numpy as np

from textcnn.text.chunk_numbers import BLANKS
from textcnn.text.chunks import MOST_CHUNKS, refusal
from textcnn.text.tokenizer import Tokenizer

Span = tuple[int, int]

_PARTS = re.compile(f"([{BLANKS}]+)")


class Spans:
    """What :meth:`textcnn.text.tokenizer.Tokenizer.spans` gives, faster where blanks part a tokenizer's texts.

    Args:
        tokenizer: whose tokens they are of.
        most_chunks: chunks remembered at once; then all is forgotten.
    """

    def __init__(self, tokenizer: Tokenizer, *, most_chunks: int = MOST_CHUNKS) -> None:
        self._tokenizer, self._most_chunks = tokenizer, most_chunks
        self._parted = refusal(tokenizer) is None
        self._known = _Known(tokenizer)

    def __call__(self, text: str) -> Sequence[Span]:
        """Offsets ``(start, end)`` into ``text`` of every token, in order."""
        if not self._parted:
            return self._tokenizer.spans(text)
        if len(self._known) > self._most_chunks:
            self._known = _Known(self._tokenizer)
        chunks = text.split()
        if " ".join(chunks) == text:  # nothing but single spaces between chunks
            lengths = np.fromiter(map(len, chunks), np.int64, len(chunks)) + 1
            starts = (np.cumsum(lengths) - lengths).tolist()
        else:
            parts = _PARTS.split(text)  # chunks, and between them blanks
            chunks, starts = parts[::2], list(accumulate(map(len, parts), initial=0))[::2]
        return _TextSpans(starts, list(map(self._known.__getitem__, chunks)))


class _Known(dict[str, list[Span]]):
    """The spans of every chunk met so far."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __missing__(self, chunk: str) -> list[Span]:
        found = self[chunk] = self._tokenizer.spans(chunk)
        return found


class _TextSpans(Sequence[Span]):
    """The spans of a text, each made when it is asked for: most never are."""

    def __init__(self, starts: list[int], chunks: list[list[Span]]) -> None:
        self._starts, self._chunks = starts, chunks
        self._begins = list(accumulate(map(len, chunks), initial=0))

    def __len__(self) -> int:
        return self._begins[-1]

    def __iter__(self) -> Iterator[Span]:
        return (
            (start + low, start + high)
            for start, spans in zip(self._starts, self._chunks, strict=False)
            for low, high in spans
        )

    @overload
    def __getitem__(self, token: int) -> Span: ...
    @overload
    def __getitem__(self, token: slice) -> list[Span]: ...
    def __getitem__(self, token: Any) -> Any:
        if isinstance(token, slice):
            return list(self)[token]
        if token < 0:
            token += len(self)
        number = bisect_right(self._begins, token) - 1
        start, (low, high) = self._starts[number], self._chunks[number][token - self._begins[number]]
        return start + low, start + high
