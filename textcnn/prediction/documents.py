"""Documents in parts: states of parts that join in any order and are classified at any time."""

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

_STRETCH = 256  # tokens whose rows are held at once


@dataclass(frozen=True, eq=False)
class Piece:
    """The state of a piece of text; its size does not depend on the length of the piece.

    Attributes:
        pieces: what made it.
        best: ``(G, F)``, the largest sums over the windows inside the piece; the least number where there is none.
        first: rows ``(n, S, F)`` of its first tokens, one fewer than the widest window has, or all it has.
        last: rows of as many last tokens.
        length: its tokens.
        num_unknown: those that the vocabulary does not have.
        clipped: whether one of them has a product outside the range of int8.
    """

    pieces: Pieces = field(repr=False)
    best: Array = field(repr=False)
    first: Array = field(repr=False)
    last: Array = field(repr=False)
    length: int = 0
    num_unknown: int = 0
    clipped: bool = False

    def __add__(self, other: Piece) -> Piece:
        """The state of this piece and, behind it, another one.

        Raises:
            ConfigError: the other piece is of another model.
        """
        if self.pieces.model is not other.pieces.model:
            raise ConfigError("expected two pieces of one model, got pieces of two models; read both with the same one")
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
        """The state of this piece and ``text`` behind it."""
        return self + self.pieces.read(text)

    def logits(self) -> Array:
        """Logits ``(C,)`` of a text that is this piece: float64, or, with int8, whole numbers of ``UNIT``."""
        model = self.pieces.model
        best, empty = self.pieces.closed(self)[None], np.array([self.length == 0])
        return np.asarray(model.close(best, model.model.bias[None], empty)[0])

    def answer(self, *, threshold: float | None = None) -> Answers:
        """The answer to a text that is this piece, as one row.

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
    """Reads pieces of texts for a model whose features are maxima alone.

    Raises:
        ConfigError: the model has a mean, a wide branch or a limit of length, and why that cannot be joined.
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
        """The state before any token: joined with another, it changes nothing."""
        rows = np.zeros((0, *self.model.filters.layout(0).row_shape), self.model.filters.row_type)
        return Piece(self, self.inner(rows), rows, rows)

    def read(self, text: str) -> Piece:
        """The state of a piece of text.

        Joined pieces are the whole text where each is cut between two tokens: at white space, for one.
        """
        encoded = self.model.inputs.encode([text])
        unknown = self.model.inputs.is_unknown(encoded)
        return self.of_types(encoded.ids, encoded.unseen, unknown=unknown)

    def of_types(self, ids: Array, unseen: Unseen | None = None, *, unknown: Array | None = None) -> Piece:
        """The state of a piece of T tokens.

        Args:
            ids: ``(T,)`` type ids; behind the vocabulary those of ``unseen``.
            unseen: as :meth:`textcnn.tokenization.pipeline.TextPipeline.encode` gives it.
            unknown: ``(T,)``, which of them count as unknown words.
        """
        unknown = np.zeros(len(ids), np.bool_) if unknown is None else unknown
        state = self.empty()
        for start in range(0, len(ids), _STRETCH):
            part = slice(start, start + _STRETCH)
            held, numbers = self.model.rows(ids[part], unseen)
            rows = held.products[numbers]
            state += Piece(
                self,
                self.inner(rows),
                rows[: self.reach].copy(),
                rows[len(rows) - min(len(rows), self.reach) :].copy(),
                len(rows),
                int(unknown[part].sum()),
                bool(held.clipped[numbers].any()),
            )
        return state

    def inner(self, rows: Array) -> Array:
        """Largest sums ``(G, F)`` over the windows inside a run of tokens ``(T, S, F)``."""
        return self._largest(rows, [(0, len(rows) - size + 1) for size in self._sizes.tolist()])

    def closed(self, piece: Piece) -> Array:
        """Largest sums ``(G, F)`` over all windows of a text, those over its ends too; an empty one has zeros."""
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
        """Largest sums over the windows that begin at ``low`` to ``high - 1``, for each size."""
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
    """Neighbouring parts, joined: those numbered ``start`` to ``stop - 1``."""

    start: int
    stop: int
    piece: Piece


class Documents:
    """What has been seen of some documents.

    The answers are those of the whole texts, bit by bit, whichever machine saw which part and in whatever order states
    are merged; parts are cut between two tokens, at white space, for one.

    Args:
        pieces: reads parts for a model.
        model: tells that model and its precision from others, as :func:`textcnn.folder.model_folder.fingerprint` does.
    """

    def __init__(self, pieces: Pieces, model: str) -> None:
        self.pieces, self.model = pieces, model
        self._runs: dict[str, list[_Run]] = {}

    def __len__(self) -> int:
        """Documents."""
        return len(self._runs)

    def add(self, document: str, number: int, text: str) -> None:
        """Read one part; parts are numbered one after another.

        Raises:
            DataError: the part has been given before.
        """
        self._insert(document, _Run(number, number + 1, self.pieces.read(text)))

    def merge(self, other: Documents) -> None:
        """Take what another state has seen.

        Raises:
            ConfigError: the other one is of another model.
            DataError: both have seen the same part.
        """
        if self.model != other.model:
            raise ConfigError("expected states of one model, got states of two; make both with the same model folder")
        for document, runs in other._runs.items():
            for run in runs:
                self._insert(document, run)

    def answers(self, *, threshold: float | None = None) -> Iterator[tuple[str, int, Answers]]:
        """Each document, how many parts it has, and its answer as one row; documents in the order of their names.

        Raises:
            ConfigError: a threshold for a single-label model, or outside 0 to 1.
            DataError: parts of a document are missing: its first one (number 0 or 1), or some in the middle.
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
        """The state for a file or another process; :meth:`from_bytes` reads it."""
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
        """A state of :meth:`to_bytes`.

        Raises:
            ConfigError: it is of another model.
            DataError: it is something else, or damaged.
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
        """Put a run among those of its document, joined with its neighbours."""
        runs = self._runs.setdefault(document, [])
        place = bisect_left(runs, run.start, key=lambda other: other.start)
        before, behind = runs[max(place - 1, 0) : place], runs[place : place + 1]
        if (before and before[0].stop > run.start) or (behind and behind[0].start < run.stop):
            raise DataError(f"part {run.start} of document {document!r} was given twice")
        low, high = place, place
        if before and before[0].stop == run.start:
            run, low = _Run(before[0].start, run.stop, before[0].piece + run.piece), place - 1
        if behind and behind[0].start == run.stop:
            run, high = _Run(run.start, behind[0].stop, run.piece + behind[0].piece), place + 1
        runs[low:high] = [run]
