"""Decides which documents are kept: by a probability or a number, by a share of all, or by the label of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor, isfinite
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import probabilities
from textcnn.filtering.shards import RESERVED
from textcnn.labels import Labels
from textcnn.runtime.text_model import Answering
from textcnn.tokenization.arrow_texts import ArrowTexts

Floats = npt.NDArray[np.float64]

_SIGN, _ALL = 1 << 63, (1 << 64) - 1
_DIGIT_BITS = 16  # of the bits of a float64, compared at once


@dataclass(frozen=True)
class Rule:
    """Decides which documents the filter writes.

    Attributes:
        keep: the label, or the node of a tree of labels, whose probability decides, or in regression the target whose
            number does; none: each document goes to the folder of its label.
        min_probability: the least probability of a kept document.
        keep_share: the share of documents that are kept, those with the largest probabilities, or numbers.
        min_score: the least number of a kept document, in regression.
        range: the ends of the histogram of scores; of a target, its least and largest number in training.
    """

    keep: str | None
    min_probability: float | None = None
    keep_share: float | None = None
    min_score: float | None = None
    range: tuple[float, float] = (0.0, 1.0)

    def of(self, labels: Labels) -> Rule:
        """Return the rule for a model, checked by :meth:`check`, with the range of its scores."""
        self.check(labels)
        if not labels.targets:
            return self
        target = labels.targets[labels.names.index(str(self.keep))]
        return replace(self, range=(target.low, target.high))

    @property
    def least(self) -> float:
        """The least score of a kept document, where no share decides."""
        return self.min_score if self.min_score is not None else self.min_probability or 0.0

    def check(self, labels: Labels) -> None:
        """Check that the parts of the rule fit together and to a model.

        Raises:
            ConfigError: they do not.
        """
        if labels.targets:
            self._check_numbers(labels)
            return
        if self.min_score is not None:
            raise ConfigError("--min-score is for models of numbers, and this one gives labels; use --min-probability")
        if self.keep is None:
            if labels.multi_label:
                raise ConfigError(
                    "--route puts each document into the folder of its one label, and this model gives several "
                    "(multi-label); use --keep"
                )
            folders = [folder_of(name) for name in labels.names]
            if taken := [name for name, folder in zip(labels.names, folders, strict=True) if folder in RESERVED]:
                raise ConfigError(
                    f"--route cannot make a folder {taken[0]!r}, a name of this command's own; use --keep"
                )
            return
        if self.keep not in labels.names and (labels.tree is None or self.keep not in labels.tree.nodes[1:]):
            listed = ", ".join(map(repr, labels.names[:10])) + (", ..." if len(labels) > 10 else "")
            raise ConfigError(f"--keep expects a label of the model ({listed}), got {self.keep!r}")
        if (self.min_probability is None) == (self.keep_share is None):
            raise ConfigError("--keep expects --min-probability or --keep-share, and not both")
        if self.min_probability is not None and not 0 <= self.min_probability <= 1:
            raise ConfigError(f"--min-probability expects a number from 0 to 1, got {self.min_probability!r}")
        if self.keep_share is not None and not 0 < self.keep_share < 1:
            raise ConfigError(f"--keep-share expects a number between 0 and 1, got {self.keep_share!r}")

    def _check_numbers(self, labels: Labels) -> None:
        listed = ", ".join(map(repr, labels.names))
        if self.keep is None:
            raise ConfigError(f"--route is for models of labels, and this one predicts numbers ({listed}); use --keep")
        if self.keep not in labels.names:
            raise ConfigError(f"--keep expects a number that the model predicts ({listed}), got {self.keep!r}")
        if self.min_probability is not None:
            raise ConfigError("--min-probability is for models of labels, this one predicts numbers; use --min-score")
        if (self.min_score is None) == (self.keep_share is None):
            raise ConfigError("--keep of a number expects --min-score or --keep-share, and not both")
        if self.min_score is not None and not isfinite(self.min_score):
            raise ConfigError(f"--min-score expects a finite number, got {self.min_score!r}")

    def settings(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        found = {"keep": self.keep, "min_probability": self.min_probability, "keep_share": self.keep_share}
        return found if self.min_score is None else {**found, "min_score": self.min_score}


def folder_of(label: str) -> str:
    """Return the name of a label's folder: the label, with characters that file systems refuse as %XX."""
    name = quote(label.encode("utf-8", "surrogateescape"), safe=" +,;=@()'!&#$[]{}^~")
    return f"%{ord(name[0]):02X}{name[1:]}" if name[:1] in (".", "_") else name or "%"


class Scores(NamedTuple):
    """The probabilities of N documents: of the rule's label, or of the most probable one, whose number is ``best``.

    In regression, the numbers of the rule's target.

    A document without a token has NaN, which no rule keeps.
    """

    values: Floats
    best: npt.NDArray[np.int64] | None = None


def score(predictor: Answering, texts: ArrowTexts, rule: Rule) -> Scores:
    """Return the scores of texts."""
    if not len(texts):
        return Scores(np.zeros(0), np.zeros(0, np.int64))
    found = predictor.measure(texts, predictor.own_thresholds)
    probs = probabilities(found.logits, predictor.labels, predictor.temperature)
    best = None if rule.keep is not None else probs.argmax(axis=1)
    values = probs[np.arange(len(probs)), best] if rule.keep is None else _of(rule.keep, probs, predictor.labels)
    values[found.empty] = np.nan
    return Scores(values, best)


def _of(name: str, probs: Floats, labels: Labels) -> Floats:
    """Return the probabilities ``(N,)`` of a label; in a tree those of the node of that name, with all below it."""
    if labels.tree is None:
        return probs[:, labels.names.index(name)].copy()
    return labels.tree.probabilities(probs, multi_label=labels.multi_label)[:, labels.tree.nodes.index(name)].copy()


@dataclass(frozen=True)
class Cut:
    """The least score of kept documents, and how many documents of each shard with just that score are among them.

    Attributes:
        threshold: documents with larger scores are kept.
        ties: by the name of a shard, the number of its documents with this very score that are kept, the first ones;
            none: all.
    """

    threshold: float
    ties: dict[str, int] | None = None

    def kept(self, values: Floats, ties_before: int, shard: str) -> npt.NDArray[np.bool_]:
        """Return which documents ``(N,)`` are kept, ``ties_before`` documents of the shard having had this score."""
        above, equal = values > self.threshold, values == self.threshold
        if self.ties is not None:
            equal &= ties_before + np.cumsum(equal) <= self.ties.get(shard, 0)
        return np.asarray(above | equal)


def num_kept(num_documents: int, share: float) -> int:
    """Return the number of documents that a share is: the nearest whole number, a half upwards."""
    return floor(num_documents * share + 0.5)


def quantile_cut(parts: dict[str, Floats], share: float) -> Cut:
    """Return the cut that keeps exactly the share of all scores; of equal ones the first, by shard and row.

    The score is found digit by digit, in a pass over all scores for each, so that mapped arrays stay in their files.

    Args:
        parts: the scores of each shard, in the order of the shards; NaN is not counted.
        share: the share of kept documents.
    """
    total = sum(int(np.count_nonzero(~np.isnan(values))) for values in parts.values())
    wanted = num_kept(total, share)
    if wanted == 0:
        return Cut(float("inf"), {})
    prefix, above = 0, 0  # the bits of the score found so far; the documents with larger scores
    for shift in range(64 - _DIGIT_BITS, -1, -_DIGIT_BITS):
        counts = np.zeros(2**_DIGIT_BITS, np.int64)
        for bits in _bits(parts.values()):
            if shift < 64 - _DIGIT_BITS:
                bits = bits[bits >> np.uint64(shift + _DIGIT_BITS) == np.uint64(prefix)]
            digits = (bits >> np.uint64(shift)) & np.uint64(2**_DIGIT_BITS - 1)
            counts += np.bincount(digits.astype(np.int64), minlength=2**_DIGIT_BITS)
        larger = counts.sum() - np.cumsum(counts)  # documents with a larger digit
        digit = int(np.flatnonzero(above + larger < wanted)[0])
        above += int(larger[digit])
        prefix = prefix << _DIGIT_BITS | digit
    sign = prefix >> 63
    threshold = float(np.uint64(prefix ^ (_SIGN if sign else _ALL)).view(np.float64))
    ties, left = {}, wanted - above
    for name, values in parts.items():
        ties[name] = min(int(np.count_nonzero(values == threshold)), left)
        left -= ties[name]
    return Cut(threshold, ties)


def _bits(parts: Iterable[Floats]) -> Iterable[npt.NDArray[np.uint64]]:
    """Yield scores as whole numbers of the same order: the bits of floats, of negative ones all turned over."""
    for values in parts:
        bits = np.asarray(values[~np.isnan(values)] + 0.0, np.float64).view(np.uint64)
        yield bits ^ np.where(bits >> np.uint64(63), np.uint64(_ALL), np.uint64(_SIGN))
