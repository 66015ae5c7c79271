"""Blocks on top of each other over texts of different lengths."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn.nn.blocks import Block, Pooling

# Half the places, rounded up: unlike a window of 2, it keeps a text of one place.
HALVING: Pooling = {"pool": "max", "pool_size": 3, "pool_stride": 2, "pool_padding": 1}


class Stack(nn.ModuleList):
    """Blocks one after another: ``(B, C, T)`` and lengths to ``(B, K, T')`` and lengths.

    Args:
        modules: each a :class:`textcnn.nn.blocks.Block` for sequences.
    """

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the blocks, and carry the lengths through them."""
        for block in self:
            assert isinstance(block, Block)
            x, lengths = block(x, lengths), block.output_size(lengths)
        return x, lengths
