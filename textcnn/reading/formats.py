"""Format detection and one reader for each format: csv, tsv, JSON, Parquet, fastText, folders, lines, the hub."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from textcnn.core.scan import TableForm, scan_rows
from textcnn.data_config import ESCAPES, QUOTES, DataConfig
from textcnn.errors import ConfigError, DataError
from textcnn.reading.columnar import dataset_table, parquet_table
from textcnn.reading.columns import LABEL_NAMES, TEXT_NAMES
from textcnn.reading.compression import EXTENSIONS, PACKED, extension
from textcnn.reading.delimited import DELIMITERS, csv_table, first_rows, has_sep_line
from textcnn.reading.json_rows import json_table, looks_like_json
from textcnn.reading.messages import refuse_foreign, refuse_page
from textcnn.reading.scanning import Scanner, can_scan
from textcnn.reading.schema import Schema
from textcnn.reading.source import LONGEST, SURROGATE, Part, Source, too_long
from textcnn.reading.table import BlockRecords, Opened, Record, Table


def folder_table(path: Path, format: str, encoding: str) -> Table:
    """Read a folder with a sub-folder for each label and a file for each text; hidden files are ignored."""
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


PREFIX = "hf://"
ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
FILE = re.compile(rf"({ID.pattern})/(.+)")
ID_SPLIT = re.compile(rf"({ID.pattern})(?:/([\w.-]+))?")


def is_hub_id(name: str) -> bool:
    """Return whether a string that is no path names a data set of the hub rather than a mistyped path."""
    if name.startswith(PREFIX):
        return True
    is_path = extension(name) in EXTENSIONS or name.lower().endswith(PACKED) or Path(name).parent.exists()
    return ID.fullmatch(name) is not None and not is_path


def hub_table(name: str) -> Table:
    """Return the table of a hub data set's split; see :func:`hub_split`."""
    dataset, full_name = hub_split(name)
    return dataset_table(dataset, full_name)


def hub_split(name: str) -> tuple[Any, str]:
    """Load the split of ``owner/name``, ``hf://owner/name`` or ``hf://owner/name/split``; return it and its full name.

    The split is train if not given.

    Raises:
        DataError: the name is not of that form, or the data set cannot be loaded.
    """
    match = ID_SPLIT.fullmatch(name.removeprefix(PREFIX))
    if match is None:
        raise DataError(f"expected hf://owner/name or hf://owner/name/split, found {name!r}")
    owner_name, split = match[1], match[2] or "train"
    import datasets

    try:
        dataset = datasets.load_dataset(owner_name, split=split)
    except Exception as err:  # datasets, its hub client and its HTTP library have no common error
        reason = next(iter(str(err).splitlines()), "") or type(err).__name__
        raise DataError(
            f"expected to load split {split!r} of {owner_name!r} from the Hugging Face hub, found: {reason}; "
            "this needs the network, or the data set in the cache from an earlier run"
        ) from err
    return dataset, f"{PREFIX}{owner_name}/{split}"


def local_file(name: str) -> Path:
    """Return the path ``name``, or download ``hf://owner/name/file`` into the hub's cache and return that path.

    Raises:
        DataError: the name is not of that form, or the file cannot be fetched.
    """
    if not name.startswith(PREFIX):
        return Path(name)
    match = FILE.fullmatch(name.removeprefix(PREFIX))
    if match is None:
        raise DataError(f"expected hf://owner/name/file, found {name!r}")
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(match[1], match[2]))
    except Exception as err:  # the hub client and its HTTP library have no common error
        reason = next(iter(str(err).splitlines()), "") or type(err).__name__
        raise DataError(
            f"expected the file {match[2]!r} of {match[1]!r} from the Hugging Face hub, found: {reason}; "
            "this needs the network, or the file in the cache from an earlier run"
        ) from err


FORMATS = ("auto", "csv", "tsv", "jsonl", "json", "parquet", "fasttext", "folder", "lines")
LABEL = "__label__"
BLANKS = r" \t\n\v\f\r\0"  # between the words of a fastText line; Unicode's other blanks are parts of words
_LONGEST_NAME = 40  # characters of a column's name, where there is no more than the name to tell a header by
_ABOUT_FILES = ("title", "description", "message", "comment", "query", "headline", "abstract")  # of a whole JSON file
_USUAL = {*TEXT_NAMES, *LABEL_NAMES}
NEW = Schema()  # of no model


def file_table(path: Path | None, options: DataConfig, like: Schema = NEW) -> Table:
    """Return the table in a file, a folder with one sub-folder per label, or the standard input (``path`` None).

    Args:
        path: of the file or folder.
        options: format, encoding, quotes, and columns, by whose names a header is known.
        like: schema of a model, by whose columns a header is recognized too.

    Raises:
        ConfigError: an unknown format, encoding, kind of quotes or escape.
        DataError: the file is empty, or not what its format says.
    """
    if options.format not in FORMATS:
        raise ConfigError(f"format must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {options.format!r}")
    if options.quotes not in QUOTES or options.escape not in ESCAPES:
        found = f"{options.quotes!r} and {options.escape!r}"
        raise ConfigError(f"quotes must be {' or '.join(QUOTES)}, and escape backslash or none, got {found}")
    if path is not None and (path.is_dir() or options.format == "folder"):
        return folder_table(path, options.format, options.encoding)
    return source_table(Source(path, options.encoding), options, like)


def source_table(source: Source, options: DataConfig, like: Schema = NEW) -> Table:
    """Return the table in an opened source; arguments as for :func:`file_table`.

    Raises:
        DataError: the file is empty, or not what its format says.
    """
    head = source.head()
    if not head and (source.path is not None or source.again):
        raise DataError("expected rows, found an empty file", path=source.name)
    refuse_foreign(head, source.name)
    format = _sniff(source, options, like) if options.format == "auto" else options.format
    if format != "lines":
        refuse_page(head, source.name)
    if format in DELIMITERS:
        table = csv_table(source, format, options)
    elif format == "lines":
        table = _lines_table(source, is_guessed=options.format == "auto")
    elif format in ("parquet", "fasttext"):
        table = (parquet_table if format == "parquet" else _fasttext_table)(source)
    else:
        usual = (name for name in TEXT_NAMES if name not in _ABOUT_FILES)
        table = json_table(source, (*options.text_column, *like.text_columns, *usual))
    table.source = source
    return table


def _sniff(source: Source, options: DataConfig, like: Schema) -> str:
    """Detect the format by magic bytes if they are unambiguous, else by extension, else by the first lines."""
    if source.head().startswith(b"PAR1"):
        return "parquet"
    by_extension = EXTENSIONS.get(extension(source.file_name), "")
    lines = source.head_lines()
    if looks_like_json(source.head_text()):
        return "jsonl"
    if by_extension not in ("", "lines"):
        return by_extension
    if lines and lines[0].lstrip().startswith(LABEL):
        return "fasttext"
    if has_sep_line(lines):
        return "csv"
    whole = _whole_lines(source)
    delimiter, names, row = first_rows(whole)
    if not _has_header(whole, delimiter, names, row, options, like):
        return "lines"
    return "tsv" if delimiter == "\t" else "csv"


def _whole_lines(source: Source) -> list[str]:
    lines = source.head_lines()
    return lines[:-1] if len(lines) > 1 and source.is_cut() else lines


def _has_header(
    lines: list[str], delimiter: str, names: list[str], row: list[str] | None, options: DataConfig, like: Schema
) -> bool:
    """Return whether the first line names columns: as asked, as in training, or usual ones that fit the next row."""
    trained = {*like.text_columns, *like.label_columns}
    if len(names) < 2:
        return bool({*names} & ({*options.text_column} | (trained if len(lines) > 1 else set())))
    if {*options.text_column} - {"text", "1"}:  # which plain lines do not have
        return True
    named = _USUAL | {name.lower() for name in (*options.text_column, *options.label_column, *trained)}
    if not _are_names(names) or not any(name.lower() in named for name in names):
        return False
    width = max(place for place, name in enumerate(names, start=1) if name)
    return delimiter == "\t" or row is None or len(row) >= width


def _are_names(cells: list[str]) -> bool:
    """Return whether cells may be column names."""
    return len({*cells}) > 1 and all(len(cell) <= _LONGEST_NAME for cell in cells)


# ---------------------------------------------------------------------------------- fastText lines, plain lines


def _fasttext_table(source: Source) -> Table:
    """Read fastText lines, ``__label__a __label__b some text``."""
    return _line_table(source, "fasttext", _fasttext_cells, {}, split_labels=False)


def _lines_table(source: Source, *, is_guessed: bool) -> Table:
    """Read one text per line; blank lines are rows too."""
    seen = _seen_cells(_whole_lines(source)) if is_guessed else {}
    return _line_table(source, "lines", lambda line: {"text": line}, seen)


def _seen_cells(lines: list[str]) -> dict[str, bool]:
    """Detect signs of a table in plain lines: equal numbers of tabs, or column names above cells."""
    delimiter, names, _ = first_rows(lines)
    counts = {line.count(delimiter) for line in lines}
    is_table = len(lines) > 1 and len(counts) == 1 and counts != {0}
    is_named = len(names) > 1 and " " not in lines[0] and _are_names(names)
    has_usual = any(name.lower() in _USUAL for name in names)
    return {
        "tabs": is_table and delimiter == "\t",
        "column_names": delimiter != "\t" and is_named and (is_table or has_usual),
    }


def _line_table(
    source: Source,
    format: str,
    cells: Callable[[str], dict[str, Any]],
    seen: dict[str, bool],
    *,
    split_labels: bool = True,
) -> Table:
    columns = tuple(cells(""))

    def records(lines: Iterator[str], notices: Counter[str], before: int = 0) -> Iterator[Record]:
        for number, line in enumerate(lines, start=before + 1):
            if line.strip() or format == "lines":
                yield number, cells(line.removesuffix("\n"))
            else:
                notices["blank_lines"] += 1

    def start(notices: Counter[str]) -> Opened:
        notices.update(seen)
        if format != "lines" or not can_scan(source):
            return columns, records(source.lines(notices), notices)
        notices["members_aside"] = source.aside

        def careful(part: Part) -> Iterator[Record]:
            return records(source.lines(notices, part=part), notices, part.before[1])

        form = TableForm(len(columns), LONGEST, keeps_blank=True)
        return columns, BlockRecords(Scanner(source, columns, partial(scan_rows, form=form), careful).blocks())

    return Table(source.name, format, start, again=source.again, split_labels=split_labels)


def _fasttext_cells(line: str) -> dict[str, Any]:
    labels, text = split_line(line)
    return {"text": text, "label": labels if len(labels) > 1 else labels[0] if labels else None}


def split_line(line: str, prefix: str = LABEL) -> tuple[list[str], str]:
    """Return the labels of a fastText line, which may stand anywhere in it, without their prefix, and its text."""
    if prefix not in line:
        return [], line.lstrip()
    label = _label_pattern(prefix)
    return label.findall(line), label.sub("", line).strip()


@cache
def _label_pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^{BLANKS}]){re.escape(prefix)}([^{BLANKS}]+)")
