import json
import re
import shutil
import subprocess

import pytest
import torch

from textcnn.benchmark.document import command_line, commit
from textcnn.benchmark.protocol import QUICK, SpeedConfig
from textcnn.benchmark.speed import run_speed
from textcnn.benchmark.tables import summarize, to_markdown
from textcnn.errors import ConfigError
from textcnn.progress import Silent

TINY = {"embedding_dim": 8, "batches": 30, "cell_seconds": 0.0, "threads": 1, "vocabulary_size": 50}
ROWS = [("a good film", "pos"), ("a bad one", "neg"), ("", "neg"), ("good", "pos")] * 40


@pytest.fixture(autouse=True)
def _same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Listener(Silent):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


@pytest.mark.slow
def test_a_run_gives_every_cell_as_json_and_can_be_told():
    config = SpeedConfig(lengths=(3, 7), batch_sizes=(2,), architectures=("lstm",), **TINY)
    listener = Listener()
    document = run_speed(config, listener, command="textcnn benchmark speed")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {"benchmark", "command", "versions", "threads", "cpu", "platform", "commit", "data"} <= set(document)
    assert document["threads"] == 1
    assert document["protocol"]["batches"] == 30
    assert document["epoch"] is None
    places = {tuple(c[name] for name in ("phase", "length", "batch_size", "architecture")) for c in document["cells"]}
    wanted = [(p, n, b, a) for p in ("train", "infer") for n in (3, 7) for b in (2,) for a in ("kim", "lstm")]
    assert (len(document["cells"]), places) == (len(wanted), set(wanted))
    for cell in document["cells"]:
        assert cell["batches"] == 30
        tokens = cell["length"] * cell["batch_size"]
        assert cell["tokens_per_second"] == pytest.approx(tokens / cell["median_ms"] * 1000)
        if cell["architecture"] == "kim":
            assert (cell["ratio"], cell["ratio_low"], cell["ratio_high"]) == (None, None, None)
        else:
            assert 0 < cell["ratio_low"] <= cell["ratio"] <= cell["ratio_high"]
    assert [(entry["architecture"], entry["road"]) for entry in document["contestants"]] == [
        ("kim", "core"),
        ("lstm", "torch"),
    ]
    assert listener.said[-1].startswith("4 of 4: infer, 7 tokens, batch 2: kim ")
    assert summarize(document) in to_markdown(document)


@pytest.mark.slow
def test_data_adds_an_epoch():
    config = SpeedConfig(
        lengths=(3,), batch_sizes=(2,), architectures=("rnn", "lstm"), epoch_architectures=("lstm",), **TINY
    )
    document = run_speed(config, Silent(), data=ROWS)
    epoch = document["epoch"]
    assert (epoch["texts"], epoch["tokens"], epoch["batches"]) == (160, 40 * 7, 3)
    assert [entry["architecture"] for entry in epoch["results"]] == ["kim", "lstm"]
    for entry in epoch["results"]:
        assert entry["tokens_per_second"] == pytest.approx(epoch["tokens"] / entry["seconds"])
    first, second = epoch["results"]
    assert second["ratio"] == pytest.approx(second["seconds"] / first["seconds"])
    assert "an epoch of 160 of the 160 texts" in summarize(document)


@pytest.mark.slow
def test_an_epoch_may_be_one_of_some_texts():
    config = SpeedConfig(lengths=(3,), batch_sizes=(1,), architectures=("lstm",), epoch_texts=70, **TINY)
    document = run_speed(config, Silent(), data=ROWS)
    assert (document["epoch"]["texts"], document["epoch"]["batches"]) == (70, 2)
    assert "an epoch of 70 of the 160 texts" in summarize(document)


@pytest.mark.slow
def test_several_labels_a_text_are_fine():
    config = SpeedConfig(lengths=(3,), batch_sizes=(2,), architectures=("lstm",), **TINY)
    data = [{"text": f"word{i}", "label": ["a", "b"][: i % 3]} for i in range(9)]
    assert run_speed(config, Silent(), data=data)["data"]["labels"] == 2


def test_wrong_settings_are_told_together():
    with pytest.raises(ConfigError) as caught:
        SpeedConfig(lengths=(10, 0), batch_sizes=(), architectures=("lstm", "kim"), batches=29)
    assert caught.value.problems == [
        "lengths must be different whole numbers from 1 up, got (10, 0)",
        "batch_sizes must be different whole numbers from 1 up, got ()",
        "architectures must be some of rnn, gru, lstm, bilstm, each once, got ('lstm', 'kim')",
        "batches must be 30 or more, got 29",
    ]


def test_a_quick_run_keeps_the_number_of_batches_and_an_epoch_always_has_a_baseline():
    assert QUICK.batches == 30
    assert QUICK.epoch_baselines == ("lstm",)
    assert SpeedConfig(architectures=("gru",), epoch_architectures=("lstm",)).epoch_baselines == ("gru",)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (
            ["/home/me/my data.csv", "--output=/x/y.json"],
            "'my data.csv' --output=y.json",
        ),
        (
            ["--table", "..\\t.md", "--lengths", "10,50"],
            "--table t.md --lengths 10,50",
        ),
        (["folder/", "/"], "folder /"),
        (["--set", "vectors=/home/me/glove.txt.gz"], "--set vectors=glove.txt.gz"),
    ],
)
def test_the_command_line_names_no_folder(arguments, shown):
    assert command_line(["textcnn", "benchmark", "speed", *arguments]) == f"textcnn benchmark speed {shown}"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_is_that_of_the_checkout_itself(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    assert commit(tmp_path) is None
    git("init")
    assert commit(tmp_path) is None  # nothing is committed yet
    (tmp_path / "file").write_text("1")
    results = tmp_path / "docs" / "benchmarks"
    results.mkdir(parents=True)
    (results / "speed.json").write_text("1")
    git("add", "file", "docs")
    git("commit", "--message", "first")
    clean = commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (results / "speed.json").write_text("2")
    assert commit(tmp_path) == clean  # a result is no change of what is measured
    (tmp_path / "file").write_text("2")
    assert commit(tmp_path) == f"{clean}-dirty"
    (tmp_path / "site-packages").mkdir()
    assert commit(tmp_path / "site-packages") is None
