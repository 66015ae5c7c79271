"""Masking of tokens by ``[UNK]``: random word dropout in training, and words that a model is blinded to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.config import TrainingConfig
from textcnn.errors import ConfigError
from textcnn.tokenization.lexicon import Lexicon, Unseen
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from textcnn.tokenization.pipeline import TextPipeline

# Masks of the k-th layer are those of the epoch that is k times so far: they are not those of words.
FEATURE_MASKS = 1 << 20


@dataclass(frozen=True)
class WordDropout:
    """Replaces training tokens by ``[UNK]`` at random, rare words more often, so that its vector is trained.

    Attributes:
        rates: ``(V,)`` float32, the probability for each type: the larger of a constant and ``a / (a + count)``, the
            rule of Kiperwasser & Goldberg 2016 (arXiv 1603.04351).
        unknown_id: id that replaces dropped tokens.
        seed: with it, an epoch, a row and a position decide; batch mates do not.
    """

    rates: npt.NDArray[np.float32]
    unknown_id: int
    seed: int

    @classmethod
    def of(cls, inputs: TextPipeline, tokens: Ragged, config: TrainingConfig) -> WordDropout | None:
        """Build word dropout from the settings; none if the tokenizer has no unknown token."""
        if inputs.tokenizer.unknown_id is None:
            return None
        constant, rare, seed = config.word_dropout, config.rare_dropout, config.seed
        return cls.fit(
            tokens, len(inputs.tokenizer), inputs.tokenizer.unknown_id, constant=constant, rare=rare, seed=seed
        )

    @classmethod
    def fit(
        cls, tokens: Ragged, num_types: int, unknown_id: int, *, constant: float, rare: float, seed: int
    ) -> WordDropout:
        """Compute the drop rate of every type from its count in the training tokens."""
        # Unseen words have temporary ids after those of the vocabulary.
        size = max(num_types, 1 + max((int(block.ids.max(initial=-1)) for block in tokens.blocks()), default=-1))
        counts = np.zeros(size, np.int64)
        for block in tokens.blocks():
            counts += np.bincount(block.ids, minlength=size)
        rates = rare / np.maximum(rare + counts.astype(np.float32), 1e-9)
        return cls(np.maximum(rates, constant).astype(np.float32), unknown_id, seed)

    def __call__(self, tokens: Ragged, rows: npt.NDArray[np.int64], epoch: int) -> Ragged:
        """Return the training texts numbered ``rows`` with some of their tokens replaced."""
        state = random_state(self.seed, epoch)
        ids = core.twin("features").drop_words(tokens.ids, tokens.offsets, rows, self.rates, self.unknown_id, state)
        return Ragged(ids, tokens.offsets)


def uniform(seed: int, epoch: int, *places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return a number in [0, 1) for each position, a pure function of its inputs (splitmix64, Steele et al. 2014)."""
    mixed = np.array([np.uint64(random_state(seed, epoch))])  # grows with the places: the first may be of fewer axes
    for place in places:
        mixed = _mixed(mixed, place)
    return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def uniform_rows(seed: int, epoch: int, rows: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.float32]:
    """Return numbers in [0, 1), ``(B, size)``, a pure function of seed, epoch, row and position.

    A row's number is mixed as in :func:`uniform`, a place with it in 32 bits, which vector instructions multiply.
    """
    mixed = _mixed(np.array([np.uint64(random_state(seed, epoch))]), rows)
    state = (mixed ^ (mixed >> np.uint64(32))).astype(np.uint32)
    with np.errstate(over="ignore"):
        x = state[:, None] + np.arange(size, dtype=np.uint32) * np.uint32(0x9E3779B9)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    found: npt.NDArray[np.float32] = ((x ^ (x >> np.uint32(16))) >> np.uint32(8)).astype(np.float32)
    return found / np.float32(2**24)


def _mixed(state: npt.NDArray[np.uint64], place: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = state * np.uint64(0x9E3779B97F4A7C15) + place.astype(np.uint64)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def random_state(seed: int, epoch: int) -> int:
    """Return the initial generator state of :func:`uniform` for a seed and an epoch."""
    return (seed * 1_000_003 + epoch + 0x9E3779B97F4A7C15) % 2**64  # not 0, which mixing leaves at 0


def unique_types(ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distinct types in ``ids (N,)``, ascending, and the index ``(N,)`` of each token among them."""
    unique, inverse = core.twin("features").unique_types(ids)
    return unique, inverse


Integers = npt.NDArray[np.int64]
POSSESSIVE = "'s"  # one token with the word before it: who is blind to a name is blind to its possessive too


class Blinding:
    """Replaces blinded words and phrases by ``[UNK]``, ignoring case even if the tokenizer does not.

    Args:
        tokenizer: one of whole words.
        phrases: the words of each with single blanks between them, as returned by :func:`read_phrase`.

    Raises:
        ConfigError: the tokenizer is none of whole words, or has no entry for unknown words.
    """

    def __init__(self, tokenizer: Tokenizer, phrases: Sequence[str]) -> None:
        self._unknown, self._size = _unknown_of(tokenizer), len(tokenizer)
        parted = [tuple(phrase.casefold().split(" ")) for phrase in phrases]
        parted += [(f"{words[0]}{POSSESSIVE}",) for words in parted if len(words) == 1]
        names = sorted({word for words in parted for word in words})
        self._code = {name: k for k, name in enumerate(names, start=1)}  # 0: a word of no phrase
        self._phrases = {tuple(self._code[word] for word in words) for words in parted}
        self._lengths = sorted({len(codes) for codes in self._phrases})
        self._codes = self._codes_of(tokenizer.types())

    @property
    def types(self) -> Integers:
        """Types of the vocabulary that are blinded as single words, ascending."""
        alone = [codes[0] for codes in self._phrases if len(codes) == 1]
        return np.flatnonzero(np.isin(self._codes, alone))

    def __call__(self, tokens: Ragged, unseen: Unseen) -> tuple[Ragged, Unseen]:
        """Return ids with every word of every blinded phrase as ``[UNK]``, and the unseen words still in use.

        Temporary ids are renumbered by name, so that the result does not depend on which blinded word was where.
        """
        codes = np.concatenate([self._codes, self._codes_of(unseen.names)])[tokens.ids]
        covered = np.zeros(len(codes), np.bool_)
        for length in self._lengths:
            for start in _runs(codes != 0, tokens.offsets, length).tolist():
                if tuple(codes[start : start + length].tolist()) in self._phrases:
                    covered[start : start + length] = True
        ids = np.where(covered, np.int32(self._unknown), tokens.ids)
        return self._renumbered(Ragged(ids, tokens.offsets), unseen)

    def holds(self, types: Sequence[str]) -> bool:
        """Return whether a sequence of words contains a blinded phrase."""
        codes = self._codes_of(types)
        return any(
            tuple(codes[start : start + length].tolist()) in self._phrases
            for length in self._lengths
            for start in range(len(codes) - length + 1)
        )

    def _codes_of(self, names: Iterable[str]) -> Integers:
        return np.array([self._code.get(name.casefold(), 0) for name in names], np.int64)

    def _renumbered(self, tokens: Ragged, unseen: Unseen) -> tuple[Ragged, Unseen]:
        unseen_at = np.flatnonzero(tokens.ids >= self._size)
        used = np.unique(tokens.ids[unseen_at]).astype(np.int64) - self._size
        order = used[np.argsort([unseen.names[k] for k in used.tolist()])] if len(used) else used
        number = np.zeros(len(unseen.names), np.int64)
        number[order] = np.arange(len(order))
        tokens.ids[unseen_at] = self._size + number[tokens.ids[unseen_at] - self._size]
        return tokens, Unseen(tuple(unseen.names[k] for k in order.tolist()), unseen.bags.take(order))


def read_phrase(tokenizer: Tokenizer, lexicon: Lexicon | None, phrase: str, *, single: bool) -> str:
    """Normalize a phrase for :class:`Blinding`: its words as the tokenizer makes them, separated by blanks.

    Args:
        tokenizer: tokenizer of the model.
        lexicon: lexicon of a model with sub-words.
        phrase: as the user wrote it.
        single: whether it must be one word.

    Raises:
        ConfigError: it has no word, or several where one is expected, or is one that the model cannot be blinded to.
    """
    _unknown_of(tokenizer)
    words = tokenizer.words(phrase)
    if not words:
        raise ConfigError(f"expected a word to blind, found none in {phrase!r}")
    if single and len(words) > 1:
        raise ConfigError(
            f"expected single words to blind, but {phrase!r} is {len(words)} tokens ({' '.join(words)}); give its "
            f"words one by one, or the phrase to --veto"
        )
    if len(words) > 1:
        _check_told_apart(tokenizer, lexicon, phrase, words)
    return " ".join(words)


def _check_told_apart(tokenizer: Tokenizer, lexicon: Lexicon | None, phrase: str, words: Sequence[str]) -> None:
    """Refuse words that the model reads as [UNK] anyway, because they cannot be located in a text."""
    for word in words:
        tokens = tokenizer.encode_batch([word])
        ids = tokens.ids if lexicon is None else lexicon.resolve([word], tokens)[0].ids
        if ids.tolist() == [tokenizer.unknown_id]:
            raise ConfigError(
                f"the model does not know {word!r}, which is [UNK] to it already, so it cannot find {phrase!r} in a "
                f"text; veto the rest of the phrase"
            )


def _unknown_of(tokenizer: Tokenizer) -> int:
    unknown = tokenizer.unknown_id
    if unknown is None or not tokenizer.has_whole_words or len(tokenizer.words("ab cd")) != 2:
        raise ConfigError(
            "words can be blinded where every word is one token, but this model's tokenizer is of another kind; "
            "train one with --tokenizer word"
        )
    return unknown


def _runs(inside: npt.NDArray[np.bool_], offsets: Integers, length: int) -> Integers:
    """Return the start of every run of ``length`` tokens of one text that are all ``inside``."""
    starts = np.flatnonzero(inside[: max(len(inside) - length + 1, 0)])
    for place in range(1, length):
        starts = starts[inside[starts + place]]
    text = np.searchsorted(offsets, starts, side="right")
    return np.asarray(starts[starts + length <= offsets[text]] if len(starts) else starts, np.int64)
