"""`textcnn classify`: one answer a row, in order."""

from __future__ import annotations

import os
from collections import Counter
from typing import Annotated

import typer

from textcnn.errors import ConfigError
from textcnn_cli import console, options


def classify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="folder that `train` wrote")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="texts to classify")] = None,
    input: Annotated[
        str | None, typer.Option("--input", "-i", help="file of texts; - reads stdin, a text a line")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", help="a .jsonl, .csv, .tsv or .parquet file; - writes JSON lines to stdout")
    ] = "-",
    text_column: options.TextColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="list that many labels a row")] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=0, max=1, help="give labels from this probability (multi-label)")
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="name training rows that hold what decided; flag texts without any")
    ] = False,
    abstain_label: Annotated[
        str | None, typer.Option("--abstain-label", metavar="NAME", help="the label of texts without evidence")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="float32, or int8: integer logits, and rows say if they are certified")
    ] = "float32",
) -> None:
    """Classify texts; every input row gives one output row, with its other columns carried through.

    Example: textcnn classify model "what a film" --top-k 2
    """
    if bool(texts) == (input is not None):
        raise ConfigError("classify expects texts or --input, and not both; e.g. textcnn classify MODEL 'a text'")
    if input is not None and os.path.exists(input) and os.path.exists(output) and os.path.samefile(input, output):
        raise ConfigError(f"--output is the file that is read, {output!r}; choose another")
    from textcnn.inference.answers import classify_rows
    from textcnn.inference.predictor import Predictor
    from textcnn.inference.writing import write_rows
    from textcnn.text.reading import open_rows

    predictor = Predictor.load(model, precision=precision)
    console.detail(f"runtime: {predictor.runtime.describe()}")
    data = options.data_config(text_column, None, format, encoding)
    rows = open_rows(list(texts) if texts else input, data, labels="ignored")
    counts: Counter[str] = Counter()
    answers = classify_rows(
        predictor, rows, text_columns=rows.text_columns, top_k=top_k, threshold=threshold, counts=counts
    )
    if evidence or abstain_label is not None:
        from textcnn.explain.evidence import load_evidence, with_evidence

        answers = with_evidence(*load_evidence(model), answers, abstain=abstain_label)
    write_rows(answers, output)
    for warning in rows.warnings():
        console.say(f"note: {warning}")
    console.say(_summary(counts, predictor.text_inputs().max_length))


def _summary(counts: Counter[str], max_length: int | None) -> str:
    parts = [f"classified {counts['rows']:,} rows"]
    if counts["empty"]:
        parts.append(f"{counts['empty']:,} without a token")
    if counts["cut"]:
        parts.append(f"{counts['cut']:,} cut after {max_length} tokens")
    if counts["unknown"]:
        parts.append(f"{counts['unknown'] / counts['tokens']:.1%} of the words unknown")
    return ", ".join(parts)
