"""Fits the branch of characters: a linear model over the character n-grams of a text's words.

Its features are the n-grams that sub-words are made of: those of each word are added, and a text has the mean of its
words. So its logits are the mean of a score per word, known or not, which every runtime adds up as it adds the mean of
word vectors. It is fitted apart from the network, by its own loss, and held-out rows decide whether it stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.models.weights import CHARACTER_BIAS, CHARACTER_TABLE, Weights
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline
from textcnn.training.lbfgs import minimize

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

PENALTY = 0.5  # half of it times the squared weights is added to the loss; see docs/log.md
FEATURE_SIZE = 8.0  # root mean square norm of a word's features
MOST_STEPS, TOLERANCE = 20, 1e-4  # further ones changed no accuracy, see docs/log.md
MOST_TOKENS = 8_000_000  # of the training rows: a fit takes about 4 s a million
MOST_WEIGHTS = 4_000_000  # n-grams times labels: the search needs 20 numbers for each
MOST_LOGITS = 20_000_000  # texts times labels: the loss needs 4 numbers for each


@dataclass(frozen=True)
class CharacterWeights:
    """The weights of the branch: ``logits = bias + mean over words of the sum of its n-grams' rows``.

    Attributes:
        table: ``(n-grams, C)`` float32; the rows are those of the lexicon's n-gram table.
        bias: ``(C,)`` float32.
    """

    table: Floats
    bias: Floats

    @classmethod
    def of(cls, weights: Weights) -> CharacterWeights | None:
        """Return those among the weights of a model; none if it has no such branch."""
        return cls(weights[CHARACTER_TABLE], weights[CHARACTER_BIAS]) if CHARACTER_TABLE in weights else None

    def logits(self, inputs: TextPipeline, encoded: EncodedTexts) -> npt.NDArray[np.float32]:
        """Return the logits ``(N, C)`` of texts."""
        texts, words = _matrices(inputs, encoded)
        return texts.times(words.times(self.table)) + self.bias


def refusal(inputs: TextPipeline, encoded: EncodedTexts, num_labels: int) -> str:
    """Return why these training rows are not tried with a branch of characters; an empty string if they are."""
    if inputs.lexicon is None or not inputs.lexicon.num_ngrams:
        return "the model has no character n-grams"
    if (tokens := int(inputs.sizes(encoded).sum())) > MOST_TOKENS:
        return f"the training rows hold {tokens:,} words, more than {MOST_TOKENS:,}"
    if (size := inputs.lexicon.num_ngrams * num_labels) > MOST_WEIGHTS:
        return f"it would have {size:,} weights, more than {MOST_WEIGHTS:,}"
    if (size := len(encoded) * num_labels) > MOST_LOGITS:
        return f"the training rows have {size:,} logits, more than {MOST_LOGITS:,}"
    return ""


class CharacterFit:
    """Fits the weights of the branch to training rows.

    Args:
        inputs: the pipeline, with a lexicon.
        encoded: the N training rows.
        targets: ``(N,)`` number of each row's label, or ``(N, C)`` shares of the labels, which sum to 1.
        num_labels: C.
        row_weights: ``(N,)``, how much each row counts in the loss; none: all the same.
        is_regression: whether the targets ``(N, C)`` are standardized numbers, and the loss is half the squared error.
    """

    def __init__(
        self,
        inputs: TextPipeline,
        encoded: EncodedTexts,
        targets: npt.NDArray[np.int64] | Floats,
        num_labels: int,
        row_weights: npt.NDArray[np.floating] | None = None,
        *,
        is_regression: bool = False,
    ) -> None:
        self._is_regression = is_regression
        self._texts, self._words = _matrices(inputs, encoded)
        self._targets = np.eye(num_labels, dtype=np.float32)[targets] if targets.ndim == 1 else targets
        self._counts = None if row_weights is None else np.asarray(row_weights, np.float32)[:, None]
        self._sizes = _feature_sizes(self._texts, self._words)

    def weights(self) -> CharacterWeights:
        """Return the weights with the least log loss, and the penalty on their squares."""
        shape = self._words.num_columns, self._targets.shape[1]

        def loss_at(point: Floats) -> tuple[float, Floats]:
            weights, bias = point[: -shape[1]].reshape(shape), point[-shape[1] :]
            logits = self._texts.times(self._words.times(weights * self._sizes)) + bias
            loss, errors = self._loss(logits)
            slope = self._words.transposed_times(self._texts.transposed_times(errors)) * self._sizes
            slope += np.float32(PENALTY) * weights
            squares = float(np.einsum("ij,ij->i", weights, weights).sum(dtype=np.float64))
            return loss + PENALTY / 2 * squares, np.concatenate([slope.reshape(-1), errors.sum(axis=0)])

        start = np.zeros(shape[0] * shape[1] + shape[1], np.float32)
        found, _ = minimize(loss_at, start, most_steps=MOST_STEPS, tolerance=TOLERANCE)
        return CharacterWeights(found[: -shape[1]].reshape(shape) * self._sizes, found[-shape[1] :].copy())

    def _loss(self, logits: Floats) -> tuple[float, Floats]:
        """Return the summed loss, and its derivative ``(N, C)`` by the logits."""
        if self._is_regression:
            errors = logits - self._targets
            slopes = errors if self._counts is None else errors * self._counts
            return float(np.einsum("nc,nc->", slopes, errors, dtype=np.float64)) / 2, slopes
        logits = logits - logits.max(axis=1, keepdims=True)
        likely = np.exp(logits)
        total = likely.sum(axis=1, keepdims=True)
        each = np.log(total[:, 0]) - np.einsum("nc,nc->n", self._targets, logits)
        likely /= total
        likely -= self._targets
        if self._counts is not None:
            each, likely = each * self._counts[:, 0], likely * self._counts
        return float(each.sum(dtype=np.float64)), likely


@dataclass(frozen=True)
class _Sparse:
    """A sparse matrix: row k has ``weights[e]`` in ``columns[e]`` for e from ``offsets[k]`` to ``offsets[k + 1]``."""

    offsets: Integers
    columns: Integers
    weights: Floats
    num_columns: int

    @property
    def owners(self) -> Integers:
        """The row of each entry."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @cached_property
    def _transposed(self) -> tuple[Integers, Integers, Floats]:
        found: tuple[Integers, Integers, Floats] = core.twin("rows").sort_entries(
            self.columns, self.owners, self.weights, self.num_columns
        )
        return found

    def row_counts(self) -> Integers:
        """Return the number of rows ``(num_columns,)`` with an entry in each column."""
        offsets, rows, _ = self._transposed
        is_first = np.ones(len(rows), np.bool_)
        is_first[1:] = rows[1:] != rows[:-1]  # those of a column ascend
        is_first[offsets[:-1][np.diff(offsets) > 0]] = True
        columns = np.repeat(np.arange(self.num_columns), np.diff(offsets))
        return np.bincount(columns[is_first], minlength=self.num_columns)

    def times(self, table: Floats) -> Floats:
        """Return the product with ``table (num_columns, C)``."""
        found: Floats = core.twin("rows").sum_rows(self.offsets, self.columns, self.weights, table)
        return found

    def transposed_times(self, values: Floats) -> Floats:
        """Return the product ``(num_columns, C)`` of the transposed matrix with ``values``."""
        found: Floats = core.twin("rows").sum_rows(*self._transposed, values)
        return found


def _matrices(inputs: TextPipeline, encoded: EncodedTexts) -> tuple[_Sparse, _Sparse]:
    """Return the matrix from texts to their words, each word one over their number, and from words to n-grams, ones."""
    assert inputs.lexicon is not None
    seen = encoded.take(np.arange(len(encoded)), longest=inputs.max_length)
    types, numbers = np.unique(seen.ids, return_inverse=True)
    lengths = np.diff(seen.offsets)
    shares = np.repeat((1 / np.maximum(lengths, 1)).astype(np.float32), lengths)
    bags = inputs.lexicon.bags(types.astype(np.int64), encoded.unseen)
    words = _Sparse(
        bags.offsets, bags.ids.astype(np.int64), np.ones(len(bags.ids), np.float32), inputs.lexicon.num_ngrams
    )
    return _Sparse(seen.offsets, numbers.astype(np.int64), shares, len(types)), words


def _feature_sizes(texts: _Sparse, words: _Sparse) -> Floats:
    """Return the size ``(n-grams, 1)`` of each n-gram's feature: its inverse document frequency, scaled.

    The scale gives the words of the texts features of norm :data:`FEATURE_SIZE` in the root mean square.
    """
    num_texts, num_words, owners = len(texts.offsets) - 1, texts.num_columns, words.owners
    frequency = texts.row_counts()  # texts that hold each word
    held = np.minimum(np.bincount(words.columns, frequency[owners], minlength=words.num_columns), num_texts)
    sizes = np.log((1 + num_texts) / (1 + held)) + 1
    norms = np.bincount(owners, sizes[words.columns] ** 2, minlength=num_words)
    mean = float((norms * frequency).sum()) / max(int(frequency.sum()), 1)
    return np.asarray(sizes * FEATURE_SIZE / max(mean, 1e-12) ** 0.5, np.float32)[:, None]
