"""Implements `textcnn calibrate`, which fits the probabilities of a trained model to labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textcnn.errors import ConfigError
from textcnn_cli import console, options


def calibrate(
    model: options.Model,
    data: Annotated[
        str | None,
        typer.Argument(metavar="[DATA]", help="labelled texts that the model was not trained on: a file, a folder"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="folder to write the model to; none: the model's own folder")
    ] = None,
    outliers: Annotated[
        str | None,
        typer.Option("--outliers", metavar="FILE", help="texts of no label, from which none_of_these learns"),
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
    """Fit the probabilities of a model to labelled rows that it was not trained on; its weights stay as they are.

    Example: textcnn calibrate model further.csv --outliers other-texts.txt
    """
    if data is None and outliers is None:
        raise ConfigError("calibrate expects DATA, --outliers, or both; e.g. textcnn calibrate MODEL further.csv")
    from textcnn.prediction.artifact import load_artifact
    from textcnn.reading.rows import open_rows, read_examples
    from textcnn.runs.calibrate import add_outliers, calibrate_artifact

    artifact = load_artifact(model)
    how: dict[str, Any] = {"label_separator": label_separator, "quotes": quotes, "escape": escape}
    config = options.data_config(text_column, label_column, format, encoding, **how)
    found: dict[str, Any] = {}
    told: list[str] = []
    if data is not None:
        examples = read_examples(data, config, like=artifact.schema)
        console.say_what_was_read(examples)
        console.warn_of_unseen(examples, artifact.labels, "do not count")
        calibration = calibrate_artifact(artifact, examples)
        told.append(calibration.describe())
        found = {"temperature": calibration.temperature, "wide_scale": calibration.scale}
        found |= {"character_scale": calibration.character_scale, **calibration.facts}
        found["thresholds"] = calibration.thresholds
    if outliers is not None:
        rows = open_rows(outliers, config, labels="ignored", like=artifact.schema)
        texts = [row.text for row in rows]
        add_outliers(artifact, texts)
        told.append(f"{len(texts):,} texts of no label, from which none_of_these learns")
        found["outliers"] = len(texts)
    folder = artifact.save(output or model)
    if json:
        console.write_json({"artifact": str(folder), **found})
    else:
        print("\n".join([*told, f"model: {folder}"]))
