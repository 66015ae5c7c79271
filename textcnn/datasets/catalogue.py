"""Reads the cards of known data sets (``data/*.toml``), and downloads a data set into a folder."""

from __future__ import annotations

import importlib.resources
import json
import os
import sys
import tomllib
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from textcnn.atomic import put_folder, temporary_beside
from textcnn.config_types import jsonable, mismatches
from textcnn.datasets.checking import Report, check
from textcnn.datasets.fetching import Debian, PackageFolder, Sdist, Sklearn, check_sha256, file_sha256
from textcnn.datasets.sources import Hub, WheelVectors
from textcnn.errors import DataError
from textcnn.splitting import Plan

TASKS = ("single-label", "multi-label", "image", "vectors")
Source = PackageFolder | Sdist | Sklearn | Debian | Hub | WheelVectors
_KINDS: dict[str, type] = {kind.kind: kind for kind in (PackageFolder, Sdist, Sklearn, Debian, Hub, WheelVectors)}


@dataclass(frozen=True)
class Split:
    """The number of rows of a split, and, where known, the checksums of its files as `get` writes them with seed 0."""

    rows: int
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """The description of a data set; ``data/README.md`` explains each field."""

    name: str
    title: str
    task: str
    language: str
    licence: str
    licence_note: str
    columns: tuple[str, ...]
    labels: tuple[str, ...] | int
    splits: dict[str, Split]
    source: tuple[Source, ...]
    citation: str = ""
    url: str = ""
    notes: str = ""
    test_fraction: float = 0.0

    @property
    def num_labels(self) -> int:
        """The number of labels, whether the card names them or only counts them."""
        return self.labels if isinstance(self.labels, int) else len(self.labels)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Card:
        """Build a card from the tables of its TOML file.

        Raises:
            DataError: fields are unknown, missing or wrong; the message lists all of them.
        """
        problems = mismatches(cls, saved)
        if isinstance(saved.get("task"), str) and saved["task"] not in TASKS:
            problems.append(f"task must be one of {', '.join(TASKS)}, found {saved['task']!r}")
        sources = [dict(source) for source in saved.get("source", [])]
        kinds = [source.pop("kind", None) for source in sources]
        for kind, source in zip(kinds, sources, strict=True):
            if kind in _KINDS:
                problems += [f"source {kind}: {problem}" for problem in mismatches(_KINDS[kind], source)]
            else:
                problems.append(f"kind of source must be one of {', '.join(_KINDS)}, found {kind!r}")
        for split, table in saved.get("splits", {}).items():
            problems += [f"splits.{split}: {problem}" for problem in mismatches(Split, table)]
        if problems:
            raise DataError(f"the card {saved.get('name')!r} cannot be used: {'; '.join(problems)}")
        parts = {
            "source": tuple(_KINDS[kind](**_tuples(source)) for kind, source in zip(kinds, sources, strict=True)),
            "splits": {split: Split(**table) for split, table in saved["splits"].items()},
        }
        return cls(**{**_tuples(saved), **parts})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, each source with its kind."""
        sources = [{"kind": source.kind, **asdict(source)} for source in self.source]
        return {**jsonable(asdict(self)), "source": jsonable(sources)}


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert lists, which TOML has, to tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


__all__ = ["DEFAULT", "Card", "Report", "Split", "card", "cards", "check", "default_folder", "get"]

DEFAULT = "bbc-news"
RECEIPT = "fetched.json"


def cards() -> list[Card]:
    """Return all cards, sorted by name."""
    files = [path for path in importlib.resources.files("textcnn_data").iterdir() if path.name.endswith(".toml")]
    return sorted(
        (Card.from_dict(tomllib.loads(path.read_text("utf-8"))) for path in files), key=lambda card: card.name
    )


def card(name: str) -> Card:
    """Return the card with this name.

    Raises:
        DataError: there is no such card; the message lists all names.
    """
    known = {card.name: card for card in cards()}
    if name not in known:
        raise DataError(f"expected the name of a data set, one of {', '.join(known)}; found {name!r}")
    return known[name]


def default_folder() -> Path:
    """Return the default folder of data sets: ``data/`` of a checkout of this project, or in the user's cache."""
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").is_file() and (root / "data" / f"{DEFAULT}.toml").is_file():
        return root / "data"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "textcnn" / "data"


def get(name: str, folder: Path | None = None, *, seed: int = 0) -> Path:
    """Download a data set, unless it is there already, and return the folder with its splits.

    Args:
        name: the name of a card.
        folder: the parent folder; the data set is written to ``folder/NAME``. None: :func:`default_folder`.
        seed: the seed of the random split, for sources without splits of their own.

    Raises:
        DataError: there is no such card or no network, the content differs from the card, or ``folder/NAME`` has files
            that this function did not write.
        MissingExtraError: the data set is in a package that is not installed.
    """
    wanted = card(name)
    home = default_folder() if folder is None else Path(folder)
    target = home / name
    if _holds(target, wanted, seed):
        return target
    with ExitStack() as stack:
        try:
            fresh = stack.enter_context(temporary_beside(target))
        except OSError as err:
            problem = f"expected a folder to write to, found: {err.strerror}; give another one"
            raise DataError(problem, path=home) from err
        rows = _fetch(wanted, fresh, seed)
        files = {path.name: file_sha256(path) for path in sorted(fresh.iterdir())}
        _compare(wanted, rows, files, seed)
        (fresh / RECEIPT).write_text(
            json.dumps({"name": name, "seed": seed, "sha256": files}, indent=2) + "\n", "utf-8"
        )
        try:
            put_folder(fresh, target)
        except OSError as err:  # another process may have written it at the same time
            if not _holds(target, wanted, seed):
                raise DataError(f"expected to put the data set there, found: {err.strerror}", path=target) from err
    return target


def _fetch(wanted: Card, folder: Path, seed: int) -> dict[str, int]:
    """Write the splits from the first source that is available, and return the number of rows of each."""
    labels = () if isinstance(wanted.labels, int) else wanted.labels
    plan = Plan(wanted.name, wanted.columns, labels, wanted.test_fraction, seed)
    problems = []
    for source in wanted.source:
        try:
            return source.write(folder, plan)
        except DataError as err:
            problems.append(str(err))
    raise DataError("; and from the next source: ".join(problems))


def _compare(wanted: Card, rows: Mapping[str, int], files: Mapping[str, str], seed: int) -> None:
    """Compare the written files with the card: the number of rows, and the checksums if the card has any."""
    expected = {split: known.rows for split, known in wanted.splits.items()}
    pinned = any(known.sha256 for known in wanted.splits.values())  # other sources may grow: a warning is enough
    if rows != expected and pinned:
        raise DataError(f"expected rows {expected!r} in {wanted.name!r}, found {dict(rows)!r}; the source has changed")
    if rows != expected:
        warnings.warn(f"{wanted.name}: the card says rows {expected!r}, the source has {dict(rows)!r}", stacklevel=3)
    for name, checksum in _checksums(wanted, seed).items():
        check_sha256(files.get(name, "no such file"), checksum, f"{name} of {wanted.name!r}")


def _checksums(wanted: Card, seed: int) -> dict[str, str]:
    """Return the checksums of the card that apply to files made with this seed."""
    if seed and wanted.test_fraction:  # the card's checksums are of the split with seed 0
        return {}
    return {name: value for split in wanted.splits.values() for name, value in split.sha256.items()}


def _holds(target: Path, wanted: Card, seed: int) -> bool:
    """Whether ``target`` has the complete data set; False if it may be replaced: absent, damaged or of another seed.

    Raises:
        DataError: the folder has other files, which must not be replaced.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    try:
        receipt = json.loads((target / RECEIPT).read_text("utf-8"))
        files, fetched_seed = dict(receipt["sha256"]), receipt["seed"]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"expected a data set fetched earlier, or nothing, found no readable {RECEIPT}; give another folder",
            path=target,
        ) from err
    there = {path.name for path in target.iterdir()}
    if foreign := sorted(there - {RECEIPT, *files}):
        raise DataError(f"expected only the files of {wanted.name!r}, found also {foreign!r}; move them", path=target)
    whole = there >= files.keys() and all(file_sha256(target / name) == value for name, value in files.items())
    same = _checksums(wanted, seed).items() <= files.items()
    return whole and same and (fetched_seed == seed or not wanted.test_fraction)
