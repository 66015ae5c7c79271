"""Lists the strongest n-grams of a one-layer model, over its whole vocabulary or as observed in texts."""

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

HIDDEN = 4  # a blinded model is searched this many times deeper, since blinded phrases are skipped; lists may be short


@dataclass(frozen=True)
class Phrase:
    """An n-gram and the largest contribution to a logit that it can have.

    Attributes:
        text: its words, as the tokenizer normalizes them, separated by blanks.
        contribution: the contribution to the logit, negative if against the label.
        at: the end of the text that the n-gram's window reaches over: ``start``, ``end``, or ``whole`` for a text of
            these words alone; none: the n-gram counts anywhere.
    """

    text: str
    contribution: float
    at: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the phrase as JSON values, without ``at`` if that is none."""
        return {"text": self.text, "contribution": self.contribution, **({"at": self.at} if self.at else {})}


@dataclass(frozen=True)
class Page:
    """The strongest n-grams for and against one label, each list sorted by strength.

    Attributes:
        label: the name of the label.
        filters: the n-grams of the filters for the label, and those against it.
        mean: words for and against it, by their contribution through the mean of the word vectors.
        wide: words and pairs of words for and against it, in the wide branch.
    """

    label: str
    filters: tuple[list[Phrase], list[Phrase]]
    mean: tuple[list[Phrase], list[Phrase]]
    wide: tuple[list[Phrase], list[Phrase]]

    def to_dict(self) -> dict[str, Any]:
        """Return the page as JSON values: ``{label, filters: {for, against}, mean: ..., wide: ...}``."""
        return {"label": self.label, **{name: _sides(getattr(self, name)) for name in ("filters", "mean", "wide")}}


def phrase_book(
    model: LookupModel, *, top: int = 10, labels: Sequence[str] | None = None, per_filter: int | None = None
) -> list[Page]:
    """Return the exact ``top`` n-grams for and against each label, among all n-grams without a blinded word.

    Args:
        model: a model of precision float32.
        top: the largest length of each list.
        labels: labels of the model; none: all of them.
        per_filter: the largest number of n-grams per filter, since those of one filter are similar. None: no limit.

    Raises:
        ConfigError: the model has no such label, or its precision is not float32.
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
    """Check that the model has these labels, and is one of labels.

    Raises:
        ConfigError: the model lacks a label.
    """
    model.labels.require_labels("phrases")
    for name in labels or ():
        if name not in model.labels.names:
            known = ", ".join(map(repr, model.labels.names))
            raise ConfigError(f"expected a label of the model ({known}), got {name!r}")


def _sides(lists: tuple[list[Phrase], list[Phrase]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [phrase.to_dict() for phrase in side] for name, side in zip(("for", "against"), lists, strict=True)}


def _ends(phrases: Sequence[Phrase], top: int) -> tuple[list[Phrase], list[Phrase]]:
    """Return the phrases with the largest and with the smallest contributions, without duplicates."""
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
    """Return the types that can occur in a text: neither padding nor a blinded word."""
    hidden = np.array([name in ("", PAD) for name in names], np.bool_)
    if model.inputs.blinding is not None:
        hidden[model.inputs.blinding.types] = True
    return np.flatnonzero(~hidden)


def _words_of_mean(
    shares: Doubles, types: Integers, names: Sequence[str], top: int
) -> tuple[list[Phrase], list[Phrase]]:
    return _strongest(shares, lambda k: [names[int(types[k])]], lambda words: False, top)


def _wide_ngrams(model: LookupModel, label: int, names: Sequence[str], top: int) -> tuple[list[Phrase], list[Phrase]]:
    """Return the n-grams of the wide branch with the largest and the smallest weights for a label."""
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
    """Return phrases of the largest and the smallest of ``values (n,)``; only those listed are converted to words."""
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
    """An n-gram that wins filters in given texts.

    Attributes:
        text: its words, separated by blanks.
        contribution: the contribution of the filters it wins to the logit, averaged over the texts where it wins one.
        support: the number of these texts.
        labels: the number of these texts with each label.
    """

    text: str
    contribution: float
    support: int
    labels: dict[str, int]


@dataclass(frozen=True)
class SeenPage:
    """The strongest observed n-grams for and against a label."""

    label: str
    strongest: list[SeenPhrase]
    weakest: list[SeenPhrase]

    def to_dict(self) -> dict[str, Any]:
        """Return the page as JSON values: ``{label, for, against}``."""
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
    """Return, for each label, the ``top`` n-grams for and against it that win filters in ``min_support`` texts.

    Raises:
        ConfigError: the model has no such label.
    """
    check_labels(model, labels)
    encoded = model.inputs.encode(texts)
    won = winning_ngrams(model, encoded)
    ngrams, index = np.unique(_types_of(won, encoded), axis=0, return_inverse=True)
    index = index.reshape(-1)
    wins = np.unique(np.stack([index, won.texts]), axis=1)  # (2, P): an n-gram may win twice in a text
    support = np.bincount(wins[0], minlength=len(ngrams))
    names = [*model.inputs.tokenizer.types(), *encoded.unseen.names]

    def phrase(ngram: int, contribution: float) -> SeenPhrase:
        words = " ".join(names[k] for k in ngrams[ngram].tolist() if k >= 0)
        counts = Counter(label for text in wins[1, wins[0] == ngram].tolist() for label in truth[text])
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
    """Return the types ``(M, H)`` of every n-gram, padded with -1."""
    lengths = won.last - won.first
    types = np.full((len(lengths), int(lengths.max(initial=0))), -1, np.int32)
    for i in range(types.shape[1]):
        longer = lengths > i
        types[longer, i] = encoded.ids[won.first[longer] + i]
    return types


LISTS = ("filters", "mean", "wide")


def difference(first: list[Page], second: list[Page]) -> list[dict[str, Any]]:
    """Compare two phrase books: for each label of both, all n-grams that either book lists.

    Each entry has ``text`` and the contributions ``first`` and ``second``, none where the book does not list it. They
    are sorted by the difference of the contributions, where none counts as 0.
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
