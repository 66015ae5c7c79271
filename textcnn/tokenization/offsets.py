"""Character offsets of tokens in texts, with a cache of the offsets within each chunk between blanks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.word_form import JOINED
from textcnn.tokenization.cache import MOST_CHUNKS, refusal
from textcnn.tokenization.ragged import with_room
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.tokenization.words import utf8

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
_LINE_END = ord("\n")


class Places(NamedTuple):
    """Character offsets of the tokens of B texts: a token is ``text[start:end]``, before normalization.

    Attributes:
        starts: ``(N,)``, characters from the start of the token's own text.
        ends: ``(N,)``.
        offsets: ``(B + 1,)``, where the tokens of each text begin.
    """

    starts: Integers
    ends: Integers
    offsets: Integers

    def of(self, number: int) -> Places:
        """Return the offsets of a single text."""
        begin, end = self.offsets[number], self.offsets[number + 1]
        return Places(self.starts[begin:end], self.ends[begin:end], np.array([0, end - begin]))


class Spans:
    """Computes :meth:`textcnn.tokenization.tokenizer.Tokenizer.spans` for many texts, cached by chunk.

    If the tokenizer never looks across blanks, it processes every chunk (text between two blanks) once. Any
    number of threads may ask; they take turns.

    Args:
        tokenizer: whose tokens they are of.
        most_chunks: number of cached chunks beyond which the cache is cleared.
    """

    def __init__(self, tokenizer: Tokenizer, *, most_chunks: int = MOST_CHUNKS) -> None:
        self._tokenizer, self._most_chunks = tokenizer, most_chunks
        self._is_local = refusal(tokenizer) is None
        self._lock = threading.Lock()
        self._forget()

    def __call__(self, texts: Sequence[str]) -> Places:
        """Return the offsets of all tokens."""
        if not self._is_local:
            return _by_tokenizer(self._tokenizer, texts)
        with self._lock:
            if len(self._table) > self._most_chunks:
                self._forget()
            try:
                return self._by_memory(texts)
            except BaseException:  # Ctrl-C as well: no chunk may stay without its spans
                self._forget()
                raise

    def __reduce__(self) -> Any:
        """Copy the settings only: copies and other processes start with an empty cache."""
        return Spans, (self._tokenizer,)

    def _forget(self) -> None:
        self._table = core.twin("chunks").ChunkTable()
        self._used, self._offsets = 0, np.zeros(1, np.int64)
        self._starts, self._ends = np.empty((2, 0), np.int64)

    def _by_memory(self, texts: Sequence[str]) -> Places:
        data, ends = utf8(texts)
        numbers, _ = self._table.number(data, ends)
        if len(self._table) > self._used:
            self._learn(*self._table.chunks(self._used))
        chunks = self._offsets[: self._used + 1], self._starts, self._ends
        return Places(*core.twin("chunks").place_tokens(data, ends, numbers, *chunks))

    def _learn(self, data: Bytes, ends: Integers) -> None:
        """Cache the spans of new chunks."""
        form = self._tokenizer.word_form
        counts, lengths = np.zeros(len(ends), np.int64), np.zeros(0, np.int64)
        if form is not None:
            words, counts = core.twin("tokens").split_words(data, ends, form)
            lengths = np.diff(np.flatnonzero(words == _LINE_END), prepend=-1) - 1
        # Case alone changes in a chunk of ASCII; where nothing is dropped either, its words are side by side.
        sizes = np.diff(ends, prepend=0)
        high = np.concatenate([[0], np.cumsum(data >= 0x80)])
        kept = np.bincount(np.repeat(np.arange(len(ends)), counts), lengths, minlength=len(ends))
        is_plain = (high[ends] == high[ends - sizes]) & (kept == sizes) & (form is not None)
        plain = lengths[np.repeat(is_plain, counts)]
        odd = np.flatnonzero(~is_plain)
        spans, counts[odd] = self._odd([data[ends[k] - sizes[k] : ends[k]] for k in odd.tolist()])
        of_plain = np.repeat(is_plain, counts)
        starts, stops = np.empty((2, len(of_plain)), np.int64)
        starts[~of_plain], stops[~of_plain] = spans.T
        begins = np.repeat(np.cumsum(sizes[is_plain]) - sizes[is_plain], counts[is_plain])
        stops[of_plain] = np.cumsum(plain) - begins
        starts[of_plain] = stops[of_plain] - plain
        self._append(starts, stops, counts)

    def _odd(self, chunks: list[Bytes]) -> tuple[Integers, Integers]:
        """Return the spans of chunks ``(n, 2)`` by the tokenizer itself, and their number per chunk."""
        names = [chunk.tobytes().decode("utf-8", "surrogatepass") for chunk in chunks]
        found, counts = [np.empty((0, 2), np.int64)], [np.zeros(0, np.int64)]
        for first in range(0, len(names), JOINED):
            group = names[first : first + JOINED]
            begins = np.zeros(len(group) + 1, np.int64)
            np.cumsum([len(chunk) + 1 for chunk in group], out=begins[1:])
            spans = np.array(self._tokenizer.spans("\n".join(group)), np.int64).reshape(-1, 2)
            counts.append(np.diff(np.searchsorted(spans[:, 0], begins)))
            found.append(spans - np.repeat(begins[:-1], counts[-1])[:, None])
        return np.concatenate(found), np.concatenate(counts)

    def _append(self, starts: Integers, stops: Integers, counts: Integers) -> None:
        used = int(self._offsets[self._used])
        self._starts = with_room(self._starts, used, len(starts))
        self._ends = with_room(self._ends, used, len(stops))
        self._offsets = with_room(self._offsets, self._used + 1, len(counts))
        self._starts[used : used + len(starts)], self._ends[used : used + len(stops)] = starts, stops
        self._offsets[self._used + 1 : self._used + 1 + len(counts)] = used + np.cumsum(counts)
        self._used += len(counts)


def _by_tokenizer(tokenizer: Tokenizer, texts: Sequence[str]) -> Places:
    rows = [tokenizer.spans(text) for text in texts]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    spans = np.array([span for row in rows for span in row], np.int64).reshape(-1, 2)
    return Places(spans[:, 0], spans[:, 1], offsets)
