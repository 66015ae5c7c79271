"""Implements `textcnn calibrate`, which fits the probabilities of a trained model to labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textcnn_cli import console, options


def calibrate(
    model: options.Model,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="labelled texts that the model was not trained on: a file, a folder")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="folder to write the model to; none: the model's own folder")
    ] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    label_separator: options.LabelSeparator = None,
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    json: options.Json = False,
) -> None:
    """Fit the probabilities of a model to labelled rows that it was not trained on; its weights stay as they are."""
    from textcnn.prediction.artifact import load_artifact
    from textcnn.reading.rows import read_examples
    from textcnn.runs.calibrate import calibrate_artifact

    artifact = load_artifact(model)
    how: dict[str, Any] = {"label_separator": label_separator, "quotes": quotes, "escape": escape}
    config = options.data_config(text_column, label_column, format, encoding, **how)
    examples = read_examples(data, config, like=artifact.schema)
    console.say_what_was_read(examples)
    console.warn_of_unseen(examples, artifact.labels, "do not count")
    calibration = calibrate_artifact(artifact, examples)
    folder = artifact.save(output or model)
    if json:
        facts = {"temperature": calibration.temperature, "wide_scale": calibration.scale, **calibration.facts}
        console.write_json({"artifact": str(folder), **facts, "thresholds": calibration.thresholds})
    else:
        print(calibration.describe())
        print(f"model: {folder}")
