"""Picture files and pictures of the hub into one array; Pillow decodes them and is imported only here."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.extras import import_extra

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")

Size = tuple[int, int]  # height, width


def picture_files(folder: Path) -> dict[Path, str | None]:
    """The pictures of a folder and their labels, sorted: a folder per label, or pictures without labels.

    Hidden files and files of other kinds are left out; pictures below a label's folder have that label, however deep.

    Raises:
        DataError: pictures beside folders of pictures.
    """
    found: dict[Path, str | None] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix.lower() in EXTENSIONS and path.is_file() and not any(part.startswith(".") for part in parts):
            found[path] = parts[0] if len(parts) > 1 else None
    loose = [path.name for path, label in found.items() if label is None]
    if 0 < len(loose) < len(found):
        raise DataError(f"expected a folder for each label, found also the picture {loose[0]!r} in none", path=folder)
    return found


def read_pictures(
    pictures: Iterable[tuple[str, Any]], source: Path | str, *, size: Size | None = None, channels: int | None = None
) -> npt.NDArray[np.uint8]:
    """Decode pictures into ``(N, C, H, W)``.

    Args:
        pictures: name and content of each: a path, or a picture that Pillow has opened.
        source: where they come from, for messages.
        size: height and width all are scaled to (bilinear); none: they are to have one size.
        channels: 1 (grey) or 3 (colour) for all; none: 3 if some picture has colours.

    Raises:
        DataError: none are there, one cannot be decoded, or they are of different sizes.
        MissingExtraError: Pillow is not installed.
    """
    decoded: list[npt.NDArray[np.uint8]] = []
    for name, picture in pictures:
        pixels = _pixels(name, picture, source, size, channels)
        if decoded and pixels.shape[1:] != decoded[0].shape[1:]:
            raise DataError(
                f"expected pictures of one size, found {_by(decoded[0])} and {name!r} of {_by(pixels)}; "
                "scale them by image_size (--image-size HEIGHTxWIDTH)",
                path=source,
            )
        decoded.append(pixels)
    if not decoded:
        raise DataError(f"expected pictures ({', '.join(EXTENSIONS)}), found none", path=source)
    depth = max(len(pixels) for pixels in decoded)
    return np.stack([np.broadcast_to(pixels, (depth, *pixels.shape[1:])) for pixels in decoded])


def _pixels(
    name: str, picture: Any, source: Path | str, size: Size | None, channels: int | None
) -> npt.NDArray[np.uint8]:
    """One picture as ``(C, H, W)``."""
    pillow = import_extra("PIL.Image", extra="image", feature="reading pictures")
    try:
        with _warnings_as_errors(), pillow.open(picture) if isinstance(picture, Path) else picture as opened:
            grey = channels == 1 or (channels is None and opened.mode in GREY_MODES)
            image = _eight_bits(opened, pillow).convert("L" if grey else "RGB")
            if size is not None and image.size != size[::-1]:
                image = image.resize(size[::-1], pillow.Resampling.BILINEAR)
            array = np.asarray(image, np.uint8)
    except Exception as err:  # Pillow's decoders raise whatever their format's code meets
        reason = next(iter(str(err).splitlines()), "") or type(err).__name__
        raise DataError(f"expected a picture in {name!r}, found a damaged one: {reason}", path=source) from err
    return array[None] if grey else array.transpose(2, 0, 1)


def _eight_bits(image: Any, pillow: Any) -> Any:
    """Sixteen-bit grey scaled to eight, which Pillow's own conversion would clip at white."""
    if not image.mode.startswith("I"):
        return image
    return pillow.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8))


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    """Pillow only warns of a decompression bomb."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*decompression bomb")
        yield


def _by(pixels: npt.NDArray[np.uint8]) -> str:
    return "x".join(map(str, pixels.shape[1:]))
