"""Architectures beside each other: the front, the table, the picture, a stopped start, images."""

from __future__ import annotations

import json

import numpy as np
import pytest

from textcnn.benchmark import pareto
from textcnn.benchmark.accuracy import TextTask, accuracy_benchmark
from textcnn.errors import ConfigError, DataError
from textcnn.image.files import write_npz
from textcnn.progress import Silent

ROWS = ([f"{word} film {i}" for i in range(12) for word in ("good", "bad")], ["pos", "neg"] * 12)
TINY = {"epochs": 1, "embedding_dim": 4, "threads": 1}


def result(model, accuracy, seconds):
    mean = {"accuracy": accuracy, "macro_f1": accuracy}
    return {"model": model, "mean": mean, "std": mean, "train_seconds": seconds, "runs": [{}]}


def test_the_front_is_what_no_faster_model_reaches():
    found = [
        result("slow and best", 0.9, 9.0),
        result("slow", 0.8, 8.0),
        result("fast", 0.7, 1.0),
        result("as fast, worse", 0.6, 1.0),
        result("middle", 0.8, 3.0),
        result("a branch, not trained alone", 0.99, None),
    ]
    assert pareto.pareto_front(found) == ["fast", "middle", "slow and best"]


@pytest.fixture(scope="module")
def document():
    return accuracy_benchmark(ROWS, ROWS, TINY, ["bag", "gru"], [1, 2], Silent(), baselines=["svm"])


def test_every_run_tells_what_it_cost(document):
    assert document["unit"] == "words"
    for found in document["results"][:2]:
        for run in found["runs"]:
            assert run["num_parameters"] > 0
            assert run["trained_per_second"] == run["tokens_per_second"] > 0
            assert run["classified_per_second"] > 0


def test_the_table_has_a_line_for_each_model_and_says_the_budget(document):
    table = pareto.to_markdown(json.loads(json.dumps(document)))
    assert "# Architectures on rows in memory" in table
    assert "One budget for all: 1 epochs, `epochs=1`, `embedding_dim=4`, `threads=1`." in table
    lines = {line.split(" | ")[0].strip("| *"): line for line in table.splitlines() if line.startswith("| ")}
    assert list(lines) == ["model", "---", "bag", "gru", "svm"]
    bag = document["results"][0]
    accuracies = [100 * run["test"]["accuracy"] for run in bag["runs"]]
    assert f"| {np.mean(accuracies):.1f} ± {np.std(accuracies, ddof=1):.1f} |" in lines["bag"]
    assert f"| {bag['runs'][0]['num_parameters']:,} |" in lines["bag"]
    assert lines["svm"].endswith("|  |  |")
    assert "over 2 seeds" in table


def test_the_picture_has_a_mark_for_each_model(document, tmp_path):
    pytest.importorskip("matplotlib")
    axes = pareto.draw(document).axes[0]
    labels = [handle.get_label() for handle in [*axes.containers, *axes.lines]]
    assert [label for label in labels if label in ("bag", "gru", "svm")] == ["bag", "gru", "svm"]
    assert axes.get_xscale() == "log"
    pareto.save_plot(document, tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes()[:4] == b"\x89PNG"


def test_a_stopped_start_goes_on_where_it_was(tmp_path, monkeypatch):
    output = tmp_path / "found.json"

    def measure(settings=TINY):
        return accuracy_benchmark(ROWS, ROWS, settings, ["bag", "kim"], [1], Silent(), output=output)

    run = TextTask.run

    def stopping(self, settings, reporter):
        if settings["architecture"] == "kim":
            raise KeyboardInterrupt
        return run(self, settings, reporter)

    monkeypatch.setattr(TextTask, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        measure()
    with pytest.raises(DataError, match="found those of others"):
        measure({**TINY, "epochs": 2})
    trained = []
    monkeypatch.setattr(TextTask, "run", lambda self, s, r: trained.append(s["architecture"]) or run(self, s, r))
    document = measure()
    assert trained == ["kim"]
    assert json.loads(output.read_text()) == document
    assert not output.with_name("found.json.partial").exists()


@pytest.mark.slow
def test_image_architectures_are_compared_on_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8)).astype(np.uint8)
    images[::2] //= 4
    for name in ("train", "test"):
        write_npz(tmp_path / f"{name}.npz", images, np.array(["dark", "bright"] * 12))
    settings = {"epochs": 8, "threads": 1, "batch_size": 8}
    names = ["mlp2d", "resnet"]
    found = accuracy_benchmark(str(tmp_path), str(tmp_path), settings, names, [1], Silent())
    assert (found["unit"], found["num_test"], found["data"]) == ("images", 24, "/".join(tmp_path.parts[-2:]))
    assert [entry["model"] for entry in found["results"]] == names
    run = found["results"][0]["runs"][0]
    assert run["trained_per_second"] == pytest.approx(run["tokens_per_second"] / 64)
    assert run["test"]["accuracy"] == 1
    assert "images/s in training" in pareto.to_markdown(found)


def test_texts_and_images_do_not_mix():
    with pytest.raises(ConfigError, match="expected architectures of texts or of images, got vgg and kim"):
        accuracy_benchmark(ROWS, ROWS, TINY, ["kim", "vgg"], [1], Silent())


def test_baselines_are_for_texts(tmp_path):
    write_npz(tmp_path / "x.npz", np.zeros((2, 8, 8), np.uint8), np.array(["a", "b"]))
    data = str(tmp_path / "x.npz")
    with pytest.raises(ConfigError, match="baselines are for texts, got svm for images; say --baselines none"):
        accuracy_benchmark(data, data, TINY, ["mlp2d"], [1], Silent(), baselines=["svm"])


def test_all_stands_for_every_text_architecture(monkeypatch):
    from textcnn.models import registry

    monkeypatch.setattr(TextTask, "run", lambda *_: {"test": {"accuracy": 1.0}, "train_seconds": 1.0, "parts": {}})
    found = accuracy_benchmark(ROWS, ROWS, TINY, ["all"], [1], Silent())
    assert [entry["model"] for entry in found["results"]] == list(registry.TEXT)
