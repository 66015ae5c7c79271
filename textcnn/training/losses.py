"""The training loss: one term for each branch of a model."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.config import HUBER
from textcnn.labels import Labels
from textcnn.models.base import Branches


class BranchLoss(nn.Module):
    """Sum over branches of cross-entropy (single-label) or binary cross-entropy over the labels (multi-label).

    In regression it is half the squared error of the standardized targets, or Huber's loss (1964), which is linear
    beyond :data:`textcnn.config.HUBER` standard deviations, or, of grades, minus the logarithm of the grade's
    probability by cumulative logits of the score (McCullagh 1980), with cuts half-way between the grades; smoothing
    does not act on it.

    Class weights, focal loss and weights of rows act on every branch, each by its own probabilities; smoothing acts on
    the main one. The focal loss (Lin et al. 2017, arXiv 1708.02002) multiplies each term ``-ln p`` of the smoothed
    cross-entropy by ``(1 - p) ** gamma``. So smoothing still holds logits back: were a row's whole loss scaled by how
    well its label is answered, the terms of the other labels would vanish with it.

    Args:
        labels: the labels of the logits' columns.
        smoothing: mass moved from the true label to all labels alike (multi-label: from 0 and 1 towards 1/2), in the
            main branch; it keeps the network's logits of a size with those of the wide branch.
        class_weight: ``(C,)``, how much a row of each label counts (multi-label: how much a label's presence counts).
        focal_gamma: gamma of the focal loss; 0: plain cross-entropy.
        prior: ``(C,)``, log-odds of each label, added to the wide branch's logits in its loss alone: its table then
            learns what the n-grams add to them. The sum of the branches has them once, in the bias of the head.
        loss: ``squared`` or ``huber``, of regression; ``cumulative``, of grades; none: that of grades, else squared.
    """

    weight: Tensor | None
    prior: Tensor | None
    cuts: Tensor | None

    def __init__(
        self,
        labels: Labels,
        *,
        smoothing: float = 0.0,
        class_weight: Tensor | None = None,
        focal_gamma: float = 0.0,
        prior: Tensor | None = None,
        loss: str | None = None,
    ) -> None:
        super().__init__()
        self.multi_label, self.regression = labels.multi_label, bool(labels.targets)
        self.is_huber = loss == "huber"
        cuts = labels.standard_cuts(loss)
        self.slope = 0.0 if cuts is None else cuts[0]
        self.register_buffer("cuts", None if cuts is None else torch.from_numpy(cuts[1]), persistent=False)
        self.smoothing = smoothing
        self.focal_gamma = focal_gamma
        self.register_buffer("weight", class_weight, persistent=False)
        self.register_buffer("prior", prior, persistent=False)

    def forward(
        self, branches: Branches, targets: Tensor, weights: Tensor | None = None, divisor: float | Tensor | None = None
    ) -> Tensor:
        """Return the scalar mean loss of a batch.

        The rows' weights are not divided by their sum in the batch: a row counts the same whatever its batch mates
        weigh. They are to have a mean of 1 over the training rows.

        Args:
            branches: logits ``(B, C)`` of each branch.
            targets: ``(B,)`` ids, or ``(B, C)``: a distribution over the labels, multi-label 0 to 1 for each, in
                regression the standardized numbers.
            weights: ``(B,)``, how much each row counts; none: 1.
            divisor: divisor of the sum; for a part of a batch, the :meth:`divisor` of the whole; none: of these rows.
        """
        divisor = self.divisor(targets) if divisor is None else divisor
        loss = _mean(self._of_rows(branches.main, targets, self.smoothing), weights, divisor)
        if branches.wide is not None:
            wide = branches.wide if self.prior is None else branches.wide + self.prior
            loss = loss + _mean(self._of_rows(wide, targets, 0.0), weights, divisor)
        return loss

    def divisor(self, targets: Tensor) -> float | Tensor:
        """Return the divisor of the mean: the sum of class weights, as in torch; multi-label, the number of rows.

        A row with a distribution has the weights of its labels in proportion.
        """
        if self.multi_label or self.weight is None:
            return len(targets)
        return (self.weight[targets] if targets.ndim == 1 else targets @ self.weight).sum()

    def _of_rows(self, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """Return the loss of every row, ``(B,)``."""
        if self.cuts is not None:
            return self._of_grades(logits[:, 0], targets[:, 0], self.cuts)
        if self.regression:
            error = logits - targets
            half = F.huber_loss(logits, targets, reduction="none", delta=HUBER) if self.is_huber else error.square() / 2
            return half.mean(1)
        if self.multi_label:
            return self._binary(logits, targets * (1 - smoothing) + smoothing / 2).mean(1)
        if not self.focal_gamma:
            return F.cross_entropy(logits, targets, weight=self.weight, label_smoothing=smoothing, reduction="none")
        num_labels = logits.shape[1]
        shares = F.one_hot(targets, num_labels) if targets.ndim == 1 else targets
        soft = shares * (1 - smoothing) + smoothing / num_labels
        soft = soft if self.weight is None else soft * self.weight
        return (soft * self._focal(logits.log_softmax(1))).sum(1)

    def _binary(self, logits: Tensor, soft: Tensor) -> Tensor:
        """Return the loss of every row and label, ``(B, C)``; ``soft`` are the smoothed targets."""
        if not self.focal_gamma:
            return F.binary_cross_entropy_with_logits(logits, soft, pos_weight=self.weight, reduction="none")
        present = soft if self.weight is None else soft * self.weight
        return present * self._focal(F.logsigmoid(logits)) + (1 - soft) * self._focal(F.logsigmoid(-logits))

    def _of_grades(self, scores: Tensor, targets: Tensor, cuts: Tensor) -> Tensor:
        """Return the loss ``(B,)`` of scores; the grade between two cuts is above the one and below the other."""
        grade = (cuts < targets[:, None]).sum(1)
        above = F.logsigmoid(self.slope * (scores - cuts[(grade - 1).clamp_min(0)]))
        below = F.logsigmoid(self.slope * (cuts[grade.clamp_max(len(cuts) - 1)] - scores))
        between = torch.log(-torch.expm1(-self.slope * torch.diff(cuts)))  # ln(sigmoid(a) - sigmoid(b)) less both
        zero = cuts.new_zeros(1)
        loss = -torch.cat([zero, between, zero])[grade]
        return loss - above.where(grade > 0, 0.0) - below.where(grade < len(cuts), 0.0)

    def _focal(self, log_p: Tensor) -> Tensor:
        # Below 1 the power's slope at 0 is infinite, and infinity times a loss of 0 is no number.
        missed = (-torch.expm1(log_p)).clamp_min(1e-7)
        return -log_p * missed**self.focal_gamma


def _mean(rows: Tensor, weights: Tensor | None, divisor: float | Tensor) -> Tensor:
    return (rows if weights is None else rows * weights).sum() / divisor
