"""A model, files of several formats, and what the single process makes of each."""

import pytest
from cluster_files import write_inputs
from typer.testing import CliRunner

import textcnn
from textcnn_cli.main import app


@pytest.fixture(scope="package")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    settings = {"embedding_dim": 4, "num_filters": 2, "kernel_sizes": (2,), "epochs": 1, "threads": 1}
    textcnn.train([("a good film", "pos"), ("a bad film", "neg")] * 8, output=folder, **settings)
    return folder


@pytest.fixture(scope="package")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "in"
    write_inputs(folder)
    return folder


@pytest.fixture(scope="package")
def expected(inputs, model, tmp_path_factory):
    """The answers of the single-process command, by the name of the file of answers."""
    found = {}
    for path in sorted(p for p in inputs.rglob("*.*") if p.is_file()):
        out = tmp_path_factory.mktemp("expected") / "out.jsonl"
        done = CliRunner().invoke(app, ["classify", str(model), "--input", str(path), "--output", str(out)])
        assert done.exit_code == 0, done.output
        found[f"{path.relative_to(inputs)}.jsonl"] = out.read_bytes()
    return found
