"""Kernels: the plain definition of each fused operation, and its fast twin.

Those of training are below :mod:`textcnn.kernels.backend`, which needs torch and is imported when it is first used;
those of look-up (``lookup_numpy``, ``lookup_numba``) do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcnn.kernels.backend import BackendInfo as BackendInfo
    from textcnn.kernels.backend import backend_info as backend_info
    from textcnn.kernels.backend import bag_sum as bag_sum
    from textcnn.kernels.backend import conv_max as conv_max
    from textcnn.kernels.backend import is_compiled as is_compiled
    from textcnn.kernels.backend import prepare as prepare
    from textcnn.kernels.backend import row_adagrad as row_adagrad
    from textcnn.kernels.backend import row_adam as row_adam
    from textcnn.kernels.backend import use_backend as use_backend

_OF_TRAINING = (
    *("BackendInfo", "backend_info", "bag_sum", "conv_max", "is_compiled"),
    *("prepare", "row_adagrad", "row_adam", "use_backend"),
)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _OF_TRAINING:
        return getattr(import_module("textcnn.kernels.backend"), name)
    raise AttributeError(f"module 'textcnn.kernels' has no attribute {name!r}")
