"""Word splitting for the default tokenizer: each whitespace-delimited chunk is split once, each word has a number.

Only the default tokenizer (:mod:`textcnn.core.word_form`) can be split by the core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.word_form import WordForm
from textcnn.tokenization.ragged import Ragged

if TYPE_CHECKING:
    from textcnn.tokenization.tokenizer import Tokenizer

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

MOST_CHUNKS = 2**20  # counted before their words are: it bounds the memory for corpora of any size
SLICE = 2**20  # characters of texts looked at together


def utf8(texts: Iterable[str]) -> tuple[Bytes, Integers]:
    """Return the concatenated UTF-8 bytes of all texts, and their end offsets."""
    texts = list(texts)
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    data = np.frombuffer("".join(texts).encode("utf-8", "surrogatepass"), np.uint8)
    if len(texts) and len(data) > ends[-1]:  # from characters to bytes
        ends = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))[ends]
    return data, ends


def names_of(data: Bytes, ends: Integers) -> list[str]:
    """Decode concatenated UTF-8 pieces, given their end offsets, to strings."""
    whole = data.tobytes().decode("utf-8", "surrogatepass")
    if len(whole) < len(data):  # ends in characters
        ends = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])[ends]
    return [whole[a:b] for a, b in pairwise([0, *ends.tolist()])]


def slices(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield lists of consecutive texts with about :data:`SLICE` characters each."""
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= SLICE:
            yield part
            part, size = [], 0
    if part:
        yield part


class Words:
    """Assigns consecutive numbers to the distinct words of chunks.

    Args:
        form: form of the tokenizer.
        vocabulary: ids of words, which have the first numbers.

    Attributes:
        ids: vocabulary ids of the words, by word number.
    """

    def __init__(self, form: WordForm, vocabulary: Mapping[str, int] | None = None) -> None:
        self._form, self._table = form, core.twin("chunks").ChunkTable()
        known = dict(vocabulary or {})
        data, ends = utf8(known)
        self._table.number(data, ends)
        if (len(self._table), self._table.size) != (len(known), len(data)):
            # A tokenizer.json made elsewhere may have types that no text has: empty ones, or ones with a blank.
            known = {name: number for name, number in known.items() if name.encode().split() == [name.encode()]}
            self._table = core.twin("chunks").ChunkTable()
            self._table.number(*utf8(known))
        self.ids = np.fromiter(known.values(), np.int32, len(known))

    def __len__(self) -> int:
        return len(self._table)

    def split(self, data: Bytes, ends: Integers) -> Ragged:
        """Return the word numbers of each chunk; ``data`` are the bytes of all chunks, ``ends`` their end offsets."""
        words, counts = core.twin("tokens").split_words(data, ends, self._form)
        numbers, _ = self._table.number(words, np.array([len(words)]))
        return Ragged(numbers.astype(np.int32), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def names(self, start: int) -> list[str]:
        """Return the words numbered from ``start`` on."""
        return names_of(*self._table.chunks(start))


def word_numbers(texts: Iterable[str], words: Words) -> Ragged:
    """Numbers of the words of each text; those that are new are added to ``words``."""
    table, rows, offsets = core.twin("chunks").ChunkTable(), [np.zeros(0, np.int64)], [np.zeros(1, np.int64)]
    for part in slices(texts):
        numbers, places = table.number(*utf8(part))
        offsets.append(places[1:] + offsets[-1][-1])
        rows.append(numbers)
    tokens = words.split(*table.chunks(0)).take(np.concatenate(rows))
    return Ragged(tokens.ids, tokens.offsets[np.concatenate(offsets)])


def as_lists(tokens: Ragged) -> list[list[int]]:
    """The ids of each text as a list of Python's integers."""
    ids = tokens.ids.tolist()
    return [ids[first:last] for first, last in pairwise(tokens.offsets.tolist())]


def words_of(texts: Iterable[str]) -> list[list[str]]:
    """The words of each text by the default tokenizer, in lower case and normal form."""
    words = Words(WordForm())
    tokens = word_numbers(texts, words)
    names = words.names(0)
    return [[names[number] for number in row] for row in as_lists(tokens)]


def count_words(texts: Iterable[str], tokenizer: Tokenizer) -> Counter[str]:
    """Count the occurrences of each word in the texts."""
    if tokenizer.word_form is None:
        return Counter(word for text in texts for word in tokenizer.words(text))
    words, totals = Words(tokenizer.word_form), np.zeros(0, np.int64)
    for data, ends, occurrences in _counted_chunks(texts):
        rows = words.split(data, ends)
        weights = np.repeat(occurrences, rows.lengths)
        counts = np.bincount(rows.ids, weights, minlength=len(words)).astype(np.int64)
        counts[: len(totals)] += totals
        totals = counts
    return Counter(dict(zip(words.names(0), totals.tolist(), strict=True)))


def _counted_chunks(texts: Iterable[str]) -> Iterator[tuple[Bytes, Integers, Any]]:
    """Yield batches of distinct chunks: bytes, end offsets, counts; very many chunks may repeat across batches."""
    table, counts = core.twin("chunks").ChunkTable(), np.zeros(0, np.int64)
    for part in slices(texts):
        numbers, _ = table.number(*utf8(part))
        found = np.bincount(numbers, minlength=len(table))
        found[: len(counts)] += counts
        counts = found
        if len(table) > MOST_CHUNKS:
            yield *table.chunks(0), counts
            table, counts = core.twin("chunks").ChunkTable(), np.zeros(0, np.int64)
    yield *table.chunks(0), counts
