"""`textcnn benchmark reasons`: whether explanations and what-if are what they say, and what they cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn.atomic import write_text
from textcnn_cli.options import prepare_outputs, split_list


def reasons(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="holds SET/test.csv.gz")],
    models: Annotated[Path, typer.Argument(metavar="MODELS", help="holds the models SET-default and SET-pure")],
    sets: Annotated[str, typer.Option(metavar="S,S,...", help="names of sets")] = "trec,sst2,imdb,goemotions",
    num_texts: Annotated[int, typer.Option("--texts", min=1, help="the first so many test rows of each set")] = 500,
    speed_sets: Annotated[
        str, typer.Option("--speed", metavar="S,S,...", help="sets to time `classify --explain` on; none: no set")
    ] = "imdb",
    output: Annotated[
        Path | None, typer.Option(help="write the JSON document to this file; a stopped start is continued")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
) -> None:
    """Sums, what-if against brute force, sufficient words bit by bit, and the speed of `classify --explain`.

    Example: textcnn benchmark reasons DATA MODELS --sets trec --speed none
    """
    from textcnn.benchmark.reasons import reasons_benchmark, to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    timed = () if speed_sets == "none" else split_list("--speed", speed_sets, str, "names") or ()
    document = reasons_benchmark(
        data,
        models,
        split_list("--sets", sets, str, "names") or (),
        reporter(),
        num_texts=num_texts,
        speed_sets=timed,
        output=output,
        arguments=sys.argv[1:],
    )
    if table is not None:
        write_text(table, to_markdown(document))
    print(to_markdown(document), end="")
