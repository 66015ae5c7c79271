"""The strongest n-grams that texts really hold, with how often and under which labels they stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.explain.phrases import check_labels
from textcnn.explain.winners import WinningNgrams, winning_ngrams
from textcnn.inference.lookup import LookupModel
from textcnn.text.pipeline import EncodedTexts


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
