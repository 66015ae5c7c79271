"""Kernels: fused operations of training in torch, and which of them the core does.

They are in :mod:`textcnn.kernels.reference` and :mod:`textcnn.kernels.backend`, which need torch and are imported when
they are first used. What does without torch is in :mod:`textcnn.core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcnn.kernels.backend import bag_sum as bag_sum
    from textcnn.kernels.backend import row_adagrad as row_adagrad
    from textcnn.kernels.backend import row_adam as row_adam
    from textcnn.kernels.backend import rowwise_adagrad as rowwise_adagrad
    from textcnn.kernels.reference import conv_max as conv_max

_OF_TRAINING = {
    "conv_max": "reference",
    **dict.fromkeys(("bag_sum", "row_adagrad", "row_adam", "rowwise_adagrad"), "backend"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _OF_TRAINING:
        return getattr(import_module(f"textcnn.kernels.{_OF_TRAINING[name]}"), name)
    raise AttributeError(f"module 'textcnn.kernels' has no attribute {name!r}")
