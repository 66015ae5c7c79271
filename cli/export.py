"""`textcnn export`: a model in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textcnn.errors import ConfigError
from textcnn_cli import console

FORMATS = ("onnx", "tables")


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="folder that `train` wrote")],
    output: Annotated[Path, typer.Option("-o", "--output", help="file to write")],
    format: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))],
) -> None:
    """Write a model in another form.

    onnx: a graph from token ids (or pixels) to logits, and the tokenizer beside it. tables: what a one-layer model
    needs to answer in a browser, and textcnn.js, which does it.

    Example: textcnn export model --format onnx -o model.onnx
    """
    if format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    {"onnx": _onnx, "tables": _tables}[format](model, output)


def _onnx(model: str, output: Path) -> None:
    from textcnn.export.onnx_file import write_onnx
    from textcnn.inference.artifact import load_artifact

    found = write_onnx(load_artifact(model), output)
    beside = "" if found.tokenizer is None else f" and {found.tokenizer.name}"
    console.say(
        f"wrote {found.path}{beside}: {found.path.stat().st_size:,} bytes, inputs {', '.join(found.inputs)}; "
        f"logits within {found.difference:.1g} of the model's on a sample"
    )


def _tables(model: str, output: Path) -> None:
    from textcnn.export.tables import write_tables
    from textcnn.inference.lookup import LookupModel

    found = write_tables(LookupModel.load(model), output)
    console.say(f"wrote {found.path}, {found.path.stat().st_size:,} bytes, and {found.reader.name}, which reads it")
