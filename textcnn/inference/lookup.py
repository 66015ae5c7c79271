"""Classification by look-up: a saved one-layer text model answers with gather, add and maximum, and without torch.

The score of a filter is a sum over words, so the products of a word with every tap are made when a text first holds
it, and kept; then a window is a sum of rows. A text's answer is the same to the bit in any batch and order, on any
number of threads, in numpy and numba; with ``precision="int8"`` logits are whole numbers, the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import ModelConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.inference import threads as pool
from textcnn.inference.answering import Answering, Booleans, Measured
from textcnn.inference.earlier import weights_of_today
from textcnn.inference.filters import FloatFilters
from textcnn.inference.folder import TOKENIZER, WEIGHTS
from textcnn.inference.gathering import Gathered, cut_texts, features_of
from textcnn.inference.manifest import read_config
from textcnn.inference.mapped import mapped_tensors
from textcnn.inference.one_layer import OneLayer, one_layer, refusal
from textcnn.inference.one_text import OneText
from textcnn.inference.quantized import UNIT, IntegerFilters, certified_labels
from textcnn.inference.type_rows import CACHE_BYTES, RowCache, Rows
from textcnn.kernels import lookup_numpy
from textcnn.labels import MULTI_LABEL, Labels
from textcnn.text.lexicon import Unseen, build_lexicon
from textcnn.text.pipeline import EncodedTexts, TextPipeline
from textcnn.text.tokenizer import Tokenizer

Array = npt.NDArray[Any]

PRECISIONS = ("float32", "int8")
CHUNK = 128  # texts of one task; a text is summed by one thread, so the cut decides nothing
FEW = 200  # texts up to which numpy is faster than importing numba
_SHIFT = 12  # from units of the wide branch, 2**-48, to UNIT


@dataclass
class _Results:
    """What chunks fill: logits ``(N, C)``, float64 or in whole units, and which texts are certified."""

    logits: Array
    certified: Booleans


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
        kernels: str = "auto",
    ) -> None:
        self.precision, self.threads = precision, threads or pool.num_cores()
        self._model, self._pipeline, self._saved, self._choice = model, pipeline, saved, kernels
        self._labels = Labels(tuple(saved["labels"]), saved["problem_type"] == MULTI_LABEL)
        self._product = model.product()
        nothing = np.zeros((0, model.num_labels), np.float32)
        self._table = nothing if model.table is None else model.table
        self.filters = self._filters()
        taps, lanes = model.filters.shape
        row_bytes = taps * lanes * np.dtype(self.filters.row_type).itemsize + 8 * model.num_labels + 1
        self._one: OneText | None = None
        self.cache = RowCache(self._make_rows, len(pipeline.tokenizer), max(cache_bytes // row_bytes, 2))

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        precision: str = "float32",
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        kernels: str = "auto",
    ) -> LookupModel:
        """Read a model folder.

        Args:
            folder: as ``train`` wrote it.
            precision: ``float32``, or ``int8``: smaller and faster rows, integer logits, and answers that say whether
                they are certified to have float32's labels.
            threads: for many texts; none: all cores.
            cache_bytes: memory for the rows of types, at most; a longer text takes what it needs.
            kernels: ``numpy``, ``numba``, or ``auto``: numba for more than :data:`FEW` texts, or where it is loaded.

        Raises:
            ArtifactError: there is no such folder, it is damaged, or its model is not of one layer.
            ConfigError: a precision that there is not, or that the model does not allow.
        """
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if kernels not in ("auto", "numpy", "numba"):
            raise ConfigError(f"kernels must be auto, numpy or numba, got {kernels!r}")
        folder = Path(folder)
        saved = read_config(folder)
        if reason := refusal(saved):
            raise ArtifactError(f"{folder}: this model has no look-up runtime: {reason}; use the torch runtime")
        tokenizer = Tokenizer.load(folder / TOKENIZER)
        config = ModelConfig(**{name: saved[name] for name in ModelConfig.__dataclass_fields__})
        lexicon = build_lexicon(tokenizer, config)
        tensors = weights_of_today(mapped_tensors(folder / WEIGHTS), saved, folder / WEIGHTS)
        model = one_layer(tensors, saved, len(tokenizer), lexicon, folder)
        pipeline = TextPipeline(tokenizer, saved["max_length"], lexicon, model.features, tuple(saved["blinded"]))
        return cls(
            model, pipeline, saved, precision=precision, threads=threads, cache_bytes=cache_bytes, kernels=kernels
        )

    @property
    def labels(self) -> Labels:
        """The labels, in the order of the columns of :meth:`predict_proba`."""
        return self._labels

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

    def rows(self, types: Array, unseen: Unseen | None = None) -> tuple[Rows, npt.NDArray[np.int64]]:
        """Rows that hold all ``types (N,)``, in any order, and the number of the row of each."""
        return self.cache.find(types, unseen or Unseen())

    def windows(self, types: Array, unseen: Unseen | None = None) -> list[Array]:
        """Sums of all windows of one text, ``(T + h - 1, F)`` for each width h, without bias; the first begins outside.

        The largest of a column is what the filter's feature is made of.
        """
        found, sums, tap = self.rows(types, unseen), [], 0
        for size in self._model.filters.sizes.tolist():
            outside = np.zeros(size - 1, np.int64)
            padded, count = np.concatenate([outside, found[1], outside]), len(types) + size - 1
            total = np.zeros((count, self._model.filters.num_filters), self.filters.sum_type)
            for i in range(size):
                total += found[0].products[padded[i : i + count], tap + i, : total.shape[1]]
            sums.append(total)
            tap += size
        return sums

    def logits(self, encoded: EncodedTexts) -> npt.NDArray[np.float64]:
        """Logits ``(N, C)``, whatever the batch."""
        return self._doubles(self._answer(encoded).logits)

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
        found = self._answer(encoded, self._limits(thresholds), certify=True)
        return self._doubles(found.logits), found.certified

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
        rest, certified = found.rest + self._model.bias, None
        if self.precision == "float32" and self._model.filters.activation == "relu":
            logits = one.relu_logits(found.best, rest, is_empty=found.num_tokens == 0)
        else:
            logits = self.close(found.best, rest, empty, self.kernels_for(1))
        if self.precision == "int8":
            clipped = np.array([found.clipped])
            certified = self._certified(found.best, logits, empty, clipped, self._limits(thresholds))
        return Measured(self._doubles(logits), empty, cut, found.num_tokens, found.num_unknown, certified)

    def one_text(self) -> OneText | None:
        """The shorter way for a single text, where compiled code is there for it."""
        if self._one is None and self.kernels_for(1) is not lookup_numpy:
            memory = self._pipeline.compiled_memory()
            if memory is not None:
                self._one = OneText(self._model, self._pipeline, memory, self.cache, self.filters.sum_type)
        return self._one

    def close(self, best: Array, rest: npt.NDArray[np.int64], empty: Booleans, kernels: ModuleType) -> Array:
        """Logits ``(B, C)``, float64 or whole, from largest sums ``(B, G, F)`` and the other parts' whole logits."""
        if isinstance(self.filters, IntegerFilters):
            return self.filters.logits(best, empty) + rest
        logits = np.zeros(rest.shape)
        kernels.head(self.filters.features(best, empty), self._model.filters.head, logits)
        return np.asarray(logits + rest * UNIT)

    def close_certified(
        self,
        best: Array,
        rest: npt.NDArray[np.int64],
        empty: Booleans,
        clipped: Booleans,
        thresholds: Sequence[float],
    ) -> tuple[npt.NDArray[np.float64], Booleans | None]:
        """As :meth:`close`, logits as float64, and, with int8, which rows provably have float32's labels."""
        logits = self.close(best, rest, empty, lookup_numpy)
        return self._doubles(logits), self._certified(best, logits, empty, clipped, self._limits(thresholds))

    def _certified(
        self, best: Array, logits: Array, empty: Booleans, clipped: Booleans, limits: Any
    ) -> Booleans | None:
        if not isinstance(self.filters, IntegerFilters):
            return None
        sure = certified_labels(self.filters, best, logits, limits) & ~clipped
        return np.asarray(sure | empty | (best.shape[1] == 0))  # without filters nothing is quantized

    def _filters(self) -> FloatFilters | IntegerFilters:
        weights = self._model.filters
        if self.precision == "float32":
            return FloatFilters(weights)
        steps = self._saved.get("scales")
        if steps is None:  # a folder written before there were scales; the same numbers on every machine
            steps = self._model.steps(len(self._pipeline.tokenizer))
        if len(steps) != len(weights.bias):
            raise ArtifactError(f"config.json: expected scales of {len(weights.bias)} filters, found {len(steps)}")
        return IntegerFilters(weights, steps)

    def _make_rows(self, types: npt.NDArray[np.int64], unseen: Unseen) -> Rows:
        products, taps = self._product(self._model.vectors(types, unseen)), len(self._model.filters.taps)
        rows, clipped = self.filters.rows(products[:, :taps])
        means = np.zeros((len(types), self._model.num_labels), np.int64)
        if self._model.means is not None:
            means[:] = np.rint(products[:, taps:] / UNIT)
        return Rows(rows, means, clipped)

    def _answer(self, encoded: EncodedTexts, limits: Any = None, *, certify: bool = False) -> _Results:
        kind = np.int64 if self.precision == "int8" else np.float64
        results = _Results(np.zeros((len(encoded), self._model.num_labels), kind), np.zeros(len(encoded), np.bool_))
        kernels = self.kernels_for(len(encoded))
        work = partial(self._answer_chunk, encoded, kernels, results, limits, certify)
        starts = range(0, len(encoded), CHUNK)
        threads = 1 if kernels is lookup_numpy else min(self.threads, len(starts))
        if threads > 1:
            pool.run(work, starts, threads)
        else:
            for start in starts:
                work(start)
        return results

    def kernels_for(self, num_texts: int) -> ModuleType:
        """The twin that answers so many texts."""
        name = "textcnn.kernels.lookup_numba"
        if self._choice == "numpy" or (self._choice == "auto" and num_texts <= FEW and name not in sys.modules):
            return lookup_numpy
        from textcnn.kernels import lookup_numba

        return lookup_numba

    def _answer_chunk(
        self, encoded: EncodedTexts, kernels: ModuleType, results: _Results, limits: Any, certify: bool, start: int
    ) -> None:
        texts = slice(start, min(start + CHUNK, len(encoded)))
        call, held = self.gathered(encoded, texts)
        kernels.collect(*call)
        rest, empty = self.rest(call), call.offsets[1:] == call.offsets[:-1]
        results.logits[texts] = logits = self.close(call.best, rest, empty, kernels)
        if certify:
            clipped = _any_of(held.clipped[call.rows], call.offsets)
            results.certified[texts] = self._certified(call.best, logits, empty, clipped, limits)

    def rest(self, call: Gathered) -> npt.NDArray[np.int64]:
        """Whole logits ``(B, C)`` of the mean, the wide branch and the bias, once their sums are there."""
        means = call.mean_sums
        if self._model.means is not None:
            means = means // np.maximum(call.offsets[1:] - call.offsets[:-1], 1)[:, None]
        return np.asarray(means + (call.wide_sums >> _SHIFT) + self._model.bias)

    def gathered(self, encoded: EncodedTexts, texts: slice) -> tuple[Gathered, Rows]:
        """Everything that the kernels need of some neighbouring texts, and the rows of their types."""
        model, tokens = self._model, cut_texts(encoded, texts, self._pipeline.max_length)
        held, numbers = self.rows(tokens.ids, encoded.unseen)
        shape = texts.stop - texts.start, len(model.filters.sizes), held.products.shape[2]
        best = np.empty(shape, self.filters.sum_type)
        mean_sums, wide_sums = np.zeros((2, len(best), model.num_labels), np.int64)
        wide = features_of(encoded.wide, texts)
        products = held.products, held.means, numbers, tokens.offsets, model.filters.sizes
        return Gathered(*products, best, mean_sums, self._table, model.scale, *wide, wide_sums), held

    def _limits(self, thresholds: Sequence[float]) -> npt.NDArray[np.float64] | None:
        """Thresholds of the logits (multi-label); behind 36 a probability is 1 in float64."""
        if not self.labels.multi_label:
            return None
        probs = np.asarray(thresholds, np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(np.log(probs) - np.log1p(-probs), 36) * self.temperature)

    def _doubles(self, logits: Array) -> npt.NDArray[np.float64]:
        return np.asarray(logits * UNIT if self.precision == "int8" else logits)


def _any_of(marks: Booleans, offsets: npt.NDArray[np.int64]) -> Booleans:
    """Whether any token of each text is marked, ``(B,)``."""
    sums = np.concatenate([[0], np.cumsum(marks)])
    return np.asarray(sums[offsets[1:]] > sums[offsets[:-1]])
