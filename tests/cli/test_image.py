"""`textcnn image`: the same verbs for images, and what happens when the wrong ones are taken."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import textcnn
from textcnn.errors import ArtifactError, ConfigError, DataError, TextCNNError
from textcnn.image.files import write_npz
from textcnn_cli.main import app

TINY = ["--threads", "1", "--batch-size", "8", "--set", "channels=[4, 4]", "--set", "hidden_size=16"]


def textcnn_(*args):
    found = CliRunner().invoke(app, [str(arg) for arg in args])
    if isinstance(found.exception, TextCNNError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with digits of three kinds, an image model and a text model."""
    folder, threads = tmp_path_factory.mktemp("images"), torch.get_num_threads()
    bunch = load_digits()
    keep = np.flatnonzero(bunch.target < 3)[:90]
    images, labels = bunch.images[keep].astype(np.uint8), bunch.target[keep]
    write_npz(folder / "train.npz", images[:60], labels[:60])
    write_npz(folder / "test.npz", images[60:], labels[60:])
    np.savez(folder / "bare.npz", images=images[60:])
    found = textcnn_(
        *("image", "train", folder / "train.npz", "--test", folder / "test.npz", "-o", folder / "model"),
        *("--epochs", 25, "--json", *TINY),
    )
    (folder / "summary.json").write_text(found.stdout.splitlines()[-1], encoding="utf-8")
    textcnn.train(
        [("good", "pos"), ("bad", "neg")] * 4,
        **{"embedding_dim": 8, "num_filters": 4, "epochs": 1, "threads": 1},
        output=folder / "text-model",
    )
    torch.set_num_threads(threads)
    return folder


@pytest.mark.slow
def test_training_tells_the_same_as_for_texts(here):
    summary = json.loads((here / "summary.json").read_text(encoding="utf-8"))
    assert set(summary) >= {"artifact", "architecture", "examples", "num_labels", "epochs", "dev", "test", "road"}
    assert (summary["architecture"], summary["num_labels"]) == ("lenet", 3)
    assert summary["examples"] == {"train": 60, "dev": 0, "test": 30}
    assert summary["test"]["accuracy"] > 0.6
    assert textcnn.load(here / "model").classes_ == ["0", "1", "2"]


@pytest.mark.parametrize("source", ["test.npz", "bare.npz"])
def test_an_image_is_a_row(here, source):
    found = textcnn_("image", "classify", here / "model", here / source, "--top-k", 2)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["image"] for row in rows] == list(range(30))
    assert all(list(row) == ["image", "label", "probability", "top", "flags"] for row in rows)
    assert "classified 30 images" in found.stderr


def test_answers_to_a_file(here, tmp_path):
    found = textcnn_("image", "classify", here / "model", here / "test.npz", "--output", tmp_path / "out.csv")
    assert found.stdout == ""
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 31


def test_evaluation_agrees_with_the_answers(here):
    rows = [
        json.loads(line)
        for line in textcnn_("image", "classify", here / "model", here / "test.npz").stdout.splitlines()
    ]
    with np.load(here / "test.npz") as arrays:
        right = [row["label"] == str(label) for row, label in zip(rows, arrays["labels"], strict=True)]
    scores = json.loads(textcnn_("image", "evaluate", here / "model", here / "test.npz", "--json").stdout)
    assert list(scores) == ["n", "accuracy", "macro_f1", "micro_f1", "ece", "per_label"]
    assert scores["accuracy"] == pytest.approx(np.mean(right))
    assert scores == json.loads((here / "summary.json").read_text(encoding="utf-8"))["test"]
    assert textcnn_("image", "evaluate", here / "model", here / "test.npz").stdout.startswith("accuracy ")


def test_options_reach_the_config(here, tmp_path):
    textcnn_(
        *("image", "train", here / "train.npz", "-o", tmp_path / "m", "--epochs", 1, "--dev-fraction", 0.2, *TINY),
        *("--seed", 4, "--class-weight", "balanced", "--learning-rate", 0.01),
    )
    training = textcnn.load(tmp_path / "m").artifact.training
    assert training["examples"]["dev"] == 12
    config = training["config"]["training"]
    assert (config["seed"], config["class_weight"], config["learning_rate"]) == (4, "balanced", 0.01)


def test_a_text_model_is_none_for_images(here):
    with pytest.raises(ArtifactError, match="expected an image model, got a text model; use `textcnn` without `image`"):
        textcnn_("image", "classify", here / "text-model", here / "test.npz")
    with pytest.raises(ArtifactError, match="expected an image model, got a text model"):
        textcnn_("image", "evaluate", here / "text-model", here / "test.npz")


def test_an_image_model_is_none_for_texts(here, tmp_path):
    with pytest.raises(ArtifactError, match="expected a text model, got an image model; use `textcnn image` for it"):
        textcnn_("classify", here / "model", "a text", "--output", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    (tmp_path / "a.csv").write_text("text,label\na,0\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="expected a text model, got an image model"):
        textcnn_("evaluate", here / "model", tmp_path / "a.csv")


def test_faults_of_the_user(here, tmp_path):
    with pytest.raises(DataError, match=r"expected labelled images, found images without labels"):
        textcnn_("image", "evaluate", here / "model", here / "bare.npz")
    with pytest.raises(DataError, match=r"expected labelled images, found images without labels"):
        textcnn_("image", "train", here / "bare.npz", "-o", tmp_path / "m")
    np.savez(tmp_path / "wide.npz", images=np.zeros((2, 8, 9), np.uint8), labels=np.arange(2))
    for verb in ("classify", "evaluate"):
        with pytest.raises(DataError, match=r"expected images of shape \(N, 1, 8, 8\) .*, got \(2, 1, 8, 9\)"):
            textcnn_("image", verb, here / "model", tmp_path / "wide.npz")
    with pytest.raises(ConfigError, match=r"architecture must be one of lenet.* \(image\), got 'kim'"):
        textcnn_("image", "train", here / "train.npz", "-o", tmp_path / "m", "--architecture", "kim")
    with pytest.raises(DataError, match=r"expected dev rows or dev_fraction, got both"):
        textcnn_(
            "image",
            "train",
            here / "train.npz",
            "--dev",
            here / "test.npz",
            "--dev-fraction",
            0.5,
            "-o",
            tmp_path / "m",
        )
    assert not (tmp_path / "m").exists()


@pytest.fixture
def pictures(tmp_path, random):
    """Dark pictures and bright ones in colour, 9 x 7, in folders train and test."""
    Image = pytest.importorskip("PIL.Image")
    for split, count in (("train", 12), ("test", 4)):
        for label, low in (("dark", 0), ("bright", 150)):
            place = tmp_path / "pictures" / split / label
            place.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(low, low + 100, (9, 7, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return tmp_path / "pictures"


@pytest.mark.slow
def test_pictures_are_trained_on_named_and_scaled(pictures, tmp_path):
    model = tmp_path / "model"
    augmenting = ("--image-size", "8x6", "--random-shift", 1, "--random-flip", "--amp", "bf16")
    found = textcnn_(
        *("image", "train", pictures, "--test", pictures, "-o", model, "--epochs", 20, "--json", *augmenting, *TINY)
    )
    summary = json.loads(found.stdout.splitlines()[-1])
    assert summary["examples"] == {"train": 24, "dev": 0, "test": 8}
    assert summary["test"]["accuracy"] == 1
    saved = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert (saved["modality"], saved["shape"], len(saved["mean"])) == ("image", [3, 8, 6], 3)
    assert not (model / "tokenizer.json").exists()
    config = json.loads((model / "training.json").read_text(encoding="utf-8"))["config"]
    assert config["image"] == {"image_size": "8x6", "random_shift": 1, "random_flip": True}
    assert config["training"]["amp"] == "bf16"
    rows = [json.loads(line) for line in textcnn_("image", "classify", model, pictures).stdout.splitlines()]
    assert [row["image"] for row in rows][:2] == ["bright/0.png", "bright/1.png"]
    alone = textcnn_("image", "classify", model, pictures / "test" / "dark" / "3.png").stdout
    assert json.loads(alone)["image"] == "3.png"
    assert json.loads(alone)["label"] == "dark"
    assert json.loads(textcnn_("image", "evaluate", model, pictures, "--json").stdout)["n"] == 8


@pytest.mark.slow
def test_without_images_it_is_the_digits_that_come_with_scikit_learn(tmp_path, monkeypatch):
    from textcnn.datasets import catalogue

    monkeypatch.setattr(catalogue, "default_folder", lambda: tmp_path / "data")
    found = textcnn_("image", "train", "-o", tmp_path / "model", "--epochs", 1, "--json", *TINY)
    assert "no images given" in found.stderr
    assert json.loads(found.stdout.splitlines()[-1])["examples"] == {"train": 1438, "dev": 0, "test": 359}


def test_a_size_is_height_by_width(here, tmp_path):
    with pytest.raises(ConfigError, match=r"image_size must be HEIGHTxWIDTH in pixels, e.g. 64x64, or none, got '64'"):
        textcnn_("image", "train", here / "train.npz", "-o", tmp_path / "m", "--image-size", "64")
