"""Implements `textcnn drift`, which tells whether texts have moved since training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from textcnn_cli import console, options

if TYPE_CHECKING:
    from textcnn.evaluation.two_samples import Change
    from textcnn.prediction.drift import Drift


def drift(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="later texts, with or without labels: a file, a folder")],
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="FILE", help="texts to compare with in the place of what training stored"),
    ] = None,
    error: Annotated[
        float, typer.Option("--error", metavar="P", help="probability that anything is said to have moved by chance")
    ] = 0.05,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    label_separator: options.LabelSeparator = None,
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    json: options.Json = False,
) -> None:
    """Tell whether words, the mix of labels, confidence and evidence of texts have moved since training.

    Example: textcnn drift model last-week.jsonl
    """
    from textcnn.prediction.drift import measure_drift
    from textcnn.prediction.predictor import Predictor

    predictor = Predictor.load(model)
    how: dict[str, Any] = {"label_separator": label_separator, "quotes": quotes, "escape": escape}
    read = _Reader(options.data_config(text_column, label_column, format, encoding, **how), predictor)
    later = read(data)
    found = measure_drift(model, predictor, *later, against=None if against is None else read(against), error=error)
    if json:
        console.write_json(found.to_dict())
    else:
        _render(found)


class _Reader:
    """Reads texts, and their labels where there are any."""

    def __init__(self, config: Any, predictor: Any) -> None:
        self._config, self._schema = config, predictor.schema

    def __call__(self, source: str) -> tuple[list[str], list[tuple[str, ...]] | None]:
        """Return the texts and their labels; none: they have none."""
        from textcnn.reading.rows import open_rows

        rows = open_rows(source, self._config, labels="optional", like=self._schema)
        texts, labels = [], []
        for row in rows:
            texts.append(row.text)
            labels.append(row.labels)
        console.say(rows.describe())
        known = [row for row in labels if row is not None]
        return texts, known if known and len(known) == len(texts) else None


def _render(found: Drift) -> None:
    comparison = found.comparison
    before, after = comparison.rows
    moved = comparison.moved()
    print(f"{after:,} texts against {before:,}: " + (f"moved: {', '.join(moved)}" if moved else "nothing has moved"))
    level = f"{1 - comparison.error:.0%}"
    if comparison.words:
        print(f"words and n-grams, share of the texts (intervals that hold together, {level}):")
        _table(comparison.words, percent=True)
    if comparison.kind:
        kinds = {"true": "labels", "given": "labels that the model gives"}
        print(f"{kinds[comparison.kind]}, share of the texts:")
        changed = [change for change in comparison.labels if change.moved]
        _table(changed or comparison.labels[:5], percent=True)
    values = [*comparison.confidence, *comparison.evidence]
    if values:
        print("confidence and evidence, mean of the texts:")
        _table(values, percent=False)
    else:
        print("confidence and evidence are not compared: no answers to held-out rows, or several labels a row")
    if found.unknown_words:
        words = ", ".join(f"{word} ({count:,})" for word, count in found.unknown_words)
        print(f"most frequent words that the vocabulary lacks: {words}")


def _table(changes: list[Change], *, percent: bool) -> None:
    def number(value: float) -> str:
        return f"{100 * value:.2f} %" if percent else f"{value:.3f}"

    rows = [
        [
            *(change.name, number(change.before), number(change.after)),
            f"{number(change.low)} to {number(change.high)}",
            "moved" if change.moved else "",
        ]
        for change in changes
    ]
    console.write_table(["", "before", "after", "difference", ""], rows)
