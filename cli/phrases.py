"""Implements `textcnn phrases`, which lists the strongest n-grams, compares models, and writes blinded models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textcnn.errors import ConfigError
from textcnn_cli import console, options

if TYPE_CHECKING:
    from textcnn.explain.phrases import Page
    from textcnn.runtime.lookup import LookupModel

TITLES = {"filters": "n-grams of the filters", "mean": "words of the mean", "wide": "n-grams of the wide branch"}


def phrases(
    model: options.Model,
    other: Annotated[Path | None, typer.Argument(metavar="[OTHER]", help="another model to compare with")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="show only this label; may be repeated")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="number of n-grams in each list")] = 10,
    per_filter: Annotated[
        int | None,
        typer.Option("--per-filter", min=1, help="largest number of n-grams per filter, as they are similar"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="FILE", help="list only n-grams that occur in these labelled texts"),
    ] = None,
    min_support: Annotated[
        int, typer.Option("--min-support", min=1, help="with --data: smallest number of texts an n-gram wins in")
    ] = 2,
    veto: Annotated[
        list[str] | None, typer.Option("--veto", metavar="PHRASE", help="write a model that ignores this phrase")
    ] = None,
    blind: Annotated[
        Path | None,
        typer.Option("--blind", metavar="FILE", help="write a model that ignores the words in this file, one per line"),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="folder to write the new model to")] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    label_separator: options.LabelSeparator = None,
    json: options.Json = False,
) -> None:
    """List the exact strongest n-grams of a one-layer model over its whole vocabulary, or those that occur in --data.

    Example: textcnn phrases model --label spam --top 20

    Example: textcnn phrases model --blind names.txt --output blind-model
    """
    _check(other, data, bool(veto) or blind is not None, output)
    if output is not None:
        _write_blinded(model, veto or [], blind, output, json)
        return
    from textcnn.explain.phrases import phrase_book
    from textcnn.runtime.lookup import LookupModel

    if data is not None:
        columns = text_column, label_column
        reading = options.data_config(
            *columns, format, encoding, label_separator=label_separator, quotes=quotes, escape=escape
        )
        _show_seen(LookupModel.load(model), data, reading, label, top, min_support, json)
        return
    books = [
        phrase_book(LookupModel.load(folder), top=top, labels=label, per_filter=per_filter)
        for folder in (model, *([] if other is None else [other]))
    ]
    if other is not None:
        from textcnn.explain.phrases import difference

        _show_difference(difference(*books), top, json)
    else:
        _show(model, books[0], json)


def _check(other: Path | None, data: str | None, writes: bool, output: Path | None) -> None:
    if writes and (other is not None or data is not None):
        raise ConfigError("--veto and --blind write a model; leave out OTHER and --data")
    if writes != (output is not None):
        raise ConfigError("--veto or --blind and --output FOLDER go together; give both, or neither")
    if other is not None and data is not None:
        raise ConfigError("two models are compared without data; leave out --data")


def _write_blinded(model: Path, veto: list[str], blind: Path | None, output: Path, json: bool) -> None:
    from textcnn.explain.blinding import read_words, write_blinded

    blinded = write_blinded(model, output, words=[] if blind is None else read_words(blind), phrases=veto)
    console.say(f"saved {output}: blind to {len(blinded):,} words and phrases")
    if json:
        console.write_json({"artifact": str(output), "blinded": list(blinded)})


def _show(model: Path, pages: list[Page], json: bool) -> None:
    if json:
        console.write_json({"model": str(model), "labels": [page.to_dict() for page in pages]})
        return
    for page in pages:
        for name, title in TITLES.items():
            if any(lists := getattr(page, name)):
                console.write_table(*_columns(lists), title=f"{page.label}: {title}")


def _columns(lists: tuple[list[Any], list[Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the lists for and against a label as the columns of one table."""
    rows = [["", "", "", ""] for _ in range(max(map(len, lists)))]
    for side, phrases in enumerate(lists):
        for row, phrase in zip(rows, phrases, strict=False):
            edge = f" ({phrase.at} of text)" if phrase.at else ""
            row[2 * side : 2 * side + 2] = [f"{phrase.text}{edge}", f"{phrase.contribution:+.3f}"]
    return ["for", "logit", "against", "logit"], rows


def _show_difference(pages: list[dict[str, Any]], top: int, json: bool) -> None:
    if json:
        console.write_json({"labels": pages})
        return
    for page in pages:
        for name, title in TITLES.items():
            rows = [
                [
                    entry["text"],
                    *("" if value is None else f"{value:+.3f}" for value in (entry["first"], entry["second"])),
                ]
                for entry in page[name][:top]
            ]
            if rows:
                console.write_table(["n-gram", "first", "second"], rows, title=f"{page['label']}: {title}")


def _show_seen(
    model: LookupModel,
    data: str,
    reading: Any,
    labels: Sequence[str] | None,
    top: int,
    min_support: int,
    json: bool,
) -> None:
    from textcnn.explain.phrases import seen_phrases
    from textcnn.reading.rows import read_examples

    examples = read_examples(data, reading, like=model.schema)
    console.say_what_was_read(examples)
    pages = seen_phrases(model, examples.texts, examples.labels, top=top, labels=labels, min_support=min_support)
    if json:
        listed = [page.to_dict() for page in pages]
        console.write_json({"data": examples.name, "rows": len(examples), "labels": listed})
        return
    for page in pages:
        for side, phrases in (("for", page.strongest), ("against", page.weakest)):
            rows = [[p.text, f"{p.contribution:+.3f}", f"{p.support:,}", _counts(p.labels)] for p in phrases]
            if rows:
                console.write_table(["n-gram", "logit", "texts", "their labels"], rows, title=f"{side} {page.label}")


def _counts(labels: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in labels.items())
