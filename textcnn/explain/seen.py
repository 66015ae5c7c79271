"""The strongest n-grams that texts really hold, with how often and under which labels they stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from textcnn.explain.phrases import check_labels
from textcnn.explain.winners import find_winners
from textcnn.inference.lookup import LookupModel


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
    won = find_winners(model, encoded)
    windows, index = np.unique(won.windows, axis=0, return_inverse=True)
    index = index.reshape(-1)
    support = np.bincount(index, minlength=len(windows))
    names = [*model.inputs.tokenizer.types(), *encoded.unseen.names]

    def phrase(window: int, contribution: float) -> SeenPhrase:
        words = " ".join(names[k] for k in windows[window].tolist() if k >= 0)
        held = Counter(label for text in won.texts[index == window].tolist() for label in truth[text])
        return SeenPhrase(words, contribution, int(support[window]), dict(sorted(held.items())))

    pages = []
    for name in model.labels.names if labels is None else labels:
        column = won.contributions[:, model.labels.names.index(name)]
        mean = np.bincount(index, column, minlength=len(windows)) / np.maximum(support, 1)
        ends = []
        for sign in (1, -1):
            values = np.where(support >= min_support, sign * mean, 0)
            order = np.argsort(-values, kind="stable")[:top]
            ends.append([phrase(k, float(mean[k])) for k in order.tolist() if values[k] > 0])
        pages.append(SeenPage(name, *ends))
    return pages
