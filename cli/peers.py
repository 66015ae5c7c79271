"""`textcnn benchmark peers`: ours beside fastText and a linear SVM."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn.atomic import write_text
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs


def peers(
    train: Annotated[str, typer.Argument(metavar="TRAIN", help="labelled training texts, one label each")],
    test: Annotated[str, typer.Argument(metavar="TEST", help="labelled texts that are only measured")],
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="models and files of these training texts; kept for a second start")
    ] = Path("build/peers"),
    rounds: Annotated[int, typer.Option(min=1, help="trainings of each contestant")] = 1,
    passes: Annotated[int, typer.Option(min=1, help="timed passes over the file of texts")] = 2,
    set: options.Set = None,
    output: Annotated[
        Path | None, typer.Option(help="write the JSON document here; a stopped start is continued from beside it")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
) -> None:
    """Training, time to an accuracy, files and roofline, beside fastText and a linear SVM, in one run.

    TEXTCNN_PEERS_PYTHON names an interpreter that has fastText, if this one has not.

    Example: textcnn benchmark peers train.csv test.csv --output peers.json --table peers.md
    """
    from textcnn.benchmark.peers import run_peers
    from textcnn.benchmark.peers_table import to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = run_peers(
        train,
        test,
        reporter(),
        folder=folder,
        rounds=rounds,
        passes=passes,
        settings=options.merge_settings(None, set, {}),
        output=output,
        arguments=sys.argv[1:],
    )
    report = to_markdown(document)
    if table is not None:
        write_text(table, report)
    print(report, end="")
