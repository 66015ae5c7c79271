"""The one building block of text and images: convolution, activation, pooling, in one or two dimensions."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.nn.arithmetic import Size, output_size

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "identity": nn.Identity,
}
_CONVOLUTIONS: Mapping[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
_POOLS: Mapping[tuple[str, int], type[nn.Module]] = {
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
    ("average", 1): nn.AvgPool1d,
    ("average", 2): nn.AvgPool2d,
}


def make_activation(name: str) -> nn.Module:
    """The activation called ``name``.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise ConfigError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]()


class ConvBlock(nn.Module):
    """Convolution, activation, pooling: ``(B, C, L) -> (B, K, L')`` or ``(B, C, H, W) -> (B, K, H', W')``.

    K filters give depth K; each side W becomes ``(W - F + 2P) / S + 1`` behind the convolution and again behind the
    pooling window. Weights have the same names in both dimensions.

    Args:
        dim: 1 for sequences, 2 for images.
        in_channels: C.
        out_channels: K.
        kernel_size: F, the same on each side.
        stride: S of the convolution.
        padding: P, zeros added at each end; ``"same"`` keeps the size (odd ``kernel_size`` and stride 1 only).
        dilation: distance between the taps of a filter.
        activation: a name of :data:`ACTIVATIONS`.
        pool: ``max``, ``average`` or ``none``.
        pool_size: window of the pooling, and its stride.

    Raises:
        ConfigError: a value that is not listed above.
    """

    def __init__(
        self,
        dim: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | str = 0,
        dilation: int = 1,
        activation: str = "relu",
        pool: str = "none",
        pool_size: int = 2,
    ) -> None:
        super().__init__()
        if dim not in _CONVOLUTIONS:
            raise ConfigError(f"dim must be 1 (sequences) or 2 (images), got {dim!r}")
        if pool != "none" and (pool, dim) not in _POOLS:
            raise ConfigError(f"pool must be max, average or none, got {pool!r}")
        self.padding = _same_padding(kernel_size, stride, dilation) if padding == "same" else _checked(padding)
        self.conv = _CONVOLUTIONS[dim](
            in_channels, out_channels, kernel_size, stride=stride, padding=self.padding, dilation=dilation
        )
        self.activation = make_activation(activation)
        self.pool = nn.Identity() if pool == "none" else _POOLS[pool, dim](pool_size)
        self.pool_size = 1 if pool == "none" else pool_size

    def output_size(self, size: Size) -> Size:
        """Length of a side behind this block; a tensor of lengths gives a tensor."""
        behind_conv = output_size(
            size,
            self.conv.kernel_size[0],
            stride=self.conv.stride[0],
            padding=self.padding,
            dilation=self.conv.dilation[0],
        )
        return output_size(behind_conv, self.pool_size, stride=self.pool_size)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to ``(B, C, L)`` or ``(B, C, H, W)``."""
        pooled: Tensor = self.pool(self.activation(self.conv(x)))
        return pooled


def _same_padding(kernel_size: int, stride: int, dilation: int) -> int:
    if kernel_size % 2 == 0 or stride != 1:
        raise ConfigError(f"padding='same' needs an odd kernel_size and stride 1, got {kernel_size!r} and {stride!r}")
    return dilation * (kernel_size - 1) // 2


def _checked(padding: int | str) -> int:
    if not isinstance(padding, int) or padding < 0:
        raise ConfigError(f"padding must be 'same' or a number from 0 up, got {padding!r}")
    return padding
