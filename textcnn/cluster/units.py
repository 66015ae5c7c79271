"""What is read: files, cut into units of work that each make one file of answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from textcnn.cluster.filesystem import Entry, Place
from textcnn.errors import DataError
from textcnn.reading.compression import EXTENSIONS, extension
from textcnn.reading.source import Source

UNIT_BYTES = 2**27  # a larger Parquet file is several units


@dataclass(frozen=True)
class Unit:
    """A file, or some of the row groups of a large Parquet file.

    Attributes:
        file: its name below the input.
        size: of the file, in bytes.
        written: when the file was last written, where that is known; a file that has changed since is another one.
        part: which of the parts, from 0.
        parts: how many units the file is.
        row_groups: of this unit, as (first, after the last); none: all of the file.
    """

    file: str
    size: int
    written: int | None
    part: int = 0
    parts: int = 1
    row_groups: tuple[int, int] | None = None

    def output(self, ending: str) -> str:
        """The name of its file of answers: parts of one file sort in the order of their rows."""
        part = "" if self.parts == 1 else f".part-{self.part:05d}-of-{self.parts:05d}"
        return f"{self.file}{part}.{ending}"

    def source(self, place: Place, encoding: str) -> Source:
        """What the readers read of it."""
        groups = None if self.row_groups is None else range(*self.row_groups)
        return Source(
            None, encoding, opener=partial(place.open, self.file), name=place.shown(self.file), row_groups=groups
        )


def find_units(place: Place, format: str, *, cut: bool, unit_bytes: int = UNIT_BYTES) -> tuple[Place, list[Unit], int]:
    """The units of a file, or of all files in a folder and those below it, in the order of their names.

    Names that begin with ``.`` or ``_`` are no data, as elsewhere. With the format ``auto`` a folder's files are those
    whose endings tell a format.

    Args:
        place: the input.
        format: how files are read.
        cut: whether a large Parquet file may be several units.
        unit_bytes: of such a file, about as many in a unit.

    Returns:
        The folder that names of files are relative to, the units, and how many files of unknown format were left out.

    Raises:
        DataError: there is no such place, or nothing to read in it.
    """
    if place.is_folder():
        entries = [entry for entry in place.entries() if not any(p[0] in "._" for p in entry.name.split("/"))]
        kept = [entry for entry in entries if format != "auto" or extension(entry.name) in EXTENSIONS]
        if not kept:
            found = ", ".join(repr(entry.name) for entry in entries[:5]) or "none"
            raise DataError(
                f"expected files that end in {', '.join(EXTENSIONS)}, found {found}; say what they are with --format",
                path=place.uri,
            )
        left_out = len(entries) - len(kept)
    else:
        place, name = place.parent()
        kept, left_out = [place.entry(name)], 0
    units = [unit for entry in kept for unit in _cut(place, entry, format, unit_bytes if cut else 0)]
    return place, units, left_out


def _cut(place: Place, entry: Entry, format: str, unit_bytes: int) -> Iterator[Unit]:
    is_parquet = format == "parquet" or (format == "auto" and EXTENSIONS.get(extension(entry.name)) == "parquet")
    spans = _spans(place, entry, unit_bytes) if is_parquet and 0 < unit_bytes < entry.size else []
    if len(spans) < 2:
        yield Unit(entry.name, entry.size, entry.written)
    for part, span in enumerate(spans if len(spans) > 1 else []):
        yield Unit(entry.name, entry.size, entry.written, part, len(spans), span)


def _spans(place: Place, entry: Entry, unit_bytes: int) -> list[tuple[int, int]]:
    """Neighbouring row groups of about so many bytes together; nothing where the file cannot be read."""
    from pyarrow import parquet

    try:
        with place.open(entry.name) as stream:
            footer: Any = parquet.read_metadata(stream)
    except Exception:  # damage is told where the file is read, beside what is told of others
        return []
    sizes = [
        sum(footer.row_group(g).column(c).total_compressed_size for c in range(footer.num_columns))
        for g in range(footer.num_row_groups)
    ]
    spans, first, held = [], 0, 0
    for group, size in enumerate(sizes):
        held += size
        if held >= unit_bytes or group == len(sizes) - 1:
            spans.append((first, group + 1))
            first, held = group + 1, 0
    return spans
