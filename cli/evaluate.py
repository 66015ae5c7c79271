"""Implements `textcnn evaluate`, which measures a model on labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from textcnn_cli import console, options


def evaluate(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts: a file, a folder per class, a hub id")],
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    label_separator: options.LabelSeparator = None,
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    report: options.Report = None,
    json: options.Json = False,
) -> None:
    """Measure a model on labelled texts: accuracy, F1, calibration, and each label."""
    from textcnn.evaluation.drift import drift
    from textcnn.folder.config_json import read_json
    from textcnn.folder.model_folder import TRAINING
    from textcnn.prediction.predictor import Predictor
    from textcnn.reading.rows import read_examples

    if report is not None:
        from textcnn.report import check_report

        check_report(report, Path(model))
    predictor = Predictor.load(model)
    how: dict[str, Any] = {"label_separator": label_separator, "quotes": quotes, "escape": escape}
    config = options.data_config(text_column, label_column, format, encoding, **how)
    examples = read_examples(data, config, like=predictor.schema)
    console.say_what_was_read(examples)
    unseen = sorted({label for row in examples.labels for label in row} - set(predictor.labels.names))
    if unseen:
        console.say(f"warning: labels unseen in training count as wrong: {', '.join(map(repr, unseen))}")
    inputs = predictor.text_inputs()
    encoded = inputs.encode(examples.texts)
    if cut := int(inputs.cut_rows(encoded).sum()):
        console.say(f"note: {cut:,} of {len(encoded):,} texts are cut after {inputs.max_length} tokens")
    training = read_json(Path(model) / TRAINING).get("data", {})
    for sentence in drift(training, int(inputs.is_unknown(encoded).sum()), len(encoded.ids), examples.labels):
        console.say(f"warning: {sentence}")
    if report is not None:
        console.write_report(predictor, Path(model), examples, report)
    render(predictor.score(encoded, examples.labels), json)


def render(scores: dict[str, Any], json: bool) -> None:
    """Print metrics as one JSON document, or as a line and a table by label."""
    if json:
        console.write_json(scores)
        return
    print(console.scores_line(scores))
    rows = [
        [name, *(f"{entry[key]:.4f}" for key in ("precision", "recall", "f1")), f"{entry['support']:,}"]
        for name, entry in scores["per_label"].items()
    ]
    console.write_table(["label", "precision", "recall", "F1", "rows"], rows)
