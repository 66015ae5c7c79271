"""Defines the search space: the ranges of Zhang & Wallace 2015 (arXiv 1510.03820), and learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textcnn.config import PRESETS, Config
from textcnn.errors import import_extra
from textcnn.models import registry

WIDTH, COMBINATION = "kernel_width", "kernel_combination"  # together they determine kernel_sizes
LINE = (1, 3, 5, 7, 10)  # single widths tried first, before combinations near the best of them
MAX_WIDTH = 10


@dataclass(frozen=True)
class Range:
    """A range of numbers from ``low`` to ``high``; with ``log`` it is sampled on a logarithmic scale."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Choice:
    """A choice of one of several values."""

    values: tuple[Any, ...]


RANGES: Mapping[str, Range | Choice] = {
    "num_filters": Range(50, 600, log=True, whole=True),
    "hidden_size": Range(50, 300, log=True, whole=True),
    "dropout": Range(0.0, 0.5),
    "max_norm": Choice((None, 3.0)),
    "embedding_dim": Range(50, 300, log=True, whole=True),
    "learning_rate": Range(5e-4, 8e-3, log=True),
    "embedding_learning_rate": Range(0.04, 0.8, log=True),
    "wide_learning_rate": Range(0.1, 2.0, log=True),
    "wide_scale": Range(0.0, 2.0),
    "word_dropout": Range(0.0, 0.3),
}


def combine(width: int, combination: str) -> list[int]:
    """Return kernel sizes: the width alone (``one``), with its neighbours (``near``), or four times (``four``)."""
    near = [size for size in (width - 1, width, width + 1) if size > 0]
    return {"one": [width], "near": near, "four": [width] * 4}[combination]


@dataclass(frozen=True)
class Space:
    """The search space of one run, without the settings that the user has fixed.

    Attributes:
        given: the user's settings, which are the same in every trial.
        searched: the range of each searched parameter.
        default: the values of the first trial, which are those of a training without a search.
    """

    given: Mapping[str, Any]
    searched: Mapping[str, Range | Choice]
    default: Mapping[str, Any]

    @classmethod
    def build(cls, given: Mapping[str, Any], config: Config, epochs: int) -> Space:
        """Build the search space around a config.

        Args:
            given: the user's settings by name.
            config: the resolved config of these settings.
            epochs: the default number of epochs for this number of rows.
        """
        given = {**PRESETS[given.get("preset", "default")], **given}
        of_model = registry.settings_of("text", config.model.architecture)
        values = {**of_model, **vars(config.model), **vars(config.training), **config.model.settings}
        ranges = {**RANGES, "epochs": Range(max(2, epochs // 3), math.ceil(1.5 * epochs), whole=True)}
        if config.training.embedding_optimizer == "adam":
            ranges["embedding_learning_rate"] = Range(2e-3, 4e-2, log=True)
        absent = {"num_filters", "hidden_size", "dropout"} - of_model.keys()
        if config.model.vectors is not None:
            absent.add("embedding_dim")
        if not config.model.wide:
            absent |= {"wide_learning_rate", "wide_scale"}
        searched = {name: value for name, value in ranges.items() if name not in absent and name not in given}
        default = {name: values[name] for name in searched} | ({"epochs": epochs} if "epochs" in searched else {})
        if tuple(of_model.get("kernel_sizes", ())) == (3, 4, 5) and "kernel_sizes" not in given:
            searched |= {WIDTH: Range(1, MAX_WIDTH, whole=True), COMBINATION: Choice(("one", "near", "four"))}
            default |= {WIDTH: 4, COMBINATION: "near"}
        return cls(given, searched, default)

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a trial by name, from its parameters and the user's settings."""
        found = {name: value for name, value in params.items() if name not in (WIDTH, COMBINATION)}
        if WIDTH in params:
            found["kernel_sizes"] = combine(params[WIDTH], params[COMBINATION])
            if params[COMBINATION] == "four":  # nested filters cannot have a width several times
                found["nested"] = False
        return {**self.given, **found}

    def start(self, number: int, values: Mapping[int, float]) -> dict[str, Any] | None:
        """Return the parameters of the first trials: the default, single widths, two combinations near the best.

        Args:
            number: the number of the trial, from 0.
            values: the values that earlier trials reached, by number.
        """
        if number == 0:
            return dict(self.default)
        if WIDTH not in self.searched or number > len(LINE) + 2:
            return None
        if number <= len(LINE):
            return {**self.default, WIDTH: LINE[number - 1], COMBINATION: "one"}
        best = max(range(1, len(LINE) + 1), key=lambda n: values.get(n, -math.inf))
        combination = ("near", "four")[number - len(LINE) - 1]
        return {**self.default, WIDTH: LINE[best - 1], COMBINATION: combination}

    def distributions(self) -> dict[str, Any]:
        """Return the search space as Optuna distributions."""
        optuna = import_extra("optuna.distributions", extra="tune", feature="tune")
        made: dict[str, Any] = {}
        for name, value in self.searched.items():
            if isinstance(value, Choice):
                made[name] = optuna.CategoricalDistribution(value.values)
            elif value.whole:
                made[name] = optuna.IntDistribution(int(value.low), int(value.high), log=value.log)
            else:
                made[name] = optuna.FloatDistribution(value.low, value.high, log=value.log)
        return made
