"""Training of a torch network: steps and epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import Tensor, nn

from textcnn.config import TrainingConfig
from textcnn.nn.heads import Head
from textcnn.progress import Reporter
from textcnn.training.batches import Precision, loss_of
from textcnn.training.checkpoints import of_prefix, with_prefix
from textcnn.training.distributed import ALONE, ProcessGroup
from textcnn.training.loop import Arrays, Place, diverged
from textcnn.training.losses import BranchLoss
from textcnn.training.optimizers import build_optimizers, split_parameters


class TrainingBatch(Protocol):
    """Interface of the batches that a training step takes."""

    @property
    def labels(self) -> Tensor | None:
        """Targets of the rows."""

    @property
    def weights(self) -> Tensor | None:
        """Weights of the rows in the loss; none: all the same."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""

    @property
    def num_tokens(self) -> int:
        """Number of tokens, in which speed is counted."""


class Trainer:
    """Runs training steps of a model with its optimizers."""

    def __init__(
        self,
        model: nn.Module,
        loss: BranchLoss,
        config: TrainingConfig,
        num_steps: int,
        reporter: Reporter,
        group: ProcessGroup = ALONE,
    ) -> None:
        self._model, self._loss, self._config, self._reporter = model, loss, config, reporter
        self._num_steps, self._group = num_steps, group
        self._optimizers = build_optimizers(model, config, num_steps)
        self._precision = Precision(config.amp, model)
        self._groups = split_parameters(model)
        self._heads = [m for m in model.modules() if isinstance(m, Head)] if config.max_norm else []

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return self._optimizers.steps

    def run_epoch(
        self, batches: Iterable[TrainingBatch], place: Place, after_step: Callable[[], None] = lambda: None
    ) -> None:
        """Run the remaining steps of an epoch, adding their sums to ``place``."""
        self._model.train()
        began, before = time.perf_counter(), place.tokens
        batch = None
        for batch in islice(batches, place.step, None):
            value = self.step(batch)
            place.step, place.loss = place.step + 1, place.loss + value * batch.num_rows
            place.rows, place.tokens = place.rows + batch.num_rows, place.tokens + batch.num_tokens
            self._reporter.step(place.epoch, value, (place.tokens - before) / (time.perf_counter() - began))
            after_step()
        if batch is not None:
            self._check(batch)

    def step(self, batch: TrainingBatch) -> float:
        """Run forward, loss, backward and optimizers on one batch in training mode; return the loss."""
        loss = loss_of(self._precision, self._loss, batch)
        value = self._group.agree(loss.item())
        if not math.isfinite(value):
            raise diverged(f"the loss became {value} at step {self.steps + 1}", self._config)
        self._precision.backward(loss, self._optimizers, self._sum_gradients)
        if self._config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._groups["dense"], self._config.clip_norm)
        self._precision.step(self._optimizers)
        for head in self._heads:
            with torch.no_grad():
                head.weight.copy_(torch.renorm(head.weight, 2, 0, self._config.max_norm or 0.0))
        return float(value)

    def _sum_gradients(self) -> None:
        self._group.sum_gradients(self._groups["dense"], [*self._groups["rows"], *self._groups["wide"]])

    def slow_down(self, step: int) -> None:
        """Continue from that step with halved learning rates and new optimizers, whose moments may not be finite."""
        share = self._optimizers.share
        self._optimizers = build_optimizers(self._model, self._config, self._num_steps)
        self._optimizers.steps, self._optimizers.share = step, share / 2
        self._precision = Precision(self._config.amp, self._model)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what a resumed run needs besides the weights: JSON values, and tensors by name."""
        facts, tensors = self._optimizers.state()
        return {"optimizers": facts, "precision": self._precision.state()}, with_prefix("optimizers", tensors)

    def load_state(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`state` returned; the weights have been restored already."""
        self._optimizers.load_state(facts["optimizers"], of_prefix("optimizers", tensors))
        self._precision.load_state(facts["precision"])

    @torch.no_grad()
    def _check(self, batch: TrainingBatch) -> None:
        """Raise DivergedError if the last step left weights or a loss that is not finite."""
        self._model.eval()
        finite = all(bool(torch.isfinite(weight).all()) for weight in self._model.parameters())
        loss = loss_of(Precision(None, self._model), self._loss, batch).item()
        if not math.isfinite(self._group.agree(loss if finite else math.nan)):
            raise diverged(f"a weight or loss became infinite or NaN by step {self.steps}", self._config)


class NetworkLearner:
    """A torch network and its trainer as a :class:`textcnn.training.loop.Learner`.

    Args:
        model: has ``branches(batch)``.
        batches: returns the batches of an epoch by its number.
        loss: branches and targets to a scalar.
        config: epochs must be a number here.
        steps_per_epoch: number of batches of an epoch.
        reporter: receives every step.
        group: the processes that train the network together.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Callable[[int], Iterable[TrainingBatch]],
        loss: BranchLoss,
        config: TrainingConfig,
        steps_per_epoch: int,
        reporter: Reporter,
        group: ProcessGroup = ALONE,
    ) -> None:
        assert config.epochs is not None
        self._model, self._batches = model, batches
        self._trainer = Trainer(model, loss, config, steps_per_epoch * config.epochs, reporter, group)
        self.slow_down = self._trainer.slow_down

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return self._trainer.steps

    def run_epoch(self, place: Place, after_step: Callable[[], None]) -> None:
        """Run the remaining steps of an epoch, adding their sums to ``place``."""
        self._trainer.run_epoch(self._batches(place.epoch), place, after_step)

    def weights(self, into: Arrays | None = None) -> Arrays:
        """Return copies of the weights and buffers by name."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self._model.state_dict().items()}

    def put_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set all weights, on any device."""
        self._model.load_state_dict(tensors_of(weights))

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return the state of the optimizers and of torch's random generators."""
        facts, tensors = self._trainer.state()
        tensors = {**tensors, **with_prefix("random", random_state())}
        return facts, {name: value.detach().cpu().numpy() for name, value in tensors.items()}

    def load_state(self, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Restore what :meth:`state` returned."""
        tensors = tensors_of(arrays)
        self._trainer.load_state(facts, tensors)
        restore_random_state(of_prefix("random", tensors))


def tensors_of(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    """Copy arrays to tensors, by name."""
    return {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}


def random_state() -> dict[str, Tensor]:
    """Return the state of torch's random generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), **{f"cuda{number}": state for number, state in enumerate(cuda)}}


def restore_random_state(states: Mapping[str, Tensor]) -> None:
    """Restore the state that :func:`random_state` returned."""
    torch.set_rng_state(states["cpu"])
    for number in range(torch.cuda.device_count()):
        if f"cuda{number}" in states:
            torch.cuda.set_rng_state(states[f"cuda{number}"], number)
