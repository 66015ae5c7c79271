"""Which twin of a fused operation runs: the fast one where it can, the plain definition elsewhere, and why."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from textcnn.errors import ConfigError
from textcnn.kernels import reference

BACKENDS = ("auto", "reference", "numba")


class BackendInfo(NamedTuple):
    """What ran last, and, if it was the plain definition, why the fast twin was refused."""

    backend: str
    reason: str


_NOT_USED = BackendInfo("reference", "no operation with a fast twin has run")
_choice = "auto"
_last = _NOT_USED


def use_backend(name: str) -> str:
    """Choose the twin for this process and return the choice before.

    Args:
        name: ``auto`` takes the fast twin where it can; ``reference`` never; ``numba`` must, and an operation it
            cannot do is an error.

    Raises:
        ConfigError: there is no such backend, or numba is asked for and not installed.
    """
    global _choice, _last
    if name not in BACKENDS:
        raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    if name == "numba" and not _has_numba():
        raise ConfigError("backend is 'numba', but numba is not installed; use 'auto' or 'reference'")
    before, _choice, _last = _choice, name, _NOT_USED
    return before


def backend_info() -> BackendInfo:
    """What ran last in this process since the choice was made."""
    return _last


def prepare(say: Callable[[str], None]) -> None:
    """Compile the fast twin now, so that no step is timed with it, and tell the user if it takes a while."""
    if _choice == "reference" or not _has_numba():
        return
    from textcnn.kernels import numba_training

    if not _is_cached(numba_training):
        say("compiling kernels, once")
    one, ids = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    weight, bias = torch.ones(1, 1, 1, requires_grad=True), torch.ones(1)
    features = numba_training.conv_max(one.requires_grad_(), [weight], [bias], ids, torch.tensor([0, 1]))
    features.sum().backward()  # type: ignore[no-untyped-call]


def conv_max(
    embedded: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    inverse: Tensor,
    offsets: Tensor,
    keep: Tensor | None = None,
) -> Tensor:
    """Largest score of every filter over the windows of every text; see :func:`textcnn.kernels.reference.conv_max`.

    Raises:
        ConfigError: the backend is ``numba`` and it cannot do this.
    """
    global _last
    reason = _refusal(embedded, weights)
    if reason and _choice == "numba":
        raise ConfigError(f"backend is 'numba', which cannot run this: {reason}; use 'auto' or 'reference'")
    _last = BackendInfo("reference" if reason else "numba", reason)
    if reason:
        return reference.conv_max(embedded, weights, biases, inverse, offsets, keep)
    from textcnn.kernels import numba_training

    return numba_training.conv_max(embedded, weights, biases, inverse, offsets, keep)


def _refusal(embedded: Tensor, weights: Sequence[Tensor]) -> str:
    """Why the fast twin cannot run, or nothing."""
    if _choice == "reference":
        return "the reference was chosen"
    if not _has_numba():
        return "numba is not installed"
    if embedded.device.type != "cpu":
        return f"tensors are on {embedded.device.type}, the fast twin is for the CPU"
    if embedded.dtype != torch.float32:
        return f"tensors are {embedded.dtype}, the fast twin is for float32"
    if len({len(weight) for weight in weights}) != 1:
        return "kernel sizes have different numbers of filters"
    if torch.compiler.is_exporting():
        return "the model is being exported"
    return ""


def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


def _is_cached(module: object) -> bool:
    folder = Path(module._search.stats.cache_path)  # type: ignore[attr-defined]
    return any(folder.glob("numba_training.*.nbi"))
