"""Settings of the architecture ``kim``: names, defaults and ranges, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError

# Max over time and activation change places only if the activation never falls, and 0 stays 0 (an empty text).
MONOTONE = ("relu", "leaky_relu", "tanh", "identity")
POOLINGS = ("max", "max+mean", "kmax", "average", "max+average")


@dataclass(frozen=True)
class KimSettings:
    """The keyword arguments of :class:`textcnn.models.kim.KimEncoder`, where they are documented.

    Raises:
        ConfigError: a value outside its range.
    """

    kernel_sizes: Sequence[int] = (3, 4, 5)
    num_filters: int = 96
    nested: bool = True
    pooling: str = "max+mean"
    k: int = 3
    activation: str = "relu"
    dropout: float = 0.5
    shared_dropout: bool = False

    def __post_init__(self) -> None:
        if self.activation not in MONOTONE:
            raise ConfigError(f"activation of 'kim' must be one of {', '.join(MONOTONE)}, got {self.activation!r}")
        if not self.kernel_sizes or min(self.kernel_sizes) < 1:
            raise ConfigError(f"kernel_sizes must be numbers from 1 up, got {self.kernel_sizes!r}")
        if not isinstance(self.num_filters, int) or self.num_filters < 1:
            raise ConfigError(f"num_filters must be 1 or more, got {self.num_filters!r}")
        if not isinstance(self.nested, bool):
            raise ConfigError(f"nested must be true or false, got {self.nested!r}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout!r}")
        if self.pooling not in POOLINGS:
            raise ConfigError(f"pooling of 'kim' must be one of {', '.join(POOLINGS)}, got {self.pooling!r}")
        if self.k < 1:
            raise ConfigError(f"k must be 1 or more, got {self.k!r}")

    @classmethod
    def of(cls, config: ModelConfig) -> KimSettings:
        """Return the settings of a config, with defaults for those not given.

        Raises:
            ConfigError: a name that there is not, or a value that cannot be used.
        """
        known = [field.name for field in fields(cls)]
        problems = [
            f"'kim' has no setting {name!r}; it has {', '.join(known)}" for name in config.settings if name not in known
        ]
        if problems:
            raise ConfigError(problems)
        try:
            return cls(**config.settings)
        except TypeError as err:  # a value of another type
            raise ConfigError(f"'kim' cannot be built with {config.settings!r}: {err}") from err

    @property
    def widths(self) -> tuple[int, ...]:
        """Width in words of each group of filters, in feature order; nested widths are unique and ascending."""
        return tuple(sorted(set(self.kernel_sizes))) if self.nested else tuple(self.kernel_sizes)

    @property
    def num_maxima(self) -> int:
        """Total number of filters over all widths."""
        return self.num_filters * len(self.widths)

    def out_features(self, embedding_dim: int) -> int:
        """Return the number of features of a text for word vectors of that dimension."""
        per_filter = {"kmax": self.k, "max+average": 2}.get(self.pooling, 1)
        return per_filter * self.num_maxima + (embedding_dim if self.pooling == "max+mean" else 0)
