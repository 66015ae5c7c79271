"""Defines the classifier with scikit-learn's estimator interface, for pipelines, searches and calibrators."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from textcnn.estimator.targets import (
    Array,
    are_probabilities,
    arranged,
    is_multi_label,
    read_classes,
    read_indicators,
    read_probabilities,
    read_weights,
)
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Telling, TerminalReporter
from textcnn.reading.rows import Examples
from textcnn.reading.soft_labels import SoftLabels
from textcnn.runs import train_text
from textcnn.runtime.text_model import Answering

# The logit of a class that no training row had: below any real logit, but finite, since ranking metrics need that.
_NEVER = -1e6
_OWN = ("warm_start", "verbose")  # arguments that are not settings of a run


@dataclass(eq=False, repr=False)
class TextCNNClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A text classifier with scikit-learn's interface; ``X`` is a sequence of N strings.

    ``y`` is ``(N,)`` with one class per row, or an indicator matrix ``(N, C)`` of 0 and 1 (multi-label), as an array, a
    sparse matrix or a data frame, whose columns are then the classes. It may also be a matrix ``(N, C)`` of
    probabilities: distributions over the classes if each row sums to 1, else how probable each label is (multi-label).

    The arguments are the settings of :mod:`textcnn.config`, with its defaults, and those of the architecture ``kim``,
    for which none means the architecture's default; settings of other architectures go into ``settings``. In addition:

    Args:
        warm_start: whether a further ``fit`` continues from the words, classes and weights of the previous one, and
            adds new words and classes. Settings of text and model must then stay the same.
        verbose: whether to show progress.

    Attributes:
        classes_: ``(C,)``, the sorted classes, in the order of the columns of :meth:`predict_proba`. Multi-label: the
            columns of ``y``.
        predictor_: the trained :class:`textcnn.Predictor`; its ``save`` writes the model folder. Its labels are the
            classes as strings.
    """

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
    binary_sigmoid: bool = False
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
    label_smoothing: float = 0.1
    word_dropout: float = 0.1
    rare_dropout: float = 0.25
    class_weight: str | Mapping[Any, float] | None = None
    focal_gamma: float = 0.0
    teacher_weight: float | None = None
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TextCNNClassifier:
        """Train on the texts ``X (N,)`` and their classes.

        Args:
            X: the strings.
            y: the classes ``(N,)``, or indicators or probabilities ``(N, C)``; see the class.
            sample_weight: ``(N,)``, the weight of each row in the loss, 0 or more; rows of weight 0 are omitted.

        Raises:
            ValueError: ``X``, ``y`` or the weights are invalid, or there are fewer than two classes.
            ConfigError: settings are out of range, or, on a warm start, differ from the model's; all are listed.
        """
        texts = self._texts(X, reset=True)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        check_consistent_length(texts, y)
        weights = read_weights(sample_weight, len(texts))
        soft: SoftLabels | None = None
        labels: Sequence[Any] = ()
        if are_probabilities(y):
            classes, soft, multi_label = read_probabilities(y)
        elif multi_label := is_multi_label(y):
            classes, labels = read_indicators(y)
        else:
            classes, labels = read_classes(y, weights)
        start = self.predictor_.artifact if self.warm_start and hasattr(self, "predictor_") else None
        if start is not None and not multi_label:
            classes = np.union1d(self.classes_, classes)
        settings = {**self._settings(classes), "multi_label": multi_label}
        if soft is None:  # names are not parsed again: classes may be 1 and "1.0"
            names = [(row,) if isinstance(row, str) else tuple(row) for row in labels]
        else:
            names = [soft.most_probable(row, multi_label=multi_label) for row in range(len(texts))]
        examples = Examples(texts, names, multi_label, name="<X, y>", weights=weights, soft=soft)
        if weights is not None:
            examples = examples.subset(weights > 0)
        reporter = TerminalReporter() if self.verbose else Telling()
        reporter.say(examples.describe())
        run = train_text(examples, settings, reporter, start_from=start)
        if run.stopped == "interrupted":
            raise KeyboardInterrupt
        self.classes_: Array = classes
        self.predictor_: Predictor = run.predictor
        self._runtime = self._fastest()
        return self

    def predict(self, X: Any) -> Array:
        """Return the class of each text ``(N,)``, or, multi-label, indicators ``(N, C)`` of 0 and 1."""
        answers, columns = self._answer(X)
        if not self._runtime.labels.multi_label:
            found: Array = self.classes_[answers.probabilities[:, columns].argmax(1)]
            return found
        names = [str(name) for name in self.classes_]
        return np.array([[name in given for name in names] for given in answers.labels], np.int64).reshape(
            -1, len(names)
        )

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the probabilities ``(N, C)``; rows sum to 1, or, multi-label, entries are independent."""
        answers, columns = self._answer(X)
        return arranged(answers.probabilities, columns, absent=0.0)

    def none_of_these(self, X: Any, *, kept: float = 0.95) -> npt.NDArray[np.bool_]:
        """Return which texts ``(N,)`` are of none of the classes (:meth:`textcnn.Predictor.none_of_these`)."""
        check_is_fitted(self)
        return self.predictor_.none_of_these(self._texts(X, reset=False), kept=kept)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the logits ``(N, C)`` over the temperature; for two classes, the difference ``(N,)`` of the two."""
        check_is_fitted(self)
        runtime, texts = self._runtime, self._texts(X, reset=False)
        logits = runtime.measure(texts, runtime.own_thresholds).logits.astype(np.float64) / runtime.temperature
        found = arranged(logits.reshape(-1, len(runtime.labels)), self._places(), absent=_NEVER)
        return found[:, 1] - found[:, 0] if len(self.classes_) == 2 and not runtime.labels.multi_label else found

    def _answer(self, X: Any) -> tuple[Any, list[int]]:
        check_is_fitted(self)
        return self._runtime.answer(self._texts(X, reset=False)), self._places()

    def _places(self) -> list[int]:
        """Return the index of each class among the model's labels; -1 for a class without a training row."""
        place = {name: i for i, name in enumerate(self._runtime.labels.names)}
        return [place.get(str(name), -1) for name in self.classes_]

    def _settings(self, classes: Array) -> dict[str, Any]:
        """Return the settings that differ from the defaults; preset, architecture or starting model set the others."""
        given = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(TextCNNClassifier)
            if field.name not in _OWN and _differs(getattr(self, field.name), field.default)
        }
        if isinstance(weights := given.get("class_weight"), Mapping):
            named = {str(name): float(weight) for name, weight in weights.items()}
            given["class_weight"] = {str(name): named.get(str(name), 1.0) for name in classes}
        return {name: value.tolist() if isinstance(value, np.generic) else value for name, value in given.items()}

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

    def _fastest(self) -> Answering:
        return self.predictor_.lookup() or self.predictor_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, True, False
        tags.classifier_tags.multi_label = True
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
