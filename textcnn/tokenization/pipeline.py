"""The text pipeline: strings to token ids and features, without torch, and from these to the tensors of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.tokenization.cache import ChunkMemory, refusal
from textcnn.tokenization.lexicon import Lexicon, Unseen
from textcnn.tokenization.masking import Blinding, WordDropout, unique_types
from textcnn.tokenization.ngrams import WideFeatures, WideRows
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from textcnn.tokenization.batch import Batch


@dataclass(frozen=True)
class EncodedTexts(Ragged):
    """Token ids of N texts, with their unseen words and wide features.

    Attributes:
        unseen: out-of-vocabulary words, by their temporary ids.
        wide: features of every text, made of all its tokens, whatever ``max_length`` is.
    """

    unseen: Unseen = field(default_factory=Unseen)
    wide: WideRows | None = None

    def rows(self, numbers: npt.NDArray[np.int64]) -> EncodedTexts:
        """Return the texts of these numbers, with their features."""
        tokens, wide = self.take(numbers), None if self.wide is None else self.wide.take(numbers)
        return EncodedTexts(tokens.ids, tokens.offsets, self.unseen, wide)


@dataclass(frozen=True)
class TextPipeline:
    """Encodes strings as ids; shared by training and every predictor, so that all of them read a text alike.

    Attributes:
        tokenizer: maps strings to ids.
        max_length: tokens of a text that the encoder sees; the wide branch sees all.
        lexicon: n-gram rows of the types, for models with sub-words.
        wide: the n-grams seen in training, for models with a wide branch.
        blinded: words and phrases that are read as ``[UNK]`` (:mod:`textcnn.tokenization.masking`).
    """

    tokenizer: Tokenizer
    max_length: int | None = None
    lexicon: Lexicon | None = None
    wide: WideFeatures | None = None
    blinded: tuple[str, ...] = ()

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Return the token ids of all texts, not truncated."""
        tokens, unseen = self._ids(texts) if self._chunks is None else self._chunks.encode(texts)
        if self.blinding is not None:
            tokens, unseen = self.blinding(tokens, unseen)
        wide = None if self.wide is None else self.wide.transform(tokens)
        return EncodedTexts(tokens.ids, tokens.offsets, unseen, wide)

    @property
    def chunk_memory(self) -> ChunkMemory | None:
        """The chunk cache, for the path of single texts; none if the tokenizer allows no cache, or words are blinded.

        The cache has the ids of the text itself; blinded words are masked only by :meth:`encode`.
        """
        return None if self.blinded else self._chunks

    @cached_property
    def blinding(self) -> Blinding | None:
        """The masking of blinded words, or none."""
        return Blinding(self.tokenizer, self.blinded) if self.blinded else None

    @cached_property
    def _chunks(self) -> ChunkMemory | None:
        """The chunk cache, if the tokenizer allows one."""
        return None if refusal(self.tokenizer) else ChunkMemory(self.tokenizer, self.lexicon)

    def _ids(self, texts: Sequence[str]) -> tuple[Ragged, Unseen]:
        """Encode without a cache: the reference for all ids, from the pipeline itself."""
        tokens = self.tokenizer.encode_batch(texts)
        return (tokens, Unseen()) if self.lexicon is None else self.lexicon.resolve(texts, tokens)

    def is_unknown(self, tokens: Ragged) -> npt.NDArray[np.bool_]:
        """Return which tokens are out of the vocabulary, ``(T,)``."""
        unknown = self.tokenizer.unknown_id
        is_unseen = tokens.ids >= len(self.tokenizer)
        return is_unseen if unknown is None else np.logical_or(is_unseen, tokens.ids == unknown)

    def counts(self, encoded: EncodedTexts) -> npt.NDArray[np.int64]:
        """Return the numbers of words, known words and different known n-grams of each text, ``(N, 3)``."""
        known = np.concatenate([[0], np.cumsum(~self.is_unknown(encoded))])[encoded.offsets]
        ngrams = np.zeros(len(encoded), np.int64) if encoded.wide is None else np.diff(encoded.wide.offsets)
        return np.stack([encoded.lengths, np.diff(known), ngrams], axis=1)

    def sizes(self, tokens: Ragged) -> npt.NDArray[np.int64]:
        """Return the length of each text after truncation, ``(N,)``."""
        return tokens.lengths if self.max_length is None else np.minimum(tokens.lengths, self.max_length)

    def cut_rows(self, tokens: Ragged) -> npt.NDArray[np.bool_]:
        """Return which texts are longer than ``max_length``, ``(N,)``."""
        return tokens.lengths > self.sizes(tokens)

    def batch(
        self,
        tokens: Ragged,
        rows: npt.NDArray[np.int64],
        *,
        labels: npt.NDArray[np.int64] | npt.NDArray[np.float32] | None = None,
        weights: npt.NDArray[np.float32] | None = None,
        dropout: WordDropout | None = None,
        epoch: int = 0,
    ) -> Batch:
        """Build a batch of the texts numbered ``rows``, truncated; labels and weights are those of all texts."""
        from textcnn.tokenization.batch import Batch

        taken = tokens.take(rows, longest=self.max_length)
        if dropout is not None:
            taken = dropout(taken, rows, epoch)
        unique, inverse = unique_types(taken.ids)
        arrays: dict[str, npt.NDArray[Any]] = {"offsets": taken.offsets, "unique": unique, "inverse": inverse}
        if labels is not None:
            arrays["labels"] = labels[rows]
        if weights is not None:
            arrays["weights"] = weights[rows]
        if isinstance(tokens, EncodedTexts) and self.lexicon is not None:
            bags = self.lexicon.bags(unique, tokens.unseen)
            arrays.update(bag_rows=bags.ids.astype(np.int64), bag_offsets=bags.offsets)
        if isinstance(tokens, EncodedTexts) and tokens.wide is not None:
            wide = tokens.wide.take(rows)
            arrays.update(wide_rows=wide.rows.astype(np.int64), wide_weights=wide.weights, wide_offsets=wide.offsets)
        return Batch.of(arrays)
