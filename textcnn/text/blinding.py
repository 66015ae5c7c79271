"""Words and phrases that a model is blind to: wherever they stand in a text, the model reads ``[UNK]``.

The ids change before anything is made of them, so that no branch of a model, on no path, can tell one such word from
another: not by its vector, its n-grams of characters, or the n-grams of words that it is part of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.text.lexicon import Lexicon, Unseen
from textcnn.text.ragged import Ragged
from textcnn.text.tokenizer import Tokenizer

Integers = npt.NDArray[np.int64]
POSSESSIVE = "'s"  # one token with the word before it: who is blind to a name is blind to its possessive too


class Blinding:
    """Replaces blinded words by ``[UNK]``. Case does not count, whether or not the tokenizer minds it.

    Args:
        tokenizer: one of whole words.
        phrases: the words of each with single blanks between them, as :func:`read_phrase` gives them.

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
        """Types of the vocabulary that are blinded by themselves, ascending."""
        alone = [codes[0] for codes in self._phrases if len(codes) == 1]
        return np.flatnonzero(np.isin(self._codes, alone))

    def __call__(self, tokens: Ragged, unseen: Unseen) -> tuple[Ragged, Unseen]:
        """Ids with ``[UNK]`` in the place of every word of every blinded phrase, and the unseen words still used.

        Temporary ids are numbered anew, by name: what is returned does not depend on which blinded word stood where.
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
        """Whether a run of words has a blinded phrase in it."""
        codes = self._codes_of(types)
        return any(
            tuple(codes[start : start + length].tolist()) in self._phrases
            for length in self._lengths
            for start in range(len(codes) - length + 1)
        )

    def _codes_of(self, names: Iterable[str]) -> Integers:
        return np.array([self._code.get(name.casefold(), 0) for name in names], np.int64)

    def _renumbered(self, tokens: Ragged, unseen: Unseen) -> tuple[Ragged, Unseen]:
        behind = np.flatnonzero(tokens.ids >= self._size)
        used = np.unique(tokens.ids[behind]).astype(np.int64) - self._size
        order = used[np.argsort([unseen.names[k] for k in used.tolist()])] if len(used) else used
        number = np.zeros(len(unseen.names), np.int64)
        number[order] = np.arange(len(order))
        tokens.ids[behind] = self._size + number[tokens.ids[behind] - self._size]
        return tokens, Unseen(tuple(unseen.names[k] for k in order.tolist()), unseen.bags.take(order))


def read_phrase(tokenizer: Tokenizer, lexicon: Lexicon | None, phrase: str, *, single: bool) -> str:
    """A phrase as :class:`Blinding` takes it: its words, as the tokenizer makes them, with blanks between them.

    Args:
        tokenizer: that of the model.
        lexicon: that of a model with sub-words.
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
    """A word that the model reads as [UNK] anyway cannot be found in a text, so neither can a phrase with it."""
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
    """Where ``length`` tokens of one text begin that are all ``inside``."""
    starts = np.flatnonzero(inside[: max(len(inside) - length + 1, 0)])
    for place in range(1, length):
        starts = starts[inside[starts + place]]
    text = np.searchsorted(offsets, starts, side="right")
    return np.asarray(starts[starts + length <= offsets[text]] if len(starts) else starts, np.int64)
