"""Classifies texts by look-up: a one-layer text model needs only gather, add and maximum, and no torch.

The score of a filter is a sum over words, so the products of a word with every filter tap are computed when the word
first occurs, and cached; the score of a window is then a sum of cached rows. A text's answer is bit-identical in any
batch and order, on any number of threads, in numpy and in the core; with ``precision="int8"`` logits are integers,
identical on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.threads import num_threads
from textcnn.core.units import UNIT
from textcnn.errors import ArtifactError, ConfigError
from textcnn.labels import Labels
from textcnn.runtime.batch import Gathered, Gatherer
from textcnn.runtime.cache import CACHE_BYTES, RowCache, Rows
from textcnn.runtime.folder_model import FolderModel
from textcnn.runtime.one_layer import OneLayer, read_lookup_folder, refusal
from textcnn.runtime.scores import Closing, ManyTexts, Results, filters_of
from textcnn.runtime.single_text import OneText
from textcnn.runtime.text_model import Booleans, Measured
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline

Array = npt.NDArray[Any]

PRECISIONS = ("float32", "int8")
# Two logits that differ by less than this times the temperature may round to the same probability, and then the first
# label wins: the shortcut by logits alone must not decide such a text.
_MARGIN = 1e-6


class LookupModel(FolderModel):
    """A one-layer text model that classifies by look-up; make one with ``load``."""

    def __init__(
        self,
        model: OneLayer,
        pipeline: TextPipeline,
        saved: dict[str, Any],
        *,
        precision: str = "float32",
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.precision, self.threads = precision, num_threads(threads)
        self._settings: dict[str, Any] = {"precision": precision, "threads": threads, "cache_bytes": cache_bytes}
        self._model, self._pipeline, self._saved = model, pipeline, saved
        self._labels = Labels.of(saved)
        self.filters = filters_of(model, precision, saved.get("scales"), len(pipeline.tokenizer))
        num_types, longest = len(pipeline.tokenizer), pipeline.max_length
        self._gatherer = Gatherer(model, self.filters, num_types, longest, cache_bytes)
        self._closing = Closing(model, self.filters, temperature=self.temperature, multi_label=self._labels.multi_label)
        self._many = ManyTexts(self._gatherer, self._closing, self.threads)
        self._one: OneText | None = None
        self._least_margin = _MARGIN * self.temperature

    def __reduce__(self) -> Any:
        """Pickle the weights and settings alone; caches are built again in the process that unpickles them."""
        return partial(LookupModel, **self._settings), (self._model, self._pipeline, self._saved)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        precision: str = "float32",
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        saved: dict[str, Any] | None = None,
    ) -> LookupModel:
        """Load a model from its folder.

        Args:
            folder: a model folder written by ``train``.
            precision: ``float32``, or ``int8``: smaller and faster rows, integer logits, and answers that say whether
                they are certified to have float32's labels.
            threads: the number of threads for batches; none: :func:`textcnn.core.threads.num_threads`.
            cache_bytes: the memory limit of the cached rows; a text that needs more exceeds it.
            saved: the contents of config.json, if the caller has read it.

        Raises:
            ArtifactError: there is no such folder, it is damaged, or its model has more than one layer.
            ConfigError: the precision is unknown, or the model does not allow it.
        """
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        found = read_lookup_folder(Path(folder), saved)
        if reason := refusal(found.saved):
            raise ArtifactError(f"{folder}: this model has no look-up runtime: {reason}")
        return cls(*found, precision=precision, threads=threads, cache_bytes=cache_bytes)

    @property
    def model(self) -> OneLayer:
        """The weights of the model."""
        return self._model

    @property
    def cache(self) -> RowCache:
        """The cache of the rows of types."""
        return self._gatherer.cache

    def rows(self, types: Array, unseen: Unseen | None = None) -> tuple[Rows, npt.NDArray[np.int64]]:
        """Return rows that include those of ``types (N,)``, in any order, and the row number ``(N,)`` of each type."""
        return self._gatherer.rows(types, unseen or Unseen())

    def windows(self, types: Array, unseen: Unseen | None = None) -> list[Array]:
        """Return the sums of all windows of one text, ``(T + h - 1, F)`` for each width h, without the bias.

        The first and last windows reach over the ends of the text. The maximum of a column is the filter's max-pooled
        sum.
        """
        return self._gatherer.windows(types, unseen or Unseen())

    @property
    def num_rows_made(self) -> int:
        """The number of rows computed so far, for words that were new or had been evicted from the cache."""
        return self._gatherer.cache.num_made

    def logits(self, encoded: EncodedTexts) -> npt.NDArray[np.float64]:
        """Return the logits ``(N, C)``, bit-identical whatever the batch."""
        return self._closing.doubles(self._answer(encoded).logits)

    def branches(self, encoded: EncodedTexts) -> list[npt.NDArray[np.floating]]:
        """Return the calibrated logits ``(N, C)`` of the n-gram branch, after those of all else.

        Their sum is the logit over the temperature.
        """
        kind = np.int64 if self.precision == "int8" else np.float64
        shape, has_ngrams = (len(encoded), self._model.num_labels), self._model.table is not None
        ngrams = np.zeros(shape, np.int64) if has_ngrams else None
        results = self._many.fill(Results(np.zeros(shape, kind), np.zeros(len(encoded), np.bool_), ngrams), encoded)
        logits = self._closing.doubles(results.logits) / self.temperature
        if results.ngrams is None:
            return [logits]
        part = results.ngrams * (UNIT / self.temperature)
        return [logits - part, part]

    def whole_logits(self, encoded: EncodedTexts) -> npt.NDArray[np.int64]:
        """Return the logits ``(N, C)`` as integers in units of ``UNIT`` (int8 only), identical on every machine.

        Raises:
            ConfigError: the precision is float32.
        """
        if self.precision != "int8":
            raise ConfigError(f"whole logits need precision 'int8', this model was loaded with {self.precision!r}")
        return self._answer(encoded).logits

    def certify(
        self, encoded: EncodedTexts, thresholds: Sequence[float]
    ) -> tuple[npt.NDArray[np.float64], Booleans | None]:
        """Return the logits ``(N, C)`` and, with int8, which rows ``(N,)`` provably have float32's labels."""
        if self.precision == "float32":
            return self.logits(encoded), None
        found = self._answer(encoded, self._closing.limits(thresholds), certify=not self._labels.targets)
        return self._closing.doubles(found.logits), None if self._labels.targets else found.certified

    def measure(self, texts: Sequence[str], thresholds: Sequence[float]) -> Measured:
        """Return the logits of texts; a single text of known words takes a faster path to the same bits."""
        one = self.one_text() if len(texts) == 1 else None
        found = None if one is None else one(texts[0])
        if one is None or found is None:
            encoded = self.inputs.encode(texts)
            measured = self.measure_encoded(encoded, thresholds)
            if one is not None:
                one.learn(encoded.unseen)  # so that the next text with these words can take the fast path
            return measured
        longest = self._pipeline.max_length
        empty, cut = np.array([found.num_tokens == 0]), np.array([longest is not None and found.num_tokens > longest])
        logits, certified = found.logits, None
        if found.best is not None:
            clipped = np.array([found.clipped])
            logits, certified = self.close_certified(found.best, found.rest, empty, clipped, thresholds)
        assert logits is not None
        return Measured(logits, empty, cut, found.num_tokens, found.num_unknown, certified)

    def label_of(self, text: str) -> str | None:
        """Return the label of a text by the fast path; none if a word is new or the two best labels are too close."""
        if self._labels.multi_label or self._labels.targets or (one := self.one_text()) is None:
            return None
        number = one.label(text, self._least_margin)
        return None if number is None else self._labels.names[number]

    def one_text(self) -> OneText | None:
        """Return the fast path for single texts, built on first use; none if the tokenizer allows no cache of ids."""
        if self._one is None and (memory := self._pipeline.chunk_memory) is not None:
            self._one = OneText(self._model, self.filters, self._pipeline, memory, self._gatherer.cache)
        return self._one

    def close(self, best: Array, rest: npt.NDArray[np.int64], empty: Booleans) -> Array:
        """Return logits ``(B, C)`` from max-pooled sums ``(B, G, F)`` and the integer logits of all other parts.

        They are float64, or with int8 integers in units of ``UNIT``.
        """
        return self._closing.logits(best, rest, empty, threads=1)

    def close_certified(
        self,
        best: Array,
        rest: npt.NDArray[np.int64],
        empty: Booleans,
        clipped: Booleans,
        thresholds: Sequence[float],
    ) -> tuple[npt.NDArray[np.float64], Booleans | None]:
        """Return the logits of :meth:`close` as float64 and, with int8, which rows provably have float32's labels."""
        logits, limits = self.close(best, rest, empty), self._closing.limits(thresholds)
        if self._labels.targets:  # a number has no label that int8 could change
            return self._closing.doubles(logits), None
        return self._closing.doubles(logits), self._closing.certified(best, logits, empty, clipped, limits)

    def _answer(self, encoded: EncodedTexts, limits: Any = None, *, certify: bool = False) -> Results:
        kind = np.int64 if self.precision == "int8" else np.float64
        results = Results(np.zeros((len(encoded), self._model.num_labels), kind), np.zeros(len(encoded), np.bool_))
        return self._many.fill(results, encoded, limits, certify=certify)

    def rest(self, call: Gathered) -> npt.NDArray[np.int64]:
        """Return the integer logits ``(B, C)`` of the mean, the wide branch and the bias, once ``collect`` has run."""
        return self._closing.rest(call)

    def gathered(self, encoded: EncodedTexts, texts: slice) -> tuple[Gathered, Rows]:
        """Return the kernel inputs of a slice of texts, and the cached rows that they point into."""
        return self._gatherer.gather(encoded, texts)
