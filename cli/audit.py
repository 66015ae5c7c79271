"""Implements `textcnn audit`, which looks for errors in labelled texts."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textcnn_cli import console, options

if TYPE_CHECKING:
    from textcnn.explain.audit import Audit
    from textcnn.reading.rows import Examples

_TEXT = 70  # characters of a text that a table shows


def audit(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", parser=options.fetched, help="model folder of `train --folds K`, or hf://owner/name"
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="the labelled texts that the model was trained on")],
    test: Annotated[
        str | None, typer.Option("--test", metavar="FILE", help="test texts, which should not occur in DATA")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="number of entries to show in each list")] = 20,
    similarity: Annotated[
        float,
        typer.Option("--similarity", min=0.01, max=1, help="smallest share of common word pairs of near-duplicates"),
    ] = 0.8,
    min_support: Annotated[
        int, typer.Option("--min-support", min=1, help="smallest number of texts of an n-gram that decides a label")
    ] = 10,
    output: Annotated[
        str | None, typer.Option("--output", help="write all ranked rows to this .jsonl, .csv, .tsv or .parquet file")
    ] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    label_separator: options.LabelSeparator = None,
    weight_column: options.WeightColumn = None,
    json: options.Json = False,
) -> None:
    """List suspected label errors, n-grams that decide a label alone, and test texts that (nearly) occur in DATA.

    Example: textcnn train reviews.csv --folds 5 -o model; textcnn audit model reviews.csv --test held-out.csv
    """
    from textcnn.errors import ConfigError
    from textcnn.explain.audit import audit as audit_rows
    from textcnn.prediction.predictor import Predictor
    from textcnn.reading.rows import read_examples

    columns = text_column, label_column
    reading = options.data_config(
        *columns, format, encoding, label_separator=label_separator, quotes=quotes, escape=escape
    )
    like = Predictor.load(model).schema
    examples = read_examples(data, replace(reading, weight_column=weight_column), like=like)
    console.say_what_was_read(examples)
    others = None if test is None else read_examples(test, reading, like=like).texts
    found = audit_rows(model, examples, others, similarity=similarity, min_support=min_support)
    if output is not None:
        if found.suspects is None:
            raise ConfigError(f"--output lists the rows by how probable their labels are, but {found.reason}")
        _write(found, examples, output)
    if json:
        console.write_json(found.to_dict(examples.texts, top))
    else:
        _show(found, examples, top)


def _write(found: Audit, examples: Examples, output: str) -> None:
    from textcnn.prediction.writing import write_rows

    rows = ({**asdict(suspect), "text": examples.texts[suspect.row]} for suspect in found.suspects or ())
    write_rows(({**row, "given": "|".join(row["given"])} for row in rows), output)
    console.say(f"wrote {output}")


def _show(found: Audit, examples: Examples, top: int) -> None:
    if found.suspects is None:
        console.say(f"note: no label errors are looked for: {found.reason}")
    else:
        if not found.second_opinion:
            console.say("note: too many texts and labels to ask linear models too; the model alone ranks the rows")
        suspects = [suspect for suspect in found.suspects if suspect.suggested is not None]
        print(f"suspected label errors: {len(suspects):,} of {found.rows:,} rows")
        rows = [
            [_short(examples.texts[s.row]), f"{s.row:,}", "|".join(s.given), str(s.suggested), f"{s.probability:.4f}"]
            for s in suspects[:top]
        ]
        console.write_table(["text", "row", "given", "suggested", "probability of given"], rows)
    if found.conflicts:
        print(f"texts that occur with several labels: {found.conflicts:,}")
    print(f"n-grams that decide a label alone: {len(found.shortcuts):,}")
    console.write_table(
        ["n-gram", "label", "texts", "of them with the label", "of the label's texts", "probability alone"],
        [
            [s.text, s.label, f"{s.support:,}", f"{s.purity:.1%}", f"{s.coverage:.1%}", f"{s.probability:.3f}"]
            for s in found.shortcuts[:top]
        ],
    )
    if found.test_rows is not None:
        print(f"test texts that are in the data, or nearly: {len(found.near_duplicates):,} of {found.test_rows:,}")
        console.write_table(
            ["text", "row", "test row", "similarity"],
            [
                [_short(examples.texts[pair.row]), f"{pair.row:,}", f"{pair.test_row:,}", f"{pair.similarity:.2f}"]
                for pair in found.near_duplicates[:top]
            ],
        )


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _TEXT else plain[: _TEXT - 1] + "…"
