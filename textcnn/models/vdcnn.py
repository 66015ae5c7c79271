"""Very deep CNN over characters: stacked convolutions of width 3 (Conneau et al. 2017, arXiv 1606.01781)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.nn.block_variants import ResidualBlock
from textcnn.nn.blocks import HALVING, Block, ConvBlock, Stack
from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import k_max, padded_vectors, zero_empty
from textcnn.tokenization.batch import Batch

PAIRS: Mapping[int, tuple[int, int, int, int]] = {9: (1, 1, 1, 1), 17: (2, 2, 2, 2), 29: (5, 5, 2, 2)}  # table 2


class VDCNNEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, H)``: four levels of convolution pairs, each with half the steps and twice the channels.

    Characters are the tokens: with this architecture the setting ``tokenizer`` is ``char`` unless told otherwise; the
    paper has vectors of D = 16. Every convolution has a batch norm, whose statistics never see padding. The k largest
    values of each channel, in order, go into two dense layers. A convolution from C to K channels has
    ``K * (3 C + 1) + 2 K`` parameters with its norm; depths are 64, 128, 256 and 512 at ``num_filters`` 64.

    Args:
        embedding_dim: D.
        depth: 9, 17 or 29 convolutions.
        num_filters: channels of the first level.
        k: values kept of each channel.
        hidden_size: H, units of both dense layers; 2048 in the paper.
        shortcut: add each pair's input to its output; in the paper this helps from depth 29 on.
        dropout: share set to 0 in training, after each dense layer; the paper has none.

    Raises:
        ConfigError: another depth.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        depth: int = 9,
        num_filters: int = 64,
        k: int = 8,
        hidden_size: int = 256,
        shortcut: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if depth not in PAIRS:
            raise ConfigError(f"depth of 'vdcnn' must be one of {', '.join(map(str, PAIRS))}, got {depth!r}")
        blocks: list[Block] = [ConvBlock(1, embedding_dim, num_filters, 3, padding="same")]
        channels = num_filters
        for level, pairs in enumerate(PAIRS[depth]):
            for pair in range(pairs):
                before, channels = channels, num_filters * 2**level
                pooling = HALVING if level < 3 and pair == pairs - 1 else {}
                if shortcut:
                    blocks.append(ResidualBlock(1, before, channels, **pooling))
                    continue
                blocks.append(ConvBlock(1, before, channels, 3, padding="same", norm="batch"))
                blocks.append(ConvBlock(1, channels, channels, 3, padding="same", norm="batch", **pooling))
        self.blocks = Stack(blocks)
        self.k = k
        self.dense = nn.Sequential(
            nn.Linear(k * channels, hidden_size),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.out_features = hidden_size

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, H)`` from the vectors ``(U, D)`` of the batch's unique characters."""
        x, lengths = self.blocks(padded_vectors(embedded, batch).transpose(1, 2), batch.lengths)
        return zero_empty(self.dense(k_max(x.transpose(1, 2), lengths, self.k)), lengths)
