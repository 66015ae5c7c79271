"""The lexicon: maps every type, unseen words included, to its rows of the character n-gram table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.config import ModelConfig
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.tokenizer import PAD, UNKNOWN, Tokenizer
from textcnn.tokenization.words import utf8


@dataclass(frozen=True)
class SubwordRule:
    """Which n-grams a word has, the number of hash buckets, and the limit of n-grams per word (none: no limit)."""

    n_min: int = 2
    n_max: int = 4
    buckets: int = 100_000
    most: int | None = None

    def bags(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the hash buckets of every word's n-grams, and their number per word.

        Args:
            words: W words.

        Returns:
            ``(M,)`` buckets of all words, one word after another, and ``(W + 1,)`` offsets where each word begins.
        """
        data, ends = utf8(words)
        rule = self.n_min, self.n_max, self.buckets, self.most
        buckets, offsets = core.twin("features").ngram_buckets(data, ends, *rule)
        return buckets, offsets


NOTHING = Ragged(np.zeros(0, np.int32), np.zeros(1, np.int64))


@dataclass(frozen=True)
class Unseen:
    """Out-of-vocabulary words of a corpus; word k has the temporary id V + k.

    Temporary ids belong to the corpus they were made for, so that a lexicon never changes and any number of threads
    may use it.

    Attributes:
        names: the words.
        bags: the n-gram rows of each.
    """

    names: tuple[str, ...] = ()
    bags: Ragged = field(default_factory=lambda: NOTHING)


def joined(parts: Sequence[tuple[Ragged, Unseen]], num_types: int) -> tuple[Ragged, Unseen]:
    """Concatenate corpora whose temporary ids, from ``num_types`` on, are independent; equal words get equal ids."""
    if len(parts) == 1 and not parts[0][1].names:
        return parts[0]
    names = sorted({name for _, unseen in parts for name in unseen.names})
    if not names:
        return Ragged.concatenate(tokens for tokens, _ in parts), Unseen()
    number = {name: k for k, name in enumerate(names)}
    tables = [np.array([number[name] for name in unseen.names], np.int64) for _, unseen in parts]
    ids = []
    for (tokens, _), table in zip(parts, tables, strict=True):
        own = Ragged(tokens.ids.copy(), tokens.offsets)
        renumber(own.ids, num_types, table)
        ids.append(own)
    together = np.concatenate([np.zeros(0, np.int64), *tables])
    bags = Ragged.concatenate(unseen.bags for _, unseen in parts)
    return Ragged.concatenate(ids), Unseen(tuple(names), bags.take(np.unique(together, return_index=True)[1]))


def renumber(ids: npt.NDArray[np.int32], num_types: int, table: npt.NDArray[np.int64]) -> None:
    """Replace temporary ids ``num_types + k`` by ``num_types + table[k]``, in place."""
    unseen = np.flatnonzero(ids >= num_types)
    ids[unseen] = num_types + table[ids[unseen] - num_types]


def build_lexicon(tokenizer: Tokenizer, config: ModelConfig) -> Lexicon | None:
    """Return the lexicon of a model with sub-words; none for one without."""
    if not config.subwords:
        return None
    rule = SubwordRule(config.ngram_min, config.ngram_max, config.ngram_buckets, config.ngrams_per_token)
    return Lexicon(tokenizer, rule, num_kept=0 if config.vectors is None else config.keep_vectors or 0)


class Lexicon:
    """Maps types to rows of the n-gram table, from which their vectors are composed.

    The table has a row for every bucket (:class:`SubwordRule`) that a word of the training texts touches, in
    the order of the buckets; the others were never trained, and count for nothing. Derived from the tokenizer and the
    rule, never saved.

    Args:
        tokenizer: its vocabulary, in its order, are the types 0..V-1.
        rule: how n-grams are made and hashed.
        num_kept: number of types at the end of the vocabulary that come from pretrained vectors, not training texts.
    """

    def __init__(self, tokenizer: Tokenizer, rule: SubwordRule, *, num_kept: int = 0) -> None:
        self._tokenizer, self._rule = tokenizer, rule
        self._types = tokenizer.types()
        words, reserved = list(self._types), [self._types.index(name) for name in (PAD, UNKNOWN) if name in self._types]
        for place in sorted(reserved, reverse=True):
            del words[place]
        buckets, offsets = rule.bags(words)
        places = np.sort(np.array(reserved, np.int64)) - np.arange(len(reserved))
        offsets = np.insert(offsets, places, offsets[places])  # reserved types have no n-grams
        touched = np.zeros(rule.buckets, np.bool_)
        touched[buckets[: offsets[max(len(self._types) - num_kept, 0)]]] = True
        self._buckets = np.flatnonzero(touched)
        self._row_of = np.where(touched, np.cumsum(touched, dtype=np.int32) - np.int32(1), np.int32(-1))
        self._bags = self._rows(buckets, offsets)

    def __len__(self) -> int:
        """Return V, the number of types of the vocabulary."""
        return len(self._types)

    @property
    def num_ngrams(self) -> int:
        """Number of rows of the n-gram table."""
        return len(self._buckets)

    @property
    def rule(self) -> SubwordRule:
        """The rule by which n-grams are made and hashed."""
        return self._rule

    @property
    def buckets(self) -> npt.NDArray[np.int64]:
        """Hash bucket of each row of the n-gram table, ascending."""
        return self._buckets

    def name(self, type_id: int, unseen: Unseen) -> str:
        """Return the string of a type id, which may be temporary."""
        return self._types[type_id] if type_id < len(self) else unseen.names[type_id - len(self)]

    def bags(self, types: npt.NDArray[np.int64], unseen: Unseen) -> Ragged:
        """Return the n-gram rows of each of the ascending ``types``; ``unseen`` holds the words of temporary ids."""
        known = int(np.searchsorted(types, len(self)))
        return Ragged.concatenate([self._bags.take(types[:known]), unseen.bags.take(types[known:] - len(self))])

    def resolve(self, texts: Sequence[str], tokens: Ragged) -> tuple[Ragged, Unseen]:
        """Replace each ``[UNK]`` in ``tokens``, the ids of ``texts``, by the temporary id of its word.

        A word without an n-gram that was trained stays ``[UNK]``; so do all of a tokenizer whose pieces are no words.
        """
        unknown = self._tokenizer.unknown_id
        if not self._tokenizer.has_whole_words or unknown is None:
            return tokens, Unseen()
        places = np.flatnonzero(tokens.ids == unknown)
        if not len(places):
            return tokens, Unseen()
        words = self._words_at(texts, tokens, places)
        unseen = self.compose(sorted({word for word in words if word is not None}))
        temporary = {name: len(self) + k for k, name in enumerate(unseen.names)}
        ids = tokens.ids.copy()
        ids[places] = [unknown if word is None else temporary.get(word, unknown) for word in words]
        return Ragged(ids, tokens.offsets), unseen

    def compose(self, words: Sequence[str]) -> Unseen:
        """Return the words that have at least one trained n-gram, in their order."""
        buckets, offsets = self._rule.bags(words)
        bags = self._rows(buckets, offsets)
        composed = np.flatnonzero(bags.lengths)
        return Unseen(tuple(words[i] for i in composed.tolist()), bags.take(composed))

    def _words_at(self, texts: Sequence[str], tokens: Ragged, places: npt.NDArray[np.int64]) -> list[str | None]:
        """Return the word at each position of ``tokens``; none if a text's words do not match its tokens."""
        rows = np.searchsorted(tokens.offsets, places, side="right") - 1
        words: list[str | None] = []
        pieces: list[str] = []
        last = -1
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            if row != last:
                pieces, last = self._tokenizer.words(texts[row]), row
            start, end = int(tokens.offsets[row]), int(tokens.offsets[row + 1])
            # A tokenizer.json made elsewhere may have added tokens of several words.
            words.append(pieces[place - start] if len(pieces) == end - start else None)
        return words

    def _rows(self, buckets: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> Ragged:
        """Map the buckets of words, which begin at ``offsets``, to table rows; untrained buckets are dropped."""
        rows = self._row_of[buckets]
        trained = rows >= 0
        if trained.all():
            return Ragged(rows, offsets)
        return Ragged(rows[trained], np.append(0, np.cumsum(trained))[offsets])
