"""Multi-layer perceptron on the flattened text, a baseline without convolution (Rumelhart et al. 1986)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import padded_vectors, zero_empty
from textcnn.tokenization.batch import Batch


class FirstPlaces(nn.Module):
    """Truncates or zero-pads texts to a fixed length: ``(B, T, D) -> (B, num_places, D)``."""

    def __init__(self, num_places: int, embedding_dim: int) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.num_places = num_places

    def forward(self, x: Tensor) -> Tensor:
        """Return the truncated or padded texts."""
        return F.pad(x, (0, 0, 0, self.num_places - x.shape[1]))


class MLPEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, H)``: dense layers on the first words of a text; later words are not seen.

    A word one place further is another word to it, which is why convolution shares its weights over the places.
    Parameters: ``H * (num_places * D + 1) + (num_layers - 1) * H * (H + 1)``.

    Args:
        embedding_dim: D.
        num_places: tokens it sees, from the start of the text.
        hidden_size: H, units of each layer.
        num_layers: dense layers.
        dropout: share set to 0 in training, after each layer.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        num_places: int = 32,
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [FirstPlaces(num_places, embedding_dim), nn.Flatten()]
        for width in [num_places * embedding_dim, *[hidden_size] * (num_layers - 1)]:
            layers += [nn.Linear(width, hidden_size), nn.ReLU(), Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.out_features = hidden_size

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, H)`` from the vectors ``(U, D)`` of the batch's unique types."""
        return zero_empty(self.layers(padded_vectors(embedded, batch)), batch.lengths)
