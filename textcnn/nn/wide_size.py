"""A wide branch that is too large: half precision first, then without the n-grams of least weight."""

from __future__ import annotations

import torch

from textcnn.nn.wide import WideBranch

_LARGEST = torch.finfo(torch.float16).max


def num_bytes(wide: WideBranch) -> int:
    """What the branch takes in a file: key, idf and weights of every n-gram."""
    return len(wide.keys) * row_bytes(wide.table.embedding_dim, wide.is_float16)


@torch.no_grad()
def fitted(wide: WideBranch, most: int) -> WideBranch:
    """The branch itself if it takes at most ``most`` bytes, else a smaller one that does.

    Its weights are rounded to float16, and are so in the file; in memory they stay float32, so that both give the same
    answer. If that is not enough, the n-grams whose weights have the largest norm are kept. The others are as unseen:
    they do not count in the norm of a text either.
    """
    if num_bytes(wide) <= most:
        return wide
    table = wide.table.weight.clamp(-_LARGEST, _LARGEST).half().float()
    room = most // row_bytes(table.shape[1], float16=True)
    kept = table.norm(dim=1).argsort(descending=True, stable=True)[:room].sort().values  # keys stay ascending
    small = WideBranch(len(kept), table.shape[1])
    small.is_float16 = True
    small.table.weight.copy_(table[kept])
    small.keys.copy_(wide.keys[kept])
    small.idf.copy_(wide.idf[kept])
    return small.train(wide.training)


def row_bytes(num_labels: int, float16: bool) -> int:
    """What one n-gram takes in a file."""
    return 8 + 4 + num_labels * (2 if float16 else 4)
