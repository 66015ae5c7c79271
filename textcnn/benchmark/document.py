"""The JSON document of a speed benchmark: written, read back, and asked who won."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textcnn.benchmark.matching import REFERENCE
from textcnn.benchmark.statistics import Interval
from textcnn.errors import DataError

KIND = "speed"
FORMAT_VERSION = 1
Cell = Mapping[str, Any]


def write_document(document: Mapping[str, Any], path: Path) -> None:
    """Write the document as indented JSON."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> dict[str, Any]:
    """Read what :func:`write_document` wrote.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"expected the JSON that `benchmark speed --output` writes: {err}", path=path.name) from err
    found = (document.get("benchmark"), document.get("format_version")) if isinstance(document, dict) else None
    if not isinstance(document, dict) or found != (KIND, FORMAT_VERSION):
        raise DataError(
            f"expected a document with benchmark {KIND!r} and format_version {FORMAT_VERSION}, found {found!r}; "
            "measure again with `benchmark speed --output`",
            path=path.name,
        )
    return document


def ratio_to_reference(name: str, ratio: Interval) -> dict[str, float | None]:
    """The ratio of a result; the reference itself has none."""
    value, low, high = (None, None, None) if name == REFERENCE else ratio
    return {"ratio": value, "ratio_low": low, "ratio_high": high}


def verdict(cell: Cell) -> str:
    """``wins``, ``loses`` or ``undecided``: of the CNN, by the whole interval of the ratio baseline / CNN."""
    if cell["ratio_low"] > 1:
        return "wins"
    return "loses" if cell["ratio_high"] < 1 else "undecided"


def comparisons(cells: Iterable[Cell], **where: Any) -> list[Cell]:
    """The cells of baselines, not those of the CNN itself, whose values are those of ``where``."""
    return [
        cell
        for cell in cells
        if cell["ratio"] is not None and all(cell[name] == value for name, value in where.items())
    ]


def shown_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name; a file by its own name, not where it lies."""
    return {name: Path(value).name if name == "vectors" else value for name, value in settings.items()}


def data_name(data: Any) -> str:
    """The last two parts of a path, e.g. ``trec/train.csv.gz``: which set it is, not where it lies."""
    return "/".join(Path(data).parts[-2:]) if isinstance(data, (str, Path)) else "rows in memory"
