"""Documents whose parts lie in several files or on several machines: states that join in any order and grouping.

Each part of a document becomes a :class:`textcnn.inference.pieces.Piece`; neighbours are joined as soon as both are
there. What machines send each other are those states, whose size does not depend on how long the parts are.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from textcnn.errors import ConfigError, DataError
from textcnn.inference.answering import Answers
from textcnn.inference.pieces import Piece, Pieces

Array = npt.NDArray[Any]


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
        model: tells that model and its precision from others, as :func:`textcnn.inference.folder.fingerprint` does.
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
