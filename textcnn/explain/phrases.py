"""The phrase book of a one-layer model: strongest n-grams of the vocabulary, and those seen in texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.explain.attribution import WinningNgrams, winning_ngrams
from textcnn.explain.top_windows import best_products, best_windows
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.tokenizer import PAD

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HIDDEN = 4  # how much further a blinded model is searched, for vetoed phrases are passed over; a list may end early


@dataclass(frozen=True)
class Phrase:
    """An n-gram and the most that it adds to a logit.

    Attributes:
        text: its words, as the tokenizer makes them, with blanks between them.
        contribution: below 0: it speaks against the label.
        at: where its window reaches over an end of the text: ``start``, ``end``, or ``whole`` for a text of these words
            alone; none: it counts anywhere.
    """

    text: str
    contribution: float
    at: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; ``at`` only where there is one."""
        return {"text": self.text, "contribution": self.contribution, **({"at": self.at} if self.at else {})}


@dataclass(frozen=True)
class Page:
    """What the model answers to most for one label; each list is strongest first, and ends where nothing is left.

    Attributes:
        label: its name.
        filters: n-grams of the filters that speak for it, and those that speak against it, behind them.
        mean: words, by what they add through the mean of the word vectors.
        wide: words and pairs of words of the wide branch.
    """

    label: str
    filters: tuple[list[Phrase], list[Phrase]]
    mean: tuple[list[Phrase], list[Phrase]]
    wide: tuple[list[Phrase], list[Phrase]]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: ``{label, filters: {for, against}, mean: ..., wide: ...}``."""
        return {"label": self.label, **{name: _sides(getattr(self, name)) for name in ("filters", "mean", "wide")}}


def phrase_book(
    model: LookupModel, *, top: int = 10, labels: Sequence[str] | None = None, per_filter: int | None = None
) -> list[Page]:
    """The ``top`` n-grams for and against every label, or ``labels``, exactly; blinded words are not among them.

    Args:
        model: loaded with precision float32.
        top: length of each list, at most.
        labels: some of the model's; none: all of them.
        per_filter: n-grams of one filter, at most; those of one are much alike. None: as many as are in a list.

    Raises:
        ConfigError: the model has no such label, or was loaded with another precision than float32.
    """
    check_labels(model, labels)
    if model.precision != "float32":
        raise ConfigError(f"a phrase book needs precision 'float32', this model was loaded with {model.precision!r}")
    names = model.inputs.tokenizer.types()
    types = _readable(model, names)
    best, means = best_products(model, types, top * (HIDDEN if model.inputs.blinded else 1))
    found = best_windows(model, names, best, min(top, per_filter or top))
    pages = []
    for name in model.labels.names if labels is None else labels:
        label = model.labels.names.index(name)
        windows = [
            Phrase(text, float(activation * model.model.filters.head[f, label]), at)
            for f, text, at, activation in found
        ]
        words = _words_of_mean(means[:, label], types, names, top) if model.model.means is not None else ([], [])
        pages.append(Page(name, _ends(windows, top), words, _wide_ngrams(model, label, names, top)))
    return pages


def check_labels(model: LookupModel, labels: Sequence[str] | None) -> None:
    """Whether the model has these labels.

    Raises:
        ConfigError: it has not.
    """
    for name in labels or ():
        if name not in model.labels.names:
            known = ", ".join(map(repr, model.labels.names))
            raise ConfigError(f"expected a label of the model ({known}), got {name!r}")


def _sides(lists: tuple[list[Phrase], list[Phrase]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [phrase.to_dict() for phrase in side] for name, side in zip(("for", "against"), lists, strict=True)}


def _ends(phrases: Sequence[Phrase], top: int) -> tuple[list[Phrase], list[Phrase]]:
    """The largest and the least, each text once."""
    ends: list[list[Phrase]] = []
    for sign in (1, -1):
        kept: dict[tuple[str, str | None], Phrase] = {}
        for phrase in sorted(phrases, key=lambda phrase: (-sign * phrase.contribution, phrase.text)):
            if sign * phrase.contribution <= 0 or len(kept) == top:
                break
            kept.setdefault((phrase.text, phrase.at), phrase)
        ends.append(list(kept.values()))
    return ends[0], ends[1]


def _readable(model: LookupModel, names: Sequence[str]) -> Integers:
    """Types that a text can give: not the padding, no blinded word."""
    hidden = np.array([name in ("", PAD) for name in names], np.bool_)
    if model.inputs.blinding is not None:
        hidden[model.inputs.blinding.types] = True
    return np.flatnonzero(~hidden)


def _words_of_mean(
    shares: Doubles, types: Integers, names: Sequence[str], top: int
) -> tuple[list[Phrase], list[Phrase]]:
    return _strongest(shares, lambda k: [names[int(types[k])]], lambda words: False, top)


def _wide_ngrams(model: LookupModel, label: int, names: Sequence[str], top: int) -> tuple[list[Phrase], list[Phrase]]:
    """The n-grams of the wide branch, by their weights."""
    table, features, blinding = model.model.table, model.model.features, model.inputs.blinding
    if table is None or features is None:
        return [], []

    def words(row: int) -> list[str]:
        key = int(features.keys[row])
        both = (key >> 32) - 1, key & 0xFFFFFFFF
        return [names[k] for k in both if k >= 0]

    weights = model.model.scale * np.asarray(table[:, label], np.float64)
    return _strongest(weights, words, lambda found: blinding is not None and blinding.holds(found), top)


def _strongest(
    values: Doubles, words: Callable[[int], list[str]], hidden: Callable[[list[str]], bool], top: int
) -> tuple[list[Phrase], list[Phrase]]:
    """The largest and the least of many ``values (n,)``, named only where they are listed."""
    ends: list[list[Phrase]] = []
    for sign in (1, -1):
        found: list[Phrase] = []
        for k in np.argsort(-sign * values, kind="stable").tolist():
            if sign * values[k] <= 0 or len(found) == top:
                break
            if not hidden(named := words(k)):
                found.append(Phrase(" ".join(named), float(values[k])))
        ends.append(found)
    return ends[0], ends[1]


@dataclass(frozen=True)
class SeenPhrase:
    """An n-gram of the filters that texts hold.

    Attributes:
        text: its words with blanks between them.
        contribution: what the filters that it wins add to the logit, the mean over the texts where it wins one.
        support: the number of those texts.
        labels: how many of them have each label.
    """

    text: str
    contribution: float
    support: int
    labels: dict[str, int]


@dataclass(frozen=True)
class SeenPage:
    """The strongest seen n-grams for and against a label."""

    label: str
    strongest: list[SeenPhrase]
    weakest: list[SeenPhrase]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: ``{label, for, against}``."""
        sides = {"for": self.strongest, "against": self.weakest}
        return {"label": self.label, **{side: [asdict(phrase) for phrase in found] for side, found in sides.items()}}


def seen_phrases(
    model: LookupModel,
    texts: Sequence[str],
    truth: Sequence[tuple[str, ...]],
    *,
    top: int = 10,
    labels: Sequence[str] | None = None,
    min_support: int = 2,
) -> list[SeenPage]:
    """For every label the ``top`` n-grams for it and against it that win a filter in ``min_support`` texts or more.

    Raises:
        ConfigError: the model has no such label.
    """
    check_labels(model, labels)
    encoded = model.inputs.encode(texts)
    won = winning_ngrams(model, encoded)
    ngrams, index = np.unique(_types_of(won, encoded), axis=0, return_inverse=True)
    index = index.reshape(-1)
    held = np.unique(np.stack([index, won.texts]), axis=1)  # (2, P): an n-gram may win twice in a text
    support = np.bincount(held[0], minlength=len(ngrams))
    names = [*model.inputs.tokenizer.types(), *encoded.unseen.names]

    def phrase(ngram: int, contribution: float) -> SeenPhrase:
        words = " ".join(names[k] for k in ngrams[ngram].tolist() if k >= 0)
        counts = Counter(label for text in held[1, held[0] == ngram].tolist() for label in truth[text])
        return SeenPhrase(words, contribution, int(support[ngram]), dict(sorted(counts.items())))

    pages = []
    for name in model.labels.names if labels is None else labels:
        column = won.contributions[:, model.labels.names.index(name)]
        mean = np.bincount(index, column, minlength=len(ngrams)) / np.maximum(support, 1)
        ends = []
        for sign in (1, -1):
            values = np.where(support >= min_support, sign * mean, 0)
            order = np.argsort(-values, kind="stable")[:top]
            ends.append([phrase(k, float(mean[k])) for k in order.tolist() if values[k] > 0])
        pages.append(SeenPage(name, *ends))
    return pages


def _types_of(won: WinningNgrams, encoded: EncodedTexts) -> npt.NDArray[np.int32]:
    """The types ``(M, H)`` of every n-gram; below 0 behind its last word."""
    lengths = won.last - won.first
    types = np.full((len(lengths), int(lengths.max(initial=0))), -1, np.int32)
    for i in range(types.shape[1]):
        held = lengths > i
        types[held, i] = encoded.ids[won.first[held] + i]
    return types


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
