"""Parquet files with the answers of a teacher, by text, so that no text is asked twice and a stopped run goes on."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from textcnn.atomic import write_whole
from textcnn.errors import DataError
from textcnn.progress import Reporter

Floats = npt.NDArray[np.float32]
Measure = Callable[[Sequence[str]], Floats]
CHUNK = 256  # texts that a teacher is asked at once
SECONDS_A_PART, SECONDS_A_LINE = 30.0, 10.0
_KEY_BYTES = 16


def cache_folder() -> Path:
    """Return the folder of all caches: ``TEXTCNN_CACHE``, else ``~/.cache/textcnn``."""
    return Path(os.environ.get("TEXTCNN_CACHE") or Path.home() / ".cache" / "textcnn")


class AnswerCache:
    """The answers of one teacher, in a folder of Parquet files with the columns ``text`` (a digest) and ``answer``.

    Args:
        key: names the teacher and its version; none: answers are not stored.
        folder: where the caches of all teachers lie; none: :func:`cache_folder`.
    """

    def __init__(self, key: str | None, folder: Path | None = None) -> None:
        self._folder = None
        if key is not None:
            try:
                parent = folder or cache_folder()
                self._folder = parent / "teacher" / hashlib.sha256(key.encode()).hexdigest()[:16]
                self._folder.mkdir(parents=True, exist_ok=True)
            except (OSError, RuntimeError):  # a read-only home, or none
                self._folder = None

    def answers(self, texts: Sequence[str], measure: Measure, name: str, reporter: Reporter) -> Floats:
        """Return the answers ``(N, W)`` to texts, of which only those that are not in the cache are measured.

        Args:
            texts: the N texts.
            measure: asks the teacher.
            name: of the teacher, for messages.
            reporter: receives an estimate of the time, then how far it is.

        Raises:
            DataError: the teacher gave another number of rows, or rows of another width than before.
        """
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES] for text in texts]
        known = self._load()
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            if len(missing) < len({*keys}):
                reporter.say(f"teacher {name}: {len({*keys}) - len(missing):,} answers are known from before")
            self._measure(missing, known, measure, name, reporter)
        found = [known[key] for key in keys]
        if len({len(answer) for answer in found}) > 1:
            raise DataError(f"expected answers of one width from the teacher {name}, found several; empty its cache")
        return np.array(found, np.float32)

    def _measure(
        self, missing: dict[bytes, str], known: dict[bytes, Floats], measure: Measure, name: str, reporter: Reporter
    ) -> None:
        """Ask the teacher for the missing answers, chunk by chunk, and keep them now and then."""
        keys, texts = list(missing), list(missing.values())
        began = said = kept = time.perf_counter()
        unsaved: list[bytes] = []
        try:
            for start in range(0, len(texts), CHUNK):
                chunk = texts[start : start + CHUNK]
                values = np.asarray(measure(chunk), np.float32)
                if values.ndim != 2 or len(values) != len(chunk):
                    raise DataError(
                        f"expected {len(chunk)} rows of numbers from the teacher {name}, found the shape {values.shape}"
                    )
                known.update(zip(keys[start : start + CHUNK], values, strict=True))
                unsaved += keys[start : start + CHUNK]
                now, done = time.perf_counter(), start + len(chunk)
                rate = done / max(now - began, 1e-9)
                left = (len(texts) - done) / rate
                if start == 0 and left > 1:
                    reporter.say(f"teacher {name}: {len(texts):,} texts at {rate:,.0f} a second, about {left:,.0f} s")
                elif now - said > SECONDS_A_LINE and left > 0:
                    reporter.say(f"teacher {name}: {done:,} of {len(texts):,} texts, {left:,.0f} s left")
                    said = now
                if now - kept > SECONDS_A_PART:
                    self._save(unsaved, known)
                    unsaved, kept = [], now
        finally:  # an interrupt loses nothing
            self._save(unsaved, known)

    def _load(self) -> dict[bytes, Floats]:
        known: dict[bytes, Floats] = {}
        for path in sorted(self._folder.glob("*.parquet")) if self._folder is not None else ():
            try:
                table = pq.read_table(path)
            except (OSError, pa.ArrowInvalid):  # damaged, or removed meanwhile: its texts are measured again
                continue
            for key, answer in zip(table["text"].to_pylist(), _rows(table["answer"]), strict=True):
                known[key] = answer
        return known

    def _save(self, keys: list[bytes], known: dict[bytes, Floats]) -> None:
        if self._folder is None or not keys:
            return
        answers = np.stack([known[key] for key in keys])
        column = pa.FixedSizeListArray.from_arrays(pa.array(answers.ravel()), answers.shape[1])
        file = io.BytesIO()
        pq.write_table(pa.table({"text": pa.array(keys, pa.binary(_KEY_BYTES)), "answer": column}), file)
        name = hashlib.sha256(b"".join(keys)).hexdigest()[:16]
        write_whole(self._folder / f"{name}.parquet", file.getvalue())


def _rows(column: pa.ChunkedArray) -> Floats:
    width = column.type.list_size
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(-1, width)
