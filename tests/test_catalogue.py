import importlib.resources
import importlib.util
import json
import tomllib
from pathlib import Path

import pytest

from textcnn.datasets import catalogue, fetching
from textcnn.datasets.catalogue import Card, card, cards, default_folder, get
from textcnn.errors import DataError
from textcnn.image.reading import read_images


def digits_card(**changes):
    files = importlib.resources.files("textcnn_data")
    return {**tomllib.loads((files / "digits.toml").read_text("utf-8")), **changes}


# ------------------------------------------------------------------------------------------------------- cards


def test_every_card_is_whole():
    files = importlib.resources.files("textcnn_data")
    for known in cards():
        assert (files / f"{known.name}.toml").is_file()
        assert known.title
        assert known.licence
        assert known.source
        assert all(split.rows > 0 for split in known.splits.values())
        checksums = [value for split in known.splits.values() for value in split.sha256.values()]
        if known.source[0].kind == "hub":
            assert not checksums
            assert "without reaching the hub" in known.notes
            assert set(known.source[0].splits) == set(known.splits)
        else:
            assert len(checksums) >= len(known.splits)
            assert all(len(value) == 64 for value in checksums)
        json.dumps(known.to_dict())
    assert catalogue.DEFAULT in {known.name for known in cards()}


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(DataError, match=r"one of ag_news, banking77, bbc-news, .*; found 'bbc'"):
        card("bbc")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"license": "MIT"}, "'digits' cannot be used: unknown field 'license'; it has name, title,"),
        ({"task": "regression"}, "task must be one of single-label, multi-label, image, vectors, found 'regression'"),
        ({"title": 3}, "title must be str, found 3"),
        ({"labels": "0"}, "labels must be a list of str or int, found '0'"),
        ({"source": [{"kind": "ftp"}]}, "kind of source must be one of package-folder, .*, found 'ftp'"),
        ({"source": [{"kind": "sklearn"}]}, "source sklearn: missing field 'loader'"),
        (
            {"source": [{"kind": "sklearn", "loader": "x", "url": ""}]},
            "source sklearn: unknown field 'url'; it has load",
        ),
        ({"splits": {"train": {"rows": "9"}}}, "splits.train: rows must be int, found '9'"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(changes, message):
    with pytest.raises(DataError, match=message):
        Card.from_dict(digits_card(**changes))


def test_all_problems_of_a_card_are_told_together():
    with pytest.raises(DataError, match=r"unknown field 'a'.*missing field 'title'"):
        Card.from_dict({key: value for key, value in digits_card(a=1).items() if key != "title"})


# ------------------------------------------------------------------------------------------------------ places


def test_data_goes_to_the_checkout_or_to_the_cache(tmp_path, monkeypatch):
    root = Path(catalogue.__file__).parents[2]
    assert default_folder() == root / "data"
    monkeypatch.setattr(
        catalogue, "__file__", str(tmp_path / "site-packages" / "textcnn" / "datasets" / "catalogue.py")
    )
    monkeypatch.setattr(catalogue.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == tmp_path / "cache" / "textcnn" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "textcnn" / "data"
    monkeypatch.setattr(catalogue.sys, "platform", "darwin")
    assert default_folder() == tmp_path / "Library" / "Caches" / "textcnn" / "data"
    monkeypatch.setattr(catalogue.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert default_folder() == tmp_path / "Local" / "textcnn" / "data"


def test_a_whole_folder_is_used_as_it_is_and_a_damaged_one_is_fetched_again(tmp_path, monkeypatch):
    folder = get("digits", tmp_path)
    assert folder == tmp_path / "digits"
    with monkeypatch.context() as patch:
        patch.setattr(fetching.Sklearn, "write", lambda *_: pytest.fail("fetched though it was there"))
        assert get("digits", tmp_path) == folder
    whole = (folder / "train.npz").read_bytes()
    (folder / "train.npz").write_bytes(whole[:-1])
    assert (get("digits", tmp_path) / "train.npz").read_bytes() == whole
    (folder / "test.npz").unlink()
    assert (get("digits", tmp_path) / "test.npz").is_file()
    get("digits", tmp_path, seed=1)
    assert (folder / "train.npz").read_bytes() != whole
    assert len(read_images(folder, split="train")) == 1438
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_files_of_others_are_left_alone(tmp_path):
    folder = get("digits", tmp_path)
    (folder / "my-model").mkdir()
    with pytest.raises(DataError, match=r"expected only the files of 'digits', found also \['my-model'\]; move them"):
        get("digits", tmp_path)
    (folder / "fetched.json").unlink()
    with pytest.raises(DataError, match=r"digits: expected a data set fetched earlier, or nothing, found no readable"):
        get("digits", tmp_path)
    assert (folder / "my-model").is_dir()
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(DataError, match="expected a folder to write to, found: "):
        get("digits", tmp_path / "file")


def test_a_failed_fetch_leaves_nothing_behind(tmp_path, monkeypatch):
    wrong = Card.from_dict(
        digits_card(splits={"train": {"rows": 1438, "sha256": {"train.npz": "0"}}, "test": {"rows": 359}})
    )
    monkeypatch.setattr(catalogue, "card", lambda _: wrong)
    with pytest.raises(DataError, match=r"expected sha256 0 for train.npz of 'digits', found 050f"):
        get("digits", tmp_path)
    fewer = Card.from_dict(digits_card(splits={"train": {"rows": 7, "sha256": {"train.npz": "0"}}}))
    monkeypatch.setattr(catalogue, "card", lambda _: fewer)
    with pytest.raises(
        DataError, match=r"expected rows \{'train': 7\} in 'digits', found \{'train': 1438, 'test': 359\}"
    ):
        get("digits", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_next_source_is_tried_and_all_failures_are_told(tmp_path, monkeypatch):
    here, nowhere = digits_card()["source"][0], {"kind": "hub", "id": str(tmp_path / "no"), "splits": {}}
    monkeypatch.setattr(catalogue, "card", lambda _: Card.from_dict(digits_card(source=[nowhere, here])))
    assert (get("digits", tmp_path / "a") / "train.npz").is_file()
    monkeypatch.setattr(catalogue, "card", lambda _: Card.from_dict(digits_card(source=[nowhere, nowhere])))
    with pytest.raises(DataError, match=r"expected the data set .* and from the next source: expected the data set "):
        get("digits", tmp_path / "b")
