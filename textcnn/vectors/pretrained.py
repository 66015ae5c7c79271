"""Loading of pretrained word vectors for a vocabulary from a file of any size."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.reading.source import Source
from textcnn.vectors.formats import open_entries

AsType = Callable[[str], str | None]


@dataclass(frozen=True)
class Vectors:
    """Words and their vectors.

    Attributes:
        names: the words, as the vocabulary writes them; those that were wanted and those that were kept in addition,
            in the order of the file.
        rows: ``(N, D)`` float32, a row for each.
        num_read: words of the file.
        duplicates: words that came again; the first one counts.
    """

    names: tuple[str, ...]
    rows: npt.NDArray[np.float32]
    num_read: int
    duplicates: int

    @property
    def dim(self) -> int:
        """D, the dimension of a vector."""
        return int(self.rows.shape[1])

    @property
    def std(self) -> float:
        """Standard deviation of all numbers; 0 without any."""
        return float(self.rows.std()) if len(self.rows) else 0.0


def read_vectors(path: str | Path, wanted: Collection[str], *, keep: int = 0, as_type: AsType | None = None) -> Vectors:
    """Read the vectors of the ``wanted`` words and of the first ``keep`` others; only these are kept in memory.

    The formats are those of :mod:`textcnn.vectors.formats`, also gzipped. Files list frequent words first, so the
    first are the most useful. A word written exactly as the vocabulary has it goes before one that becomes it by
    folding case; of equals the first counts.

    Args:
        path: the file.
        wanted: words of the vocabulary.
        keep: number of further words to take.
        as_type: maps a word of the file to a type, or none if it is not one token; none: words stay as they are.

    Raises:
        DataError: the file cannot be read, or has another format; text formats report the line.
    """
    wanted = frozenset(wanted)
    source = Source(Path(path))
    places: dict[str, int] = {}
    exact: set[str] = set()
    numbers = bytearray()  # grows as words are found
    num_read = duplicates = kept = 0
    with source.open_seekable() as stream:
        entries = open_entries(source, stream)
        for word, raw in entries.items:
            num_read += 1
            known = word in wanted or word in places
            name = word if known else _name(word, wanted, kept < keep, as_type)
            if name is None:
                continue
            is_exact = name == word
            if name in places:
                duplicates += is_exact and name in exact
                if not is_exact or name in exact:
                    continue
                start = places[name] * 4 * entries.dim
                numbers[start : start + 4 * entries.dim] = entries.parse(raw).tobytes()
            else:
                places[name] = len(places)
                numbers += entries.parse(raw).tobytes()
                kept += name not in wanted
            if is_exact:
                exact.add(name)
    if not num_read:
        raise DataError("expected word vectors, found none", path=path)
    rows = np.frombuffer(numbers, np.float32).reshape(-1, entries.dim)
    return Vectors(tuple(places), rows, num_read, duplicates)


def _name(word: str, wanted: frozenset[str], has_room: bool, as_type: AsType | None) -> str | None:
    """Return the vocabulary's form of a word of the file; none if its vector is not needed."""
    if as_type is None:
        return word if has_room else None
    forms = (unicodedata.normalize(form, word).lower().replace("\u2019", "'") for form in ("NFC", "NFKC"))
    if not has_room and wanted.isdisjoint(forms):
        return None  # nearly what as_type would say, and much faster
    name = as_type(word)
    return name if has_room or name in wanted else None
