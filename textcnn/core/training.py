"""Binding of the training step: a trainer of weights that numpy owns, and the corpus it is trained on."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_double, c_float, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import Core, address
from textcnn.core.layout import Floats, PaddedWeights, padded

Integers = npt.NDArray[np.int64]
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "identity")
MOST_WIDTHS = 16
_OK, _NOT_FINITE, _NO_MEMORY = 0, 1, 2


class _Corpus(ctypes.Structure):
    _fields_ = (
        ("num_texts", c_int64),
        ("num_ids", c_int64),
        ("num_features", c_int64),
        ("ids", c_void_p),
        ("offsets", c_void_p),
        ("bag_offsets", c_void_p),
        ("bag_rows", c_void_p),
        ("wide_offsets", c_void_p),
        ("wide_rows", c_void_p),
        ("wide_values", c_void_p),
        ("targets", c_void_p),
        ("presence", c_void_p),
        ("weights", c_void_p),
    )


class _Network(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("num_types", "num_ngrams", "num_features", "num_labels", "num_outputs")),
        *((name, c_int64) for name in ("dim", "own_dim", "num_filters", "own_filters")),
        *((name, c_int64) for name in ("num_widths", "num_taps", "max_length")),
        ("widths", c_int64 * MOST_WIDTHS),
        ("first_taps", c_int64 * MOST_WIDTHS),
        *((name, c_int32) for name in ("has_fixed_channel", "adds_ngrams", "trains_words", "has_mean")),
        *((name, c_int32) for name in ("activation", "is_multi_label", "is_nested", "has_wide")),
        *((name, c_void_p) for name in ("word", "ngram", "fixed", "dense", "wide")),
    )


class _Optimizer(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("first", "second", "word", "ngram", "wide")),
        ("rows_by_adam", c_int32),
        ("steps", c_int64),
    )


class _Objective(ctypes.Structure):
    _fields_ = (
        *((name, c_float) for name in ("smoothing", "focal_gamma", "dropout", "clip_norm", "max_norm", "weight_decay")),
        ("shared_dropout", c_int32),
        ("unknown_id", c_int32),
        *((name, c_void_p) for name in ("word_dropout", "class_weights", "prior")),
    )


class _Step(ctypes.Structure):
    _fields_ = (
        *((name, c_float) for name in ("dense_rate", "word_rate", "ngram_rate", "wide_rate")),
        *((name, c_uint64) for name in ("word_state", "mask_state")),
    )


@dataclass(frozen=True)
class Texts:
    """Encoded texts, in memory or mapped from files.

    Attributes:
        ids: ``(N,)`` int32 of all texts, one after another; from V on they have no word row.
        offsets: ``(texts + 1,)`` int64.
        bag_offsets: ``(ids + 1,)`` int64, where the n-gram rows of each type begin; none without n-grams.
        bag_rows: ``(M,)`` int32.
        wide_offsets: ``(texts + 1,)`` int64, where the features of each text begin; none without a linear branch.
        wide_rows: ``(K,)`` int32.
        wide_values: ``(K,)`` float32.
        targets: ``(texts,)`` int32 label ids, or ``(texts, C)`` float32 of 0 and 1; none where no loss is asked for.
        weights: ``(texts,)`` float32, how much each counts; none: all the same.
    """

    ids: npt.NDArray[np.int32]
    offsets: Integers
    bag_offsets: Integers | None = None
    bag_rows: npt.NDArray[np.int32] | None = None
    wide_offsets: Integers | None = None
    wide_rows: npt.NDArray[np.int32] | None = None
    wide_values: Floats | None = None
    targets: npt.NDArray[Any] | None = None
    weights: Floats | None = None


@dataclass(frozen=True)
class Objective:
    """What is the same for all steps; names as in :class:`textcnn.config.TrainingConfig`.

    Attributes:
        smoothing: of labels.
        focal_gamma: of the focal loss.
        dropout: share of the maxima that is dropped.
        shared_dropout: whether the same filters are dropped in all texts of a batch.
        clip_norm: of the dense gradient; 0: none.
        max_norm: of a row of the head; 0: none.
        weight_decay: of dense weights.
        unknown_id: takes the place of dropped words.
        word_dropout: ``(ids,)`` float32, the rate of each type; none: no word is dropped.
        class_weights: ``(C,)`` float32.
        prior: ``(C,)`` float32, added to the linear branch's logits in its loss.
        rows_by_adam: whether Adam moves the rows of tables, not Adagrad.
    """

    smoothing: float = 0.0
    focal_gamma: float = 0.0
    dropout: float = 0.0
    shared_dropout: bool = False
    clip_norm: float = 0.0
    max_norm: float = 0.0
    weight_decay: float = 0.0
    unknown_id: int = -1
    word_dropout: Floats | None = None
    class_weights: Floats | None = None
    prior: Floats | None = None
    rows_by_adam: bool = False


@dataclass(frozen=True)
class Rates:
    """Step sizes of one step: dense weights, word rows, n-gram rows, the linear branch."""

    dense: float
    word: float
    ngram: float
    wide: float


@dataclass(frozen=True)
class Network:
    """What the weights do not say.

    Attributes:
        activation: one of :data:`ACTIVATIONS`.
        adds_ngrams: a type's vector is its word row plus the mean of its n-gram rows; else the mean of all rows.
        trains_words: whether word rows are moved.
        is_multi_label: any number of labels a text.
        max_length: tokens of a text that are seen; none: all.
    """

    activation: str = "relu"
    adds_ngrams: bool = False
    trains_words: bool = True
    is_multi_label: bool = False
    max_length: int | None = None


class Trainer:
    """Trains padded weights in place. Not for several threads at a time.

    Args:
        core: the library.
        weights: the weights.
        network: how they are used.
        objective: how they are trained.
        threads: of the loops; results do not depend on it.

    Raises:
        MemoryError: there is no room.
        ValueError: sizes that do not fit.
    """

    def __init__(
        self, core: Core, weights: PaddedWeights, network: Network, objective: Objective, threads: int
    ) -> None:
        self._c, self.weights, self._objective = core.c, weights, objective
        self._c.tc_trainer_new.restype = c_void_p
        self._network = _network_of(weights, network)
        self._is_multi_label = network.is_multi_label
        self.state = _fresh_state(weights, by_adam=objective.rows_by_adam)
        self._optimizer = _Optimizer(rows_by_adam=objective.rows_by_adam)
        self._bind_state()
        self._pool = c_void_p(self._c.tc_pool_new(threads))
        self._trainer = c_void_p(
            self._c.tc_trainer_new(byref(self._network), byref(_objective_of(objective, weights)), self._pool)
        )
        if not self._pool or not self._trainer:
            raise ValueError("expected sizes of a one-layer network that fit each other, and memory for them")

    def __del__(self) -> None:
        if getattr(self, "_trainer", None):
            self._c.tc_trainer_free(self._trainer)
        if getattr(self, "_pool", None):
            self._c.tc_pool_free(self._pool)

    @property
    def steps(self) -> int:
        """Steps of AdamW since its averages began."""
        return int(self._optimizer.steps)

    @steps.setter
    def steps(self, steps: int) -> None:
        self._optimizer.steps = steps

    def forget(self) -> None:
        """Begin the optimizers' averages anew."""
        for array in self.state.values():
            array[...] = 0
        self.steps = 0

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        w = self.weights
        tables = [array for array in (w.dense, w.word, w.ngram, w.wide) if array is not None]
        return all(self._c.tc_all_finite(self._pool, c_void_p(a.ctypes.data), c_int64(a.size)) for a in tables)

    def corpus(self, texts: Texts) -> Corpus:
        """The texts, checked, for the other methods.

        Raises:
            ValueError: a number in them is out of its bounds.
        """
        corpus = Corpus(self._c, self._network, texts)
        rates = self._objective.word_dropout
        if texts.targets is not None and rates is not None and len(rates) < corpus.struct.num_ids:
            raise ValueError(
                f"expected a rate of word dropout for each of {corpus.struct.num_ids} types, got {len(rates)}"
            )
        return corpus

    def step(self, corpus: Corpus, rows: Integers, rates: Rates, word_state: int, mask_state: int) -> float:
        """One step on the texts numbered ``rows``; gives their loss, and moves nothing if that is not finite.

        Args:
            corpus: the texts.
            rows: ``(B,)``.
            rates: step sizes.
            word_state: with row and place it decides which words are dropped.
            mask_state: likewise for features.
        """
        loss = c_double()
        step = _Step(rates.dense, rates.word, rates.ngram, rates.wide, word_state, mask_state)
        arguments = byref(step), byref(self._optimizer), byref(loss)
        self._done(self._c.tc_train_step(self._trainer, byref(corpus.struct), *_rows(rows), *arguments))
        return loss.value

    def probe(self, corpus: Corpus, rows: Integers, word_state: int, mask_state: int) -> None:
        """The work of a step but for the update, to be timed."""
        loss, step = c_double(), _Step(0, 0, 0, 0, word_state, mask_state)
        arguments = *_rows(rows), byref(step), None, None, None, None, byref(loss)
        self._done(self._c.tc_train_gradients(self._trainer, byref(corpus.struct), *arguments))

    def gradients(
        self, corpus: Corpus, rows: Integers, word_state: int, mask_state: int
    ) -> tuple[float, dict[str, npt.NDArray[Any]]]:
        """Loss and gradients of a batch by name, for tests: no weight is moved."""
        w, loss, step = self.weights, c_double(), _Step(0, 0, 0, 0, word_state, mask_state)
        dense, word = np.zeros_like(w.dense), np.zeros_like(w.word)
        ngram = None if w.ngram is None else np.zeros_like(w.ngram)
        wide = None if w.wide is None else np.zeros_like(w.wide)
        places = [c_void_p(None if a is None else a.ctypes.data) for a in (dense, word, ngram, wide)]
        arguments = *_rows(rows), byref(step), *places, byref(loss)
        self._done(self._c.tc_train_gradients(self._trainer, byref(corpus.struct), *arguments))
        dim = w.shape.dim
        tables = {w.shape.word_name: word[:, :dim]}
        if ngram is not None:
            tables[w.shape.ngram_name] = ngram[:, :dim]
        if wide is not None:
            tables[w.WIDE] = wide
        return loss.value, {**w.dense_parts(dense), **tables}

    def logits(self, corpus: Corpus, rows: Integers) -> tuple[Floats, Floats | None]:
        """Logits ``(B, C)`` of the network and of the linear branch, without dropout."""
        size = len(rows), self.weights.shape.num_labels
        main = np.zeros(size, np.float32)
        wide = None if self.weights.wide is None else np.zeros(size, np.float32)
        if len(rows):
            places = [c_void_p(None if a is None else a.ctypes.data) for a in (main, wide)]
            self._done(self._c.tc_train_logits(self._trainer, byref(corpus.struct), *_rows(rows), *places))
        return main, wide

    def seconds(self) -> dict[str, float]:
        """Where the time of all steps so far went."""
        found = (c_double * 5)()
        self._c.tc_trainer_seconds(self._trainer, found)
        return dict(zip(("gather", "products", "texts", "gradients", "update"), found, strict=True))

    def _bind_state(self) -> None:
        for name, array in self.state.items():
            setattr(self._optimizer, name, address(array, np.float32, [None] * array.ndim, name))

    @staticmethod
    def _done(status: int) -> None:
        if status == _NO_MEMORY:
            raise MemoryError("no memory for a batch; lower batch_size or batch_tokens")
        if status not in (_OK, _NOT_FINITE):
            raise ValueError("expected row numbers of the corpus and targets of its kind")


class Corpus:
    """Texts as the core takes them; keeps their arrays alive."""

    def __init__(self, c: Any, network: _Network, texts: Texts) -> None:
        self.texts = texts
        num_texts = len(texts.offsets) - 1
        num_ids = network.num_types if texts.bag_offsets is None else len(texts.bag_offsets) - 1
        has_wide, many = texts.wide_rows is not None, texts.targets is not None and texts.targets.ndim == 2
        targets = None if many else address(texts.targets, np.int32, [num_texts], "targets")
        presence = address(texts.targets, np.float32, [num_texts, network.num_labels], "targets") if many else None
        self.struct = _Corpus(
            num_texts,
            max(num_ids, int(texts.ids.max(initial=-1)) + 1),
            network.num_features,
            address(texts.ids, np.int32, [None], "ids"),
            address(texts.offsets, np.int64, [None], "offsets"),
            address(texts.bag_offsets, np.int64, [None], "bag_offsets"),
            address(texts.bag_rows, np.int32, [None], "bag_rows"),
            address(texts.wide_offsets, np.int64, [num_texts + 1], "wide_offsets") if has_wide else None,
            address(texts.wide_rows, np.int32, [None], "wide_rows"),
            address(texts.wide_values, np.float32, [None], "wide_values"),
            targets,
            presence,
            address(texts.weights, np.float32, [num_texts], "weights"),
        )
        if not _ends_match(texts) or c.tc_corpus_check(byref(network), byref(self.struct)) != _OK:
            raise ValueError("expected ids, rows and targets within the sizes of the network, and rising offsets")


def _ends_match(texts: Texts) -> bool:
    """Whether the last offsets are the lengths of what they part."""
    pairs = [(texts.offsets, texts.ids), (texts.bag_offsets, texts.bag_rows), (texts.wide_offsets, texts.wide_rows)]
    whole = all(o is None or (v is not None and len(o) > 0 and int(o[-1]) == len(v)) for o, v in pairs)
    return whole and (
        texts.wide_rows is None or (texts.wide_values is not None and len(texts.wide_values) == len(texts.wide_rows))
    )


def _rows(rows: Integers) -> tuple[c_void_p, c_int64]:
    return c_void_p(address(rows, np.int64, [None], "rows")), c_int64(len(rows))


def _network_of(weights: PaddedWeights, network: Network) -> _Network:
    shape = weights.shape
    found = _Network(
        num_types=len(weights.word),
        num_ngrams=0 if weights.ngram is None else len(weights.ngram),
        num_features=0 if weights.wide is None else len(weights.wide),
        num_labels=shape.num_labels,
        num_outputs=shape.num_outputs,
        dim=padded(shape.dim),
        own_dim=shape.dim,
        num_filters=padded(shape.num_filters),
        own_filters=shape.num_filters,
        num_widths=len(shape.widths),
        num_taps=shape.num_taps,
        max_length=network.max_length or 0,
        has_fixed_channel=shape.has_fixed_channel,
        adds_ngrams=network.adds_ngrams,
        trains_words=network.trains_words,
        has_mean=shape.has_mean,
        activation=ACTIVATIONS.index(network.activation),
        is_multi_label=network.is_multi_label,
        is_nested=shape.is_nested,
        has_wide=shape.has_wide,
        word=address(weights.word, np.float32, [None, padded(shape.dim)], "word rows"),
        ngram=address(weights.ngram, np.float32, [None, padded(shape.dim)], "n-gram rows"),
        fixed=address(weights.fixed, np.float32, weights.word.shape, "fixed word rows"),
        dense=address(weights.dense, np.float32, [None], "dense weights"),
        wide=address(weights.wide, np.float32, [None, shape.num_labels], "the linear branch"),
    )
    for g, (width, first) in enumerate(zip(shape.widths[:MOST_WIDTHS], shape.first_taps, strict=False)):
        found.widths[g], found.first_taps[g] = width, first
    return found


def _objective_of(objective: Objective, weights: PaddedWeights) -> _Objective:
    labels = weights.shape.num_labels
    return _Objective(
        objective.smoothing,
        objective.focal_gamma,
        objective.dropout,
        objective.clip_norm,
        objective.max_norm,
        objective.weight_decay,
        objective.shared_dropout,
        objective.unknown_id,
        address(objective.word_dropout, np.float32, [None], "rates of word dropout"),
        address(objective.class_weights, np.float32, [labels], "class weights"),
        address(objective.prior, np.float32, [labels], "log-odds of the labels"),
    )


def _fresh_state(weights: PaddedWeights, *, by_adam: bool) -> dict[str, Floats]:
    """The optimizers' memory: averages of AdamW, and for each row one number, or of Adam two rows."""
    state = {"first": np.zeros_like(weights.dense), "second": np.zeros_like(weights.dense)}
    for name, table in (("word", weights.word), ("ngram", weights.ngram)):
        if table is not None:
            state[name] = np.zeros((len(table), 2, table.shape[1]) if by_adam else len(table), np.float32)
    if weights.wide is not None:
        state["wide"] = np.zeros(len(weights.wide), np.float32)
    return state
