"""Text and image classifiers: assembly from encoder, head and wide branch, weights by name, and batched inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.image.batches import ImageBatch
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.weights import Weights, initial_weights, num_outputs
from textcnn.nn.embedding import MultichannelEmbedding, WordEmbedding
from textcnn.nn.heads import CharacterBranch, Head, WideBranch
from textcnn.tokenization.batch import Batch

TIMES = {1: "once", 2: "twice"}


def require_sides(name: str, shape: tuple[int, int, int], halvings: int) -> None:
    """Raise an error if images ``(C, H, W)`` are too small to be halved ``halvings`` times.

    Raises:
        ConfigError: H or W is below ``2 ** halvings``.
    """
    _, height, width = shape
    least = 2**halvings
    if min(height, width) < least:
        often = TIMES.get(halvings, f"{halvings} times")
        raise ConfigError(
            f"{name!r} halves images {often} and needs at least {least} x {least} pixels, got {height} x {width}"
        )


class TextEncoder(Protocol):
    """Interface of text architectures: maps word vectors and a batch to features."""

    out_features: int

    def __call__(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""


class Branches(NamedTuple):
    """Logits ``(B, C)`` of the branches of a model, each trained by its own loss."""

    main: Tensor
    wide: Tensor | None = None
    characters: Tensor | None = None


class TextClassifier(nn.Module):
    """Text classifier: ``head(encoder(embedding(batch), batch)) + wide_scale * wide + character_scale * characters``.

    Args:
        embedding: makes the vector of each unique type.
        encoder: an architecture of this folder.
        head: features to logits.
        wide: a linear model that shares no weights with the network; or none.
        wide_scale: factor of its logits in the sum.
        characters: a linear model over character n-grams; or none.
        character_scale: factor of its logits.
    """

    def __init__(
        self,
        embedding: WordEmbedding | MultichannelEmbedding,
        encoder: nn.Module,
        head: Head,
        *,
        wide: WideBranch | None = None,
        wide_scale: float = 1.0,
        characters: CharacterBranch | None = None,
        character_scale: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoder = encoder
        self.head = head
        self.wide = wide
        self.wide_scale = wide_scale
        self.characters = characters
        self.character_scale = character_scale

    def branches(self, batch: Batch) -> Branches:
        """Return the logits of each branch, ``(B, C)``."""
        main = self.head(self.encoder(self.embedding(batch), batch))
        others = [None if branch is None else branch(batch) for branch in (self.wide, self.characters)]
        return Branches(main, *others)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits ``(B, C)``."""
        logits, wide, characters = self.branches(batch)
        logits = logits if wide is None else logits + self.wide_scale * wide
        return logits if characters is None else logits + self.character_scale * characters


class ImageClassifier(nn.Module):
    """Image classifier: ``logits = head(encoder(pixels))``, with the head and the trainer of text classifiers."""

    def __init__(self, encoder: nn.Module, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def branches(self, batch: ImageBatch) -> Branches:
        """Return the logits of the single branch, ``(B, C)``."""
        return Branches(self.head(self.encoder(batch.pixels)))

    def forward(self, batch: ImageBatch) -> Tensor:
        """Return logits ``(B, C)``."""
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
    """Build a text classifier with initial weights.

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
        factor = config.character_scale
        characters = None if factor is None else CharacterBranch(num_ngrams, len(labels))
        model = TextClassifier(
            *(embedding, encoder, head),
            wide=wide,
            wide_scale=config.scale,
            characters=characters,
            character_scale=factor or 0.0,
        )
    if seed is not None and seeded:
        put_weights(model, initial_weights(config, num_types, num_ngrams, num_features, labels, seed))
    return model


def weights_of(model: nn.Module) -> Weights:
    """Return a model's weights and buffers by name, as arrays that share its memory if it is on the CPU."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}


def put_weights(model: nn.Module, weights: Weights) -> None:
    """Copy all weights, given by name, into a model.

    Raises:
        RuntimeError: names or shapes do not fit.
    """
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})


def build_image_classifier(config: ModelConfig, shape: tuple[int, int, int], labels: Labels) -> ImageClassifier:
    """Build an image classifier with initial weights for images of ``shape`` (C, H, W).

    Raises:
        ConfigError: an unknown architecture, a setting it does not have, or images too small for it.
    """
    encoder = registry.build("image", config, shape)
    return ImageClassifier(encoder, _head(encoder, config, labels))


def num_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters of a model."""
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


Encoded = TypeVar("Encoded")
EncodedIn = TypeVar("EncodedIn", contravariant=True)
Rows = npt.NDArray[np.int64]


class Inputs(Protocol[EncodedIn]):
    """Interface that turns encoded rows into batches, for texts and for images."""

    def sizes(self, encoded: EncodedIn) -> Rows:
        """Return the tokens (or pixels) of each row as the model sees it, ``(N,)``."""

    def batch(self, encoded: EncodedIn, rows: Rows) -> Any:
        """Build a batch, with a method ``to(device)``, of the rows numbered ``rows``."""


def logits_of(
    model: nn.Module, inputs: Inputs[Encoded], encoded: Encoded, rows: slice = slice(None)
) -> npt.NDArray[np.float32]:
    """Return logits ``(N, C)`` of all rows, or of some, in order; the model is left in evaluation mode."""
    found = _passes(model, inputs, encoded, lambda batch: {"sum": model(batch)}, rows)
    return found.get("sum", np.zeros((0, 0), np.float32))


def branch_logits_of(model: nn.Module, inputs: Inputs[Encoded], encoded: Encoded) -> dict[str, npt.NDArray[np.float32]]:
    """Return logits ``(N, C)`` of each existing branch of a model by name, ``main`` first."""

    def branches(batch: Any) -> dict[str, Tensor]:
        found = model.branches(batch)._asdict()  # type: ignore[operator]
        return {name: logits for name, logits in found.items() if logits is not None}

    return _passes(model, inputs, encoded, branches)


@torch.no_grad()
def _passes(
    model: nn.Module,
    inputs: Inputs[Encoded],
    encoded: Encoded,
    forward: Callable[[Any], dict[str, Tensor]],
    rows: slice = slice(None),
) -> dict[str, npt.NDArray[np.float32]]:
    model.eval()
    device = next(model.parameters()).device
    sizes = inputs.sizes(encoded)
    first = rows.indices(len(sizes))[0]
    batches = evaluation_batches(sizes[rows])
    parts = [forward(inputs.batch(encoded, first + batch).to(device)) for batch in batches]
    logits = {}
    for name in parts[0] if parts else ():
        together = torch.cat([part[name] for part in parts]).cpu().numpy()
        logits[name] = np.empty_like(together)
        logits[name][np.concatenate(batches)] = together
    return logits


def evaluation_batches(sizes: Rows, *, budget: int = 32_768, most: int = 1_024) -> list[Rows]:
    """Batch rows for inference by length, each batch padded to at most ``budget`` tokens, or a single text."""
    order = np.argsort(sizes, kind="stable")
    batches = []
    start = 0
    for end in range(1, len(order) + 1):
        longest = int(sizes[order[end]]) if end < len(order) else 0
        if end == len(order) or end - start == most or (end - start + 1) * longest > budget:
            batches.append(order[start:end])
            start = end
    return batches
