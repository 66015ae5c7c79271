"""Text to ids by memory: a text is parted at its blanks, and what stands between two blanks is tokenized once.

That gives the pipeline's ids only where blanks part a text for the pipeline too; :func:`refusal` decides that from its
components. Elsewhere the pipeline itself encodes.
"""

from __future__ import annotations

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, count, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.text.lexicon import Lexicon, Unseen, joined, renumber
from textcnn.text.ragged import Ragged, gather
from textcnn.text.tokenizer import WORD_PATTERN, Tokenizer

MOST_CHUNKS = 2**19  # remembered at once: about 100 MB with their ids and the tables
MOST_CHARACTERS = 2**23  # of all remembered chunks
_SLICE = 2**20  # characters of texts encoded at once: what the memory may hold beyond its bounds for a moment
_JOINED = 1000  # new chunks that the pipeline sees as one text: a call a chunk would cost more than the chunk

# The characters of Unicode's property White_Space; `str.split` parts at four more, \x1c to \x1f, which are signs here.
BLANKS = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # as a class of a regular expression
_BLANKS = re.compile(f"[{BLANKS}]+")
_NO_BLANKS = ("\x1c", "\x1d", "\x1e", "\x1f")

# No canonical composition (Unicode, UAX 15) joins a blank to a character beside it, and a blank's own decomposition is
# blanks; these forms of case and accents look at one character alone.
_LOCAL_NORMALIZERS = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")
_PARTING = ("Whitespace", "WhitespaceSplit", "BertPreTokenizer")
_WORD_SPLIT = {"type": "Split", "pattern": {"Regex": WORD_PATTERN}, "behavior": "Removed", "invert": True}
_WITHIN_PIECES = ("Punctuation", "Digits", *_PARTING)  # may follow in a sequence: they only cut pieces further
_MODELS = ("WordLevel", "WordPiece", "BPE", "Unigram")  # each piece is looked up by itself


def refusal(tokenizer: Tokenizer) -> str | None:
    """Why the ids of a chunk between blanks may depend on its neighbours; none if they provably do not."""
    parts = tokenizer.components()
    if parts["added_tokens"]:
        return f"added tokens may hold blanks: {parts['added_tokens'][0]!r} is one"
    if parts["post_processor"] is not None:
        return f"the post-processor {parts['post_processor']['type']} sees whole texts"
    for step in _steps(parts["normalizer"], "normalizers"):
        if step["type"] not in _LOCAL_NORMALIZERS:
            return f"the normalizer {step['type']} may look across blanks"
    first, *others = _steps(parts["pre_tokenizer"], "pretokenizers") or [{"type": "none"}]
    if first["type"] not in _PARTING and first != _WORD_SPLIT:
        return f"the pre-tokenizer {first['type']} may keep blanks in tokens"
    for step in others:
        if step["type"] not in _WITHIN_PIECES:
            return f"the pre-tokenizer {step['type']} may look across blanks"
    if parts["model"] not in _MODELS or parts["dropout"]:
        return f"the model {parts['model']} may not give a word the same ids every time"
    return None


def _steps(component: dict[str, Any] | None, plural: str) -> list[dict[str, Any]]:
    """The parts of a sequence, sequences within it opened."""
    if component is None:
        return []
    if component["type"] != "Sequence":
        return [component]
    return [step for part in component[plural] for step in _steps(part, plural)]


class ChunkMemory:
    """The ids of texts, from remembered chunks; equal to those of the pipeline, whatever is remembered.

    Safe for many threads, which take turns, and after a fork. When the bounds are passed, all is forgotten.

    Args:
        tokenizer: without a :func:`refusal`.
        lexicon: gives unseen words temporary ids and their n-gram rows.
        most_chunks: chunks remembered at once.
        most_characters: of the remembered chunks.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        lexicon: Lexicon | None = None,
        *,
        most_chunks: int = MOST_CHUNKS,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self._tokenizer, self._lexicon = tokenizer, lexicon
        self._bounds = most_chunks, most_characters
        self._size = len(tokenizer)
        self._forget()

    def __reduce__(self) -> Any:
        """Copies and other processes start with nothing remembered."""
        return ChunkMemory, (self._tokenizer, self._lexicon)

    def __len__(self) -> int:
        """Chunks that are remembered."""
        return len(self._numbers)

    def encode(self, texts: Sequence[str]) -> tuple[Ragged, Unseen]:
        """Token ids of all texts, and the words that have temporary ones among them."""
        if os.getpid() != self._process:  # a child of a fork, maybe made while a thread of its parent was in here
            self._forget()
        return joined([self._encode(part) for part in _slices(texts)], self._size)

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)  # a new chunk has the next number
        self._characters = 0
        self._chunks = _Rows()  # ids of each chunk; V + k is the k-th of the unseen words remembered here
        self._unseen: dict[str, int] = {}
        self._names: list[str] = []
        self._bags = _Rows()

    def _encode(self, texts: Sequence[str]) -> tuple[Ragged, Unseen]:
        parted = [_part(text) for text in texts]
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(chunks) for chunks in parted], out=offsets[1:])
        with self._lock:
            if len(self._numbers) > self._bounds[0] or self._characters > self._bounds[1]:
                self._clear()
            try:
                numbers = np.fromiter(
                    map(self._numbers.__getitem__, chain.from_iterable(parted)), np.int64, int(offsets[-1])
                )
                self._learn(list(islice(reversed(self._numbers), len(self._numbers) - len(self._chunks)))[::-1])
            except BaseException:  # Ctrl-C as well: no number may stay without its ids
                self._clear()
                raise
            tokens = self._chunks.take(numbers)
            behind = np.flatnonzero(tokens.ids >= self._size)
            if not len(behind):
                return Ragged(tokens.ids, tokens.offsets[offsets]), Unseen()
            used, places = np.unique(tokens.ids[behind] - self._size, return_inverse=True)
            tokens.ids[behind] = self._size + places
            unseen = Unseen(tuple(self._names[k] for k in used.tolist()), self._bags.take(used.astype(np.int64)))
        return Ragged(tokens.ids, tokens.offsets[offsets]), unseen

    def _learn(self, chunks: list[str]) -> None:
        """Remember ids of new chunks, and the unseen words in them."""
        if not chunks:
            return
        tokens = _encode_chunks(self._tokenizer, chunks)
        if self._lexicon is not None:
            unseen = _resolve(self._tokenizer, self._lexicon, chunks, tokens)
            new = [k for k, name in enumerate(unseen.names) if name not in self._unseen]
            for k in new:
                self._unseen[unseen.names[k]] = len(self._names)
                self._names.append(unseen.names[k])
            self._bags.append(unseen.bags.take(np.array(new, np.int64)))
            known = np.array([self._unseen[name] for name in unseen.names], np.int64)
            renumber(tokens.ids, self._size, known)
        self._chunks.append(tokens)
        self._characters += sum(map(len, chunks))


class _Rows:
    """Ragged rows that others can be appended to, at a cost that does not grow with what is there."""

    def __init__(self) -> None:
        self._ids, self._offsets, self._count = np.empty(0, np.int32), np.zeros(1, np.int64), 0

    def __len__(self) -> int:
        return self._count

    def append(self, rows: Ragged) -> None:
        used, end = int(self._offsets[self._count]), self._count + 1
        self._ids = _extended(self._ids, used, rows.ids)
        self._offsets = _extended(self._offsets, end, rows.offsets[1:] + used)
        self._count += len(rows)

    def take(self, rows: npt.NDArray[np.int64]) -> Ragged:
        return Ragged(self._ids, self._offsets).take(rows)


def _extended(array: npt.NDArray[Any], used: int, more: npt.NDArray[Any]) -> npt.NDArray[Any]:
    end = used + len(more)
    if end > len(array):
        array = np.concatenate([array[:used], np.empty(max(len(more), used), array.dtype)])
    array[used:end] = more
    return array


def _slices(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in turn, about :data:`_SLICE` characters at a time."""
    start = size = 0
    for end, text in enumerate(texts, start=1):
        size += len(text)
        if size >= _SLICE:
            yield texts[start:end]
            start, size = end, 0
    if start < len(texts):
        yield texts[start:]


def _part(text: str) -> list[str]:
    """What stands between the blanks of a text."""
    if any(sign in text for sign in _NO_BLANKS):
        return [chunk for chunk in _BLANKS.split(text) if chunk]
    return text.split()


def _encode_chunks(tokenizer: Tokenizer, chunks: list[str]) -> Ragged:
    """Ids of each chunk, from the pipeline, which sees many of them as one text with a blank between each two."""
    groups = [chunks[start : start + _JOINED] for start in range(0, len(chunks), _JOINED)]
    found = tokenizer.encode_with_starts(["\n".join(group) for group in groups])
    lengths = []
    for group, (_, starts) in zip(groups, found, strict=True):
        begins = np.zeros(len(group) + 1, np.int64)
        np.cumsum([len(chunk) + 1 for chunk in group], out=begins[1:])
        lengths.append(np.diff(np.searchsorted(starts, begins)))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return Ragged(np.concatenate([ids for ids, _ in found]), offsets)


def _resolve(tokenizer: Tokenizer, lexicon: Lexicon, chunks: list[str], tokens: Ragged) -> Unseen:
    """Write temporary ids into ``tokens``, those of the chunks, and say what they stand for."""
    unknown = np.flatnonzero(tokens.ids == tokenizer.unknown_id)
    rows = np.unique(np.searchsorted(tokens.offsets, unknown, side="right") - 1)
    places, _ = gather(tokens.offsets, rows)
    # Chunks with an unseen word are one text to the lexicon: a call a chunk would cost more than the chunk.
    one_text = Ragged(tokens.ids[places], np.array([0, len(places)]))
    found, unseen = lexicon.resolve(["\n".join(chunks[row] for row in rows.tolist())], one_text)
    tokens.ids[places] = found.ids
    return unseen
