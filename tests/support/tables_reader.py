"""The reader of tables as Python calls it, and what its tests share."""

from __future__ import annotations

import ctypes
import hashlib
from ctypes import POINTER, c_char_p, c_double, c_size_t, c_uint8, c_void_p
from typing import NamedTuple

import numpy as np
import torch
from one_layer_models import ASKED, make

from textcnn.core.binding import loaded
from textcnn.export.tables import sections_of, tables_bytes
from textcnn.runtime.lookup import LookupModel
from textcnn.runtime.one_layer import read_lookup_folder

HARD = [
    "ΑΣ ὈΔΥΣΣΕΎΣ İstanbul ẞ ﬁ Ǆ",  # lower case: final sigma, two characters, no lower case
    "don't 'tis rock'n'roll'x a' 'b ''c d’e",
    "e\u0301 q\u0323\u0307 q\u0307\u0323 \u0344 \u212b \u1100\u1161\u11a8 각\u11a8 \u09c7\u09be",  # normal forms
    "a\u200db \ufeffgood\u00a0film\u3000bad\u2028x\x1cy\x85z\x00!",  # blanks and what looks like them
    "漢字カナーｰひらがな한국어 👩\u200d👧 🇩🇪 \U0001d400 \U0002f800 \U000e0100",
    "\ud800 \udfff\ud800 \ude00a",
    "[PAD] [UNK]",
    "\u200bgood aw\u00adful \ufeffdon’t donʼt i\u0307 ΟΔΟς \uff27\uff4f\uff4f\uff44",  # what is dropped and folded
    "می\u200c\u200cخواهم\u200c \u200cسن അവന്\u200d ก\u200bข\u200b 🏴\U000e0067\U000e007f x\U000e0067",  # and kept
    "wörter" * 400,  # more n-grams than a token may have
    "unseen unseen wörds and unseen",
]
TEXTS = [*ASKED, *HARD]
# Whole logits of the model of `fixed_lookup` for TEXTS: the same in every home of the core.
GOLDEN = "8fd01d725725f2da"


class _Answer(ctypes.Structure):
    _fields_ = (
        *(("logits", POINTER(c_double)), ("probabilities", POINTER(c_double)), ("is_given", POINTER(c_uint8))),
        *((name, c_size_t) for name in ("best", "num_tokens", "num_seen")),
        ("grades", POINTER(c_double)),
        ("best_grade", c_size_t),
    )


class Answer(NamedTuple):
    logits: list[float]
    probabilities: list[float]
    given: list[str]
    best: str
    num_tokens: int
    num_seen: int
    grades: list[float]
    grade: str | None


class Tables:
    """Open tables; ValueError says what the reader says of bytes that it refuses."""

    def __init__(self, data: bytes) -> None:
        self._c = loaded().c
        self._c.textcnn_tables_open.restype = c_void_p
        self._c.textcnn_tables_num_labels.restype = c_size_t
        self._c.textcnn_tables_num_grades.restype = c_size_t
        self._c.textcnn_tables_label.restype = self._c.textcnn_tables_grade.restype = c_void_p
        self._c.textcnn_tables_classify.restype = POINTER(_Answer)
        self._c.textcnn_tables_words.restype = c_void_p
        # Memory of its own, of exactly this size: what watches memory sees a read behind its end.
        self._bytes = np.frombuffer(data, np.uint8).copy()
        problem = ctypes.create_string_buffer(256)
        place = self._bytes.__array_interface__["data"][0]
        made = self._c.textcnn_tables_open(c_void_p(place), c_size_t(len(data)), problem, c_size_t(256))
        self._tables = c_void_p(made)
        if made is None:
            raise ValueError(problem.value.decode())
        self.are_numbers = bool(self._c.textcnn_tables_are_numbers(self._tables))
        self.labels = self._names(self._c.textcnn_tables_num_labels, self._c.textcnn_tables_label)
        self.grades = self._names(self._c.textcnn_tables_num_grades, self._c.textcnn_tables_grade)

    def __del__(self) -> None:
        self._c.textcnn_tables_close(self._tables)

    def _names(self, count, name_of) -> list[str]:
        size, found = c_size_t(), []
        for number in range(count(self._tables)):
            start = name_of(self._tables, c_size_t(number), ctypes.byref(size))
            found.append(ctypes.string_at(start, size.value).decode(errors="replace"))
        return found

    def words(self, text: str) -> list[str]:
        data, size = text.encode(errors="surrogatepass"), c_size_t()
        start = self._c.textcnn_tables_words(self._tables, c_char_p(data), c_size_t(len(data)), ctypes.byref(size))
        return ctypes.string_at(start, size.value).decode().split("\n")[:-1]

    def classify(self, text: str) -> Answer:
        data = text.encode(errors="surrogatepass")
        found = self._c.textcnn_tables_classify(self._tables, c_char_p(data), c_size_t(len(data)))
        if not found:
            raise MemoryError
        a, count = found.contents, len(self.labels)
        given = [label for label, is_given in zip(self.labels, a.is_given[:count], strict=True) if is_given]
        best = self.labels[a.best]
        grades = a.grades[: len(self.grades)] if self.grades else []
        grade = self.grades[a.best_grade] if self.grades else None
        return Answer(a.logits[:count], a.probabilities[:count], given, best, a.num_tokens, a.num_seen, grades, grade)


def data_of(lookup: LookupModel) -> bytes:
    return tables_bytes(sections_of(lookup))


def fixed_lookup(folder) -> LookupModel:
    """A model in int8 whose weights are few bits each: no library's sums or logarithms have a part in its logits."""
    artifact = make()
    for place, parameter in enumerate(artifact.model.parameters()):
        numbers = (np.arange(parameter.numel(), dtype=np.int64) * 7919 + 104729 * (place + 1)) % 2003 - 1001
        parameter.data = torch.from_numpy((numbers / 1024).astype(np.float32)).reshape(parameter.shape)
    artifact.model.wide.idf.copy_((artifact.model.wide.idf * 64).round() / 64)
    artifact.save(folder)
    model, pipeline, saved = read_lookup_folder(folder)
    steps = [float(np.ceil(step * 1024) / 1024) for step in saved["scales"]]
    return LookupModel(model, pipeline, {**saved, "scales": steps}, precision="int8")


def hash_of(logits) -> str:
    """A hash of whole logits, which are given as float64."""
    whole = np.rint(np.asarray(logits, np.float64) * 2.0**36).astype("<i8")
    return hashlib.sha256(whole.tobytes()).hexdigest()[:16]
