"""Train and test rows from a set without a split of its own: by content, stratified, the same on every machine."""

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
    """What a source has to write: which columns and label names, and how to split where the source does not."""

    name: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    test_fraction: float = 0.0
    seed: int = 0


def fingerprint(text: str) -> bytes:
    """Eight bytes that tell texts apart, case and blanks aside (in a million texts, two agree with odds of 3e-8)."""
    plain = " ".join(text.split()).casefold()
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def split_indices(
    labels: Sequence[str], keys: Sequence[bytes], test_fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    """Row numbers of train and of test, in an order that depends on the content and the seed only.

    Of each label's rows the same share goes to test. Rows of a label with equal keys are never parted, so that no
    duplicate is trained on and tested on; as long as there are unique rows enough, the share is met to the row.

    Args:
        labels: the label of each row.
        keys: the content of each row, e.g. the :func:`fingerprint` of its text.
        test_fraction: share of the rows for test, in [0, 1).
        seed: another seed gives another split.
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
            if len(copies) <= room:
                test.update(copies)
                room -= len(copies)
    return [row for row in shuffled if row not in test], [row for row in shuffled if row in test]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """A UTF-8 file with a header and LF line ends (those inside a text stay as they are); the number of rows."""
    count = 0
    with replaced_file(path, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def split_and_write(folder: Path, rows: Sequence[Sequence[str]], plan: Plan) -> dict[str, int]:
    """Write ``train.csv`` and ``test.csv`` from rows of (text, label, ...); the number of rows of each."""
    keys = [fingerprint(row[0]) for row in rows]
    train, test = split_indices([row[1] for row in rows], keys, plan.test_fraction, plan.seed)
    return {
        split: write_csv(folder / f"{split}.csv", plan.columns, (rows[row] for row in chosen))
        for split, chosen in (("train", train), ("test", test))
    }
