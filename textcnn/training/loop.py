"""The training loop, the same for texts and images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from textcnn.config import TrainingConfig
from textcnn.errors import TextCNNError
from textcnn.models.base import Branches
from textcnn.nn.head import Head
from textcnn.training.losses import BranchLoss
from textcnn.training.optimizers import build_optimizers, split_parameters
from textcnn.training.precision import Precision
from textcnn.training.progress import Reporter, StopTraining


class TrainingBatch(Protocol):
    """What the loop needs of a batch."""

    @property
    def labels(self) -> Tensor | None:
        """Targets of the rows."""

    @property
    def weights(self) -> Tensor | None:
        """How much each row counts in the loss; none: all the same."""

    @property
    def num_rows(self) -> int:
        """Rows."""

    @property
    def num_tokens(self) -> int:
        """What speed is counted in."""


Epoch = Callable[[int], Iterable[TrainingBatch]]
Evaluate = Callable[[], dict[str, float]]


class DivergedError(TextCNNError):
    """The loss is not a number any more; the weights are the last good ones."""


@dataclass
class Fit:
    """What a training run did.

    Attributes:
        history: for each epoch its number, mean loss, rate of progress, and dev metrics.
        best_epoch: the epoch whose weights the model has, from 1.
        seconds: wall time of the loop, dev evaluation included.
        tokens_per_second: training tokens over the epochs' wall time, evaluation excluded.
        stopped: why it ended: ``done``, ``patience``, ``interrupted``, ``stopped`` (by the reporter) or ``diverged``.
        problem: what went wrong, if it diverged.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0
    tokens_per_second: float = 0.0
    stopped: str = "done"
    problem: str = ""


def fit(
    model: nn.Module,
    batches: Epoch,
    steps_per_epoch: int,
    loss: BranchLoss,
    config: TrainingConfig,
    reporter: Reporter,
    *,
    evaluate: Evaluate | None = None,
    metric: str = "accuracy",
) -> Fit:
    """Train ``model`` in place and leave it with its best weights (without ``evaluate``: the last).

    Args:
        model: has ``branches(batch)``.
        batches: gives the batches of an epoch by its number.
        steps_per_epoch: how many that are.
        loss: branches and targets to a scalar.
        config: epochs must be a number here.
        reporter: is told of every step.
        evaluate: dev metrics of the model as it stands.
        metric: the one that decides which weights are best.

    Raises:
        DivergedError: the loss became infinite or NaN before an epoch was done (later on, the best weights are kept
            and ``stopped`` says so).
    """
    assert config.epochs is not None
    trainer = Trainer(model, loss, config, steps_per_epoch * config.epochs, reporter)
    best = _Best(model, metric)
    result = Fit()
    began = time.perf_counter()
    busy = tokens = 0.0
    reporter.start(steps_per_epoch * config.epochs)
    try:
        for epoch in range(config.epochs):
            entry: dict[str, Any] = {"epoch": epoch + 1}
            epoch_began = time.perf_counter()
            entry["loss"], epoch_tokens = trainer.run_epoch(batches(epoch), epoch)
            epoch_seconds = time.perf_counter() - epoch_began
            busy, tokens = busy + epoch_seconds, tokens + epoch_tokens
            entry.update({f"dev_{name}": value for name, value in (evaluate() if evaluate else {}).items()})
            result.history.append(entry)
            best.consider(epoch + 1, entry.get(f"dev_{metric}"))
            reporter.epoch(entry)
            if config.patience is not None and evaluate and epoch + 1 - best.epoch >= config.patience:
                result.stopped = "patience"
                break
    except KeyboardInterrupt:
        result.stopped = "interrupted"
    except StopTraining:
        result.stopped = "stopped"
    except DivergedError as err:
        best.restore()
        if not best.epoch:
            raise
        result.stopped, result.problem = "diverged", str(err)
    finally:
        reporter.stop()
        model.eval()
    if best.epoch and (evaluate or result.stopped not in ("interrupted", "stopped")):
        best.restore()
    result.best_epoch = best.epoch
    result.seconds = time.perf_counter() - began
    result.tokens_per_second = tokens / busy if busy else 0.0
    return result


class Trainer:
    """One model and its optimizers: runs steps."""

    def __init__(
        self, model: nn.Module, loss: BranchLoss, config: TrainingConfig, num_steps: int, reporter: Reporter
    ) -> None:
        self._model, self._loss, self._config, self._reporter = model, loss, config, reporter
        self._optimizers = build_optimizers(model, config, num_steps)
        self._precision = Precision(config.amp, model)
        self._dense = split_parameters(model)["dense"]
        self._heads = [m for m in model.modules() if isinstance(m, Head)] if config.max_norm else []

    def run_epoch(self, batches: Iterable[TrainingBatch], epoch: int) -> tuple[float, int]:
        """Mean loss of the rows, and their tokens."""
        self._model.train()
        total, rows, tokens = 0.0, 0, 0
        began = time.perf_counter()
        for batch in batches:
            value = self.step(batch)
            total, rows, tokens = total + value * batch.num_rows, rows + batch.num_rows, tokens + batch.num_tokens
            self._reporter.step(epoch, value, tokens / (time.perf_counter() - began))
        self._check(batch)
        return total / rows, tokens

    def step(self, batch: TrainingBatch) -> float:
        """Forward, loss, backward, optimizers on one batch; gives the loss. The model is to be in training mode."""
        branches = self._precision.branches(batch)
        loss: Tensor = self._loss(branches, batch.labels, batch.weights)
        value = loss.item()
        if not math.isfinite(value):
            raise self._diverged(f"the loss became {value} at step {self._optimizers.steps + 1}")
        self._precision.backward(loss, self._optimizers)
        if self._config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._dense, self._config.clip_norm)
        self._precision.step(self._optimizers)
        for head in self._heads:
            with torch.no_grad():
                head.weight.copy_(torch.renorm(head.weight, 2, 0, self._config.max_norm or 0.0))
        return float(value)

    @torch.no_grad()
    def _check(self, batch: TrainingBatch) -> None:
        """A last step can ruin weights that no loss has seen yet: look at them, and at what they say of a batch."""
        self._model.eval()
        finite = all(bool(torch.isfinite(weight).all()) for weight in self._model.parameters())
        branches: Branches = self._model.branches(batch)  # type: ignore[operator]
        if not finite or not math.isfinite(self._loss(branches, batch.labels, batch.weights)):
            raise self._diverged(f"a weight or loss became infinite or NaN by step {self._optimizers.steps}")

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(f"{what}; lower learning_rate (now {self._config.learning_rate:g}) or set clip_norm")


class _Best:
    """The best weights so far; without a dev metric, the latest."""

    def __init__(self, model: nn.Module, metric: str) -> None:
        self._model, self._metric = model, metric
        self._value = float("-inf")
        self.epoch = 0
        self._weights = self._snapshot()

    def consider(self, epoch: int, value: float | None) -> None:
        if value is None or value > self._value:
            self.epoch, self._weights = epoch, self._snapshot()
            self._value = self._value if value is None else value

    def restore(self) -> None:
        self._model.load_state_dict(self._weights)

    def _snapshot(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._model.state_dict().items()}
