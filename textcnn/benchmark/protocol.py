"""Defines the protocol of the speed benchmark: RNN baselines with as many parameters as the CNN, and the settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from textcnn.config_types import jsonable, option, problems
from textcnn.errors import ConfigError

REFERENCE = "kim"
TOLERANCE = 0.1  # share by which the parameters of two matched encoders may differ


@dataclass(frozen=True)
class Baseline:
    """A recurrent baseline with one layer.

    Attributes:
        architecture: the name of the architecture in the registry.
        gates: the number of gate matrices of one direction: 1 for a simple RNN, 3 for a GRU, 4 for an LSTM.
        bidirectional: whether a second network reads the text backwards.
    """

    architecture: str
    gates: int
    bidirectional: bool = False

    def parameters(self, embedding_dim: int, hidden_size: int) -> int:
        """Return the number of parameters: ``H * (D + H + 2)`` per gate and direction (torch has two biases a unit)."""
        return self._matrices * hidden_size * (embedding_dim + hidden_size + 2)

    def matching_hidden_size(self, embedding_dim: int, target: int) -> int:
        """Return the hidden size whose :meth:`parameters` are nearest to ``target``, by rounding a quadratic root."""
        half = (embedding_dim + 2) / 2
        below = max(int(math.sqrt(half**2 + target / self._matrices) - half), 1)
        return min((below, below + 1), key=lambda size: abs(self.parameters(embedding_dim, size) - target))

    def settings(self, hidden_size: int) -> dict[str, Any]:
        """Return the settings of the architecture at that hidden size."""
        return {"hidden_size": hidden_size, **({"bidirectional": True} if self.bidirectional else {})}

    @property
    def _matrices(self) -> int:
        return self.gates * (2 if self.bidirectional else 1)


BASELINES: Mapping[str, Baseline] = {
    "rnn": Baseline("rnn", 1),
    "gru": Baseline("gru", 3),
    "lstm": Baseline("lstm", 4),
    "bilstm": Baseline("lstm", 4, bidirectional=True),
}


MIN_BATCHES = 30
PHASES: Mapping[str, str] = {"train": "Training step", "infer": "Inference"}
RULES = {
    "interleaving": "every batch goes to all contestants in turn, in a new random order for each batch",
    "road": "each network is trained by what trains it in the product: kim by the core in C where it is built, the "
    "rest by torch; the road of a contestant says which",
    "train": "one step of the product's training: forward, loss, backward, AdamW, and the row-wise optimizer of the "
    "embedding",
    "infer": "from token ids to logits without gradients, the making of the batch included; no product is kept from "
    "one batch to the next, as the look-up runtime of kim does",
    "epoch": "the product's batches of an epoch, word dropout and the making of each batch included",
    "texts": "all texts of a cell have the same length, so no contestant computes padding; those of an epoch do not",
    "ratio": "baseline time / kim time: median over the batches, 95 % percentile bootstrap interval",
    "matching": f"parameters of the encoders within {TOLERANCE:.0%} of each other; embedding, head and loss alike",
}


def _counts(value: Any) -> bool:
    return bool(value) and all(isinstance(n, int) and n > 0 for n in value) and len(set(value)) == len(value)


def _baselines(value: Any) -> bool:
    return bool(value) and set(value) <= set(BASELINES) and len(set(value)) == len(value)


@dataclass(frozen=True)
class SpeedConfig:
    """The settings of a run of the speed benchmark.

    Raises:
        ConfigError: values are outside their range; the message lists all of them.
    """

    lengths: tuple[int, ...] = option(
        (10, 50, 100, 250, 500), "text lengths in tokens", _counts, "different whole numbers from 1 up"
    )
    batch_sizes: tuple[int, ...] = option(
        (1, 16, 64), "batch sizes in texts", _counts, "different whole numbers from 1 up"
    )
    architectures: tuple[str, ...] = option(
        tuple(BASELINES),
        f"RNN baselines to compare {REFERENCE} with",
        _baselines,
        f"some of {', '.join(BASELINES)}, each once",
    )
    embedding_dim: int = option(100, "dimension D of the word vectors", lambda n: n > 0, "1 or more")
    vocabulary_size: int = option(
        20_000, "vocabulary size of synthetic texts; with DATA, the largest one", lambda n: n > 3, "more than 3"
    )
    batches: int = option(
        100, "timed batches per cell, if time allows", lambda n: n >= MIN_BATCHES, f"{MIN_BATCHES} or more"
    )
    cell_seconds: float = option(
        6.0,
        f"time limit per cell in seconds, applied after at least {MIN_BATCHES} batches",
        lambda n: n >= 0,
        "0 or more",
    )
    warmup: int = option(3, "warm-up batches per cell, which are not timed", lambda n: n > 0, "1 or more")
    seed: int = option(0, "random seed of texts, weights, order and resampling", lambda n: n >= 0, "0 or more")
    threads: int | None = option(
        None, "threads of the core and of torch; none: all cores", lambda n: n is None or n > 0, "1 or more"
    )
    epoch_architectures: tuple[str, ...] = option(
        tuple(BASELINES),
        "RNN baselines to time on a whole epoch as well",
        _baselines,
        f"some of {', '.join(BASELINES)}, each once",
    )
    epoch_texts: int | None = option(
        None, "number of texts of the epoch, drawn from DATA; none: all", lambda n: n is None or n > 0, "1 or more"
    )

    def __post_init__(self) -> None:
        if found := problems(self):
            raise ConfigError(found)

    @property
    def epoch_baselines(self) -> tuple[str, ...]:
        """The architectures that are timed on a whole epoch; all if ``epoch_architectures`` has none of them."""
        chosen = tuple(name for name in self.architectures if name in self.epoch_architectures)
        return chosen or self.architectures

    def to_dict(self) -> dict[str, Any]:
        """Return the settings and the rules as JSON values."""
        return {"reference": REFERENCE, **jsonable(asdict(self)), "min_batches": MIN_BATCHES, "rules": RULES}


QUICK = SpeedConfig(
    lengths=(10, 100),
    batch_sizes=(1, 64),
    batches=MIN_BATCHES,
    cell_seconds=0.0,
    epoch_architectures=("lstm",),
    epoch_texts=2_000,
)
