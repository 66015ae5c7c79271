"""Binding of the training step: a trainer that updates NumPy-owned weights on a given corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ctypes import byref, c_double, c_int, c_int64, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import Core, address
from textcnn.core.calls import borrow, give_back
from textcnn.core.layout import Floats, PaddedWeights
from textcnn.core.memory import zeros
from textcnn.core.training_inputs import (
    Candidates,
    Corpus,
    Integers,
    Network,
    Objective,
    OptimizerStruct,
    Rates,
    Texts,
    network_struct,
    objective_struct,
    step_struct,
)
from textcnn.errors import NoMemoryError

_OK, _NOT_FINITE, _NO_MEMORY = 0, 1, 2
_NO_RATES = Rates(0, 0, 0, 0)


class Trainer:
    """Trains padded weights in place; not thread-safe.

    Args:
        core: the library.
        weights: the weights.
        network: how they are used.
        objective: how they are trained.
        threads: number of threads; results do not depend on it.

    Raises:
        NoMemoryError: there is no room.
        ValueError: sizes that do not fit.
    """

    def __init__(
        self, core: Core, weights: PaddedWeights, network: Network, objective: Objective, threads: int
    ) -> None:
        self._c, self.weights, self._objective = core.c, weights, objective
        self._network = network_struct(weights, network)
        self.state = _fresh_state(weights, by_adam=objective.rows_by_adam)
        self._optimizer = OptimizerStruct(rows_by_adam=objective.rows_by_adam)
        self._bind_state()
        self._pool = borrow(core, threads)
        sizes, status = (byref(self._network), byref(objective_struct(objective, weights))), c_int()
        self._trainer = c_void_p(self._c.tc_trainer_new(*sizes, self._pool.address, byref(status)))
        if status.value == _NO_MEMORY:
            raise NoMemoryError("expected memory for the state of training, found none; use a smaller network")
        if not self._trainer:
            raise ValueError("expected sizes of a one-layer network that fit each other")

    def __del__(self) -> None:  # also runs after an __init__ that raised, when attributes are missing
        if getattr(self, "_trainer", None):
            self._c.tc_trainer_free(self._trainer)
        if getattr(self, "_pool", None):
            give_back(self._pool)

    @property
    def steps(self) -> int:
        """Steps of AdamW since its moments were last reset."""
        return int(self._optimizer.steps)

    @steps.setter
    def steps(self, steps: int) -> None:
        self._optimizer.steps = steps

    def forget(self) -> None:
        """Reset the optimizers' moments to zero."""
        for array in self.state.values():
            array[...] = 0
        self.steps = 0

    def load(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set all weights, by name."""
        self.weights.load(weights)
        # The core keeps packed copies of the dense weights.
        self._c.tc_trainer_refresh(self._trainer)

    def is_finite(self) -> bool:
        """Return whether every weight is finite."""
        w = self.weights
        tables = [array for array in (w.dense, w.word, w.ngram, w.wide) if array is not None]
        return all(self._c.tc_all_finite(self._pool.address, c_void_p(a.ctypes.data), c_int64(a.size)) for a in tables)

    def corpus(self, texts: Texts) -> Corpus:
        """Check texts and return them as the corpus that the other methods take.

        Raises:
            ValueError: a number in them is out of its bounds.
        """
        return Corpus(self._c, self._network, texts)

    def step(
        self,
        corpus: Corpus,
        rows: Integers,
        rates: Rates,
        word_state: int,
        mask_state: int,
        candidates: Candidates | None = None,
    ) -> float:
        """Train on the texts numbered ``rows`` and return their loss; weights stay unchanged if it is not finite.

        Args:
            corpus: the texts.
            rows: ``(B,)``.
            rates: step sizes.
            word_state: with row and place it decides which words are dropped.
            mask_state: generator state of feature dropout, likewise.
            candidates: the labels of a sampled softmax; none: all labels.
        """
        loss = c_double()
        step = step_struct(rates, word_state, mask_state, candidates)
        arguments = byref(step), byref(self._optimizer), byref(loss)
        self._done(self._c.tc_train_step(*self._training(corpus, rows), *arguments))
        return loss.value

    def probe(
        self, corpus: Corpus, rows: Integers, word_state: int, mask_state: int, candidates: Candidates | None = None
    ) -> None:
        """Do the work of a step without its update, to be timed."""
        loss, step = c_double(), step_struct(_NO_RATES, word_state, mask_state, candidates)
        arguments = *self._training(corpus, rows), byref(step), None, None, None, None, byref(loss)
        self._done(self._c.tc_train_gradients(*arguments))

    def gradients(
        self, corpus: Corpus, rows: Integers, word_state: int, mask_state: int, candidates: Candidates | None = None
    ) -> tuple[float, dict[str, npt.NDArray[Any]]]:
        """Return loss and gradients of a batch by name, without an update, for tests."""
        w, loss = self.weights, c_double()
        step = step_struct(_NO_RATES, word_state, mask_state, candidates)
        dense, word = np.zeros_like(w.dense), np.zeros_like(w.word)
        ngram = None if w.ngram is None else np.zeros_like(w.ngram)
        wide = None if w.wide is None else np.zeros_like(w.wide)
        places = [c_void_p(None if a is None else a.ctypes.data) for a in (dense, word, ngram, wide)]
        arguments = *self._training(corpus, rows), byref(step), *places, byref(loss)
        self._done(self._c.tc_train_gradients(*arguments))
        dim = w.shape.dim
        tables = {w.shape.word_name: word[:, :dim]}
        if ngram is not None:
            tables[w.shape.ngram_name] = ngram[:, :dim]
        if wide is not None:
            tables[w.WIDE] = wide
        return loss.value, {**w.dense_parts(dense), **tables}

    def logits(self, corpus: Corpus, rows: Integers) -> tuple[Floats, Floats | None]:
        """Return logits ``(B, C)`` of the network and of the wide branch, without dropout."""
        size = len(rows), self.weights.shape.num_labels
        main = np.zeros(size, np.float32)
        wide = None if self.weights.wide is None else np.zeros(size, np.float32)
        if len(rows):
            places = [c_void_p(None if a is None else a.ctypes.data) for a in (main, wide)]
            self._done(self._c.tc_train_logits(self._trainer, byref(corpus.struct), *_rows(rows), *places))
        return main, wide

    def _bind_state(self) -> None:
        for name, array in self.state.items():
            setattr(self._optimizer, name, address(array, np.float32, [None] * array.ndim, name))

    def _training(self, corpus: Corpus, rows: Integers) -> tuple[Any, ...]:
        """Return the leading arguments of the functions that apply word dropout."""
        rates = self._objective.word_dropout
        if rates is not None and len(rates) < corpus.struct.num_ids:
            raise ValueError(f"expected a dropout rate for each of {corpus.struct.num_ids} types, got {len(rates)}")
        return self._trainer, byref(corpus.struct), *_rows(rows)

    @staticmethod
    def _done(status: int) -> None:
        if status == _NO_MEMORY:
            raise NoMemoryError("expected memory for a batch, found none; lower batch_size or batch_tokens")
        if status not in (_OK, _NOT_FINITE):
            raise ValueError("expected row numbers of the corpus and targets of its kind")


def _rows(rows: Integers) -> tuple[c_void_p, c_int64]:
    return c_void_p(address(rows, np.int64, [None], "rows")), c_int64(len(rows))


def _fresh_state(weights: PaddedWeights, *, by_adam: bool) -> dict[str, Floats]:
    """Return zeroed optimizer state: AdamW's moments, and per row Adagrad's accumulator or Adam's moments."""
    shapes: dict[str, Sequence[int]] = {"first": weights.dense.shape, "second": weights.dense.shape}
    for name, table in (("word", weights.word), ("ngram", weights.ngram)):
        if table is not None:
            shapes[name] = (len(table), 2, table.shape[1]) if by_adam else (len(table),)
    if weights.wide is not None:
        shapes["wide"] = (len(weights.wide),)
    return zeros(shapes)
