"""Which columns of a table hold the text and the label: by option, else by their usual names; weights by option."""

from __future__ import annotations

from collections.abc import Sequence

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.text.read_table import Table, shown

# Lower case, the likeliest first.
TEXT_NAMES = (
    *("text", "sentence", "review", "content", "question", "document", "title", "body", "message", "comment"),
    *("tweet", "utterance", "query", "headline", "description", "abstract", "sms", "post", "input"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "intent", "sentiment", "topic", "tag", "tags"),
    *("label_text", "classes", "categories", "genre", "emotion", "rating", "stars"),
)
LISTED = 20  # column names in a message


def choose_columns(
    table: Table, options: DataConfig, labels: str
) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """The columns of the text, of the label and of the weight, which none has but by option.

    Args:
        table: what is read.
        options: may name the columns, or give their positions from 1 where no column has such a name.
        labels: ``required``, ``optional`` or ``ignored``.

    Raises:
        DataError: a named column is not there, or none has a usual name, or one column is to be two of the three.
    """
    wanted_text, wanted_label = _names(options.text_column), _names(options.label_column)
    text = tuple(_find(table, name, "--text-column") for name in wanted_text)
    label = () if labels == "ignored" else tuple(_find(table, name, "--label-column") for name in wanted_label)
    if both := set(text) & set(label):
        raise DataError(f"expected text and label in different columns, found {both.pop()!r} for both", path=table.name)
    weight = None if options.weight_column is None else _find(table, options.weight_column, "--weight-column")
    if weight in (*text, *label):
        raise DataError(f"expected the weight in a column of its own, found it in {weight!r}", path=table.name)
    rest = [name for name in table.columns if name != weight]
    text = text or _usual_text(table, rest, label)
    if not label and labels != "ignored":
        label = _usual_label(table, rest, text, labels == "required")
    return text, label, weight


def _names(option: Sequence[str]) -> tuple[str, ...]:
    return (option,) if isinstance(option, str) else tuple(option)


def _find(table: Table, name: str, option: str) -> str:
    if name in table.columns:
        return name
    if name.isdecimal() and 1 <= int(name) <= len(table.columns):
        return table.columns[int(name) - 1]
    raise DataError(f"expected a column {name!r}, {_columns(table)}; choose one with {option}", path=table.name)


def _usual_text(table: Table, columns: Sequence[str], label: Sequence[str]) -> tuple[str, ...]:
    rest = [name for name in columns if name not in label]
    if named := _first_usual(rest, TEXT_NAMES):
        return (named,)
    if len(columns) == 2:
        other = label or (_first_usual(rest, LABEL_NAMES),)
        text = tuple(name for name in columns if name not in other)
        if len(text) == 1:
            return text
    raise DataError(
        f"expected a column with a usual name of a text ({', '.join(TEXT_NAMES[:5])}, ...), {_columns(table)}; "
        "choose one with --text-column" + _header_hint(table),
        path=table.name,
    )


def _usual_label(table: Table, columns: Sequence[str], text: Sequence[str], required: bool) -> tuple[str, ...]:
    rest = [name for name in columns if name not in text]
    if named := _first_usual(rest, LABEL_NAMES):
        return (named,)
    if not required:
        return ()
    if len(columns) == 2 and len(rest) == 1:
        return tuple(rest)
    raise DataError(
        f"expected a column with a usual name of a label ({', '.join(LABEL_NAMES[:5])}, ...), {_columns(table)}; "
        "choose one with --label-column" + _header_hint(table),
        path=table.name,
    )


def _first_usual(columns: Sequence[str], usual: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(columns)}
    return next((by_lower[name] for name in usual if name in by_lower), None)


def _columns(table: Table) -> str:
    names = ", ".join(shown(name) for name in table.columns[:LISTED]) + (", ..." if len(table.columns) > LISTED else "")
    return f"found {names or 'none'} (read as {table.format})"


def _header_hint(table: Table) -> str:
    """The first line of a csv file is its header, and a file without one shows by its columns' names."""
    if table.format in ("csv", "tsv"):
        return "; if these are the cells of a row, put a line with column names before it"
    return "; if that is not its format, say so with --format" if table.format == "lines" else ""
