"""Which twin of a fused operation runs: the fast one where it can, the plain definition elsewhere, and why."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from textcnn.errors import ConfigError
from textcnn.kernels import reference
from textcnn.kernels.compiling import NOTE, is_cached
from textcnn.kernels.padding import is_exporting

BACKENDS = ("auto", "reference", "numba")


class BackendInfo(NamedTuple):
    """What ran since the choice was made, and, where it was the plain definition, why the fast twin was refused.

    ``backend`` is ``numba``, ``reference``, or ``numba+reference`` if some operations were refused and others not.
    """

    backend: str
    reason: str


_choice = "auto"
_preparing: threading.Thread | None = None
_lost_threads = False  # in a child of a fork, whose parent had compiled kernels with threads
_refusals: dict[str, str] = {}  # for each operation that ran, why its fast twin did not; empty: it did


def use_backend(name: str) -> str:
    """Choose the twin for this process and return the choice before.

    Args:
        name: ``auto`` takes the fast twin where it can; ``reference`` never; ``numba`` must, and an operation it
            cannot do is an error.

    Raises:
        ConfigError: there is no such backend, or numba is asked for and not installed.
    """
    global _choice
    if name not in BACKENDS:
        raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    if name == "numba" and not _has_numba():
        raise ConfigError("backend is 'numba', but numba is not installed; use 'auto' or 'reference'")
    before, _choice = _choice, name
    _refusals.clear()
    return before


def backend_info() -> BackendInfo:
    """What ran in this process since the choice was made."""
    if not _refusals:
        return BackendInfo("reference", "no operation with a fast twin has run")
    refused = {name: reason for name, reason in _refusals.items() if reason}
    if not refused:
        return BackendInfo("numba", "")
    reasons = "; ".join(dict.fromkeys(refused.values()))
    return BackendInfo("reference" if len(refused) == len(_refusals) else "numba+reference", reasons)


def is_compiled() -> bool:
    """Whether twins that give the same bits, and so have nothing to refuse, are to run compiled."""
    return _choice != "reference" and _has_numba()


def prepare(say: Callable[[str], None], *, wait: bool = True) -> None:
    """Compile the fast twins now, so that no step is timed with it, and tell the user if it takes a while.

    Args:
        say: told before compiling, the first time on a machine.
        wait: come back when it is done; else a thread does it, and the next call waits for that.
    """
    global _preparing
    if not is_compiled() or _lost_threads:
        return
    if _preparing is None:
        from textcnn.kernels import numba_rows, numba_training

        if not all(is_cached(module) for module in (numba_rows, numba_training)):
            say(NOTE)
        # The interpreter waits for it at its end: a thread stopped in the midst of LLVM takes the process with it.
        _preparing = threading.Thread(target=_run_all_once)
        _preparing.start()
    if wait:
        _preparing.join()
        _preparing = None


def _run_all_once() -> None:
    """Load or compile each kernel; one is as long as the end of the process waits for it."""
    from textcnn.kernels import numba_training

    one, zero, offsets = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64), torch.tensor([0, 1])
    weight, bias = torch.ones(1, 1, 1, requires_grad=True), torch.ones(1)
    best = numba_training.conv_max(one, [weight], [bias], zero, offsets)
    entry = torch.sparse_coo_tensor(zero[None], one, (1, 1), check_invariants=False)
    for run in (
        best.sum().backward,
        lambda: numba_training.row_adam(one, torch.ones(1, 2, 1), entry, lr=0.0, betas=(0.9, 0.9), eps=1.0),
        lambda: numba_training.row_adagrad(one, torch.ones(1), entry, lr=0.0),
    ):
        if not threading.main_thread().is_alive():
            return
        run()


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
    found: Tensor = _twin("conv_max", embedded).conv_max(embedded, weights, biases, inverse, offsets, keep)
    return found


def bag_sum(
    table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor, *, sparse: bool = False, merge: bool = True
) -> Tensor:
    """Weighted sum of the rows of each bag; see :func:`textcnn.kernels.reference.bag_sum`.

    Raises:
        ConfigError: the backend is ``numba`` and it cannot do this.
    """
    found: Tensor = _twin("bag_sum", table).bag_sum(table, rows, offsets, weights, sparse=sparse, merge=merge)
    return found


def row_adam(
    weight: Tensor, moments: Tensor, grad: Tensor, *, lr: float, betas: tuple[float, float], eps: float
) -> None:
    """Adam on the rows that have a gradient; see :func:`textcnn.kernels.reference.row_adam`.

    Raises:
        ConfigError: the backend is ``numba`` and it cannot do this.
    """
    _twin("row_adam", weight).row_adam(weight, moments, grad, lr=lr, betas=betas, eps=eps)


def row_adagrad(weight: Tensor, total: Tensor, grad: Tensor, *, lr: float) -> None:
    """Adagrad on the rows that have a gradient; see :func:`textcnn.kernels.reference.row_adagrad`.

    Raises:
        ConfigError: the backend is ``numba`` and it cannot do this.
    """
    _twin("row_adagrad", weight).row_adagrad(weight, total, grad, lr=lr)


def _twin(operation: str, tensor: Tensor) -> ModuleType:
    """The module that runs an operation on tensors like this one; what it is, is remembered."""
    reason = _refusal(tensor)
    if reason and _choice == "numba":
        raise ConfigError(f"backend is 'numba', which cannot run this: {reason}; use 'auto' or 'reference'")
    _refusals[operation] = reason
    if reason:
        return reference
    from textcnn.kernels import numba_training

    return numba_training


def _refusal(tensor: Tensor) -> str:
    """Why the fast twin cannot run, or nothing."""
    if _choice == "reference":
        return "the reference was chosen"
    if not _has_numba():
        return "numba is not installed"
    if _lost_threads:
        return "the process is a child of a fork, without the threads of the fast twin"
    if tensor.device.type != "cpu":
        return f"tensors are on {tensor.device.type}, the fast twin is for the CPU"
    if tensor.dtype != torch.float32:
        return f"tensors are {tensor.dtype}, the fast twin is for float32"
    if is_exporting():
        return "the model is being exported"
    return ""


@cache
def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


def _after_fork() -> None:
    """A child has none of OpenMP's threads: torch would wait for them for ever, and numba end the process.

    One thread of its own is what a data-loading worker of torch has, too.
    """
    global _preparing, _lost_threads
    _preparing = None
    _lost_threads = _lost_threads or "textcnn.kernels.numba_rows" in sys.modules
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
