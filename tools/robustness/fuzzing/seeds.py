"""Small valid files of every format, most of them made by the library's own writers: what a fuzzer starts from."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow
import torch
from PIL import Image
from safetensors.numpy import save as save_safetensors

from tests.support import one_layer_models
from tests.support.table_files import csv_bytes, jsonl_bytes, parquet_bytes
from textcnn.config import ModelConfig
from textcnn.export.tables import sections_of, tables_bytes
from textcnn.folder.tensors import packed
from textcnn.folder.training_rows import EvidenceIndex, OutOfFold
from textcnn.image.batches import ImageInputs
from textcnn.image.files import write_idx, write_npz
from textcnn.labels import Labels
from textcnn.models.base import build_image_classifier
from textcnn.prediction.artifact import Artifact

TEXTS = ["a good film", 'bad, "really" bad', "naïve 映画 🎬", "שלום عالم", ""]
LABELS = ["pos", "neg", "pos|neg", "neg", "pos"]
WORDS = ["the", "good", "film", "映画"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
PIXELS = np.arange(2 * 5 * 4, dtype=np.uint8).reshape(2, 5, 4)


def tables(delimiter: str) -> list[bytes]:
    rows = [("id", "text", "label"), *zip(range(5), TEXTS, LABELS, strict=True)]
    plain = csv_bytes(rows, delimiter=delimiter)
    text = plain.decode()
    return [plain, text.encode("utf-16"), text.encode("utf-8-sig"), text.replace("\r\n", "\r").encode()]


def texts_of_words() -> list[bytes]:
    """A byte for each form of words, and what their normal forms are about."""
    marks = "don’t i\u0307 ΟΔΟΣ e\u0323\u0301 \u1100\u1161\u11a8 ﬁ½ a\u00adb"
    joiners = "م\u200cن ก\u200bข 👩\u200d👧 🏴\U000e0067\U000e007f"
    return [bytes([form]) + " ".join([*TEXTS, marks, joiners]).encode() for form in range(6)]


def json_lines() -> list[bytes]:
    rich = {"text": "a", "label": ["x", "y"], "weight": 1.5, "more": {"a": [None, True]}}
    return [jsonl_bytes(TEXTS, LABELS), json.dumps(rich).encode() + b'\n{"text": "\\ud800", "label": 1}\n']


def documents() -> list[bytes]:
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    shapes = [rows, {"version": 1, "data": rows}, {"text": TEXTS, "label": LABELS}, TEXTS, rows[0]]
    return [json.dumps(shape, indent=indent).encode() for shape in shapes for indent in (None, 1)]


def packed_tables() -> list[bytes]:
    content = tables(",")[0]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", content)
    zstd = pyarrow.Codec("zstd").compress(content, asbytes=True)
    return [bz2.compress(content), lzma.compress(content), zstd, file.getvalue()]


def spreadsheet_tables() -> list[bytes]:
    rows = [("text", "label", "", ""), *((text, label, "", "") for text, label in zip(TEXTS, LABELS, strict=True))]
    plain = csv_bytes(rows, delimiter=";")
    return [b"sep=;\r\n" + plain, plain + b"\xef\xbb\xbf" + plain, b'text\tlabel\n"a\tx\nb"\ty\n"c\nd"\tz\n']


def parquet() -> list[bytes]:
    table = {"text": TEXTS, "label": LABELS, "score": [0.5, None, 1, 2, 3], "tags": [["a"], [], None, ["b", "c"], []]}
    return [parquet_bytes(table), parquet_bytes({"text": TEXTS})]


def fasttext_lines() -> list[bytes]:
    return ["".join(f"__label__a __label__b {text}\n" for text in TEXTS).encode()]


def folders() -> list[bytes]:
    return [b"pos\na.txt\ngood\npos\nb.txt\nfine\nneg\n\xc3\xa9.txt\nbad\n"]


def text_vectors() -> list[bytes]:
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(WORDS, VECTORS.tolist(), strict=True)]
    return ["".join(lines).encode(), ("4 3\n" + "".join(lines)).encode()]


def binary_vectors() -> list[bytes]:
    rows = [word.encode() + b" " + row.tobytes() for word, row in zip(WORDS, VECTORS, strict=True)]
    return [b"4 3\n" + b"\n".join(rows), b"4 3\n" + b"".join(rows)]


def npz_vectors() -> list[bytes]:
    return [_npz(words=np.array(WORDS), vectors=VECTORS), _npz(words=np.array(["a", "b"]), vectors=np.eye(2))]


def safetensors_vectors() -> list[bytes]:
    return [save_safetensors({"vectors": VECTORS}, {"words": json.dumps(WORDS)})]


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def image_npz() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_npz(Path(folder, "x.npz"), PIXELS, np.array(["a", "b"]))
        return [Path(folder, "x.npz").read_bytes(), _npz(images=PIXELS.astype(np.float32))]


def idx() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_idx(Path(folder, "x"), PIXELS)
        return [Path(folder, "x").read_bytes(), struct.pack(">BBBBI", 0, 0, 8, 1, 2) + b"\0\1"]


def packed_idx() -> list[bytes]:
    return [gzip.compress(content, mtime=0) for content in idx()]


def pictures() -> list[bytes]:
    found = []
    for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        file = io.BytesIO()
        Image.fromarray(PIXELS[0]).convert("RGB").save(file, name)
        found.append(file.getvalue())
    return found


@cache
def text_model() -> dict[str, bytes]:
    """The files of a folder with all that one may have: sub-words, a wide branch, folds and evidence."""
    artifact = one_layer_models.make(vectors="v.txt", keep_vectors=2)
    artifact.folds = OutOfFold(np.full((4, 3), 0.3, np.float32), np.array([0, 1, 0, 1], np.int32))
    artifact.evidence = EvidenceIndex(
        keys=np.array([3, 5], np.int64),
        counts=np.array([1, 2], np.int32),
        rows=np.array([[0, -1], [1, 0]], np.int32),
        numbers=np.array([0, 3], np.int64),
        label_offsets=np.array([0, 1, 2], np.int64),
        label_ids=np.array([0, 2], np.int32),
        threshold=np.array([0.5]),
    )
    return _files(artifact)


@cache
def tables_files() -> list[bytes]:
    """Tables files that have all sections between them, with few logarithms: the reader makes the others."""
    kinds = [("default", "float32"), ("own filters", "int8"), ("two channels", "int8"), ("multi label", "int8")]
    kinds += [("bag of words", "float32"), ("tanh", "int8")]
    options = [(one_layer_models.OPTIONS[name], precision) for name, precision in kinds]
    found = []
    for own, precision in [*options, (one_layer_models.GRADED, "float32")]:
        with tempfile.TemporaryDirectory() as folder:
            sections = sections_of(one_layer_models.loaded_lookup(Path(folder, "model"), precision, **own))
        if "logarithms" in sections:
            sections["logarithms"] = sections["logarithms"][:2]
        found.append(tables_bytes(sections))
        for vectors in {"vectors", "fixed"} & sections.keys():  # as of a model that was made smaller
            sections |= packed({vectors: sections.pop(vectors)}, "int8")
        found.append(tables_bytes(sections))
    return found


@cache
def image_model() -> dict[str, bytes]:
    torch.manual_seed(0)
    config = ModelConfig("lenet", settings={"channels": [2, 3], "hidden_size": 5})
    inputs = ImageInputs.fit(np.arange(2 * 3 * 8 * 8, dtype=np.uint8).reshape(2, 3, 8, 8))
    labels = Labels(("cat", "dog"))
    model = build_image_classifier(config, inputs.shape, labels).eval()
    return _files(Artifact(model, inputs, labels, config, 2.0, [0.5, 0.5]))


def _files(artifact: Artifact) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        place = artifact.save(Path(folder) / "model")
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}
