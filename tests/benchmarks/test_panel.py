"""The panel on tiny sets: splits, our model and its peers measured apart, table and picture."""

from __future__ import annotations

import csv
import gzip
import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import panel
from benchmarks.command import application
from benchmarks.panel import load_splits, read_panel, run_panel, save_plot, to_markdown
from textcnn.errors import DataError
from textcnn.evaluation.metrics import log_loss
from textcnn.progress import Silent

TEXTS = [f"{word} film number {i}" for i in range(30) for word in ("good", "bad")]
LABELS = ["pos", "neg"] * 30
TINY = {"epochs": 2, "embedding_dim": 8, "threads": 1}
PEERS = ("svm", "svm-char", "svm-words+char")


def write_rows(path: Path, labels: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("text", "label"), *zip(TEXTS, labels, strict=True)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sets")
    for name in ("split/train", "split/test", "whole/all"):
        write_rows(place / f"{name}.csv.gz", LABELS)
    return place


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    place = tmp_path_factory.mktemp("many")
    for name in ("train", "dev", "test"):
        labels = [label if number % 3 else f"{label}|third" for number, label in enumerate(LABELS)]
        write_rows(place / "many" / f"{name}.csv.gz", labels)
    return place


def models(document: dict, name: str) -> list[str]:
    return [result["model"] for result in document["sets"][name]["results"]]


def test_a_set_without_a_split_is_shuffled_by_seed_1_and_a_tenth_is_held_out(folder):
    train, test = load_splits(folder / "whole")
    order = list(zip(TEXTS, LABELS, strict=True))
    random.Random(1).shuffle(order)
    assert list(zip(*test, strict=True)) == order[:6]
    assert list(zip(*train, strict=True)) == order[6:]


def test_a_folder_without_rows_is_told(tmp_path):
    with pytest.raises(
        DataError, match=r"expected train\.csv\.gz and test\.csv\.gz, or all\.csv\.gz, found none of them"
    ):
        load_splits(tmp_path)


def test_peers_are_measured_without_our_model_and_go_on_where_they_stopped(folder, tmp_path, monkeypatch):
    output, measured = tmp_path / "peers.json", []

    def stopped(*arguments, **options):
        measured.append(options["baselines"])
        if len(measured) == 4:
            raise KeyboardInterrupt
        return measure(*arguments, **options)

    def peers(*sets):
        return run_panel(folder, {name: [1] for name in sets}, {}, PEERS, Silent(), ours=False, output=output)

    measure = panel.accuracy_benchmark
    monkeypatch.setattr(panel, "accuracy_benchmark", stopped)
    with pytest.raises(KeyboardInterrupt):
        peers("split", "whole")
    found = peers("split", "whole")
    assert measured == [(name,) for name in (*PEERS, "svm", *PEERS)]
    assert models(found, "split") == models(found, "whole") == list(PEERS)
    assert json.loads(output.read_text()) == json.loads(json.dumps(found))
    assert not (tmp_path / "peers.json.partial").exists()
    header, _, first, second = to_markdown(found).splitlines()
    assert header == "| set (seeds) | svm | svm-char | svm-words+char |"
    assert first == "| split (1) | 100.0 | 100.0 | 100.0 |"
    assert second == first.replace("split", "whole")
    # A set that is measured again; the other one stays.
    again = peers("whole")
    assert again["sets"]["split"] == json.loads(json.dumps(found["sets"]["split"]))
    assert list(again["sets"]) == ["split", "whole"]


def test_our_model_takes_over_the_peers_and_is_not_measured_for_their_sake(folder, tmp_path):
    def peers(*names):
        return run_panel(folder, {"split": [1]}, TINY, names, Silent(), ours=False)

    output, before = tmp_path / "panel.json", peers("svm")
    found = run_panel(folder, {"split": [2]}, TINY, [], Silent(), earlier=before, output=output)
    assert models(found, "split") == ["kim", "kim, main branch alone", "kim, wide branch alone", "svm"]
    ours, svm = found["sets"]["split"]["results"][0], found["sets"]["split"]["results"][-1]
    assert svm == before["sets"]["split"]["results"][0]
    assert ours["mean"].keys() == {"accuracy", "macro_f1", "micro_f1", "ece", "log_loss"}
    later = run_panel(folder, {}, TINY, [], Silent(), earlier=peers("svm", "svm-char"), output=output)
    assert models(later, "split") == [*models(found, "split"), "svm-char"]
    assert later["sets"]["split"]["results"][0] == ours == read_panel(output)["sets"]["split"]["results"][0]
    before["sets"]["split"]["num_test"] += 1
    others = run_panel(folder, {"split": [2]}, TINY, [], Silent(), earlier=before)
    assert "svm" not in models(others, "split")


def test_another_document_is_refused(tmp_path):
    path = tmp_path / "panel.json"
    path.write_text('{"benchmark": "speed"}', encoding="utf-8")
    with pytest.raises(DataError, match="expected a document of `benchmark panel --output`, found benchmark 'speed'"):
        read_panel(path)


@pytest.mark.slow
def test_the_panel_is_a_table_and_a_picture(folder, tmp_path):
    found = run_panel(folder, {"split": [1], "whole": [1, 2]}, TINY, ["svm", "svm-char"], Silent())
    header, _, first, second = to_markdown(found).splitlines()
    assert header == (
        "| set (seeds) | kim | kim, main branch alone | kim, wide branch alone | svm | svm-char "
        "| ECE, % | log loss | train, s |"
    )
    assert first.startswith("| split (1) | ")
    assert " ± " in second
    assert first.count("|") == second.count("|") == header.count("|")
    assert " / " not in first + second
    mean = found["sets"]["whole"]["results"][0]["mean"]
    assert second.split(" | ")[-3:-1] == [f"{100 * mean['ece']:.1f}", f"{mean['log_loss']:.3f}"]
    save_plot(found, tmp_path / "panel.png")
    assert (tmp_path / "panel.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "panel.png").stat().st_size > 10_000


def test_the_log_loss_is_that_of_the_probabilities_of_the_test_rows(folder, monkeypatch):
    asked = []

    def watched(truth, probs, labels):
        asked.append((truth, probs.shape, labels.names))
        return log_loss(truth, probs, labels)

    monkeypatch.setattr("textcnn.benchmark.accuracy.log_loss", watched)
    found = run_panel(folder, {"split": [1]}, {**TINY, "epochs": 6}, [], Silent())
    mean = found["sets"]["split"]["results"][0]["mean"]
    assert asked[0] == ([(label,) for label in LABELS], (60, 2), ("neg", "pos"))
    assert mean["accuracy"] == 1
    assert 0 < mean["log_loss"] < 0.69  # that of equal probabilities is ln 2


def test_multi_label_sets_show_both_kinds_of_f1_and_have_thresholds_of_dev_rows(many, monkeypatch):
    dev_rows = []

    def watched(*arguments, dev, **options):
        dev_rows.append(dev)
        return measure(*arguments, dev=dev, **options)

    measure = panel.accuracy_benchmark
    monkeypatch.setattr(panel, "accuracy_benchmark", watched)
    found = run_panel(many, {"many": [1, 2]}, {**TINY, "multi_label": True}, ["svm", "svm-char"], Silent())
    ours, svm, _ = found["sets"]["many"]["results"]
    cells = to_markdown(found).splitlines()[2].split(" | ")
    mean, own = ours["mean"], svm["runs"][0]["own_decisions"]
    assert cells[1].split(" ")[0] == f"{100 * mean['micro_f1']:.1f}"
    assert cells[1].split(" / ")[1].split(" ")[0] == f"{100 * mean['macro_f1']:.1f}"
    assert cells[2] == " / ".join(f"{100 * svm['mean'][name]:.1f}" for name in ("micro_f1", "macro_f1"))
    assert own.keys() == {"accuracy", "macro_f1", "micro_f1"}
    assert dev_rows == [str(many / "many" / "dev.csv.gz")] * 3


def test_the_command_measures_what_only_names(folder, tmp_path):
    def command(*options):
        done = CliRunner().invoke(application(panel.panel), [str(folder), *map(str, options)])
        assert done.exit_code == 0, done.output
        return done.stdout

    peers, ours = tmp_path / "peers.json", tmp_path / "ours.json"
    sets = ("--sets", "split:1", "--set", "epochs=1", "--set", "embedding_dim=4", "--set", "threads=1")
    command(*sets, "--only", "peers", "--baselines", "svm", "--output", peers)
    assert models(read_panel(peers), "split") == ["svm"]
    shown = command(*sets, "--only", "ours", "--baselines-of", peers, "--output", ours, "--table", tmp_path / "ours.md")
    assert shown == (tmp_path / "ours.md").read_text(encoding="utf-8") == to_markdown(read_panel(ours))
    assert models(read_panel(ours), "split")[::3] == ["kim", "svm"]
    assert command("--only", "ours", "--output", ours) == shown
