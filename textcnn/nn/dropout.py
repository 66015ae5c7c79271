"""Dropout whose masks are a function of the rows of a training step (Srivastava et al. 2014, JMLR 15)."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn.nn.step import running_step


class Dropout(nn.Dropout):
    """In a :class:`textcnn.nn.step.Step` the mask is a function of seed, epoch and row; elsewhere ``nn.Dropout``."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` to the same shape; the first axis are the rows."""
        step = running_step()
        if step is None or not self.training or not self.p:
            return super().forward(x)
        keep = (step.uniform(*x.shape[1:]) >= self.p).to(x.device, x.dtype)
        return x * keep / (1 - self.p)
