"""Word vectors as arrays with a header: numpy's npz, and safetensors. Neither runs code from the file."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from textcnn.errors import DataError
from textcnn.text.archives import DAMAGE, checked_member, npy_header, strings
from textcnn.text.read_table import one_line
from textcnn.text.vector_entries import WIDEST, Entries, Row, checked_dim, finite

_ROWS = 512  # rows of an array read at once, if they are not wide
_BYTES = 16_000_000
_NPY_WORDS, _NPY_VECTORS = "words.npy", "vectors.npy"


def read_npz(stream: Any, name: str) -> Entries:
    """Numpy's archive with ``words`` (N strings) and ``vectors`` (N, D); pickled objects are refused."""
    try:
        archive = zipfile.ZipFile(stream)
        if missing := {_NPY_WORDS, _NPY_VECTORS} - set(archive.namelist()):
            found = ", ".join(archive.namelist()[:10])
            raise DataError(f"expected the arrays words and vectors, found {found}; {min(missing)} lacks", path=name)
        words_shape, words = _npy(archive, _NPY_WORDS, "US", name)
        shape, rows = _npy(archive, _NPY_VECTORS, "f", name)
    except DAMAGE as err:
        raise DataError(f"expected an npz file of word vectors: {one_line(err)}", path=name) from err
    _check_shapes(shape, words_shape, name)
    text = chain.from_iterable(strings(part, _NPY_WORDS, name) for part in words)
    return _array_entries(text, chain.from_iterable(rows), shape[1], name)


def _npy(archive: zipfile.ZipFile, member: str, kinds: str, name: str) -> tuple[tuple[int, ...], Iterator[Any]]:
    """The shape of an array in the archive and its rows, some hundreds at a time."""
    info = checked_member(archive, member, name)
    file = archive.open(info)
    shape, is_fortran, dtype = npy_header(file, member, name)
    if dtype.kind not in kinds or (is_fortran and len(shape) > 1):
        raise ValueError(f"{member} is of dtype {dtype} ({'columns' if is_fortran else 'rows'} first)")
    width = int(np.prod(shape[1:], dtype=object)) * dtype.itemsize
    if width > 8 * WIDEST:
        raise ValueError(f"{member} has entries of {width:,} bytes")
    if shape and width * shape[0] > info.file_size:
        raise ValueError(f"{member} claims to be {shape!r}, which is more than it holds")

    def parts() -> Iterator[Any]:
        step = max(1, min(_ROWS, _BYTES // max(width, 1)))
        for start in range(0, shape[0], step):
            number = min(step, shape[0] - start)
            try:
                content = file.read(number * width)
                part = np.frombuffer(content, dtype).reshape(number, *shape[1:]) if width else np.zeros(number, dtype)
            except DAMAGE as err:
                raise DataError(f"expected an npz file of word vectors: {one_line(err)}", path=name) from err
            yield part

    return shape, parts()


def read_safetensors(stream: Any, name: str) -> Entries:
    """A tensor ``vectors`` (N, D); the words are a JSON list under ``words`` in the metadata of the same file."""
    import safetensors

    copy = tempfile.NamedTemporaryFile()  # noqa: SIM115 - lives as long as the entries
    path = stream.name
    if not isinstance(path, str):  # unpacked; the reader maps a file of a name
        shutil.copyfileobj(stream, copy)
        copy.flush()
        path = copy.name
    try:
        file: Any = safetensors.safe_open(path, framework="np")
        words = json.loads((file.metadata() or {}).get("words", "null"))
        vectors = file.get_slice("vectors")
        shape, kind = tuple(vectors.get_shape()), vectors.get_dtype()
    except (safetensors.SafetensorError, *DAMAGE) as err:
        raise DataError(f"expected a safetensors file of word vectors: {one_line(err)}", path=name) from err
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError("expected a JSON list of words as metadata 'words' of the tensor 'vectors'", path=name)
    if kind not in ("F16", "F32", "F64"):
        raise DataError(f"expected vectors of F16, F32 or F64, found {kind}", path=name)
    _check_shapes(shape, (len(words),), name)

    def rows() -> Iterator[Any]:
        with copy:
            for start in range(0, shape[0], _ROWS):
                yield from vectors[start : min(start + _ROWS, shape[0])]

    return _array_entries(iter(words), rows(), shape[1], name)


def _check_shapes(shape: tuple[int, ...], words: tuple[int, ...], name: str) -> None:
    if len(shape) != 2 or words != shape[:1]:
        raise DataError(f"expected vectors (N, D) and N words, found {shape!r} and {words!r}", path=name)
    checked_dim(shape[1], name)


def _array_entries(words: Iterator[str], rows: Iterator[Any], dim: int, name: str) -> Entries:
    def parse(raw: Any) -> Row:
        with np.errstate(over="ignore"):
            return finite(raw[1].astype(np.float32), name, raw[0])

    return Entries(dim, ((word, (word, row)) for word, row in zip(words, rows, strict=True)), parse)
