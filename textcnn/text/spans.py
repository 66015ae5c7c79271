"""Where tokens stand in the texts they are of, in characters; what stands between two blanks is looked at once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.text.chunk_numbers import HashNumbers, with_room
from textcnn.text.chunks import MOST_CHUNKS, refusal
from textcnn.text.tokenizer import Tokenizer

Integers = npt.NDArray[np.int64]

_JOINED = 1000  # new chunks that the tokenizer sees as one text: a call a chunk would cost more than the chunk


class Places(NamedTuple):
    """Where the tokens of B texts stand: a token is ``text[start:end]``, before lower case and normal forms.

    Attributes:
        starts: ``(N,)``, characters from the start of the token's own text.
        ends: ``(N,)``.
        offsets: ``(B + 1,)``, where the tokens of each text begin.
    """

    starts: Integers
    ends: Integers
    offsets: Integers

    def of(self, number: int) -> Places:
        """The places of one text alone."""
        begin, end = self.offsets[number], self.offsets[number + 1]
        return Places(self.starts[begin:end], self.ends[begin:end], np.array([0, end - begin]))


class Spans:
    """What :meth:`textcnn.text.tokenizer.Tokenizer.spans` gives, for many texts.

    Where compiled code has been loaded, and blanks part texts for the tokenizer too, it is compiled, and the tokenizer
    sees every chunk (what stands between two blanks) once. Any number of threads may ask; they take turns.

    Args:
        tokenizer: whose tokens they are of.
        most_chunks: chunks remembered at once; then all is forgotten.
    """

    def __init__(self, tokenizer: Tokenizer, *, most_chunks: int = MOST_CHUNKS) -> None:
        self._tokenizer, self._most_chunks = tokenizer, most_chunks
        self._parted = refusal(tokenizer) is None
        self._lock = threading.Lock()
        self._forget()

    def __call__(self, texts: Sequence[str]) -> Places:
        """The places of all tokens."""
        if not (self._parted and "textcnn.kernels.chunks_numba" in sys.modules):
            return _by_tokenizer(self._tokenizer, texts)
        with self._lock:
            if len(self._numbers) > self._most_chunks:
                self._forget()
            try:
                return self._by_memory(texts)
            except BaseException:  # Ctrl-C as well: no chunk may stay without its spans
                self._forget()
                raise

    def __reduce__(self) -> Any:
        """Copies and other processes start with nothing remembered."""
        return Spans, (self._tokenizer,)

    def _forget(self) -> None:
        self._numbers = HashNumbers()
        self._used, self._offsets = 0, np.zeros(1, np.int64)
        self._starts, self._ends = np.empty((2, 0), np.int64)

    def _by_memory(self, texts: Sequence[str]) -> Places:
        from textcnn.kernels.chunks_numba import ASCII_BLANKS, place_tokens

        raw = [text.encode("utf-8", "surrogatepass") for text in texts]
        data, ends = np.frombuffer(b"".join(raw), np.uint8), np.cumsum(np.fromiter(map(len, raw), np.int64, len(raw)))
        numbers, _ = self._numbers.number(texts)
        self._learn(self._numbers.names(self._used))
        size = int((self._offsets[numbers + 1] - self._offsets[numbers]).sum())
        found = Places(np.empty(size, np.int64), np.empty(size, np.int64), np.zeros(len(texts) + 1, np.int64))
        chunks = self._offsets, self._starts, self._ends
        place_tokens(data, ends, ASCII_BLANKS, numbers, *chunks, *found)
        return found

    def _learn(self, chunks: list[str]) -> None:
        """Remember the spans of new chunks."""
        for first in range(0, len(chunks), _JOINED):
            group = chunks[first : first + _JOINED]
            begins = np.zeros(len(group) + 1, np.int64)
            np.cumsum([len(chunk) + 1 for chunk in group], out=begins[1:])
            spans = np.array(self._tokenizer.spans("\n".join(group)), np.int64).reshape(-1, 2)
            ends = np.searchsorted(spans[:, 0], begins)
            spans -= np.repeat(begins[:-1], np.diff(ends))[:, None]
            held, count = int(self._offsets[self._used]), len(spans)
            self._starts = with_room(self._starts, held, count)
            self._ends = with_room(self._ends, held, count)
            self._offsets = with_room(self._offsets, self._used + 1, len(group))
            self._starts[held : held + count], self._ends[held : held + count] = spans.T
            self._offsets[self._used + 1 : self._used + 1 + len(group)] = held + ends[1:]
            self._used += len(group)


def _by_tokenizer(tokenizer: Tokenizer, texts: Sequence[str]) -> Places:
    rows = [tokenizer.spans(text) for text in texts]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    spans = np.array([span for row in rows for span in row], np.int64).reshape(-1, 2)
    return Places(spans[:, 0], spans[:, 1], offsets)
