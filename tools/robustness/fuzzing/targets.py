"""Every reader as a function of bytes, which may be refused by an error of ours and by nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import textcnn.prediction.artifact
import textcnn.runtime.lookup
from textcnn.config import DataConfig
from textcnn.core import library, tokens, tokens_numpy
from textcnn.core.word_form import FORMS
from textcnn.errors import TextCNNError
from textcnn.folder.model_folder import CONFIG, EVIDENCE, FOLDS, TOKENIZER, TRAINING, WEIGHTS
from textcnn.image.reading import read_images
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import open_rows, read_examples
from textcnn.vectors.pretrained import read_vectors
from tools.robustness.fuzzing import seeds

ASKED = ["", "a good film", "漢 字漢 unseen \ud800", "bad " * 9]
LONGEST_MESSAGE = 3_000  # characters; it is one line on the screen
told: deque[str] = deque(maxlen=10)  # the last messages


class Target(NamedTuple):
    """A reader.

    Attributes:
        read: takes the content of a file and an empty folder, which stays the same from call to call.
        seeds: makes valid contents.
        kind: how these are changed; one of :data:`fuzzing.mutations.KINDS`.
    """

    read: Callable[[bytes, Path], None]
    seeds: Callable[[], list[bytes]]
    kind: str = "bytes"


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Our own errors may come, on one line of a size to read; any other is a finding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except TextCNNError as err:
            message = str(err)
            told.append(message)
            if "\n" in message or len(message) > LONGEST_MESSAGE:
                raise AssertionError(f"a message of {len(message)} characters: {message[:200]!r}") from err


def _table(name: str, **options: Any) -> Callable[[bytes, Path], None]:
    config = DataConfig(**options)

    def read(content: bytes, folder: Path) -> None:
        (folder / name).write_bytes(content)
        _rows(folder / name, config)

    return read


def _rows(path: Path, config: DataConfig) -> None:
    with refused():
        for row in open_rows(path, config):
            row.text.encode()
            "".join(row.labels or ()).encode()
            json.dumps(row.columns, default=str, ensure_ascii=False).encode()
    with refused():
        examples = read_examples(path, config)
        assert len(examples.texts) == len(examples.labels) > 0


def _folder(content: bytes, folder: Path) -> None:
    """Lines of the content are, in turns, names of classes, names of files, and texts."""
    root = folder / f"classes{next(_numbers)}"
    root.mkdir()
    lines = content.split(b"\n")
    for name, file, text in list(zip(lines[::3], lines[1::3], lines[2::3], strict=False))[:20]:
        place = os.path.join(os.fsencode(root), _file_name(name))
        with contextlib.suppress(OSError):
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, _file_name(file)), "wb") as opened:
                opened.write(text)
    _rows(root, DataConfig())
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()


def _file_name(name: bytes) -> bytes:
    name = name.replace(b"/", b"_").replace(b"\0", b"_")[:200]
    return name if name.strip(b".") else b"x" + name


_numbers = iter(range(10**18))


def _vectors(name: str) -> Callable[[bytes, Path], None]:
    def read(content: bytes, folder: Path) -> None:
        (folder / name).write_bytes(content)
        with refused():
            read_vectors(folder / name, ["good", "映画"], keep=2)

    return read


def _images(name: str) -> Callable[[bytes, Path], None]:
    def read(content: bytes, folder: Path) -> None:
        (folder / name).write_bytes(content)
        with refused():
            assert read_images(folder / name).pixels.ndim == 4

    return read


def _model(files: Callable[[], dict[str, bytes]], name: str) -> Target:
    """A model folder in which one file is another: by both runtimes, and in both precisions."""

    def read(content: bytes, folder: Path) -> None:
        place = folder / "model"
        if not place.exists():
            place.mkdir()
            for file, inside in files().items():
                (place / file).write_bytes(inside)
        (place / name).write_bytes(content)
        if files is seeds.image_model:
            with refused():
                textcnn.prediction.artifact.load_artifact(place)
            return
        for runtime, precision in (("look-up", "float32"), ("look-up", "int8"), ("torch", "float32")):
            with refused():
                predictor = Predictor.load(place, runtime=runtime, precision=precision, cache_bytes=2**20)
                assert len(predictor.predict_proba(ASKED)) == len(ASKED)

    kind = "safetensors" if name.endswith(".safetensors") else "json"
    return Target(read, lambda: [files()[name]], kind)


def _words(content: bytes, _: Path) -> None:
    """Chunks of any text: the core's words are those of the `tokenizers` package. The first byte chooses the form."""
    if not content or library() is None:
        return
    form, chunks = FORMS[content[0] % len(FORMS)], content[1:].decode("utf-8", "replace").encode().split()
    data, ends = np.frombuffer(b"".join(chunks), np.uint8), np.cumsum(np.array([len(c) for c in chunks], np.int64))
    (words, counts), expected = tokens.split_words(data, ends, form), tokens_numpy.split_words(data, ends, form)
    assert words.tobytes() == expected[0].tobytes()
    assert counts.tolist() == expected[1].tolist()


TARGETS: dict[str, Target] = {
    "csv": Target(_table("x.csv"), lambda: seeds.tables(",")),
    "csv.gz": Target(
        _table("x.csv.gz"), lambda: [seeds.gzip.compress(content, mtime=0) for content in seeds.tables(",")], "gzip"
    ),
    "tsv": Target(_table("x.tsv"), lambda: seeds.tables("\t")),
    "format found out": Target(
        _table("x"), lambda: [*seeds.tables(";"), *seeds.json_lines(), *seeds.fasttext_lines(), *seeds.parquet()]
    ),
    "jsonl": Target(_table("x.jsonl"), seeds.json_lines),
    "json": Target(_table("x.json"), seeds.documents),
    "packed": Target(_table("x"), seeds.packed_tables),
    "tables of spreadsheets": Target(_table("x.txt"), seeds.spreadsheet_tables),
    "escaped quotes": Target(_table("x.csv", escape="backslash"), lambda: seeds.tables(",")),
    "parquet": Target(_table("x.parquet"), seeds.parquet),
    "fastText lines": Target(_table("x.ft"), seeds.fasttext_lines),
    "folder per class": Target(_folder, seeds.folders),
    "vectors, text": Target(_vectors("x.txt"), seeds.text_vectors),
    "vectors, binary": Target(_vectors("x.bin"), seeds.binary_vectors),
    "vectors, npz": Target(_vectors("x.npz"), seeds.npz_vectors, "npz"),
    "vectors, safetensors": Target(_vectors("x.safetensors"), seeds.safetensors_vectors, "safetensors"),
    "images, npz": Target(_images("x.npz"), seeds.image_npz, "npz"),
    "images, idx": Target(_images("x-images-idx3-ubyte"), seeds.idx),
    "images, idx.gz": Target(_images("x-images-idx3-ubyte.gz"), seeds.packed_idx, "gzip"),
    "pictures": Target(_images("x.png"), seeds.pictures),
    "words of the default tokenizer": Target(_words, seeds.texts_of_words),
    **{name: _model(seeds.text_model, name) for name in (CONFIG, WEIGHTS, TOKENIZER, TRAINING, FOLDS, EVIDENCE)},
    **{f"{name} of images": _model(seeds.image_model, name) for name in (CONFIG, WEIGHTS)},
}
