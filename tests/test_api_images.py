"""Images through the library's functions: as texts, with the same messages."""

from pathlib import Path

import numpy as np
import pytest
from api_runs import Heard, weights

import textcnn
from textcnn.config import Config
from textcnn.errors import DataError
from textcnn.progress import Silent
from textcnn.runs.images import run_images


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    from sklearn.datasets import load_digits

    from textcnn.image.files import write_npz

    bunch = load_digits()
    folder = tmp_path_factory.mktemp("digits")
    keep = bunch.target[:150] < 4
    images, labels = bunch.images[:150][keep].astype(np.uint8), bunch.target[:150][keep]
    write_npz(folder / "train.npz", images[:45], labels[:45])
    write_npz(folder / "test.npz", images[45:], labels[45:])
    return folder


IMAGE = {"architecture": "lenet", "channels": [4, 4], "hidden_size": 16, "epochs": 3, "batch_size": 8}


@pytest.mark.slow
def test_images_train_like_texts(digits, tmp_path):
    config = Config.from_flat({**IMAGE, "epochs": 12, "dev_fraction": 0.2})
    runs = [run_images(digits / "train.npz", config, Silent(), test=digits / "test.npz") for _ in range(2)]
    assert weights(runs[0].predictor) == weights(runs[1].predictor)
    assert runs[0].summary["examples"]["train"] + runs[0].summary["examples"]["dev"] == 45
    assert runs[0].summary["test"]["accuracy"] > 0.5
    loaded = textcnn.load(runs[0].predictor.save(tmp_path / "model"))
    pixels = np.random.default_rng(0).integers(0, 17, (4, 1, 8, 8), np.uint8)
    assert loaded.predict_proba(pixels).tobytes() == runs[0].predictor.predict_proba(pixels).tobytes()


def test_images_with_dev_rows_and_a_fraction_are_one_too_many(digits):
    config = Config.from_flat({**IMAGE, "dev_fraction": 0.2})
    with pytest.raises(DataError, match=r"expected dev rows or dev_fraction, got both \(dev_fraction is 0.2\)"):
        run_images(digits / "train.npz", config, Silent(), dev=digits / "test.npz")
    config = Config.from_flat({**IMAGE, "dev_fraction": 0.001})
    with pytest.raises(DataError, match=r"dev_fraction 0.001 of 45 rows is no row"):
        run_images(digits / "train.npz", config, Silent())


def test_an_image_label_unseen_in_training_is_told_and_counted_as_wrong(digits, tmp_path):
    from textcnn.image.files import write_npz

    write_npz(tmp_path / "dev.npz", np.zeros((3, 8, 8), np.uint8), np.array([0, 1, 9]))
    reporter = Heard()
    run = run_images(digits / "train.npz", Config.from_flat(IMAGE), reporter, dev=tmp_path / "dev.npz")
    assert run.summary["dev"]["per_label"]["9"]["recall"] == 0
    assert any("dev labels unseen in training count as wrong: '9'" in line for line in reporter.said)


def test_images_without_labels_or_of_another_shape(digits, tmp_path):
    np.savez(tmp_path / "bare.npz", images=np.zeros((4, 8, 8), np.uint8))
    np.savez(tmp_path / "wide.npz", images=np.zeros((4, 8, 9), np.uint8), labels=np.arange(4))
    with pytest.raises(DataError, match="bare: expected labelled images, found images without labels"):
        run_images(tmp_path / "bare.npz", Config.from_flat(IMAGE), Silent())
    with pytest.raises(DataError, match=r"expected images of shape \(N, 1, 8, 8\) as in training, got \(4, 1, 8, 9\)"):
        run_images(digits / "train.npz", Config.from_flat(IMAGE), Silent(), test=tmp_path / "wide.npz")
