"""What needs no torch, on other Pythons: `make other-pythons` makes their environments and names them here."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import textcnn

ROOT = Path(__file__).parent.parent.parent
PYTHONS = [name for name in os.environ.get("TEXTCNN_PYTHONS", "").split(os.pathsep) if name]
TEXTS = ["a good film", "", "a bad, bad film 漢字", "unheard-of words"]
pytestmark = pytest.mark.skipif(not PYTHONS, reason="TEXTCNN_PYTHONS names no interpreter")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    rows = [(f"a {'good' if n % 2 else 'bad'} film {n % 9}", "pos" if n % 2 else "neg") for n in range(60)]
    textcnn.train(rows, output=folder, epochs=4, embedding_dim=16, num_filters=8, threads=1)
    return folder


def start(python, *arguments, **options):
    return subprocess.Popen(
        [python, "-W", "error", "-m", "textcnn_cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "build" / "types"), str(ROOT)])},
        **options,
    )


def said(python, *arguments):
    process = start(python, *arguments)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


@pytest.mark.parametrize("python", PYTHONS)
def test_torch_is_not_there(python):
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is not None)"
    assert subprocess.run([python, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    "arguments",
    [
        ["classify", "MODEL", *TEXTS],
        ["classify", "MODEL", *TEXTS, "--precision", "int8", "--top-k", "2"],
        ["classify", "MODEL", *TEXTS, "--explain", "all"],
        ["explain", "MODEL", TEXTS[2], "--json"],
        ["what-if", "MODEL", TEXTS[0], "--json"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[5:]),
)
def test_commands_say_the_same_to_the_last_digit(python, arguments, model):
    arguments = [str(model) if part == "MODEL" else part for part in arguments]
    assert said(python, *arguments) == said(sys.executable, *arguments)


@pytest.mark.parametrize("python", PYTHONS)
def test_a_file_is_classified_by_several_processes(python, model, tmp_path):
    (tmp_path / "in.csv").write_text("text\n" + "a good film\nnot a film\n" * 2_000, encoding="utf-8")
    for name, interpreter in (("here", sys.executable), ("there", python)):
        files = ["--input", tmp_path / "in.csv", "--output", tmp_path / f"{name}.jsonl", "--workers", 2]
        said(interpreter, "classify", model, *files)
    assert (tmp_path / "there.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()


@pytest.mark.parametrize("python", PYTHONS)
def test_the_server_answers(python, model):
    process = start(python, "serve", model, "--port", 0)
    try:
        port = next(int(line.rpartition(":")[2]) for line in process.stderr if "serving at" in line)
        next(line for line in process.stderr if "ready" in line)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/classify", json.dumps({"texts": TEXTS}), {"Content-Type": "application/json"})
        found = json.loads(connection.getresponse().read())["results"]
        connection.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert [row["label"] for row in found] == textcnn.load(model).predict(TEXTS)
    assert process.returncode == 0
