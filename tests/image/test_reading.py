import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from textcnn.errors import DataError
from textcnn.image.files import read_idx, read_npz, write_idx, write_npz
from textcnn.image.reading import read_images, splits

in_folder = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sides = st.integers(4, 7)
images = st.tuples(st.integers(1, 5), sides, sides).flatmap(lambda shape: arrays(np.uint8, shape))


def save(path, **named):
    np.savez_compressed(path, **named)
    return path


def idx_pair(folder, pixels, labels, stem="train", ending=""):
    for part, array in ((f"{stem}-images-idx3-ubyte", pixels), (f"{stem}-labels-idx1-ubyte", labels)):
        write_idx(folder / part, array)
        if ending:
            (folder / f"{part}.gz").write_bytes(gzip.compress((folder / part).read_bytes()))
            (folder / part).unlink()
    return folder / f"{stem}-images-idx3-ubyte{ending}"


@pytest.mark.slow
@in_folder
@given(pixels=images, channels=st.sampled_from([1, 3]), fortran=st.booleans())
def test_npz_gives_the_same_images_whatever_the_layout(tmp_path, pixels, channels, fortran):
    first = np.repeat(pixels[:, None], channels, axis=1)
    labels = [f"label {i}" for i in range(len(pixels))]
    last = first.transpose(0, 2, 3, 1)
    for array in (first, np.asfortranarray(last) if fortran else last, *([pixels] if channels == 1 else [])):
        read = read_images(save(tmp_path / "train.npz", images=array, labels=np.array(labels)))
        assert read.pixels.dtype == np.uint8
        np.testing.assert_array_equal(read.pixels, first)
        assert (read.labels, read.name, len(read)) == (labels, "train", len(pixels))


@in_folder
@given(pixels=images, ending=st.sampled_from(["", ".gz"]))
def test_idx_gives_the_images_and_labels_that_were_written(tmp_path, pixels, ending):
    labels = np.arange(len(pixels), dtype=np.uint8)
    read = read_images(idx_pair(tmp_path, pixels, labels, ending=ending))
    np.testing.assert_array_equal(read.pixels, pixels[:, None])
    assert read.labels == [str(label) for label in labels]
    read.pixels[0] = 0  # not a view of read-only bytes


@in_folder
@given(pixels=images)
def test_our_npz_is_read_by_numpy_and_has_the_same_bytes_each_time(tmp_path, pixels):
    labels = np.array(["a"] * len(pixels))
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, pixels, labels)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["images"], pixels)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@settings(in_folder, max_examples=150)
@given(data=st.data(), kind=st.sampled_from(["npz", "idx", "idx.gz"]))
def test_a_damaged_file_is_a_data_error_or_still_images(tmp_path, data, kind):
    pixels = np.arange(2 * 5 * 4, dtype=np.uint8).reshape(2, 5, 4)
    if kind == "npz":
        path = save(tmp_path / "x.npz", images=pixels, labels=np.array(["a", "b"]))
    else:
        path = idx_pair(tmp_path, pixels, np.array([0, 1], np.uint8), ending=".gz" if kind == "idx.gz" else "")
    content = bytearray(path.read_bytes())
    cut = data.draw(st.integers(0, len(content)))
    flips = data.draw(st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=3))
    for position, value in flips.items():
        content[position] = value
    path.write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    try:
        assert read_images(path).pixels.ndim == 4
    except DataError as err:
        told = str(err)
    else:
        told = str(path)
    assert str(path.parent) in told


def test_every_truncation_of_an_idx_file_is_a_data_error(tmp_path):
    path = idx_pair(tmp_path, np.ones((1, 2, 2), np.uint8), np.zeros(1, np.uint8))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="expected"):
            read_images(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DataError, match=r"expected 4 bytes after the header for the shape \(1, 2, 2\), found more"):
        read_images(path)


def test_other_dtypes_become_uint8_or_float32(tmp_path):
    ramp = np.arange(16).reshape(1, 4, 4)
    for dtype, wanted in ((np.int64, np.uint8), (np.uint16, np.uint8), (np.float64, np.float32), (">f4", np.float32)):
        read = read_images(save(tmp_path / "x.npz", images=ramp.astype(dtype)))
        assert read.pixels.dtype == wanted
        assert read.labels is None
        np.testing.assert_array_equal(read.pixels[:, 0], ramp)
    numbered = read_images(save(tmp_path / "x.npz", images=ramp, labels=np.array([7])))
    assert numbered.labels == ["7"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"pictures": np.zeros(3)}, "expected an array called 'images'"),
        ({"images": np.zeros((2, 5))}, r"found \(2, 5\)"),
        ({"images": np.zeros((2, 5, 5, 2))}, r"with C 1 or 3, found \(2, 5, 5, 2\)"),
        ({"images": np.zeros((0, 5, 5))}, r"at least one image with a pixel, found shape \(0, 1, 5, 5\)"),
        ({"images": np.full((1, 2, 2), np.nan)}, "expected finite pixels"),
        ({"images": np.full((1, 2, 2), 1e300)}, "expected finite pixels"),
        ({"images": np.array([[[-1, 256]]])}, "expected integer pixels from 0 to 255, found -1 to 256"),
        ({"images": np.zeros((1, 2, 2), bool)}, "found dtype 'bool'"),
        ({"images": np.zeros((1, 2, 2)), "labels": np.array(["a", "b"])}, "each of 1 images, found 2 labels"),
        ({"images": np.zeros((1, 2, 2)), "labels": np.array([0.5])}, r"found shape \(1,\) and dtype 'float64'"),
        ({"images": np.array([[[None]]])}, "in 'images.npy', found Python objects"),
    ],
)
def test_npz_errors_say_expected_and_found(tmp_path, named, message):
    with pytest.raises(DataError, match=message):
        read_images(save(tmp_path / "x.npz", **named))


def test_two_axes_that_could_be_channels_are_taken_as_channels_first_with_a_warning(tmp_path):
    path = save(tmp_path / "x.npz", images=np.zeros((2, 3, 5, 1), np.uint8))
    with pytest.warns(UserWarning, match=r"\(2, 3, 5, 1\) axis 1 and axis 3 could be channels; axis 1 is taken"):
        assert read_images(path).pixels.shape == (2, 3, 5, 1)


def test_headers_are_not_believed(tmp_path):
    lie = struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31)
    for name, content in (("a-images-idx3-ubyte", lie + b"1234"), ("b-images-idx3-ubyte.gz", gzip.compress(lie))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"expected {2**93} bytes for the shape .*, found a file of "):
            read_images(tmp_path / name)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 2, 2)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue() + b"1234")
    with pytest.raises(DataError, match=rf"expected {2**42} bytes in 'images.npy' for its shape .*, found 4"):
        read_images(tmp_path / "x.npz")


def test_a_directory_is_not_believed(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 1, 1)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue())
        info = archive.getinfo("images.npy")
        info.file_size = info.compress_size = info.file_size + 2**40
    with pytest.raises(DataError, match=r"expected 'images.npy' to hold data, found a size of 10995.* that it cannot"):
        read_images(tmp_path / "x.npz")


def test_labels_of_nothing_and_of_no_characters(tmp_path):
    for kind, content, message in (
        ("<U0", b"", "expected numbers or strings in 'labels.npy', found dtype '<U0'"),
        ("<U1", b"\xff\xff\xff\x7f", "expected characters in 'labels.npy', found numbers that are none"),
    ):
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            for name, descr, shape, inside in (("images", "|u1", (1, 1, 1), b"a"), ("labels", kind, (1,), content)):
                header = io.BytesIO()
                head = {"descr": descr, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(header, head)
                archive.writestr(f"{name}.npy", header.getvalue() + inside)
        with pytest.raises(DataError, match=message):
            read_images(tmp_path / "x.npz")


def test_names_that_lead_out_of_an_archive_lead_nowhere(tmp_path):
    (tmp_path / "in").mkdir()
    path = save(tmp_path / "in" / "x.npz", images=np.ones((1, 2, 2), np.uint8))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../images.npy", b"outside")
        archive.writestr("/elsewhere/labels.npy", b"outside")
    assert len(read_images(path)) == 1
    assert [entry.name for entry in tmp_path.rglob("*")] == ["in", "x.npz"]


def test_formats_that_numpy_never_writes_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("images.npy", b"123")
    with pytest.raises(DataError, match="stored or deflated, found compression 12"):
        read_npz(tmp_path / "x.npz", ["images"])
    for content, message in (
        (b"\x93NUMPY\x09\x00" + bytes(9), r"expected npy format 1.0 or 2.0 in 'images.npy', found \(9, 0\)"),
        (b"\x93NUMPY\x01\x00\x0a\x00{[]: 123} ", "expected an npy header in 'images.npy', found"),
    ):
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr("images.npy", content)
        with pytest.raises(DataError, match=message):
            read_npz(tmp_path / "x.npz", ["images"])


def test_a_folder_is_read_by_split(tmp_path):
    with pytest.raises(DataError, match=r"expected pictures .* found none"):
        read_images(tmp_path)
    pixels = np.zeros((2, 4, 4), np.uint8)
    idx_pair(tmp_path, pixels, np.array([0, 1], np.uint8), stem="train", ending=".gz")
    assert len(read_images(tmp_path)) == 2
    idx_pair(tmp_path, pixels[:1], np.array([1], np.uint8), stem="t10k")
    assert sorted(splits(tmp_path)) == ["test", "train"]
    assert read_images(tmp_path, split="test").name == "test"
    with pytest.raises(DataError, match="expected one of the splits test, train, found split=None"):
        read_images(tmp_path)


def test_label_names_come_from_labels_txt(tmp_path):
    path = idx_pair(tmp_path, np.zeros((2, 4, 4), np.uint8), np.array([1, 0], np.uint8))
    (tmp_path / "labels.txt").write_text("T-shirt/top\nBag\n", "utf-8")
    assert read_images(path).labels == ["Bag", "T-shirt/top"]
    (tmp_path / "labels.txt").write_text("Bag\n", "utf-8")
    with pytest.raises(DataError, match="expected a name for each label from 0 to 1, found 1 lines"):
        read_images(path)
    (tmp_path / "labels.txt").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="expected UTF-8, found byte 0xff"):
        read_images(path)


def test_idx_without_labels_has_none_and_too_few_are_an_error(tmp_path):
    path = idx_pair(tmp_path, np.zeros((2, 4, 4), np.uint8), np.array([1], np.uint8))
    with pytest.raises(DataError, match="expected a label for each of 2 images, found 1 labels"):
        read_images(path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert read_images(path).labels is None


def test_other_paths_say_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="expected a file or folder of images, or a hub id, found none"):
        read_images(tmp_path / "none.npz")
    (tmp_path / "x.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"found the file name 'x.wav'"):
        read_images(tmp_path / "x.wav")
    write_idx(tmp_path / "x-images-idx3-ubyte", np.zeros(3, np.uint8))
    with pytest.raises(DataError, match=r"starts with b'\\x00\\x00\\x08\\x03', found b'\\x00\\x00\\x08\\x01"):
        read_idx(tmp_path / "x-images-idx3-ubyte", 3)
