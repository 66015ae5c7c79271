"""Process group on torch.distributed: gloo between CPUs, NCCL between GPUs."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from textcnn.progress import Reporter, Silent, StopTraining
from textcnn.training.distributed import ProcessGroup, RankLostError, Value, restart_count

_LOST = ("gloo", "NCCL", "Connection closed", "Connection reset")  # in torch's message when a process is gone


class TorchGroup(ProcessGroup):
    """Process group on torch's initialized default group; methods as in :class:`ProcessGroup`."""

    def __init__(self) -> None:
        self.size, self.rank = dist.get_world_size(), dist.get_rank()
        self.is_stopping = self.is_interrupted = False

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum by one all_reduce, with another in the backward pass."""
        found: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
        return found

    def sum_gradients(self, dense: Sequence[nn.Parameter], tables: Sequence[nn.Parameter]) -> None:
        """Sum dense gradients by one all_reduce, and gather the entries of all tables by one all_gather."""
        if dense:
            grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in dense]
            # One large message is faster than many small ones.
            flat = self.sum(torch.cat([grad.reshape(-1) for grad in grads]))
            parts = torch.split(flat, [grad.numel() for grad in grads])
            for weight, grad, part in zip(dense, grads, parts, strict=True):
                weight.grad = grad.copy_(part.view_as(grad))  # keeps the strides of the weight
        if tables:
            of_ranks = self.each([_entries(table) for table in tables])
            for table, *entries in zip(tables, *of_ranks, strict=True):
                rows, values = (torch.from_numpy(np.concatenate(part)) for part in zip(*entries, strict=True))
                found = torch.sparse_coo_tensor(rows[None], values, table.shape, check_invariants=False)
                table.grad = found.to(table.device)

    def same(self, value: Value) -> Value:
        """Broadcast the first process's value as a pickle."""
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def each(self, value: Value) -> list[Value]:
        """Gather all values by one all_gather of pickles, padded to the longest."""
        found = [value] * self.size
        dist.all_gather_object(found, value)
        return found

    def agree(self, loss: float) -> float:
        """Sum losses and stop requests by one all_reduce of three numbers."""
        numbers = torch.tensor([loss, self.is_stopping, self.is_interrupted], dtype=torch.float64)
        value, stopping, interrupted = self.sum(numbers).tolist()
        if interrupted:
            self.is_interrupted = True
            raise KeyboardInterrupt
        if stopping:
            raise StopTraining
        return float(value)

    def listening(self, reporter: Reporter) -> Reporter:
        """Return callbacks that defer StopTraining and KeyboardInterrupt to the next :meth:`agree`."""
        return _Listening(self, reporter)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Let signals only set a flag, which :meth:`agree` sums; after one, others do not disturb the saving."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def note(number: int, frame: FrameType | None) -> None:
            self.is_interrupted = True
            if callable(handler := before[signal.Signals(number)]):
                with suppress(KeyboardInterrupt):  # the handler may store which signal it was
                    handler(number, frame)

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            if not self.is_interrupted:
                for number, handler in before.items():
                    signal.signal(number, handler)


class _Sum(torch.autograd.Function):
    """Autograd function that sums over processes; each has a term of the loss, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total = grad.clone()
        dist.all_reduce(total)
        return total


class _Listening(Silent):
    def __init__(self, group: TorchGroup, reporter: Reporter) -> None:
        self._group, self._reporter = group, reporter

    def say(self, message: str) -> None:
        self._reporter.say(message)

    def start(self, num_steps: int) -> None:
        self._reporter.start(num_steps)

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        with self._kept():
            self._reporter.step(epoch, loss, tokens_per_second)

    def epoch(self, entry: dict[str, Any]) -> None:
        with self._kept():
            self._reporter.epoch(entry)

    def stop(self) -> None:
        self._reporter.stop()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except StopTraining:
            self._group.is_stopping = True
        except KeyboardInterrupt:
            self._group.is_interrupted = True


@contextmanager
def joined() -> Iterator[TorchGroup]:
    """Initialize torch's default group from torchrun's environment variables, and destroy it after the block.

    Raises:
        RankLostError: another process ended before the block did.
    """
    # These functions take the group that exists when they are imported as a default argument. The optimizers import
    # them; a group that is still referenced at the end of the interpreter aborts the process now and then.
    importlib.import_module("torch.distributed.nn.functional")
    # torchrun keeps one store over all of its restarts, with the addresses of processes that are gone.
    store, rank, size = next(rendezvous("env://"))
    store = PrefixStore(f"start {restart_count()}", store)
    dist.init_process_group(_backend(), store=store, rank=rank, world_size=size)
    try:
        yield TorchGroup()
    except (RuntimeError, dist.DistError) as err:
        if not isinstance(err, dist.DistError) and not any(word in str(err) for word in _LOST):
            raise
        raise RankLostError(
            f"rank {rank} lost another of the {size} ranks: {str(err).splitlines()[0]}; start the run again with "
            f"--resume, or let torchrun do it (--max-restarts)"
        ) from err
    finally:
        dist.destroy_process_group()


def _backend() -> str:
    """Return ``cpu:gloo,cuda:nccl`` if each process has its own GPU, else ``gloo``."""
    gpus = torch.cuda.device_count()
    if not gpus:
        return "gloo"
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % gpus)
    return "cpu:gloo,cuda:nccl" if gpus >= int(os.environ.get("LOCAL_WORLD_SIZE", "1")) else "gloo"


def _entries(table: nn.Parameter) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return rows ``(E,)`` and values ``(E, D)`` of a sparse gradient; a missing gradient has no entries."""
    if table.grad is None:
        return np.zeros(0, np.int64), table.new_zeros(0, table.shape[1]).numpy(force=True)
    return table.grad._indices()[0].cpu().numpy(), table.grad._values().cpu().numpy()
