"""A folder with one sub-folder a label and one file a text."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from textcnn.errors import DataError
from textcnn.text.foreign import refuse_foreign
from textcnn.text.read_source import LONGEST, SURROGATE, Source, too_long
from textcnn.text.read_table import Record, Table


def folder_table(path: Path, format: str, encoding: str) -> Table:
    """A sub-folder a label, a file a text; hidden files are no data."""
    if not path.is_dir():
        raise DataError("expected a folder with one sub-folder a label, found a file", path=path)
    if format not in ("auto", "folder"):
        raise DataError(f"expected a file to read as {format}, found a folder", path=path)
    entries = _listed(path)
    classes = [entry for entry in entries if entry.is_dir()]
    if not classes:
        names = ", ".join(repr(entry.name) for entry in entries[:5]) or "nothing"
        raise DataError(
            f"expected one sub-folder a label, found {names}; if one of them is the data, name it", path=path
        )
    if wrong := next((entry.name for entry in classes if SURROGATE.search(entry.name)), None):
        raise DataError(
            f"expected names of folders in UTF-8, which are the labels, found {wrong!r}; rename it", path=path
        )

    def records(notices: Counter[str]) -> Iterator[Record]:
        numbers = itertools.count(1)
        notices["files_aside"] += len(entries) - len(classes)
        for folder in classes:
            for file in _listed(folder):
                if not file.is_file():  # a link that leads nowhere or in a circle, a pipe, a device
                    notices["files_aside"] += 1
                    continue
                name = SURROGATE.sub("\ufffd", file.name)
                source = Source(file, encoding)
                refuse_foreign(source.head(), source.name)
                text = _whole_text(source, notices)
                yield next(numbers), {"text": text, "label": folder.name, "file": f"{folder.name}/{name}"}

    columns = ("text", "label", "file")
    return Table(str(path), "folder", lambda notices: (columns, records(notices)), split_labels=False)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as err:
        raise DataError(f"expected a readable folder, found: {err}", path=folder) from err


def _whole_text(source: Source, notices: Counter[str]) -> str:
    lines, size = [], 0
    for line in source.lines(notices):
        size += len(line)
        if size > LONGEST:
            raise too_long("a text", source.name)
        lines.append(line)
    return "".join(lines)
