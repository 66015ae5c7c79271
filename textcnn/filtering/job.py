"""Filters one shard: reads, scores and writes its documents, so that repeating it writes the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import textcnn
from textcnn.cluster.filesystem import OWN, Place
from textcnn.config_types import mismatches, plain
from textcnn.errors import DataError, TextCNNError
from textcnn.filtering.documents import Block, Documents, read_blocks
from textcnn.filtering.rule import Cut, Floats, Rule, Scores, folder_of, score
from textcnn.filtering.shards import REJECTED, Shard
from textcnn.filtering.tally import Result, Tally, reason_of
from textcnn.filtering.writers import Writer, open_writer
from textcnn.prediction.predictor import Predictor
from textcnn.prediction.streaming import ahead, in_threads
from textcnn.runtime.text_model import Answering

SCORES, FILES = "scores", "files"  # the passes: only the first of a share's two needs the model
_CACHE_BYTES = 384 * 2**20  # a corpus has many words: with the default a fifth more time went into rows made again
_DONE = f"{OWN}/done"


@dataclass(frozen=True)
class FilterJob:
    """The settings of a filter, the same for every shard.

    Attributes:
        model: the model folder on the machine that started the job.
        fingerprint: the fingerprint of the model.
        rule: selects the documents.
        column: the column, or key, of the texts.
        output: the folder of kept documents.
        dropped: the folder of dropped documents; none: they are not written.
        precision: ``float32`` or ``int8``.
        cut: the cut of the rule's share, once all scores are known.
    """

    model: Path
    fingerprint: str
    rule: Rule
    column: str
    output: Place
    dropped: Place | None = None
    precision: str = "float32"
    cut: Cut | None = None

    def settings(self) -> dict[str, Any]:
        """Return the settings that determine the files, which are stored in the output folder."""
        return {
            "textcnn": textcnn.__version__,
            "model": self.fingerprint,
            **self.rule.settings(),
            "text_column": self.column,
            "dropped": None if self.dropped is None else self.dropped.uri,
            "precision": self.precision,
        }

    @property
    def phase(self) -> str:
        """The pass: scores alone, or the files."""
        return SCORES if self.rule.keep_share is not None and self.cut is None else FILES

    def load(self, folder: Path, threads: int = 1) -> Predictor | None:
        """Load the model, if this pass needs it."""
        if self.cut is not None:
            return None
        predictor = Predictor.load(folder, precision=self.precision, threads=threads, cache_bytes=_CACHE_BYTES)
        predictor.text_inputs()
        self.rule.check(predictor.labels)
        return predictor

    def is_done(self, shard: Shard) -> bool:
        """Whether the pass has finished a shard."""
        return self.output.has(_scores_file(shard.name) if self.phase == SCORES else _done_file(shard.name))

    def run(self, shard: Shard, predictor: Answering | None, threads: int = 1) -> Result:
        """Do the pass for one shard, unless that is done already; an error in its file is returned as ``problem``."""
        try:
            if not self.is_done(shard):
                (self._score if self.phase == SCORES else self._filter)(shard, predictor, threads)
            return Result(shard.name) if self.phase == SCORES else self.result(shard.name)
        except TextCNNError as err:
            file = shard.root.shown(shard.file)
            return Result(shard.name, problem=str(err) if file in str(err) else f"{file}: {err}")

    def result(self, name: str) -> Result:
        """Return the stored result of a finished shard.

        Raises:
            DataError: it cannot be read.
        """
        try:
            saved = json.loads(self.output.read_text(_done_file(name)))
            found = mismatches(Result, saved)
        except (ValueError, TypeError) as err:
            found = [str(err)]
        if found:
            where = self.output.shown(_done_file(name))
            raise DataError(f"expected the result of a shard, found: {'; '.join(found)}; delete it", path=where)
        return Result(**plain(Result, saved))

    def scores(self, name: str) -> Floats:
        """Return the scores of all documents of a shard, which the first pass has stored.

        Raises:
            DataError: they cannot be read.
        """
        try:
            with self.output.open(_scores_file(name)) as file:
                return np.frombuffer(file.read(), np.float64)
        except (OSError, ValueError) as err:
            raise DataError(f"expected scores, found: {err}; delete it", path=self.output.shown(name)) from err

    def _score(self, shard: Shard, predictor: Answering | None, threads: int) -> None:
        parts = [_scored(values, documents) for _, documents, values in self._blocks(shard, predictor, threads)]
        with self.output.writing(_scores_file(shard.name)) as path:
            Path(path).write_bytes(np.concatenate([np.zeros(0), *parts]).tobytes())

    def _filter(self, shard: Shard, predictor: Answering | None, threads: int) -> None:
        with ExitStack() as stack:
            labels = (str(self.rule.keep),) if predictor is None or self.rule.keep else predictor.labels.names
            files, tally, ties = _Files(self, shard, labels, stack), Tally(shard.name, labels, self.rule.range), 0
            for block, documents, scores in self._blocks(shard, predictor, threads):
                values = _scored(scores, documents)
                kept = self._kept(values, ties, shard.name)
                ties += 0 if self.cut is None else int(np.count_nonzero(values == self.cut.threshold))
                files.write(block, documents, kept, np.isnan(values), scores.best)
                tally.add(documents, values, kept, scores.best)
        self.output.write_text(_done_file(shard.name), json.dumps(vars(tally.result())) + "\n")

    def _kept(self, values: Floats, ties: int, shard: str) -> npt.NDArray[np.bool_]:
        if self.cut is not None:
            return self.cut.kept(values, ties, shard)
        return np.asarray(values >= self.rule.least)

    def _blocks(
        self, shard: Shard, predictor: Answering | None, threads: int
    ) -> Generator[tuple[Block, Documents, Scores], None, None]:
        """Yield the blocks of a shard with their scores; they are read ahead, and classified in several threads."""
        stored = self.scores(shard.name) if predictor is None else None
        work: Callable[[Block], tuple[Block, Documents, Scores]] = partial(_classified, predictor, self.rule)
        place, has_column = 0, False
        with (
            closing(ahead(read_blocks(shard, self.column), 1)) as read,
            closing(in_threads(work, read, threads)) as all,
        ):
            for block, documents, scores in all:
                if stored is not None:
                    scores = Scores(stored[place : place + len(documents)])
                place += len(documents)
                has_column |= documents.has_column
                if stored is not None and len(scores.values) < len(documents):
                    raise DataError("has changed since its scores were stored; take another folder", path=shard.file)
                yield block, documents, scores
        if place and not has_column:
            raise DataError(f"no document has a text in {self.column!r}; say which key has it with --text-column")


def _classified(predictor: Answering | None, rule: Rule, block: Block) -> tuple[Block, Documents, Scores]:
    documents = block.documents()
    return block, documents, Scores(np.zeros(0)) if predictor is None else score(predictor, documents.texts, rule)


def _scored(scores: Scores, documents: Documents) -> Floats:
    """Return the scores of documents, NaN for those without a text."""
    values = scores.values.copy()
    values[list(documents.reasons)] = np.nan
    return values


class _Files:
    """The files of output of one shard, which appear when the block of ``stack`` ends without an error."""

    def __init__(self, job: FilterJob, shard: Shard, labels: Sequence[str], stack: ExitStack) -> None:
        self._job, self._shard, self._labels, self._stack = job, shard, labels, stack
        self._writers: dict[str, Writer] = {}
        self._rejected: Any = None
        if job.rule.keep is not None:  # these exist even if they hold no document
            self._writer(job.output, shard.name)
            if job.dropped is not None:
                self._writer(job.dropped, shard.name)

    def write(
        self,
        block: Block,
        documents: Documents,
        kept: npt.NDArray[np.bool_],
        without: npt.NDArray[np.bool_],
        best: npt.NDArray[np.int64] | None,
    ) -> None:
        """Write the documents of a block to the files that they belong to."""
        job, name = self._job, self._shard.name
        if best is not None:
            for label in np.unique(best[kept]).tolist():
                folder = folder_of(self._labels[label])
                self._writer(job.output, f"{folder}/{name}").write(block.take(kept & (best == label)))
        else:
            self._writer(job.output, name).write(block.take(kept))
            if job.dropped is not None:
                self._writer(job.dropped, name).write(block.take(~kept & ~without))
        for place in np.flatnonzero(without).tolist():
            if self._rejected is None:
                path = self._stack.enter_context(job.output.writing(f"{REJECTED}/{name}.jsonl"))
                file = open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 (closed by the stack)
                self._rejected = self._stack.enter_context(file)
            found = {
                "number": int(documents.numbers[place]),
                "reason": reason_of(documents, place),
                "document": block.show(place),
            }
            self._rejected.write(json.dumps(found, ensure_ascii=False) + "\n")

    def _writer(self, folder: Place, name: str) -> Writer:
        key = folder.shown(name)
        if key not in self._writers:
            path = self._stack.enter_context(folder.writing(name))
            self._writers[key] = self._stack.enter_context(open_writer(path, self._shard))
        return self._writers[key]


def _done_file(name: str) -> str:
    return f"{_DONE}/{name}.json"


def _scores_file(name: str) -> str:
    return f"{OWN}/scores/{name}.f8"
