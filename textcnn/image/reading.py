"""Reading of images into one channels-first array: npz archives, idx files, folders of pictures, hub data sets."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.image.files import EXTENSIONS, Size, picture_files, read_idx, read_npz, read_pictures
from textcnn.reading.compression import strings
from textcnn.reading.formats import hub_split, is_hub_id

IDX_IMAGES = "-images-idx3-ubyte"
IDX_LABELS = "-labels-idx1-ubyte"
LABEL_NAMES = "labels.txt"
CHANNELS = (1, 3)
PICTURE_SPLITS = ("train", "dev", "validation", "test")


@dataclass(frozen=True)
class Images:
    """A set of images of equal size.

    Attributes:
        pixels: ``(N, C, H, W)``, uint8 (0 to 255) or float32; C is 1 or 3.
        labels: one name an image, or None where the source has none.
        name: name of the set, e.g. ``train``.
        files: the path of each picture inside its folder, or None where images have no files of their own.
    """

    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    labels: list[str] | None
    name: str
    files: list[str] | None = None

    def __len__(self) -> int:
        return len(self.pixels)


def read_images(
    source: str | Path, *, split: str | None = None, size: Size | None = None, channels: int | None = None
) -> Images:
    """Read one set of images.

    Args:
        source: what to read:

            - an ``.npz`` with ``images`` (``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``, C 1 or 3) and, if there
              are any, ``labels`` ``(N,)``; where axes 1 and 3 both could be the channels, axis 1 is, with a warning;
            - ``NAME-images-idx3-ubyte[.gz]`` with ``NAME-labels-idx1-ubyte[.gz]`` in the same folder;
            - a folder that holds one of these for each split, as `textcnn data get` writes it;
            - a folder with a folder of pictures for each label, a folder of pictures, or one picture;
            - a hub id, ``owner/name`` or ``hf://owner/name/split``, of a data set with a column of pictures.
        split: which split of a folder (pictures have theirs in folders called train, dev, validation and test); may be
            left out where it has one only.
        size: height and width that pictures are scaled to; none: they are to have one size.
        channels: 1 or 3: what pictures are converted to; none: 3 if some of them have colours. Arrays stay as they are.

    Returns:
        The images, channels first. Integers become uint8, floats float32. A file ``labels.txt`` next to idx files
        names their label numbers, one a line.

    Raises:
        DataError: no such file or split, a damaged file, or an array of another shape or type.
    """
    if not Path(source).exists() and is_hub_id(str(source)):
        return _read_hub(str(source), size, channels)
    path = Path(source)
    if path.is_dir():
        if splits(path):
            path = _of_split(path, split)
        if path.is_dir():
            return _read_picture_files(path, picture_files(path), size, channels)
    if not path.is_file():
        raise DataError("expected a file or folder of images, or a hub id, found none; check the path", path=path)
    if path.suffix == ".npz":
        return _read_npz(path)
    if re.search(rf"{IDX_IMAGES}(\.gz)?$", path.name):
        return _read_idx(path)
    if path.suffix.lower() in EXTENSIONS:
        return _read_picture_files(path.parent, {path: None}, size, channels)
    raise DataError(
        f"expected NAME.npz, NAME{IDX_IMAGES}[.gz] or a picture, found the file name {path.name!r}", path=path
    )


def read_part(source: str | Path, part: str, *, size: Size | None = None, channels: int | None = None) -> Images:
    """Read images like :func:`read_images`; of a folder with several splits, the one called ``part``."""
    several = Path(source).is_dir() and len(splits(source)) > 1
    return read_images(source, split=part if several else None, size=size, channels=channels)


def splits(folder: str | Path) -> dict[str, Path]:
    """Return the image sets in ``folder`` by split name: a file or a folder of pictures each, sorted by name."""
    found = {}
    for path in sorted(Path(folder).iterdir()):
        match = re.fullmatch(rf"(.+?)(\.npz|{IDX_IMAGES}(\.gz)?)", path.name)
        if match:
            found["test" if match[1] == "t10k" else match[1]] = path
    if not found and Path(folder, "train").is_dir():
        found = {name: Path(folder, name) for name in PICTURE_SPLITS if Path(folder, name).is_dir()}
    return found


def _of_split(folder: Path, split: str | None) -> Path:
    found = splits(folder)
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
    """Transpose ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)`` to ``(N, C, H, W)``."""
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
    return strings(array, "labels.npy", path) if array.dtype.kind == "U" else [str(n) for n in array.tolist()]


def _read_idx(path: Path) -> Images:
    pixels = read_idx(path, 3)
    stem, _, ending = path.name.rpartition(IDX_IMAGES)
    candidates = [path.with_name(stem + IDX_LABELS + end) for end in dict.fromkeys((ending, "", ".gz"))]
    label_file = next((candidate for candidate in candidates if candidate.is_file()), None)
    labels = None if label_file is None else _named(read_idx(label_file, 1), path.with_name(LABEL_NAMES))
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


def _read_picture_files(folder: Path, found: dict[Path, str | None], size: Size | None, channels: int | None) -> Images:
    files = [path.relative_to(folder).as_posix() for path in found]
    pixels = read_pictures(zip(files, found, strict=True), folder, size=size, channels=channels)
    labels = [label for label in found.values() if label is not None]
    return Images(pixels, labels or None, folder.name, files)


def _read_hub(name: str, size: Size | None, channels: int | None) -> Images:
    """Read a split of the hub: its first picture column, and the column ``label``, else its first class column."""
    dataset, full_name = hub_split(name)
    kinds = {column: type(feature).__name__ for column, feature in dataset.features.items()}
    pictures = next((column for column, kind in kinds.items() if kind == "Image"), None)
    if pictures is None:
        raise DataError(f"expected a column of pictures, found {', '.join(kinds)}", path=full_name)
    label = "label" if "label" in kinds else next((c for c, kind in kinds.items() if kind == "ClassLabel"), None)
    rows = ((f"row {number}", row[pictures]) for number, row in enumerate(dataset))
    pixels = read_pictures(rows, full_name, size=size, channels=channels)
    if label is None:
        return Images(pixels, None, full_name)
    names = getattr(dataset.features[label], "names", None)
    values = list(dataset[label])
    missing = [number for number, value in enumerate(values) if value is None or value == -1]
    if missing:
        raise DataError(f"expected a label for each picture, found none at row {missing[0]}", path=full_name)
    return Images(pixels, [names[value] if names else str(value) for value in values], full_name)


def _images(pixels: npt.NDArray[Any], labels: list[str] | None, path: Path, name: str) -> Images:
    if not pixels.size:
        raise DataError(f"expected at least one image with a pixel, found shape {pixels.shape!r}", path=path)
    if labels is not None and len(labels) != len(pixels):
        raise DataError(f"expected a label for each of {len(pixels)} images, found {len(labels)} labels", path=path)
    return Images(pixels, labels, name)
