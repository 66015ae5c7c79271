"""What is recorded as an ONNX graph: a network that reads padded token ids, or raw pixels, and nothing else of ours.

Word vectors are composed once, so a known word is a row of one table; an unseen word comes as the buckets of its
character n-grams. The features of the wide branch are found within the graph, from the ids.
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

_PAIR = 2**32  # key of a pair of words: (first + 1) * 2**32 + second


@dataclass(frozen=True)
class PaddedBatch(Batch):
    """Texts whose ids are padded already; every token counts as a type of its own, ``U = B * T``.

    Attributes:
        index: ``(B, T)``, the number of each token; B * T behind a text's end.
        sizes: ``(B,)``, tokens of each text.
    """

    index: Tensor | None = None
    sizes: Tensor | None = None

    @property
    def lengths(self) -> Tensor:
        """Tokens of each text, ``(B,)``."""
        assert self.sizes is not None
        return self.sizes

    def padded(self) -> Tensor:
        """Rows of the embedded tokens for the ``(B, T)`` view."""
        assert self.index is not None
        return self.index


class TextGraph(nn.Module):
    """Logits ``(B, C)`` of a text model, from padded ids.

    Args:
        model: the network.
        inputs: its tokenizer, lexicon and ``max_length``.
    """

    def __init__(self, model: TextClassifier, inputs: TextPipeline) -> None:
        super().__init__()
        self.encoder, self.head = model.encoder, model.head
        self.vectors = TypeTable(model, inputs)
        self.wide = None if model.wide is None else WideGraph(model.wide, model.wide_scale)
        self.max_length = inputs.max_length

    def forward(self, ids: Tensor, lengths: Tensor, ngrams: Tensor | None = None) -> Tensor:
        """Logits ``(B, C)``.

        Args:
            ids: ``(B, T)`` int64, T is 1 at least; whatever stands behind a text's end does not count.
            lengths: ``(B,)`` int64; an empty text has 0.
            ngrams: ``(U, M)`` int64, of models with sub-words: the buckets of the n-grams of each unseen word, -1 to
                fill up. The k-th unseen word has the id V + k.
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
        return logits if self.wide is None else logits + self.wide(ids, lengths)


class TypeTable(nn.Module):
    """The vector of every type: those of the vocabulary in one table, unseen ones from their n-grams."""

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
            width = self.table.shape[1] - tuned.embedding_dim  # a static channel has no unseen words
            rows = F.pad(tuned.ngram.weight.detach(), (width, 0, 1, 0))  # row 0: an untrained bucket, or none
            self.register_buffer("ngram", rows)
            row_of = torch.zeros(self.lexicon.rule.buckets + 1, dtype=torch.int64)
            row_of[torch.from_numpy(self.lexicon.buckets) + 1] = torch.arange(1, rows.shape[0])
            self.register_buffer("row_of", row_of)

    def resolved(self, ids: Tensor, ngrams: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Ids, an unseen word without a trained n-gram as ``[UNK]``, and vectors of the others, behind a first row."""
        if ngrams is None:
            return ids, None
        rows = self.row_of[ngrams + 1]  # (U, M)
        counts = (rows > 0).sum(1)
        vectors = self.ngram[rows].sum(1) / counts.clamp(min=1)[:, None].to(self.ngram.dtype)
        counts, vectors = F.pad(counts, (1, 0)), F.pad(vectors, (0, 0, 1, 0))
        is_unknown = (ids >= self.num_types) & (counts[self._place(ids)] == 0)
        return ids.masked_fill(is_unknown, self.unknown_id or 0), vectors

    def forward(self, ids: Tensor, vectors: Tensor | None) -> Tensor:
        """Vectors ``(B, T, D)`` of every token."""
        own = F.embedding(ids.clamp(max=self.num_types - 1), self.table)
        if vectors is None:
            return own
        return torch.where((ids >= self.num_types)[..., None], vectors[self._place(ids)], own)

    def _place(self, ids: Tensor) -> Tensor:
        """Where the unseen words stand among the vectors; of all others, the first row."""
        return (ids - (self.num_types - 1)).clamp(min=0)


class WideGraph(nn.Module):
    """Logits ``(B, C)`` of the n-gram branch from ids: what `WideFeatures.transform` gives, times its table."""

    keys: Tensor
    idf: Tensor
    table: Tensor

    def __init__(self, wide: WideBranch, scale: float) -> None:
        super().__init__()
        # Row 0 is that of all keys that were not seen in training, and weighs nothing.
        self.register_buffer("keys", F.pad(wide.keys, (1, 0), value=-1))
        self.register_buffer("idf", F.pad(wide.idf, (1, 0)))
        self.register_buffer("table", F.pad(wide.table.weight.detach() * scale, (0, 0, 1, 0)))
        self.num_features = len(wide.keys)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Weigh the words and pairs of each text that were seen in training, and add up their rows."""
        following = torch.cat([ids[:, 1:], torch.zeros_like(ids[:, :1])], 1)
        keys = torch.cat([ids, (ids + 1) * _PAIR + following], 1)  # (B, 2 T)
        outside = torch.cat([is_outside(ids, lengths), is_outside(ids, lengths - 1)], 1)
        rows = self._rows(keys.masked_fill(outside, -1)).sort(1).values
        is_first = torch.cat([torch.ones_like(rows[:, :1]), (rows[:, 1:] != rows[:, :-1]).to(rows.dtype)], 1)
        run = is_first.cumsum(1) - 1  # which of the text's distinct rows
        counts = torch.zeros_like(run).scatter_add(1, run, torch.ones_like(run)).gather(1, run)
        weights = (1 + counts.to(self.idf.dtype).log()) * self.idf[rows] * is_first
        norm = weights.square().sum(1, keepdim=True).sqrt()
        weights = weights / torch.where(norm > 0, norm, 1.0)
        return (weights[..., None] * self.table[rows]).sum(1)

    def _rows(self, keys: Tensor) -> Tensor:
        """The row of each key, by halving: the last key that is not larger stands at ``low`` or behind."""
        low = torch.zeros_like(keys)
        for power in reversed(range(self.num_features.bit_length())):
            middle = (low + 2**power).clamp(max=self.num_features)
            low = torch.where(self.keys[middle] <= keys, middle, low)
        return torch.where(self.keys[low] == keys, low, 0)


class ImageGraph(nn.Module):
    """Logits ``(B, C)`` of an image model, from pixels as they are in a file: the graph scales them.

    Args:
        model: the network.
        inputs: mean and deviation of the channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: ImageClassifier, inputs: ImageInputs) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(inputs.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(inputs.std)[:, None, None])

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``(B, C)`` from ``(B, C, H, W)`` float32, in the units of the training images."""
        logits: Tensor = self.model(ImageBatch((pixels - self.mean) / self.std))
        return logits


def has_unseen(inputs: TextPipeline) -> bool:
    """Whether the model gives words that its vocabulary lacks vectors of their own."""
    tokenizer, lexicon = inputs.tokenizer, inputs.lexicon
    named = tokenizer.has_whole_words and tokenizer.unknown_id is not None
    return bool(named and lexicon is not None and lexicon.num_ngrams)


@torch.no_grad()
def composed(model: TextClassifier, inputs: TextPipeline) -> Tensor:
    """The vector of every type of the vocabulary, ``(V, D)``."""
    types = np.arange(len(inputs.tokenizer))
    found: Tensor
    parts = {}
    if inputs.lexicon is not None:
        bags = inputs.lexicon.bags(types, Unseen())
        parts = {"bag_rows": torch.from_numpy(bags.ids.astype(np.int64)), "bag_offsets": torch.from_numpy(bags.offsets)}
    numbers = torch.from_numpy(types)
    found = model.embedding(Batch(torch.tensor([0, len(types)]), numbers, numbers, **parts))
    return found
