"""Tables in C programs: the example of the documentation, and the logits of another processor."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from one_layer_models import GRADED, loaded_lookup
from one_layer_models import TRAIN as TRAINED
from skipping import skip_without
from tables_reader import GOLDEN, TEXTS, Tables, data_of, fixed_lookup, hash_of
from typer.testing import CliRunner

import textcnn
from textcnn.core import build
from textcnn.export.tables import sections_of, tables_bytes
from textcnn_cli import console
from textcnn_cli.main import app

ROOT = Path(__file__).parents[2]
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror")
# What the reader is made of, without the threads that it does not need.
SOURCES = [str(build.SOURCES / name) for name in build.READER]
TRAIN = [(f"a good film {n}", "pos") for n in range(12)] + [(f"a bad plot {n}", "neg") for n in range(12)]


@pytest.fixture(autouse=True)
def as_before():
    yield
    console.set_level(0)


@pytest.fixture(scope="module")
def program(tmp_path_factory, core):
    """The example, linked with the library of the package."""
    skip_without(shutil.which("gcc") is not None, "gcc")
    made, folder = tmp_path_factory.mktemp("program") / "classify", Path(build.__file__).parent
    library = (str(folder / build.LIBRARY), f"-Wl,-rpath,{folder}")
    source = str(ROOT / "examples" / "classify.c")
    subprocess.run(["gcc", *STRICT, "-I", str(build.SOURCES), source, *library, "-o", str(made)], check=True)
    return made


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_example_gives_the_labels_of_the_command(program, tmp_path, precision):
    textcnn.train(TRAIN, epochs=8, threads=1, embedding_dim=8, num_filters=4).save(tmp_path / "model")
    lookup = textcnn.load(tmp_path / "model", precision=precision).lookup()
    (tmp_path / "model.tables").write_bytes(data_of(lookup))
    lines = [" ".join(text.split()) for text in TEXTS if "\ud800" not in text and "\0" not in text]
    (tmp_path / "texts.txt").write_text("".join(f"{line}\n" for line in lines if line))
    with (tmp_path / "texts.txt").open() as texts:
        command = [str(program), str(tmp_path / "model.tables")]
        said = subprocess.run(command, stdin=texts, capture_output=True, text=True, check=True).stdout
    asked = [
        "classify",
        tmp_path / "model",
        "-i",
        tmp_path / "texts.txt",
        "--format",
        "lines",
        "--precision",
        precision,
    ]
    expected = [json.loads(line) for line in CliRunner().invoke(app, list(map(str, asked))).stdout.splitlines()]
    found = [line.split("\t") for line in said.splitlines()]
    assert [label for label, _ in found] == [row["label"] for row in expected]
    assert {label for label, _ in found} == {"pos", "neg"}
    np.testing.assert_allclose([float(p) for _, p in found], [row["probability"] for row in expected], atol=1e-6)


def test_the_example_gives_grades(program, tmp_path):
    lookup = loaded_lookup(tmp_path / "model", **GRADED)
    (tmp_path / "model.tables").write_bytes(data_of(lookup))
    command = [str(program), str(tmp_path / "model.tables")]
    said = subprocess.run(command, input="\n".join(TRAINED), capture_output=True, text=True, check=True).stdout
    found = [line.split("\t") for line in said.splitlines()]
    assert [grade for grade, _ in found] == lookup.predict(TRAINED)
    likely = lookup.predict_proba(TRAINED).max(axis=1)
    np.testing.assert_allclose([float(probability) for _, probability in found], likely, atol=1e-6)


def test_the_example_says_what_is_wrong(program, tmp_path):
    (tmp_path / "x.tables").write_bytes(b"PK\3\4" + bytes(99))
    for given, message in [
        ("x.tables", "expected a tables file, which begins with 'textcnn'"),
        ("none", "cannot be read"),
    ]:
        done = subprocess.run([str(program), str(tmp_path / given)], capture_output=True, text=True, check=False)
        assert (done.returncode, message in done.stderr) == (1, True)


@pytest.fixture
def logits_program(tmp_path):
    """A compiler's program of the sources of the reader alone, which prints the logits of texts."""

    def compiled(*compiler):
        flags = (*STRICT, "-O2", "-ffp-contract=off", "-DTC_SET=baseline", "-I", str(build.SOURCES))
        program, source = str(tmp_path / "logits"), str(ROOT / "tests" / "core" / "tables_logits.c")
        caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(ROOT / "build/zig"))
        command = [*compiler, *flags, source, *SOURCES, "-lm", "-o", program]
        subprocess.run(command, check=True, env=caches | os.environ)
        return program

    return compiled


def logits_of(*command, texts=TEXTS):
    given = b"".join(text.encode(errors="surrogatepass") + b"\xff" for text in texts)
    said = subprocess.run(command, input=given, capture_output=True, check=True).stdout
    return [[float(x) for x in line.split()] for line in said.splitlines()]


@pytest.mark.parametrize("machine", ["here", "aarch64"])
def test_whole_logits_are_those_of_every_machine(tmp_path, logits_program, machine):
    """The sources of the reader alone, compiled for the processor; another one is run by qemu."""
    compiler, runner = ["gcc"], []
    if machine == "aarch64":
        skip_without(shutil.which("qemu-aarch64") is not None, "qemu-aarch64")
        skip_without(importlib.util.find_spec("ziglang") is not None, "ziglang")
        compiler, runner = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"], ["qemu-aarch64"]
    skip_without(machine != "here" or shutil.which("gcc") is not None, "gcc")
    (tmp_path / "model.tables").write_bytes(data_of(fixed_lookup(tmp_path / "model")))
    assert hash_of(logits_of(*runner, logits_program(*compiler), str(tmp_path / "model.tables"))) == GOLDEN


def test_rows_take_the_memory_of_the_cache_and_of_the_text_whatever_their_size(tmp_path, logits_program):
    """A file of 3 MB whose rows have 1.6 MB each: memory for a thousand of them is not taken before there is a text."""
    skip_without(shutil.which("gcc") is not None, "gcc")
    sections, times = sections_of(fixed_lookup(tmp_path / "model")), 20_000
    sections["sizes"] = np.full(times, sections["sizes"][-1])
    for name in ("steps", "filter_bias", "head"):
        rows = sections[name].reshape(-1, sections["num_filters"][0], *sections[name].shape[1:])[:1]
        sections[name] = np.tile(rows.reshape(1, -1), times)
    file = tmp_path / "model.tables"
    file.write_bytes(tables_bytes(sections))
    limited = ("bash", "-c", 'ulimit -v 1000000; "$0" "$1"', logits_program("gcc"), str(file))
    texts = ["a good film", "", "bad unseen film"]
    expected = [Tables(file.read_bytes()).classify(text).logits for text in texts]
    assert logits_of(*limited, texts=texts) == expected
