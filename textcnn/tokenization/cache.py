"""Token-id cache: each whitespace-delimited chunk of a text is tokenized once.

This gives the pipeline's ids only if the pipeline, too, never looks across blanks; :func:`refusal` decides that from
its components. Without that guarantee the pipeline itself encodes whole texts.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.calls import tell_of_forks
from textcnn.core.word_form import JOINED, UNKNOWN, WORD_SPLIT, is_ours
from textcnn.tokenization.arrow_texts import ArrowTexts
from textcnn.tokenization.lexicon import Lexicon, Unseen, joined, renumber
from textcnn.tokenization.ragged import Ragged, gather, with_room
from textcnn.tokenization.tokenizer import Tokenizer, steps_of
from textcnn.tokenization.words import SLICE, Words, names_of, slices, utf8

MOST_CHUNKS = 2**19  # cached at once: about 50 MB with their ids and the tables
MOST_CHARACTERS = 2**23  # of all cached chunks

# No canonical composition (Unicode, UAX 15) joins a blank to a neighbouring character, and a blank decomposes to
# blanks; these forms of case and accents look at one character alone. Only our own patterns (textcnn.core.word_form)
# are known never to look across a blank.
_LOCAL_NORMALIZERS = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")
_PARTING = ("Whitespace", "WhitespaceSplit", "BertPreTokenizer")
_WITHIN_PIECES = ("Punctuation", "Digits", *_PARTING)  # may follow in a sequence: they only cut pieces further
_MODELS = ("WordLevel", "WordPiece", "BPE", "Unigram")  # each piece is looked up by itself


def refusal(tokenizer: Tokenizer) -> str | None:
    """Return why a chunk's ids may depend on its neighbours; none if they provably do not."""
    parts = tokenizer.components()
    if parts["added_tokens"]:
        return f"added tokens may hold blanks: {parts['added_tokens'][0]!r} is one"
    if parts["post_processor"] is not None:
        return f"the post-processor {parts['post_processor']['type']} sees whole texts"
    for step in steps_of(parts["normalizer"], "normalizers"):
        if step["type"] not in _LOCAL_NORMALIZERS and not is_ours(step):
            return f"the normalizer {step['type']} may look across blanks"
    first, *others = steps_of(parts["pre_tokenizer"], "pretokenizers") or [{"type": "none"}]
    if first["type"] not in _PARTING and first != WORD_SPLIT:
        return f"the pre-tokenizer {first['type']} may keep blanks in tokens"
    for step in others:
        if step["type"] not in _WITHIN_PIECES:
            return f"the pre-tokenizer {step['type']} may look across blanks"
    if parts["model"] not in _MODELS or parts["dropout"]:
        return f"the model {parts['model']} may not give a word the same ids every time"
    return None


class Remembered(NamedTuple):
    """The content of a cache, valid while its lock is acquired.

    Attributes:
        arrays: those of :meth:`ChunkTable.arrays`, the ids of all chunks, and the offset of each chunk's ids.
        names: unseen words by their number k, their id being V + k; replaced by a new list when the cache is cleared.
        unseen: the numbers of unseen words by word.
    """

    arrays: tuple[Any, ...]
    names: list[str]
    unseen: Mapping[str, int]


class ChunkMemory:
    """Cache of token ids by chunk; its results equal those of the pipeline, whatever is cached.

    Thread-safe, one thread at a time, and safe after a fork. The cache is cleared when it exceeds its bounds.

    Args:
        tokenizer: one for which :func:`refusal` returns none.
        lexicon: assigns temporary ids and n-gram rows to unseen words.
        most_chunks: largest number of cached chunks.
        most_characters: largest total size of the cached chunks, in bytes.

    Attributes:
        changes: number of insertions and clearings so far; read it only with :attr:`lock` acquired.
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
        self.changes = 0
        self._forget()
        tell_of_forks(self)

    def __reduce__(self) -> Any:
        """Copy the settings only: copies and other processes start with an empty cache."""
        return ChunkMemory, (self._tokenizer, self._lexicon)

    def __len__(self) -> int:
        """Return the number of cached chunks."""
        return len(self._table)

    def encode(self, texts: Sequence[str]) -> tuple[Ragged, Unseen]:
        """Return the token ids of all texts, and the unseen words that have temporary ids among them."""
        if isinstance(texts, ArrowTexts):
            parts = [self._encode(part.bytes, part.ends) for part in texts.slices(SLICE)]
        else:
            parts = [self._encode(*utf8(part)) for part in slices(texts)]
        return joined(parts, self._size)

    @property
    def lock(self) -> threading.Lock:
        """The lock that must be acquired to read or fill the cache."""
        if self._is_forked:  # maybe made while a thread of the parent was in here
            self._forget()
        return self._lock

    def remembered(self) -> Remembered:
        """The cached content, to be read with :attr:`lock` acquired."""
        return Remembered((*self._table.arrays(), *self._chunks.arrays()), self._names, self._unseen)

    def mark_forked(self) -> None:
        """Have the cache emptied at its next use; in a child of a fork as little as possible may be done before it."""
        self._is_forked = True

    def _forget(self) -> None:
        self._is_forked, self._lock = False, threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self.changes += 1
        self._table = core.twin("chunks").ChunkTable()
        self._chunks = _Rows()  # ids of each chunk; V + k is the k-th cached unseen word
        form = self._tokenizer.word_form
        self._words = None if form is None else Words(form, self._tokenizer.vocabulary)
        self._word_ids = np.empty(0, np.int32) if self._words is None else self._words.ids  # and room for more
        self._known_words = len(self._word_ids)
        self._unseen: dict[str, int] = {}
        self._names: list[str] = []
        self._bags = _Rows()

    def _encode(self, data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> tuple[Ragged, Unseen]:
        with self.lock:
            if len(self._table) > self._bounds[0] or self._table.size > self._bounds[1]:
                self._clear()
            try:
                numbers, offsets = self._table.number(data, ends)
                if len(self._table) > len(self._chunks):
                    self.changes += 1
                    self._learn(*self._table.chunks(len(self._chunks)))
            except BaseException:  # Ctrl-C as well: no number may stay without its ids
                self._clear()
                raise
            tokens = self._chunks.take(numbers)
            unseen_at = np.flatnonzero(tokens.ids >= self._size)
            if not len(unseen_at):
                return Ragged(tokens.ids, tokens.offsets[offsets]), Unseen()
            used, places = np.unique(tokens.ids[unseen_at] - self._size, return_inverse=True)
            tokens.ids[unseen_at] = self._size + places
            unseen = Unseen(tuple(self._names[k] for k in used.tolist()), self._bags.take(used.astype(np.int64)))
        return Ragged(tokens.ids, tokens.offsets[offsets]), unseen

    def _learn(self, data: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        """Cache the ids of new chunks, and number the unseen words in them."""
        if self._words is not None:
            rows = self._words.split(data, ends)
            self._know_words(self._words)
            self._chunks.append(Ragged(self._word_ids[rows.ids], rows.offsets))
            return
        chunks = names_of(data, ends)
        tokens = _encode_chunks(self._tokenizer, chunks)
        if self._lexicon is not None:
            unseen = _resolve(self._tokenizer, self._lexicon, chunks, tokens)
            self._remember(unseen)
            known = np.array([self._unseen[name] for name in unseen.names], np.int64)
            renumber(tokens.ids, self._size, known)
        self._chunks.append(tokens)

    def _know_words(self, words: Words) -> None:
        """Assign temporary ids to new unseen words, if there is room for them."""
        names, used = words.names(self._known_words), self._known_words
        if self._lexicon is not None and names:
            self._remember(self._lexicon.compose(names))
        unknown = self._tokenizer.vocabulary[UNKNOWN]
        ids = [self._size + self._unseen[name] if name in self._unseen else unknown for name in names]
        self._word_ids = with_room(self._word_ids, used, len(names))
        self._word_ids[used : used + len(names)] = ids
        self._known_words += len(names)

    def _remember(self, unseen: Unseen) -> None:
        """Number the unseen words that are new."""
        new = [k for k, name in enumerate(unseen.names) if name not in self._unseen]
        names = [unseen.names[k] for k in new]
        self._unseen.update(zip(names, range(len(self._names), len(self._names) + len(names)), strict=True))
        self._names += names
        self._bags.append(unseen.bags.take(np.array(new, np.int64)))


class _Rows:
    """Growing ragged rows; appending costs amortized constant time per entry."""

    def __init__(self) -> None:
        self._ids, self._offsets, self._count = np.empty(0, np.int32), np.zeros(1, np.int64), 0

    def __len__(self) -> int:
        return self._count

    def append(self, rows: Ragged) -> None:
        used, end = int(self._offsets[self._count]), self._count + 1
        self._ids = with_room(self._ids, used, len(rows.ids))
        self._ids[used : used + len(rows.ids)] = rows.ids
        self._offsets = with_room(self._offsets, end, len(rows))
        self._offsets[end : end + len(rows)] = rows.offsets[1:] + used
        self._count += len(rows)

    def arrays(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        return self._ids, self._offsets

    def take(self, rows: npt.NDArray[np.int64]) -> Ragged:
        return Ragged(*core.twin("chunks").take_ragged(self._ids, self._offsets, rows))


def _encode_chunks(tokenizer: Tokenizer, chunks: list[str]) -> Ragged:
    """Return the ids of each chunk from the pipeline, which gets many chunks as one text, separated by blanks."""
    groups = [chunks[start : start + JOINED] for start in range(0, len(chunks), JOINED)]
    found = tokenizer.encode_with_starts(["\n".join(group) for group in groups])
    lengths = []
    for group, (_, starts) in zip(groups, found, strict=True):
        begins = np.zeros(len(group) + 1, np.int64)
        np.cumsum([len(chunk) + 1 for chunk in group], out=begins[1:])
        lengths.append(np.diff(np.searchsorted(starts, begins)))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return Ragged(np.concatenate([ids for ids, _ in found]), offsets)


def _resolve(tokenizer: Tokenizer, lexicon: Lexicon, chunks: list[str], tokens: Ragged) -> Unseen:
    """Write temporary ids into ``tokens``, the ids of the chunks; return the unseen words that they stand for."""
    unknown = np.flatnonzero(tokens.ids == tokenizer.unknown_id)
    rows = np.unique(np.searchsorted(tokens.offsets, unknown, side="right") - 1)
    places, _ = gather(tokens.offsets, rows)
    # Chunks with an unseen word are one text to the lexicon: a call a chunk would cost more than the chunk.
    one_text = Ragged(tokens.ids[places], np.array([0, len(places)]))
    found, unseen = lexicon.resolve(["\n".join(chunks[row] for row in rows.tolist())], one_text)
    tokens.ids[places] = found.ids
    return unseen
