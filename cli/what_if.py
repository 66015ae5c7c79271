"""Implements `textcnn what-if`, which deletes or replaces words of a text, or finds the words that are sufficient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textcnn.errors import ConfigError
from textcnn_cli import console, options

if TYPE_CHECKING:
    from textcnn.prediction.predictor import Predictor

Command = options.WithTexts


def what_if(
    model: options.Model,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="texts to examine")],
    synonyms: Annotated[
        Path | None,
        typer.Option("--synonyms", metavar="FILE", help="file of replacements to try, with lines `word other other`"),
    ] = None,
    vocabulary: Annotated[
        bool, typer.Option("--vocabulary", help="try every word of the vocabulary in the place of every word")
    ] = False,
    smallest: Annotated[
        bool, typer.Option("--smallest", help="find a small set of words that alone keeps the label")
    ] = False,
    json: options.Json = False,
) -> None:
    """Delete each word, or replace it by others, and show the new labels and whether any change flips the label.

    Example: textcnn what-if model "what a film"
    """
    from textcnn.explain.what_if import WhatIf, read_synonyms
    from textcnn.prediction.predictor import Predictor

    if (synonyms is not None) + vocabulary + smallest > 1:
        raise ConfigError("what-if expects one of --synonyms, --vocabulary and --smallest, got several; ask one by one")
    predictor = Predictor.load(model)
    ask = WhatIf(predictor)
    words = None if synonyms is None else read_synonyms(synonyms)
    for text in texts:
        if smallest:
            found = _smallest(predictor, text)
        elif vocabulary or words is not None:
            found = ask.replaced(text, words)
        else:
            found = ask.without_each(text)
        if json:
            console.write_json(found)
        else:
            _show(found)


def _smallest(predictor: Predictor, text: str) -> dict[str, Any]:
    from textcnn.explain.sufficient_words import Blanked

    model = predictor.lookup()
    assert model is not None
    shown = Blanked(model, model.inputs.encode([text]), 0).smallest()
    spans = model.inputs.tokenizer.spans(text)
    words = [
        {"word": text[start:end], "start": start, "end": end}
        for (start, end), kept in zip(spans, shown.tolist(), strict=True)
        if kept
    ]
    return {"text": text, "label": predictor.answer([text]).labels[0], "of": len(shown), "words": words}


def _show(found: dict[str, Any]) -> None:
    print(found["text"])
    if "words" in found:
        print(f"{len(found['words'])} of {found['of']} words are enough: {' '.join(w['word'] for w in found['words'])}")
        return
    given = " ".join(found["labels"]) or "no label" if "labels" in found else found["label"]
    print(f"given {given}; {found['label']} has probability {found['probability']:.3f}")
    if "deletions" in found:
        rows = [(entry["word"], _after(entry), f"{entry['probability']:.3f}") for entry in found["deletions"]]
        console.write_table(["without", "given", found["label"]], rows)
        print("no single deletion changes this" if found["certified"] else _flips(found["flips"]))
        return
    tried = [
        (
            entry["word"],
            f"{entry['tried']:,}",
            f"{entry['flips']:,}",
            near["word"],
            _after(near),
            f"{near['probability']:.3f}",
        )
        for entry in found["replacements"]
        for near in entry["nearest"][:1]
    ]
    console.write_table(["word", "tried", "that change it", "nearest", "given", found["label"]], tried)
    if found["certified"]:
        print("no single replacement that was tried changes this")


def _after(entry: dict[str, Any]) -> str:
    return " ".join(entry["labels"]) or "no label" if "labels" in entry else str(entry["label"])


def _flips(flips: list[dict[str, Any]]) -> str:
    return f"without it another answer: {', '.join(entry['word'] for entry in flips)}"
