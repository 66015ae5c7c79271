"""Defines what the estimators have in common: their arguments, the check of ``X``, and the runtime that answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from textcnn.estimator.targets import read_weights
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Telling, TerminalReporter
from textcnn.reading.rows import Examples
from textcnn.runs import train_text
from textcnn.runtime.text_model import Answering

_OWN = ("warm_start", "verbose")  # arguments that are not settings of a run


@dataclass(eq=False, repr=False)
class TextEstimator(BaseEstimator):  # type: ignore[misc]
    """The base of estimators of texts, whose arguments are settings of :mod:`textcnn.config`."""

    preset: str = "default"
    # text
    tokenizer: str = "word"
    vocabulary_size: int = 1_000_000
    min_frequency: int = 1
    lowercase: bool = True
    normalization: str = "nfkc"
    max_length: int | None = None
    # model
    architecture: str = "kim"
    embedding_dim: int | None = None
    settings: dict[str, Any] | None = None
    subwords: bool | None = None
    ngram_min: int = 2
    ngram_max: int = 4
    ngram_buckets: int = 100_000
    ngrams_per_token: int | None = 1024
    wide: bool | str | None = None
    wide_scale: float | None = None
    character_scale: float | None = None
    vectors: str | None = None
    keep_vectors: int | None = None
    vector_words: str | None = None
    embedding_channels: str = "fine-tuned"
    kernel_sizes: Sequence[int] | None = None
    num_filters: int | None = None
    nested: bool | None = None
    pooling: str | None = None
    k: int | None = None
    activation: str | None = None
    dropout: float | None = None
    shared_dropout: bool | None = None
    # training
    epochs: int | None = None
    batch_size: int = 64
    batch_tokens: int | None = 65_536
    learning_rate: float = 2e-3
    embedding_optimizer: str = "adagrad"
    embedding_learning_rate: float | None = None
    vector_learning_rate: float | None = None
    wide_learning_rate: float = 0.5
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    max_norm: float | None = None
    word_dropout: float = 0.1
    rare_dropout: float = 0.25
    dev_fraction: float | None = None
    calibrate: str = "auto"
    characters: str = "auto"
    patience: int | None = None
    ensemble: int = 1
    wide_megabytes: float = 256.0
    time_limit: float | None = None
    max_memory: str | None = None
    seed: int = 0
    threads: int | None = None
    device: str = "auto"
    amp: str | None = None
    warm_start: bool = False
    verbose: bool = False

    def _given(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults; preset, architecture or starting model set the others."""
        given = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in _OWN and _differs(getattr(self, field.name), field.default)
        }
        return {name: value.tolist() if isinstance(value, np.generic) else value for name, value in given.items()}

    def _given_with(self, **task: Any) -> dict[str, Any]:
        """Return the settings given and those of the task, which a warm start has from its model."""
        return self._given() | ({} if self._start() is not None else task)

    def _start(self) -> Any:
        """Return the artifact that a warm start goes on from; none: there is none."""
        return self.predictor_.artifact if self.warm_start and hasattr(self, "predictor_") else None

    def _texts(self, X: Any, *, reset: bool) -> list[str]:
        """Check ``X`` and return its strings; ``reset`` is part of scikit-learn's signature and has no effect."""
        del reset
        if isinstance(X, str) or not (hasattr(X, "__len__") or hasattr(X, "__array__")):
            raise ValueError(f"expected a sequence of texts, got {X!r:.60} ({type(X).__name__})")
        if isinstance(X, (Mapping, Set)):
            kind = type(X).__name__
            named = ", ".join(map(repr, X)) if isinstance(X, Mapping) else "no order"
            raise ValueError(f"expected a sequence of texts, found a {kind} of {named:.80}; select its texts")
        names = list(map(str, X.columns)) if hasattr(X, "columns") and len(X.columns) != 1 else []
        if names:
            raise ValueError(f"expected one column of texts, found the columns {names}; select one, as X[{names[0]!r}]")
        values = np.asarray(X, dtype=object)
        if values.ndim == 2 and values.shape[1] == 1:  # a data frame of one column
            values = values[:, 0]
        if values.ndim != 1 or not len(values):
            raise ValueError(
                f"expected a sequence of at least 1 text, found the shape {values.shape}; select one column"
            )
        for row, text in enumerate(values):
            if not isinstance(text, str):
                raise ValueError(f"expected texts in X, found {text!r:.60} ({type(text).__name__}) in row {row}")
        return [str(text) for text in values]

    def _rows(self, X: Any, y: Any, sample_weight: Any) -> tuple[list[str], npt.NDArray[np.float64] | None]:
        """Check what ``fit`` is given, and return the texts and their weights; none: all count the same.

        Raises:
            ValueError: ``X`` or the weights are invalid, or there is no ``y`` for each text.
        """
        texts = self._texts(X, reset=True)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        check_consistent_length(texts, y)
        return texts, read_weights(sample_weight, len(texts))

    def _train(self, examples: Examples, settings: Mapping[str, Any]) -> None:
        """Train on examples, from the model of a warm start if there is one.

        Raises:
            KeyboardInterrupt: training was interrupted.
        """
        reporter = TerminalReporter() if self.verbose else Telling()
        reporter.say(examples.describe())
        run = train_text(examples, settings, reporter, start_from=self._start())
        if run.stopped == "interrupted":
            raise KeyboardInterrupt
        self.predictor_ = run.predictor
        self._runtime = self._fastest()

    def _fastest(self) -> Answering:
        predictor: Predictor = self.predictor_
        return predictor.lookup() or predictor

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, True, False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_runtime"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "predictor_"):
            self._runtime = self._fastest()


def _differs(value: Any, default: Any) -> bool:
    return value is not default and bool(np.any(value != default))
