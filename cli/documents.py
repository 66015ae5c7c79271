"""Implements `textcnn documents`, an exact map-reduce over documents with parts in several files or machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textcnn.atomic import replaced_file
from textcnn.errors import DataError
from textcnn.reading.table import is_missing
from textcnn_cli import console, options

if TYPE_CHECKING:
    from textcnn.prediction.documents import Documents
    from textcnn.reading.rows import Row

app = typer.Typer(
    name="documents",
    help="Classify documents with parts in several files, exactly as whole texts (needs train --preset pure).",
    no_args_is_help=True,
    add_completion=False,
)
Precision = Annotated[str, typer.Option("--precision", help="float32 or int8; must be the same for map and reduce")]


@app.command("map")
def map_parts(
    model: options.Model,
    input: Annotated[str, typer.Argument(metavar="PARTS", help="file of parts: document name, part number, text")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="F.state", help="file to write the state of these parts to")
    ],
    document_column: Annotated[str, typer.Option(help="column with the names of the documents")] = "document",
    part_column: Annotated[str, typer.Option(help="column with the numbers of the parts")] = "part",
    text_column: options.TextColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    precision: Precision = "float32",
) -> None:
    """Read the parts in one file, in any order, and write their state.

    Example: textcnn documents map model shard-1.csv -o shard-1.state
    """
    from textcnn.reading.rows import open_rows

    documents = _state(model, precision)
    rows = open_rows(
        input,
        options.data_config(text_column, None, format, encoding, quotes=quotes, escape=escape),
        labels="ignored",
        like=documents.pieces.model.schema,
    )
    count = 0
    for row in rows:
        documents.add(*_numbered(row, rows.name, document_column, part_column), row.text)
        count += 1
    _write(documents, output)
    console.say(f"read {count:,} parts of {len(documents):,} documents")


@app.command("reduce")
def reduce_states(
    model: options.Model,
    states: Annotated[list[Path], typer.Argument(metavar="F.state...", help="states of `documents map`, in any order")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="file of answers (.jsonl, .csv, .tsv or .parquet), or a .state file"),
    ] = "-",
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="number of labels to list per document")] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0, max=1, help="probability from which labels are assigned (multi-label)"),
    ] = None,
    precision: Precision = "float32",
) -> None:
    """Merge states and classify the documents; it is an error if a part of a document is missing.

    Example: textcnn documents reduce model shard-1.state shard-2.state -o answers.jsonl
    """
    from textcnn.prediction.documents import Documents
    from textcnn.prediction.writing import write_rows

    documents = _state(model, precision)
    for path in states:
        try:
            found = Documents.from_bytes(path.read_bytes(), documents.pieces, documents.model)
        except OSError as err:
            raise DataError(f"cannot read a state: {err.strerror or err}", path=str(path)) from err
        documents.merge(found)
    if Path(output).suffix == ".state":
        _write(documents, Path(output))
    else:
        write_rows(_answers(documents, top_k, threshold), output)
    console.say(f"joined {len(states):,} states of {len(documents):,} documents")


def _numbered(row: Row, source: str, document_column: str, part_column: str) -> tuple[str, int]:
    """Return the name of a row's document, and the number of its part."""
    cells = [row.columns.get(name) for name in (document_column, part_column)]
    for name, cell in zip((document_column, part_column), cells, strict=True):
        if is_missing(cell) or cell == "":
            raise DataError(
                f"expected a document's name and a number, found none in {name!r}", path=source, line=row.line
            )
    document, number = map(str, cells)
    if not number.isdecimal():
        message = f"expected a whole number from 0 in column {part_column!r}, found {number!r}"
        raise DataError(message, path=source, line=row.line)
    return document, int(number)


def _answers(documents: Documents, top_k: int | None, threshold: float | None) -> Iterator[dict[str, Any]]:
    from textcnn.prediction.answers import answers_of

    for name, num_parts, answer in documents.answers(threshold=threshold):
        (row,) = answers_of(documents.pieces.model.labels, answer, top_k=top_k)
        yield {"document": name, "parts": num_parts, **row}


def _state(model: Path, precision: str) -> Documents:
    from textcnn.folder.model_folder import fingerprint
    from textcnn.prediction.documents import Documents, Pieces
    from textcnn.runtime.lookup import LookupModel

    pieces = Pieces(LookupModel.load(model, precision=precision))
    return Documents(pieces, f"{fingerprint(model)} {precision}")


def _write(documents: Documents, path: Path) -> None:
    """Write a state atomically, so that an engine can simply repeat a task that was lost."""
    try:
        with replaced_file(path, "wb") as file:
            file.write(documents.to_bytes())
    except OSError as err:
        raise DataError(f"cannot write a state: {err.strerror or err}", path=str(path)) from err
