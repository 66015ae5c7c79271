"""Stratified train/test splits by a hash of the content, identical on every machine."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from textcnn.atomic import replaced_file


@dataclass(frozen=True)
class Plan:
    """Output of a data-set source: its columns and labels, and the split to make where the source has none."""

    name: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    test_fraction: float = 0.0
    seed: int = 0


def fingerprint(text: str) -> bytes:
    """Hash a text, ignoring case and blanks, to eight bytes (among a million texts a collision has odds of 3e-8)."""
    # Not the faster hash of textcnn.reading.statistics: data sets that are split again must be split alike.
    plain = " ".join(text.split()).casefold()
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def split_indices(
    labels: Sequence[str], keys: Sequence[bytes], test_fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    """Split rows into train and test; return their row numbers, in an order given by content and seed alone.

    Each label contributes the same share of its rows to test. Rows of a label with equal keys go to the same side, so
    that no duplicate is in both; with enough unique rows the share is met exactly.

    Args:
        labels: the label of each row.
        keys: a hash of each row's content, e.g. the :func:`fingerprint` of its text.
        test_fraction: share of the rows for test, in [0, 1).
        seed: key of the hash that orders the rows.
    """
    digests = [hashlib.blake2b(key, digest_size=16, key=str(seed).encode()).digest() for key in keys]
    shuffled = sorted(range(len(keys)), key=lambda row: (digests[row], row))
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row in shuffled:
        rows_of[labels[row]].append(row)
    test: set[int] = set()
    for rows in rows_of.values():
        room = round(test_fraction * len(rows))
        for _, equal in groupby(rows, key=digests.__getitem__):
            copies = list(equal)
            # A group larger than the room left stays in train; smaller ones after it may still fill test.
            if len(copies) <= room:
                test.update(copies)
                room -= len(copies)
    return [row for row in shuffled if row not in test], [row for row in shuffled if row in test]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a UTF-8 CSV file with a header and LF line ends; return the number of rows."""
    count = 0
    with replaced_file(path, newline="") as file:  # without translation, line ends within texts stay as they are
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def split_and_write(folder: Path, rows: Sequence[Sequence[str]], plan: Plan) -> dict[str, int]:
    """Write ``train.csv`` and ``test.csv`` from rows of (text, label, ...); return the number of rows of each."""
    keys = [fingerprint(row[0]) for row in rows]
    train, test = split_indices([row[1] for row in rows], keys, plan.test_fraction, plan.seed)
    return {
        split: write_csv(folder / f"{split}.csv", plan.columns, (rows[row] for row in chosen))
        for split, chosen in (("train", train), ("test", test))
    }
