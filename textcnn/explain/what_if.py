"""Answers what-if questions as JSON values: how deleting or replacing each word of a text changes its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import ConfigError, DataError
from textcnn.explain.counterfactuals import Array, Variants
from textcnn.explain.sufficient_words import Decision
from textcnn.prediction.predictor import Predictor
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.tokenizer import PAD, UNKNOWN

NEAREST = 5  # replacements listed for each word


class WhatIf:
    """Computes the effect of deleting or replacing words of a text, exactly, for one model.

    Args:
        predictor: a one-layer text model.

    Raises:
        ConfigError: the model has more than one layer, or was loaded with precision int8.
    """

    def __init__(self, predictor: Predictor) -> None:
        inputs, model = predictor.text_inputs(), predictor.lookup()
        if model is None:
            raise ConfigError("what-if needs a one-layer model (architecture kim or bag), whose scores are sums")
        self._model, self._inputs = model, inputs
        self._spans = inputs.tokenizer.spans
        types = inputs.tokenizer.types()
        self._types = np.array([k for k, name in enumerate(types) if name not in ("", PAD, UNKNOWN)], np.int64)
        self._names = types

    def without_each(self, text: str) -> dict[str, Any]:
        """Return the label of the text without each of its words (tokens), the largest loss of probability first.

        ``certified`` says that no single deletion changes the label; ``flips`` are the deletions that do.
        """
        variants, decision, probs = self._start(self._inputs.encode([text]))
        logits = variants.without_each()
        changed = self._changed(decision, logits)
        deletions = [{**place, **after} for place, after in zip(self._places(text), changed, strict=True)]
        deletions.sort(key=lambda entry: entry["probability"])
        flips = [entry for entry in deletions if entry["changed"]]
        return {**self._given(text, decision, probs), "certified": not flips, "flips": flips, "deletions": deletions}

    def replaced(self, text: str, words: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
        """Return the label of the text with one of its words replaced by another.

        Args:
            text: the text.
            words: the replacements allowed for each word, as the tokenizer normalizes words (by default to lower
                case). None: every word of the vocabulary may replace every word.

        Returns:
            For each word that may be replaced, the number of replacements tried, the number that change the label, and
            those that come nearest to that. ``certified`` says that none changes it.
        """
        encoded = self._inputs.encode([text])
        variants, decision, probs = self._start(encoded)
        names = [self._name(int(type_id), encoded.unseen) for type_id in encoded.ids]
        replacements = []
        for place, where in enumerate(self._places(text)):
            tried, types, unseen = self._candidates(names[place], words)
            if not tried:
                continue
            logits = variants.with_each(place, types, unseen)
            flips = ~decision.keeps(logits)
            worst = np.argsort(decision.margins(logits), kind="stable")[:NEAREST]
            after = self._changed(decision, logits[worst])
            nearest = [{"word": tried[k], **one} for k, one in zip(worst.tolist(), after, strict=True)]
            replacements.append({**where, "tried": len(tried), "flips": int(flips.sum()), "nearest": nearest})
        certified = not any(entry["flips"] for entry in replacements)
        return {**self._given(text, decision, probs), "certified": certified, "replacements": replacements}

    def _start(self, encoded: EncodedTexts) -> tuple[Variants, Decision, Array]:
        variants = Variants(self._model, encoded.ids, encoded.unseen)
        logits = variants.logits()
        decision = Decision(self._model, logits)
        return variants, decision, decision.probabilities(logits[None])[0]

    def _given(self, text: str, decision: Decision, probs: Array) -> dict[str, Any]:
        given: dict[str, Any] = {"text": text, "label": self._model.labels.names[decision.label]}
        given["probability"] = float(probs[decision.label])
        if self._model.labels.multi_label:
            given["labels"] = list(decision.labels)
        return given

    def _changed(self, decision: Decision, logits: Array) -> Iterator[dict[str, Any]]:
        """Yield for each variant its label or labels, the probability of the text's label, and whether it changed."""
        probs, multi_label = decision.probabilities(logits), self._model.labels.multi_label
        for row, names, kept in zip(probs, decision.names(logits), decision.keeps(logits).tolist(), strict=True):
            after = {"labels": list(names)} if multi_label else {"label": names[0]}
            yield {**after, "probability": float(row[decision.label]), "changed": not kept}

    def _places(self, text: str) -> list[dict[str, Any]]:
        return [{"word": text[start:end], "start": start, "end": end} for start, end in self._spans(text)]

    def _candidates(
        self, name: str, words: Mapping[str, Sequence[str]] | None
    ) -> tuple[list[str], Array, Unseen | None]:
        if words is None:
            return [self._names[k] for k in self._types.tolist()], self._types, None
        listed = [word for word in words.get(name, ()) if word != name]
        encoded = self._inputs.encode(listed)
        if long := [word for word, n in zip(listed, encoded.lengths.tolist(), strict=True) if n != 1]:
            raise DataError(f"expected words of one token to put in the place of {name!r}, got {long[0]!r}")
        return listed, encoded.ids, encoded.unseen

    def _name(self, type_id: int, unseen: Unseen) -> str:
        return self._names[type_id] if type_id < len(self._names) else unseen.names[type_id - len(self._names)]


def read_synonyms(path: Path) -> dict[str, list[str]]:
    """Read the allowed replacements of words from a file of lines ``word other other ...``.

    Raises:
        DataError: the file cannot be read, or a line has a single word.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(
            f"expected a file of lines `word other other`, but it cannot be read: {err}", path=path
        ) from err
    words: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        first, *others = line.split() or [""]
        if first and not others:
            raise DataError(f"expected a word and the words it may become, got {line!r}", path=path, line=number)
        if first:
            words.setdefault(first, []).extend(others)
    return words
