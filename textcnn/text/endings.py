"""What the ending of a file's name tells: how it is packed, and in which format its rows are."""

from __future__ import annotations

from pathlib import Path

PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
EXTENSIONS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json-lines": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ft": "fasttext",
    ".txt": "lines",  # or what the first lines show
}


def extension(name: str) -> str:
    """The extension that tells the format of a file, in lower case; an ending such as ``.gz`` is left out."""
    return Path(unpacked_name(name).lower()).suffix


def unpacked_name(name: str) -> str:
    """A name without the ending that tells how the file is packed."""
    return next((name[: -len(end)] for end in PACKED if name.lower().endswith(end)), name)
