"""The texts of the benchmark: real ones or made-up ones, through the product's own tokenizer and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.benchmark.protocol import SpeedConfig
from textcnn.config import DataConfig, TextConfig
from textcnn.errors import DataError
from textcnn.labels import Labels
from textcnn.text.batching import Batch
from textcnn.text.pipeline import TextPipeline
from textcnn.text.ragged import Ragged
from textcnn.text.reading import read_examples
from textcnn.text.tokenizer import Tokenizer

_SYNTHETIC_TEXTS = 2_000
_SYNTHETIC_LENGTH = 100
_RESERVED = 2  # [PAD] and [UNK] are types of every vocabulary
Targets = npt.NDArray[np.int64] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """Texts of one length, as ids, and their targets."""

    tokens: Ragged
    targets: Targets


@dataclass(frozen=True)
class Workload:
    """Encoded texts from which batches are cut.

    Attributes:
        name: the file's name, or ``synthetic``.
        tokens: ids of all texts.
        targets: what the loss compares each text with.
        labels: their labels.
        tokenizer: what made the ids.
        config: how it was made, ``max_length`` included.
    """

    name: str
    tokens: Ragged
    targets: Targets
    labels: Labels
    tokenizer: Tokenizer
    config: TextConfig

    def draw(self, random: np.random.Generator, batch_size: int, length: int) -> Drawn:
        """Texts that begin where texts of the workload begin, run on into the next ones, and end after ``length``."""
        rows = random.integers(len(self.tokens), size=batch_size)
        places = (self.tokens.offsets[rows][:, None] + np.arange(length)) % len(self.tokens.ids)
        offsets = np.arange(batch_size + 1, dtype=np.int64) * length
        return Drawn(Ragged(self.tokens.ids[places.ravel()], offsets), self.targets[rows])

    def batch(self, drawn: Drawn) -> Batch:
        """The product's batch of drawn texts, uncut."""
        rows = np.arange(len(drawn.tokens))
        return TextPipeline(self.tokenizer).batch(drawn.tokens, rows, labels=drawn.targets)

    def to_dict(self) -> dict[str, Any]:
        """What is known of the texts, as JSON values."""
        return {
            "name": self.name,
            "texts": len(self.tokens),
            "tokens": len(self.tokens.ids),
            "types": len(self.tokenizer),
            "labels": len(self.labels),
        }


def read_workload(data: Any, reading: DataConfig, config: SpeedConfig) -> Workload:
    """Real texts, with a tokenizer trained on them.

    Raises:
        DataError: the data cannot be read as asked, or holds no token.
    """
    examples = read_examples(data, reading)
    labels = Labels.collect(examples.labels, multi_label=examples.multi_label)
    name = PurePath(examples.name).name
    text = TextConfig(vocabulary_size=config.vocabulary_size)
    return _encode(name, examples.texts, examples.texts, labels, labels.encode(examples.labels), text)


def synthetic_workload(config: SpeedConfig) -> Workload:
    """Made-up texts whose words follow Zipf's law: the word of rank r is drawn with a probability of ``1 / r``."""
    random = np.random.default_rng(config.seed)
    num_words = config.vocabulary_size - _RESERVED
    shares = np.cumsum(1 / np.arange(1, num_words + 1))
    drawn = np.searchsorted(shares, random.random((_SYNTHETIC_TEXTS, _SYNTHETIC_LENGTH)) * shares[-1])
    words = [f"w{rank}" for rank in range(num_words)]
    texts = [" ".join(words[rank] for rank in row) for row in drawn.tolist()]
    targets = random.integers(2, size=len(texts))
    text = TextConfig(vocabulary_size=config.vocabulary_size)
    return _encode("synthetic", [*texts, " ".join(words)], texts, Labels(("no", "yes")), targets, text)


def _encode(
    name: str, corpus: Sequence[str], texts: Sequence[str], labels: Labels, targets: Targets, config: TextConfig
) -> Workload:
    tokenizer = Tokenizer.train(corpus, config)
    tokens = tokenizer.encode_batch(texts)
    if not len(tokens.ids):
        raise DataError(f"expected texts to time, found {len(texts):,} without a token", path=name)
    return Workload(name, tokens, targets, labels, tokenizer, config)
