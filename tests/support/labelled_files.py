"""Rows of files in every format and packing, and reading them, for the tests of files as people have them."""

import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile

import pyarrow
from table_files import csv_bytes, jsonl_bytes, parquet_bytes

from textcnn.config import DataConfig
from textcnn.reading.rows import open_rows

ROWS = [("great phone", "pos"), ("the screen, broken", "neg"), ("it is 5 inches", "pos")]
TABLE = [("text", "label"), *ROWS]
TEXTS, LABELS = map(list, zip(*ROWS, strict=True))
CSV = csv_bytes(TABLE)
OBJECTS = [{"text": text, "label": label} for text, label in ROWS]


def read(path, **options):
    """What a file holds, as rows of a text and a label, and the notices about it."""
    rows = open_rows(path, DataConfig(**options), labels="required")
    return [(row.text, row.labels[0] if row.labels else None) for row in rows], rows.warnings(), rows.format


def written(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def feed(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def zipped(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pyarrow.Codec("zstd").compress(content, asbytes=True),
    "zip": lambda content: zipped(**{"inside.dat": content}),
}
CONTENTS = {
    "csv": CSV,
    "tsv": csv_bytes(TABLE, delimiter="\t"),
    "jsonl": jsonl_bytes(TEXTS, LABELS),
    "json": json.dumps(OBJECTS).encode(),
    "parquet": parquet_bytes({"text": TEXTS, "label": LABELS}),
    "ft": "".join(f"__label__{label} {text}\n" for text, label in ROWS).encode(),
}
