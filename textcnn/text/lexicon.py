"""The lexicon: type string <-> type id, unseen words included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn.text.ragged import Ragged
from textcnn.text.tokenizer import Tokenizer


class Lexicon:
    """Every type of a tokenizer, and temporary ids for words it has never seen.

    Ids 0..V-1 are the tokenizer's vocabulary in its order. A word that the pipeline answers with ``[UNK]`` gets an id
    from V upwards, the same one until :meth:`flush`. Derived from the tokenizer and never saved.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known = tokenizer.types()
        self._unseen: dict[str, int] = {}
        self._unseen_names: list[str] = []

    def __len__(self) -> int:
        """V, the number of types of the vocabulary; temporary ids are not counted."""
        return len(self._known)

    @property
    def num_unseen(self) -> int:
        """Temporary ids given out since the last flush: what the caller must keep bounded."""
        return len(self._unseen)

    def name(self, type_id: int) -> str:
        """The string of a type id, temporary or not."""
        known = len(self._known)
        return self._known[type_id] if type_id < known else self._unseen_names[type_id - known]

    def flush(self) -> None:
        """Forget the temporary ids; ids given out before are void."""
        self._unseen.clear()
        self._unseen_names.clear()

    def resolve(self, texts: Sequence[str], tokens: Ragged) -> Ragged:
        """Replace each ``[UNK]`` in ``tokens``, the ids of ``texts``, by the temporary id of the word there.

        Tokenizers whose pieces are not their types (sub-words, bytes) keep ``[UNK]``.
        """
        unknown = self._tokenizer.unknown_id
        if not self._tokenizer.has_whole_words or unknown is None or not (tokens.ids == unknown).any():
            return tokens
        ids = tokens.ids.copy()
        unknown_in = np.add.reduceat(np.append(ids == unknown, False), tokens.offsets[:-1]) * (tokens.lengths > 0)
        for row in np.flatnonzero(unknown_in):
            words = self._tokenizer.words(texts[int(row)])
            start, end = tokens.offsets[row], tokens.offsets[row + 1]
            if len(words) != end - start:  # a tokenizer.json made elsewhere may have added tokens of several words
                continue
            for place in start + np.flatnonzero(ids[start:end] == unknown):
                ids[place] = self._temporary_id(words[int(place - start)])
        return Ragged(ids, tokens.offsets)

    def _temporary_id(self, word: str) -> int:
        if word not in self._unseen:
            self._unseen[word] = len(self._known) + len(self._unseen)
            self._unseen_names.append(word)
        return self._unseen[word]
