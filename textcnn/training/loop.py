"""The training loop, shared by texts and images, torch networks and the C core."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from textcnn.config import TrainingConfig
from textcnn.errors import TextCNNError
from textcnn.progress import Reporter, StopTraining
from textcnn.training.checkpoints import FitCheckpoints, State, of_prefix, with_prefix
from textcnn.training.distributed import ALONE, ProcessGroup, weights_digest

ROLLBACKS = 3  # rollbacks to good weights with halved learning rates before training gives up

Evaluate = Callable[[], dict[str, float]]
Arrays = dict[str, npt.NDArray[Any]]


class DivergedError(TextCNNError):
    """The loss became infinite or NaN; the weights are the last good ones."""


def diverged(what: str, config: TrainingConfig) -> DivergedError:
    """Return the error that says what happened, and what to do."""
    return DivergedError(f"{what}; lower learning_rate (now {config.learning_rate:g}) or set clip_norm")


@dataclass
class Place:
    """Progress within an epoch: its number, its finished steps, and their sums."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    rows: int = 0
    tokens: int = 0


class Learner(Protocol):
    """Interface of what is trained: weights, optimizer state, and the steps that update both."""

    @property
    def steps(self) -> int:
        """Number of steps done, on which the learning rates depend."""

    def run_epoch(self, place: Place, after_step: Callable[[], None]) -> None:
        """Run the remaining steps of an epoch, adding their sums to ``place``.

        Raises:
            DivergedError: a loss or a weight is no number.
        """

    def slow_down(self, step: int) -> None:
        """Continue from that step with halved learning rates and reset optimizer moments."""

    def weights(self, into: Arrays | None = None) -> Arrays:
        """Return copies of the weights and buffers by name, in the memory of ``into`` if given."""

    def put_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set all weights."""

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what a resumed run needs besides the weights: JSON values, and arrays by name."""

    def load_state(self, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Restore what :meth:`state` returned; the weights have been restored already."""


@dataclass
class Fit:
    """Result of a training run.

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
    learner: Learner,
    steps_per_epoch: int,
    config: TrainingConfig,
    reporter: Reporter,
    *,
    evaluate: Evaluate | None = None,
    metric: str = "accuracy",
    checkpoints: FitCheckpoints | None = None,
    state: State | None = None,
    group: ProcessGroup = ALONE,
) -> Fit:
    """Train in place, leaving the learner with its best weights (without ``evaluate``: the last).

    When the loss becomes infinite or NaN, training returns to the best weights and continues with halved learning
    rates, up to :data:`ROLLBACKS` times.

    Args:
        learner: what is trained.
        steps_per_epoch: number of steps.
        config: epochs must be a number here.
        reporter: receives every epoch; the learner reports every step to it.
        evaluate: returns dev metrics of the current weights.
        metric: the dev metric by which the best weights are chosen.
        checkpoints: where the state is saved.
        state: a saved state to resume from.
        group: the processes that train the network together.

    Raises:
        DivergedError: the loss became infinite or NaN again and again before an epoch was done (later on, the best
            weights are kept and ``stopped`` says so).
    """
    return _Training(learner, steps_per_epoch, config, reporter, evaluate, metric, checkpoints, group).run(state)


class _Training:
    """A fit in progress, with everything that a checkpoint saves."""

    def __init__(
        self,
        learner: Learner,
        steps_per_epoch: int,
        config: TrainingConfig,
        reporter: Reporter,
        evaluate: Evaluate | None,
        metric: str,
        checkpoints: FitCheckpoints | None,
        group: ProcessGroup,
    ) -> None:
        assert config.epochs is not None
        self._learner, self._steps_per_epoch = learner, steps_per_epoch
        self._config, self._epochs, self._reporter = config, config.epochs, reporter
        self._evaluate, self._metric, self._checkpoints = evaluate, metric, checkpoints
        self._best = _Best(learner)
        self._fit, self._place, self._rollbacks = Fit(), Place(), 0
        self._busy, self._tokens, self._group = 0.0, 0, group

    def run(self, state: State | None) -> Fit:
        began = time.perf_counter()
        if state is not None:
            self._restore(state)
            if is_finished(state):
                return self._fit
        fit = self._fit
        self._reporter.start(self._steps_per_epoch * self._epochs - self._learner.steps)
        try:
            while self._place.epoch < self._epochs and not self._out_of_patience():
                self._run_epoch()
        except KeyboardInterrupt:
            fit.stopped = "interrupted"
        except StopTraining:
            fit.stopped = "stopped"
        except DivergedError as err:
            self._best.restore()
            if not self._best.epoch:
                raise
            fit.stopped, fit.problem = "diverged", str(err)
        finally:
            self._reporter.stop()
        # An interrupted run without dev rows keeps its latest weights, which are newer than those of its last epoch.
        if self._best.epoch and (self._evaluate or fit.stopped in ("done", "patience", "diverged")):
            self._best.restore()
        fit.best_epoch = self._best.epoch
        fit.seconds += time.perf_counter() - began
        fit.tokens_per_second = self._tokens / self._busy if self._busy else 0.0
        if self._checkpoints is not None:
            self._end(self._checkpoints)
        return fit

    def _end(self, checkpoints: FitCheckpoints) -> None:
        """Save the final state of a finished fit, or tidy the checkpoints of one that can be resumed."""
        if self._fit.stopped in ("done", "patience"):
            facts = {"fit": dataclasses.asdict(self._fit), "epochs": self._epochs}
            checkpoints.finish(State(facts, with_prefix("model", self._learner.weights())))
        else:
            checkpoints.tidy()  # an interrupt may have come between a write and the removal of older files

    def _out_of_patience(self) -> bool:
        patience = self._config.patience
        if patience is None or not self._evaluate or self._place.epoch - self._best.epoch < patience:
            return False
        self._fit.stopped = "patience"
        return True

    def _run_epoch(self) -> None:
        """Finish an epoch and evaluate it; if it diverges, roll back to good weights."""
        place, before = self._place, self._place.tokens
        epoch_began = time.perf_counter()
        try:
            self._learner.run_epoch(place, self._after_step)
        except DivergedError as err:
            if self._rollbacks == ROLLBACKS:
                raise
            self._roll_back(err)
            return
        self._busy += time.perf_counter() - epoch_began
        self._tokens += place.tokens - before
        what = f"weights after epoch {place.epoch + 1}"
        self._group.require_same(what, lambda: weights_digest(self._learner.weights()))
        entry: dict[str, Any] = {"epoch": place.epoch + 1, "loss": place.loss / place.rows}
        entry.update({f"dev_{name}": value for name, value in (self._evaluate() if self._evaluate else {}).items()})
        self._fit.history.append(entry)
        self._best.consider(place.epoch + 1, entry.get(f"dev_{self._metric}"))
        self._place = Place(place.epoch + 1)
        self._reporter.epoch(entry)
        self._keep()

    def _roll_back(self, problem: DivergedError) -> None:
        self._rollbacks += 1
        self._best.restore()
        self._place = Place(self._place.epoch)
        self._learner.slow_down(self._place.epoch * self._steps_per_epoch)
        where = f"those of epoch {self._best.epoch}" if self._best.epoch else "the first ones"
        self._reporter.say(
            f"warning: {problem}; training goes on from weights that were good, {where}, at half the rates"
        )

    def _after_step(self) -> None:
        if self._place.step < self._steps_per_epoch:  # the last step's checkpoint follows the evaluation
            self._keep()

    def _keep(self) -> None:
        """Write a checkpoint if one is due."""
        if self._checkpoints is None or not self._checkpoints.due():
            return
        own, arrays = self._learner.state()
        facts = {
            "epochs": self._epochs,
            "place": dataclasses.asdict(self._place),
            "history": self._fit.history,
            "best": [self._best.epoch, self._best.value],
            "rollbacks": self._rollbacks,
            "trainer": own,
        }
        parts = {"model": self._learner.weights(), "best": self._best.weights, "trainer": arrays}
        together = {key: value for name, part in parts.items() for key, value in with_prefix(name, part).items()}
        self._checkpoints.write(self._learner.steps, State(facts, together))

    def _restore(self, state: State) -> None:
        """Restore the state of a checkpoint."""
        facts, tensors = state.facts, state.tensors
        self._learner.put_weights(of_prefix("model", tensors))
        if is_finished(state):
            self._fit = Fit(**facts["fit"])
            return
        self._place, self._rollbacks = Place(**facts["place"]), facts["rollbacks"]
        self._fit.history.extend(facts["history"])
        self._best.epoch, self._best.value = facts["best"]
        self._best.weights = of_prefix("best", tensors)
        self._learner.load_state(facts["trainer"], of_prefix("trainer", tensors))
        self._reporter.say(f"going on from epoch {self._place.epoch + 1}, step {self._place.step:,}")


def is_finished(state: State) -> bool:
    """Return whether a saved fit had finished."""
    return "fit" in state.facts


class _Best:
    """The best weights so far; without a dev metric, the latest."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self.value = float("-inf")
        self.epoch = 0
        self.weights = learner.weights()
        self._is_partial = False

    def consider(self, epoch: int, value: float | None) -> None:
        if value is None or value > self.value:
            # Copied in place: an interrupt meanwhile leaves a mixture, but then the learner has the best weights.
            self._is_partial = True
            self.epoch, self.value = epoch, self.value if value is None else value
            self.weights = self._learner.weights(self.weights)
            self._is_partial = False

    def restore(self) -> None:
        if not self._is_partial:
            self._learner.put_weights(self.weights)
