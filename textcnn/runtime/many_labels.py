"""Answers by models of very many labels: the features of a text by look-up, then one dense head and sparse weights.

A look-up model keeps what each word adds to each label; with thousands of labels that is more than the features of a
text times the head. So words add up to the mean of their vectors here, and labels are looked at once a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.lookup_numpy import activate
from textcnn.core.many_labels_numpy import Floats, Head
from textcnn.core.units import UNIT
from textcnn.evaluation.calibration import probabilities
from textcnn.labels import Labels
from textcnn.runtime.batch import Gatherer, features_of
from textcnn.runtime.cache import CACHE_BYTES
from textcnn.runtime.filters import FloatFilters
from textcnn.runtime.folder_model import FolderModel
from textcnn.runtime.one_layer import OneLayer, read_lookup_folder
from textcnn.runtime.text_model import Answers, Measured
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline

NO_NETWORK = (
    "this model has a sparse n-gram branch, for very many labels: it is for classify, evaluate and predict; for "
    "explanations, exports and further training, train it with wide=false, or with fewer labels"
)
BLOCK_LOGITS = 4_000_000  # at once; a text is never parted


class ManyAnswers(Answers):
    """Answers whose probabilities ``(N, C)`` are computed only if they are asked for; :meth:`best` needs none.

    Args:
        found: the logits.
        labels: their labels.
        temperature: what logits are divided by.
        threads: at most.
    """

    def __init__(self, found: Measured, labels: Labels, temperature: float, threads: int | None) -> None:
        facts = {name: getattr(found, name) for name in ("empty", "cut", "num_tokens", "num_unknown", "certified")}
        nothing = {"explanations": None, "strange": None}
        vars(self).update(facts | nothing, _found=found, _labels=labels, _temperature=temperature, _threads=threads)
        vars(self)["labels"] = [(labels.names[best],) for best in self.best(1)[0][:, 0].tolist()]

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """The probabilities ``(N, C)`` of all labels."""
        return probabilities(vars(self)["_found"].logits, vars(self)["_labels"], vars(self)["_temperature"])

    def marked(self, **more: Any) -> Answers:
        """Return the answers with ``strange`` or ``explanations``, without computing probabilities."""
        found = copy(self)
        vars(found).update(more)
        return found

    def best(self, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the most probable labels ``(N, count)`` and their probabilities, without a sort of all."""
        logits, own = vars(self)["_found"].logits, vars(self)
        if not len(logits):
            return np.zeros((0, count), np.int64), np.zeros((0, count))
        kernel, size = core.twin("many_labels").best_labels, (len(own["_labels"]), own["_temperature"], count)
        places, values = kernel(np.ascontiguousarray(logits), *size, threads=own["_threads"])
        return places.astype(np.int64), values


class ManyLabelModel(FolderModel):
    """A one-layer model with a sparse n-gram branch, for prediction without torch; its logits are float32.

    The answer to a text is bit-identical whatever the batch and the number of threads.

    Args:
        model: the weights, with a sparse table.
        pipeline: the pipeline from strings to token ids.
        saved: the contents of config.json.
        threads: at most; none: all cores.
        cache_bytes: the memory limit of the cached rows of words.
    """

    precision = "float32"

    def __init__(
        self,
        model: OneLayer,
        pipeline: TextPipeline,
        saved: dict[str, Any],
        *,
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        assert model.sparse is not None
        self._sparse, self._scale, self._pipeline, self._saved = model.sparse, model.scale, pipeline, saved
        self._threads, self._labels, self._own = threads, Labels.of(saved), model.filters
        core.twin("many_labels").check_sparse(self._sparse)
        means = np.zeros((len(self._labels), 0), np.float32) if model.means is None else model.means
        self._head = Head(np.concatenate([model.filters.head.T, means], axis=1), model.bias * UNIT)
        # What a word adds to "label" d of the sums is the number d of its vector.
        each = None if model.means is None else np.eye(means.shape[1], dtype=np.float32)
        sums = replace(model, means=each, bias=np.zeros(means.shape[1], np.int64), sparse=None)
        size = len(pipeline.tokenizer), pipeline.max_length, cache_bytes
        self._gatherer = Gatherer(sums, FloatFilters(model.filters), *size)

    @classmethod
    def load(cls, folder: str | Path, *, saved: dict[str, Any] | None = None, **how: Any) -> ManyLabelModel:
        """Load a model from its folder.

        Args:
            folder: the model folder.
            saved: the contents of its config.json, if the caller has read it.
            how: ``threads`` and ``cache_bytes``, as for the class.

        Raises:
            ArtifactError: there is no such folder, or it is damaged.
        """
        return cls(*read_lookup_folder(Path(folder), saved), **how)

    def logits(self, encoded: EncodedTexts) -> npt.NDArray[np.float32]:
        """Return the logits ``(N, C)``."""
        blocks = [
            self._with_words(encoded, texts, self._network(encoded, texts), self._scale)
            for texts in self._blocks(encoded)
        ]
        return self._joined(blocks)

    def branches(self, encoded: EncodedTexts) -> list[npt.NDArray[np.floating]]:
        """Return the calibrated logits ``(N, C)`` of the network, and of the n-gram branch."""
        network = self._joined([self._network(encoded, texts) for texts in self._blocks(encoded)])
        weights = np.float32(1 / self.temperature), np.float32(self._scale / self.temperature)
        return [weights[0] * network, weights[1] * self.word_logits(encoded)]

    def word_logits(self, encoded: EncodedTexts) -> Floats:
        """Return the logits ``(N, C)`` of the n-gram branch, without its factor."""
        shapes = [(texts, (texts.stop - texts.start, self._head.width)) for texts in self._blocks(encoded)]
        blocks = [self._with_words(encoded, texts, np.zeros(shape, np.float32), 1.0) for texts, shape in shapes]
        return self._joined(blocks)

    def decided(self, found: Measured, thresholds: Sequence[float]) -> Answers:
        """Return the answers that the logits ``found`` lead to."""
        return ManyAnswers(found, self.labels, self.temperature, self._threads)

    def _blocks(self, encoded: EncodedTexts) -> Iterator[slice]:
        size = max(BLOCK_LOGITS // self._head.width, 1)
        return (slice(start, min(start + size, len(encoded))) for start in range(0, len(encoded), size))

    def _joined(self, blocks: list[Floats]) -> Floats:
        """Return the blocks as one array, without the padding of the labels."""
        found = (
            blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros((0, self._head.width), np.float32), *blocks])
        )
        return found[:, : len(self._labels)]

    def _network(self, encoded: EncodedTexts, texts: slice) -> Floats:
        """Return the logits ``(B, width)`` of the network for a slice of the texts."""
        call, _ = self._gatherer.gather(replace(encoded, wide=None), texts)
        core.twin("lookup").collect(*call, threads=self._threads)
        lengths = np.diff(call.offsets)[:, None]
        maxima = call.best[:, :, : self._own.num_filters].reshape(len(lengths), len(self._own.bias))
        scores = activate(maxima + self._own.bias, self._own.activation)
        means = call.mean_sums * UNIT / np.maximum(lengths, 1)
        features = np.concatenate([np.where(lengths > 0, scores, 0), means], axis=1).astype(np.float32)
        found: Floats = core.twin("many_labels").head_logits(self._head, features, threads=self._threads)
        return found

    def _with_words(self, encoded: EncodedTexts, texts: slice, logits: Floats, scale: float) -> Floats:
        """Add the n-gram branch to the logits ``(B, width)`` of a slice of the texts, and return them."""
        rows, weights, offsets = features_of(encoded.wide, texts)
        core.twin("many_labels").add_sparse(self._sparse, scale, rows, weights, offsets, logits, threads=self._threads)
        return logits
