"""Inputs of the core's trainer (texts, network, objective, rates) as Python objects and as C structures."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_double, c_float, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import address
from textcnn.core.layout import Floats, PaddedWeights, padded

Integers = npt.NDArray[np.int64]
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "identity")
MOST_WIDTHS = 16


class CorpusStruct(ctypes.Structure):
    """C structure ``tc_corpus``."""

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
        ("shares", c_void_p),
        ("weights", c_void_p),
    )


class NetworkStruct(ctypes.Structure):
    """C structure ``tc_network``."""

    _fields_ = (
        *((name, c_int64) for name in ("num_types", "num_ngrams", "num_features", "num_labels", "num_outputs")),
        *((name, c_int64) for name in ("dim", "own_dim", "num_filters", "own_filters")),
        *((name, c_int64) for name in ("num_widths", "num_taps", "max_length")),
        ("widths", c_int64 * MOST_WIDTHS),
        ("first_taps", c_int64 * MOST_WIDTHS),
        *((name, c_int32) for name in ("has_fixed_channel", "adds_ngrams", "trains_words", "has_mean")),
        *((name, c_int32) for name in ("activation", "is_multi_label", "is_regression")),
        *((name, c_int32) for name in ("is_nested", "has_wide")),
        *((name, c_void_p) for name in ("word", "ngram", "fixed", "dense", "wide")),
    )


class OptimizerStruct(ctypes.Structure):
    """C structure ``tc_optimizer``."""

    _fields_ = (
        *((name, c_void_p) for name in ("first", "second", "word", "ngram", "wide")),
        ("rows_by_adam", c_int32),
        ("steps", c_int64),
    )


class ObjectiveStruct(ctypes.Structure):
    """C structure ``tc_objective``."""

    _fields_ = (
        *((name, c_float) for name in ("smoothing", "focal_gamma", "huber", "dropout")),
        *((name, c_float) for name in ("clip_norm", "max_norm", "weight_decay")),
        ("shared_dropout", c_int32),
        ("unknown_id", c_int32),
        *((name, c_void_p) for name in ("word_dropout", "class_weights", "prior", "cuts")),
        ("num_cuts", c_int64),
        ("grade_slope", c_double),
    )


class StepStruct(ctypes.Structure):
    """C structure ``tc_step``."""

    _fields_ = (
        *((name, c_float) for name in ("dense_rate", "word_rate", "ngram_rate", "wide_rate")),
        *((name, c_uint64) for name in ("word_state", "mask_state")),
        ("candidates", c_void_p),
        ("log_chances", c_void_p),
        ("num_candidates", c_int64),
    )


@dataclass(frozen=True)
class Texts:
    """Encoded texts and their targets, in memory or memory-mapped.

    Attributes:
        ids: ``(N,)`` int32 of all texts, one after another; from V on they have no word row.
        offsets: ``(texts + 1,)`` int64.
        bag_offsets: ``(ids + 1,)`` int64, where the n-gram rows of each type begin; none without n-grams.
        bag_rows: ``(M,)`` int32.
        wide_offsets: ``(texts + 1,)`` int64, where the features of each text begin; none without a linear branch.
        wide_rows: ``(K,)`` int32.
        wide_values: ``(K,)`` float32.
        targets: ``(texts,)`` int32 label ids, or ``(texts, C)`` float32, a distribution over the labels (multi-label: 0
            to 1 for each; in regression the numbers); none where no loss is asked for.
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
    """Loss and regularization, constant over all steps; names as in :class:`textcnn.config.TrainingConfig`.

    Attributes:
        smoothing: label smoothing.
        focal_gamma: gamma of the focal loss.
        huber: the error from which the loss of regression is linear; 0: it is squared everywhere.
        dropout: share of the maxima that is dropped.
        shared_dropout: whether the same filters are dropped in all texts of a batch.
        clip_norm: largest norm of the dense gradient; 0: no limit.
        max_norm: largest norm of a row of the head; 0: no limit.
        weight_decay: decoupled decay of dense weights.
        unknown_id: takes the place of dropped words.
        word_dropout: ``(ids,)`` float32, the rate of each type; none: no word is dropped.
        class_weights: ``(C,)`` float32.
        prior: ``(C,)`` float32, added to the linear branch's logits in its loss.
        rows_by_adam: whether Adam moves the rows of tables, not Adagrad.
        cuts: ``(C - 1,)`` float32, ascending, between the standardized grades; none: no cumulative logits.
        grade_slope: the slope of the cumulative logits.
    """

    smoothing: float = 0.0
    focal_gamma: float = 0.0
    huber: float = 0.0
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
    cuts: Floats | None = None
    grade_slope: float = 0.0


@dataclass(frozen=True)
class Rates:
    """Learning rates of one step: dense weights, word rows, n-gram rows, wide branch."""

    dense: float
    word: float
    ngram: float
    wide: float

    def scaled(self, factor: float) -> Rates:
        """Return all rates multiplied by ``factor``."""
        return Rates(self.dense * factor, self.word * factor, self.ngram * factor, self.wide * factor)


@dataclass(frozen=True)
class Candidates:
    """The labels of a sampled softmax: those whose rows of the head a step looks at, the targets among them.

    Attributes:
        labels: ``(n,)`` int32, ascending.
        log_chances: ``(n,)`` float32, the logarithm of each label's chance to be a candidate; a label that is not the
            target counts for as many as it stands for.
    """

    labels: npt.NDArray[np.int32]
    log_chances: Floats


def step_struct(rates: Rates, word_state: int, mask_state: int, candidates: Candidates | None) -> StepStruct:
    """Return the arguments of one step for the core; the candidates' arrays must outlive it."""
    numbers = rates.dense, rates.word, rates.ngram, rates.wide, word_state, mask_state
    if candidates is None:
        return StepStruct(*numbers)
    count = len(candidates.labels)
    labels = address(candidates.labels, np.int32, [count], "candidates")
    return StepStruct(*numbers, labels, address(candidates.log_chances, np.float32, [count], "chances"), count)


@dataclass(frozen=True)
class Network:
    """Properties of the network that do not follow from its weights.

    Attributes:
        activation: one of :data:`ACTIVATIONS`.
        adds_ngrams: a type's vector is its word row plus the mean of its n-gram rows; else the mean of all rows.
        trains_words: whether word rows are moved.
        is_multi_label: any number of labels a text.
        is_regression: the targets are standardized numbers.
        max_length: tokens of a text that are seen; none: all.
    """

    activation: str = "relu"
    adds_ngrams: bool = False
    trains_words: bool = True
    is_multi_label: bool = False
    is_regression: bool = False
    max_length: int | None = None


class Corpus:
    """Texts as C structures; keeps their arrays alive."""

    def __init__(self, c: Any, network: NetworkStruct, texts: Texts) -> None:
        self.texts = texts
        num_texts = len(texts.offsets) - 1
        if texts.bag_offsets is not None:
            num_ids = len(texts.bag_offsets) - 1
        else:
            num_ids = max(network.num_types, int(texts.ids.max(initial=-1)) + 1)
        has_wide, many = texts.wide_rows is not None, texts.targets is not None and texts.targets.ndim == 2
        targets = None if many else address(texts.targets, np.int32, [num_texts], "targets")
        shares = address(texts.targets, np.float32, [num_texts, network.num_labels], "targets") if many else None
        self.struct = CorpusStruct(
            num_texts,
            num_ids,
            network.num_features,
            address(texts.ids, np.int32, [None], "ids"),
            address(texts.offsets, np.int64, [None], "offsets"),
            address(texts.bag_offsets, np.int64, [None], "bag_offsets"),
            address(texts.bag_rows, np.int32, [None], "bag_rows"),
            address(texts.wide_offsets, np.int64, [num_texts + 1], "wide_offsets") if has_wide else None,
            address(texts.wide_rows, np.int32, [None], "wide_rows"),
            address(texts.wide_values, np.float32, [None], "wide_values"),
            targets,
            shares,
            address(texts.weights, np.float32, [num_texts], "weights"),
        )
        # One check per corpus: afterwards the core's loops index without bounds checks.
        if not _ends_match(texts) or c.tc_corpus_check(byref(network), byref(self.struct)) != 0:
            raise ValueError("expected ids, rows and targets within the sizes of the network, and rising offsets")


def _ends_match(texts: Texts) -> bool:
    """Return whether the last offsets equal the lengths of the arrays that they index."""
    pairs = [(texts.offsets, texts.ids), (texts.bag_offsets, texts.bag_rows), (texts.wide_offsets, texts.wide_rows)]
    whole = all(o is None or (v is not None and len(o) > 0 and int(o[-1]) == len(v)) for o, v in pairs)
    return whole and (
        texts.wide_rows is None or (texts.wide_values is not None and len(texts.wide_values) == len(texts.wide_rows))
    )


def network_struct(weights: PaddedWeights, network: Network) -> NetworkStruct:
    """Return the network's sizes and addresses for the core; the arrays must outlive it."""
    shape = weights.shape
    found = NetworkStruct(
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
        is_regression=network.is_regression,
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


def objective_struct(objective: Objective, weights: PaddedWeights) -> ObjectiveStruct:
    """Return the objective for the core; its arrays must outlive it."""
    labels = weights.shape.num_labels
    return ObjectiveStruct(
        objective.smoothing,
        objective.focal_gamma,
        objective.huber,
        objective.dropout,
        objective.clip_norm,
        objective.max_norm,
        objective.weight_decay,
        objective.shared_dropout,
        objective.unknown_id,
        address(objective.word_dropout, np.float32, [None], "rates of word dropout"),
        address(objective.class_weights, np.float32, [labels], "class weights"),
        address(objective.prior, np.float32, [labels], "log-odds of the labels"),
        address(objective.cuts, np.float32, [None], "cuts"),
        0 if objective.cuts is None else len(objective.cuts),
        objective.grade_slope,
    )
