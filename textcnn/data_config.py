"""Settings for reading a labelled file."""

from __future__ import annotations

from dataclasses import dataclass

from textcnn.config_types import option

STORAGES = ("auto", "memory", "disk")
QUOTES = ("auto", "csv", "text")
ESCAPES = (None, "backslash", "\\")


@dataclass(frozen=True)
class DataConfig:
    """Settings for reading a labelled file."""

    text_column: tuple[str, ...] = option((), "column that holds the text; give it again to join several")
    label_column: tuple[str, ...] = option((), "column that holds the label; several make a multi-label task")
    format: str = option("auto", "auto, csv, tsv, jsonl, json, parquet, fasttext, folder or lines")
    encoding: str = option("utf-8", "character encoding of text files, e.g. latin-1 or utf-16")
    label_separator: str | None = option(
        None, "what stands between the labels of one cell; none: |, or ; or , where the cells show it"
    )
    multi_label: bool | None = option(None, "true: any number of labels a text; false: exactly one; none: inferred")
    storage: str = option(
        "auto",
        "where training texts and their ids are kept: memory, disk, or auto (disk if they would fill half the memory)",
        lambda name: name in STORAGES,
        ", ".join(STORAGES),
    )
    weight_column: str | None = option(
        None, "column of numbers, 0 or more: how much a training row counts in the loss; none: all the same"
    )
    soft_column: tuple[str, ...] = option(
        (),
        "column of the labels' probabilities, a dictionary or list a cell, or several, one a label; none: p_LABEL, "
        "`probabilities`, or the label column if its cells hold such numbers",
    )
    regression: bool = option(False, "the label columns hold numbers to predict, one or several targets")
    ordinal: tuple[str, ...] = option(
        (), "the grades of one label column, the lowest first, as 1,2,3,4,5: a score, and how probable each grade is"
    )
    allow_rare_labels: bool = option(False, "train though nearly all labels are different, as ids are")
    quotes: str = option(
        "auto",
        "quotes around a cell: csv (they belong to the format), text, or auto (csv; with tabs between the cells text, "
        "unless they pair up on one line)",
        lambda name: name in QUOTES,
        ", ".join(QUOTES),
    )
    hierarchy: str | None = option(None, "labels are paths: what parts them, /, . or >, or a file child,parent")
    escape: str | None = option(
        None,
        "backslash: before a quote, it makes that quote of a quoted cell text; none: such a quote is doubled",
        lambda name: name in ESCAPES,
        "backslash, or none",
    )
