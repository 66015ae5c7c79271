"""Defines the networks that are exported to ONNX: their inputs are padded token ids, or raw pixels.

Word vectors are composed in advance, so a known word is a row of one table; an unseen word is given as the buckets of
its character n-grams. The features of the wide branch are looked up inside the graph, from the ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.image.batches import ImageBatch, ImageInputs
from textcnn.models.base import ImageClassifier, TextClassifier
from textcnn.nn.embedding import MultichannelEmbedding, WordEmbedding
from textcnn.nn.heads import WideBranch
from textcnn.nn.pooling import is_outside
from textcnn.tokenization.batch import Batch
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.pipeline import TextPipeline

_PAIR = 2**32  # the key of a pair of words is (first + 1) * 2**32 + second


@dataclass(frozen=True)
class PaddedBatch(Batch):
    """A batch of texts whose ids are already padded; every token is a type of its own, ``U = B * T``.

    Attributes:
        index: ``(B, T)``, the number of each token; B * T in the padding.
        sizes: ``(B,)``, the number of tokens of each text.
    """

    index: Tensor | None = None
    sizes: Tensor | None = None

    @property
    def lengths(self) -> Tensor:
        """The number of tokens of each text, ``(B,)``."""
        assert self.sizes is not None
        return self.sizes

    def padded(self) -> Tensor:
        """Return the index of the embedded tokens for the ``(B, T)`` view."""
        assert self.index is not None
        return self.index


class TextGraph(nn.Module):
    """A network that computes the logits ``(B, C)`` of a text model from padded ids.

    Args:
        model: the text model's network.
        inputs: its pipeline, for the tokenizer, lexicon and ``max_length``.
    """

    def __init__(self, model: TextClassifier, inputs: TextPipeline) -> None:
        super().__init__()
        self.encoder, self.head = model.encoder, model.head
        self.vectors = TypeTable(model, inputs)
        self.wide = None if model.wide is None else WideGraph(model.wide, model.wide_scale)
        self.characters = None if model.characters is None else CharacterGraph(model, inputs)
        self.max_length = inputs.max_length

    def forward(self, ids: Tensor, lengths: Tensor, ngrams: Tensor | None = None) -> Tensor:
        """Return the logits ``(B, C)``.

        Args:
            ids: ``(B, T)`` int64, with T at least 1; the values after the end of a text are ignored.
            lengths: ``(B,)`` int64; an empty text has 0.
            ngrams: ``(U, M)`` int64, for models with sub-words: the buckets of the n-grams of each unseen word, padded
                with -1. The k-th unseen word has the id V + k.
        """
        ids = ids.masked_fill(is_outside(ids, lengths), 0)
        ids, table = self.vectors.resolved(ids, ngrams)
        seen, sizes = ids, lengths
        if self.max_length is not None:
            seen, sizes = ids[:, : self.max_length], lengths.clamp(max=self.max_length)
        embedded = self.vectors(seen, table).flatten(0, 1)  # (B * T, D)
        places = torch.arange(embedded.shape[0]).reshape(seen.shape)
        index = torch.where(is_outside(seen, sizes), embedded.shape[0], places)
        logits: Tensor = self.head(self.encoder(embedded, PaddedBatch(sizes, sizes, sizes, index=index, sizes=sizes)))
        logits = logits if self.wide is None else logits + self.wide(ids, lengths)
        if self.characters is None:
            return logits
        rows = None if ngrams is None else self.vectors.rows_of(ngrams)
        characters: Tensor = self.characters(seen, sizes, rows)
        return logits + characters


class TypeTable(nn.Module):
    """Looks up the vectors of types: of the vocabulary in one table, of unseen words from their n-grams."""

    table: Tensor
    ngram: Tensor
    row_of: Tensor

    def __init__(self, model: TextClassifier, inputs: TextPipeline) -> None:
        super().__init__()
        self.num_types, self.lexicon = len(inputs.tokenizer), inputs.lexicon
        self.unknown_id = inputs.tokenizer.unknown_id
        self.register_buffer("table", composed(model, inputs))
        self.has_ngrams = has_unseen(inputs)
        if self.has_ngrams:
            tuned = model.embedding.tuned if isinstance(model.embedding, MultichannelEmbedding) else model.embedding
            assert isinstance(tuned, WordEmbedding)
            assert tuned.ngram is not None
            assert self.lexicon is not None
            width = self.table.shape[1] - tuned.embedding_dim  # unseen words are zero in a static channel
            rows = F.pad(tuned.ngram.weight.detach(), (width, 0, 1, 0))  # row 0: untrained buckets
            self.register_buffer("ngram", rows)
            row_of = torch.zeros(self.lexicon.rule.buckets + 1, dtype=torch.int64)
            row_of[torch.from_numpy(self.lexicon.buckets) + 1] = torch.arange(1, rows.shape[0])
            self.register_buffer("row_of", row_of)

    def rows_of(self, ngrams: Tensor) -> Tensor:
        """Return the rows ``(U, M)`` of n-gram buckets: 1 and more, or 0 for a bucket that was not trained."""
        rows: Tensor = self.row_of[ngrams + 1]
        return rows

    def resolved(self, ids: Tensor, ngrams: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Replace unseen words without a trained n-gram by ``[UNK]``; return the ids and the other words' vectors.

        A row for all known words precedes the vectors.
        """
        if ngrams is None:
            return ids, None
        rows = self.rows_of(ngrams)
        counts = (rows > 0).sum(1)
        vectors = self.ngram[rows].sum(1) / counts.clamp(min=1)[:, None].to(self.ngram.dtype)
        counts, vectors = F.pad(counts, (1, 0)), F.pad(vectors, (0, 0, 1, 0))
        is_unknown = (ids >= self.num_types) & (counts[place_of(ids, self.num_types)] == 0)
        return ids.masked_fill(is_unknown, self.unknown_id or 0), vectors

    def forward(self, ids: Tensor, vectors: Tensor | None) -> Tensor:
        """Return the vectors ``(B, T, D)`` of all tokens."""
        own = F.embedding(ids.clamp(max=self.num_types - 1), self.table)
        if vectors is None:
            return own
        return torch.where((ids >= self.num_types)[..., None], vectors[place_of(ids, self.num_types)], own)


def place_of(ids: Tensor, num_types: int) -> Tensor:
    """Return the rows of unseen words among those made for a batch; 0, the first row, for all other words."""
    return (ids - (num_types - 1)).clamp(min=0)


class CharacterGraph(nn.Module):
    """A network that computes the logits ``(B, C)`` of the branch of characters from ids and n-gram rows."""

    words: Tensor
    ngrams: Tensor
    bias: Tensor

    def __init__(self, model: TextClassifier, inputs: TextPipeline) -> None:
        super().__init__()
        assert model.characters is not None
        assert inputs.lexicon is not None
        self.num_types = len(inputs.tokenizer)
        table, scale = model.characters.weight.detach(), model.character_scale
        bags = inputs.lexicon.bags(np.arange(self.num_types), Unseen())
        rows, offsets = torch.from_numpy(bags.ids.astype(np.int64)), torch.from_numpy(bags.offsets)
        self.register_buffer("words", scale * F.embedding_bag(rows, table, offsets[:-1], mode="sum"))
        self.register_buffer("ngrams", F.pad(scale * table, (0, 0, 1, 0)))  # row 0: untrained buckets
        self.register_buffer("bias", scale * model.characters.bias.detach())

    def forward(self, ids: Tensor, lengths: Tensor, rows: Tensor | None) -> Tensor:
        """Return the mean of the words' scores, and the bias; ``rows (U, M)`` are the n-grams of unseen words."""
        scores = F.embedding(ids.clamp(max=self.num_types - 1), self.words)  # (B, T, C)
        if rows is not None:
            unseen = F.pad(self.ngrams[rows].sum(1), (0, 0, 1, 0))
            scores = torch.where((ids >= self.num_types)[..., None], unseen[place_of(ids, self.num_types)], scores)
        scores = scores.masked_fill(is_outside(ids, lengths)[..., None], 0.0)
        means: Tensor = scores.sum(1) / lengths.clamp(min=1)[:, None]
        return means + self.bias


class WideGraph(nn.Module):
    """A network that computes the logits ``(B, C)`` of the wide branch from ids, as `WideFeatures.transform` does."""

    keys: Tensor
    idf: Tensor
    table: Tensor

    def __init__(self, wide: WideBranch, scale: float) -> None:
        super().__init__()
        # Row 0 stands for all keys that did not occur in training, and has weight 0.
        self.register_buffer("keys", F.pad(wide.keys, (1, 0), value=-1))
        self.register_buffer("idf", F.pad(wide.idf, (1, 0)))
        self.register_buffer("table", F.pad(wide.table.weight.detach() * scale, (0, 0, 1, 0)))
        self.num_features = len(wide.keys)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits: the weighted sum of the rows of all words and pairs that occurred in training."""
        following = torch.cat([ids[:, 1:], torch.zeros_like(ids[:, :1])], 1)
        keys = torch.cat([ids, (ids + 1) * _PAIR + following], 1)  # (B, 2 T)
        outside = torch.cat([is_outside(ids, lengths), is_outside(ids, lengths - 1)], 1)
        rows = self._rows(keys.masked_fill(outside, -1)).sort(1).values
        is_first = torch.cat([torch.ones_like(rows[:, :1]), (rows[:, 1:] != rows[:, :-1]).to(rows.dtype)], 1)
        run = is_first.cumsum(1) - 1  # the index of each row among the text's distinct rows
        counts = torch.zeros_like(run).scatter_add(1, run, torch.ones_like(run)).gather(1, run)
        weights = (1 + counts.to(self.idf.dtype).log()) * self.idf[rows] * is_first
        norm = weights.square().sum(1, keepdim=True).sqrt()
        weights = weights / torch.where(norm > 0, norm, 1.0)
        return (weights[..., None] * self.table[rows]).sum(1)

    def _rows(self, keys: Tensor) -> Tensor:
        """Return the row of each key by bisection, and 0 for keys that did not occur in training."""
        # The last key that is not larger than the one sought is at index `low` or after it.
        low = torch.zeros_like(keys)
        for power in reversed(range(self.num_features.bit_length())):
            middle = (low + 2**power).clamp(max=self.num_features)
            low = torch.where(self.keys[middle] <= keys, middle, low)
        return torch.where(self.keys[low] == keys, low, 0)


class ImageGraph(nn.Module):
    """A network that computes the logits ``(B, C)`` of an image model from raw pixels, which it normalizes itself.

    Args:
        model: the image model's network.
        inputs: its inputs, for the mean and standard deviation of the channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: ImageClassifier, inputs: ImageInputs) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(inputs.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(inputs.std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the logits ``(B, C)`` of pixels ``(B, C, H, W)`` float32, in the units of the training images."""
        logits: Tensor = self.model(ImageBatch((pixels - self.mean) / self.std))
        return logits


def has_unseen(inputs: TextPipeline) -> bool:
    """Whether words outside the vocabulary have vectors of their own, made of n-grams."""
    tokenizer, lexicon = inputs.tokenizer, inputs.lexicon
    named = tokenizer.has_whole_words and tokenizer.unknown_id is not None
    return bool(named and lexicon is not None and lexicon.num_ngrams)


@torch.no_grad()
def composed(model: TextClassifier, inputs: TextPipeline) -> Tensor:
    """Return the vectors of all types of the vocabulary, ``(V, D)``, with their n-grams included."""
    types = np.arange(len(inputs.tokenizer))
    found: Tensor
    parts = {}
    if inputs.lexicon is not None:
        bags = inputs.lexicon.bags(types, Unseen())
        parts = {"bag_rows": torch.from_numpy(bags.ids.astype(np.int64)), "bag_offsets": torch.from_numpy(bags.offsets)}
    numbers = torch.from_numpy(types)
    found = model.embedding(Batch(torch.tensor([0, len(types)]), numbers, numbers, **parts))
    return found
