"""Image files into one channels-first array: npz archives, idx files, and folders of them. Numpy only."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.image.formats import read_idx, read_npz

IDX_IMAGES = "-images-idx3-ubyte"
IDX_LABELS = "-labels-idx1-ubyte"
LABEL_NAMES = "labels.txt"
CHANNELS = (1, 3)


@dataclass(frozen=True)
class Images:
    """A set of images of one size.

    Attributes:
        pixels: ``(N, C, H, W)``, uint8 (0 to 255) or float32; C is 1 or 3.
        labels: one name an image, or None where the source has none.
        name: where they come from, e.g. ``train``.
    """

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    labels: list[str] | None
    name: str

    def __len__(self) -> int:
        return len(self.pixels)


def read_images(path: str | Path, *, split: str | None = None) -> Images:
    """Read one set of images.

    Args:
        path: an ``.npz`` with ``images`` (``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``, C 1 or 3) and, if there
            are any, ``labels`` ``(N,)``; or ``NAME-images-idx3-ubyte[.gz]`` with ``NAME-labels-idx1-ubyte[.gz]`` beside
            it; or a folder that holds one of these for each split, as `textcnn data get` writes it. Where both axes
            1 and 3 could be the channels, axis 1 is taken, with a warning.
        split: which split of a folder; may be left out where it has one only.

    Returns:
        The images, channels first. Integers become uint8, floats float32. A file ``labels.txt`` beside idx files
        names their label numbers, one a line.

    Raises:
        DataError: no such file or split, a damaged file, or an array of another shape or type.
    """
    path = Path(path)
    if path.is_dir():
        path = _file_of_split(path, split)
    if not path.is_file():
        raise DataError("expected a file or folder of images, found none there; check the path", path=path)
    if path.suffix == ".npz":
        return _read_npz(path)
    if re.search(rf"{IDX_IMAGES}(\.gz)?$", path.name):
        return _read_idx(path)
    raise DataError(f"expected NAME.npz or NAME{IDX_IMAGES}[.gz], found the file name {path.name!r}", path=path)


def splits(folder: str | Path) -> dict[str, Path]:
    """The sets of images in ``folder``: name of the split -> its file, sorted by name."""
    found = {}
    for path in sorted(Path(folder).iterdir()):
        match = re.fullmatch(rf"(.+?)(\.npz|{IDX_IMAGES}(\.gz)?)", path.name)
        if match:
            found["test" if match[1] == "t10k" else match[1]] = path
    return found


def _file_of_split(folder: Path, split: str | None) -> Path:
    found = splits(folder)
    if not found:
        raise DataError(f"expected NAME.npz or NAME{IDX_IMAGES}[.gz] in the folder, found neither", path=folder)
    if split is None and len(found) == 1:
        return next(iter(found.values()))
    if split not in found:
        raise DataError(f"expected one of the splits {', '.join(found)}, found split={split!r}", path=folder)
    return found[split]


def _read_npz(path: Path) -> Images:
    arrays = read_npz(path, ("images", "labels"))
    if "images" not in arrays:
        raise DataError("expected an array called 'images', found none of that name", path=path)
    pixels = _channels_first(_pixels(arrays["images"], path), path)
    labels = _label_names(arrays["labels"], path) if "labels" in arrays else None
    return _images(pixels, labels, path, path.stem)


def _pixels(array: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is refused below
            floats = array.astype(np.float32)
        if not np.isfinite(floats).all():
            raise DataError("expected finite pixels, found NaN or infinite ones in 'images'", path=path)
        return floats
    if array.dtype.kind not in "iu":
        raise DataError(f"expected 'images' of integers or floats, found dtype {str(array.dtype)!r}", path=path)
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(
            f"expected integer pixels from 0 to 255, found {int(array.min())} to {int(array.max())}; "
            "store other scales as float32",
            path=path,
        )
    return array.astype(np.uint8)


def _channels_first(array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)`` -> ``(N, C, H, W)``."""
    shape = array.shape
    if array.ndim == 3:
        return array[:, None]
    first, last = (array.ndim == 4 and shape[axis] in CHANNELS for axis in (1, 3))
    if first and last:
        warnings.warn(
            f"{path}: in the shape {shape!r} axis 1 and axis 3 could be channels; axis 1 is taken", stacklevel=2
        )
    if first:
        return array
    if last:
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    raise DataError(
        f"expected 'images' of shape (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3, found {shape!r}", path=path
    )


def _label_names(array: npt.NDArray[Any], path: Path) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise DataError(
            f"expected 'labels' of shape (N,) of integers or strings, found shape {array.shape!r} "
            f"and dtype {str(array.dtype)!r}",
            path=path,
        )
    return [str(label) for label in array.tolist()]


def _read_idx(path: Path) -> Images:
    pixels = read_idx(path, 3)
    stem, _, ending = path.name.rpartition(IDX_IMAGES)
    candidates = [path.with_name(stem + IDX_LABELS + end) for end in dict.fromkeys((ending, "", ".gz"))]
    beside = next((candidate for candidate in candidates if candidate.is_file()), None)
    labels = None if beside is None else _named(read_idx(beside, 1), path.with_name(LABEL_NAMES))
    return _images(pixels[:, None], labels, path, "test" if stem == "t10k" else stem)


def _named(numbers: npt.NDArray[np.uint8], names_file: Path) -> list[str]:
    if not names_file.is_file():
        return [str(number) for number in numbers.tolist()]
    try:
        names = names_file.read_text("utf-8").splitlines()
    except UnicodeDecodeError as err:
        raise DataError(f"expected UTF-8, found byte {err.object[err.start]:#04x}", path=names_file) from err
    largest = int(numbers.max(initial=0))
    if largest >= len(names):
        raise DataError(
            f"expected a name for each label from 0 to {largest}, found {len(names)} lines", path=names_file
        )
    return [names[number] for number in numbers]


def _images(pixels: npt.NDArray[Any], labels: list[str] | None, path: Path, name: str) -> Images:
    if not pixels.size:
        raise DataError(f"expected at least one image with a pixel, found shape {pixels.shape!r}", path=path)
    if labels is not None and len(labels) != len(pixels):
        raise DataError(f"expected a label for each of {len(pixels)} images, found {len(labels)} labels", path=path)
    return Images(pixels, labels, name)
