"""Planning of a fit within its limits, for both backends: affordable epochs, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import TrainingConfig
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, fit_thresholds, probabilities
from textcnn.evaluation.metrics import Best, score, score_best
from textcnn.evaluation.numbers import NUMBER_METRICS
from textcnn.labels import MANY_LABELS, Labels
from textcnn.progress import Reporter, Together
from textcnn.training.distributed import ALONE
from textcnn.training.loop import Evaluate, Fit, Learner, fit, is_finished
from textcnn.training.resource_limits import Estimate, Watch
from textcnn.training.result import Calibration, Part
from textcnn.training.sampler import default_epochs

Deciding = Callable[[], Mapping[str, Any]]


def planned_fit(
    build: Callable[[TrainingConfig, Reporter], Learner],
    expected: Callable[[], Estimate],
    config: TrainingConfig,
    steps_per_epoch: int,
    num_rows: int,
    reporter: Reporter,
    *,
    evaluate: Evaluate | None,
    metric: str,
    dev_rows: int,
    watch: Watch | None,
    deciding: Deciding,
) -> tuple[Fit, int]:
    """Train what ``build`` returns; return the fit and the number of planned epochs.

    Args:
        build: makes the learner, for settings whose epochs are a number, and a reporter that it tells of every step.
        expected: returns time and memory of an epoch; called only if training is not finished yet.
        config: training settings.
        steps_per_epoch: number of steps.
        num_rows: training rows.
        reporter: receives progress.
        evaluate: dev metrics of the weights as they stand, or none.
        metric: the one that decides.
        dev_rows: number of dev rows.
        watch: enforces the run's limits, and provides its checkpoints.
        deciding: returns the inputs besides ``config`` that determine the weights; called only with checkpoints.

    Raises:
        ConfigError: no time or memory is left for training, or the checkpoints are of another run.
    """
    group = ALONE if watch is None else watch.group
    epochs = config.epochs or default_epochs(num_rows)
    config = replace(config, epochs=epochs)
    checkpoints = (
        None
        if watch is None
        else watch.checkpoints(lambda: {**deciding(), "training": _without_limits(config), "ranks": group.size})
    )
    state = group.same(None if checkpoints is None else checkpoints.latest())
    with group.training():
        if state is None or not is_finished(state):
            found = expected()
            if watch is not None:
                epochs = group.same(watch.planned(epochs, found, dev_rows / num_rows, reporter.say))
                reporter = Together(reporter, watch.reporter())
            reporter.say(found.describe(epochs))
        if state is not None:  # the rates decay over the epochs that were planned then
            epochs = state.facts["epochs"]
        config, reporter = replace(config, epochs=epochs), group.listening(reporter)
        result = fit(
            build(config, reporter),
            steps_per_epoch,
            config,
            reporter,
            evaluate=evaluate,
            metric=metric,
            checkpoints=checkpoints,
            state=state,
            group=group,
        )
    return result, epochs


def dev_scores(
    logits: Callable[[slice], npt.NDArray[np.floating]], dev: Part[Any], before: Calibration, labels: Labels
) -> Evaluate:
    """Return a function that computes dev metrics of the current weights, multi-label at freshly fitted thresholds.

    Args:
        logits: returns logits ``(N, C)`` of a slice of the dev rows.
        dev: the rows.
        before: how the sum of the branches is read before it is calibrated.
        labels: of the columns.
    """

    def evaluate() -> dict[str, float]:
        if len(labels) > MANY_LABELS and not labels.multi_label:
            best = Best.of(
                lambda rows: probabilities(logits(slice(rows[0], rows[-1] + 1)), labels), len(dev.truth), len(labels)
            )
            found = score_best(dev.truth, best, labels)
            return {name: found[name] for name in ("accuracy", "macro_f1", "micro_f1")}
        probs = probabilities(logits(slice(None)), labels, before.temperature)
        thresholds = [DEFAULT_THRESHOLD] * len(labels)
        if labels.multi_label:
            thresholds = fit_thresholds(probs, dev.truth, labels)
        found = score(dev.truth, probs, labels, thresholds)
        names = NUMBER_METRICS if labels.targets else ("accuracy", "macro_f1", "micro_f1")
        return {name: found[name] for name in names}

    return evaluate


def _without_limits(config: TrainingConfig) -> dict[str, Any]:
    return {
        name: value for name, value in asdict(config).items() if name not in ("time_limit", "max_memory", "threads")
    }
