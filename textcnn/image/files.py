"""Image files: npz and idx archives, and pictures decoded by Pillow."""

from __future__ import annotations

import gzip
import io
import math
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError, import_extra
from textcnn.reading.compression import DAMAGE, MOST_INFLATION, open_array
from textcnn.reading.table import one_line

# Pixels are in memory as a whole. Pictures never pack so well, but a few of them may be blank.
_LIKELY_INFLATION, _ANYWAY = 100, 2**26  # times, bytes


def read_npz(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an npz archive that have one of these ``names``.

    Raises:
        DataError: not an npz archive, a damaged one, or an array of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            return {name: _npy(archive, f"{name}.npy", path) for name in names if f"{name}.npy" in members}
    except DAMAGE as err:
        raise DataError(f"expected a whole .npz archive, found a damaged one: {one_line(err)}", path=path) from err


def write_npz(path: str | Path, images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
    """Write ``images`` and ``labels`` as an npz whose bytes depend on the arrays alone."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (("images", images), ("labels", labels)):
            member = zipfile.ZipInfo(f"{name}.npy")
            member.create_system = 3
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, content.getvalue())


def read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """Read an idx file of unsigned bytes with ``axes`` axes, gzipped if its name says so.

    Raises:
        DataError: a header that does not fit the length of the file, or damage.
    """
    opened: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            return _read_idx_stream(stream, path, axes)
    except DAMAGE as err:
        raise DataError(f"expected a whole idx file, found a damaged one: {one_line(err)}", path=path) from err


def _read_idx_stream(stream: IO[bytes], path: Path, axes: int) -> npt.NDArray[np.uint8]:
    header = stream.read(4 + 4 * axes)
    magic = bytes((0, 0, 8, axes))
    if len(header) < 4 + 4 * axes or header[:4] != magic:
        raise DataError(
            f"expected an idx header of {4 + 4 * axes} bytes that starts with {magic!r}, found {header[:16]!r}",
            path=path,
        )
    shape = struct.unpack(f">{axes}I", header[4:])
    size = math.prod(shape)
    stored = path.stat().st_size
    most = MOST_INFLATION * stored if path.suffix == ".gz" else stored - len(header)
    if size > most:
        raise DataError(f"expected {size} bytes for the shape {shape!r}, found a file of {stored}", path=path)
    _check_inflation(size, stored, path.name, path)
    data = stream.read(size)
    if len(data) != size or stream.read(1):
        found = len(data) if len(data) != size else "more"
        raise DataError(f"expected {size} bytes after the header for the shape {shape!r}, found {found}", path=path)
    return np.frombuffer(data, np.uint8).reshape(shape).copy()  # writable, as torch wants it


def write_idx(path: str | Path, array: npt.NDArray[np.uint8]) -> None:
    """Write bytes of any shape as an idx file: images ``(N, H, W)`` or labels ``(N,)``."""
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    Path(path).write_bytes(header + np.ascontiguousarray(array).tobytes())


def _npy(archive: zipfile.ZipFile, member: str, path: Path) -> npt.NDArray[Any]:
    """Read one array of an npz, checking its header against its size before memory is allocated."""
    stream, found, packed, shape, _, dtype = open_array(archive, member, path)
    _check_inflation(found, packed, member, path)
    if dtype.hasobject:
        raise DataError(f"expected numbers or strings in {member!r}, found Python objects (a pickle)", path=path)
    if not dtype.itemsize:  # any number of nothing has no bytes
        raise DataError(f"expected numbers or strings in {member!r}, found dtype {str(dtype)!r}", path=path)
    expected = dtype.itemsize * math.prod(shape)
    if expected != found:
        raise DataError(f"expected {expected} bytes in {member!r} for its shape {shape!r}, found {found}", path=path)
    stream.seek(0)  # numpy reads the header too
    with stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _check_inflation(size: int, packed: int, what: str, path: Path) -> None:
    if size > max(_LIKELY_INFLATION * packed, _ANYWAY):
        raise DataError(
            f"expected {what!r} to unpack to {_LIKELY_INFLATION} times its size at most, found {packed:,} bytes that "
            f"become {size:,}; if it is no trap, unpack it and read that",
            path=path,
        )


EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")

Size = tuple[int, int]  # height, width


def picture_files(folder: Path) -> dict[Path, str | None]:
    """Return the pictures of a folder, sorted, with their labels: a folder per label, or no labels.

    Hidden files and files of other kinds are left out; pictures below a label's folder have that label, however deep.

    Raises:
        DataError: a folder mixes pictures and folders of pictures.
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
        source: name of the source, for messages.
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
    """Decode one picture to ``(C, H, W)``."""
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
    """Scale sixteen-bit grey to eight bits; Pillow's own conversion would clip at white."""
    if not image.mode.startswith("I"):
        return image
    return pillow.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8))


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    """Raise Pillow's decompression-bomb warnings as errors within the block."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*decompression bomb")
        yield


def _by(pixels: npt.NDArray[np.uint8]) -> str:
    return "x".join(map(str, pixels.shape[1:]))
