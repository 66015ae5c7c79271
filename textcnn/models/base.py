"""What every model is: an encoder from one file of this folder, and a head on its features."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from textcnn.config import ModelConfig
from textcnn.image.batching import ImageBatch
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.weights import Weights, initial_weights, num_outputs
from textcnn.nn.embedding import MultichannelEmbedding, WordEmbedding
from textcnn.nn.head import Head
from textcnn.nn.wide import WideBranch
from textcnn.text.batching import Batch


class TextEncoder(Protocol):
    """What a text architecture is: word vectors and a batch to features."""

    out_features: int

    def __call__(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""


class Branches(NamedTuple):
    """Logits ``(B, C)`` of the parts of a model, each trained by its own loss."""

    main: Tensor
    wide: Tensor | None = None


class TextClassifier(nn.Module):
    """``logits = head(encoder(embedding(batch), batch)) + wide_scale * wide(batch)``.

    Args:
        embedding: makes the vector of each unique type.
        encoder: an architecture of this folder.
        head: features to logits.
        wide: a linear model beside the network, which shares nothing with it; or none.
        wide_scale: how much its logits count in the sum.
    """

    def __init__(
        self,
        embedding: WordEmbedding | MultichannelEmbedding,
        encoder: nn.Module,
        head: Head,
        *,
        wide: WideBranch | None = None,
        wide_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoder = encoder
        self.head = head
        self.wide = wide
        self.wide_scale = wide_scale

    def branches(self, batch: Batch) -> Branches:
        """Logits of each part, ``(B, C)``."""
        main = self.head(self.encoder(self.embedding(batch), batch))
        return Branches(main, None if self.wide is None else self.wide(batch))

    def forward(self, batch: Batch) -> Tensor:
        """Logits ``(B, C)``."""
        branches = self.branches(batch)
        return branches.main if branches.wide is None else branches.main + self.wide_scale * branches.wide


class ImageClassifier(nn.Module):
    """``logits = head(encoder(pixels))``: the text classifier's sister, with the same head and the same trainer."""

    def __init__(self, encoder: nn.Module, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def branches(self, batch: ImageBatch) -> Branches:
        """Logits of each part, ``(B, C)``."""
        return Branches(self.head(self.encoder(batch.pixels)))

    def forward(self, batch: ImageBatch) -> Tensor:
        """Logits ``(B, C)``."""
        return self.branches(batch).main


def build_text_classifier(
    config: ModelConfig,
    num_types: int,
    labels: Labels,
    *,
    num_ngrams: int = 0,
    num_features: int | None = None,
    seed: int | None = None,
) -> TextClassifier:
    """A text classifier with fresh weights.

    Args:
        config: the architecture and its settings.
        num_types: V, rows of the word table.
        labels: names of the logits' columns.
        num_ngrams: rows of the n-gram table; 0: no sub-words.
        num_features: rows of the wide branch; none: no wide branch.
        seed: of the weights of ``kim``, which are then those that the C core starts from too; none, and for other
            architectures: torch's generator decides.

    Raises:
        ConfigError: an unknown architecture, or a setting it does not have.
    """
    seeded = seed is not None and config.architecture == "kim"
    with torch.random.fork_rng(devices=[], enabled=seeded):
        embedding = _embedding(config, num_types, num_ngrams)
        encoder = registry.build("text", config, embedding.embedding_dim, num_types)
        wide = None if num_features is None else WideBranch(num_features, len(labels))
        head = _head(encoder, config, labels)
        model = TextClassifier(embedding, encoder, head, wide=wide, wide_scale=config.scale)
    if seed is not None and seeded:
        put_weights(model, initial_weights(config, num_types, num_ngrams, num_features, labels, seed))
    return model


def weights_of(model: nn.Module) -> Weights:
    """The weights and buffers of a model by name: arrays that share their memory, if it is on the CPU."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}


def put_weights(model: nn.Module, weights: Weights) -> None:
    """Copy weights by name, all of them, into a model.

    Raises:
        RuntimeError: names or shapes do not fit.
    """
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})


def build_image_classifier(config: ModelConfig, shape: tuple[int, int, int], labels: Labels) -> ImageClassifier:
    """An image classifier with fresh weights for images of ``shape`` (C, H, W).

    Raises:
        ConfigError: an unknown architecture, a setting it does not have, or images too small for it.
    """
    encoder = registry.build("image", config, shape)
    return ImageClassifier(encoder, _head(encoder, config, labels))


def num_parameters(model: nn.Module) -> int:
    """Trainable numbers of a model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _embedding(config: ModelConfig, num_types: int, num_ngrams: int) -> WordEmbedding | MultichannelEmbedding:
    if config.embedding_channels == "multichannel":
        return MultichannelEmbedding(num_types, config.dim, num_ngrams=num_ngrams)
    return WordEmbedding(
        num_types,
        config.dim,
        num_ngrams=num_ngrams,
        combine="mean" if config.vectors is None else "add",
        static=config.embedding_channels == "static",
    )


def _head(encoder: nn.Module, config: ModelConfig, labels: Labels) -> Head:
    out_features = encoder.out_features
    assert isinstance(out_features, int)
    return Head(out_features, len(labels), binary_sigmoid=num_outputs(config, labels) < len(labels))
