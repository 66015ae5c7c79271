"""Dropout whose masks can be a function of the rows (Srivastava et al. 2014, JMLR 15)."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn.nn.step import running_step


class Dropout(nn.Dropout):
    """``nn.Dropout`` bit by bit; in a :class:`textcnn.nn.step.Step` its mask is a function of seed, epoch and row."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` to the same shape; the first axis are the rows."""
        step = running_step()
        if step is None or not self.training or not self.p:
            return super().forward(x)
        keep = (step.uniform(*x.shape[1:]) >= self.p).to(x.device, x.dtype)
        return x * keep / (1 - self.p)
