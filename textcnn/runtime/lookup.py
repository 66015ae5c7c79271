"""Classification by look-up: a saved one-layer text model answers with gather, add and maximum, and without torch.

The score of a filter is a sum over words, so the products of a word with every tap are made when a text first holds
it, and kept; then a window is a sum of rows. A text's answer is the same to the bit in any batch and order, on any
number of threads, in numpy and the core; with ``precision="int8"`` logits are whole numbers, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.threads import num_threads
from textcnn.errors import ConfigError
from textcnn.labels import MULTI_LABEL, Labels
from textcnn.reading.schema import Schema, schema_of
from textcnn.runtime.batch import Gathered, Gatherer
from textcnn.runtime.cache import CACHE_BYTES, RowCache, Rows
from textcnn.runtime.one_layer import OneLayer, read_lookup_folder
from textcnn.runtime.scores import Closing, ManyTexts, Results, filters_of
from textcnn.runtime.single_text import OneText
from textcnn.runtime.text_model import Answering, Booleans, Measured
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline

Array = npt.NDArray[Any]

PRECISIONS = ("float32", "int8")
_MARGIN = 1e-6  # logits that differ by less, over the temperature, may have one probability, which the first label wins


class LookupModel(Answering):
    """A one-layer text model that answers by look-up; ``load`` makes one."""

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
        self._labels = Labels(tuple(saved["labels"]), saved["problem_type"] == MULTI_LABEL)
        self.filters = filters_of(model, precision, saved.get("scales"), len(pipeline.tokenizer))
        num_types, longest = len(pipeline.tokenizer), pipeline.max_length
        self._gatherer = Gatherer(model, self.filters, num_types, longest, cache_bytes)
        self._closing = Closing(model, self.filters, temperature=self.temperature, multi_label=self._labels.multi_label)
        self._many = ManyTexts(self._gatherer, self._closing, self.threads)
        self._one: OneText | None = None
        self._least_margin = _MARGIN * self.temperature

    def __reduce__(self) -> Any:
        """Weights and settings go along to other processes; what has been made of them is made again there."""
        return partial(LookupModel, **self._settings), (self._model, self._pipeline, self._saved)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        precision: str = "float32",
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> LookupModel:
        """Read a model folder.

        Args:
            folder: as ``train`` wrote it.
            precision: ``float32``, or ``int8``: smaller and faster rows, integer logits, and answers that say whether
                they are certified to have float32's labels.
            threads: for many texts; none: :func:`textcnn.core.threads.num_threads`.
            cache_bytes: memory for the rows of types, at most; a longer text takes what it needs.

        Raises:
            ArtifactError: there is no such folder, it is damaged, or its model is not of one layer.
            ConfigError: a precision that there is not, or that the model does not allow.
        """
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        found = read_lookup_folder(Path(folder))
        return cls(*found, precision=precision, threads=threads, cache_bytes=cache_bytes)

    @property
    def labels(self) -> Labels:
        """The labels, in the order of the columns of :meth:`predict_proba`."""
        return self._labels

    @cached_property
    def schema(self) -> Schema:
        """What other tables are to be read like: the columns of training and how its labels were written."""
        return schema_of(self._saved)

    @property
    def temperature(self) -> float:
        """Logits are divided by it."""
        return float(self._saved["temperature"])

    @property
    def own_thresholds(self) -> list[float]:
        """From which probability each label is given (multi-label)."""
        return list(self._saved["thresholds"])

    @property
    def inputs(self) -> TextPipeline:
        """From strings to ids."""
        return self._pipeline

    @property
    def model(self) -> OneLayer:
        """The weights."""
        return self._model

    @property
    def cache(self) -> RowCache:
        """The rows of types that are kept."""
        return self._gatherer.cache

    def rows(self, types: Array, unseen: Unseen | None = None) -> tuple[Rows, npt.NDArray[np.int64]]:
        """Rows that hold all ``types (N,)``, in any order, and the number of the row of each."""
        return self._gatherer.rows(types, unseen or Unseen())

    def windows(self, types: Array, unseen: Unseen | None = None) -> list[Array]:
        """Sums of all windows of one text, ``(T + h - 1, F)`` for each width h, without bias; the first begins outside.

        The largest of a column is what the filter's feature is made of.
        """
        return self._gatherer.windows(types, unseen or Unseen())

    @property
    def num_rows_made(self) -> int:
        """Rows of products made so far, for words that were new or that the cache had given up."""
        return self._gatherer.cache.num_made

    def logits(self, encoded: EncodedTexts) -> npt.NDArray[np.float64]:
        """Logits ``(N, C)``, whatever the batch."""
        return self._closing.doubles(self._answer(encoded).logits)

    def whole_logits(self, encoded: EncodedTexts) -> npt.NDArray[np.int64]:
        """Logits ``(N, C)`` in whole numbers of ``UNIT`` (int8 only): the same on every machine.

        Raises:
            ConfigError: the precision is float32.
        """
        if self.precision != "int8":
            raise ConfigError(f"whole logits need precision 'int8', this model was loaded with {self.precision!r}")
        return self._answer(encoded).logits

    def certify(
        self, encoded: EncodedTexts, thresholds: Sequence[float]
    ) -> tuple[npt.NDArray[np.float64], Booleans | None]:
        """Logits ``(N, C)``, and, with int8, which rows provably have float32's labels."""
        if self.precision == "float32":
            return self.logits(encoded), None
        found = self._answer(encoded, self._closing.limits(thresholds), certify=True)
        return self._closing.doubles(found.logits), found.certified

    def measure(self, texts: Sequence[str], thresholds: Sequence[float]) -> Measured:
        """Logits of texts; a single one whose words have been met takes a shorter way to the same bits."""
        one = self.one_text() if len(texts) == 1 else None
        found = None if one is None else one(texts[0])
        if one is None or found is None:
            encoded = self.inputs.encode(texts)
            measured = self.measure_encoded(encoded, thresholds)
            if one is not None:
                one.learn(encoded.unseen)
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
        """The label of a text whose words have been met; none as well where two labels are too near to each other."""
        if self._labels.multi_label or (one := self._one or self.one_text()) is None:
            return None
        number = one.label(text, self._least_margin)
        return None if number is None else self._labels.names[number]

    def one_text(self) -> OneText | None:
        """The shorter way for a single text, where the core and the tokenizer allow it."""
        library = core.library()
        if library is None or self._one is not None:
            return None if library is None else self._one
        memory = self._pipeline.compiled_memory()
        if memory is not None:
            cache = self._gatherer.cache
            self._one = OneText(library, self._model, self.filters, self._pipeline, memory, cache)
        return self._one

    def close(self, best: Array, rest: npt.NDArray[np.int64], empty: Booleans) -> Array:
        """Logits ``(B, C)``, float64 or whole, from largest sums ``(B, G, F)`` and the other parts' whole logits."""
        return self._closing.logits(best, rest, empty, threads=1)

    def close_certified(
        self,
        best: Array,
        rest: npt.NDArray[np.int64],
        empty: Booleans,
        clipped: Booleans,
        thresholds: Sequence[float],
    ) -> tuple[npt.NDArray[np.float64], Booleans | None]:
        """As :meth:`close`, logits as float64, and, with int8, which rows provably have float32's labels."""
        logits, limits = self.close(best, rest, empty), self._closing.limits(thresholds)
        return self._closing.doubles(logits), self._closing.certified(best, logits, empty, clipped, limits)

    def _answer(self, encoded: EncodedTexts, limits: Any = None, *, certify: bool = False) -> Results:
        kind = np.int64 if self.precision == "int8" else np.float64
        results = Results(np.zeros((len(encoded), self._model.num_labels), kind), np.zeros(len(encoded), np.bool_))
        return self._many.fill(results, encoded, limits, certify=certify)

    def rest(self, call: Gathered) -> npt.NDArray[np.int64]:
        """Whole logits ``(B, C)`` of the mean, the wide branch and the bias, once their sums are there."""
        return self._closing.rest(call)

    def gathered(self, encoded: EncodedTexts, texts: slice) -> tuple[Gathered, Rows]:
        """Everything that the kernels need of some neighbouring texts, and the rows of their types."""
        return self._gatherer.gather(encoded, texts)
