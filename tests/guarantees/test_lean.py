"""An environment with neither torch, datasets nor scikit-learn trains, classifies, explains and evaluates.

By default it is this environment, whose other packages are hidden from the processes that run here; `make lean` makes
one and names its interpreter in TEXTCNN_LEAN.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import textcnn

LEAN = os.environ.get("TEXTCNN_LEAN", "")
NEEDED = ("numpy", "tokenizers", "safetensors", "typer", "rich", "pyarrow")
HIDING = """
import sys
from importlib.machinery import PathFinder

HIDDEN = {hidden!r}


class Lean(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Lean
"""


def hidden_modules() -> list[str]:
    """Modules of all distributions but this one, those of NEEDED and what these need in their turn."""
    found = {"textcnn"}
    waiting = list(NEEDED)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for line in importlib.metadata.requires(name) or ():
                wanted = Requirement(line)
                if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                    waiting.append(wanted.name.lower().replace("_", "-"))
    owners = importlib.metadata.packages_distributions()
    return [module for module, of in owners.items() if not found & {name.lower().replace("_", "-") for name in of}]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a command of textcnn in the environment; the children that it starts live there too."""
    if LEAN:
        python, env = LEAN, {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    else:
        place = tmp_path_factory.mktemp("hidden")
        (place / "sitecustomize.py").write_text(HIDING.format(hidden=hidden_modules()), encoding="utf-8")
        python, env = sys.executable, {**os.environ, "PYTHONPATH": str(place)}

    def run(*words, python_code=None):
        command = ["-c", python_code] if python_code else ["-W", "error", "-m", "textcnn_cli", *words]
        return subprocess.run(
            [python, *map(str, command)],
            cwd=tmp_path_factory.getbasetemp(),
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "reviews.csv"
    lines = [f"a {'good' if n % 2 else 'bad'} film {n % 9},{'pos' if n % 2 else 'neg'}" for n in range(120)]
    path.write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(run, rows, tmp_path_factory) -> Path:
    """Trained there with default settings."""
    folder = tmp_path_factory.mktemp("model") / "model"
    done = run("train", rows, "--dev-fraction", "0.2", "--seed", "1", "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("absent", ["torch", "datasets", "sklearn", "scipy", "pandas"])
def test_they_are_not_there(run, absent):
    done = run(python_code=f"import importlib.util; print(importlib.util.find_spec({absent!r}))")
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_the_model_is_the_one_that_is_trained_beside_torch(model, rows, tmp_path):
    words = ["train", rows, "--dev-fraction", "0.2", "--seed", "1", "-o", tmp_path / "model"]
    subprocess.run([sys.executable, "-m", "textcnn_cli", *map(str, words)], capture_output=True, check=True)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (model / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_texts_are_classified(run, model, rows, tmp_path):
    texts = ["a good film", "", "a bad, bad film 漢字", "unheard-of words"]
    done = run("classify", model, *texts)
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == textcnn.load(model).predict(texts)
    for name, options in (("one.csv", []), ("int8.jsonl", ["--precision", "int8"]), ("two.jsonl", ["--workers", "2"])):
        done = run("classify", model, "--input", rows, "--output", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
        assert len((tmp_path / name).read_text().splitlines()) == 120 + name.endswith(".csv")


@pytest.mark.parametrize(
    "words",
    [
        ["train", "ROWS", "-o", "OUTPUT", "--folds", "3", "--evidence", "--epochs", "2"],
        ["explain", "MODEL", "a good film"],
        ["explain", "MODEL", "a good film", "--json"],
        ["what-if", "MODEL", "a good film"],
        ["phrases", "MODEL", "--top", "3"],
        ["evaluate", "MODEL", "ROWS"],
        ["evaluate", "MODEL", "ROWS", "--json"],
        ["export", "MODEL", "--format", "tables", "-o", "OUTPUT"],
        ["data", "check", "ROWS"],
    ],
    ids=lambda words: " ".join(word for word in words if word.islower()),
)
def test_what_needs_no_torch_works(run, model, rows, tmp_path, words):
    places = {"MODEL": model, "ROWS": rows, "OUTPUT": tmp_path / "output"}
    done = run(*[places.get(word, word) for word in words])
    assert done.returncode == 0, done.stderr
    assert done.stdout or (tmp_path / "output").is_file()


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (["train", "ROWS", "-o", "OUTPUT", "--set", "architecture=gru"], "torch"),
        (["inspect", "MODEL"], "torch"),
        (["train", "some/data", "-o", "OUTPUT"], "datasets"),
        (["train", "ROWS", "-o", "OUTPUT", "--set", "storage=disk"], "datasets"),
        (["export", "MODEL", "--format", "onnx", "-o", "OUTPUT"], "torch"),
    ],
    ids=lambda words: None if isinstance(words, str) else " ".join(word for word in words if word.islower()),
)
def test_what_needs_them_says_so_in_one_line(run, model, rows, tmp_path, words, package):
    places = {"MODEL": model, "ROWS": rows, "OUTPUT": tmp_path / "output"}
    done = run(*[places.get(word, word) for word in words])
    last = done.stderr.splitlines()[-1]
    assert last == f"error: this needs the package {package!r}, which is not installed; run: pip install {package}"
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert not (tmp_path / "output").exists()


def test_a_module_that_is_no_dependency_keeps_its_traceback(run):
    code = "import sys; sys.argv = ['textcnn', 'data', 'list']\n"
    code += "from textcnn_cli import main\ndef broken(): import no_such_module\nmain.app = broken; main.main()"
    done = run(python_code=code)
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'no_such_module'"
