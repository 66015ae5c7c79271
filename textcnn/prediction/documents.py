"""Classifies documents that arrive in parts: the states of parts can be merged in any order and across machines."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from textcnn import core
from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.calibration import decide, probabilities
from textcnn.runtime.lookup import LookupModel
from textcnn.runtime.text_model import Answers
from textcnn.tokenization.lexicon import Unseen

Array = npt.NDArray[Any]

_STRETCH = 256  # tokens whose rows are in memory at once


@dataclass(frozen=True, eq=False)
class Piece:
    """The state of a piece of text, of a size that does not depend on the length of the piece.

    Attributes:
        pieces: the reader that made it.
        best: ``(G, F)``, the max-pooled sums over the windows inside the piece; the smallest number if there are none.
        first: rows ``(n, S, F)`` of its first tokens, one fewer than the widest window has, or all if it is shorter.
        last: rows of as many last tokens.
        length: the number of its tokens.
        num_unknown: the number of tokens that are not in the vocabulary.
        clipped: whether a token has a product outside the range of int8.
    """

    pieces: Pieces = field(repr=False)
    best: Array = field(repr=False)
    first: Array = field(repr=False)
    last: Array = field(repr=False)
    length: int = 0
    num_unknown: int = 0
    clipped: bool = False

    def __add__(self, other: Piece) -> Piece:
        """Return the state of this piece followed by another one.

        Raises:
            ConfigError: the other piece belongs to another model.
        """
        if self.pieces.model is not other.pieces.model:
            raise ConfigError("expected two pieces of one model, got pieces of two models; read both with the same one")
        # Windows across the seam see at most `reach` tokens of either piece, which are the rows that were kept.
        reach, joint = self.pieces.reach, np.concatenate([self.last, other.first])
        best = np.maximum(np.maximum(self.best, other.best), self.pieces.inner(joint))
        first = self.first if len(self.first) == reach else np.concatenate([self.first, other.first])[:reach]
        last = other.last if len(other.last) == reach else np.concatenate([self.last, other.last])
        return Piece(
            self.pieces,
            best,
            first,
            last[len(last) - min(len(last), reach) :],
            self.length + other.length,
            self.num_unknown + other.num_unknown,
            self.clipped or other.clipped,
        )

    def push(self, text: str) -> Piece:
        """Return the state of this piece followed by ``text``."""
        return self + self.pieces.read(text)

    def logits(self) -> Array:
        """Return the logits ``(C,)`` of this piece as a whole text: float64, or, with int8, integers in ``UNIT``."""
        model = self.pieces.model
        best, empty = self.pieces.closed(self)[None], np.array([self.length == 0])
        return np.asarray(model.close(best, model.model.bias[None], empty)[0])

    def answer(self, *, threshold: float | None = None) -> Answers:
        """Return the answer to this piece as a whole text, as one row.

        Raises:
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
        """
        model, best = self.pieces.model, self.pieces.closed(self)[None]
        thresholds, empty = model.thresholds(threshold), np.array([self.length == 0])
        logits, certified = model.close_certified(
            best, model.model.bias[None], empty, np.array([self.clipped]), thresholds
        )
        probs = probabilities(logits, model.labels, model.temperature)
        return Answers(
            probs,
            decide(probs, model.labels, thresholds),
            empty,
            np.array([False]),
            num_tokens=self.length,
            num_unknown=self.num_unknown,
            certified=certified,
        )


class Pieces:
    """Reads pieces of texts for a model whose only features are maxima, which can be merged.

    Raises:
        ConfigError: the model has a mean, a wide branch or a length limit, which cannot be merged.
    """

    def __init__(self, model: LookupModel) -> None:
        parts = {
            "no filters": not len(model.model.filters.sizes),
            "a mean of word vectors": model.model.means is not None,
            "a wide branch": model.model.table is not None,
            f"a max_length of {model.inputs.max_length}": model.inputs.max_length is not None,
        }
        if found := [name for name, present in parts.items() if present]:
            raise ConfigError(
                f"pieces of a text can be joined where features are maxima alone, but this model has "
                f"{' and '.join(found)}; train one with --preset pure"
            )
        self.model, self._sizes = model, model.model.filters.sizes
        self.reach = int(self._sizes.max()) - 1

    def empty(self) -> Piece:
        """Return the state of an empty piece, the neutral element of joining."""
        rows = np.zeros((0, *self.model.filters.layout(0).row_shape), self.model.filters.row_type)
        return Piece(self, self.inner(rows), rows, rows)

    def read(self, text: str) -> Piece:
        """Return the state of a piece of text.

        Joined pieces equal the whole text if it was split between two tokens, for example at white space.
        """
        encoded = self.model.inputs.encode([text])
        unknown = self.model.inputs.is_unknown(encoded)
        return self.of_types(encoded.ids, encoded.unseen, unknown=unknown)

    def of_types(self, ids: Array, unseen: Unseen | None = None, *, unknown: Array | None = None) -> Piece:
        """Return the state of a piece of T tokens.

        Args:
            ids: ``(T,)`` type ids; ids from the size of the vocabulary up are words of ``unseen``.
            unseen: the unseen words, from :meth:`textcnn.tokenization.pipeline.TextPipeline.encode`.
            unknown: ``(T,)``, which of the tokens count as unknown words.
        """
        unknown = np.zeros(len(ids), np.bool_) if unknown is None else unknown
        state = self.empty()
        for start in range(0, len(ids), _STRETCH):
            part = slice(start, start + _STRETCH)
            cached, numbers = self.model.rows(ids[part], unseen)
            rows = cached.products[numbers]
            state += Piece(
                self,
                self.inner(rows),
                rows[: self.reach].copy(),
                rows[len(rows) - min(len(rows), self.reach) :].copy(),
                len(rows),
                int(unknown[part].sum()),
                bool(cached.clipped[numbers].any()),
            )
        return state

    def inner(self, rows: Array) -> Array:
        """Return the max-pooled sums ``(G, F)`` over the windows inside a run of tokens ``(T, S, F)``."""
        return self._largest(rows, [(0, len(rows) - size + 1) for size in self._sizes.tolist()])

    def closed(self, piece: Piece) -> Array:
        """Return the max-pooled sums ``(G, F)`` over all windows of a text, also those that reach over its ends.

        An empty text has zeros.
        """
        first, last, reach = piece.first, piece.last, self.reach
        best = np.array(piece.best)
        if piece.length <= reach:  # windows may reach over both ends at once
            rows = np.concatenate([np.zeros_like(first, shape=(1, *first.shape[1:])), first])
            numbers, offsets = np.arange(1, len(rows)), np.array([0, len(first)])
            first_taps = self.model.filters.first_taps
            core.twin("lookup").pool(rows, numbers, offsets, self._sizes, first_taps, best[None], threads=1)
            return best
        outside = np.zeros((reach, *first.shape[1:]), first.dtype)
        over = [(reach + 1 - size, reach) for size in self._sizes.tolist()]
        for rows in (np.concatenate([outside, first]), np.concatenate([last, outside])):
            best = np.maximum(best, self._largest(rows, over))
        return best

    def _largest(self, rows: Array, windows: list[tuple[int, int]]) -> Array:
        """Return the max-pooled sums ``(G, F)`` over the windows that begin at ``low`` to ``high - 1``, per size."""
        kind, taps = self.model.filters.sum_type, self.model.filters.first_taps.tolist()
        least = -np.inf if kind is np.float32 else np.iinfo(np.int16).min
        best: Array = np.full((len(self._sizes), rows.shape[2]), least, kind)
        for g, (size, tap, (low, high)) in enumerate(zip(self._sizes.tolist(), taps, windows, strict=True)):
            if high > low:
                sums: Array = rows[low:high, tap].astype(kind)
                for i in range(1, size):
                    sums += rows[low + i : high + i, tap + i]
                best[g] = sums.max(axis=0)
        return best


@dataclass(frozen=True, eq=False)
class _Run:
    """The joined state of consecutive parts, those numbered ``start`` to ``stop - 1``."""

    start: int
    stop: int
    piece: Piece


class Documents:
    """The state of any number of documents, of which some parts have been read.

    The answers are bit-identical to those of the whole texts, whichever machine read which part and in whatever order
    states are merged, if documents were split between two tokens, for example at white space.

    Args:
        pieces: the reader of parts for a model.
        model: an identifier of the model and its precision (:func:`textcnn.folder.model_folder.fingerprint`).
    """

    def __init__(self, pieces: Pieces, model: str) -> None:
        self.pieces, self.model = pieces, model
        self._runs: dict[str, list[_Run]] = {}

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._runs)

    def add(self, document: str, number: int, text: str) -> None:
        """Read one part of a document; parts are numbered consecutively.

        Raises:
            DataError: the part has been added before.
        """
        self._insert(document, _Run(number, number + 1, self.pieces.read(text)))

    def merge(self, other: Documents) -> None:
        """Add all parts of another state.

        Raises:
            ConfigError: the other state belongs to another model.
            DataError: both states contain the same part.
        """
        if self.model != other.model:
            raise ConfigError("expected states of one model, got states of two; make both with the same model folder")
        for document, runs in other._runs.items():
            for run in runs:
                self._insert(document, run)

    def answers(self, *, threshold: float | None = None) -> Iterator[tuple[str, int, Answers]]:
        """Yield each document's name, its number of parts, and its answer as one row, sorted by name.

        Raises:
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
            DataError: parts of a document are missing: the first one (number 0 or 1), or some in the middle.
        """
        for document, runs in sorted(self._runs.items()):
            if runs[0].start not in (0, 1):
                raise DataError(f"document {document!r} begins with part {runs[0].start}; expected part 0 or 1")
            if len(runs) > 1:
                raise DataError(
                    f"document {document!r} has no part {runs[0].stop}, but a part {runs[1].start}; "
                    f"merge the states of all its parts"
                )
            yield document, runs[0].stop - runs[0].start, runs[0].piece.answer(threshold=threshold)

    def to_bytes(self) -> bytes:
        """Serialize the state, for :meth:`from_bytes` to read in another process."""
        runs = [(document, run) for document, runs in self._runs.items() for run in runs]
        pieces = [run.piece for _, run in runs] or [self.pieces.empty()]
        facts = [
            [document, run.start, run.stop, run.piece.length, run.piece.num_unknown, run.piece.clipped]
            for document, run in runs
        ]
        header = json.dumps({"model": self.model, "runs": facts}).encode()
        return safetensors.numpy.save(
            {
                "header": np.frombuffer(header, np.uint8),
                "best": np.stack([piece.best for piece in pieces]),  # (runs, G, F)
                "first": np.concatenate([piece.first for piece in pieces]),  # (tokens, S, F)
                "last": np.concatenate([piece.last for piece in pieces]),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, pieces: Pieces, model: str) -> Documents:
        """Restore a state that :meth:`to_bytes` serialized.

        Raises:
            ConfigError: the state belongs to another model.
            DataError: the bytes are not a state, or are damaged.
        """
        try:
            tensors = safetensors.numpy.load(data)
            header = json.loads(tensors["header"].tobytes())
            found = cls(pieces, header["model"])
            if header["model"] == model:
                found._fill(tensors, header["runs"])
        except (safetensors.SafetensorError, KeyError, ValueError, TypeError, IndexError) as err:
            raise DataError(f"expected a state that `documents map` wrote, but it is damaged: {err}") from err
        if header["model"] != model:
            raise ConfigError("the state is of another model; make it with the folder and precision that answer")
        return found

    def _fill(self, tensors: dict[str, Array], facts: list[Any]) -> None:
        place, reach, empty = 0, self.pieces.reach, self.pieces.empty()
        first, last, best = tensors["first"], tensors["last"], tensors["best"]
        kept = sum(min(reach, length) for _, _, _, length, _, _ in facts)
        if (first.shape, last.shape) != ((kept, *empty.first.shape[1:]),) * 2 or first.dtype != empty.first.dtype:
            raise ValueError(f"rows of {first.shape} and {last.shape}, expected {(kept, *empty.first.shape[1:])}")
        if best.shape != (max(len(facts), 1), *empty.best.shape) or best.dtype != empty.best.dtype:
            raise ValueError(f"sums of {best.shape}, expected {(len(facts), *empty.best.shape)}")
        for number, (document, start, stop, length, unknown, clipped) in enumerate(facts):
            rows = slice(place, place + min(reach, length))
            place = rows.stop
            piece = Piece(self.pieces, best[number], first[rows], last[rows], length, unknown, clipped)
            self._insert(document, _Run(start, stop, piece))

    def _insert(self, document: str, run: _Run) -> None:
        """Insert a run into its document, joining it with adjacent runs."""
        runs = self._runs.setdefault(document, [])
        place = bisect_left(runs, run.start, key=lambda other: other.start)
        before, after = runs[max(place - 1, 0) : place], runs[place : place + 1]
        if (before and before[0].stop > run.start) or (after and after[0].start < run.stop):
            raise DataError(f"part {run.start} of document {document!r} was given twice")
        low, high = place, place
        if before and before[0].stop == run.start:
            run, low = _Run(before[0].start, run.stop, before[0].piece + run.piece), place - 1
        if after and after[0].start == run.stop:
            run, high = _Run(run.start, after[0].stop, run.piece + after[0].piece), place + 1
        runs[low:high] = [run]
