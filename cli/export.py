"""Implements `textcnn export`, which writes a model in another format or compresses it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from textcnn.config import DataConfig, describe
from textcnn.errors import ConfigError
from textcnn.folder.model_folder import require_writable
from textcnn_cli import console, options

FORMATS = ("onnx", "tables")


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="model folder of `train`")],
    output: Annotated[Path, typer.Option("-o", "--output", help="file to write; with --max-size, a model folder")],
    format: Annotated[str | None, typer.Option("--format", help=f"export format: {' or '.join(FORMATS)}")] = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="compress the model to a folder of this size at most, e.g. 2M"),
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="precision of --format tables: float32, or int8 with integer logits")
    ] = "float32",
    data: Annotated[
        str | None, typer.Option("--data", help="with --max-size: labelled texts to measure the loss of accuracy on")
    ] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    data_format: Annotated[str, typer.Option("--data-format", help=describe(DataConfig, "format"))] = "auto",
    encoding: options.Encoding = "utf-8",
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    label_separator: options.LabelSeparator = None,
) -> None:
    """Export a model to another format, or compress it to a given size.

    onnx: a graph from token ids (or pixels) to logits, with the tokenizer in a second file. tables: all that a
    one-layer model needs in a browser or a C program, with textcnn.js and textcnn.wasm to read it in a page.

    Example: textcnn export model --format onnx -o model.onnx
    """
    if (format is None) == (max_size is None):
        raise ConfigError(
            f"expected --format ({' or '.join(FORMATS)}) or --max-size, got {'neither' if format is None else 'both'}"
        )
    if max_size is not None:
        columns = text_column, label_column
        reading = options.data_config(
            *columns, data_format, encoding, label_separator=label_separator, quotes=quotes, escape=escape
        )
        _smaller(model, output, max_size, data, reading)
        return
    if format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if format == "tables":
        _tables(model, output, precision)
    elif precision != "float32":
        raise ConfigError(f"--precision is for --format tables, got {precision!r} with --format {format}")
    else:
        _onnx(model, output)


def _onnx(model: str, output: Path) -> None:
    from textcnn.export.onnx_file import write_onnx
    from textcnn.prediction.artifact import load_artifact

    found = write_onnx(load_artifact(model), output)
    tokenizer = "" if found.tokenizer is None else f" and {found.tokenizer.name}"
    console.say(
        f"wrote {found.path}{tokenizer}: {found.path.stat().st_size:,} bytes, inputs {', '.join(found.inputs)}; "
        f"logits within {found.difference:.1g} of the model's on a sample"
    )


def _tables(model: str, output: Path, precision: str) -> None:
    from textcnn.export.tables import write_tables
    from textcnn.runtime.lookup import LookupModel

    found = write_tables(LookupModel.load(model, precision=precision), output)
    readers = f"{found.loader.name} and {found.reader.name}"
    console.say(f"wrote {found.path}, {found.path.stat().st_size:,} bytes, and {readers}, which read it")


def _smaller(model: str, output: Path, max_size: str, data: str | None, how: DataConfig) -> None:
    """Write a compressed model, and print the guaranteed bound on its logits and the loss measured on the data."""
    from textcnn.config_types import parse_size
    from textcnn.export.compress import folder_bytes, shrunk
    from textcnn.export.error_bound import measured
    from textcnn.prediction.artifact import load_artifact
    from textcnn.reading.rows import read_examples

    most = parse_size("max-size", max_size)
    artifact = load_artifact(model)
    require_writable(output)
    examples = None if data is None else read_examples(data, how, like=artifact.schema)
    smaller = shrunk(artifact, most)
    bound = smaller.bound(artifact)
    smaller.artifact.save(output)
    print(f"{output}: {folder_bytes(smaller.artifact):,} bytes; {model} has {folder_bytes(artifact):,}")
    print(f"given up: {'; '.join(smaller.steps) or 'nothing'}")
    fixed, wide = bound.fixed.max(), bound.wide.max()
    more = f", and {wide:.2g} times the root of the number of its word n-grams" if wide else ""
    print(f"guaranteed: in a text of kept words and word n-grams no logit moves by more than {fixed:.3g}{more}")
    if examples is None:
        print("measured: nothing, for no --data were given")
        return
    loss = measured(artifact.lookup(), smaller.lookup(), bound, examples.texts, examples.labels)
    print(f"measured on {data}, {loss.num_texts:,} texts:")
    for name in ("accuracy", "macro_f1"):
        print(f"  {name.replace('_', ' ')} {loss.before[name]:.4f} -> {loss.after[name]:.4f}")
    print(f"  labels changed: {loss.changed:,}; largest move of a logit: {loss.largest:.3g}")
    print(
        f"  texts of kept words and word n-grams: {loss.whole:,}; by the guarantee, labels unchanged: {loss.proved:,}"
    )
