"""Training one network, or several from different seeds that become one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import mean
from typing import Any

from textcnn.config import Config, ModelConfig, TrainingConfig
from textcnn.models.base import TextClassifier
from textcnn.models.merging import merge_members, merged_config
from textcnn.training.learn import Learned, prepare
from textcnn.training.loop import Fit
from textcnn.training.progress import Reporter


def train_members(
    config: Config,
    build: Callable[[ModelConfig], TextClassifier],
    train: Callable[[TextClassifier, TrainingConfig], Learned],
    reporter: Reporter,
) -> tuple[TextClassifier, ModelConfig, Learned]:
    """Train ``ensemble`` networks with the seeds ``seed``, ``seed + 1``, ... and merge them.

    A run that is stopped early has the members that were trained so far.

    Args:
        config: every setting.
        build: makes a network with fresh weights.
        train: trains one in place.
        reporter: is told which member it is.

    Returns:
        The network, its config, and how the fit went: the history of all members, the best epoch of the first.

    Raises:
        ConfigError: networks of this kind cannot be merged.
    """
    size = config.training.ensemble
    if size > 1:
        merged_config(config.model, size)  # what cannot be merged is told before it is trained
    members: list[TextClassifier] = []
    found: list[Learned] = []
    for number in range(size):
        training = replace(config.training, seed=(config.training.seed + number) % 2**64)
        if number:
            prepare(training)
        if size > 1:
            reporter.say(f"member {number + 1} of {size}, seed {training.seed}")
        model = build(config.model)
        learned = train(model, training)
        if not members or learned.fit.best_epoch:
            members.append(model)
            found.append(learned)
        if learned.fit.stopped in ("interrupted", "stopped"):
            break
    if size == 1:
        return members[0], config.model, found[0]
    merged = merged_config(config.model, len(members))
    model = build(merged)
    merge_members(members, model)
    return model.eval(), merged, replace(found[0], fit=_together([each.fit for each in found], learned.fit.stopped))


def _together(fits: list[Fit], stopped: str) -> Fit:
    history: list[dict[str, Any]] = [
        {"member": number, **entry} for number, fit in enumerate(fits, start=1) for entry in fit.history
    ]
    problem = next((fit.problem for fit in fits if fit.problem), "")
    return Fit(
        history,
        fits[0].best_epoch,
        sum(fit.seconds for fit in fits),
        mean(fit.tokens_per_second for fit in fits),
        stopped,
        problem,
    )
