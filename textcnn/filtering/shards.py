"""Finds the shards of a corpus: the files of JSON lines and Parquet in files, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from textcnn.cluster.filesystem import OWN, Place, open_place
from textcnn.errors import ConfigError, DataError
from textcnn.reading.compression import EXTENSIONS, extension
from textcnn.reading.source import Source

REJECTED, SUMMARY, REPORT = "rejected", "filter.json", "report.html"  # names in the folder of output
RESERVED = (REJECTED, SUMMARY, REPORT, OWN)
LINES, PARQUET = "jsonl", "parquet"
_PACKINGS = ("", ".gz", ".zst")
_READ = "JSON lines (.jsonl, .ndjson; also with .gz or .zst) or Parquet (.parquet, .pq)"
_MAGIC = set("*?[")


@dataclass(frozen=True)
class Shard:
    """One file of documents.

    Attributes:
        name: the name of its files of output, relative to the folder of output.
        root: the folder that ``file`` is relative to.
        file: the name of the file in ``root``.
        size: the size of the file in bytes.
        written: the modification time of the file, if known, by which a changed file is detected.
    """

    name: str
    root: Place
    file: str
    size: int
    written: int | None

    @property
    def format(self) -> str:
        """The format of the file: :data:`LINES` or :data:`PARQUET`."""
        return EXTENSIONS[extension(self.file)]

    @property
    def packing(self) -> str:
        """The ending of the compression: ``.gz``, ``.zst`` or none."""
        return packing(self.file)

    def source(self) -> Source:
        """Return the source for the readers."""
        return Source(None, opener=partial(self.root.open, self.file), name=self.root.shown(self.file))

    def identity(self) -> list[Any]:
        """Return what tells a changed file, as JSON values."""
        return [self.size, self.written]


def packing(name: str) -> str:
    """Return the ending of a file name that tells its compression, in lower case; empty if there is none."""
    ending = PurePosixPath(name.lower()).suffix
    return "" if ending in EXTENSIONS else ending


def find_shards(inputs: Sequence[str], outputs: Iterable[Place]) -> tuple[list[Shard], int]:
    """Return all shards, sorted by name, and the number of files in folders that are of no format that is read.

    Args:
        inputs: files, folders (searched with their sub-folders) and patterns such as ``crawl/*/part-*.jsonl.gz``;
            names that begin with ``.`` or ``_`` in folders are ignored.
        outputs: the folders of output, which must not be read.

    Raises:
        ConfigError: two shards have the same name, a name is reserved, or an input lies in an output.
        DataError: an input does not exist, holds no shard, or is a file of another format.
    """
    outputs = list(outputs)
    found: dict[str, Shard] = {}
    left_out = 0
    for given in inputs:
        shards, others = _shards_of(given, outputs)
        left_out += others
        for shard in shards:
            if (other := found.setdefault(shard.name, shard)) is not shard and other != shard:
                raise ConfigError(
                    f"{other.root.shown(other.file)!r} and {shard.root.shown(shard.file)!r} would both be written as "
                    f"{shard.name!r}; give the folder that holds both"
                )
            if PurePosixPath(shard.name).parts[0] in RESERVED:
                raise ConfigError(
                    f"{shard.root.shown(shard.file)!r} would be written as {shard.name!r}, a name of this command's "
                    "own; rename it"
                )
            own = Place.at(shard.root, shard.file)
            if held := next((place for place in outputs if place.holds(own)), None):
                raise ConfigError(f"{own.uri!r} lies in the folder that is written, {held.uri!r}; choose another")
    return sorted(found.values(), key=lambda shard: shard.name), left_out


def _shards_of(given: str, outputs: Sequence[Place]) -> tuple[list[Shard], int]:
    if "://" not in given and _MAGIC & set(given) and not os.path.exists(given):
        return _matches(given)
    place = open_place(given)
    if not place.is_folder():
        root, name = place.parent()
        return [_shard(root, name)], 0
    if held := next((output for output in outputs if place.holds(output)), None):
        raise ConfigError(f"the folder that is written, {held.uri!r}, lies in one that is read, {given!r}")
    entries = [entry for entry in place.entries() if not any(part[0] in "._" for part in entry.name.split("/"))]
    kept = [entry for entry in entries if _is_read(entry.name)]
    if not kept:
        shown = ", ".join(repr(entry.name) for entry in entries[:5]) or "none"
        raise DataError(f"expected files of {_READ}, found {shown}", path=given)
    shards = [Shard(entry.name, place, entry.name, entry.size, entry.written) for entry in kept]
    return shards, len(entries) - len(kept)


def _matches(pattern: str) -> tuple[list[Shard], int]:
    """Return the files that match a pattern; their names are relative to its last folder without a wildcard."""
    files = [path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path)]
    kept = [path for path in files if _is_read(path)]
    if not kept:
        shown = ", ".join(map(repr, files[:5])) or "no file"
        raise DataError(f"expected files of {_READ}, found {shown} by the pattern {pattern!r}")
    parts = Path(pattern).parts
    first = next(place for place, part in enumerate(parts) if _MAGIC & set(part))
    root = Path(*parts[:first])
    return [_shard(open_place(str(root)), Path(path).relative_to(root).as_posix()) for path in kept], len(files) - len(
        kept
    )


def _shard(root: Place, name: str) -> Shard:
    if not _is_read(name):
        raise DataError(f"expected a file of {_READ}", path=root.shown(name))
    entry = root.entry(name)
    return Shard(name, root, name, entry.size, entry.written)


def _is_read(name: str) -> bool:
    format = EXTENSIONS.get(extension(name))
    return packing(name) in ({"": ("",), LINES: _PACKINGS, PARQUET: ("",)}.get(format or "", ()))
