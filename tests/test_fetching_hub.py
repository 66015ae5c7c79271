import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from textcnn.datasets import catalogue
from textcnn.datasets.catalogue import Card, get
from textcnn.datasets.sources import Hub
from textcnn.errors import DataError
from textcnn.image.reading import read_images
from textcnn.splitting import Plan


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    features = datasets.Features(
        {
            "title": datasets.Value("string"),
            "content": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "labels": datasets.Sequence(datasets.ClassLabel(names=["joy", "fear", "grief"])),
        }
    )
    rows = {"title": ["A", "B"], "content": ["one\ntwo", None], "label": [1, -1], "labels": [[0, 2], []]}
    folder = tmp_path / "hub"
    folder.mkdir()
    for split in ("train", "test"):
        datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
    return folder


def test_hub_rows_become_csv_with_the_names_of_the_labels(hub_folder, tmp_path):
    plan = Plan("mine", ("text", "label"), ())
    single = Hub(str(hub_folder), {"train": "train", "dev": "test"}, ("title", "content"))
    assert single.write(tmp_path, plan) == {"train": 2, "dev": 2}
    assert (tmp_path / "dev.csv").read_text("utf-8") == 'text,label\n"A one\ntwo",pos\nB ,\n'
    several = Hub(str(hub_folder), {"test": "test"}, ("title",), "labels")
    several.write(tmp_path, plan)
    assert (tmp_path / "test.csv").read_text("utf-8") == "text,label\nA,joy|grief\nB,\n"


def test_hub_data_without_the_splits_or_columns_of_the_card(hub_folder, tmp_path):
    with pytest.raises(DataError, match=r"expected a split 'validation' in '.*', found train, test"):
        Hub(str(hub_folder), {"dev": "validation"}, ("title",)).write(tmp_path, Plan("mine", (), ()))
    with pytest.raises(DataError, match=r"expected columns \['text', 'topic'\] in '.*', found title, content, label"):
        Hub(str(hub_folder), {"test": "test"}, ("text",), "topic").write(tmp_path, Plan("mine", (), ()))


def test_hub_pictures_become_idx_files(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("PIL")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4), np.uint8)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    made = datasets.Dataset.from_dict({"image": list(pixels), "label": [1, 0, 1]}, features=features)
    (tmp_path / "hub").mkdir()
    made.to_parquet(tmp_path / "hub" / "train.parquet")
    source = Hub(str(tmp_path / "hub"), {"train": "train"}, image="image")
    assert source.write(tmp_path, Plan("mine", (), ("a", "b"))) == {"train": 3}
    read = read_images(tmp_path, split="train")
    np.testing.assert_array_equal(read.pixels[:, 0], pixels)
    assert read.labels == ["b", "a", "b"]


def test_other_row_counts_of_the_hub_are_a_warning(hub_folder, tmp_path, monkeypatch):
    source = {"kind": "hub", "id": str(hub_folder), "splits": {"train": "train"}, "text": ["title"]}
    saved = dict.fromkeys(("title", "language", "licence", "licence_note"), "x")
    saved |= {"name": "mine", "task": "single-label", "columns": ["text", "label"], "labels": 2}
    mine = Card.from_dict({**saved, "source": [source], "splits": {"train": {"rows": 9}}})
    monkeypatch.setattr(catalogue, "card", lambda _: mine)
    with pytest.warns(UserWarning, match=r"mine: the card says rows \{'train': 9\}, the source has \{'train': 2\}"):
        folder = get("mine", tmp_path)
    assert hashlib.sha256((folder / "train.csv").read_bytes()).hexdigest() in (folder / "fetched.json").read_text(
        "utf-8"
    )


def test_no_hub_is_one_line_on_the_command_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "textcnn_cli", "data", "get", "imdb", "-o", str(tmp_path)],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: expected the data set 'stanfordnlp/imdb' from the hub, found: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
