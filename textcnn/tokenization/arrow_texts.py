"""Texts in Arrow's string layout: the bytes of all texts concatenated, and the offset of each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from textcnn.tokenization.words import names_of, utf8

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


class ArrowTexts(Sequence[str]):
    """N texts without a Python object for each; indexing and iterating give strings.

    Args:
        data: UTF-8 of all texts, one after another.
        offsets: ``(N + 1,)``: text i is ``data[offsets[i]:offsets[i + 1]]``.
    """

    def __init__(self, data: Bytes, offsets: Integers) -> None:
        self.data, self.offsets = data, offsets

    @classmethod
    def of(cls, texts: Iterable[str]) -> ArrowTexts:
        """Encode strings."""
        data, ends = utf8(texts)
        return cls(data, np.concatenate([[0], ends]).astype(np.int64))

    @classmethod
    def of_arrow(cls, column: Any) -> ArrowTexts | None:
        """Return the texts of a pyarrow Array or ChunkedArray, without a copy if it has a single chunk.

        None if it has other values, nulls, or bytes that are not UTF-8.
        """
        import pyarrow

        if pyarrow.types.is_string_view(column.type):  # of polars
            column = column.cast(pyarrow.large_string())
        is_large = pyarrow.types.is_large_string(column.type)
        if not (is_large or pyarrow.types.is_string(column.type)) or column.null_count:
            return None
        try:
            column.validate(full=True)
        except pyarrow.ArrowInvalid:
            return None
        chunks = getattr(column, "chunks", [column])
        return cls.concatenate([cls._of_chunk(chunk, np.int64 if is_large else np.int32) for chunk in chunks])

    @classmethod
    def _of_chunk(cls, chunk: Any, kind: type[np.signedinteger[Any]]) -> ArrowTexts:
        _, offsets, data = chunk.buffers()
        if not len(chunk):
            return cls(np.zeros(0, np.uint8), np.zeros(1, np.int64))
        found = np.frombuffer(offsets, kind, len(chunk) + 1, chunk.offset * np.dtype(kind).itemsize)
        return cls(np.frombuffer(data or b"", np.uint8), found.astype(np.int64))

    @classmethod
    def concatenate(cls, parts: Sequence[ArrowTexts]) -> ArrowTexts:
        """Concatenate texts, those of the first part first."""
        if len(parts) == 1:
            return parts[0]
        ends, size = [np.zeros(1, np.int64)], 0
        for part in parts:
            ends.append(part.ends + size)
            size += part.num_bytes
        return cls(np.concatenate([np.zeros(0, np.uint8), *(part.bytes for part in parts)]), np.concatenate(ends))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_bytes(self) -> int:
        """Bytes of all texts."""
        return int(self.offsets[-1] - self.offsets[0])

    @property
    def bytes(self) -> Bytes:
        """Exactly the UTF-8 bytes of all texts."""
        return self.data[self.offsets[0] : self.offsets[-1]]

    @property
    def ends(self) -> Integers:
        """End offset of each text in :attr:`bytes`, ``(N,)``."""
        return np.asarray(self.offsets[1:] - self.offsets[0])

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> ArrowTexts: ...
    def __getitem__(self, place: int | slice) -> str | ArrowTexts:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return ArrowTexts.of(self.tolist()[place])
            return ArrowTexts(self.data, self.offsets[start : max(start, stop) + 1])
        place = range(len(self))[place]
        return _decoded(self.data[self.offsets[place] : self.offsets[place + 1]])

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def tolist(self) -> list[str]:
        """The texts as strings."""
        return names_of(self.bytes, self.ends)

    def slices(self, num_bytes: int) -> Iterator[ArrowTexts]:
        """Yield the texts in consecutive slices of about ``num_bytes`` bytes."""
        start, size = 0, self.offsets[0]
        while start < len(self):
            stop = max(int(np.searchsorted(self.offsets, size + num_bytes)), start + 1)
            yield self[start : min(stop, len(self))]
            start, size = stop, self.offsets[min(stop, len(self))]

    def blank(self) -> int:
        """Number of texts that are empty or consist of blanks."""
        begins, is_empty = self.offsets[:-1], self.offsets[1:] == self.offsets[:-1]
        filled = np.flatnonzero(~is_empty)
        first = self.data[begins[filled]]
        doubtful = filled[(first <= 0x20) | (first >= 0x80)]  # what else is blank in Unicode
        return int(is_empty.sum()) + sum(1 for place in doubtful.tolist() if self[place].isspace())

    def without_nuls(self) -> tuple[ArrowTexts, int]:
        """Return the texts with NUL characters replaced by blanks, and the number of NULs."""
        nuls = self.bytes == 0
        count = int(np.count_nonzero(nuls))
        if not count:
            return self, 0
        return ArrowTexts(np.where(nuls, 0x20, self.bytes).astype(np.uint8), self.ends_from_0()), count

    def ends_from_0(self) -> Integers:
        """Offsets ``(N + 1,)`` of the texts in :attr:`bytes`, beginning with 0."""
        return np.asarray(self.offsets - self.offsets[0])

    def to_arrow(self) -> Any:
        """Return a pyarrow Array of strings, without copying their bytes."""
        import pyarrow

        kind, offsets = pyarrow.string(), self.ends_from_0()
        buffers = [
            None,
            pyarrow.py_buffer(offsets.astype(np.int32)),
            pyarrow.py_buffer(np.ascontiguousarray(self.bytes)),
        ]
        return pyarrow.Array.from_buffers(kind, len(self), buffers)


def arrow_column(rows: Any) -> ArrowTexts | None:
    """Return the texts of a pyarrow, polars or pandas column in Arrow's layout; none for any other object."""
    library = type(rows).__module__.partition(".")[0]
    if library == "pyarrow" and hasattr(rows, "type") and hasattr(rows, "null_count"):
        return ArrowTexts.of_arrow(rows)
    if library == "polars" and hasattr(rows, "to_arrow"):
        return ArrowTexts.of_arrow(rows.to_arrow())
    if library == "pandas" and hasattr(getattr(rows, "array", None), "__arrow_array__") and "pyarrow" in sys.modules:
        found = rows.array.__arrow_array__()
        return ArrowTexts.of_arrow(found) if hasattr(found, "null_count") else None
    return None


def arrow_numbers(values: npt.NDArray[Any]) -> Any:
    """Return numbers or booleans as an Arrow array; ``pyarrow.array`` imports pandas first, which takes 0.15 s."""
    import pyarrow as pa

    kept = np.ascontiguousarray(values)
    data = np.packbits(kept, bitorder="little") if kept.dtype == np.bool_ else kept
    return pa.Array.from_buffers(pa.from_numpy_dtype(kept.dtype), len(kept), [None, pa.py_buffer(data)])


def _decoded(data: Bytes) -> str:
    return data.tobytes().decode("utf-8", "surrogatepass")
