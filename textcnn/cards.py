"""The card of a data set: what is known of it, and where it comes from. Strict: a card with a slip is an error."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from textcnn.errors import DataError
from textcnn.fetching import Debian, PackageFolder, Sdist, Sklearn
from textcnn.fetching_hub import Hub
from textcnn.fetching_vectors import WheelVectors

TASKS = ("single-label", "multi-label", "image", "vectors")
Source = PackageFolder | Sdist | Sklearn | Debian | Hub | WheelVectors
_KINDS: dict[str, type] = {kind.kind: kind for kind in (PackageFolder, Sdist, Sklearn, Debian, Hub, WheelVectors)}


@dataclass(frozen=True)
class Split:
    """How many rows a split has, and the checksum of each of its files as `get` writes it with seed 0, where known."""

    rows: int
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """What is known of a data set; ``data/README.md`` says what each field means."""

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
        """How many labels there are, named on the card or not."""
        return self.labels if isinstance(self.labels, int) else len(self.labels)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Card:
        """Build a card from the tables of its TOML file.

        Raises:
            DataError: unknown, missing or wrong fields, all together.
        """
        problems = _problems(cls, saved)
        if isinstance(saved.get("task"), str) and saved["task"] not in TASKS:
            problems.append(f"task must be one of {', '.join(TASKS)}, found {saved['task']!r}")
        sources = [dict(source) for source in saved.get("source", [])]
        kinds = [source.pop("kind", None) for source in sources]
        for kind, source in zip(kinds, sources, strict=True):
            if kind in _KINDS:
                problems += _problems(_KINDS[kind], source, f"source {kind}: ")
            else:
                problems.append(f"kind of source must be one of {', '.join(_KINDS)}, found {kind!r}")
        for split, table in saved.get("splits", {}).items():
            problems += _problems(Split, table, f"splits.{split}: ")
        if problems:
            raise DataError(f"the card {saved.get('name')!r} cannot be used: {'; '.join(problems)}")
        parts = {
            "source": tuple(_KINDS[kind](**_tuples(source)) for kind, source in zip(kinds, sources, strict=True)),
            "splits": {split: Split(**table) for split, table in saved["splits"].items()},
        }
        return cls(**{**_tuples(saved), **parts})

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, each source with its kind."""
        saved = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        saved["source"] = [{"kind": source.kind, **asdict(source)} for source in self.source]
        return saved


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has lists where we have tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _problems(kind: type, values: Mapping[str, Any], where: str = "") -> list[str]:
    """Names in ``values`` that ``kind`` has no field for, fields without a value, values of another type."""
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}
    found = [f"{where}unknown field {name!r}; it has {', '.join(known)}" for name in values if name not in known]
    found += [
        f"{where}missing field {name!r}"
        for name, f in known.items()
        if name not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    for name in [name for name in values if name in known]:
        allowed = _plain_types(hints[name])
        if not isinstance(_tuples(values)[name], allowed):
            names = " or ".join("list" if kind is tuple else kind.__name__ for kind in allowed)
            found.append(f"{where}{name} must be {names}, found {values[name]!r}")
    return found


def _plain_types(hint: Any) -> tuple[type, ...]:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return tuple(typing.get_origin(option) or option for option in options)
