import csv
import gzip
import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from benchmarks.command import application
from benchmarks.imbalance import imbalance
from benchmarks.kim2014 import kim2014

TINY = ["--lengths", "3", "--batch-sizes", "2", "--architectures", "lstm", "--embedding-dim", "8"]
TINY += ["--vocabulary-size", "50", "--batches", "30", "--cell-seconds", "0", "--threads", "1"]


def run(*arguments, benchmark="speed"):
    program = (
        ["textcnn_cli", "benchmark", benchmark] if benchmark in ("speed", "accuracy") else [f"benchmarks.{benchmark}"]
    )
    command = [sys.executable, "-m", *program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    done = run(*TINY, "--json", "--output", folder / "new" / "speed.json")
    assert done.returncode == 0, done.stderr
    return done, folder / "new" / "speed.json"


@pytest.mark.slow
def test_json_is_the_last_line_and_the_file(measured):
    done, file = measured
    document = json.loads(done.stdout.splitlines()[-1])
    assert document == json.loads(file.read_text(encoding="utf-8"))
    assert document["command"] == f"textcnn benchmark speed {' '.join(TINY)} --json --output speed.json"
    assert len(document["cells"]) == 4
    assert "2 of 2: infer, 3 tokens, batch 2: kim" in done.stderr


@pytest.mark.slow
def test_tables_and_plot_are_remade_from_the_file(measured, tmp_path):
    _, file = measured
    done = run("--from", file, "--plot", tmp_path / "speed.png", "--table", tmp_path / "speed.md")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    *_, sentence = done.stdout.splitlines()
    assert sentence in (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert sentence.startswith("In training steps the CNN is ")
    assert "encoder parameters: kim 4,128, lstm " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lengths", "10,x"], "error: --lengths expects whole numbers with commas between them, got '10,x'"),
        (["--architectures", "tcn"], "error: architectures must be some of rnn, gru, lstm, bilstm, each once"),
        (["--from", "speed.json", "--quick"], "error: --from takes a saved document, and nothing is measured"),
        (["--from", "nowhere.json"], "error: nowhere.json: expected the JSON that `benchmark speed --output` writes"),
        (["--output", "."], "error: expected a file to write, got the folder '.'"),
        (["--plot", "speed.txt"], "error: a plot must be a file that ends in .png, .svg, .pdf"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


@pytest.mark.slow
def test_fewer_than_30_batches_are_refused_by_the_option():
    done = run("--batches", "29")
    assert done.returncode == 2
    assert re.search(r"--batches.* (x>=)?30\b", " ".join(done.stderr.replace("│", " ").split()))


@pytest.mark.slow
def test_accuracy_and_panel_write_what_they_print(tmp_path):
    texts = [(f"{word} film {i}", label) for i in range(10) for word, label in (("good", "pos"), ("bad", "neg"))]
    (tmp_path / "set").mkdir()
    for name in ("train", "test"):
        with gzip.open(tmp_path / "set" / f"{name}.csv.gz", "wt", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *texts])
    tiny = ("--set", "epochs=1", "--set", "embedding_dim=4", "--set", "num_filters=2", "--baselines", "svm")
    train, test = (tmp_path / "set" / f"{name}.csv.gz" for name in ("train", "test"))
    found = run(train, "--test", test, "--seeds", "1,2", *tiny, "--json", benchmark="accuracy")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout.splitlines()[-1])
    assert [len(result["runs"]) for result in document["results"]] == [2, 2, 2, 1]
    assert str(tmp_path) not in found.stdout
    files = ("--output", tmp_path / "p.json", "--table", tmp_path / "p.md")
    found = run(tmp_path, "--sets", "set:1", *tiny, *files, benchmark="panel")
    assert found.returncode == 0, found.stderr
    assert found.stdout == (tmp_path / "p.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))["sets"].keys() == {"set"}


def test_studies_write_documents_and_tables(tmp_path):
    for name in ("trec", "sst2"):
        (tmp_path / name).mkdir()
        for file in ("train", "test"):
            with gzip.open(tmp_path / name / f"{file}.csv.gz", "wt", encoding="utf-8", newline="") as out:
                rows = [(f"{word} film {i}", label) for i in range(20) for word, label in (("good", "a"), ("bad", "b"))]
                csv.writer(out).writerows([("text", "label"), *rows])
    (tmp_path / "vectors.txt").write_text("good 1 0\nbad 0 1\n", encoding="utf-8")
    tiny = ["--set", "epochs=1", "--set", "threads=1", "--set", "num_filters=4"]
    outputs = {name: ["--output", tmp_path / f"{name}.json", "--table", tmp_path / f"{name}.md"] for name in "ki"}
    commands = {
        "k": [kim2014, tmp_path / "sst2" / "train.csv.gz", "--vectors", tmp_path / "vectors.txt", "--folds", 2],
        "i": [imbalance, tmp_path, "--studies", "flipped-trec", "--seeds", 1],
    }
    for name, (study, *arguments) in commands.items():
        done = CliRunner().invoke(application(study), list(map(str, [*arguments, *tiny, *outputs[name]])))
        assert done.exit_code == 0, done.output
        assert done.stdout == (tmp_path / f"{name}.md").read_text(encoding="utf-8")
        assert str(tmp_path) not in (tmp_path / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "k.json").read_text())["results"][0]["variant"] == "static"
    assert list(json.loads((tmp_path / "i.json").read_text())["studies"]) == ["flipped-trec"]
