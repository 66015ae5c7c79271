"""Trains one network, or several with different seeds that are merged into one (an ensemble)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import mean
from typing import TYPE_CHECKING, Any

from textcnn.config import Config, ModelConfig, TrainingConfig
from textcnn.models.weights import Weights, merged_config, merged_weights
from textcnn.progress import Reporter
from textcnn.training.loop import Fit
from textcnn.training.result import Learned

if TYPE_CHECKING:
    from torch import nn


def train_members(
    config: Config, train: Callable[[TrainingConfig], tuple[nn.Module | Weights, Learned]], reporter: Reporter
) -> tuple[nn.Module | Weights, ModelConfig, Learned]:
    """Train ``ensemble`` networks with the seeds ``seed``, ``seed + 1``, ... and merge them.

    A run that is stopped early has the members that were trained so far.

    Args:
        config: all settings.
        train: trains a network with the seed of its argument and returns it, or its weights.
        reporter: receives a message for each member.

    Returns:
        The network that ``train`` returned, or the merged weights; its config; and the result of the fit, with the
        history of all members and the best epoch of the first.

    Raises:
        ConfigError: networks of this kind cannot be merged.
    """
    size = config.training.ensemble
    if size > 1:
        merged_config(config.model, size)  # raises before anything is trained
    members: list[nn.Module | Weights] = []
    found: list[Learned] = []
    for number in range(size):
        training = replace(config.training, seed=(config.training.seed + number) % 2**64)  # seeds are 64-bit numbers
        if size > 1:
            reporter.say(f"member {number + 1} of {size}, seed {training.seed}")
        model, learned = train(training)
        if not members or learned.fit.best_epoch:  # a member stopped before its first epoch is untrained
            members.append(model)
            found.append(learned)
        if learned.fit.stopped in ("interrupted", "stopped"):
            break
    if size == 1:
        return members[0], config.model, found[0]
    merged = merged_weights([_weights(member) for member in members], config.model)
    together = replace(found[0], fit=_together([each.fit for each in found], learned.fit.stopped))
    return merged, merged_config(config.model, len(members)), together


def _weights(member: nn.Module | Weights) -> Weights:
    if isinstance(member, dict):
        return member
    from textcnn.models.base import weights_of

    return weights_of(member)


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
