"""Checks of values against the types of dataclass fields, and conversion to and from JSON values."""

from __future__ import annotations

import math
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from typing import Any

from textcnn.errors import ConfigError

TOO_MUCH = 2**63  # larger integers fit no int64
SPARSE = "sparse"  # the n-gram branch of very many labels: weights where a word and a label occur together
_UNITS: Mapping[str, int] = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def option(default: Any, doc: str, check: Callable[[Any], bool] | None = None, expected: str = "") -> Any:
    """Return a dataclass field with its documentation and, where its type is not enough, a check and its wording."""
    metadata = {"doc": doc, "check": check, "expected": expected}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def is_positive(value: Any) -> bool:
    """Return whether a number is above 0, or none."""
    return value is None or 0 < value < _most(value)


def is_not_negative(value: Any) -> bool:
    """Return whether a number is 0 or more, or none."""
    return value is None or 0 <= value < _most(value)


def _most(value: Any) -> float:
    return math.inf if isinstance(value, float) else TOO_MUCH


def is_fraction(value: Any) -> bool:
    """Return whether a number is in [0, 1), or none."""
    return value is None or 0 <= value < 1


def is_share(value: Any) -> bool:
    """Return whether a number is in [0, 1], or none."""
    return value is None or bool(0 <= value <= 1)


def is_size(text: str) -> bool:
    """Return whether :func:`parse_size` accepts the text."""
    return _size(text) is not None


def parse_size(name: str, text: str) -> int:
    """Parse a size such as ``2M``, given for the setting ``name``, into bytes; K, M and G are powers of 1024.

    Raises:
        ConfigError: the text is not a size.
    """
    if (size := _size(text)) is None:
        raise ConfigError(f"{name} must be a size as 500K, 2M or 1G, got {text!r}")
    return size


def _size(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,12})([KMG]?)", text.strip().upper(), re.ASCII)
    return None if match is None else int(match[1]) * _UNITS[match[2]] or None


def parsed_size(size: str) -> tuple[int, int] | None:
    """Parse ``HEIGHTxWIDTH`` into two integers; return none if it has another form."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", size)
    return None if match is None else (int(match[1]), int(match[2]))


def plain(section: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert JSON or TOML values to the types of a section's fields: lists to tuples, integers to floats."""
    hints = typing.get_type_hints(section)
    return {name: _coerce(hints[name], value) for name, value in values.items()}


def _coerce(hint: Any, value: Any) -> Any:
    kinds = {typing.get_origin(kind) or kind: typing.get_args(kind) for kind in _alternatives(hint)}
    if tuple in kinds:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    if dict in kinds and isinstance(value, dict):
        return {key: _coerce(kinds[dict][1], item) for key, item in value.items()}
    return float(value) if float in kinds and type(value) is int and abs(value) <= sys.float_info.max else value


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def allows_none(hint: Any) -> bool:
    """Return whether a type hint accepts none; no hint at all accepts nothing."""
    return hint is not None and _has_type(hint, None)


def _has_type(hint: Any, value: Any) -> bool:
    return any(kind is Any or _is_a(kind, value) for kind in _alternatives(hint))


def _is_a(kind: Any, value: Any) -> bool:
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if is_dataclass(origin) and isinstance(value, dict):
        return True  # its own fields are checked by a call for it
    if not isinstance(value, origin) or (isinstance(value, bool) and origin in (int, float)):
        return False
    if isinstance(value, dict):
        return all(_has_type(inner[0], key) and _has_type(inner[1], item) for key, item in value.items())
    return not isinstance(value, tuple) or all(_has_type(inner[0], item) for item in value)


def _type_name(hint: Any) -> str:
    return " or ".join(map(_kind_name, _alternatives(hint)))


def _kind_name(kind: Any) -> str:
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is tuple:
        return f"a list of {_type_name(inner[0])}"
    if inner:
        return "a table" if inner[1] is Any else f"a table of {_type_name(inner[1])}"
    return "none" if kind is types.NoneType else str(kind.__name__)


def problems(section: Any) -> list[str]:
    """Return a sentence for every value of ``section`` that has a wrong type or fails its check."""
    hints = typing.get_type_hints(type(section))
    found = []
    for f in fields(section):
        value = getattr(section, f.name)
        if not _has_type(hints[f.name], value):
            found.append(f"{f.name} must be {_type_name(hints[f.name])}, got {value!r}")
        elif f.metadata["check"] is not None and not f.metadata["check"](value):
            found.append(f"{f.name} must be {f.metadata['expected'] or f.metadata['doc']}, got {value!r}")
    return found


def mismatches(kind: type, values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every JSON value that is unknown to the dataclass ``kind``, absent, or of another type."""
    hints, known = typing.get_type_hints(kind), {f.name: f for f in fields(kind)}
    found = [f"unknown field {name!r}; it has {', '.join(known)}" for name in values if name not in known]
    found += [
        f"missing field {name!r}"
        for name, f in known.items()
        if name not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    for name in [name for name in values if name in known]:
        value = tuple(values[name]) if isinstance(values[name], list) else values[name]
        if not _has_type(hints[name], value):
            found.append(f"{name} must be {_type_name(hints[name])}, found {values[name]!r}")
    return found


def jsonable(value: Any) -> Any:
    """Convert tuples to lists at every depth."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    return [jsonable(item) for item in value] if isinstance(value, (tuple, list)) else value
