"""Every command works for a user without rights and without a home, from an installation that nobody may write to."""

from __future__ import annotations

import functools
import http.client
import json
import os
import shutil
import subprocess
import sys

import pytest

import textcnn
from benchmarks.editions import install

NOBODY = 65534
pytestmark = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv"
)
ROWS = [(f"a {'good' if n % 2 else 'bad'} film, number {n}", "pos" if n % 2 else "neg") for n in range(400)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Packages of this checkout as pip installs them, read-only."""
    site = install(tmp_path_factory.mktemp("installation"))
    for folder, _, files in os.walk(site):
        os.chmod(folder, 0o555)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o444)
    return site


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    textcnn.train(ROWS, output=folder, epochs=2, embedding_dim=16, num_filters=8, threads=1)
    return folder


@pytest.fixture
def python(site, tmp_path):
    """Start the interpreter as a user who may only write to the folder it is started in.

    The capability lets that user read every file, as the interpreter may lie where only root can look.
    """
    os.chown(tmp_path, NOBODY, NOBODY)
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in ROWS))
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]

    def start(*arguments):
        return subprocess.Popen(
            ["setpriv", *user, *reads, sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(site)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def start(python):
    return functools.partial(python, "-m", "textcnn_cli")


def finished(process):
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return out


def test_the_user_can_write_neither_to_the_installation_nor_to_a_home(python, site):
    code = "import os, textcnn; print(os.path.dirname(textcnn.__file__), os.geteuid(), os.environ.get('HOME'))"
    assert finished(python("-c", code)).split() == [str(site / "textcnn"), str(NOBODY), "None"]
    process = python("-c", f"open({str(site / 'textcnn' / 'new')!r}, 'w')")
    assert "PermissionError" in process.communicate(timeout=60)[1]


def test_train(start, tmp_path):
    settings = ("--epochs", "1", "--set", "embedding_dim=16", "--set", "num_filters=8")
    assert json.loads(finished(start("train", "rows.csv", "-o", "trained", "--json", *settings)))["epochs"] == 1
    assert (tmp_path / "trained" / "model.safetensors").stat().st_uid == NOBODY


def test_classify_a_text(start, model):
    assert finished(start("classify", model, "a good film")).split()[-1]


def test_classify_a_file(start, model, tmp_path):
    finished(start("classify", model, "--input", "rows.csv", "--output", "answers.jsonl"))
    answers = [json.loads(line)["label"] for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert answers == [label for _, label in ROWS]


def test_evaluate(start, model):
    assert json.loads(finished(start("evaluate", model, "rows.csv", "--json")))["accuracy"] == 1


def test_serve(start, model):
    process = start("serve", model, "--port", "0")
    try:
        said = ""
        for line in process.stderr:
            said += line
            if "serving at" in line:
                port = int(line.strip().rpartition(":")[2])
            if line.startswith("ready: "):
                break
        else:
            pytest.fail(f"the server ended: {said}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"texts": [text for text, _ in ROWS[:2]]})
        connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert [row["label"] for row in json.loads(answer.read())["results"]] == [label for _, label in ROWS[:2]]
        connection.close()
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
