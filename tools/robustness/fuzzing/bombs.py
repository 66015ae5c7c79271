"""Small files that would be large, deep or slow if they were believed: ``python -m tools.robustness.fuzzing.bombs``.

Each is read in this process, and a line of JSON says how long that took, how much more memory was taken at its height,
and how it ended. Linux tells the height.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import lzma
import platform
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import TextCNNError
from textcnn.image.reading import read_images
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import open_rows, read_examples
from textcnn.vectors.pretrained import read_vectors
from tools.robustness.fuzzing import seeds

COMMAND = "python -m tools.robustness.fuzzing.bombs"
GIGABYTE, PIECE = 2**30, 2**24


def packed(start: bytes, piece: bytes, size: int = GIGABYTE) -> bytes:
    """A gzip file of ``start`` and, for ``size`` bytes, ``piece`` again and again: a member packed once, many times."""
    member = gzip.compress(piece * (PIECE // len(piece)), 1, mtime=0)
    return gzip.compress(start, mtime=0) + member * (size // PIECE)


def sparse(path: Path) -> None:
    """A gigabyte of NUL bytes that takes no room."""
    with path.open("wb") as file:
        file.truncate(GIGABYTE)


def npy_header(shape: tuple[int, ...], kind: str) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": kind})
    return file.getvalue()


def zip_bomb(path: Path, size: int = 2**28) -> None:
    """Images of zeros, rightly packed."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("images.npy", "w") as file,
    ):
        file.write(npy_header((size // 256, 16, 16), "|u1"))
        for _ in range(size // PIECE):
            file.write(bytes(PIECE))


def lying_directory(path: Path) -> None:
    """An archive whose directory has a member of ten to the twelfth bytes, and whose array claims them too."""
    size = 10**12
    inside = npy_header((size, 1, 1), "|u1")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", inside)
        info = archive.getinfo("images.npy")
        info.file_size = info.compress_size = size + len(inside)


def zipped_line(path: Path) -> None:
    """A CSV file with a line of a gigabyte, rightly packed."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.csv", "w") as file,
    ):
        file.write(b"text,label\n")
        for _ in range(GIGABYTE // PIECE):
            file.write(b"a" * PIECE)


def lying_directory_of_csv(path: Path) -> None:
    """An archive whose directory has a member of ten to the twelfth bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.csv", "text,label\na,b\n")
        info = archive.getinfo("x.csv")
        info.file_size = info.compress_size = 10**12


def wide_xz() -> bytes:
    """A small file whose header asks for a dictionary of 3 GB."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**20}]
    content = bytearray(lzma.compress(b"text,label\na,b\n", filters=filters, check=lzma.CHECK_NONE))
    size = (content[12] + 1) * 4  # of the block header, which ends in its own checksum
    at = content.index(b"\x21\x01", 12) + 2
    content[at] = 39  # of 40 sizes, the last but one: 3 GB
    content[12 + size - 4 : 12 + size] = zlib.crc32(content[12 : 12 + size - 4]).to_bytes(4, "little")
    return bytes(content)


def repeated_parquet(path: Path) -> None:
    """Two thousand rows of one text of a megabyte, which the file holds once."""
    import pyarrow
    from pyarrow import parquet

    text = pyarrow.DictionaryArray.from_arrays(np.zeros(2_000, np.int32), ["word " * 200_000])
    with parquet.ParquetWriter(path, pyarrow.schema([("text", text.type)]), compression="zstd") as writer:
        writer.write_table(pyarrow.table({"text": text}))


def lying_footer(path: Path) -> None:
    path.write_bytes(b"PAR1" + bytes(100) + (2**31 - 1).to_bytes(4, "little") + b"PAR1")


def safetensors_file(header: dict[str, Any], size: int = 48) -> bytes:
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(size)


def lying_vectors(shape: list[int], kind: str, offsets: list[int]) -> bytes:
    entry = {"dtype": kind, "shape": shape, "data_offsets": offsets}
    return safetensors_file({"__metadata__": {"words": '["a", "b"]'}, "vectors": entry})


def table(content: bytes | Callable[[Path], None], name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        path = written(content, folder / name)
        return sum(len(row.text) for row in open_rows(path))

    return read


def written(content: bytes | Callable[[Path], None], path: Path) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    return path


def vectors(content: bytes, name: str = "x") -> Callable[[Path], Any]:
    return lambda folder: read_vectors(written(content, folder / name), ["a"])


def images(content: bytes | Callable[[Path], None], name: str) -> Callable[[Path], Any]:
    return lambda folder: read_images(written(content, folder / name))


def class_file(folder: Path) -> Any:
    (folder / "data" / "pos").mkdir(parents=True)
    (folder / "data" / "pos" / "a.txt").write_bytes(packed(b"", b"word\n"))
    return read_examples(folder / "data")


def model(runtime: str, change: Callable[[dict[str, bytes]], None]) -> Callable[[Path], Any]:
    """A model folder with a changed file."""

    def read(folder: Path) -> Any:
        files = dict(seeds.text_model())
        change(files)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return Predictor.load(folder, runtime=runtime).predict_proba(["a good film"])

    return read


def config(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        document = json.loads(files["config.json"])
        settings = changes.get("settings", {})
        document |= {
            **changes,
            "settings": {**document["settings"], **settings} if "architecture" not in changes else settings,
        }
        files["config.json"] = json.dumps(document).encode()

    return change


def far_id(files: dict[str, bytes]) -> None:
    document = json.loads(files["tokenizer.json"])
    document["model"]["vocab"]["far"] = 4_000_000_000
    files["tokenizer.json"] = json.dumps(document).encode()


def deep(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files[name] = b'{"a":' * 100_000

    return change


BOMBS: dict[str, Callable[[Path], Any]] = {
    "csv.gz, a line of 1 GB": table(packed(b"text,label\n", b"a"), "x.csv.gz"),
    "csv.gz, a row of 1 GB of commas": table(packed(b"text,label\n", b","), "x.csv.gz"),
    "csv.gz, a quote that is never closed": table(packed(b'text,label\n"', b"word\n"), "x.csv.gz"),
    "csv.gz, a row of quoted line ends": table(packed(b"text,label\n", b'"\n",'), "x.csv.gz"),
    "tsv, 1 GB of NUL": table(sparse, "x.tsv"),
    "lines, 1 GB of NUL": table(sparse, "x.txt"),
    "lines, a line of 1 GB in UTF-16": table(packed(b"\xff\xfe", "字".encode("utf-16-le")), "x.txt.gz"),
    "jsonl.gz, a text of 1 GB": table(packed(b'{"text": "', b"a"), "x.jsonl.gz"),
    "jsonl.gz, a list of 1 GB": table(packed(b'{"text": [', b"{},"), "x.jsonl.gz"),
    "jsonl, nested 100,000 deep": table(b'{"text": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "x.jsonl"),
    "jsonl, half a surrogate nested 900 deep": table(
        b'{"text": "\\ud800", "x": ' + b"[" * 900 + b"]" * 900 + b"}", "x.jsonl"
    ),
    "json.gz, an array of 1 GB of empty objects within one": table(packed(b'[{"text": [', b"{},"), "x.json.gz"),
    "json.gz, an object with a column of 1 GB": table(packed(b'{"text": [', b"{},"), "x.json.gz"),
    "json.gz, 1 GB of blanks": table(packed(b"[", b" "), "x.json.gz"),
    "csv.xz, a dictionary of 3 GB": table(wide_xz(), "x.csv.xz"),
    "csv.zip, a line of 1 GB": table(zipped_line, "x.csv.zip"),
    "zip, a directory that claims 10^12": table(lying_directory_of_csv, "x.zip"),
    "tsv.gz, a quote that is never closed": table(packed(b'text\tlabel\n"', b"word\n"), "x.tsv.gz"),
    "fastText, a million labels in a line": table(b"__label__a " * 1_000_000 + b"text", "x.ft"),
    "folder per class, a text of 1 GB": class_file,
    "Parquet, one text of 1 MB in 2,000 rows": table(repeated_parquet, "x.parquet"),
    "Parquet, a footer of 2 GB": table(lying_footer, "x.parquet"),
    "vectors, text, a vocabulary of 10^9": vectors(b"1000000000 300\na " + b"1 " * 300 + b"\nb 1\n"),
    "vectors, binary, a vocabulary of 10^9": vectors(b"1000000000 300\na " + bytes(1200) + b"b ", "x.bin"),
    "vectors, a width of 10^9": vectors(b"3 1000000000\na 1 2 3\n"),
    "vectors, a line of 1 GB": vectors(packed(b"", b"1 ")),
    "vectors, a number of 15 million digits": vectors(b"a 1 2 3\nw " + b"1" * 15_000_000 + b"x 1 2 3\n"),
    "vectors, safetensors of 10^12": vectors(lying_vectors([2, 10**12], "F32", [0, 48])),
    "vectors, safetensors beyond the end": vectors(lying_vectors([2, 6], "F32", [0, 10**15])),
    "images.npz, a zip bomb": images(zip_bomb, "x.npz"),
    "images.npz, a directory and a header that claim 10^12": images(lying_directory, "x.npz"),
    "idx, a header that claims 10^12": images(
        struct.pack(">BBBB3I", 0, 0, 8, 3, 10**4, 10**4, 10**4) + b"1234", "x-images-idx3-ubyte"
    ),
    "idx.gz, 1 GB of zeros": images(
        packed(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**14, 2**8, 2**8), b"\0"), "x-images-idx3-ubyte.gz"
    ),
    "model, look-up, config.json nested 100,000 deep": model("look-up", deep("config.json")),
    "model, look-up, a vocabulary that claims 4 * 10^9": model("look-up", far_id),
    "model, torch, a vocabulary that claims 4 * 10^9": model("torch", far_id),
    "model, look-up, 10^10 buckets": model("look-up", config(ngram_buckets=10**10)),
    "model, look-up, n-grams of 10^9": model("look-up", config(ngram_max=10**9)),
    "model, torch, vectors of 10^9 numbers": model("torch", config(embedding_dim=10**9)),
    "model, torch, 10^8 filters": model("torch", config(settings={"num_filters": 10**8})),
    "model, torch, 10^6 widths": model("torch", config(settings={"kernel_sizes": [3] * 10**6})),
    "model, torch, 10^9 layers": model(
        "torch", config(architecture="lstm", wide=False, settings={"num_layers": 10**9, "hidden_size": 1})
    ),
}


def measured(name: str) -> dict[str, Any]:
    """Read one bomb: seconds, megabytes above what there was, and how it ended."""
    with tempfile.TemporaryDirectory(prefix="bombs-") as folder:
        began, before = time.perf_counter(), _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the height begins anew
        try:
            BOMBS[name](Path(folder))
            ended = "read"
        except TextCNNError as err:
            ended = f"{type(err).__name__}: {str(err).replace(folder, '')[:200]}"
        took = time.perf_counter() - began
    return {"bomb": name, "seconds": round(took, 2), "megabytes": max(_memory("VmHWM") - before, 0), "ended": ended}


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{field}:"))


def measure(names: list[str]) -> Iterator[dict[str, Any]]:
    """Read the bombs in one process after a first model, so that libraries are there already."""
    with tempfile.TemporaryDirectory() as folder:
        model("torch", lambda files: None)(Path(folder))
    for name in names:
        yield measured(name)


def to_markdown(document: dict[str, Any]) -> str:
    """The table of the results."""
    lines = [
        f"Seconds and megabytes that a bomb takes, making it included, by `{document['command']}`.",
        "",
        "| bomb | s | MB | ends in |",
        "| --- | --- | --- | --- |",
    ]
    for result in document["results"]:
        ended = result["ended"].replace("|", "\\|").replace("`", "'")
        lines.append(f"| {result['bomb']} | {result['seconds']:.1f} | {result['megabytes']:,} | {ended} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the bombs that are named, or all."""
    import resource

    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--only", action="append", metavar="BOMB", help="one bomb; repeatable")
    parser.add_argument("--output", type=Path, help="JSON file of the results, and beside it their table")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (8 * GIGABYTE, 8 * GIGABYTE))  # the machine is to survive
    results = []
    for result in measure(options.only or list(BOMBS)):
        results.append(result)
        print(json.dumps(result), flush=True)
    if options.output is not None:
        document = {"benchmark": "bombs", "command": COMMAND, "python": platform.python_version(), "results": results}
        options.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        options.output.with_suffix(".md").write_text(to_markdown(document), encoding="utf-8")


if __name__ == "__main__":
    main()
