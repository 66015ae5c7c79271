"""The loss: one term for each branch of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models.base import Branches


class BranchLoss(nn.Module):
    """Sum over branches of cross-entropy (one label a text) or of binary cross-entropy over the labels (multi-label).

    Args:
        labels: the labels of the logits' columns.
        smoothing: mass moved from the true label to all labels alike (multi-label: from 0 and 1 towards 1/2), in the
            main branch; it keeps the network's logits of a size with those of the wide branch.
        class_weight: ``(C,)``, how much a row of each label counts (multi-label: how much a label's presence counts).
        prior: ``(C,)``, log-odds of each label, added to the wide branch's logits in its loss alone: its table then
            learns what the n-grams add to them. The sum of the branches has them once, in the bias of the head.
    """

    weight: Tensor | None
    prior: Tensor | None

    def __init__(
        self,
        labels: Labels,
        *,
        smoothing: float = 0.0,
        class_weight: Tensor | None = None,
        prior: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.multi_label = labels.multi_label
        self.smoothing = smoothing
        self.register_buffer("weight", class_weight, persistent=False)
        self.register_buffer("prior", prior, persistent=False)

    def forward(self, branches: Branches, targets: Tensor) -> Tensor:
        """Mean loss of a batch, a scalar; ``targets`` are ``(B,)`` ids or ``(B, C)`` of 0 and 1."""
        loss = self._loss(branches.main, targets, self.smoothing)
        if branches.wide is None:
            return loss
        wide = branches.wide if self.prior is None else branches.wide + self.prior
        return loss + self._loss(wide, targets, 0.0)

    def _loss(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        if self.multi_label:
            soft = targets * (1 - smoothing) + smoothing / 2
            return F.binary_cross_entropy_with_logits(logits, soft, pos_weight=self.weight)
        return F.cross_entropy(logits, targets, weight=self.weight, label_smoothing=smoothing)


def label_log_odds(labels: Labels, rows: Sequence[Sequence[str]]) -> Tensor:
    """``ln(p / (1 - p))`` of each label's share p of the rows, ``(C,)``, from counts with half a row added on each side."""
    counts = Counter(name for row in rows for name in row)
    present = torch.tensor([float(counts[name]) for name in labels.names])
    return torch.log((present + 0.5) / (len(rows) - present + 0.5))


def class_weights(
    setting: str | dict[str, float] | None, labels: Labels, rows: Sequence[Sequence[str]]
) -> Tensor | None:
    """Weights ``(C,)`` of the labels, or none.

    ``balanced`` is scikit-learn's rule ``n / (C * count)``; multi-label it is ``(n - count) / count``, at most 100. A
    dictionary holds weights by label; the labels it leaves out have 1.

    Raises:
        ConfigError: an unknown rule, an unknown label, or a weight that is not above 0.
    """
    if setting is None:
        return None
    counts = Counter(name for row in rows for name in row)
    if setting == "balanced":
        if labels.multi_label:
            return torch.tensor([min((len(rows) - counts[n]) / max(counts[n], 1), 100.0) for n in labels.names])
        return torch.tensor([len(rows) / (len(labels) * max(counts[n], 1)) for n in labels.names])
    if isinstance(setting, str):
        raise ConfigError(f"class_weight must be 'balanced' or a weight for each label, got {setting!r}")
    problems = [
        f"class_weight names the label {name!r}; the data has {', '.join(labels.names)}"
        for name in setting
        if name not in labels.names
    ]
    problems += [
        f"class_weight of {name!r} must be above 0, got {value!r}" for name, value in setting.items() if not value > 0
    ]
    if problems:
        raise ConfigError(problems)
    return torch.tensor([float(setting.get(name, 1.0)) for name in labels.names])
