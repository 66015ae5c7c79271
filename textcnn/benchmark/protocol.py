"""Recurrent nets of the size of a CNN: the hidden size whose encoder has as many parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from textcnn.config import option
from textcnn.errors import ConfigError

REFERENCE = "kim"
TOLERANCE = 0.1  # share by which the parameters of two matched encoders may differ


@dataclass(frozen=True)
class Baseline:
    """A recurrent net of one layer.

    Attributes:
        architecture: its name in the registry.
        gates: matrices of one direction: 1 in a simple RNN, 3 in a GRU, 4 in an LSTM.
        bidirectional: whether a second net reads backwards.
    """

    architecture: str
    gates: int
    bidirectional: bool = False

    def parameters(self, embedding_dim: int, hidden_size: int) -> int:
        """Weights and biases: for each gate and direction ``H * (D + H + 2)``, as torch has two biases a unit."""
        return self._matrices * hidden_size * (embedding_dim + hidden_size + 2)

    def matching_hidden_size(self, embedding_dim: int, target: int) -> int:
        """The H, 1 or more, whose :meth:`parameters` are nearest to ``target``: the root of a quadratic, rounded."""
        half = (embedding_dim + 2) / 2
        below = max(int(math.sqrt(half**2 + target / self._matrices) - half), 1)
        return min((below, below + 1), key=lambda size: abs(self.parameters(embedding_dim, size) - target))

    def settings(self, hidden_size: int) -> dict[str, Any]:
        """Settings of the architecture at that hidden size."""
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
    "interleaving": "every batch goes to all contestants in turn, in an order drawn anew for each batch",
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
    """Settings of a run of the benchmark.

    Raises:
        ConfigError: values outside their range, all together.
    """

    lengths: tuple[int, ...] = option(
        (10, 50, 100, 250, 500), "tokens of a text", _counts, "different whole numbers from 1 up"
    )
    batch_sizes: tuple[int, ...] = option((1, 16, 64), "texts of a batch", _counts, "different whole numbers from 1 up")
    architectures: tuple[str, ...] = option(
        tuple(BASELINES), f"the RNNs beside {REFERENCE}", _baselines, f"some of {', '.join(BASELINES)}, each once"
    )
    embedding_dim: int = option(100, "width D of a word vector", lambda n: n > 0, "1 or more")
    vocabulary_size: int = option(
        20_000, "types of the made-up texts; with DATA, the largest number kept", lambda n: n > 3, "more than 3"
    )
    batches: int = option(
        100, "timed batches of a cell, if time allows", lambda n: n >= MIN_BATCHES, f"{MIN_BATCHES} or more"
    )
    cell_seconds: float = option(
        6.0,
        f"a cell that has taken so long ends, but never before {MIN_BATCHES} batches",
        lambda n: n >= 0,
        "0 or more",
    )
    warmup: int = option(3, "batches of a cell that are not timed", lambda n: n > 0, "1 or more")
    seed: int = option(0, "decides texts, weights, order and resampling", lambda n: n >= 0, "0 or more")
    threads: int | None = option(
        None, "threads of the core and of torch; none: all cores", lambda n: n is None or n > 0, "1 or more"
    )
    epoch_architectures: tuple[str, ...] = option(
        tuple(BASELINES), "the RNNs that run an epoch, too", _baselines, f"some of {', '.join(BASELINES)}, each once"
    )
    epoch_texts: int | None = option(
        None, "texts of an epoch, drawn from DATA; none: all of them", lambda n: n is None or n > 0, "1 or more"
    )

    def __post_init__(self) -> None:
        values = {f: getattr(self, f.name) for f in fields(self)}
        problems = [
            f"{f.name} must be {f.metadata['expected']}, got {value!r}"
            for f, value in values.items()
            if not f.metadata["check"](value)
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def epoch_baselines(self) -> tuple[str, ...]:
        """Those of the architectures that run an epoch; all of them if none of them was meant to."""
        chosen = tuple(name for name in self.architectures if name in self.epoch_architectures)
        return chosen or self.architectures

    def to_dict(self) -> dict[str, Any]:
        """The settings and the rules as JSON values."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {"reference": REFERENCE, **values, "min_batches": MIN_BATCHES, "rules": RULES}


QUICK = SpeedConfig(
    lengths=(10, 100),
    batch_sizes=(1, 64),
    batches=MIN_BATCHES,
    cell_seconds=0.0,
    epoch_architectures=("lstm",),
    epoch_texts=2_000,
)
