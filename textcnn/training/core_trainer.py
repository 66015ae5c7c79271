"""Training by the compiled core without torch: which runs it supports, and its learner."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.config import EMBEDDING_LEARNING_RATES, Config, TrainingConfig
from textcnn.core import backend_info, library
from textcnn.core.training import Trainer
from textcnn.core.training_inputs import MOST_WIDTHS, Corpus, Rates, Texts
from textcnn.models.kim_settings import KimSettings
from textcnn.progress import Reporter
from textcnn.tokenization.masking import FEATURE_MASKS, random_state
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.training.candidates import LabelSampler
from textcnn.training.loop import Arrays, Place, diverged
from textcnn.training.resource_limits import Estimate, time_steps
from textcnn.training.sampler import Rows, linear_decay

CORE, TORCH = "core", "torch"
POOLINGS = ("max", "max+mean")  # of kim, by the core


class Road(NamedTuple):
    """The backend that trains, with the reason why it is not the core, or the core's instruction set."""

    name: str
    reason: str


BY_TORCH = Road(TORCH, "")


def choose_road(config: Config, *, num_processes: int = 1) -> Road:
    """Choose the backend, core or torch, that trains a text model of this config.

    The core trains what it supports on any machine; a GPU, which only torch uses, has to be asked for.
    """
    reason = _refusal(config, num_processes)
    if reason:
        return Road(TORCH, reason)
    return Road(CORE, backend_info().instruction_set)


def _refusal(config: Config, num_processes: int) -> str:
    """Return why the core cannot train this config; empty if it can."""
    if config.model.architecture != "kim":
        return f"architecture {config.model.architecture!r} is trained by torch"
    settings = KimSettings.of(config.model)
    if settings.pooling not in POOLINGS:
        return f"pooling {settings.pooling!r} is trained by torch"
    if len(settings.widths) > MOST_WIDTHS:
        return f"the core has at most {MOST_WIDTHS} widths of windows, the network has {len(settings.widths)}"
    if config.training.device == "cuda":
        return "device 'cuda' was asked for"
    if config.training.amp is not None:
        return f"half precision ({config.training.amp}) was asked for"
    if num_processes > 1:
        return f"{num_processes} processes train together"
    return "" if library() is not None else backend_info().reason


_TOKENS, _ROWS = 65_536, 1_024  # limits of an inference batch


class CoreLearner:
    """A :class:`textcnn.training.loop.Learner` whose step is one call of the core.

    Args:
        trainer: weights and optimizers.
        corpus: the training rows.
        order: the rows of every batch of an epoch.
        sizes: ``(N,)`` tokens of each row, as the network sees it.
        config: training settings; epochs must be a number.
        num_steps: steps of the whole training, over which the learning rates decay.
        reporter: receives every step.
        sampler: draws the labels that a step looks at; none: all labels.
    """

    def __init__(
        self,
        trainer: Trainer,
        corpus: Corpus,
        order: Callable[[int], list[Rows]],
        sizes: Rows,
        config: TrainingConfig,
        num_steps: int,
        reporter: Reporter,
        sampler: LabelSampler | None = None,
    ) -> None:
        self._trainer, self._corpus, self._order, self._sizes = trainer, corpus, order, sizes
        self._config, self._reporter, self._sampler = config, reporter, sampler
        self._decay = linear_decay(num_steps, config.warmup)
        self._steps, self._share = 0, 1.0
        self._peaks = peak_rates(config)

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return self._steps

    def run_epoch(self, place: Place, after_step: Callable[[], None]) -> None:
        """Run the remaining steps of an epoch, adding their sums to ``place``.

        Raises:
            DivergedError: a loss or a weight is no number.
        """
        config, step = self._config, self._trainer.step
        states = mask_states(config, place.epoch)
        batches = self._order(place.epoch)[place.step :]
        began, before = time.perf_counter(), place.tokens
        for rows in batches:
            factor = self._decay(self._steps) * self._share
            drawn = None if self._sampler is None else self._sampler.draw(rows, place.epoch, place.step)
            loss = step(self._corpus, rows, self._peaks.scaled(factor), *states, drawn)
            if not math.isfinite(loss):
                raise diverged(f"the loss became {loss} at step {self._steps + 1}", config)
            self._steps += 1
            place.step, place.loss = place.step + 1, place.loss + loss * len(rows)
            place.rows, place.tokens = place.rows + len(rows), place.tokens + int(self._sizes[rows].sum())
            self._reporter.step(place.epoch, loss, (place.tokens - before) / (time.perf_counter() - began))
            after_step()
        if batches:
            self._check(batches[-1])

    def _check(self, rows: Rows) -> None:
        """Raise DivergedError if the last step left weights or logits that are not finite."""
        # No later loss in this epoch would reveal it.
        answers = self._trainer.logits(self._corpus, rows)
        if not self._trainer.is_finite() or not all(a is None or np.isfinite(a).all() for a in answers):
            raise diverged(f"a weight or loss became infinite or NaN by step {self._steps}", self._config)

    def slow_down(self, step: int) -> None:
        """Continue from that step with halved learning rates and reset optimizer moments."""
        self._trainer.forget()
        self._steps, self._share = step, self._share / 2

    def weights(self, into: Arrays | None = None) -> Arrays:
        """Return copies of the weights by name, in the memory of ``into`` if given."""
        return self._trainer.weights.weights(into)

    def put_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set all weights."""
        self._trainer.load(weights)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what a resumed run needs in addition to the weights."""
        facts = {"steps": self._steps, "share": self._share, "averaged": self._trainer.steps}
        return facts, {name: array.copy() for name, array in self._trainer.state.items()}

    def load_state(self, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Restore what :meth:`state` returned."""
        self._steps, self._share, self._trainer.steps = facts["steps"], facts["share"], facts["averaged"]
        for name, array in self._trainer.state.items():
            array[...] = arrays[name]


def estimate(
    trainer: Trainer,
    corpus: Corpus,
    order: list[Rows],
    config: TrainingConfig,
    sampler: LabelSampler | None = None,
) -> Estimate:
    """Time a few steps without changing a weight."""
    states = mask_states(config, 0)
    # The weights, the optimizers' state, and the best weights so far.
    model_bytes = 2 * trainer.weights.num_bytes + sum(array.nbytes for array in trainer.state.values())

    def probe(rows: Rows) -> None:
        trainer.probe(corpus, rows, *states, None if sampler is None else sampler.draw(rows, 0, 0))

    return time_steps(probe, order, len(order), model_bytes)


def peak_rates(config: TrainingConfig) -> Rates:
    """Return the learning rates of a run before they decay."""
    rate = config.embedding_learning_rate or EMBEDDING_LEARNING_RATES[config.embedding_optimizer][0]
    return Rates(config.learning_rate, config.vector_learning_rate or rate, rate, config.wide_learning_rate)


def mask_states(config: TrainingConfig, epoch: int) -> tuple[int, int]:
    """Return the epoch's generator states of word dropout and of feature dropout."""
    return random_state(config.seed, epoch), random_state(config.seed, epoch + FEATURE_MASKS)


def texts_of(
    inputs: TextPipeline,
    encoded: EncodedTexts,
    targets: npt.NDArray[Any] | None = None,
    weights: npt.NDArray[np.float32] | None = None,
) -> Texts:
    """Return encoded rows as the core takes them, with the n-gram rows of all their types.

    Args:
        inputs: has encoded the rows.
        encoded: the rows.
        targets: label ids ``(N,)``, or ``(N, C)`` of 0 and 1.
        weights: ``(N,)``.
    """
    bags, wide = None, encoded.wide
    if inputs.lexicon is not None:
        types = np.arange(len(inputs.tokenizer) + len(encoded.unseen.names))
        bags = inputs.lexicon.bags(types, encoded.unseen)
    return Texts(
        np.require(encoded.ids, np.int32, "C"),
        np.require(encoded.offsets, np.int64, "C"),
        None if bags is None else np.require(bags.offsets, np.int64, "C"),
        None if bags is None else np.require(bags.ids, np.int32, "C"),
        None if wide is None else np.require(wide.offsets, np.int64, "C"),
        None if wide is None else np.require(wide.rows, np.int32, "C"),
        None if wide is None else np.require(wide.weights, np.float32, "C"),
        _core_targets(targets),
        weights,
    )


def plain_texts(tokens: Ragged, targets: npt.NDArray[Any] | None = None) -> Texts:
    """Return word ids as the core takes them, for a network without n-grams; ``targets`` as in :func:`texts_of`."""
    ids, offsets = np.require(tokens.ids, np.int32, "C"), np.require(tokens.offsets, np.int64, "C")
    return Texts(ids, offsets, targets=_core_targets(targets))


def _core_targets(targets: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    """Convert label ids ``(N,)`` or indicators ``(N, C)`` to the core's types."""
    return None if targets is None else np.require(targets, np.int32 if targets.ndim == 1 else np.float32, "C")


def branch_logits_of(trainer: Trainer, corpus: Corpus, rows: slice = slice(None)) -> list[npt.NDArray[np.floating]]:
    """Return logits ``(N, C)`` of a slice of a corpus by each branch: the network and the n-gram branch, if any."""
    offsets = corpus.texts.offsets
    start, num_rows, _ = rows.indices(len(offsets) - 1)
    is_empty = start >= num_rows
    parts: tuple[list[npt.NDArray[np.float32]], ...] = ([], [])
    while start < num_rows:
        fitting = int(np.searchsorted(offsets, offsets[start] + _TOKENS, side="right")) - 1
        end = min(max(fitting, start + 1), start + _ROWS, num_rows)
        for part, logits in zip(parts, trainer.logits(corpus, np.arange(start, end)), strict=True):
            if logits is not None:
                part.append(logits)
        start = end
    if is_empty:
        return [np.zeros((0, trainer.weights.shape.num_labels), np.float32)]
    return [np.concatenate(part) for part in parts if part]
