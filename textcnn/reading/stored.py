"""Corpora larger than memory: texts, token ids and features in memory-mapped files."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.tokenization.lexicon import Unseen, renumber
from textcnn.tokenization.ngrams import WideFeatures, WideRows
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline
from textcnn.tokenization.ragged import Ragged

if TYPE_CHECKING:
    import datasets

_BLOCK = 1_000  # texts read or written at once
# Bytes of memory for each character of a text that trains: the text, its ids, its wide features, and room to make them
# (preset fast on 133 MB of film reviews took 4.4 GB; 1.0 GB when they were kept in files).
_HUNGER = 32


def memory_bound(storage: str) -> float:
    """Return the number of characters beyond which a corpus is kept in files.

    Args:
        storage: ``memory`` (never), ``disk`` (always), or ``auto``: where text and ids would fill half of the memory.
    """
    if storage == "disk":
        return -1
    if storage == "memory" or not hasattr(os, "sysconf"):  # Windows tells its memory elsewhere
        return math.inf
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # of torchrun; each one stores all rows
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2 / _HUNGER / processes


class TextWriter:
    """Collects texts in a list and spills them to an Arrow file if they become too many.

    Args:
        bound: characters that are kept in memory.
    """

    def __init__(self, bound: float = math.inf) -> None:
        self._bound = bound
        self._texts: list[str] = []
        self._characters = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._stream: Any = None

    def append(self, text: str) -> None:
        """Add a text.

        Raises:
            DataError: the file cannot be written.
        """
        self._texts.append(text)
        self._characters += len(text)
        if self._characters > self._bound and len(self._texts) >= _BLOCK:
            self._flush()

    def finish(self) -> list[str] | StoredTexts:
        """Return all texts, in their order."""
        if self._characters <= self._bound:
            return self._texts
        import datasets

        self._flush()
        with _disk_errors():
            self._stream.close()
        assert self._folder is not None
        with self._folder as folder:
            return StoredTexts(datasets.Dataset.from_file(str(Path(folder, "texts.arrow"))))

    def _flush(self) -> None:
        """Write the texts collected since the last flush to the file."""
        import pyarrow

        schema = pyarrow.schema([("text", pyarrow.large_string())])
        with _disk_errors():
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="textcnn-")
                self._stream = pyarrow.ipc.new_stream(str(Path(self._folder.name, "texts.arrow")), schema)
            for start in range(0, len(self._texts), _BLOCK):
                block = {"text": self._texts[start : start + _BLOCK]}
                self._stream.write_batch(pyarrow.RecordBatch.from_pydict(block, schema))
        self._texts = []


class StoredTexts(Sequence[str]):
    """Texts in a memory-mapped Arrow file.

    Args:
        dataset: one column, ``text``; `datasets` maps the file and records the selected rows.
    """

    def __init__(self, dataset: datasets.Dataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        found: Any = self._dataset[index]["text"]
        return found if isinstance(found, str) else list(found)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK):
            yield from self[start : start + _BLOCK]

    def select(self, rows: npt.NDArray[np.int64]) -> StoredTexts:
        """Return the texts at these positions without copying them."""
        return StoredTexts(self._dataset.select(rows))


class ArrayWriter:
    """Writes an array to a file piece by piece, then memory-maps it.

    Args:
        dtype: dtype of the array.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        with _disk_errors():
            self._file = tempfile.TemporaryFile(prefix="textcnn-")  # noqa: SIM115 - it outlives this method

    def append(self, piece: npt.NDArray[Any]) -> None:
        """Append a piece.

        Raises:
            DataError: the file cannot be written.
        """
        with _disk_errors():
            self._file.write(np.ascontiguousarray(piece, self._dtype).data)

    def finish(self) -> npt.NDArray[Any]:
        """Return all pieces as one writable memory-mapped array.

        Raises:
            DataError: the file cannot be written.
        """
        with _disk_errors(), self._file as file:
            file.flush()
            if not file.tell():  # nothing cannot be mapped
                return np.zeros(0, self._dtype)
            return np.memmap(file, self._dtype, mode="r+").view(np.ndarray)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise DataError(
            f"cannot keep the texts in {tempfile.gettempdir()!r}: {err}; let the variable TMPDIR name a folder with "
            "more room, or set storage to 'memory'"
        ) from err


_PART, _CHARACTERS = 8_192, 2_000_000  # stored texts encoded at once, and how long they may be together


def encode_corpus(pipeline: TextPipeline, texts: Sequence[str]) -> EncodedTexts:
    """Encode like :meth:`TextPipeline.encode`; ids and features of stored texts are stored in files too.

    Raises:
        DataError: the files cannot be written.
    """
    if not isinstance(texts, StoredTexts):
        return pipeline.encode(texts)
    encoded = _encode_stored(replace(pipeline, wide=None), texts)
    return encoded if pipeline.wide is None else add_wide(encoded, pipeline.wide, texts)


def add_wide(encoded: EncodedTexts, features: WideFeatures, texts: Sequence[str]) -> EncodedTexts:
    """Add the wide features of all texts, in files if the texts are.

    Raises:
        DataError: the files cannot be written.
    """
    if not isinstance(texts, StoredTexts):
        return replace(encoded, wide=features.transform(encoded))
    rows, weights, lengths = ArrayWriter(np.int32), ArrayWriter(np.float32), [np.zeros(1, np.int64)]
    for block in encoded.blocks():
        found = features.transform(block)
        rows.append(found.rows)
        weights.append(found.weights)
        lengths.append(np.diff(found.offsets))
    return replace(encoded, wide=WideRows(rows.finish(), weights.finish(), np.cumsum(np.concatenate(lengths))))


def _encode_stored(pipeline: TextPipeline, texts: StoredTexts) -> EncodedTexts:
    ids, lengths = ArrayWriter(np.int32), [np.zeros(1, np.int64)]
    unseen = _AllUnseen(len(pipeline.tokenizer))
    for part in map(pipeline.encode, _parts(texts)):
        unseen.collect(part)
        ids.append(part.ids)
        lengths.append(part.lengths)
    tokens = Ragged(ids.finish(), np.cumsum(np.concatenate(lengths)))
    return EncodedTexts(tokens.ids, tokens.offsets, unseen.finish(tokens))


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    characters = 0
    for text in texts:
        if part and (len(part) == _PART or characters + len(text) > _CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(text)
        characters += len(text)
    yield part


class _AllUnseen:
    """Unseen words of all parts, numbered as if the corpus had been encoded in one piece."""

    def __init__(self, num_types: int) -> None:
        self._num_types = num_types
        self._place: dict[str, int] = {}
        self._bags: list[Ragged] = []

    def collect(self, part: EncodedTexts) -> None:
        """Number the unseen words of a part by their first occurrence in the corpus."""
        new = [k for k, name in enumerate(part.unseen.names) if name not in self._place]
        for k in new:
            self._place[part.unseen.names[k]] = len(self._place)
        self._bags.append(part.unseen.bags.take(np.array(new, np.int64)))
        table = np.array([self._place[name] for name in part.unseen.names], np.int64)
        renumber(part.ids, self._num_types, table)

    def finish(self, tokens: Ragged) -> Unseen:
        """Renumber the unseen words in ``tokens`` by the order of their names."""
        names = sorted(self._place)
        order = np.array([self._place[name] for name in names], np.int64)
        rank = np.argsort(order)
        for block in tokens.blocks():
            renumber(block.ids, self._num_types, rank)
        return Unseen(tuple(names), Ragged.concatenate(self._bags).take(order))
