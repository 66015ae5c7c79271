"""Bombs end in an error that says why, in seconds and within the memory of a small machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.robustness.fuzzing.bombs import BOMBS, to_markdown

SECONDS, MEGABYTES = 20, 700
TOO_LONG = "expected a line of fewer than 16,777,216 characters, found a longer one"
ENDS = {
    "csv.gz, a line of 1 GB": rf":2: {TOO_LONG}",
    "csv.gz, a row of 1 GB of commas": rf":2: {TOO_LONG}",
    "csv.gz, a quote that is never closed": ":2: expected a row of fewer than 16,777,216 characters",
    "csv.gz, a row of quoted line ends": ":2: expected a row of fewer than 16,777,216 characters",
    "tsv, 1 GB of NUL": rf":1: {TOO_LONG}",
    "lines, 1 GB of NUL": rf":1: {TOO_LONG}",
    "lines, a line of 1 GB in UTF-16": rf":1: {TOO_LONG}",
    "jsonl.gz, a text of 1 GB": ":1: expected a row of fewer than 16,777,216 characters, found a longer one",
    "jsonl.gz, a list of 1 GB": "expected a column with a usual name of a text",
    "jsonl, nested 100,000 deep": ":1: expected one JSON object a line",
    "jsonl, half a surrogate nested 900 deep": ":1: expected lists and objects nested at most 100 deep",
    "json.gz, an array of 1 GB of empty objects within one": ":1: expected a row of fewer than 16,777,216 characters",
    "json.gz, an object with a column of 1 GB": "expected a column with a usual name of a text",
    "json.gz, 1 GB of blanks": ":1: expected fewer than 16,777,216 blanks in a row, found more",
    "csv.xz, a dictionary of 3 GB": "expected a readable file, found: Memory usage limit exceeded",
    "csv.zip, a line of 1 GB": rf":2: {TOO_LONG}",
    "zip, a directory that claims 10^12": "expected a readable file, found: EOFError",
    "tsv.gz, a quote that is never closed": ":2: expected quotes that pair up",
    "fastText, a million labels in a line": "read",
    "folder per class, a text of 1 GB": "a.txt: expected a text of fewer than 16,777,216 characters",
    "Parquet, one text of 1 MB in 2,000 rows": "read",
    "Parquet, a footer of 2 GB": "expected a Parquet file, found",
    "vectors, text, a vocabulary of 10^9": ":3: expected a word and 300 numbers, found 1 numbers",
    "vectors, binary, a vocabulary of 10^9": "expected 1,000,000,000 vectors of 300 numbers, .* vector 2",
    "vectors, a width of 10^9": "expected vectors of 1 to 100,000 numbers, found 1,000,000,000",
    "vectors, a line of 1 GB": "expected vectors of 1 to 100,000 numbers, found 7,999,999",
    "vectors, a number of 15 million digits": "read",
    "vectors, safetensors of 10^12": "expected a safetensors file of word vectors",
    "vectors, safetensors beyond the end": "expected a safetensors file of word vectors",
    "images.npz, a zip bomb": "expected 'images.npy' to unpack to 100 times its size at most",
    "images.npz, a directory and a header that claim 10^12": "expected 'images.npy' to hold data, found a size of",
    "idx, a header that claims 10^12": "expected 1000000000000 bytes for the shape",
    "idx.gz, 1 GB of zeros": "to unpack to 100 times its size at most",
    "model, look-up, config.json nested 100,000 deep": "config.json: expected a JSON object",
    "model, look-up, a vocabulary that claims 4 * 10^9": "expected a tokenizer whose ids follow each other",
    "model, torch, a vocabulary that claims 4 * 10^9": "expected a tokenizer whose ids follow each other",
    "model, look-up, 10^10 buckets": "ngram_buckets must be 1 to 16,777,216",
    "model, look-up, n-grams of 10^9": "expected 'embedding.ngram.weight' of shape",
    "model, torch, vectors of 10^9 numbers": "do not fit config.json: embedding_dim is 1000000000, but there are",
    "model, torch, 10^8 filters": "do not fit config.json: num_filters is 100000000, but there are",
    "model, torch, 10^6 widths": "do not fit config.json: kernel_sizes is a list of 1,000,000, but there are",
    "model, torch, 10^9 layers": "do not fit config.json: num_layers is 1000000000, but there are",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All bombs in a process of their own, whose memory is limited."""
    output = tmp_path_factory.mktemp("bombs") / "bombs.json"
    command = [sys.executable, "-m", "tools.robustness.fuzzing.bombs", "--output", str(output)]
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(output.read_text("utf-8"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the height of memory")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_time_and_in_memory(results, name):
    result = next(result for result in results["results"] if result["bomb"] == name)
    assert re.search(ENDS[name], result["ended"])
    assert result["seconds"] < SECONDS
    assert result["megabytes"] < MEGABYTES
    assert f"| {name} |" in to_markdown(results)
