"""Splits input files into units of work, each of which gives one file of answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from textcnn.cluster.filesystem import Entry, Place
from textcnn.errors import DataError
from textcnn.reading.compression import EXTENSIONS, extension
from textcnn.reading.source import Source

UNIT_BYTES = 2**27  # larger Parquet files are split into several units


@dataclass(frozen=True)
class Unit:
    """A file, or some of the row groups of a large Parquet file.

    Attributes:
        file: the name of the file relative to the input.
        size: the size of the file in bytes.
        written: the modification time of the file, if known, by which a changed file is detected.
        part: the number of the part, from 0.
        parts: the number of units that the file is split into.
        row_groups: the row groups of this unit, as (first, last + 1); none: the whole file.
    """

    file: str
    size: int
    written: int | None
    part: int = 0
    parts: int = 1
    row_groups: tuple[int, int] | None = None

    def output(self, ending: str) -> str:
        """Return the name of its file of answers; the names of a file's parts sort in the order of their rows."""
        part = "" if self.parts == 1 else f".part-{self.part:05d}-of-{self.parts:05d}"
        return f"{self.file}{part}.{ending}"

    def source(self, place: Place, encoding: str) -> Source:
        """Return the source for the readers."""
        groups = None if self.row_groups is None else range(*self.row_groups)
        return Source(
            None, encoding, opener=partial(place.open, self.file), name=place.shown(self.file), row_groups=groups
        )


def find_units(place: Place, format: str, *, cut: bool, unit_bytes: int = UNIT_BYTES) -> tuple[Place, list[Unit], int]:
    """Find the units of a file, or of all files in a folder and its sub-folders, sorted by name.

    Files whose names begin with ``.`` or ``_`` are ignored, and with the format ``auto`` also those of a folder whose
    extensions are not known.

    Args:
        place: the input.
        format: the format of the files.
        cut: whether a large Parquet file may be split into several units.
        unit_bytes: the approximate size of a unit of such a file.

    Returns:
        The folder that names of files are relative to, the units, and the number of files of unknown format.

    Raises:
        DataError: the input does not exist, or has no file to read.
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
    """Return ranges of consecutive row groups of about ``unit_bytes`` each; none if the file cannot be read."""
    from pyarrow import parquet

    try:
        with place.open(entry.name) as stream:
            footer: Any = parquet.read_metadata(stream)
    except Exception:  # a damaged file is reported when it is read, as the problem of its unit
        return []
    sizes = [
        sum(footer.row_group(g).column(c).total_compressed_size for c in range(footer.num_columns))
        for g in range(footer.num_row_groups)
    ]
    spans, first, total = [], 0, 0
    for group, size in enumerate(sizes):
        total += size
        if total >= unit_bytes or group == len(sizes) - 1:
            spans.append((first, group + 1))
            first, total = group + 1, 0
    return spans
