"""The command line of a study: `python -m benchmarks.NAME --help`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from textcnn.atomic import write_text
from textcnn.benchmark.document import write_document
from textcnn_cli import console
from textcnn_cli.main import run

Output = Annotated[Path | None, typer.Option(help="write the JSON document to this file; a stopped start is continued")]
Table = Annotated[Path | None, typer.Option(help="write the table to this Markdown file")]


def application(study: Callable[..., Any]) -> typer.Typer:
    """The command line of one study."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(study)
    return app


def main(study: Callable[..., Any]) -> None:
    """Run a study as a program: what a user can cause is one line and exit 2."""
    run(application(study))


def words_of(study: str) -> list[str]:
    """The words of the command that is running, for the record in its document."""
    return ["python", "-m", f"benchmarks.{study}", *sys.argv[1:]]


def show(table: str, place: Path | None) -> None:
    """Print a table, and write it to a file where one is named."""
    if place is not None:
        write_text(place, table)
    print(table, end="")


def write_outputs(
    document: dict[str, Any],
    to_markdown: Callable[[dict[str, Any]], str],
    output: Path | None,
    table: Path | None,
    json: bool,
) -> None:
    """Write a benchmark's document and tables to the files requested, and one of the two to stdout."""
    if output is not None:
        write_document(document, output)
    if table is not None:
        write_text(table, to_markdown(document))
    if json:
        console.write_json(document)
    else:
        print(to_markdown(document), end="")
