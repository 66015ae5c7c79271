"""Implements `textcnn explain`, which shows the full explanation of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from textcnn_cli import console, options

if TYPE_CHECKING:
    from rich.text import Text

    from textcnn.explain.entries import Entry, Explanation

Command = options.WithTexts
SHOWN = 20  # n-grams listed in the table


def explain(
    model: options.Model,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="texts to explain")],
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="NAME", help="label whose logit to explain; may be repeated")
    ] = None,
    all_labels: Annotated[bool, typer.Option("--all", help="explain the logits of all labels")] = False,
    json: options.Json = False,
) -> None:
    """Show the contributions of the bias, of each n-gram and of each word to the logit of the predicted label.

    Example: textcnn explain model "what a film"
    """
    from textcnn.prediction.predictor import Predictor

    predictor = Predictor.load(model)
    found = predictor.explain(texts, labels="all" if all_labels else labels or "predicted")
    if json:
        console.write_json([{"text": text, "explanation": why} for text, why in zip(texts, found, strict=True)])
        return
    for text, why in zip(texts, found, strict=True):
        some: list[Explanation] = why if isinstance(why, list) else [why]  # type: ignore[list-item]
        for one in some:
            _show(text, one)


def _show(text: str, why: Explanation) -> None:
    """Print the text with words coloured by contribution (green for the label, red against), and a table of terms."""
    from rich.console import Console

    screen = Console(markup=False, emoji=False, highlight=False)
    screen.print(_coloured(text, why))
    rows = [("bias", f"{why['bias']:+.3f}")]
    entries = why["ngrams"] or why["words"]
    rows += _rows("", entries)
    for term in why["other"]:
        rows.append((term["name"], f"{term['contribution']:+.3f}"))
        if term["name"] == "wide":
            rows += _rows("  of it ", term.get("terms", []))
    rows.append(("sum: the logit", f"{why['logit']:+.3f}"))
    title = why["label"] if "approximate" not in why else f"{why['label']} (approximate: {why['approximate']})"
    console.write_table([title, "adds"], rows)


def _coloured(text: str, why: Explanation) -> Text:
    from rich.text import Text

    shown = Text(text)
    amounts = _amounts(why)
    top = max(map(abs, amounts.values()), default=0) or 1
    for (start, end), amount in amounts.items():
        level = round(55 + 200 * abs(amount) / top)
        colour = f"rgb(0,{level},0)" if amount > 0 else f"rgb({level},0,0)"
        if amount:
            shown.stylize(f"bold {colour}" if abs(amount) > top / 2 else colour, start, end)
    return shown


def _amounts(why: Explanation) -> dict[tuple[int, int], float]:
    """Return the contribution of each word through all parts of the model; that of a pair is divided equally."""
    amounts = {(entry["start"], entry["end"]): entry["contribution"] for entry in why["words"]}
    words = sorted(amounts)
    for entry in (entry for term in why["other"] for entry in term.get("terms", [])):
        inside = [word for word in words if entry["start"] <= word[0] and word[1] <= entry["end"]]
        for word in inside:  # so that the colours add up to the same sum as the terms
            amounts[word] += entry["contribution"] / len(inside)
    return amounts


def _rows(before: str, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return table rows of the strongest entries, and one with the sum of the rest."""
    rows = [
        (f"{before}{' '.join(entry['text'].split())!r} at {entry['start']}", f"{entry['contribution']:+.3f}")
        for entry in entries[:SHOWN]
    ]
    if left := entries[SHOWN:]:
        rows.append((f"{before}{len(left):,} others", f"{sum(entry['contribution'] for entry in left):+.3f}"))
    return rows
