"""The data sets this project knows by name: cards in ``data/*.toml``, and the folder that holds a fetched one."""

from __future__ import annotations

import importlib.resources
import json
import os
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path

from textcnn.cards import Card, Split
from textcnn.checking import Report, check
from textcnn.errors import DataError
from textcnn.fetching import check_sha256, file_sha256
from textcnn.splitting import Plan

__all__ = ["DEFAULT", "Card", "Report", "Split", "card", "cards", "check", "default_folder", "get"]

DEFAULT = "bbc-news"
RECEIPT = "fetched.json"


def cards() -> list[Card]:
    """All cards, sorted by name."""
    files = [path for path in importlib.resources.files("textcnn_data").iterdir() if path.name.endswith(".toml")]
    return sorted(
        (Card.from_dict(tomllib.loads(path.read_text("utf-8"))) for path in files), key=lambda card: card.name
    )


def card(name: str) -> Card:
    """The card called ``name``.

    Raises:
        DataError: there is none; the message lists those there are.
    """
    known = {card.name: card for card in cards()}
    if name not in known:
        raise DataError(f"expected the name of a data set, one of {', '.join(known)}; found {name!r}")
    return known[name]


def default_folder() -> Path:
    """Where data sets go: ``data/`` of a checkout of this project, else a folder in the user's cache."""
    root = Path(__file__).resolve().parents[1]
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
    """Fetch a data set, unless it is there already, and give the folder that holds its splits.

    Args:
        name: the name of a card.
        folder: the data set goes to ``folder/NAME``; None: :func:`default_folder`.
        seed: decides train and test rows where the source has no split of its own.

    Raises:
        DataError: no such card, no network, other content than the card says, or ``folder/NAME`` holds files that
            were not written here.
        MissingExtraError: the data set is in a package that is not installed.
    """
    wanted = card(name)
    home = default_folder() if folder is None else Path(folder)
    target = home / name
    if _holds(target, wanted, seed):
        return target
    try:
        home.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{name}-", dir=home)
    except OSError as err:
        raise DataError(f"expected a folder to write to, found: {err.strerror}; give another one", path=home) from err
    with scratch:
        fresh = Path(scratch.name, "fresh")
        fresh.mkdir()
        rows = _fetch(wanted, fresh, seed)
        files = {path.name: file_sha256(path) for path in sorted(fresh.iterdir())}
        _compare(wanted, rows, files, seed)
        (fresh / RECEIPT).write_text(
            json.dumps({"name": name, "seed": seed, "sha256": files}, indent=2) + "\n", "utf-8"
        )
        try:
            if target.exists():
                target.rename(Path(scratch.name, "previous"))
            fresh.rename(target)
        except OSError as err:  # somebody else fetched it at the same time
            if not _holds(target, wanted, seed):
                raise DataError(f"expected to put the data set there, found: {err.strerror}", path=target) from err
    return target


def _fetch(wanted: Card, folder: Path, seed: int) -> dict[str, int]:
    """Write the splits from the first source that can be had; how many rows each has."""
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
    """Compare what was written with the card: checksums where it has them, the number of rows in any case."""
    expected = {split: known.rows for split, known in wanted.splits.items()}
    pinned = any(known.sha256 for known in wanted.splits.values())
    if rows != expected and pinned:
        raise DataError(f"expected rows {expected!r} in {wanted.name!r}, found {dict(rows)!r}; the source has changed")
    if rows != expected:
        warnings.warn(f"{wanted.name}: the card says rows {expected!r}, the source has {dict(rows)!r}", stacklevel=3)
    for name, checksum in _checksums(wanted, seed).items():
        check_sha256(files.get(name, "no such file"), checksum, f"{name} of {wanted.name!r}")


def _checksums(wanted: Card, seed: int) -> dict[str, str]:
    """The checksums the card has for the files of this seed."""
    if seed and wanted.test_fraction:
        return {}
    return {name: value for split in wanted.splits.values() for name, value in split.sha256.items()}


def _holds(target: Path, wanted: Card, seed: int) -> bool:
    """Whether ``target`` holds the data set whole; False where it may be replaced: absent, damaged, another seed.

    Raises:
        DataError: it holds something else, which is not ours to replace.
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
