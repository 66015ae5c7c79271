"""What two models answer to differently: their phrase books side by side, by the text of the n-gram."""

from __future__ import annotations

from typing import Any

from textcnn.explain.phrases import Page, Phrase

LISTS = ("filters", "mean", "wide")


def difference(first: list[Page], second: list[Page]) -> list[dict[str, Any]]:
    """For every label of both: the n-grams that one book lists and the other does not, and those of both.

    Each entry has ``text`` and ``first`` and ``second``, the contributions; what a book does not list has none. Those
    that differ most come first; what is listed once counts as 0 in the other book.
    """
    others = {page.label: page for page in second}
    return [
        {"label": page.label, **{name: _changes(page, others[page.label], name) for name in LISTS}}
        for page in first
        if page.label in others
    ]


def _changes(page: Page, other: Page, name: str) -> list[dict[str, Any]]:
    one, two = _contributions(getattr(page, name)), _contributions(getattr(other, name))
    entries = [
        {"text": text, **({"at": at} if at else {}), "first": one.get((text, at)), "second": two.get((text, at))}
        for text, at in {**one, **two}
    ]
    return sorted(entries, key=lambda entry: (-abs((entry["first"] or 0) - (entry["second"] or 0)), entry["text"]))


def _contributions(lists: tuple[list[Phrase], list[Phrase]]) -> dict[tuple[str, str | None], float]:
    return {(phrase.text, phrase.at): phrase.contribution for side in lists for phrase in side}
