"""Picture files, folders of them, and pictures of the hub."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from textcnn.errors import DataError, MissingExtraError
from textcnn.image.reading import read_images, read_part, splits

Image = pytest.importorskip("PIL.Image")


def save(path, pixels, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **more)
    return path


@pytest.fixture
def folder(tmp_path, random):
    """Two cats and a dog in colour, 5 x 4."""
    for name in ("cat/a.png", "cat/deeper/b.png", "dog/c.bmp"):
        save(tmp_path / name, random.integers(0, 256, (5, 4, 3)))
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    save(tmp_path / "cat" / ".hidden.png", np.zeros((9, 9)))
    return tmp_path


def test_a_folder_is_a_label(folder):
    found = read_images(folder)
    assert found.pixels.shape == (3, 3, 5, 4)
    assert (found.labels, found.files) == (["cat", "cat", "dog"], ["cat/a.png", "cat/deeper/b.png", "dog/c.bmp"])
    whole = np.asarray(Image.open(folder / "dog" / "c.bmp"))
    np.testing.assert_array_equal(found.pixels[2], whole.transpose(2, 0, 1))


def test_grey_pictures_have_one_channel_and_three_beside_coloured_ones(tmp_path):
    ramp = np.arange(20).reshape(5, 4)
    save(tmp_path / "a.png", ramp)
    grey = read_images(tmp_path)
    assert (grey.pixels.shape, grey.labels) == ((1, 1, 5, 4), None)
    save(tmp_path / "b.png", np.zeros((5, 4, 3)))
    mixed = read_images(tmp_path)
    np.testing.assert_array_equal(mixed.pixels[0], np.stack([ramp] * 3))
    assert read_images(tmp_path, channels=1).pixels.shape == (2, 1, 5, 4)
    assert read_images(tmp_path / "a.png", channels=3).pixels.shape == (1, 3, 5, 4)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 256], [32768, 65535]], np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_images(tmp_path).pixels[0, 0], [[0, 1], [128, 255]])


def test_pictures_are_scaled_where_a_size_is_given(folder):
    save(folder / "dog" / "large.png", np.full((50, 40, 3), 7))
    with pytest.raises(DataError, match=r"pictures of one size, found 5x4 and 'dog/large.png' of 50x40; scale them"):
        read_images(folder)
    found = read_images(folder, size=(10, 8))
    assert found.pixels.shape == (4, 3, 10, 8)
    assert (found.pixels[3] == 7).all()


def test_folders_called_train_and_test_are_splits(folder, tmp_path):
    data = tmp_path / "data"
    for split, label in (("train", "cat"), ("train", "dog"), ("test", "dog")):
        save(data / split / label / "x.png", np.zeros((2, 2)))
    assert list(splits(data)) == ["train", "test"]
    assert read_images(data, split="test").labels == ["dog"]
    assert read_part(data, "train").labels == ["cat", "dog"]
    with pytest.raises(DataError, match="expected one of the splits train, test, found split=None"):
        read_images(data)


def test_damage_is_told_by_name(folder):
    content = (folder / "dog" / "c.bmp").read_bytes()
    (folder / "dog" / "c.bmp").write_bytes(content[:40])
    with pytest.raises(DataError, match=r"expected a picture in 'dog/c.bmp', found a damaged one: "):
        read_images(folder)


def test_a_picture_beside_the_labels_folders_is_told(folder):
    save(folder / "stray.png", np.zeros((5, 4)))
    with pytest.raises(DataError, match=r"expected a folder for each label, found also the picture 'stray.png' in"):
        read_images(folder)


def test_a_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(DataError, match=r"expected pictures \(.png, .*\), found none"):
        read_images(tmp_path)


def test_a_picture_too_large_to_be_true_is_refused(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with pytest.raises(DataError, match="decompression bomb"):
        read_images(folder)


def test_without_pillow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"reading pictures needs .* pip install 'textcnn\[image\]'"):
        read_images(folder)


@pytest.fixture
def hub(monkeypatch):
    """What `datasets.load_dataset` is to give."""
    import datasets

    given = {}
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: given[name, split])
    return given


def pictures(labels, feature):
    import datasets

    images = [Image.fromarray(np.full((3, 2), 10 * number, np.uint8)) for number in range(len(labels))]
    features = datasets.Features({"image": datasets.Image(), "label": feature})
    return datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)


def test_pictures_of_the_hub_have_names_for_labels(hub):
    import datasets

    hub["owner/name", "train"] = pictures([1, 0, 1], datasets.ClassLabel(names=["cat", "dog"]))
    found = read_images("owner/name")
    assert (found.labels, found.name) == (["dog", "cat", "dog"], "hf://owner/name/train")
    np.testing.assert_array_equal(found.pixels[:, 0, 0, 0], [0, 10, 20])
    hub["owner/name", "test"] = pictures(["x", "y"], datasets.Value("string"))
    assert read_images("hf://owner/name/test", size=(4, 4)).labels == ["x", "y"]


def test_what_the_hub_lacks_is_told(hub):
    import datasets

    hub["owner/texts", "train"] = datasets.Dataset.from_dict({"text": ["a"]})
    with pytest.raises(DataError, match="hf://owner/texts/train: expected a column of pictures, found text"):
        read_images("owner/texts")
    hub["owner/name", "train"] = pictures([0, -1], datasets.ClassLabel(names=["cat", "dog"]))
    with pytest.raises(DataError, match="expected a label for each picture, found none at row 1"):
        read_images("owner/name")
