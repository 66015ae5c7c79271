"""Texts and ids in files that are mapped into memory, so that a corpus larger than the memory can train a model.

The files are temporary, in the folder that the variable TMPDIR names; they have no name any more once they are mapped,
and so are gone with the process, however it ends.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError

if TYPE_CHECKING:
    import datasets

_BLOCK = 1_000  # texts read or written at once
# Bytes of memory for each character of a text that trains: the text, its ids, its wide features, and room to make them
# (preset fast on 133 MB of film reviews took 4.4 GB; 1.0 GB when they were kept in files).
_HUNGER = 32


def memory_bound(storage: str) -> float:
    """Characters of text beyond which a corpus is kept in files.

    Args:
        storage: ``memory`` (never), ``disk`` (always), or ``auto``: where text and ids would fill half of the memory.
    """
    if storage == "disk":
        return -1
    if storage == "memory" or not hasattr(os, "sysconf"):  # Windows tells its memory elsewhere
        return math.inf
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's, each of which holds the rows
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2 / _HUNGER / processes


class TextWriter:
    """Collects texts: in a list, until they are too many, then in an Arrow file.

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
        """Take one more text.

        Raises:
            DataError: the file cannot be written.
        """
        self._texts.append(text)
        self._characters += len(text)
        if self._characters > self._bound and len(self._texts) >= _BLOCK:
            self._flush()

    def finish(self) -> list[str] | StoredTexts:
        """All texts, in their order."""
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
        """Write what has been collected since the last time: at the first, all of it."""
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
    """Texts in an Arrow file.

    Args:
        dataset: one column, ``text``; `datasets` maps the file and remembers which rows were selected.
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
        """The texts at these positions; no text is copied."""
        return StoredTexts(self._dataset.select(rows))


class ArrayWriter:
    """An array in a file, written piece by piece, then mapped.

    Args:
        dtype: of its numbers.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        with _disk_errors():
            self._file = tempfile.TemporaryFile(prefix="textcnn-")  # noqa: SIM115 - it outlives this method

    def append(self, piece: npt.NDArray[Any]) -> None:
        """Add a piece behind the others.

        Raises:
            DataError: the file cannot be written.
        """
        with _disk_errors():
            self._file.write(np.ascontiguousarray(piece, self._dtype).data)

    def finish(self) -> npt.NDArray[Any]:
        """All pieces as one array, which may be written to.

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
