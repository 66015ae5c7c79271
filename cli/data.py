"""Implements `textcnn data`, which lists, downloads and checks data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textcnn.config import DataConfig, describe
from textcnn_cli import console

if TYPE_CHECKING:
    from textcnn.datasets.catalogue import Report

app = typer.Typer(name="data", help="List, download and check data sets.", no_args_is_help=True, add_completion=False)

LABELS_SHOWN = 40
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_cards(json: Json = False) -> None:
    """List the data sets that `get` can download."""
    from textcnn.datasets.catalogue import cards

    found = cards()
    if json:
        console.write_json([card.to_dict() for card in found])
        return
    rows = [
        [
            card.name,
            card.task,
            str(card.num_labels),
            " / ".join(f"{split.rows:,}" for split in card.splits.values()),
            card.licence,
        ]
        for card in found
    ]
    console.write_table(["name", "task", "labels", "rows", "licence"], rows)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="A name that `list` shows.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Parent folder; the data set is written to its sub-folder NAME."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed of the train/test split, for sources without splits of their own.")
    ] = 0,
) -> None:
    """Download a data set, unless it is there already, and print its folder."""
    from textcnn.datasets.catalogue import card, get

    wanted = card(name)
    folder = get(name, output, seed=seed)
    console.say(f"licence: {wanted.licence}. {wanted.licence_note}".rstrip())
    typer.echo(folder)


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="A labelled file, a folder, a hub id, or - for standard input.")],
    text_column: Annotated[list[str] | None, typer.Option(help=describe(DataConfig, "text_column"))] = None,
    label_column: Annotated[list[str] | None, typer.Option(help=describe(DataConfig, "label_column"))] = None,
    format: Annotated[str, typer.Option(help=describe(DataConfig, "format"))] = "auto",
    encoding: Annotated[str, typer.Option(help=describe(DataConfig, "encoding"))] = "utf-8",
    label_separator: Annotated[str | None, typer.Option(help=describe(DataConfig, "label_separator"))] = None,
    multi_label: Annotated[
        bool | None, typer.Option("--multi-label/--single-label", help=describe(DataConfig, "multi_label"))
    ] = None,
    hierarchy: Annotated[str | None, typer.Option(metavar="HOW", help=describe(DataConfig, "hierarchy"))] = None,
    regression: Annotated[bool, typer.Option("--regression", help=describe(DataConfig, "regression"))] = False,
    ordinal: Annotated[
        str | None, typer.Option("--ordinal", metavar="G,G,...", help=describe(DataConfig, "ordinal"))
    ] = None,
    quotes: Annotated[str, typer.Option(help=describe(DataConfig, "quotes"))] = "auto",
    escape: Annotated[str | None, typer.Option(help=describe(DataConfig, "escape"))] = None,
    json: Json = False,
) -> None:
    """Check a labelled file before training: labels, duplicates, conflicting labels, text lengths."""
    from textcnn.datasets.catalogue import check

    options = DataConfig(
        text_column=tuple(text_column or ()),
        label_column=tuple(label_column or ()),
        format=format,
        encoding=encoding,
        label_separator=label_separator,
        multi_label=multi_label,
        hierarchy=hierarchy,
        regression=regression,
        ordinal=() if ordinal is None else tuple(ordinal.split(",")),
        quotes=quotes,
        escape=escape,
    )
    report = check(file, options)
    if json:
        console.write_json(report.to_dict())
    else:
        _show(report)


def _show(report: Report) -> None:
    kind = "multi-label" if report.multi_label else "single-label"
    cut = f"; the {LABELS_SHOWN} most frequent:" if len(report.labels) > LABELS_SHOWN else ""
    console.say(report.source)
    if report.numbers:
        typer.echo(f"{report.name}: {report.rows:,} rows, {len(report.numbers):,} targets of numbers")
        for target, quantiles in report.numbers.items():
            console.write_table([target, *quantiles], [["", *(f"{value:g}" for value in quantiles.values())]])
    else:
        typer.echo(f"{report.name}: {report.rows:,} rows, {len(report.labels):,} labels, {kind}{cut}")
        shown = list(report.labels.items())[:LABELS_SHOWN]
        shares = [[label, f"{count:,}", f"{count / report.rows:.1%}"] for label, count in shown]
        console.write_table(["label", "rows", "share"], shares)
    findings = [
        ("duplicates", "rows repeat the text of an earlier row", report.duplicates),
        ("conflicts", "texts occur with different labels", report.conflicts),
        ("near_empty", "texts have fewer than 3 characters or no word", report.near_empty),
        ("missing_labels", "rows have no label", report.missing_labels),
        ("near_twins", "pairs of labels differ by case or blanks only", len(report.near_twins)),
    ]
    twins = ", ".join(f"{a!r} and {b!r}" for a, b in report.near_twins)
    rows = []
    for name, sentence, count in findings:
        where = twins if name == "near_twins" else ", ".join(map(str, report.lines.get(name, [])))
        rows.append([sentence, f"{count:,}", where])
    console.write_table(["finding", "count", "first ones (line or row)"], rows)
    lengths = [f"{count:,}" for count in report.words.values()]
    console.write_table(["length", *report.words], [["words a text", *lengths]])
    for notice in report.notices:
        console.say(f"note: {notice}")
